//! Stripe: the payment port over its HTTP API, by a thin client of our own.
//!
//! | asked for | there |
//! |---|---|
//! | authorise a method's token | a payment intent, confirmed at once, to be captured by hand |
//! | authorise `checkout`, `checkout:card,paypal` | a checkout session; Apple Pay and Google Pay are `card` there |
//! | capture, void | of the intent; an open session expires instead |
//! | refund | a refund of the intent |
//!
//! Our ids are in the metadata of all that is made there, so that it is found again. Stripe answers a repeated key with
//! what it said the first time, errors too, and forgets keys after a day: so what was said before is looked up as it is
//! now, and what was asked long ago is only looked for.

mod charges;
pub mod client;
pub mod currency;
pub mod decline;
mod notices;
#[cfg(test)]
mod tests;
pub mod wire;

use std::sync::Arc;

use async_trait::async_trait;
use chrono::TimeDelta;
use commands::clock::Clock;
use commands::port::payment::{
    Authorisation, Authorise, Capture, Captured, Charge, GatewayError, PaymentGateway, Refund, Refunded,
    Void, Which,
};
use domain::ids::AttemptId;

pub use notices::StripeNotices;

use charges::{charge_of, of_session, refunded_of};
use client::{Client, Form, No};
use currency::{from_stripe, to_stripe};
use wire::{List, PaymentIntent, Session};

/// How long Stripe is trusted to remember a key: it keeps them for at least a day.
const KEYS_KEPT: TimeDelta = TimeDelta::hours(23);
/// The method that stands for paying at Stripe's page.
pub const CHECKOUT: &str = "checkout";
const EXPANDED: &str = "latest_charge.balance_transaction";

/// Speaks to one account of Stripe.
#[derive(Clone)]
pub struct StripeGateway {
    pub client: Client,
    pub clock: Arc<dyn Clock>,
    /// Where the buyer goes when paid, and when not; `{order}`, `{payment}` and `{workspace}` in them are filled in.
    pub return_url: String,
    pub cancel_url: String,
    /// The kinds of payment methods of a session, where a payment does not say.
    pub methods: Vec<String>,
}

type Answer<T> = Result<T, GatewayError>;

fn path(parts: &[&str]) -> String {
    // Ids are ours or Stripe's; anything else in one would make another path of it.
    let plain = |part: &&str| part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    let parts: Vec<_> = parts.iter().map(|part| if plain(part) { part } else { "-" }).collect();
    format!("/v1/{}", parts.join("/"))
}

impl StripeGateway {
    fn filled(&self, url: &str, ask: &Authorise) -> String {
        url.replace("{order}", &ask.order.to_string())
            .replace("{payment}", &ask.payment.to_string())
            .replace("{workspace}", &ask.workspace.to_string())
    }

    /// The form, with what the charge is for.
    fn marked(form: Form, at: &str, ask: &Authorise) -> Form {
        form.with(format!("{at}[workspace]"), ask.workspace)
            .with(format!("{at}[order]"), ask.order)
            .with(format!("{at}[payment]"), ask.payment)
            .with(format!("{at}[attempt]"), ask.attempt)
    }

    async fn intent(&self, id: &str) -> Result<PaymentIntent, No> {
        self.client.get(&path(&["payment_intents", id]), &Form::default().with("expand[]", EXPANDED)).await
    }

    async fn session(&self, id: &str) -> Result<Session, No> {
        let expanded = Form::default().with("expand[]", format!("payment_intent.{EXPANDED}"));
        self.client.get(&path(&["checkout", "sessions", id]), &expanded).await
    }

    /// With its refunds; of one that a buyer is still at, as its session says.
    async fn whole(&self, intent: &PaymentIntent) -> Answer<Charge> {
        let is_open = matches!(intent.status.as_str(), "requires_payment_method" | "requires_action");
        if intent.metadata.contains_key("session") && is_open {
            let of = Form::default().with("payment_intent", &intent.id).with("limit", 1);
            let found: List<Session> =
                self.client.get("/v1/checkout/sessions", &of).await.map_err(No::or_rejected)?;
            if let Some(session) = found.data.first() {
                return of_session(&self.session(&session.id).await.map_err(No::or_rejected)?);
            }
        }
        let mut charge = charge_of(intent)?;
        let given_back = intent.latest_charge.as_ref().and_then(wire::Expandable::object);
        if given_back.is_some_and(|charge| charge.amount_refunded > 0) {
            let all = self.refunds(&intent.id).await?;
            charge.refunds = all.iter().filter_map(refunded_of).collect();
        }
        Ok(charge)
    }

