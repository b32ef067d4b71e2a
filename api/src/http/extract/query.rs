//! Queries: parameters are validated against the schemas they are published with.
//!
//! An unknown parameter is an error (a misspelt filter would otherwise show everything), and so is a parameter
//! that stands twice.

use std::borrow::Cow;

use axum::extract::FromRequestParts;
use chrono::{DateTime, Utc};
use http::StatusCode;
use http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use utoipa::IntoParams;
use utoipa::openapi::Required;
use utoipa::openapi::path::Parameter;

use super::body::from_value;
use crate::fresh::MinPosition;
use crate::page::Paging;
use crate::problem::{FieldError, Problem, Result};
use crate::{schema, text};

/// The query of a read of one thing: `Show(min_position)`.
#[derive(Debug)]
pub struct Show(pub MinPosition);

/// The query of a read with parameters of its own: `Query(asked, min_position)`.
#[derive(Debug)]
pub struct Query<Q>(pub Q, pub MinPosition);

/// The query of a list: `List(filter, paging, min_position)`.
#[derive(Debug)]
pub struct List<F>(pub F, pub Paging, pub MinPosition);

/// The filter of a list that has none.
#[derive(Debug, Clone, Copy, Deserialize, IntoParams)]
pub struct NoFilter {}

impl<S: Send + Sync> FromRequestParts<S> for Show {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let values = read::<Self>(parts, &[params::<MinPosition>])?;
        Ok(Self(typed(&values)?))
    }
}

impl<Q: IntoParams + DeserializeOwned + 'static, S: Send + Sync> FromRequestParts<S> for Query<Q> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let values = read::<Self>(parts, &[params::<Q>, params::<MinPosition>])?;
        Ok(Self(typed(&values)?, typed(&values)?))
    }
}

impl<F: IntoParams + DeserializeOwned + 'static, S: Send + Sync> FromRequestParts<S> for List<F> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let values = read::<Self>(parts, &[params::<F>, params::<Paging>, params::<MinPosition>])?;
        Ok(Self(typed(&values)?, typed(&values)?, typed(&values)?))
    }
}

fn params<P: IntoParams>() -> Vec<Parameter> {
    P::into_params(|| None)
}

/// The values of the parameters, for the extractor `E`.
fn read<E: 'static>(parts: &Parts, parameters: &[fn() -> Vec<Parameter>]) -> Result<Value> {
    let check = schema::check::<E>(|| object(&parameters.iter().flat_map(|of| of()).collect::<Vec<_>>()));
    let (mut values, mut errors) = (Map::new(), Vec::new());
    for (name, text) in form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()) {
        if let Some(flaw) = text::flaw(&text).or_else(|| text::flaw(&name)) {
            errors.push(FieldError::at(format!("/{name}"), "text", flaw).of_query());
        }
        let value = typed_as(&check.schema["properties"][&*name]["type"], text);
        if values.insert(name.into_owned(), value).is_some() {
            return Err(Problem::new(StatusCode::BAD_REQUEST, "duplicate-parameter")
                .saying("a parameter of the query stands twice"));
        }
    }
    let values = Value::Object(values);
    errors.extend(check.errors(&values).into_iter().map(FieldError::of_query));
    errors.extend(empty_range(&values).map(FieldError::of_query));
    if errors.is_empty() { Ok(values) } else { Err(Problem::validation(errors)) }
}

/// From when until when, the latter not included: the same names and the same refusal in every list and figure.
fn empty_range(values: &Value) -> Option<FieldError> {
    let time = |name: &str| values[name].as_str().and_then(|text| text.parse::<DateTime<Utc>>().ok());
    let wrong = |to: &str| FieldError::at(format!("/{to}"), "out-of-range", "is not after `from`");
    [("from", "to"), ("placed_from", "placed_to")]
        .into_iter()
        .find_map(|(from, to)| (time(from)? >= time(to)?).then(|| wrong(to)))
}

