//! Problem: every answer that is not what was asked for (RFC 9457).
//!
//! The one place with status codes. Clients match `code`; `title` is the same for every problem of a code.
//! What a command was refused with is stored and answered again byte for byte, so it carries nothing of the
//! request (whose id is in `X-Request-Id` as well). Nothing here repeats what the client sent.

use std::fmt::Write;
use std::ops::Deref;

use axum::Json;
use axum::response::{IntoResponse, Response};
use commands::{Error, Fault, NotYou};
use domain::kernel::Kind;
use http::header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::text;

/// The result of a handler.
pub type Result<T, E = Problem> = std::result::Result<T, E>;

/// The media type of problems.
pub const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
/// Said beside an answer that was stored with an earlier request of the same key.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// The longest name of a field that is repeated, in bytes.
const LONGEST_NAME: usize = 64;
/// How many errors of one body are told.
const MOST_ERRORS: usize = 50;

/// An error response (RFC 9457).
#[derive(Debug, Clone, PartialEq)]
pub struct Problem(Box<ProblemBody>);

impl Deref for Problem {
    type Target = ProblemBody;

    fn deref(&self) -> &ProblemBody {
        &self.0
    }
}

/// What is told of a problem.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// `/problems/` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// What sort of problem it is, for people.
    pub title: String,
    /// The status of the answer.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What is the matter this time, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The id of the request. Not on what a command was refused with: a repeat gets the same bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// What programs match: `order/not_paid`, or one of the platform's, e.g. `version-conflict`.
    pub code: String,
    /// Everything that is wrong with what was sent, at most 50.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// The version it is at, if another was expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<i64>,
    /// Where in a malformed body reading stopped, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<usize>,
    /// Where in a malformed body reading stopped, as a JSON pointer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// The id of the request again, under the name that other programs look for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    #[serde(skip)]
    #[schema(ignore)]
    headers: HeaderMap,
    #[serde(skip)]
    #[schema(ignore)]
    remembered: bool,
    /// The scope that whoever asked lacks.
    #[serde(skip)]
    #[schema(ignore)]
    lacking: Option<String>,
}

/// One thing that is wrong with what was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// Where in the body, as a JSON pointer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// Which parameter of the query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// What programs match, e.g. `required`.
    pub code: String,
    /// What is wrong with it, for people.
    pub detail: String,
}

impl FieldError {
    /// Something wrong in the body.
    pub fn at(pointer: String, code: &str, detail: impl Into<String>) -> Self {
        Self { pointer: Some(named(pointer)), parameter: None, code: code.into(), detail: detail.into() }
    }

    /// The same error of a parameter of the query, whose name is the pointer's first step.
    pub(crate) fn of_query(self) -> Self {
        let parameter = self.pointer.map(|pointer| pointer.trim_start_matches('/').to_owned());
        Self { pointer: None, parameter, ..self }
    }

    #[cfg(test)]
    pub(crate) fn place(&self) -> &str {
        self.pointer.as_deref().or(self.parameter.as_deref()).unwrap_or_default()
    }
}

impl Problem {
    /// A problem of the platform's own.
    pub fn new(status: StatusCode, code: &str) -> Self {
        Self(Box::new(ProblemBody {
            kind: format!("/problems/{code}"),
            title: title(code),
            status: status.as_u16(),
            detail: None,
            instance: None,
            code: code.to_owned(),
            errors: Vec::new(),
            current: None,
            offset: None,
            pointer: None,
            request_id: None,
            headers: HeaderMap::new(),
            remembered: false,
            lacking: None,
        }))
    }

    /// The scope that whoever asked lacks, if that is the problem.
    pub(crate) fn lacking(&self) -> Option<&str> {
        self.0.lacking.as_deref()
    }

