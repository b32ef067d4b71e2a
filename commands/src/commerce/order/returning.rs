//! What comes back, and what has to leave once more.

use chrono::TimeDelta;
use domain::commerce::order::{Condition, Order, OrderCommand, Units};
use domain::commerce::stock::{Reservation, Stock, StockCommand};
use domain::ids::{OrderId, ReservationId, ReturnId};
use tracing::instrument;

use super::MANAGE;
use crate::commerce::shop;
use crate::{Act, Context, On, Outcome, Result};

/// How long units may be set aside before they are promised for good, which they are at once.
const AT_ONCE: TimeDelta = TimeDelta::minutes(15);

/// Takes returned units in. Whether what sending cost is given back along, if everything came back, is the shop's
/// policy, unless it is said.
///
/// # Errors
/// Any of [`crate::Error`].
#[instrument(name = "order.receive_return", skip_all, fields(order.id = %order))]
pub async fn receive_return(
    cx: Context,
    order: OrderId,
    return_id: ReturnId,
    Units { line, quantity }: Units,
    condition: Condition,
    refund_shipping: Option<bool>,
) -> Result<Outcome> {
    cx.must(MANAGE)?;
    cx.execute_from(|facts| async move {
        let refund_shipping = match refund_shipping {
            Some(said) => said,
            None => shop::policy(&facts).await?.refund_shipping,
        };
        let command = OrderCommand::ReceiveReturn { return_id, line, quantity, condition, refund_shipping };
        Ok(vec![On::<Order>::new(order, command).boxed()])
    })
    .await
}

/// Sets units aside that have to leave once more, since their parcel was lost or came back: on the order and in stock,
/// both or neither.
///
/// # Errors
/// Refusals of the order and of stock; any of [`crate::Error`].
#[instrument(name = "order.reserve", skip_all, fields(order.id = %order))]
pub async fn reserve(cx: Context, order: OrderId, units: Units) -> Result<Outcome> {
    cx.must(MANAGE)?;
    let (Units { line, quantity }, reservation) = (units, cx.new_id::<ReservationId>());
    cx.execute_from(|facts| async move {
        let state = facts.load::<Order>(&order).await?.state;
        let command = OrderCommand::Reserve { line, reservation, quantity };
        let mut acts: Vec<Box<dyn Act>> = vec![On::<Order>::new(order, command).boxed()];
        let of = state.terms().and_then(|terms| terms.lines.iter().find(|of| of.line == line));
        // Without stock the order refuses.
        if let Some(stock) = of.and_then(|of| of.stock.as_ref()) {
            let allocate = StockCommand::Allocate(Reservation {
                reservation,
                order,
                line,
                quantity: i64::from(quantity),
                expires_at: facts.now() + AT_ONCE,
                backorder: false,
                at: facts.now(),
            });
            acts.push(On::<Stock>::new(stock.clone(), allocate).boxed());
        }
        Ok(acts)
    })
    .await
}
