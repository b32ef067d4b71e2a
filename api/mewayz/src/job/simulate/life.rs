//! Lives: an order from the customer's first click to the last parcel, step by step.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use reqwest::Method;
use serde_json::{Value, json};

use super::Counts;
use super::client::{Answer, Client};
use super::plan::{Fate, Plan};
use super::shop::LOCATION;

const ORDERS: &str = "/api/ecommerce/orders";
/// How often a customer looks whether the order is confirmed, before leaving it to itself.
const LOOKS: u32 = 60;

/// Whether the life goes on.
type Lived = anyhow::Result<Option<()>>;

/// Lives a plan, as far as the platform lets it.
///
/// # Errors
/// If there is no answer.
pub async fn live(client: &Client, plan: &Plan, counts: &Counts) -> anyhow::Result<()> {
    let body = order(plan);
    let placed = client.command(Method::POST, ORDERS, &format!("{}/place", plan.number), &body).await?;
    let Answer::Done(placed) = placed else {
        Counts::add(&counts.refused);
        return Ok(());
    };
    Counts::add(&counts.placed);
    let id = placed["id"].as_str().unwrap_or_default().to_owned();
    Life { client, plan, counts, at: format!("{ORDERS}/{id}") }.go_on().await.map(|_| ())
}

fn order(plan: &Plan) -> Value {
    let money = |amount: i64| json!({ "amount": amount, "currency": plan.currency });
    let line = |line: &super::plan::PlannedLine| json!({ "sku": line.sku, "quantity": line.quantity, "location": LOCATION });
    let mut order = json!({
        "customer_id": plan.customer,
        "currency": plan.currency,
        "lines": plan.lines.iter().map(line).collect::<Vec<_>>(),
        "shipping": { "method": plan.shipping.0, "amount": money(plan.shipping.1) },
        "tax": money(plan.tax),
        "payment_method": plan.method,
    });
    if let Some(off) = plan.discount {
        order["discount"] = json!({ "code": "WELCOME10", "amount": money(off) });
    }
    order
}

struct Life<'a> {
    client: &'a Client,
    plan: &'a Plan,
    counts: &'a Counts,
    /// Where the order is.
    at: String,
}

