//! Processes: events into instructions, purely.
//!
//! Each file is one sentence of the business. A process remembers nothing: what must be remembered is a
//! capability, and the process only translates.

pub mod do_what_checkout_asks;
pub mod expire_when_time_is_up;
pub mod move_stock_when_goods_move;
pub mod pay_refund_out;
pub mod refund_when_money_is_owed;
pub mod start_checkout_when_order_is_placed;
pub mod tell_checkout_what_happened;

use chrono::{DateTime, Utc};
use domain::kernel::{Recorded, Unreadable};

use crate::act::Instruction;

/// A subscription that answers events with commands.
pub trait Process: Send + Sync + 'static {
    fn name(&self) -> &'static str;

    /// The aggregates it hears.
    fn listens_to(&self) -> &'static [&'static str];

    /// What follows from an event. Nothing random: a repeat must instruct the same.
    ///
    /// # Errors
    /// [`Unreadable`]: the event is parked, and its stream with it.
    fn react(&self, event: &Recorded) -> Result<Vec<Instruction>, Unreadable>;

    /// What follows when a deadline that `cause` set is due.
    ///
    /// # Errors
    /// [`Unreadable`].
    fn due(
        &self,
        _cause: &Recorded,
        _key: &str,
        _due_at: DateTime<Utc>,
    ) -> Result<Vec<Instruction>, Unreadable> {
        Ok(Vec::new())
    }
}

/// Every process.
#[must_use]
pub fn all() -> Vec<Box<dyn Process>> {
    vec![
        Box::new(do_what_checkout_asks::DoWhatCheckoutAsks),
        Box::new(expire_when_time_is_up::ExpireWhenTimeIsUp),
        Box::new(move_stock_when_goods_move::MoveStockWhenGoodsMove),
        Box::new(pay_refund_out::PayRefundOut),
        Box::new(refund_when_money_is_owed::RefundWhenMoneyIsOwed),
        Box::new(start_checkout_when_order_is_placed::StartCheckoutWhenOrderIsPlaced),
        Box::new(tell_checkout_what_happened::TellCheckoutWhatHappened),
    ]
}
