//! Border: what every request passes, whatever it asks for.
//!
//! It gets an id, is looked at before it is routed, is given its time, and is answered with the same headers;
//! whatever went wrong on the way leaves as a problem. One line is logged, of ids only: no query, no header and
//! no body is ever in it.

mod admission;
mod conditional;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use http::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, TRANSFER_ENCODING, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use tracing::Instrument;
use uuid::Uuid;

use crate::app::App;
use crate::extract::{IDEMPOTENCY_KEY, RequestId, denied};
use crate::problem::Problem;

const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest request id that is taken from a client.
const LONGEST_ID: usize = 64;

/// Lets a request in and its answer out.
pub async fn border(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = request_id(request.headers());
    request.extensions_mut().insert(RequestId(id.clone()));
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
    let closes = request.headers().contains_key(TRANSFER_ENCODING) && request.version() < Version::HTTP_2;
    let span = tracing::info_span!(
        "request",
        request.id = &*id,
        http.method = method.as_str(),
        http.route = route,
        workspace.id = tracing::field::Empty,
        key.id = tracing::field::Empty,
    );
    let seen = conditional::Seen::of(&method, request.headers());
    let response = answer(&app, request, next).instrument(span.clone()).await;
    let response = finished(response, &method, &id);
    let mut response = match seen {
        Some(seen) => seen.answer(response),
        None => response,
    };
    if closes {
        // Where a chunked body ends is the sender's word against the server's: nothing after it is trusted.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    span.in_scope(|| tell(&method, route, response.status(), began));
    response
}

async fn answer(app: &App, request: Request, next: Next) -> Response {
    if let Err(problem) = admission::check(&request, app.limits.head_bytes) {
        return problem.into_response();
    }
    let limits = &app.limits;
    let shown = request.headers().get(AUTHORIZATION).cloned();
    let work = async {
        let _turn = if request.headers().contains_key(IDEMPOTENCY_KEY) {
            match app.turns.wait(request.headers(), limits.repeat_time).await {
                None => return Problem::in_progress().into_response(),
                turn => turn,
            }
        } else {
            None
        };
        let response = next.run(request).await;
        if let Some(scope) = response.extensions().get().and_then(Problem::lacking) {
            denied(app, shown.as_ref(), scope).await;
        }
        response
    };
    // What a panic leaves half done is the request's own: the store's writes are whole or not at all.
    match tokio::time::timeout(limits.request_time, AssertUnwindSafe(work).catch_unwind()).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => Problem::internal().into_response(),
        Err(_) => Problem::timeout().into_response(),
    }
}

/// The client's id for the request, if it brought one that may stand in a log.
fn request_id(headers: &HeaderMap) -> Arc<str> {
    let sound = |id: &&str| {
        (1..=LONGEST_ID).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
    };
    let brought = headers.get(X_REQUEST_ID).and_then(|id| id.to_str().ok()).filter(sound);
    brought.map_or_else(|| Uuid::now_v7().to_string().into(), Into::into)
}

/// The answer to a request of this id, with what every answer has.
pub(crate) fn finished(mut response: Response, method: &Method, id: &str) -> Response {
    if *method == Method::OPTIONS && response.status() == StatusCode::METHOD_NOT_ALLOWED {
        let mut allowed = StatusCode::NO_CONTENT.into_response();
        allowed.headers_mut().extend(response.headers_mut().remove(ALLOW).map(|allow| (ALLOW, allow)));
        response = allowed;
    }
    if let Some(problem) = problem_of(&mut response) {
        let allow = response.headers_mut().remove(ALLOW);
        response = problem.render(id);
        response.headers_mut().extend(allow.map(|allow| (ALLOW, allow)));
    }
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(X_REQUEST_ID, id);
    }
    for (name, value) in [
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (REFERRER_POLICY, "no-referrer"),
        (CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"),
        (STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// The problem an answer is, also where a library answered with a bare status.
fn problem_of(response: &mut Response) -> Option<Problem> {
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        return Some(problem);
    }
    let status = response.status();
    let failed = status.is_client_error() || status.is_server_error();
    // An answer in JSON is a handler's own; a library's says little, and in plain text.
    let is_ours = response.headers().get(CONTENT_TYPE).is_some_and(|media| media == "application/json");
    (failed && !is_ours).then(|| Problem::of_status(status))
}

fn tell(method: &Method, route: String, status: StatusCode, began: Instant) {
    let took = began.elapsed();
    let method = match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        // Whatever a client makes up must not make a time series.
        _ => "other",
    };
    let labels = [("route", route), ("method", method.into()), ("status", status.as_str().into())];
    metrics::counter!("http_requests_total", &labels).increment(1);
    metrics::histogram!("http_request_seconds", &labels[..2]).record(took.as_secs_f64());
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    tracing::info!(http.status = status.as_u16(), duration_us = micros, "answered");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_keeps_its_id_if_that_may_stand_in_a_log() {
        let id = |text: &str| {
            let value = HeaderValue::from_bytes(text.as_bytes()).unwrap();
            request_id(&[(X_REQUEST_ID, value)].into_iter().collect()).to_string()
        };
        assert_eq!(id("checkout-7.a_b"), "checkout-7.a_b");
        for text in ["", "a b", "é", "{\"a\":1}", &"x".repeat(65)] {
            assert!(Uuid::parse_str(&id(text)).is_ok(), "{text}");
        }
    }
}
