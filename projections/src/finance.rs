//! Finance: payments, refunds and the ledger.

pub mod invariant;
pub mod ledger_account;
pub mod ledger_entry;
pub mod ledger_report;
pub mod ledger_transaction;
pub mod payment;
pub mod refund;

use crate::runtime::{Projector, Runtime};

pub(super) fn views() -> Vec<Box<dyn Projector>> {
    vec![
        Box::new(Runtime::<invariant::Invariants>::default()),
        Box::new(Runtime::<ledger_account::LedgerAccounts>::default()),
        Box::new(Runtime::<ledger_entry::LedgerEntries>::default()),
        Box::new(Runtime::<ledger_transaction::LedgerTransactions>::default()),
        Box::new(Runtime::<payment::Payments>::default()),
        Box::new(Runtime::<refund::Refunds>::default()),
    ]
}
