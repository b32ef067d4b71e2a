//! Acting on payments: giving up, marking a transfer as received, and taking in what the gateway tells unasked.

use domain::finance::payment::{Payment, PaymentCommand, PaymentRefusal};
use domain::ids::PaymentId;
use domain::kernel::Decider;
use domain::money::Money;
use tracing::instrument;
use uuid::Uuid;

use super::refund::{self, taken_in};
use crate::effect::finance::ask_gateway_when_payment_asks::answered;
use crate::port::payment::{Charge, ChargeStatus, received};
use crate::{Context, Error, Outcome, Refused, Result};

/// Giving a payment up.
pub const PAY: &str = "payment:pay";
/// Saying that a transfer has come.
pub const RECEIVE: &str = "payment:receive";
/// Looking at payments.
pub const READ: &str = "payment:read";

/// Gives a payment up, as long as nothing was captured.
///
/// # Errors
/// Any of [`Error`].
#[instrument(name = "payment.cancel", skip_all, fields(payment.id = %payment))]
pub async fn cancel(cx: Context, payment: PaymentId) -> Result<Outcome> {
    cx.must(PAY)?;
    cx.execute::<Payment>(payment, PaymentCommand::Cancel).await
}

/// Says that the money which a payment waits for by transfer is there, and what it is found by at the bank.
///
/// # Errors
/// Refusals of the payment; any of [`Error`].
#[instrument(name = "payment.receive", skip_all, fields(payment.id = %payment))]
pub async fn receive(cx: Context, payment: PaymentId, reference: &str, amount: Money) -> Result<Outcome> {
    cx.must(RECEIVE)?;
    let (psp_ref, at) = (received(reference), cx.now());
    cx.execute::<Payment>(payment, PaymentCommand::Receive { psp_ref, amount, at }).await
}

/// Takes in a charge as the gateway has it in its books: whatever of it is news. What is known already, or no
/// longer fits, changes nothing.
///
/// # Errors
/// Any of [`Error`], but no refusal other than of a payment that nobody knows.
#[instrument(name = "payment.observe", skip_all, fields(payment.id = %charge.metadata.payment))]
pub async fn observe(cx: &Context, charge: &Charge) -> Result<()> {
    let payment = charge.metadata.payment;
    // An answer would be remembered with the notice: what is not known yet is to be told again.
    if cx.load::<Payment>(&payment).await?.version == 0 {
        return Err(Error::Refused(Refused::by(Payment::NAME, &PaymentRefusal::Unknown)));
    }
    for fact in facts_of(charge) {
        // A command of its own each: the id says which, of which notification. The same notification taken in again may
        // tell more than before.
        let told = serde_json::to_vec(&fact).map_err(Error::internal)?;
        let id = Uuid::new_v5(&cx.command_id, &[b"fact/", &told[..]].concat());
        taken_in(cx.identified(id).execute::<Payment>(payment, fact).await)?;
    }
    for refunded in &charge.refunds {
        refund::observe(cx, refunded).await?;
    }
    Ok(())
}

/// Whether all of a charge is recorded: then there is nothing to take in. What is recorded stays so, so that a payment
/// from the cache says it as well as one from the log.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn is_recorded(cx: &Context, charge: &Charge) -> Result<bool> {
    if !charge.refunds.is_empty() {
        return Ok(false);
    }
    let payment = cx.load::<Payment>(&charge.metadata.payment).await?.state;
    let known = |fact| payment.decide(fact).is_ok_and(|events| events.is_empty());
    Ok(facts_of(charge).into_iter().all(known))
}

/// What a charge says of its payment.
fn facts_of(charge: &Charge) -> Vec<PaymentCommand> {
    let mut facts = vec![answered(charge.metadata.attempt, charge.authorisation())];
    facts.extend(charge.captures.iter().map(|captured| PaymentCommand::RecordCaptured {
        capture: captured.capture,
        amount: captured.amount,
        fee: captured.fee,
        psp_ref: captured.psp_ref.clone(),
    }));
    if charge.status == ChargeStatus::Voided {
        facts.push(PaymentCommand::RecordVoided { psp_ref: charge.id.clone() });
    }
    facts
}
