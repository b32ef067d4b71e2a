//! Charges: what Stripe's payment intents and checkout sessions are in the words of the port.

use chrono::{DateTime, TimeDelta, Utc};
use commands::port::payment::{
    Captured, Charge, ChargeMetadata, ChargeStatus, Decline, GatewayError, Refunded,
};
use domain::finance::payment::{Advice, DeclineClass, NextStep};
use domain::ids::CaptureId;
use domain::money::Money;
use uuid::Uuid;

use super::client::time;
use super::currency::from_stripe;
use super::decline::decline;
use super::wire::{self, Expandable, Metadata, PaymentIntent, Session};

/// How long an authorisation holds where Stripe does not say.
const HELD: TimeDelta = TimeDelta::days(5);

type Answer<T> = Result<T, GatewayError>;

fn unknown(why: impl ToString) -> GatewayError {
    GatewayError::Unknown(why.to_string())
}

/// What it is for. Of something that was not made by us, nothing is taken in.
fn ours(metadata: &Metadata) -> Answer<ChargeMetadata> {
    let ids = || {
        Some(ChargeMetadata {
            workspace: metadata.get("workspace")?.parse().ok()?,
            payment: metadata.get("payment")?.parse().ok()?,
            attempt: metadata.get("attempt")?.parse().ok()?,
        })
    };
    ids().ok_or_else(|| GatewayError::Rejected("not_ours".into()))
}

/// A payment intent, without its refunds.
///
/// # Errors
/// [`GatewayError`]: it is not ours, or says what nobody understands.
pub fn charge_of(intent: &PaymentIntent) -> Answer<Charge> {
    let metadata = ours(&intent.metadata)?;
    let money = |amount| from_stripe(amount, &intent.currency).map_err(unknown);
    let known = intent.latest_charge.as_ref().and_then(Expandable::object);
    let awaiting = |next| (ChargeStatus::Awaiting, intent.amount, None, Some(next));
    let declined = |decline| (ChargeStatus::Declined, intent.amount, Some(decline), None);
    let (status, amount, decline, next) = match intent.status.as_str() {
        "requires_capture" => (ChargeStatus::Authorised, intent.amount_capturable, None, None),
        "succeeded" => (ChargeStatus::Authorised, intent.amount, None, None),
        "canceled" if known.is_some_and(|charge| charge.status == "succeeded") => {
            (ChargeStatus::Voided, intent.amount, None, None)
        }
        "canceled" => declined(over("canceled")),
        "requires_payment_method" => match &intent.last_payment_error {
            Some(error) => declined(decline(&error.best_code(), error.advice_code.as_deref())),
            None => awaiting(NextStep::Wait),
        },
        "requires_action" => awaiting(redirect(intent)),
        "processing" | "requires_confirmation" => awaiting(NextStep::Wait),
        other => return Err(unknown(format!("a payment intent that is {other}"))),
    };
    Ok(Charge {
        id: intent.id.clone(),
        status,
        amount: money(amount)?,
        decline,
        next,
        valid_until: valid_until(intent, known),
        captures: captured(intent, known, &metadata)?.into_iter().collect(),
        metadata,
        refunds: vec![],
    })
}

/// A checkout session: the payment intent that came of it, or what is waited for.
///
/// # Errors
/// [`GatewayError`]: it is not ours, or says what nobody understands.
pub fn of_session(session: &Session) -> Answer<Charge> {
    let intent = session.payment_intent.as_ref().and_then(Expandable::object);
    let (status, decline, next) = match (session.status.as_deref(), intent) {
        (Some("complete"), Some(intent)) => return charge_of(intent),
        (Some("complete"), None) => return Err(unknown("a complete session without a payment")),
        (Some("open"), _) => {
            let url = session.url.clone().ok_or_else(|| unknown("an open session without an address"))?;
            let next = NextStep::Redirect { url, expires_at: Some(time(session.expires_at)) };
            (ChargeStatus::Awaiting, None, Some(next))
        }
        (Some("expired"), _) => (ChargeStatus::Declined, Some(over("session_expired")), None),
        (other, _) => return Err(unknown(format!("a session that is {}", other.unwrap_or("unnamed")))),
    };
    let told = session.amount_total.zip(session.currency.as_deref());
    let (amount, currency) = told.ok_or_else(|| unknown("a session without an amount"))?;
    Ok(Charge {
        id: session.id.clone(),
        status,
        amount: from_stripe(amount, currency).map_err(unknown)?,
        decline,
        next,
        valid_until: time(session.expires_at),
        metadata: ours(&session.metadata)?,
        captures: vec![],
        refunds: vec![],
    })
}

/// It came to nothing, and another try may do better.
fn over(code: &str) -> Decline {
    Decline { code: code.into(), class: DeclineClass::Soft, advice: Advice::RetryLater }
}

fn redirect(intent: &PaymentIntent) -> NextStep {
    let to = intent.next_action.as_ref().and_then(|action| action.redirect_to_url.as_ref());
    to.map_or(NextStep::Wait, |to| NextStep::Redirect { url: to.url.clone(), expires_at: None })
}

fn valid_until(intent: &PaymentIntent, charge: Option<&wire::Charge>) -> DateTime<Utc> {
    let card = charge.and_then(|charge| charge.payment_method_details.as_ref()?.card.as_ref());
    let told = card.and_then(|card| card.capture_before).map(time);
    told.unwrap_or(time(intent.created) + HELD)
}

fn captured(
    intent: &PaymentIntent,
    charge: Option<&wire::Charge>,
    of: &ChargeMetadata,
) -> Answer<Option<Captured>> {
    if intent.status != "succeeded" || intent.amount_received == 0 {
        return Ok(None);
    }
    let amount = from_stripe(intent.amount_received, &intent.currency).map_err(unknown)?;
    // Captured by somebody in Stripe's own pages, it has an id of its own that nobody asked for here.
    let elsewhere = CaptureId::from_uuid(Uuid::new_v5(&of.attempt.uuid(), b"captured elsewhere"));
    let capture = intent.metadata.get("capture").and_then(|id| id.parse().ok()).unwrap_or(elsewhere);
    let psp_ref = match (&intent.latest_charge, charge) {
        (_, Some(charge)) => charge.id.clone(),
        (Some(Expandable::Id(id)), None) => id.clone(),
        _ => intent.id.clone(),
    };
    Ok(Some(Captured { capture, psp_ref, amount, fee: fee(charge, amount) }))
}

/// What Stripe keeps, where it is known already and in the same currency; else nothing, until it settles.
fn fee(charge: Option<&wire::Charge>, amount: Money) -> Money {
    let told = charge.and_then(|charge| charge.balance_transaction.as_ref()?.object());
    let fee = told.and_then(|told| from_stripe(told.fee, &told.currency).ok());
    fee.filter(|fee| fee.currency == amount.currency).unwrap_or(Money::zero(amount.currency))
}

/// A refund of ours whose money has left.
pub fn refunded_of(refund: &wire::Refund) -> Option<Refunded> {
    let done = refund.status.as_deref() == Some("succeeded");
    let id = refund.metadata.get("refund").filter(|_| done)?.parse().ok()?;
    let amount = from_stripe(refund.amount, &refund.currency).ok()?;
    Some(Refunded { refund: id, psp_ref: refund.id.clone(), amount })
}
