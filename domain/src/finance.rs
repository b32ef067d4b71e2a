//! Finance: what is paid for an order and what is given back, wallets, invoices, payouts, and the books.

pub mod fee;
pub mod ledger_account;
pub mod ledger_transaction;
pub mod payment;
pub mod refund;
pub mod wallet;
