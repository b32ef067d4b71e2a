//! Strictness: what the reader of bodies and queries refuses everywhere, said at every place of the document.

use utoipa::Number;
use utoipa::openapi::schema::{KnownFormat, Object, Schema, SchemaFormat, SchemaType, Type};
use utoipa::openapi::{OpenApi, RefOr};

use super::{children, parameters};

/// What [`crate::text::flaw`] finds nothing wrong with.
pub const TEXT: &str = r"^[^\u0000-\u001f\u007f\u202a-\u202e\u2066-\u2069]*$";
/// The same, and not blank.
const WORDS: &str = r"^[^\u0000-\u001f\u007f\u202a-\u202e\u2066-\u2069]*[^\s\u0000-\u001f\u007f\u202a-\u202e\u2066-\u2069][^\u0000-\u001f\u007f\u202a-\u202e\u2066-\u2069]*$";

/// Says it in a whole document.
pub(super) fn document(document: &mut OpenApi) {
    document.components.iter_mut().flat_map(|components| components.schemas.values_mut()).for_each(schema);
    parameters(document).for_each(schema);
}

fn schema(schema: &mut RefOr<Schema>) {
    let RefOr::T(inner) = schema else { return };
    if let Schema::Object(object) = inner {
        self::object(object);
    }
    children(inner, &mut self::schema);
}

fn object(object: &mut Object) {
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
    use crate::schema::LINES;
    use crate::text::{BREAKS, flaw};

    #[test]
    fn the_pattern_says_what_the_reader_does() {
        let pattern = |pattern: &str| jsonschema::validator_for(&json!({ "pattern": pattern })).unwrap();
        let (text, words, lines) = (pattern(TEXT), pattern(WORDS), pattern(LINES));
        for letter in ('\0'..='\u{3000}').chain(['\u{feff}', '\u{fffd}', '🐎']) {
            let value = json!(format!("a{letter}b"));
            assert_eq!(text.is_valid(&value), flaw(value.as_str().unwrap()).is_none(), "{letter:?}");
            assert_eq!(words.is_valid(&value), text.is_valid(&value), "{letter:?}");
            let flaw = flaw(value.as_str().unwrap()).filter(|&flaw| flaw != BREAKS);
            assert_eq!(lines.is_valid(&value), flaw.is_none(), "{letter:?}");
        }
        assert!(text.is_valid(&json!("")) && text.is_valid(&json!("  ")));
        assert!(!words.is_valid(&json!("")) && !words.is_valid(&json!("  ")));
    }
}
