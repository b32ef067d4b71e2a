//! Names: what is published under a name is referred to by it, wherever it stands.
//!
//! The words of a filter and the items of a page come spelled out, and would be types of their own to a generator.

use utoipa::openapi::schema::Schema;
use utoipa::openapi::{OpenApi, Ref, RefOr};

use super::{children, parameters};

type Named = [(String, Schema)];

/// Refers to them in a whole document.
pub(super) fn document(document: &mut OpenApi) {
    let schemas = document.components.iter().flat_map(|components| &components.schemas);
    let named: Vec<(String, Schema)> = schemas
        .filter_map(|(name, schema)| match schema {
            RefOr::T(schema) => Some((name.clone(), schema.clone())),
            RefOr::Ref(_) => None,
        })
        .collect();
    for schema in document.components.iter_mut().flat_map(|components| components.schemas.values_mut()) {
        if let RefOr::T(schema) = schema {
            children(schema, &mut |child| refer(child, &named));
        }
    }
    parameters(document).for_each(|schema| refer(schema, &named));
}

fn refer(schema: &mut RefOr<Schema>, named: &Named) {
    let RefOr::T(inner) = schema else { return };
    let mut same = named.iter().filter(|(_, other)| other == inner);
    match (same.next(), same.next()) {
        (Some((name, _)), None) => *schema = Ref::from_schema_name(name).into(),
        _ => children(inner, &mut |child| refer(child, named)),
    }
}
