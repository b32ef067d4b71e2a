//! World: the books of the imitated Stripe, and what may be done to what is in them.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Value, json};

use super::{Booked, Hostility};

pub(super) type Form = BTreeMap<String, String>;

/// A no, with its status.
pub(super) type No = (u16, Value);

pub(super) struct World {
    seed: u64,
    pub(super) hostility: Hostility,
    pub(super) intents: BTreeMap<String, Value>,
    pub(super) sessions: BTreeMap<String, Value>,
    refunds: Vec<Value>,
    /// What was answered under a key, and to what.
    pub(super) answers: HashMap<String, (String, u16, Value)>,
    drawn: HashMap<(String, i64), u64>,
    pub(super) outbox: Vec<Value>,
    pub(super) told: u64,
    made: u64,
    pub(super) last_session: Option<Value>,
}

pub(super) fn refusal(status: u16, kind: &str, code: &str) -> No {
    (status, json!({"error": {"type": kind, "code": code, "message": code}}))
}

fn missing() -> No {
    refusal(404, "invalid_request_error", "resource_missing")
}

fn metadata(form: &Form, at: &str) -> Value {
    let inside =
        |name: &String| name.strip_prefix(at)?.strip_prefix('[')?.strip_suffix(']').map(str::to_owned);
    let all = form.iter().filter_map(|(name, value)| Some((inside(name)?, json!(value))));
    Value::Object(all.collect())
}

fn number(form: &Form, name: &str) -> Result<i64, No> {
    let given = form.get(name).and_then(|value| value.parse::<i64>().ok()).filter(|value| *value > 0);
    given.ok_or_else(|| refusal(400, "invalid_request_error", "parameter_missing"))
}

impl World {
    pub(super) fn new(seed: u64, hostility: Hostility) -> Self {
        Self {
            seed,
            hostility,
            intents: BTreeMap::new(),
            sessions: BTreeMap::new(),
            refunds: Vec::new(),
            answers: HashMap::new(),
            drawn: HashMap::new(),
            outbox: Vec::new(),
            told: 0,
            made: 0,
            last_session: None,
        }
    }

    /// 0 to 99, for what happens the next time to a payment of this amount.
    pub(super) fn lot(&mut self, what: &str, amount: i64) -> u64 {
        let nth = self.drawn.entry((what.to_owned(), amount)).or_default();
        *nth += 1;
        let mut hasher = DefaultHasher::new();
        (self.seed, what, amount, *nth).hash(&mut hasher);
        hasher.finish() % 100
    }

    pub(super) fn draw(&mut self, what: &str, object: &Value) -> u64 {
        let amount = object["asked"].as_i64().or_else(|| object["amount_total"].as_i64());
        self.lot(what, amount.unwrap_or_default())
    }

    fn id(&mut self, prefix: &str) -> String {
        self.made += 1;
        format!("{prefix}_{}", self.made)
    }

    pub(super) fn booked(&self, intent: &Value) -> Booked {
        let of =
            |refund: &&Value| refund["payment_intent"] == intent["id"] && refund["status"] == "succeeded";
        let back = self.refunds.iter().filter(of).filter_map(|refund| refund["amount"].as_i64());
        Booked {
            amount: intent["asked"].as_i64().unwrap_or_default(),
            status: intent["status"].as_str().unwrap_or_default().to_owned(),
            captured: intent["amount_received"].as_i64().unwrap_or_default(),
            refunded: back.sum(),
        }
    }

    /// An intent that holds what its method gives.
    fn confirm(&mut self, amount: i64, currency: &str, method: &str, metadata: Value) -> Value {
        let id = self.id("pi");
        let declined = match method {
            "pm_card_chargeDeclined" => Some("insufficient_funds"),
            "pm_card_fraudulent" => Some("fraudulent"),
            _ => (self.lot("decline", amount) < self.hostility.decline).then_some("do_not_honor"),
        };
        let lie = self.lot("lie", amount) < self.hostility.lie;
        let held = amount - if lie { 100.min(amount - 1) } else { 0 };
        let error = declined.map(|code| {
            json!({"type": "card_error", "code": "card_declined", "decline_code": code, "message": "declined"})
        });
        let status = if declined.is_some() { "requires_payment_method" } else { "requires_capture" };
        let charge = json!({
            "id": self.id("ch"), "object": "charge", "amount": amount, "amount_refunded": 0, "captured": false,
            "status": if declined.is_some() { "failed" } else { "succeeded" }, "payment_intent": id,
            "balance_transaction": null, "disputed": false,
            "payment_method_details": {"type": "card", "card": {"capture_before": 4_102_444_800_i64}},
        });
        let intent = json!({
            "id": id, "object": "payment_intent", "amount": amount, "asked": amount, "currency": currency,
            "amount_capturable": if declined.is_some() { 0 } else { held }, "amount_received": 0,
            "capture_method": "manual", "status": status, "metadata": metadata, "created": 1_767_225_600,
            "latest_charge": charge, "last_payment_error": error, "next_action": null, "canceled_at": null,
        });
        self.intents.insert(id.clone(), intent.clone());
        let kind = if declined.is_some() { "payment_failed" } else { "amount_capturable_updated" };
        self.tell(&format!("payment_intent.{kind}"), &intent);
        intent
    }

