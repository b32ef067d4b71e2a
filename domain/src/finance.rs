//! Finance: what is paid for an order and what is given back, what is held for others, wallets, invoices, payouts, and
//! the books.

pub mod billing_entity;
pub mod credit_note;
pub mod dispute;
pub mod escrow;
pub mod expense;
pub mod fee;
pub mod invoice;
pub mod invoice_number;
pub mod ledger_account;
pub mod ledger_transaction;
pub mod payment;
pub mod payout;
pub mod refund;
pub mod seller_balance;
pub mod tax_rate;
pub mod top_up;
pub mod top_up_reference;
pub mod wallet;