    async fn refunds(&self, intent: &str) -> Answer<Vec<wire::Refund>> {
        let mut all: Vec<wire::Refund> = Vec::new();
        loop {
            let mut query = Form::default().with("payment_intent", intent).with("limit", 100);
            if let Some(last) = all.last() {
                query = query.with("starting_after", &last.id);
            }
            let page: List<wire::Refund> =
                self.client.get("/v1/refunds", &query).await.map_err(No::or_rejected)?;
            let more = page.has_more && !page.data.is_empty();
            all.extend(page.data);
            if !more {
                return Ok(all);
            }
        }
    }

    /// What an attempt has made, if anything. Stripe's search is behind by up to a minute.
    async fn search(&self, attempt: AttemptId) -> Answer<Option<Charge>> {
        let query = Form::default().with("query", format!("metadata['attempt']:'{attempt}'"));
        let found: List<PaymentIntent> =
            self.client.get("/v1/payment_intents/search", &query).await.map_err(No::or_rejected)?;
        match found.data.first() {
            Some(intent) => self.find(&Which::OfReference(intent.id.clone())).await,
            None => Ok(None),
        }
    }

    /// Open for a day, as Stripe has it, or until its payment is over. Nothing in the form is of the time it is asked at:
    /// asked again under its key, it must be the same.
    async fn open_session(&self, ask: &Authorise, methods: &[String]) -> Answer<Charge> {
        let (amount, currency) =
            to_stripe(ask.amount).map_err(|no| GatewayError::Rejected(no.to_string()))?;
        let item = "line_items[0][price_data]";
        let mut form = Form::default()
            .with("mode", "payment")
            .with(format!("{item}[currency]"), currency)
            .with(format!("{item}[unit_amount]"), amount)
            .with(format!("{item}[product_data][name]"), format!("Order {}", ask.order))
            .with("line_items[0][quantity]", 1)
            .with("client_reference_id", ask.payment)
            .with("success_url", self.filled(&self.return_url, ask))
            .with("cancel_url", self.filled(&self.cancel_url, ask))
            .with("payment_intent_data[capture_method]", "manual")
            .with("payment_intent_data[metadata][session]", "checkout");
        for (index, method) in methods.iter().enumerate() {
            form = form.with(format!("payment_method_types[{index}]"), method);
        }
        let form = Self::marked(Self::marked(form, "metadata", ask), "payment_intent_data[metadata]", ask);
        let made = self.client.post::<Session>("/v1/checkout/sessions", &form, &ask.key()).await;
        let made = made.map_err(No::or_rejected)?;
        if made.replayed {
            return of_session(&self.session(&made.of.id).await.map_err(No::or_rejected)?);
        }
        of_session(&made.of)
    }

    async fn confirm_intent(&self, ask: &Authorise) -> Answer<Authorisation> {
        let (amount, currency) =
            to_stripe(ask.amount).map_err(|no| GatewayError::Rejected(no.to_string()))?;
        let form = Form::default()
            .with("amount", amount)
            .with("currency", currency)
            .with("payment_method", &ask.method)
            .with("automatic_payment_methods[enabled]", true)
            .with("confirm", true)
            .with("capture_method", "manual")
            .with("return_url", self.filled(&self.return_url, ask))
            .with("expand[]", EXPANDED);
        let form = Self::marked(form, "metadata", ask);
        match self.client.post::<PaymentIntent>("/v1/payment_intents", &form, &ask.key()).await {
            Ok(made) if made.replayed => {
                let intent = self.intent(&made.of.id).await.map_err(No::or_rejected)?;
                Ok(charge_of(&intent)?.authorisation())
            }
            Ok(made) => Ok(charge_of(&made.of)?.authorisation()),
            Err(No::Refused(body)) if body.is_of_card() => {
                Ok(Authorisation::Declined(decline::decline(&body.best_code(), body.advice_code.as_deref())))
            }
            Err(No::Other(GatewayError::Unknown(why))) => {
                // An error is kept under the key, and what was done all the same is found by its metadata.
                let found = self.search(ask.attempt).await.ok().flatten();
                found.map(|charge| charge.authorisation()).ok_or(GatewayError::Unknown(why))
            }
            Err(no) => Err(no.or_rejected()),
        }
    }

    /// The intent as it is, where it was not done as asked: what was asked may be done all the same.
    async fn instead(&self, charge: &str, no: No) -> Result<PaymentIntent, GatewayError> {
        let error = no.or_rejected();
        self.intent(charge).await.map_err(|_| error)
    }
}

#[async_trait]
impl PaymentGateway for StripeGateway {
    async fn authorise(&self, ask: &Authorise) -> Answer<Authorisation> {
        if self.clock.now() - ask.asked_at > KEYS_KEPT {
            let found = self.search(ask.attempt).await?;
            let never = || GatewayError::Rejected("it_never_arrived".into());
            return found.map(|charge| charge.authorisation()).ok_or_else(never);
        }
        match ask.method.split_once(':') {
            _ if ask.method == CHECKOUT => Ok(self.open_session(ask, &self.methods).await?.authorisation()),
            Some((CHECKOUT, methods)) => {
                let methods: Vec<_> = methods.split(',').map(kind_of_method).map(str::to_owned).collect();
                Ok(self.open_session(ask, &methods).await?.authorisation())
            }
            _ => self.confirm_intent(ask).await,
        }
    }

