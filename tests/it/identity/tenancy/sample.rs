//! Samples: something of the form that a schema of the API's document asks for.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// What stands for each kind of id, by the name of its schema.
pub type Ids = BTreeMap<String, String>;

/// The name of the schema that this one refers to.
pub fn name_of(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.rsplit('/').next()
}

/// The least that a schema takes, with these ids.
pub fn sample(document: &Value, schema: &Value, ids: &Ids) -> Value {
    if let Some(name) = name_of(schema) {
        let named = &document["components"]["schemas"][name];
        return ids.get(name).map_or_else(|| sample(document, named, ids), |id| json!(id));
    }
    let examples = ["examples", "enum"].iter().find_map(|list| schema[list].get(0));
    if let Some(given) = examples.or(schema.get("example")) {
        return given.clone();
    }
    if let Some(choice) = ["oneOf", "anyOf"].iter().find_map(|list| schema[list].as_array()) {
        let real = choice.iter().find(|of| of["type"] != "null").expect("something but nothing");
        return sample(document, real, ids);
    }
    if let Some(parts) = schema["allOf"].as_array() {
        let members = parts.iter().flat_map(|part| match sample(document, part, ids) {
            Value::Object(members) => members,
            _ => Map::new(),
        });
        return Value::Object(members.collect());
    }
    let is = |name: &str| {
        schema["type"] == name || schema["type"].as_array().is_some_and(|all| all.contains(&json!(name)))
    };
    if is("object") {
        let needed = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let member = |name: &str| (name.to_owned(), sample(document, &schema["properties"][name], ids));
        return Value::Object(needed.map(member).collect());
    }
    if is("array") {
        let least = schema["minItems"].as_u64().unwrap_or(0);
        return (0..least).map(|_| sample(document, &schema["items"], ids)).collect();
    }
    match () {
        () if is("integer") => json!(schema["minimum"].as_i64().unwrap_or(0).max(1)),
        () if is("boolean") => json!(true),
        () => json!(text(schema)),
    }
}

/// A text of a form. Those that have none here need an example in the document.
fn text(schema: &Value) -> String {
    if schema["format"] == "date-time" {
        return "2026-01-01T00:00:00Z".into();
    }
    if schema["format"] == "date" {
        return "2026-01-01".into();
    }
    let least = schema["minLength"].as_u64().unwrap_or(1).max(1);
    "x".repeat(usize::try_from(least).expect("a short text"))
}
