//! Acting on stock: what comes in, and what a count finds.
//!
//! What is set aside for orders is the checkout's to ask for, not a person's.

use domain::commerce::stock::{Stock, StockCommand};
use domain::ids::StockId;
use tracing::instrument;

use crate::{Context, Outcome, Result};

/// Receiving and correcting stock.
pub const MANAGE: &str = "stock:manage";
/// Reading stock levels.
pub const READ: &str = "stock:read";

/// Puts units that came in on the shelf.
///
/// # Errors
/// Any of [`crate::Error`].
#[instrument(name = "stock.receive", skip_all, fields(stock.id = %id, quantity))]
pub async fn receive(cx: Context, id: StockId, quantity: i64) -> Result<Outcome> {
    cx.must(MANAGE)?;
    cx.execute::<Stock>(id, StockCommand::Receive { quantity }).await
}

/// Corrects what is on hand after a count, a loss, a find.
///
/// # Errors
/// Any of [`crate::Error`].
#[instrument(name = "stock.adjust", skip_all, fields(stock.id = %id, delta))]
pub async fn adjust(cx: Context, id: StockId, delta: i64, reason: String) -> Result<Outcome> {
    cx.must(MANAGE)?;
    cx.execute::<Stock>(id, StockCommand::Adjust { delta, reason }).await
}
