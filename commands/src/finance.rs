//! Finance: acting on payments and refunds.

pub mod payment;
pub mod refund;
