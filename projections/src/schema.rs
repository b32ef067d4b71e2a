//! Schema: what the words of the domain look like in the API's document.
//!
//! The domain knows nothing of documents, so whoever has a field of one of its types names its look:
//! `#[schema(value_type = schema::Money)]`, `#[schema(schema_with = schema::id::<OrderId>)]`. Their doc comments are
//! published.

use std::sync::LazyLock;

use domain::ids::TypedId;
use domain::money::Currency;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, SchemaType, Type};

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(Type::String))
}

/// An id of one kind.
#[must_use]
pub fn id<I: TypedId>() -> Object {
    let prefix = I::PREFIX;
    text()
        .pattern(Some(format!("^{prefix}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$")))
        .examples([json!(format!("{prefix}_01h455vb4pex5vsknk084sn02q"))])
        .build()
}

/// One of these words.
#[must_use]
pub fn one_of(words: &[&str]) -> Object {
    text().enum_values(Some(words.iter().copied())).build()
}

/// An id of one kind, or `null`.
#[must_use]
pub fn id_if_any<I: TypedId>() -> Object {
    let or_null = SchemaType::from_iter([Type::String, Type::Null]);
    let mut id = id::<I>();
    id.schema_type = or_null;
    id
}

/// A seller's own code; the examples are of the demo's shop.
#[must_use]
pub fn sku() -> Object {
    code_of_seller("MUG-BLUE")
}

/// A seller's own code of where goods lie.
#[must_use]
pub fn location() -> Object {
    code_of_seller("MAIN")
}

fn code_of_seller(example: &str) -> Object {
    text().pattern(Some("^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")).examples([json!(example)]).build()
}

/// A SKU at a location.
#[must_use]
pub fn stock_id() -> Object {
    text()
        .pattern(Some("^[A-Za-z0-9][A-Za-z0-9._-]{0,63}@[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"))
        .examples([json!("MUG-BLUE@MAIN")])
        .build()
}

/// All currencies the domain knows, by their codes.
static CURRENCIES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let codes = ('A'..='Z').flat_map(|a| ('A'..='Z').flat_map(move |b| ('A'..='Z').map(move |c| [a, b, c])));
    codes.map(String::from_iter).filter(|code| code.parse::<Currency>().is_ok()).collect()
});

/// A currency of ISO 4217.
#[must_use]
pub fn currency() -> Object {
    text().enum_values(Some(CURRENCIES.iter().cloned())).examples([json!("USD")]).build()
}

/// An amount of money.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "stands for the domain's type in the document only")]
pub struct Money {
    /// In minor units: 1234 is 12.34 US dollars, or 1234 yen.
    amount: i64,
    /// A code of ISO 4217.
    #[schema(schema_with = currency)]
    currency: String,
}

/// An amount of money that is not below 0.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "stands for the domain's type in the document only")]
pub struct Price {
    /// In minor units: 1234 is 12.34 US dollars, or 1234 yen.
    #[schema(minimum = 0)]
    amount: i64,
    /// A code of ISO 4217.
    #[schema(schema_with = currency)]
    currency: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::ids::OrderId;

    #[test]
    fn ids_are_those_of_the_domain() {
        let schema = serde_json::to_value(id::<OrderId>()).unwrap();
        assert_eq!(schema["pattern"], "^ord_[0-7][0-9a-hjkmnp-tv-z]{25}$");
        assert_eq!(serde_json::to_value(id_if_any::<OrderId>()).unwrap()["type"], json!(["string", "null"]));
    }
}