    /// The problem of an answer that says nothing but its status.
    pub fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::not_found(),
            StatusCode::METHOD_NOT_ALLOWED => Self::new(status, "method-not-allowed"),
            StatusCode::PAYLOAD_TOO_LARGE => Self::body_too_large(),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::new(status, "unsupported-media-type"),
            status if status.is_server_error() => Self::internal(),
            status => Self::new(status, "bad-request"),
        }
    }

    #[must_use]
    pub fn saying(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    #[must_use]
    fn at_version(mut self, current: i64) -> Self {
        self.0.current = Some(current);
        self
    }

    /// With a header beside it.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.insert(name, value);
        self
    }

    /// The client may ask again after a second.
    #[must_use]
    fn again_soon(self) -> Self {
        self.with(RETRY_AFTER, HeaderValue::from_static("1"))
    }

    /// The connection ends with this answer: what else is in it cannot be trusted, or is not worth reading.
    #[must_use]
    pub fn closing(self) -> Self {
        self.with(CONNECTION, HeaderValue::from_static("close"))
    }

    /// There is nothing here, or nothing of this workspace's.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found").saying("there is nothing here")
    }

    /// The request itself makes no sense: it is not looked at any further.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request").saying(detail).closing()
    }

    pub fn malformed_body(reason: String, offset: usize, pointer: String) -> Self {
        let mut problem = Self::new(StatusCode::BAD_REQUEST, "malformed-body").saying(reason);
        problem.0.offset = Some(offset);
        problem.0.pointer = Some(named(pointer));
        problem
    }

    /// Well formed, but not what it should be.
    pub fn validation(mut errors: Vec<FieldError>) -> Self {
        let is_amount = |error: &FieldError| {
            error.code == "out-of-range" && error.pointer.as_deref().is_some_and(|p| p.ends_with("/amount"))
        };
        let code = if errors.iter().all(is_amount) { "amount-out-of-range" } else { "validation" };
        errors.truncate(MOST_ERRORS);
        let mut problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, code);
        problem.0.errors = errors;
        problem
    }

    pub fn limits_exceeded(limit: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "limits-exceeded").saying(limit)
    }

    pub fn body_too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large").closing()
    }

    pub fn unsupported(detail: &str) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type").saying(detail)
    }

    /// No key, or none that may be used now: which of these is nobody's business.
    pub fn unauthenticated(shown: bool) -> Self {
        let challenge = if shown {
            r#"Bearer realm="mewayz", error="invalid_token""#
        } else {
            r#"Bearer realm="mewayz""#
        };
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated")
            .saying("show an access token or an API key that may be used: Authorization: Bearer …")
            .with(WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
    }

    /// A person is nowhere before they say where.
    pub fn workspace_required() -> Self {
        Self::new(StatusCode::FORBIDDEN, "workspace-required")
            .saying("switch to a workspace first: POST /api/workspaces/{id}/switch")
    }

    /// Whoever finds somebody signed in shall not take over what is theirs.
    pub fn step_up_required() -> Self {
        Self::new(StatusCode::FORBIDDEN, "step-up-required")
            .saying("show once more who you are, POST /api/auth/step-up, and repeat this within ten minutes")
    }

    /// A workspace lets in only who has shown two things.
    pub fn second_factor_required() -> Self {
        Self::new(StatusCode::FORBIDDEN, "second-factor-required").saying(
            "this workspace asks for a second factor: set one up, POST /api/auth/two-factor, or step up with a code",
        )
    }

    /// Whoever was wrong so often may be somebody else.
    fn too_many_attempts(wait: chrono::TimeDelta) -> Self {
        let seconds = wait.num_seconds().max(0) + 1;
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-attempts")
            .saying("this was tried too often; wait as long as Retry-After says, or have a link sent by mail")
            .with(RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// What its operator has suspended takes no commands; what it holds stays readable.
    pub fn suspended() -> Self {
        Self::new(StatusCode::FORBIDDEN, "workspace-suspended")
            .saying("the workspace is suspended: it can be read, and takes no commands until it is resumed")
    }

    pub fn in_progress() -> Self {
        Self::new(StatusCode::CONFLICT, "idempotency-in-progress")
            .saying("the first request with this key is still being worked on")
            .again_soon()
    }

    /// A view is not yet where the client's own writing is.
    pub fn projection_behind() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "projection-behind")
            .saying("what you wrote is not to be seen here yet")
            .again_soon()
    }

    pub fn timeout() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "timeout")
            .saying("this took too long; it may have been done: repeat it with the same Idempotency-Key")
            .again_soon()
    }

    pub fn unavailable() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable")
            .saying("something this depends on does not answer; repeat with the same Idempotency-Key")
            .again_soon()
    }

    /// There is no place for another connection, of this address or at all.
    pub fn too_many_connections() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "too-many-connections")
            .saying("no place is free for another connection: use those that are open, or come again")
            .again_soon()
    }

    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal")
            .saying("this is a mistake of ours, and is logged")
    }

    /// The answer as it goes out, with the request's id unless it must be the same every time.
    pub(crate) fn render(mut self, request_id: &str) -> Response {
        if !self.remembered {
            self.0.instance = Some(request_id.to_owned());
            self.0.request_id = Some(request_id.to_owned());
        }
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = std::mem::take(&mut self.0.headers);
        (status, headers, [(CONTENT_TYPE, PROBLEM_JSON)], Json(self.0)).into_response()
    }
}

