//! Finance: money taken and given back, and the books, over HTTP.

mod currency;
mod ledger_account;
mod ledger_entry;
mod ledger_report;
mod ledger_transaction;
mod payment;
mod refund;
mod webhook;

use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

/// All routes of finance.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(currency::routes())
        .merge(ledger_account::routes())
        .merge(ledger_entry::routes())
        .merge(ledger_report::routes())
        .merge(ledger_transaction::routes())
        .merge(payment::routes())
        .merge(refund::routes())
        .merge(webhook::routes())
}
