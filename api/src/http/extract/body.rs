//! Bodies: read whole, within limits of size and time, and never guessed at.

use axum::body::Body;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;
use utoipa::ToSchema;

use crate::limits::Limits;
use crate::problem::{FieldError, Problem, Result};
use crate::schema::Check;
use crate::text::BREAKS;
use crate::{json, schema};

/// The body of a command that says all in its path: nothing, or `{}`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NoBody {}

/// The body's bytes.
pub(crate) async fn read(headers: &HeaderMap, body: Body, limits: &Limits) -> Result<Bytes> {
    if headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
    {
        return Err(Problem::unsupported("bodies are taken as they are, without Content-Encoding").closing());
    }
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limits.command_bytes as u64) {
        return Err(Problem::body_too_large());
    }
    let reading = Limited::new(body, limits.command_bytes).collect();
    match tokio::time::timeout(limits.body_time, reading).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Problem::body_too_large()),
        Ok(Err(_)) => Err(Problem::bad_request("the body cannot be read to its end")),
        Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "request-timeout")
            .saying("the body did not arrive in time")
            .closing()),
    }
}

/// What the bytes say. No bytes say `{}`.
pub(super) fn parse<B: DeserializeOwned + ToSchema + 'static>(
    headers: &HeaderMap,
    bytes: &[u8],
) -> Result<B> {
    let value = fitting(headers, bytes, &schema::check::<B>(schema::of_body::<B>))?;
    from_value(value).map_err(|error| Problem::validation(vec![error]))
}

/// What the bytes say, if the schema takes it: the same for every body, and compiled once.
fn fitting(headers: &HeaderMap, bytes: &[u8], check: &Check) -> Result<Value> {
    let (value, mut errors) = if bytes.is_empty() {
        (Value::Object(serde_json::Map::new()), Vec::new())
    } else {
        must_be_json(headers)?;
        json::read(bytes)?
    };
    let may_break =
        |error: &FieldError| error.pointer.as_deref().is_some_and(|pointer| check.takes_lines(pointer));
    errors.retain(|error| error.detail != BREAKS || !may_break(error));
    // A number out of range may have ended the reading: the rest is not known, and nothing is said about it.
    if errors.is_empty() || !value.is_null() {
        let mut of_schema = check.errors(&value);
        // What could not be read has no value that would be too small or too large as well.
        of_schema.retain(|error| {
            !errors.iter().any(|read| (&read.pointer, &read.code) == (&error.pointer, &error.code))
        });
        errors.append(&mut of_schema);
    }
    if errors.is_empty() { Ok(value) } else { Err(Problem::validation(errors)) }
}

/// What the schema cannot say, the type does: one error at a time.
pub(super) fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, FieldError> {
    // Where it went wrong is looked for only if it did: what has passed the schema mostly fits.
    T::deserialize(&value).or_else(|_| place_of_error(value))
}

fn place_of_error<T: DeserializeOwned>(value: Value) -> Result<T, FieldError> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let place: String = error.path().iter().filter_map(step).collect();
        // Serde's own sentences repeat what was sent; those of the domain's types do not.
        let told = error.inner().to_string();
        let ours = !told.starts_with("invalid ") && !told.starts_with("unknown ");
        let detail = if ours { told } else { "is not what may stand here".to_owned() };
        FieldError::at(place, "form", detail)
    })
}

fn step(segment: &Segment) -> Option<String> {
    match segment {
        Segment::Seq { index } => Some(format!("/{index}")),
        Segment::Map { key } => Some(format!("/{}", schema::escaped(key))),
        // A variant's name stands in no place of its own, and what is unknown has none to tell.
        Segment::Enum { .. } | Segment::Unknown => None,
    }
}

fn must_be_json(headers: &HeaderMap) -> Result<()> {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let only = types.next().filter(|_| types.next().is_none()).and_then(|value| value.to_str().ok());
    let is_json = only.is_some_and(|text| {
        let (media, parameters) = text.split_once(';').unwrap_or((text, ""));
        let parameters = parameters.trim().to_ascii_lowercase();
        media.trim().eq_ignore_ascii_case("application/json")
            && ["", "charset=utf-8", "charset=\"utf-8\""].contains(&&*parameters)
    });
    if is_json {
        Ok(())
    } else {
        Err(Problem::unsupported("the body's Content-Type must be application/json"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize, ToSchema)]
    #[serde(deny_unknown_fields)]
    struct Note {
        #[schema(max_length = 5)]
        text: Option<String>,
        amount: Option<i64>,
        #[schema(minimum = 1)]
        quantity: Option<i64>,
        #[serde(default)]
        #[schema(schema_with = described)]
        description: Option<String>,
    }

    fn described() -> utoipa::openapi::schema::Object {
        schema::lines_if_any(8)
    }

    fn parsed(media: &str, body: &str) -> Result<Note> {
        let headers: HeaderMap = [(CONTENT_TYPE, media.parse().unwrap())].into_iter().collect();
        parse(&headers, body.as_bytes())
    }

    #[test]
    fn nothing_says_as_much_as_an_empty_object() {
        let nothing = Note { text: None, amount: None, quantity: None, description: None };
        assert_eq!(parse::<Note>(&HeaderMap::new(), b""), Ok(nothing));
    }

    #[test]
    fn only_json_is_json() {
        for media in ["application/json", "Application/JSON; charset=UTF-8"] {
            assert!(parsed(media, "{}").is_ok(), "{media}");
        }
        for media in ["text/plain", "application/json; charset=latin1", "application/jsonx", ""] {
            assert_eq!(parsed(media, "{}").unwrap_err().status, 415, "{media}");
        }
        assert_eq!(parse::<Note>(&HeaderMap::new(), b"{}").unwrap_err().status, 415);
    }

    #[test]
    fn an_amount_out_of_range_is_told_apart() {
        let code = |body| parsed("application/json", body).unwrap_err().code.clone();
        assert_eq!(code(r#"{"amount": 1e400}"#), "amount-out-of-range");
        assert_eq!(code(r#"{"amount": 9223372036854775808}"#), "amount-out-of-range");
        assert_eq!(code(r#"{"amount": -0, "text": "too long"}"#), "validation");
        assert_eq!(code(r#"{"amount": 1, "more": 2}"#), "validation");
    }

    #[test]
    fn lines_break_only_where_they_may() {
        let wrong = |body: &str| match parsed("application/json", body) {
            Ok(_) => vec![],
            Err(refused) => {
                refused.errors.iter().map(|e| format!("{} {}", e.place(), e.code)).collect::<Vec<_>>()
            }
        };
        assert_eq!(wrong(r#"{"description": "a\nb\r\n\tc"}"#), Vec::<String>::new());
        assert_eq!(wrong(r#"{"text": "a\nb"}"#), ["/text text"]);
        assert_eq!(wrong(r#"{"description": "a\u0007"}"#), ["/description text", "/description form"]);
        assert_eq!(wrong(r#"{"description": "123456789"}"#), ["/description length"]);
        assert_eq!(
            wrong(r#"{"description": "ああああああああ"}"#),
            Vec::<String>::new(),
            "characters, not bytes"
        );
    }

    #[test]
    fn a_number_that_cannot_be_read_is_one_error() {
        let refused = parsed("application/json", r#"{"quantity": 2.0, "text": "too long"}"#).unwrap_err();
        let places: Vec<_> = refused.errors.iter().map(|error| error.pointer.as_deref().unwrap()).collect();
        assert_eq!(places, ["/quantity", "/text"]);
        let refused = parsed("application/json", r#"{"quantity": 0}"#).unwrap_err();
        assert_eq!(refused.errors.len(), 1);
    }
}