/// Rendered at the border, where the request's id is known.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = StatusCode::from_u16(self.status).unwrap_or_default().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// A pointer as far as its steps could be names of fields: what else a client puts where a name should stand is
/// not repeated.
fn named(pointer: String) -> String {
    let steps = pointer.split_inclusive('/');
    let is_name = |step: &&str| step.len() <= LONGEST_NAME && text::flaw(step).is_none();
    let length = steps.take_while(is_name).map(str::len).sum();
    match pointer.get(..length) {
        Some(all) if all.len() == pointer.len() => pointer,
        Some(part) => part.trim_end_matches('/').to_owned(),
        None => String::new(),
    }
}

/// `order/not_paid` is "Order: not paid", `version-conflict` is "Version conflict".
fn title(code: &str) -> String {
    let text = code.replacen('/', ": ", 1).replace(['_', '-'], " ");
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        match error {
            Error::Refused(refused) => {
                let status = match refused.kind {
                    Kind::Missing => StatusCode::NOT_FOUND,
                    Kind::Conflict => StatusCode::CONFLICT,
                    Kind::Gone => StatusCode::GONE,
                    Kind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
                };
                let mut problem = Self::new(status, &refused.code).saying(detail);
                problem.0.remembered = true;
                if refused.replayed {
                    problem.with(REPLAYED, HeaderValue::from_static("true"))
                } else {
                    problem
                }
            }
            Error::Conflict { current, .. } => {
                Self::new(StatusCode::CONFLICT, "version-conflict").saying(detail).at_version(current)
            }
            Error::Stale { current, .. } => Self::new(StatusCode::PRECONDITION_FAILED, "precondition-failed")
                .saying(detail)
                .at_version(current),
            Error::KeyReused => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key-reused").saying(detail)
            }
            Error::Forbidden(scope) => {
                let mut problem = Self::new(StatusCode::FORBIDDEN, "forbidden").saying(detail);
                problem.0.lacking = Some(scope);
                problem
            }
            Error::PeopleOnly => Self::new(StatusCode::FORBIDDEN, "people-only").saying(detail),
            Error::Suspended => Self::suspended(),
            Error::Unauthenticated(NotYou::Password) => {
                Self::new(StatusCode::FORBIDDEN, "password-wrong").saying(detail)
            }
            Error::Unauthenticated(NotYou::Code) => {
                Self::new(StatusCode::FORBIDDEN, "second-factor-wrong").saying(detail)
            }
            Error::SecondFactorRequired => {
                Self::new(StatusCode::FORBIDDEN, "second-factor-required").saying(detail)
            }
            Error::Unauthenticated(not_you) => {
                let code = if not_you == NotYou::SignIn { "sign-in-failed" } else { "session-over" };
                Self::new(StatusCode::UNAUTHORIZED, code)
                    .saying(detail)
                    .with(WWW_AUTHENTICATE, HeaderValue::from_static(r#"Bearer realm="mewayz""#))
            }
            Error::TooMany { wait } => Self::too_many_attempts(wait),
            Error::Busy => Self::unavailable(),
            Error::Internal(source) => {
                tracing::error!(error = chain(&*source), "a request has met a mistake of ours: {source}");
                Self::internal()
            }
            Error::Unavailable(source) => {
                tracing::error!(error = chain(&*source), "a request could not be served: {source}");
                Self::unavailable()
            }
        }
    }
}

