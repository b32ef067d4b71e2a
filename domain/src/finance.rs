//! Finance: what is paid for an order and what is given back, and the books.

pub mod ledger_account;
pub mod ledger_transaction;
pub mod payment;
pub mod refund;
