//! Finance: acting on payments, refunds and the ledger.

pub mod ledger_account;
pub mod ledger_transaction;
pub mod payment;
pub mod refund;
