//! Commands: a context that knows its request, and the request's body.
//!
//! An `Idempotency-Key` stands for method, path, query and body: used again with any other of these it is
//! refused, used again with the same it gets the first answer.

use axum::extract::{FromRequest, OriginalUri, Request};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use commands::Context;
use http::header::IF_MATCH;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use super::context::Comer;
use super::person::{STEPPED_UP, keyed};
use super::{IDEMPOTENCY_KEY, body, context};
use crate::app::App;
use crate::problem::{Problem, Result};

/// The longest idempotency key.
const LONGEST_KEY: usize = 255;

/// A command on what is there: `Command(cx, body)`. Its key is honoured, but not required.
#[derive(Debug)]
pub struct Command<B>(pub Context, pub B);

/// A command that makes something new, or adds to what is there: `Creation(cx, body)`. Without a key a repeat would
/// do it again.
#[derive(Debug)]
pub struct Creation<B>(pub Context, pub B);

/// The same, whose body holds personal data: what makes a repeat the same request is a keyed hash, since a plain one
/// could be tried out by whoever reads the log.
#[derive(Debug)]
pub struct PersonalCreation<B>(pub Context, pub B);

/// The same, of a person who has lately shown who they are, or of a program.
#[derive(Debug)]
pub struct SteppedUpCreation<B>(pub Context, pub B);

/// A command of a person who has lately shown who they are, or of a program.
#[derive(Debug)]
pub struct SteppedUpCommand<B>(pub Context, pub B);

impl<B: DeserializeOwned + ToSchema + 'static> FromRequest<App> for Command<B> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self> {
        let asked = asked(request, app, false).await?;
        Ok(Self(asked.cx, body::parse(&asked.headers, &asked.bytes)?))
    }
}

impl<B: DeserializeOwned + ToSchema + 'static> FromRequest<App> for Creation<B> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self> {
        let asked = asked(request, app, true).await?;
        Ok(Self(asked.cx, body::parse(&asked.headers, &asked.bytes)?))
    }
}

impl<B: DeserializeOwned + ToSchema + 'static> FromRequest<App> for PersonalCreation<B> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self> {
        let mut asked = asked(request, app, true).await?;
        asked.cx.request_hash = keyed(&*app.people()?.door.vault, &asked.cx.request_hash).await?;
        Ok(Self(asked.cx, body::parse(&asked.headers, &asked.bytes)?))
    }
}

impl<B: DeserializeOwned + ToSchema + 'static> FromRequest<App> for SteppedUpCreation<B> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self> {
        let asked = asked(request, app, true).await?.by_who_is_there()?;
        Ok(Self(asked.cx, body::parse(&asked.headers, &asked.bytes)?))
    }
}

impl<B: DeserializeOwned + ToSchema + 'static> FromRequest<App> for SteppedUpCommand<B> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self> {
        let asked = asked(request, app, false).await?.by_who_is_there()?;
        Ok(Self(asked.cx, body::parse(&asked.headers, &asked.bytes)?))
    }
}

/// A command whose body is not read yet.
struct Asked {
    cx: Context,
    /// When a person last showed who they are.
    authenticated_at: Option<DateTime<Utc>>,
    headers: HeaderMap,
    bytes: Bytes,
}

impl Asked {
    /// Refuses whoever may have found somebody signed in.
    fn by_who_is_there(self) -> Result<Self> {
        let is_long_ago = self.authenticated_at.is_some_and(|at| self.cx.now() >= at + STEPPED_UP);
        if is_long_ago { Err(Problem::step_up_required()) } else { Ok(self) }
    }
}

/// All that is the same whatever the body is: compiled once, and not for each.
async fn asked(request: Request, app: &App, must_have_key: bool) -> Result<Asked> {
    let (parts, body) = request.into_parts();
    let Comer { mut cx, suspended, authenticated_at } = context::comer(&parts, app).await?;
    if suspended {
        return Err(Problem::suspended());
    }
    let key = key_of(&parts.headers, must_have_key)?;
    cx.if_match = if_match(&parts.headers)?;
    let bytes = body::read(&parts.headers, body, &app.limits).await?;
    if let Some(key) = key {
        cx = cx.with_key(key, &[parts.method.as_str().as_bytes(), target(&parts).as_bytes(), &bytes]);
    }
    Ok(Asked { cx, authenticated_at, headers: parts.headers, bytes })
}

