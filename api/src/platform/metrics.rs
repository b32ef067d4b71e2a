//! `/metrics`: the platform's figures, for Prometheus.

use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::platform::OPERATE;
use crate::problem::Result;
use crate::read::Read;
use crate::scope::needs;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(needs(OPERATE, routes!(metrics)))
}

/// The platform's figures, for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "platform", responses((status = 200, body = String, content_type = "text/plain")))]
async fn metrics(read: Read) -> Result<Response> {
    let app = &read.app;
    // As they stand now, whichever process moves them; the rest is this process's own.
    let now = app.clock.now();
    for one in app.subscriptions.all().await? {
        let stuck = one.stuck.map_or(0.0, |stuck| (now - stuck.since).as_seconds_f64().max(0.0));
        for (figure, value) in [
            ("mewayz_subscription_position", one.position as f64),
            ("mewayz_subscription_lag", one.lag as f64),
            ("mewayz_subscription_parked", one.parked as f64),
            ("mewayz_subscription_stuck_seconds", stuck),
        ] {
            ::metrics::gauge!(figure, "subscription" => one.name.clone()).set(value);
        }
    }
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4")], (app.exposition)()).into_response())
}
