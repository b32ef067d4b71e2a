//! `/api/docs`: the API document, and pages to browse it without a network.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use bytes::Bytes;
use http::HeaderValue;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::Config;

use crate::openapi;
use crate::problem::{Problem, Result};

const DOCUMENT: &str = "/api/docs/openapi.json";
/// The pages bring all they need; they style themselves, and draw their icons from `data:`.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

#[derive(Clone)]
struct Pages {
    document: Bytes,
    config: Arc<Config<'static>>,
}

/// The routes for a document.
pub fn routes<S: Clone + Send + Sync + 'static>(document: &OpenApi) -> Router<S> {
    let config = Config::from(DOCUMENT).persist_authorization(true).validator_url("none");
    let pages = Pages { document: openapi::text(document).into(), config: Arc::new(config) };
    Router::new()
        .route("/api/docs", get(|| async { Redirect::permanent("/api/docs/") }))
        .route("/api/docs/", get(async |State(pages): State<Pages>| page(&pages, "index.html")))
        .route(DOCUMENT, get(document_itself))
        .route(
            "/api/docs/{*page}",
            get(async |State(pages): State<Pages>, Path(name): Path<String>| page(&pages, &name)),
        )
        .with_state(pages)
}

async fn document_itself(State(pages): State<Pages>) -> Response {
    ([(CONTENT_TYPE, "application/json")], pages.document).into_response()
}

fn page(pages: &Pages, name: &str) -> Result<Response> {
    let page = utoipa_swagger_ui::serve(name, pages.config.clone()).map_err(|error| {
        tracing::error!(error, "a page of the documentation cannot be made");
        Problem::internal()
    })?;
    let page = page.ok_or_else(Problem::not_found)?;
    let headers = [
        (CONTENT_TYPE.as_str(), page.content_type),
        (CONTENT_SECURITY_POLICY.as_str(), POLICY.to_str().unwrap_or_default().into()),
    ];
    Ok((headers, page.bytes.into_owned()).into_response())
}
