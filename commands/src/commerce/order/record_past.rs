//! Recording the past: an order that was placed, paid and delivered elsewhere, written down whole.
//!
//! One append says all of it, and its payment: a source that is killed while it tells leaves no half orders.

use domain::commerce::order::{Basis, Contents, Order, OrderCommand, Placing, Settlement, Submission, Units};
use domain::finance::payment::{Payment, PaymentCommand};
use domain::ids::{CustomerId, FulfilmentId, OrderId};
use tracing::instrument;

use super::{HISTORY, MANAGE, PLACE};
use crate::ids::payment_of;
use crate::{Act, Context, Error, On, Outcome, Refused, Result};

/// What its events say they were asked for by.
pub(crate) const NAME: &str = "order.record_past";

/// An order as a source knows it; its ids are made from what the source calls it.
#[derive(Debug, Clone, PartialEq)]
pub struct PastOrder {
    pub order: OrderId,
    pub customer: CustomerId,
    pub reference: Option<String>,
    pub contents: Contents,
    /// The parcel it went out in.
    pub fulfilment: FulfilmentId,
}

/// Writes an order down that is over: placed, paid, confirmed, shipped and delivered when the context says.
///
/// # Errors
/// Any of [`Error`].
#[instrument(name = "order.record_past", skip_all, fields(order.id = %past.order))]
pub async fn record_past(cx: Context, past: PastOrder) -> Result<Outcome> {
    [PLACE, MANAGE, HISTORY].iter().try_for_each(|scope| cx.must(scope))?;
    let at = cx.effective_at.unwrap_or_else(|| cx.now());
    let terms = past.contents.terms().map_err(|no| Error::Refused(Refused::by("commerce.order", &no)))?;
    let (order, amount, fulfilment) = (past.order, terms.total, past.fulfilment);
    let lines = terms.lines.iter().map(|line| Units { line: line.line, quantity: line.quantity }).collect();
    let placing = Placing {
        totals_hash: None,
        payment_method: None,
        expires_at: None,
        settlement: Settlement::Recorded,
        number_prefix: None,
        at,
    };
    let submission = Submission {
        customer: past.customer,
        reference: past.reference,
        cart: None,
        contents: past.contents,
        placing,
    };
    let mut happened = vec![OrderCommand::Submit(Box::new(submission))];
    let payment = payment_of(order);
    if !amount.is_zero() {
        happened.push(OrderCommand::RecordPayment { payment, authorised: amount, captured: amount });
    }
    let basis = if amount.is_zero() { Basis::Free } else { Basis::Recorded };
    happened.extend([
        OrderCommand::Confirm { basis },
        OrderCommand::Fulfil { fulfilment, lines, override_unpaid: None },
        OrderCommand::Ship { fulfilment, carrier: None, tracking: None },
        OrderCommand::Deliver { fulfilment },
    ]);

    // Most likely new, and nobody will ask for them soon.
    let order_itself = On::<Order>::in_turn(order, NAME, happened).supposed_new().not_kept();
    let paid = vec![PaymentCommand::Record { order, amount, at, reference: None }];
    let paid = On::<Payment>::in_turn(payment, NAME, paid).supposed_new().not_kept();
    let acts: [&dyn Act; 2] = [&order_itself, &paid];
    cx.execute_all(if amount.is_zero() { &acts[..1] } else { &acts }).await
}
