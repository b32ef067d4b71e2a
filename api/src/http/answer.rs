//! Answers: what commands and reads say when all went well.
//!
//! A command's answer is rendered in one place and pinned: a repeat gets the same bytes, for ever.

pub mod issued;

use std::collections::BTreeMap;

use axum::Json;
use axum::response::{IntoResponse, Response};
use commands::{Outcome, Position};
use http::header::{CONTENT_TYPE, ETAG, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{Content, Ref, RefOr, Response as Documented, ResponseBuilder};
use utoipa::{IntoResponses, PartialSchema, ToSchema};

use crate::decimal::WithDecimals;
use crate::problem::{Problem, REPLAYED};

/// The position an answer is at, or shows.
pub const POSITION: HeaderName = HeaderName::from_static("position");

/// What a command did.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Outcome)]
struct Answer<'a> {
    /// What was acted on, or made inside of that.
    id: &'a str,
    /// The version now of what was acted on; as `If-Match: "3"` it makes a command the next one or none.
    version: i64,
    /// A read with this as `min_position` shows what was done.
    #[schema(value_type = String)]
    position: Position,
}

fn render(status: StatusCode, outcome: &Outcome) -> Response {
    let Outcome { id, version, position, replayed } = outcome;
    let body = serde_json::to_vec(&Answer { id, version: *version, position: *position })
        .expect("two texts and a number are JSON");
    let mut response = (status, headers(Some(*position), Some(*version)), body).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if *replayed {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

fn headers(position: Option<Position>, version: Option<i64>) -> HeaderMap {
    let value = |text: String| HeaderValue::try_from(text).expect("digits and letters make a header");
    let position = position.map(|position| (POSITION, value(position.to_string())));
    let version = version.map(|version| (ETAG, value(format!("\"{version}\""))));
    position.into_iter().chain(version).collect()
}

/// Something new is there (201), at `<list>/<id>`.
#[derive(Debug)]
pub struct Created {
    list: String,
    outcome: Outcome,
}

impl Created {
    /// In the list at this path.
    #[must_use]
    pub fn at(list: impl Into<String>, outcome: Outcome) -> Self {
        Self { list: list.into(), outcome }
    }
}

impl IntoResponse for Created {
    fn into_response(self) -> Response {
        let mut response = render(StatusCode::CREATED, &self.outcome);
        if let Ok(location) = HeaderValue::try_from(format!("{}/{}", self.list, self.outcome.id)) {
            response.headers_mut().insert(LOCATION, location);
        }
        response
    }
}

/// A command was taken (200).
#[derive(Debug)]
pub struct Done(pub Outcome);

impl IntoResponse for Done {
    fn into_response(self) -> Response {
        render(StatusCode::OK, &self.0)
    }
}

/// What a read shows, and as of which position.
#[derive(Debug)]
pub struct Shown<T> {
    pub position: i64,
    /// The version of what is shown, if it has one.
    pub version: Option<i64>,
    pub body: T,
}

impl<T> Shown<T> {
    /// One part of what is shown, at the version of the whole.
    ///
    /// # Errors
    /// `not-found` if it has no such part.
    pub fn part<P>(self, part: impl FnOnce(T) -> Option<P>) -> Result<Shown<P>, Problem> {
        let body = part(self.body).ok_or_else(Problem::not_found)?;
        Ok(Shown { position: self.position, version: self.version, body })
    }
}

impl<T: Serialize> IntoResponse for Shown<T> {
    fn into_response(self) -> Response {
        let mut headers = headers(Some(Position(self.position)), self.version);
        let Ok(body) = serde_json::to_vec(&WithDecimals(&self.body)) else {
            return Problem::internal().into_response();
        };
        if self.version.is_none() {
            // A list has no version: it is what it shows.
            let digest = hex::encode(&Sha256::digest(&body)[..16]);
            headers.extend(HeaderValue::try_from(format!("W/\"{digest}\"")).map(|tag| (ETAG, tag)));
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        (headers, body).into_response()
    }
}

/// What was reckoned, and recorded nowhere.
#[derive(Debug)]
pub struct Reckoned<T>(pub T);

impl<T: Serialize> IntoResponse for Reckoned<T> {
    fn into_response(self) -> Response {
        Json(WithDecimals(&self.0)).into_response()
    }
}

fn documented(description: &str, headers: &[(&str, &str)]) -> RefOr<Documented> {
    let outcome = Ref::from_schema_name("Outcome");
    let text = || ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).build();
    let response = ResponseBuilder::new()
        .description(description)
        .content("application/json", Content::new(Some(outcome)));
    headers
        .iter()
        .fold(response, |response, (name, what)| {
            response.header(*name, HeaderBuilder::new().schema(Some(text())).description(Some(*what)).build())
        })
        .build()
        .into()
}

const VERSION_HEADER: (&str, &str) = ("ETag", "Its version now, in quotation marks.");
const POSITION_HEADER: (&str, &str) = ("Position", "The `position` of the body.");

impl IntoResponses for Created {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        let location = ("Location", "Where it is to be found.");
        let created = documented("It is there now.", &[VERSION_HEADER, location, POSITION_HEADER]);
        [("201".to_owned(), created)].into()
    }
}

impl IntoResponses for Done {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        let done = documented("It is done, or was done already.", &[VERSION_HEADER, POSITION_HEADER]);
        [("200".to_owned(), done)].into()
    }
}

/// The schemas that all of these refer to.
pub(crate) fn outcome_schemas() -> [(String, RefOr<utoipa::openapi::Schema>); 2] {
    let issued = (issued::IssuedKey::name().into_owned(), issued::IssuedKey::schema());
    [(Answer::name().into_owned(), Answer::schema()), issued]
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    fn outcome(replayed: bool) -> Outcome {
        Outcome { id: "ord_1".into(), version: 3, position: Position(255), replayed }
    }

    #[tokio::test]
    async fn a_command_is_answered_in_the_same_bytes_for_ever() {
        for replayed in [false, true] {
            let response = Created::at("/api/ecommerce/orders", outcome(replayed)).into_response();
            assert_eq!(response.status(), 201);
            assert_eq!(response.headers()["etag"], "\"3\"");
            assert_eq!(response.headers()["position"], "pff");
            assert_eq!(response.headers()["location"], "/api/ecommerce/orders/ord_1");
            assert_eq!(response.headers().contains_key(REPLAYED), replayed);
            let body = to_bytes(response.into_body(), 1024).await.unwrap();
            assert_eq!(body, r#"{"id":"ord_1","version":3,"position":"pff"}"#);
        }
    }
}
