//! Acting on checkouts: what is left to a buyer while one is at work.

use domain::commerce::checkout::{Checkout, CheckoutCommand};
use domain::ids::OrderId;
use tracing::instrument;

use crate::commerce::order::PLACE;
use crate::ids::checkout_of;
use crate::{Context, Outcome, Result};

/// Tries to pay once more, after a decline that was not final.
///
/// # Errors
/// Any of [`crate::Error`].
#[instrument(name = "checkout.retry_payment", skip_all, fields(order.id = %order))]
pub async fn retry_payment(cx: Context, order: OrderId, method: String) -> Result<Outcome> {
    cx.must(PLACE)?;
    cx.execute::<Checkout>(checkout_of(order), CheckoutCommand::RetryPayment { method }).await
}
