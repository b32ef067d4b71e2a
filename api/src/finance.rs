//! Finance: money taken and given back, over HTTP.

mod currency;
mod payment;
mod refund;
mod webhook;

use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

/// All routes of finance.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(currency::routes())
        .merge(payment::routes())
        .merge(refund::routes())
        .merge(webhook::routes())
}