impl Life<'_> {
    async fn go_on(&self) -> Lived {
        let fate = self.plan.fate;
        if fate == Fate::CancelledAtOnce {
            return self.cancel().await;
        }
        let Some(confirmed) = self.settle().await? else { return Ok(None) };
        match fate {
            Fate::CancelledLater => return self.cancel().await,
            Fate::Confirmed | Fate::CancelledAtOnce => return Ok(None),
            _ => {}
        }
        let lines = units(&confirmed);
        if fate == Fate::DeliveredInPart
            && let [first, _, ..] = lines.as_slice()
        {
            let cancelled = json!({ "lines": [first], "reason": "out_of_stock" });
            self.step("cancel_line", "cancel-lines", cancelled).await?;
        }
        self.pack_and_send(fate).await
    }

    /// Waits until it is confirmed; a customer whose card was declined tries another, or leaves.
    async fn settle(&self) -> anyhow::Result<Option<Value>> {
        let mut pause = Duration::from_millis(50);
        for look in 0..LOOKS {
            let seen = self.look().await?;
            match seen["status"].as_str() {
                Some("confirmed" | "completed") => return Ok(Some(seen)),
                Some("placed") => {}
                _ => return Ok(None),
            }
            let declined = self.plan.method.starts_with("decline") && look >= 3;
            if declined && self.plan.other_method.is_none() {
                self.cancel().await?;
                return Ok(None);
            }
            if declined && let Some(method) = self.plan.other_method {
                // Until the decline has arrived it is refused, and then tried anew.
                let path = format!("{}/pay", self.at);
                let once = format!("{}/pay/{look}", self.plan.number);
                let body = json!({ "payment_method": method });
                self.client.command(Method::POST, &path, &once, &body).await?;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 3 / 2).min(Duration::from_secs(1));
        }
        Ok(None)
    }

    async fn pack_and_send(&self, fate: Fate) -> Lived {
        let seen = self.look().await?;
        let lines = units(&seen);
        // Times are told from the order's own, so that a repeat tells the same.
        let placed: DateTime<Utc> = serde_json::from_value(seen["placed_at"].clone())?;
        let after = |seconds| placed + TimeDelta::seconds(seconds);
        if lines.is_empty() {
            return Ok(None);
        }
        let tracking = format!("MZ{:010}", self.plan.number);
        if self.plan.carrier_is_early {
            self.carrier("handed_over", &tracking, after(1)).await?;
        }
        let Some(packed) = self.step("fulfil", "fulfilments", json!({ "lines": lines })).await? else {
            return Ok(None);
        };
        if fate == Fate::Packed {
            return Ok(None);
        }
        let Some(parcel) = packed["id"].as_str() else { return Ok(None) };
        let shipment = json!({ "carrier": "Parcel Post", "tracking": tracking });
        if self.step("ship", &format!("fulfilments/{parcel}/ship"), shipment).await?.is_none() {
            return Ok(None);
        }
        Counts::add(&self.counts.shipped);
        self.carrier("in_transit", &tracking, after(2)).await?;
        if fate == Fate::Shipped {
            return Ok(None);
        }
        self.carrier("delivered", &tracking, after(3)).await?;
        let deliver = format!("fulfilments/{parcel}/deliver");
        if self.step("deliver", &deliver, Value::Null).await?.is_none() {
            return Ok(None);
        }
        Counts::add(&self.counts.delivered);
        match fate {
            Fate::Returned => self.send_back(&lines[0]).await,
            _ => Ok(Some(())),
        }
    }

    async fn send_back(&self, line: &Value) -> Lived {
        let one = json!({ "line": line["line"], "quantity": 1 });
        let body = json!({ "lines": [one], "reason": "It does not fit" });
        let Some(asked) = self.step("return", "returns", body).await? else { return Ok(None) };
        let Some(back) = asked["id"].as_str() else { return Ok(None) };
        let condition = if self.plan.number.is_multiple_of(5) { "damaged" } else { "good" };
        let body = json!({ "line": line["line"], "quantity": 1, "condition": condition });
        if self.step("receive", &format!("returns/{back}/receive"), body).await?.is_some() {
            Counts::add(&self.counts.returned);
        }
        Ok(Some(()))
    }

    async fn cancel(&self) -> Lived {
        let cancelled = self.step("cancel", "cancel", json!({ "reason": "customer" })).await?;
        if cancelled.is_some() {
            Counts::add(&self.counts.cancelled);
        }
        Ok(cancelled.map(|_| ()))
    }

    async fn carrier(&self, kind: &str, tracking: &str, at: DateTime<Utc>) -> anyhow::Result<()> {
        let at = at.to_rfc3339_opts(SecondsFormat::Micros, true);
        let fact = json!({ "kind": kind, "at": at, "tracking": tracking });
        self.step(&format!("carrier/{kind}"), "carrier-facts", fact).await.map(|_| ())
    }

    /// One step of this life, once; none if it was refused.
    async fn step(&self, name: &str, path: &str, body: Value) -> anyhow::Result<Option<Value>> {
        let (path, once) = (format!("{}/{path}", self.at), format!("{}/{name}", self.plan.number));
        match self.client.command(Method::POST, &path, &once, &body).await? {
            Answer::Done(done) => Ok(Some(done)),
            Answer::Refused(code) => {
                tracing::debug!(code, path, "a step was refused");
                Counts::add(&self.counts.refused);
                Ok(None)
            }
        }
    }

    async fn look(&self) -> anyhow::Result<Value> {
        self.client.read(&format!("{}?min_position={}", self.at, self.client.newest())).await
    }
}

/// The units of an order that are not cancelled, by line.
fn units(order: &Value) -> Vec<Value> {
    let lines = order["lines"].as_array().map(Vec::as_slice).unwrap_or_default();
    let unit = |line: &Value| {
        let left = line["quantity"].as_u64()? - line["units"]["cancelled"].as_u64().unwrap_or(0);
        (left > 0).then(|| json!({ "line": line["line"], "quantity": left }))
    };
    lines.iter().filter_map(unit).collect()
}
