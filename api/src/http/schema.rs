//! Schema: what the API document says is what is checked.
//!
//! Bodies and queries are validated against the very schemas that are published, so that neither can promise
//! what the other refuses, and all errors are told at once. Checks are made once per type.

use std::any::TypeId;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, RwLock};

use domain::currency::{Currency, CurrencyInUse};
use domain::money::Money;
use jsonschema::error::ValidationErrorKind as Wrong;
use jsonschema::{Draft, ValidationError, Validator};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::openapi::schema::{Object, ObjectBuilder, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::problem::FieldError;

/// An amount of money that is not below 0, as a client gives it.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// In minor units: 1234 is 12.34 US dollars, or 1234 yen.
    #[schema(minimum = 0, maximum = 10_000_000_000_000i64)]
    amount: i64,
    currency: CurrencyInUse,
}

impl From<Price> for Money {
    fn from(Price { amount, currency }: Price) -> Self {
        Self { amount, currency: currency.into() }
    }
}

/// What [`crate::text::flaw`] finds nothing wrong with but line breaks and tabs.
pub const LINES: &str = r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f\u202a-\u202e\u2066-\u2069]*$";

static CHECKS: LazyLock<RwLock<HashMap<TypeId, Arc<Check>>>> = LazyLock::new(RwLock::default);

/// A schema that is ready to check values.
#[derive(Debug)]
pub struct Check {
    pub schema: Value,
    validator: Validator,
}

/// The check for a type, made of `schema` the first time it is asked for.
///
/// # Panics
/// If what is published is no schema: a mistake that any test of the route finds.
pub fn check<T: 'static>(schema: impl FnOnce() -> Value) -> Arc<Check> {
    let of = TypeId::of::<T>();
    let known = CHECKS.read().expect("no holder of the checks panics").get(&of).cloned();
    known.unwrap_or_else(|| make_check(of, schema()))
}

fn make_check(of: TypeId, schema: Value) -> Arc<Check> {
    let validator = jsonschema::options()
        .with_draft(Draft::Draft202012)
        .should_validate_formats(true)
        .build(&schema)
        .expect("what is published is a schema");
    let check = Arc::new(Check { schema, validator });
    CHECKS.write().expect("no holder of the checks panics").insert(of, check.clone());
    check
}

/// The whole schema of a body: its own, and those it refers to where its references look for them.
pub fn of_body<B: ToSchema>() -> Value {
    let mut referred = Vec::new();
    B::schemas(&mut referred);
    let mut schema = serde_json::to_value(<B as PartialSchema>::schema()).expect("a schema is JSON");
    let schemas: serde_json::Map<String, Value> = referred
        .into_iter()
        .map(|(name, schema)| (name, serde_json::to_value(schema).expect("a schema is JSON")))
        .collect();
    schema["components"] = json!({ "schemas": schemas });
    schema
}

/// A text of any number of lines, or `null`: at most so many characters.
#[must_use]
pub fn lines_if_any(most: usize) -> Object {
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
        .max_length(Some(most))
        .pattern(Some(LINES))
        .build()
}

impl Check {
    /// Whether the schema takes more than one line at a place of a value.
    #[must_use]
    pub fn takes_lines(&self, pointer: &str) -> bool {
        let place = pointer.split('/').skip(1).try_fold(&self.schema, |schema, step| {
            let object = self.resolved(schema);
            object["properties"]
                .get(step.replace("~1", "/").replace("~0", "~"))
                .or_else(|| object.get("items"))
        });
        place.is_some_and(|schema| self.resolved(schema)["pattern"] == LINES)
    }

    fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let referred = schema["$ref"].as_str().and_then(|to| self.schema.pointer(to.trim_start_matches('#')));
        referred.unwrap_or(schema)
    }
    /// Everything a value does not keep of its schema.
    #[must_use]
    pub fn errors(&self, value: &Value) -> Vec<FieldError> {
        let mut errors = Vec::new();
        self.validator.iter_errors(value).for_each(|error| tell(&error, &mut errors));
        errors
    }
}

fn tell(error: &ValidationError<'_>, into: &mut Vec<FieldError>) {
    let here = error.instance_path().to_string();
    match error.kind() {
        Wrong::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            into.push(FieldError::at(format!("{here}/{}", escaped(name)), "required", "is missing"));
        }
        Wrong::AdditionalProperties { unexpected } | Wrong::UnevaluatedProperties { unexpected } => {
            into.extend(unexpected.iter().map(|name| {
                FieldError::at(format!("{here}/{}", escaped(name)), "unknown", "is not a field here")
            }));
        }
        // An object without any fields of its own: which one was sent is not said here.
        Wrong::FalseSchema => into.push(FieldError::at(here, "unknown", "has no fields here")),
        Wrong::OneOfNotValid { context } | Wrong::AnyOf { context } if meant(context, &here).is_some() => {
            meant(context, &here).into_iter().flatten().for_each(|error| tell(error, into));
        }
        kind => {
            let detail = match kind {
                Wrong::OneOfNotValid { .. } | Wrong::AnyOf { .. } | Wrong::Enum { .. } => {
                    not_in_use(error.instance())
                        .unwrap_or_else(|| "is none of what may stand here".to_owned())
                }
                Wrong::Format { format } => format!("is no {format}"),
                Wrong::Pattern { pattern } => form(pattern),
                _ => error.masked_with("this").to_string(),
            };
            into.push(FieldError::at(here, code(kind), detail));
        }
    }
}

/// Why a currency is not among those that may stand somewhere, if it is one.
fn not_in_use(value: &Value) -> Option<String> {
    let currency: Currency = value.as_str()?.parse().ok()?;
    currency.in_use().err().map(|reason| reason.to_string())
}

