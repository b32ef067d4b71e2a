//! Finance: payments and refunds.

pub mod payment;
pub mod refund;
