//! Finance: what is paid for an order and what is given back.

pub mod payment;
pub mod refund;
