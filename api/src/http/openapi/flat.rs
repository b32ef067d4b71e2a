//! Flatness: what an answer shows as one object is one object in the document.
//!
//! A flattened field comes as an `allOf` of unnamed objects, of which some generators make nothing.

use utoipa::openapi::schema::{AllOf, Object, Schema};
use utoipa::openapi::{OpenApi, RefOr};

/// Says it in a whole document.
pub(super) fn document(document: &mut OpenApi) {
    for schema in document.components.iter_mut().flat_map(|components| components.schemas.values_mut()) {
        if let RefOr::T(Schema::AllOf(all)) = schema
            && let Some(one) = merged(all)
        {
            *schema = one.into();
        }
    }
}

/// One object of several, if none of them has a name of its own.
fn merged(all: &AllOf) -> Option<Object> {
    let mut one = Object::default();
    one.description.clone_from(&all.description);
    for item in &all.items {
        let RefOr::T(Schema::Object(object)) = item else { return None };
        one.schema_type = object.schema_type.clone();
        one.required.extend(object.required.iter().cloned());
        one.properties.extend(object.properties.clone());
    }
    Some(one)
}
