//! Acting on checkouts: what is left to a buyer while one is at work.

use domain::commerce::checkout::{Checkout, CheckoutCommand};
use domain::commerce::order::Order;
use domain::ids::OrderId;
use tracing::instrument;

use crate::commerce::order::PLACE;
use crate::ids::{checkout_of, checkout_of_payment};
use crate::{Context, On, Outcome, Result};

/// Tries to pay once more, after a decline that was not final: for the edit that is being settled, or for the order.
///
/// # Errors
/// Any of [`crate::Error`].
#[instrument(name = "checkout.retry_payment", skip_all, fields(order.id = %order))]
pub async fn retry_payment(cx: Context, order: OrderId, method: String) -> Result<Outcome> {
    cx.must(PLACE)?;
    let method = &method;
    cx.execute_from(|facts| async move {
        let editing = facts.load::<Order>(&order).await?.state.settling();
        let checkout = editing.map_or(checkout_of(order), |payment| checkout_of_payment(order, payment));
        let command = CheckoutCommand::RetryPayment { method: method.clone() };
        Ok(vec![On::<Checkout>::new(checkout, command).boxed()])
    })
    .await
}