    pub(super) fn new_intent(&mut self, form: &Form) -> Result<Value, No> {
        let amount = number(form, "amount")?;
        let currency = form.get("currency").cloned().unwrap_or_default();
        let method = form.get("payment_method").cloned().unwrap_or_default();
        if form.get("capture_method").map(String::as_str) != Some("manual") {
            return Err(refusal(400, "invalid_request_error", "not_imitated"));
        }
        let intent = self.confirm(amount, &currency, &method, metadata(form, "metadata"));
        match &intent["last_payment_error"] {
            Value::Null => Ok(intent),
            error => {
                let mut error = error.clone();
                error["payment_intent"] = intent.clone();
                Err((402, json!({"error": error})))
            }
        }
    }

    pub(super) fn capture(&mut self, id: &str, form: &Form) -> Result<Value, No> {
        let amount = number(form, "amount_to_capture")?;
        let intent = self.intents.get_mut(id).ok_or_else(missing)?;
        let held = intent["amount_capturable"].as_i64().unwrap_or_default();
        if intent["status"] != "requires_capture" {
            return Err(refusal(400, "invalid_request_error", "payment_intent_unexpected_state"));
        }
        if amount > held {
            return Err(refusal(400, "invalid_request_error", "amount_too_large"));
        }
        intent["status"] = json!("succeeded");
        intent["amount_received"] = json!(amount);
        intent["amount_capturable"] = json!(0);
        intent["latest_charge"]["captured"] = json!(true);
        intent["latest_charge"]["balance_transaction"] =
            json!({"id": "txn_1", "fee": amount * 29 / 1000 + 30, "currency": intent["currency"]});
        if let Value::Object(given) = metadata(form, "metadata") {
            for (name, value) in given {
                intent["metadata"][name] = value;
            }
        }
        let intent = intent.clone();
        self.tell("payment_intent.succeeded", &intent);
        Ok(intent)
    }

    pub(super) fn cancel(&mut self, id: &str) -> Result<Value, No> {
        let intent = self.intents.get_mut(id).ok_or_else(missing)?;
        if intent["status"] == "succeeded" || intent["status"] == "canceled" {
            return Err(refusal(400, "invalid_request_error", "payment_intent_unexpected_state"));
        }
        intent["status"] = json!("canceled");
        intent["amount_capturable"] = json!(0);
        let intent = intent.clone();
        self.tell("payment_intent.canceled", &intent);
        Ok(intent)
    }

    pub(super) fn search(&self, query: &Form) -> Result<Value, No> {
        let asked = query.get("query").cloned().unwrap_or_default();
        let attempt = asked.strip_prefix("metadata['attempt']:'").and_then(|rest| rest.strip_suffix('\''));
        let attempt = attempt.ok_or_else(|| refusal(400, "invalid_request_error", "query"))?;
        let found: Vec<_> =
            self.intents.values().filter(|intent| intent["metadata"]["attempt"] == attempt).collect();
        Ok(json!({"object": "search_result", "data": found, "has_more": false}))
    }

    pub(super) fn intent(&self, id: &str) -> Result<Value, No> {
        self.intents.get(id).cloned().ok_or_else(missing)
    }

    pub(super) fn new_session(&mut self, form: &Form) -> Result<Value, No> {
        let amount = number(form, "line_items[0][price_data][unit_amount]")?;
        let currency = form.get("line_items[0][price_data][currency]").cloned().unwrap_or_default();
        let id = self.id("cs");
        let session = json!({
            "id": id, "object": "checkout.session", "mode": "payment", "status": "open", "payment_status": "unpaid",
            "amount_total": amount, "currency": currency, "payment_intent": null,
            "url": format!("https://checkout.stripe.example/c/pay/{id}"), "metadata": metadata(form, "metadata"),
            "expires_at": 1_767_312_000_i64,
            "intent_metadata": metadata(form, "payment_intent_data[metadata]"),
        });
        self.sessions.insert(id, session.clone());
        self.last_session = Some(json!(form));
        Ok(session)
    }

