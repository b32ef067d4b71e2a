//! Acting on refunds: asking for them, deciding on them, and taking in what the gateway tells unasked.

use domain::commerce::order::{Giving, Order, OrderCommand, RefundedLine};
use domain::finance::payment::{Payment, PaymentCommand, PaymentRefusal};
use domain::finance::refund::{Reason, Refund, RefundCommand, RefundLine};
use domain::ids::{PaymentId, RefundId};
use domain::kernel::Decider;
use domain::money::Money;
use tracing::instrument;
use uuid::Uuid;

use crate::port::payment::Refunded;
use crate::{Context, Error, On, Outcome, Refused, Result};

/// Asking for refunds.
pub const REQUEST: &str = "refund:request";
/// Deciding on them.
pub const APPROVE: &str = "refund:approve";
/// Looking at refunds.
pub const READ: &str = "refund:read";

/// Asks for money to be given back, and sets it aside on the order in the same moment: what is asked for next counts
/// on the rest. Who may approve refunds approves this one at once.
///
/// # Errors
/// Refusals of the payment and the order, with what is left; any of [`crate::Error`].
#[instrument(name = "refund.request", skip_all, fields(payment.id = %payment))]
pub async fn request(
    cx: Context,
    payment: PaymentId,
    amount: Money,
    reason: Reason,
    lines: Vec<RefundLine>,
) -> Result<Outcome> {
    cx.must(REQUEST)?;
    let refund: RefundId = cx.new_id();
    let approved = cx.may(APPROVE);
    let giving = match reason {
        Reason::Goodwill | Reason::Other => Giving::Away,
        _ => Giving::Back,
    };
    let lines = &lines;
    cx.execute_from(|facts| async move {
        let refused = |no: &PaymentRefusal| Error::Refused(Refused::by(Payment::NAME, no));
        let paid = facts.load::<Payment>(&payment).await?.state;
        let order = paid.order().ok_or_else(|| refused(&PaymentRefusal::Unknown))?;
        paid.decide(PaymentCommand::AllotRefund { refund, amount }).map_err(|no| refused(&no))?;
        let of = |line: &RefundLine| RefundedLine { line: line.line, amount: line.amount };
        let of_lines = lines.iter().map(of).collect();
        let command = OrderCommand::AskRefund { refund, payment, amount, giving, lines: of_lines };
        let lines = lines.clone();
        let request = RefundCommand::Request { payment, order, amount, reason, lines, approved };
        Ok(vec![
            On::<Refund>::new(refund, request).supposed_new().boxed(),
            On::<Order>::new(order, command).boxed(),
        ])
    })
    .await
}

/// Approves it: its money is set aside and sent.
///
/// # Errors
/// Any of [`crate::Error`].
#[instrument(name = "refund.approve", skip_all, fields(refund.id = %refund))]
pub async fn approve(cx: Context, refund: RefundId) -> Result<Outcome> {
    cx.must(APPROVE)?;
    cx.execute::<Refund>(refund, RefundCommand::Approve).await
}

/// Takes it back, as long as it was not sent.
///
/// # Errors
/// Any of [`crate::Error`].
#[instrument(name = "refund.cancel", skip_all, fields(refund.id = %refund))]
pub async fn cancel(cx: Context, refund: RefundId) -> Result<Outcome> {
    cx.must(APPROVE)?;
    cx.execute::<Refund>(refund, RefundCommand::Cancel).await
}

/// Sends once more what waits for a person.
///
/// # Errors
/// Any of [`crate::Error`].
#[instrument(name = "refund.retry", skip_all, fields(refund.id = %refund))]
pub async fn retry(cx: Context, refund: RefundId) -> Result<Outcome> {
    cx.must(APPROVE)?;
    cx.execute::<Refund>(refund, RefundCommand::Retry).await
}

/// Says that one which waits for a person was paid out in another way.
///
/// # Errors
/// Any of [`crate::Error`].
#[instrument(name = "refund.pay_out", skip_all, fields(refund.id = %refund))]
pub async fn pay_out(cx: Context, refund: RefundId, reference: String) -> Result<Outcome> {
    cx.must(APPROVE)?;
    cx.execute::<Refund>(refund, RefundCommand::PayOut { reference }).await
}

/// Gives one up, before it is sent or after a person looked at why it was refused.
///
/// # Errors
/// Any of [`crate::Error`].
#[instrument(name = "refund.reject", skip_all, fields(refund.id = %refund))]
pub async fn reject(cx: Context, refund: RefundId, code: String) -> Result<Outcome> {
    cx.must(APPROVE)?;
    cx.execute::<Refund>(refund, RefundCommand::Reject { code }).await
}

/// Takes in a refund as the gateway has it in its books.
pub(super) async fn observe(cx: &Context, refunded: &Refunded) -> Result<()> {
    let id = Uuid::new_v5(&cx.command_id, format!("refund/{}", refunded.refund).as_bytes());
    let fact = RefundCommand::RecordSucceeded { psp_ref: refunded.psp_ref.clone() };
    taken_in(cx.identified(id).execute::<Refund>(refunded.refund, fact).await)
}

/// A told fact may be refused: then it is no news.
pub(super) fn taken_in(outcome: Result<Outcome>) -> Result<()> {
    match outcome {
        Err(Error::Refused(refused)) => {
            tracing::info!(code = refused.code, "a fact that the gateway told was refused");
            Ok(())
        }
        other => other.map(drop),
    }
}
