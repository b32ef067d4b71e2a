//! Schemas: what the words of this crate look like in the API's document (feature `schema`).
//!
//! A description of types that stand here anyway: nothing is decided by it (docs/adr/0020). Enums and value objects
//! derive theirs; ids, codes and currencies, which are texts with a form of their own, have them from here.

use serde_json::json;
use utoipa::ToSchema;
use utoipa::openapi::Ref;
use utoipa::openapi::schema::{
    AdditionalProperties, KnownFormat, Object, ObjectBuilder, SchemaFormat, SchemaType, Type,
};

use crate::money::Currency;

/// Gives a type a schema under its own name, which refers to those of others.
macro_rules! published {
    ($type:ty, $schema:expr $(; $other:ty)*) => {
        impl utoipa::PartialSchema for $type {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                $schema.into()
            }
        }

        impl utoipa::ToSchema for $type {
            fn schemas(
                _referred: &mut Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::Schema>)>,
            ) {
                $(_referred.push((
                    <$other as utoipa::ToSchema>::name().into_owned(),
                    <$other as utoipa::PartialSchema>::schema(),
                ));)*
            }
        }
    };
}
pub(crate) use published;

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(Type::String))
}

/// An id with this prefix.
pub(crate) fn id(prefix: &str) -> Object {
    text()
        .pattern(Some(format!("^{prefix}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$")))
        .examples([json!(format!("{prefix}_01h455vb4pex5vsknk084sn02q"))])
        .build()
}

/// A person, by the id of an account or of a customer.
pub(crate) fn subject() -> Object {
    text()
        .pattern(Some("^[a-z]{2,5}_[0-9a-z]{26}$"))
        .examples([json!("cus_01h455vb4pex5vsknk084sn02q")])
        .build()
}

/// A seller's own code; the examples are of the demo's shop.
pub(crate) fn code(example: &str) -> Object {
    text().pattern(Some("^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")).examples([json!(example)]).build()
}

/// A seller's own code of something to sell.
pub(crate) fn sku(example: &str) -> Object {
    let form = "^[A-Za-z0-9][A-Za-z0-9._-]*([ /][A-Za-z0-9][A-Za-z0-9._-]*)*$";
    text().pattern(Some(form)).max_length(Some(64)).examples([json!(example)]).build()
}

/// A SKU at a location.
pub(crate) fn stock_id() -> Object {
    text()
        .pattern(Some("^[A-Za-z0-9][A-Za-z0-9 /._-]{0,63}@[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"))
        .examples([json!("MUG-BLUE@MAIN")])
        .build()
}

/// A role, built in or of the workspace's own.
pub(crate) fn role() -> Object {
    text()
        .pattern(Some("^(owner|admin|editor|viewer|auditor|integrator|role_[0-7][0-9a-hjkmnp-tv-z]{25})$"))
        .examples([json!("editor")])
        .build()
}

/// A language, and perhaps a script and a region.
pub(crate) fn locale() -> Object {
    text()
        .pattern(Some("^[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?$"))
        .examples([json!("en")])
        .build()
}

/// A time zone of the IANA database.
pub(crate) fn time_zone() -> Object {
    text()
        .pattern(Some("^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z][A-Za-z0-9_+-]*)*$"))
        .max_length(Some(64))
        .examples([json!("Europe/Berlin")])
        .build()
}

/// A network, by an address and how many of its bits count.
pub(crate) fn network() -> Object {
    text()
        .pattern(Some("^[0-9A-Fa-f.:]{2,39}(/(0|[1-9][0-9]{0,2}))?$"))
        .examples([json!("192.0.2.0/24")])
        .build()
}

/// An account of the ledger.
pub(crate) fn ledger_account() -> Object {
    text()
        .pattern(Some("^[a-z0-9][a-z0-9_-]*(:[a-z0-9][a-z0-9_-]*){0,7}@[A-Z]{3}$"))
        .max_length(Some(132))
        .examples([json!("psp:gateway:clearing@USD")])
        .build()
}

/// A currency that is known: what was withdrawn still stands in what was written down.
pub(crate) fn currency() -> Object {
    currencies("A code of ISO 4217; `GET /api/currencies` tells what is behind it.", |_| true)
}

/// A currency that new amounts may be in.
pub(crate) fn currency_in_use() -> Object {
    currencies("A code of ISO 4217 that is paid with, see `GET /api/currencies`.", |of| of.in_use().is_ok())
}

fn currencies(description: &str, which: fn(Currency) -> bool) -> Object {
    let codes = Currency::all().filter(|&currency| which(currency)).map(Currency::code);
    text().description(Some(description)).enum_values(Some(codes)).examples([json!("USD")]).build()
}

/// An amount of money, as it is shown.
pub(crate) fn money() -> Object {
    let amount = ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::Integer))
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .description(Some("In minor units: 1234 is 12.34 US dollars, or 1234 yen."));
    let decimal = text()
        .description(Some(
            "The same in the currency's own unit: `12.34`. Its decimal places are those of ISO 4217, which a library \
             for locales may not have. Beside every amount that a read model shows; never sent.",
        ))
        .pattern(Some(r"^-?[0-9]+(\.[0-9]+)?$"))
        .read_only(true);
    ObjectBuilder::new()
        .description(Some("An amount of money."))
        .property("amount", amount)
        .required("amount")
        .property("currency", Ref::from_schema_name(Currency::name()))
        .required("currency")
        .property("decimal", decimal)
        .additional_properties(Some(AdditionalProperties::FreeForm(false)))
        .build()
}

#[cfg(test)]
mod tests {
    use utoipa::{PartialSchema, ToSchema as _};

    use crate::ids::OrderId;

    #[test]
    fn an_id_is_published_by_its_own_name_and_form() {
        let schema = serde_json::to_value(OrderId::schema()).unwrap();
        assert_eq!(OrderId::name(), "OrderId");
        assert_eq!(schema["pattern"], "^ord_[0-7][0-9a-hjkmnp-tv-z]{25}$");
    }
}