    pub(super) fn session(&self, id: &str) -> Result<Value, No> {
        let mut session = self.sessions.get(id).cloned().ok_or_else(missing)?;
        if let Some(intent) = session["payment_intent"].as_str() {
            session["payment_intent"] = self.intent(intent)?;
        }
        Ok(session)
    }

    pub(super) fn sessions_of(&self, query: &Form) -> Value {
        let of = query.get("payment_intent").cloned().unwrap_or_default();
        let found: Vec<_> =
            self.sessions.values().filter(|session| session["payment_intent"] == of.as_str()).collect();
        json!({"object": "list", "data": found, "has_more": false})
    }

    pub(super) fn expire(&mut self, id: &str) -> Result<Value, No> {
        let session = self.sessions.get_mut(id).ok_or_else(missing)?;
        if session["status"] != "open" {
            return Err(refusal(400, "invalid_request_error", "session_not_open"));
        }
        session["status"] = json!("expired");
        session["url"] = Value::Null;
        let session = session.clone();
        self.tell("checkout.session.expired", &session);
        Ok(session)
    }

    pub(super) fn buyers_pay(&mut self) {
        let open: Vec<Value> = self.sessions.values().filter(|s| s["status"] == "open").cloned().collect();
        for session in open {
            let amount = session["amount_total"].as_i64().unwrap_or_default();
            let (id, currency) = (session["id"].as_str().unwrap_or_default(), session["currency"].as_str());
            if self.lot("abandoned", amount) < self.hostility.abandoned {
                continue;
            }
            let of = session["intent_metadata"].clone();
            let intent = self.confirm(amount, currency.unwrap_or_default(), "pm_card_visa", of);
            // Declined at the page, the buyer may try another card there: the session stays open.
            if intent["status"] != "requires_capture" {
                continue;
            }
            if let Some(session) = self.sessions.get_mut(id) {
                session["status"] = json!("complete");
                session["url"] = Value::Null;
                session["payment_intent"] = intent["id"].clone();
                let session = session.clone();
                self.tell("checkout.session.completed", &session);
            }
        }
    }

    pub(super) fn new_refund(&mut self, form: &Form) -> Result<Value, No> {
        let amount = number(form, "amount")?;
        let of = form.get("payment_intent").cloned().unwrap_or_default();
        let intent = self.intent(&of)?;
        let booked = self.booked(&intent);
        if amount > booked.captured - booked.refunded {
            return Err(refusal(400, "invalid_request_error", "amount_too_large"));
        }
        let refund = json!({
            "id": self.id("re"), "object": "refund", "amount": amount, "currency": intent["currency"], "status": "succeeded",
            "payment_intent": of, "metadata": metadata(form, "metadata"), "asked": intent["asked"],
        });
        self.refunds.push(refund.clone());
        if let Some(intent) = self.intents.get_mut(&of) {
            intent["latest_charge"]["amount_refunded"] = json!(booked.refunded + amount);
        }
        self.tell("refund.created", &refund);
        Ok(refund)
    }

    pub(super) fn refunds_of(&self, query: &Form) -> Value {
        let of = query.get("payment_intent").cloned().unwrap_or_default();
        let found: Vec<_> =
            self.refunds.iter().filter(|refund| refund["payment_intent"] == of.as_str()).collect();
        json!({"object": "list", "data": found, "has_more": false})
    }

    /// The amount of whatever a request is about: by it, misfortune is drawn.
    pub(super) fn amount_of(&self, path: &str, form: &Form) -> i64 {
        let named = ["amount", "line_items[0][price_data][unit_amount]"];
        let asked = named.iter().find_map(|name| form.get(*name)?.parse().ok());
        let of = path.split('/').find_map(|part| self.intents.get(part).or_else(|| self.sessions.get(part)));
        let of = of.or_else(|| form.get("payment_intent").and_then(|id| self.intents.get(id)));
        let known = of.and_then(|of| of["asked"].as_i64().or_else(|| of["amount_total"].as_i64()));
        known.or(asked).unwrap_or_default()
    }
}