/// Of several alternatives the one that was meant: the only one whose type (or tag) fits.
fn meant<'a>(
    alternatives: &'a [Vec<ValidationError<'static>>],
    here: &str,
) -> Option<&'a Vec<ValidationError<'static>>> {
    let other = |error: &ValidationError<'_>| {
        let place = error.instance_path().to_string();
        let depth = place.strip_prefix(here).map_or(0, |below| below.matches('/').count());
        match error.kind() {
            Wrong::Type { .. } => depth == 0,
            Wrong::Constant { .. } => depth <= 1,
            // A tag is written as a choice of one.
            Wrong::Enum { options } => depth <= 1 && options.as_array().is_some_and(|all| all.len() == 1),
            _ => false,
        }
    };
    let mut fitting = alternatives.iter().filter(|errors| !errors.iter().any(other));
    fitting.next().filter(|_| fitting.next().is_none())
}

/// What a pattern asks for, in words.
fn form(pattern: &str) -> String {
    let id = pattern.strip_prefix('^').and_then(|rest| rest.strip_suffix("_[0-7][0-9a-hjkmnp-tv-z]{25}$"));
    match (id, pattern) {
        (Some(prefix), _) => format!("is no id of the form {prefix}_ and 26 digits and letters"),
        (_, "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$") => {
            "is not 1 to 64 letters, digits and . _ - that begin with a letter or a digit".into()
        }
        (_, "^[A-Za-z0-9][A-Za-z0-9._-]*([ /][A-Za-z0-9][A-Za-z0-9._-]*)*$") => {
            "is not letters, digits, . _ - / and blanks, with a letter or a digit at the beginning and behind each / and \
             each blank"
                .into()
        }
        (_, r"\S") => "is blank: there is to be something to read in it".into(),
        (_, "^[0-9a-f]{64}$") => "is no SHA-256 in 64 lower-case hexadecimal digits".into(),
        (_, LINES) => "has characters that no text may have".into(),
        (_, pattern) => format!("is not of the form {pattern}"),
    }
}

fn code(kind: &Wrong) -> &'static str {
    match kind {
        Wrong::Type { .. } => "type",
        Wrong::Enum { .. } | Wrong::Constant { .. } => "choice",
        Wrong::Minimum { .. }
        | Wrong::Maximum { .. }
        | Wrong::ExclusiveMinimum { .. }
        | Wrong::ExclusiveMaximum { .. } => "out-of-range",
        Wrong::MinLength { .. } | Wrong::MaxLength { .. } => "length",
        Wrong::MinItems { .. } | Wrong::MaxItems { .. } => "count",
        Wrong::MinProperties { .. } | Wrong::MaxProperties { .. } => "count",
        Wrong::Pattern { .. } | Wrong::Format { .. } => "form",
        Wrong::UniqueItems => "duplicate",
        _ => "schema",
    }
}

pub(crate) fn escaped(step: &str) -> String {
    step.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::ids::ProductId;

    #[derive(Deserialize, ToSchema)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Line {
        product: ProductId,
        #[schema(minimum = 1, maximum = 1000)]
        quantity: i64,
        discount: Option<Price>,
    }

    #[derive(Deserialize, ToSchema)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Place {
        #[schema(min_items = 1)]
        lines: Vec<Line>,
        #[schema(max_length = 5)]
        note: Option<String>,
    }

    fn wrong(value: &Value) -> Vec<String> {
        let errors = check::<Place>(of_body::<Place>).errors(value);
        let mut told: Vec<String> = errors.iter().map(|e| format!("{} {}", e.place(), e.code)).collect();
        told.sort();
        told
    }

    const PRODUCT: &str = "prod_01h455vb4pex5vsknk084sn02q";

    #[test]
    fn lets_pass_what_is_right() {
        let discount = json!({"amount": 5, "currency": "USD"});
        let lines = json!([{"product": PRODUCT, "quantity": 1, "discount": discount}]);
        assert_eq!(wrong(&json!({"lines": lines, "note": null})), Vec::<String>::new());
    }

    #[test]
    fn tells_everything_that_is_wrong_at_once() {
        let line = json!({"product": "ord_1", "quantity": 0, "discount": {"amount": -1, "currency": "usd"}});
        assert_eq!(
            wrong(&json!({"lines": [line, {"product": PRODUCT}], "note": "too long", "extra/1": 1})),
            [
                "/extra~11 unknown",
                "/lines/0/discount/amount out-of-range",
                "/lines/0/discount/currency choice",
                "/lines/0/product form",
                "/lines/0/quantity out-of-range",
                "/lines/1/quantity required",
                "/note length",
            ]
        );
        assert_eq!(wrong(&json!({"lines": []})), ["/lines count"]);
        assert_eq!(wrong(&json!({})), ["/lines required"]);
        assert_eq!(wrong(&json!([])), [" type"]);
    }

    #[test]
    fn a_form_is_told_in_words() {
        let told =
            check::<Place>(of_body::<Place>).errors(&json!({"lines": [{"product": "x", "quantity": 1}]}));
        assert_eq!(told[0].detail, "is no id of the form prod_ and 26 digits and letters");
        assert!(form(r"\S").starts_with("is blank"));
        assert_eq!(form("^x$"), "is not of the form ^x$");
    }

    #[test]
    fn never_repeats_what_was_sent() {
        let value = json!({"lines": "CANARY-1", "note": "CANARY-2"});
        let told = check::<Place>(of_body::<Place>).errors(&value);
        assert_eq!(told.len(), 2);
        assert!(!serde_json::to_string(&told).unwrap().contains("CANARY"));
    }
}
