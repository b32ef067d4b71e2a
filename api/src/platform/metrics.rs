//! `/metrics`: the platform's figures, for Prometheus.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::extract::Cx;
use crate::platform::OPERATE;
use crate::problem::Result;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(metrics))
}

/// The platform's figures, for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "platform", responses((status = 200, body = String, content_type = "text/plain")))]
async fn metrics(State(app): State<App>, Cx(cx): Cx) -> Result<Response> {
    cx.must(OPERATE)?;
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4")], (app.exposition)()).into_response())
}
