//! Answers: requests read as Stripe reads them, done once for each key, and answered, or not.

use std::future::pending;
use std::io;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::world::{Form, No, World, refusal};

type Shared = State<Arc<Mutex<World>>>;

pub(super) fn routes(world: Arc<Mutex<World>>) -> Router {
    Router::new().fallback(answer).with_state(world)
}

/// What comes of a request: an answer, or silence.
enum Said {
    Answer(u16, Value, bool),
    Nothing,
}

async fn answer(
    State(world): Shared,
    method: Method,
    uri: Uri,
    Query(query): Query<Form>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let said = match read(&method, &headers, &body) {
        Ok(form) => {
            let form = if method == Method::POST { form } else { query };
            let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok()).map(str::to_owned);
            world.lock().expect("nothing panics with the books open").say(&method, uri.path(), &form, key)
        }
        Err((status, body)) => Said::Answer(status, body, false),
    };
    let Said::Answer(status, body, replayed) = said else {
        let hangs = world.lock().expect("nothing panics with the books open").hostility.hangs;
        return if hangs { pending().await } else { broken_off() };
    };
    let status = StatusCode::from_u16(status).expect("a status");
    let mut response = (status, axum::Json(body)).into_response();
    if replayed {
        response.headers_mut().insert("idempotent-replayed", "true".parse().expect("a value"));
    }
    response
}

/// An answer that breaks off before it has said anything.
fn broken_off() -> Response {
    let nothing =
        futures::stream::once(async { Err::<Bytes, _>(io::Error::from(io::ErrorKind::BrokenPipe)) });
    Body::from_stream(nothing).into_response()
}

fn read(method: &Method, headers: &HeaderMap, body: &Bytes) -> Result<Form, No> {
    let given = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !given("authorization").starts_with("Bearer sk_test_") {
        return Err(refusal(401, "invalid_request_error", "api_key"));
    }
    if given("stripe-version").is_empty() {
        return Err(refusal(400, "invalid_request_error", "version"));
    }
    if method == Method::POST && given("content-type") != "application/x-www-form-urlencoded" {
        return Err(refusal(400, "invalid_request_error", "content_type"));
    }
    let request = axum::http::Request::builder().uri(format!("/?{}", String::from_utf8_lossy(body)));
    let uri = request.body(()).map_err(|_| refusal(400, "invalid_request_error", "form"))?.uri().clone();
    let form: Result<Query<Form>, _> = Query::try_from_uri(&uri);
    form.map(|Query(form)| form).map_err(|_| refusal(400, "invalid_request_error", "form"))
}

impl World {
    fn say(&mut self, method: &Method, path: &str, form: &Form, key: Option<String>) -> Said {
        let amount = self.amount_of(path, form);
        let is_word = |part: &&str| !part.contains('_') || part.len() > 12;
        let words: Vec<_> = path.split('/').filter(is_word).collect();
        let operation = format!("{method} {}", words.join("/"));
        let misfortune = self.lot(&operation, amount);
        let Some(key) = key.filter(|_| method == Method::POST) else {
            let (status, body) = self.done(method, path, form);
            return if misfortune < self.hostility.lost {
                Said::Nothing
            } else {
                Said::Answer(status, body, false)
            };
        };
        let request = format!("{path} {form:?}");
        let Hostile { lost, busy, silent, error } = self.at(misfortune);
        if let Some((known, status, body)) = self.answers.get(&key) {
            if *known != request {
                let (status, body) = refusal(400, "idempotency_error", "idempotency_key_in_use");
                return Said::Answer(status, body, false);
            }
            // Only what hangs is heard of the second time, so that it can be told from what never comes.
            let unheard = (lost || silent) && !self.hostility.hangs;
            return if unheard { Said::Nothing } else { Said::Answer(*status, body.clone(), true) };
        }
        if lost {
            return Said::Nothing;
        }
        if busy {
            let (status, body) = refusal(429, "invalid_request_error", "rate_limit");
            return Said::Answer(status, body, false);
        }
        let (mut status, mut body) = self.done(method, path, form);
        if error {
            (status, body) = refusal(500, "api_error", "api_error");
        }
        self.answers.insert(key, (request, status, body.clone()));
        if silent { Said::Nothing } else { Said::Answer(status, body, false) }
    }

    fn at(&self, lot: u64) -> Hostile {
        let of = self.hostility;
        let (lost, busy) = (of.lost, of.lost + of.busy);
        let silent = busy + of.silent;
        Hostile {
            lost: lot < lost,
            busy: (lost..busy).contains(&lot),
            silent: (busy..silent).contains(&lot),
            error: (silent..silent + of.error).contains(&lot),
        }
    }

    fn done(&mut self, method: &Method, path: &str, form: &Form) -> (u16, Value) {
        let parts: Vec<&str> = path.trim_start_matches("/v1/").split('/').collect();
        let posts = method == Method::POST;
        let done = match (posts, parts.as_slice()) {
            (true, ["payment_intents"]) => self.new_intent(form),
            (true, ["payment_intents", id, "capture"]) => self.capture(id, form),
            (true, ["payment_intents", id, "cancel"]) => self.cancel(id),
            (false, ["payment_intents", "search"]) => self.search(form),
            (false, ["payment_intents", id]) => self.intent(id),
            (true, ["checkout", "sessions"]) => self.new_session(form),
            (true, ["checkout", "sessions", id, "expire"]) => self.expire(id),
            (false, ["checkout", "sessions"]) => Ok(self.sessions_of(form)),
            (false, ["checkout", "sessions", id]) => self.session(id),
            (true, ["refunds"]) => self.new_refund(form),
            (false, ["refunds"]) => Ok(self.refunds_of(form)),
            _ => Err(refusal(404, "invalid_request_error", "unrecognized_url")),
        };
        match done {
            Ok(body) => (200, body),
            Err(no) => no,
        }
    }
}

/// What goes wrong with one request.
struct Hostile {
    lost: bool,
    busy: bool,
    silent: bool,
    error: bool,
}