/// What reading a view came to when the database does not answer.
impl From<sqlx::Error> for Problem {
    fn from(source: sqlx::Error) -> Self {
        if matches!(Fault::from(&source).code(), "22003" | "range") {
            // Sums have no bound, and the amounts of an answer do.
            return Self::new(StatusCode::UNPROCESSABLE_ENTITY, "amount-out-of-range")
                .saying("a figure of this leaves the range of amounts: ask for less at once");
        }
        Error::from(source).into()
    }
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        _ = write!(text, ": {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use commands::Refused;

    fn refused(kind: Kind) -> Problem {
        let (code, message) = ("order/not_paid".to_owned(), "the order is not paid".to_owned());
        Error::Refused(Refused { kind, code, message, replayed: false }).into()
    }

    #[test]
    fn a_refusal_is_answered_in_the_same_bytes_for_ever() {
        assert_eq!(
            serde_json::to_string(&*refused(Kind::Conflict)).unwrap(),
            r#"{"type":"/problems/order/not_paid","title":"Order: not paid","status":409,"#.to_owned()
                + r#""detail":"the order is not paid","code":"order/not_paid"}"#
        );
    }

    #[test]
    fn every_error_has_its_status() {
        let status = |error: Error| Problem::from(error).status;
        assert_eq!(refused(Kind::Missing).status, 404);
        assert_eq!(refused(Kind::Invalid).status, 422);
        assert_eq!(status(Error::Conflict { what: "order", current: 3 }), 409);
        assert_eq!(status(Error::Stale { what: "order", expected: 1, current: 3 }), 412);
        assert_eq!(status(Error::KeyReused), 422);
        assert_eq!(status(Error::Forbidden("order:place".into())), 403);
        assert_eq!(status(Error::internal("a payload cannot be read")), 500);
        assert_eq!(status(Error::unavailable("host db-1 refused")), 503);
    }

    #[test]
    fn a_figure_out_of_range_is_no_failure_of_the_database() {
        let source = domain::money::Unreckonable::Overflow;
        let problem = Problem::from(sqlx::Error::Decode(source.into()));
        assert_eq!((problem.status, &*problem.code), (422, "amount-out-of-range"));
        assert_eq!(Problem::from(sqlx::Error::PoolTimedOut).status, 503);
    }

    #[test]
    fn what_is_no_name_is_not_repeated() {
        for (pointer, told) in [
            ("", ""),
            ("/lines/0/quantity", "/lines/0/quantity"),
            ("/lines/0/a\u{7}b/c", "/lines/0"),
            ("/\u{202e}", ""),
            (&format!("/a/{}", "x".repeat(65)), "/a"),
        ] {
            assert_eq!(FieldError::at(pointer.to_owned(), "x", "").place(), told);
        }
    }

    #[test]
    fn what_failed_behind_it_stays_behind_it() {
        let problem = Problem::from(Error::unavailable("password of db-1 is wrong"));
        assert!(!serde_json::to_string(&*problem).unwrap().contains("db-1"));
    }
}