/// The key, which some commands must have.
pub(super) fn key_of(headers: &HeaderMap, must_have_key: bool) -> Result<Option<&str>> {
    let key = idempotency_key(headers)?;
    if must_have_key && key.is_none() {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "idempotency-key-required")
            .saying("send an Idempotency-Key of your own making, so that a repeat makes nothing twice"));
    }
    Ok(key)
}

pub(super) fn target(parts: &Parts) -> String {
    let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |OriginalUri(uri)| uri);
    uri.path_and_query().map(ToString::to_string).unwrap_or_default()
}

/// The key, given bare or as a quoted string (the header's draft standard wants quotes, most clients send none).
fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>> {
    let mut given = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(first) = given.next() else { return Ok(None) };
    let bare = first.to_str().ok().filter(|_| given.next().is_none()).and_then(|text| {
        let quoted = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        // An escaped quotation mark would make two spellings of one key: there are none.
        let sound = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\');
        Some(quoted.unwrap_or(text))
            .filter(|key| (1..=LONGEST_KEY).contains(&key.len()) && key.chars().all(sound))
    });
    bare.map(Some).ok_or_else(|| {
        Problem::new(StatusCode::BAD_REQUEST, "idempotency-key-invalid")
            .saying("one Idempotency-Key of 1 to 255 visible ASCII characters without \" and \\")
    })
}

/// The versions that the client saw, of which one must be there: `"3"`, or `"3", "4"`. `*` is whatever is there.
pub(super) fn if_match(headers: &HeaderMap) -> Result<Option<Vec<i64>>> {
    if !headers.contains_key(IF_MATCH) {
        return Ok(None);
    }
    let lines = headers.get_all(IF_MATCH).iter().filter_map(|line| line.to_str().ok());
    let tags: Vec<&str> = lines.flat_map(|line| line.split(',')).map(str::trim).collect();
    if tags == ["*"] {
        return Ok(None);
    }
    // No version of anything here has another ETag.
    let version = |tag: &&str| tag.strip_prefix('"')?.strip_suffix('"')?.parse::<i64>().ok();
    let versions: Vec<i64> = tags.iter().filter_map(version).filter(|version| *version >= 0).collect();
    if versions.is_empty() {
        return Err(Problem::new(StatusCode::PRECONDITION_FAILED, "precondition-failed")
            .saying("If-Match must be the ETag of the version you saw, e.g. \"3\", or several of them"));
    }
    Ok(Some(versions))
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn with(name: HeaderName, values: &[&str]) -> HeaderMap {
        values
            .iter()
            .map(|value| (name.clone(), HeaderValue::from_bytes(value.as_bytes()).unwrap()))
            .collect()
    }

    #[test]
    fn a_key_is_the_same_with_and_without_quotes() {
        for text in ["k-1", "\"k-1\""] {
            assert_eq!(idempotency_key(&with(IDEMPOTENCY_KEY, &[text])), Ok(Some("k-1")));
        }
        assert_eq!(idempotency_key(&HeaderMap::new()), Ok(None));
        assert!(idempotency_key(&with(IDEMPOTENCY_KEY, &[&"x".repeat(255)])).is_ok());
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "\"\"", "a b", "é", "\"a", "a\"b", "\"a\\\"b\"", &"x".repeat(256)] {
            let problem = idempotency_key(&with(IDEMPOTENCY_KEY, &[text])).unwrap_err();
            assert_eq!(problem.code, "idempotency-key-invalid", "{text}");
        }
        assert!(idempotency_key(&with(IDEMPOTENCY_KEY, &["a", "a"])).is_err());
    }

    #[test]
    fn only_an_etag_can_match() {
        assert_eq!(if_match(&HeaderMap::new()), Ok(None));
        assert_eq!(if_match(&with(IF_MATCH, &["*"])), Ok(None));
        assert_eq!(if_match(&with(IF_MATCH, &["\"3\""])), Ok(Some(vec![3])));
        assert_eq!(if_match(&with(IF_MATCH, &["\"1\", \"x\" ,W/\"7\"", "\"3\""])), Ok(Some(vec![1, 3])));
        for text in ["3", "W/\"3\"", "\"x\"", "\"-1\"", "\"x\", W/\"2\"", "\"9223372036854775808\"", ""] {
            assert_eq!(if_match(&with(IF_MATCH, &[text])).unwrap_err().status, 412, "{text}");
        }
    }
}
