//! The platform's own routes.

pub mod docs;
pub mod health;
pub mod metrics;
pub mod monitoring;

use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().merge(health::routes()).merge(metrics::routes()).merge(monitoring::routes())
}

/// What reading the platform's own figures takes.
pub const OPERATE: &str = "platform:operate";
