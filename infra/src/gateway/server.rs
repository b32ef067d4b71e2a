//! Routes: the gateway over HTTP, in the manner of payment providers, with the misfortune of its seed.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::time::{sleep, timeout};

use super::book::Book;
use super::charge::charge_id;
use super::charge::{NotDone, Operation};
use super::faults::Faults;
use super::wire::{Failure, NewCapture, NewCharge, NewRefund, NewVoid};

/// How long an answer waits for a webhook that is to come before it.
const WEBHOOK_FIRST: Duration = Duration::from_secs(1);

/// What the routes share.
#[derive(Debug)]
pub struct Desk {
    pub book: Arc<Book>,
    pub faults: Faults,
    /// How long the method `needs_time` takes.
    pub slow: Duration,
    pub tells_by_webhook: bool,
}

type Shared = State<Arc<Desk>>;

/// Marks an answer that is not to be sent: the connection is closed instead.
#[derive(Debug, Clone, Copy)]
pub struct Lost;

pub fn routes(desk: Arc<Desk>) -> Router {
    Router::new()
        .route("/v1/charges", post(authorise).get(find))
        .route("/v1/charges/{id}", get(show))
        .route("/v1/charges/{id}/capture", post(capture))
        .route("/v1/charges/{id}/void", post(void))
        .route("/v1/charges/{id}/refunds", post(refund))
        .route("/v1/book", get(book))
        .with_state(desk)
}

async fn authorise(State(desk): Shared, headers: HeaderMap, body: Bytes) -> Response {
    desk.act(&headers, "charges", &body, |NewCharge { amount, method, metadata }| Operation::Authorise {
        metadata,
        amount,
        method,
    })
    .await
}

async fn capture(State(desk): Shared, Path(id): Path<String>, headers: HeaderMap, body: Bytes) -> Response {
    let path = format!("{id}/capture");
    desk.act(&headers, &path, &body, |NewCapture { capture, amount }| Operation::Capture {
        charge: id,
        capture,
        amount,
    })
    .await
}

async fn void(State(desk): Shared, Path(id): Path<String>, headers: HeaderMap, body: Bytes) -> Response {
    let path = format!("{id}/void");
    desk.act(&headers, &path, &body, |NewVoid {}| Operation::Void { charge: id }).await
}

async fn refund(State(desk): Shared, Path(id): Path<String>, headers: HeaderMap, body: Bytes) -> Response {
    let path = format!("{id}/refunds");
    desk.act(&headers, &path, &body, |NewRefund { refund, amount }| Operation::Refund {
        charge: id,
        refund,
        amount,
    })
    .await
}

#[derive(Debug, Deserialize)]
struct OfKey {
    idempotency_key: String,
}

async fn find(State(desk): Shared, Query(OfKey { idempotency_key }): Query<OfKey>) -> Response {
    desk.show(&format!("find {idempotency_key}"), &charge_id(&idempotency_key)).await
}

async fn show(State(desk): Shared, Path(id): Path<String>) -> Response {
    desk.show(&format!("show {id}"), &id).await
}

/// Never hit by misfortune: it is what tests compare with.
async fn book(State(desk): Shared) -> Response {
    match desk.book.view().await {
        Ok(view) => json(StatusCode::OK, &view),
        Err(_) => unwritable(),
    }
}

impl Desk {
    async fn act<B: DeserializeOwned>(
        &self,
        headers: &HeaderMap,
        path: &str,
        body: &[u8],
        operation: impl FnOnce(B) -> Operation,
    ) -> Response {
        let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok());
        let Some(key) = key.filter(|key| (1..=255).contains(&key.len())) else {
            return failure(StatusCode::BAD_REQUEST, "idempotency_key_required");
        };
        let misfortune = self.faults.next(key);
        if misfortune.lose {
            return lost();
        }
        let Ok(request) = serde_json::from_slice(body) else {
            return failure(StatusCode::BAD_REQUEST, "invalid_body");
        };
        let operation = operation(request);
        let digest =
            hex::encode(Sha256::new().chain_update(path).chain_update(b"\n").chain_update(body).finalize());
        let webhook = self.tells_by_webhook.then_some(misfortune.webhook);
        let executed = match self.book.execute(key, &digest, &operation, webhook) {
            Ok(executed) => executed,
            Err(NotDone::KeyReused) => {
                return failure(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused");
            }
            Err(NotDone::NoSuchCharge) => return failure(StatusCode::NOT_FOUND, "no_such_charge"),
            Err(NotDone::InvalidAmount) => return failure(StatusCode::BAD_REQUEST, "invalid_amount"),
        };
        failpoint::failpoint!("gateway.before_write");
        if self.book.durable(executed.line).await.is_err() {
            return unwritable();
        }
        failpoint::failpoint!("gateway.after_write");
        if let Some(notice) = executed.notice.filter(|_| misfortune.webhook.early) {
            // Nobody takes it: the answer goes first after all.
            let _too_late = timeout(WEBHOOK_FIRST, self.book.first_try(notice)).await;
        }
        sleep(misfortune.delay.unwrap_or_default() + self.time_for(&operation)).await;
        if misfortune.lose_reply {
            return lost();
        }
        if misfortune.error {
            return failure(StatusCode::INTERNAL_SERVER_ERROR, "internal");
        }
        let status = StatusCode::from_u16(executed.answer.status).unwrap_or(StatusCode::OK);
        (status, [(header::CONTENT_TYPE, "application/json")], executed.answer.body).into_response()
    }

    async fn show(&self, key: &str, id: &str) -> Response {
        let misfortune = self.faults.next(key);
        sleep(misfortune.delay.unwrap_or_default()).await;
        match self.book.charge(id).await {
            _ if misfortune.lose || misfortune.lose_reply => lost(),
            _ if misfortune.error => failure(StatusCode::INTERNAL_SERVER_ERROR, "internal"),
            Err(_) => unwritable(),
            Ok(Some(charge)) => json(StatusCode::OK, &charge),
            Ok(None) => failure(StatusCode::NOT_FOUND, "no_such_charge"),
        }
    }

    fn time_for(&self, operation: &Operation) -> Duration {
        match operation {
            Operation::Authorise { method, .. } if method == "needs_time" => self.slow,
            _ => Duration::ZERO,
        }
    }
}

fn json(status: StatusCode, body: &impl Serialize) -> Response {
    (status, axum::Json(body)).into_response()
}

fn failure(status: StatusCode, code: &str) -> Response {
    json(status, &Failure { code: code.into() })
}

/// What was asked may be lost or not: nothing certain can be said.
fn unwritable() -> Response {
    failure(StatusCode::INTERNAL_SERVER_ERROR, "book_unwritable")
}

fn lost() -> Response {
    let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
    response.extensions_mut().insert(Lost);
    response
}
