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
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4")], (read.app.exposition)()).into_response())
}
