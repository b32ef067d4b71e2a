//! The API document: kept in docs/openapi.json, and of one form throughout.

use std::collections::HashSet;
use std::path::Path;

use serde_json::Value;

fn operations(document: &Value) -> Vec<(String, Value)> {
    let paths = document["paths"].as_object().unwrap();
    let of_path = |(path, item): (&String, &Value)| {
        let item = item.as_object().unwrap().clone();
        let path = path.clone();
        item.into_iter().map(move |(method, operation)| (format!("{method} {path}"), operation))
    };
    paths.iter().flat_map(of_path).collect()
}

fn document() -> Value {
    let (_, document) = api::routes::routes().merge(super::jar::routes()).split_for_parts();
    serde_json::to_value(api::openapi::completed(document)).unwrap()
}

#[test]
fn is_the_one_that_is_kept() {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    let made = api::openapi::text(&api::routes::document());
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&kept, &made).unwrap();
    }
    let kept = std::fs::read_to_string(kept).unwrap_or_default();
    assert!(
        kept == made,
        "docs/openapi.json is not what the code says: look at the change, then run with UPDATE=1"
    );
}

#[test]
fn is_of_version_3_1_and_names_every_operation_once() {
    let document = document();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let operations = operations(&document);
    let names: HashSet<_> = operations.iter().map(|(_, o)| o["operationId"].as_str().unwrap()).collect();
    assert_eq!(names.len(), operations.len());
    for (name, operation) in &operations {
        assert!(!operation["summary"].as_str().unwrap_or_default().is_empty(), "{name} has no summary");
        let problem =
            &operation["responses"]["default"]["content"]["application/problem+json"]["schema"]["$ref"];
        assert_eq!(problem, "#/components/schemas/Problem", "{name}");
        assert!(operation["security"].is_array(), "{name}");
    }
}

#[test]
fn commands_say_which_headers_they_take() {
    for (name, operation) in operations(&document()).iter().filter(|(name, _)| name.starts_with("post ")) {
        let parameters = operation["parameters"].as_array().unwrap();
        if operation["security"] == serde_json::json!([{}]) {
            // Another service tells it, with ids of its own.
            let of_commands = ["Idempotency-Key", "If-Match"];
            assert!(
                !parameters.iter().any(|of| of_commands.iter().any(|name| of["name"] == *name)),
                "{name}"
            );
            continue;
        }
        let key = parameters.iter().find(|parameter| parameter["name"] == "Idempotency-Key").unwrap();
        let is_repeatable = !name.contains("/stock/") && operation["responses"]["201"].is_null();
        assert_eq!(key["required"], !is_repeatable, "{name}");
    }
}

/// As OpenAPI 3.1 has it, 4.8.12.2: what a path is made of is required.
#[test]
fn paths_need_all_that_they_are_made_of() {
    for (name, operation) in operations(&document()) {
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let (in_path, _): (Vec<_>, Vec<_>) = parameters.iter().partition(|of| of["in"] == "path");
        assert!(in_path.iter().all(|of| of["required"] == true), "{name}");
        let told: HashSet<_> =
            in_path.iter().map(|of| format!("{{{}}}", of["name"].as_str().unwrap())).collect();
        let made_of: HashSet<_> =
            name.split('/').filter(|step| step.starts_with('{')).map(str::to_owned).collect();
        assert_eq!(told, made_of, "{name}");
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let document = document();
    let text = document.to_string();
    let references: HashSet<_> =
        text.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(references.contains("/components/schemas/Outcome"));
    for reference in references {
        assert!(document.pointer(reference).is_some(), "{reference}");
    }
}

#[test]
fn bodies_take_no_field_they_do_not_know() {
    let document = document();
    for (name, operation) in operations(&document) {
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        let Some(reference) = schema["$ref"].as_str() else { continue };
        let body = document.pointer(reference.trim_start_matches('#')).unwrap();
        assert_eq!(body["additionalProperties"], false, "{name}: add #[serde(deny_unknown_fields)]");
    }
}