    async fn capture(&self, ask: &Capture) -> Answer<Captured> {
        let (amount, _) = to_stripe(ask.amount).map_err(|no| GatewayError::Rejected(no.to_string()))?;
        let form = Form::default()
            .with("amount_to_capture", amount)
            .with("metadata[capture]", ask.capture)
            .with("expand[]", EXPANDED);
        let path = path(&["payment_intents", &ask.charge, "capture"]);
        let (intent, no) = match self.client.post::<PaymentIntent>(&path, &form, &ask.key()).await {
            Ok(done) => (done.of, GatewayError::Unknown("not captured yet".into())),
            Err(No::Refused(body)) => {
                let no = GatewayError::Rejected(body.best_code());
                (self.instead(&ask.charge, No::Refused(body)).await?, no)
            }
            Err(No::Other(error)) => {
                let no = error.clone();
                (self.instead(&ask.charge, No::Other(error)).await?, no)
            }
        };
        charge_of(&intent)?.captured(ask.capture).cloned().ok_or(no)
    }

    async fn void(&self, ask: &Void) -> Answer<()> {
        if ask.charge.starts_with("cs_") {
            let path = path(&["checkout", "sessions", &ask.charge, "expire"]);
            let Err(no) = self.client.post::<Session>(&path, &Form::default(), &ask.key()).await else {
                return Ok(());
            };
            let error = no.or_rejected();
            let session = self.session(&ask.charge).await.map_err(|_| error.clone())?;
            return if session.status.as_deref() == Some("expired") { Ok(()) } else { Err(error) };
        }
        let path = path(&["payment_intents", &ask.charge, "cancel"]);
        let Err(no) = self.client.post::<PaymentIntent>(&path, &Form::default(), &ask.key()).await else {
            return Ok(());
        };
        let error = no.or_rejected();
        let intent = self.intent(&ask.charge).await.map_err(|_| error.clone())?;
        if intent.status == "canceled" { Ok(()) } else { Err(error) }
    }

    /// Looked for first: the key of one that was asked for long ago may be forgotten.
    async fn refund(&self, ask: &Refund) -> Answer<Refunded> {
        let (amount, _) = to_stripe(ask.amount).map_err(|no| GatewayError::Rejected(no.to_string()))?;
        let (ours, nth) = (ask.refund.to_string(), ask.attempt.max(1).to_string());
        let known = self.refunds(&ask.charge).await?;
        let is_this = |refund: &&wire::Refund| {
            refund.metadata.get("refund") == Some(&ours) && refund.metadata.get("try") == Some(&nth)
        };
        let refund = match known.into_iter().find(|refund| is_this(&refund)) {
            Some(refund) => refund,
            None => {
                let form = Form::default()
                    .with("payment_intent", &ask.charge)
                    .with("amount", amount)
                    .with("metadata[refund]", &ours)
                    .with("metadata[try]", &nth);
                let made = self.client.post("/v1/refunds", &form, &ask.key()).await;
                made.map_err(No::or_rejected)?.of
            }
        };
        match refund.status.as_deref() {
            Some("succeeded") => {
                let amount = from_stripe(refund.amount, &refund.currency);
                let amount = amount.map_err(|no| GatewayError::Unknown(no.to_string()))?;
                Ok(Refunded { refund: ask.refund, psp_ref: refund.id, amount })
            }
            Some("failed" | "canceled") => {
                let why = refund.failure_reason.unwrap_or_else(|| "refund_failed".into());
                Err(GatewayError::Rejected(why))
            }
            other => Err(GatewayError::Unknown(format!("the refund is {}", other.unwrap_or("unnamed")))),
        }
    }

    async fn find(&self, which: &Which) -> Answer<Option<Charge>> {
        let found = match which {
            Which::OfAttempt(attempt) => return self.search(*attempt).await,
            Which::OfReference(id) if id.starts_with("cs_") => match self.session(id).await {
                Ok(session) => of_session(&session),
                Err(no) => Err(no.or_rejected()),
            },
            Which::OfReference(id) => match self.intent(id).await {
                Ok(intent) => self.whole(&intent).await,
                Err(no) => Err(no.or_rejected()),
            },
        };
        match found {
            Err(GatewayError::Rejected(code)) if code == "resource_missing" => Ok(None),
            found => found.map(Some),
        }
    }
}

/// How a kind of method is called by Stripe: wallets of cards are cards to it.
fn kind_of_method(word: &str) -> &str {
    match word.trim() {
        "apple_pay" | "google_pay" => "card",
        other => other,
    }
}
