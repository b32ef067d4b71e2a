//! A key that was issued or got another secret: shown with the command's answer, and by nothing else.

use std::collections::BTreeMap;

use axum::response::{IntoResponse, Response};
use commands::{Outcome, Position};
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use utoipa::openapi::{Content, Ref, RefOr, Response as Documented, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

use super::headers;
use crate::problem::REPLAYED;

/// A key that is there now (201), in the list at this path, or has another secret (200).
#[derive(Debug)]
pub struct Issued {
    pub list: Option<&'static str>,
    pub outcome: Outcome,
    /// All of it, for its owner's eyes only.
    pub key: String,
}

/// What a command did, and the key that it is about.
#[derive(Debug, Serialize, ToSchema)]
pub struct IssuedKey<'a> {
    id: &'a str,
    /// The version now of the key.
    version: i64,
    /// A read with this as `min_position` shows what was done.
    #[schema(value_type = String)]
    position: Position,
    /// What to show as `Authorization: Bearer`. Only the answer to this very request has it: keep it.
    key: &'a str,
}

impl IntoResponse for Issued {
    fn into_response(self) -> Response {
        let Outcome { id, version, position, replayed } = &self.outcome;
        let shown = IssuedKey { id, version: *version, position: *position, key: &self.key };
        let body = serde_json::to_vec(&shown).expect("three texts and a number are JSON");
        let status = if self.list.is_some() { StatusCode::CREATED } else { StatusCode::OK };
        let mut response = (status, headers(Some(*position), Some(*version)), body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if *replayed {
            headers.insert(REPLAYED, HeaderValue::from_static("true"));
        }
        if let Some(Ok(location)) = self.list.map(|list| HeaderValue::try_from(format!("{list}/{id}"))) {
            headers.insert(LOCATION, location);
        }
        response
    }
}

/// A key is there now.
pub struct KeyCreated;

/// A key has another secret.
pub struct KeyRotated;

fn documented(status: &str, what: &str) -> BTreeMap<String, RefOr<Documented>> {
    let body = Ref::from_schema_name(IssuedKey::name());
    let response =
        ResponseBuilder::new().description(what).content("application/json", Content::new(Some(body)));
    [(status.to_owned(), response.build().into())].into()
}

impl IntoResponses for KeyCreated {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        documented("201", "It is there now, and shown this once.")
    }
}

impl IntoResponses for KeyRotated {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        documented("200", "It has another secret, which is shown this once.")
    }
}