fn typed<T: DeserializeOwned>(values: &Value) -> Result<T> {
    from_value(values.clone()).map_err(|error| Problem::validation(vec![error.of_query()]))
}

/// Parameters as the members of one object.
fn object(parameters: &[Parameter]) -> Value {
    let schema = |parameter: &Parameter| serde_json::to_value(&parameter.schema).expect("a schema is JSON");
    let properties: Map<String, Value> =
        parameters.iter().map(|parameter| (parameter.name.clone(), schema(parameter))).collect();
    let required: Vec<&str> = parameters
        .iter()
        .filter(|parameter| parameter.required == Required::True)
        .map(|parameter| &*parameter.name)
        .collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

/// A text as the type it should have, if it is written as one writes it; else as the text it is.
fn typed_as(expected: &Value, text: Cow<'_, str>) -> Value {
    let is =
        |name: &str| expected == name || expected.as_array().is_some_and(|all| all.contains(&name.into()));
    if is("integer")
        && let Some(number) = text.parse::<i64>().ok().filter(|n| n.to_string() == text)
    {
        return number.into();
    }
    if is("boolean")
        && let Ok(value) = text.parse::<bool>()
    {
        return value.into();
    }
    Value::String(text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, IntoParams)]
    #[into_params(parameter_in = Query)]
    struct Filter {
        #[param(inline, nullable = false)]
        status: Option<Status>,
        #[param(nullable = false)]
        paid: Option<bool>,
    }

    #[derive(Debug, PartialEq, Deserialize, utoipa::ToSchema)]
    #[serde(rename_all = "snake_case")]
    enum Status {
        Placed,
        Cancelled,
    }

    async fn list(query: &str) -> Result<List<Filter>> {
        let request = http::Request::get(format!("/orders?{query}")).body(()).unwrap();
        List::<Filter>::from_request_parts(&mut request.into_parts().0, &()).await
    }

    async fn wrong(query: &str) -> (u16, Vec<String>) {
        let problem = list(query).await.unwrap_err();
        let mut told: Vec<_> = problem.errors.iter().map(|e| format!("{} {}", e.place(), e.code)).collect();
        told.sort();
        (problem.status, told)
    }

    #[tokio::test]
    async fn a_query_is_read_by_the_types_it_is_published_with() {
        let List(filter, paging, _) =
            list("status=placed&paid=true&limit=200&min_position=pff").await.unwrap();
        assert_eq!((filter.status, filter.paid, paging.limit()), (Some(Status::Placed), Some(true), 200));
        let List(filter, paging, _) = list("").await.unwrap();
        assert_eq!((filter.status, filter.paid, paging.limit()), (None, None, 50));
    }

    #[tokio::test]
    async fn all_that_is_wrong_is_told_at_once() {
        assert_eq!(
            wrong("status=lost&paid=1&limit=0&min_position=7&sort=x").await,
            (
                422,
                vec![
                    "limit out-of-range".into(),
                    "min_position form".into(),
                    "paid type".into(),
                    "sort unknown".into(),
                    "status choice".into(),
                ]
            )
        );
        for limit in ["201", "-0", "+1", "01", "1e1", "9999999999999999999999", ""] {
            assert_eq!(wrong(&format!("limit={limit}")).await.0, 422, "{limit}");
        }
        assert_eq!(wrong("cursor=%00").await, (422, vec!["cursor form".into(), "cursor text".into()]));
    }

    #[test]
    fn a_range_ends_after_it_begins() {
        let told =
            |from: &str, to: &str| empty_range(&json!({"from": from, "to": to})).map(|error| error.code);
        assert_eq!(told("2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z"), None);
        assert_eq!(
            told("2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00").as_deref(),
            Some("out-of-range")
        );
        assert_eq!(told("2026-01-01T00:00:00Z", "x"), None, "that is told of already");
    }

    #[tokio::test]
    async fn a_parameter_stands_once() {
        assert_eq!(wrong("limit=1&limit=1").await.0, 400);
    }
}
