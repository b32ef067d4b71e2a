//! Strictness: what the reader of bodies and queries refuses everywhere, said at every place of the document.

use utoipa::Number;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{
    AdditionalProperties, ArrayItems, KnownFormat, Object, Schema, SchemaFormat, SchemaType, Type,
};
use utoipa::openapi::{OpenApi, RefOr};

/// What [`crate::text::flaw`] finds nothing wrong with.
pub const TEXT: &str = r"^[^\u0000-\u001f\u007f\u202a-\u202e\u2066-\u2069]*$";
/// The same, and not blank.
const WORDS: &str = r"^[^\u0000-\u001f\u007f\u202a-\u202e\u2066-\u2069]*[^\s\u0000-\u001f\u007f\u202a-\u202e\u2066-\u2069][^\u0000-\u001f\u007f\u202a-\u202e\u2066-\u2069]*$";

/// Says it in a whole document.
pub(super) fn document(document: &mut OpenApi) {
    document.components.iter_mut().flat_map(|components| components.schemas.values_mut()).for_each(schema);
    for item in document.paths.paths.values_mut() {
        [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete]
            .into_iter()
            .flatten()
            .for_each(operation);
    }
}

fn operation(operation: &mut Operation) {
    for parameter in operation.parameters.iter_mut().flatten() {
        if let RefOr::T(parameter) = parameter {
            parameter.schema.iter_mut().for_each(schema);
        }
    }
}

fn schema(schema: &mut RefOr<Schema>) {
    let RefOr::T(inner) = schema else { return };
    match inner {
        Schema::Object(object) => self::object(object),
        Schema::Array(array) => {
            if let ArrayItems::RefOrSchema(items) = &mut array.items {
                self::schema(items);
            }
        }
        Schema::OneOf(one) => one.items.iter_mut().for_each(self::schema),
        Schema::AllOf(all) => all.items.iter_mut().for_each(self::schema),
        Schema::AnyOf(any) => any.items.iter_mut().for_each(self::schema),
        _ => {}
    }
}

fn object(object: &mut Object) {
    object.properties.values_mut().for_each(schema);
    if let Some(AdditionalProperties::RefOr(values)) = object.additional_properties.as_deref_mut() {
        schema(values);
    }
    if let Some(Schema::Object(names)) = object.property_names.as_deref_mut() {
        self::object(names);
    }
    if is(object, &Type::String) && object.enum_values.is_none() && object.format.is_none() {
        match object.pattern.as_deref() {
            None => object.pattern = Some(TEXT.into()),
            Some(r"\S") => object.pattern = Some(WORDS.into()),
            Some(_) => {}
        }
    }
    if is(object, &Type::Integer) && object.enum_values.is_none() {
        let small = matches!(object.format, Some(SchemaFormat::KnownFormat(KnownFormat::Int32)));
        let (least, most) =
            if small { (i32::MIN as isize, i32::MAX as isize) } else { (isize::MIN, isize::MAX) };
        object.minimum.get_or_insert(Number::Int(least));
        object.maximum.get_or_insert(Number::Int(most));
    }
}

fn is(object: &Object, kind: &Type) -> bool {
    match &object.schema_type {
        SchemaType::Type(one) => one == kind,
        SchemaType::Array(several) => several.contains(kind),
        SchemaType::AnyValue => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::text::flaw;

    #[test]
    fn the_pattern_says_what_the_reader_does() {
        let pattern = |pattern: &str| jsonschema::validator_for(&json!({ "pattern": pattern })).unwrap();
        let (text, words) = (pattern(TEXT), pattern(WORDS));
        for letter in ('\0'..='\u{3000}').chain(['\u{feff}', '\u{fffd}', '🐎']) {
            let value = json!(format!("a{letter}b"));
            assert_eq!(text.is_valid(&value), flaw(value.as_str().unwrap()).is_none(), "{letter:?}");
            assert_eq!(words.is_valid(&value), text.is_valid(&value), "{letter:?}");
        }
        assert!(text.is_valid(&json!("")) && text.is_valid(&json!("  ")));
        assert!(!words.is_valid(&json!("")) && !words.is_valid(&json!("  ")));
    }
}
