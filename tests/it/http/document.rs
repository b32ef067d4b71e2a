//! The API document: kept in docs/openapi.json, and of one form throughout.

use std::collections::HashSet;
use std::path::Path;

use domain::permission::BuiltIn;
use serde_json::Value;

pub fn operations(document: &Value) -> Vec<(String, Value)> {
    let paths = document["paths"].as_object().unwrap();
    let of_path = |(path, item): (&String, &Value)| {
        let item = item.as_object().unwrap().clone();
        let path = path.clone();
        item.into_iter().map(move |(method, operation)| (format!("{method} {path}"), operation))
    };
    paths.iter().flat_map(of_path).collect()
}

pub fn document() -> Value {
    let (_, document) = api::routes::routes().merge(super::jar::routes()).split_for_parts();
    serde_json::to_value(api::openapi::completed(document)).unwrap()
}

/// Whether a file of docs/ is what the code says; with UPDATE set it is made so.
fn is_kept(name: &str, made: &str) {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&kept, made).unwrap();
    }
    let kept = std::fs::read_to_string(kept).unwrap_or_default();
    assert!(
        kept == made,
        "docs/{name} is not what the code says: look at the change, then run with UPDATE=1"
    );
}

#[test]
fn is_the_one_that_is_kept() {
    is_kept("openapi.json", &api::openapi::text(&api::routes::document()));
}

/// Which operation needs which scope, as a table.
#[test]
fn scopes_are_those_of_the_table_that_is_kept() {
    let document = serde_json::to_value(api::routes::document()).unwrap();
    let list = |scopes: &Value| {
        let scopes: Vec<_> = scopes.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        scopes.iter().map(|scope| format!("`{scope}`")).collect::<Vec<_>>().join(", ")
    };
    let mut table = String::from(
        "# Scopes\n\nMade from the API document (`UPDATE=1 make test ARGS=http::document`). A key with the scope `*` has \
         all of its workspace's but\n`history:write` and `platform:operate`, which are given by name only. What a request \
         may use is what its operation needs, and\nof the optional ones those that its key has: they are used where the \
         request asks for what takes them.\n\n| operation | name | needs | optional |\n|---|---|---|---|\n",
    );
    for (name, operation) in operations(&document) {
        let (method, path) = name.split_once(' ').unwrap();
        let needed = match &operation["security"][0]["api_key"] {
            Value::Null if operation["security"][0]["access_token"].is_array() => "a person".to_owned(),
            Value::Null => "no key".to_owned(),
            scopes => list(scopes),
        };
        let optional = list(&operation["x-optional-scopes"]);
        let (method, id) = (method.to_uppercase(), operation["operationId"].as_str().unwrap());
        table += &format!("| `{method} {path}` | {id} | {needed} | {optional} |\n");
    }
    is_kept("scopes.md", &table);
}

/// Which role may what, as a table: of every operation that asks for a key or a token.
#[test]
fn roles_are_those_of_the_table_that_is_kept() {
    let document = serde_json::to_value(api::routes::document()).unwrap();
    let roles: Vec<BuiltIn> = BuiltIn::all().collect();
    let names: Vec<&str> = roles.iter().map(|role| role.as_ref()).collect();
    let mut table = format!(
        "# Roles\n\nMade from the API document (`UPDATE=1 make test ARGS=http::document`), and observed as it stands: \
         `identity/tenancy.rs`. What has\nno mark is refused with 403. What is a person's own needs no role, and what \
         only a key of the platform's may do no role has.\nA role of a workspace's own allows what its scopes do \
         ([scopes.md](scopes.md)).\n\n| operation | {} |\n|---|{}\n",
        names.join(" | "),
        "---|".repeat(roles.len()),
    );
    for (name, operation) in operations(&document) {
        let (method, path) = name.split_once(' ').unwrap();
        let requirement = &operation["security"][0];
        let Some(needed) = requirement["api_key"].as_array() else {
            // Open to all, or to every person.
            assert!(
                requirement["access_token"].is_array() || *requirement == serde_json::json!({}),
                "{name}"
            );
            continue;
        };
        let may = |role: &BuiltIn| needed.iter().all(|needed| role.scopes().any(|scope| needed == scope));
        let marks: Vec<&str> = roles.iter().map(|role| if may(role) { "x" } else { "" }).collect();
        table += &format!("| `{} {path}` | {} |\n", method.to_uppercase(), marks.join(" | "));
    }
    is_kept("roles.md", &table);
}

/// By the schema of the OpenAPI Initiative; and what it calls schemas are JSON Schemas.
#[test]
fn is_what_openapi_3_1_calls_a_document() {
    let document = document();
    let schema = serde_json::from_str(include_str!("../../schemas/openapi-3.1.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let wrong: Vec<_> =
        validator.iter_errors(&document).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert_eq!(wrong, Vec::<String>::new());
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        assert!(jsonschema::draft202012::meta::is_valid(schema), "{name} is no JSON Schema");
    }
    let mut without = document.clone();
    without["paths"]["/health"]["get"]["responses"]["200"].as_object_mut().unwrap().remove("description");
    assert!(!validator.is_valid(&without), "a response must have a description");
}

/// Generators name what has no name after the field it stands in: two of them then have one.
#[test]
fn every_choice_of_words_has_a_name_of_its_own() {
    fn walk(value: &Value, place: &str, unnamed: &mut Vec<String>) {
        if value["enum"].as_array().is_some_and(|words| words.len() > 1) {
            unnamed.push(place.to_owned());
        }
        let members = value.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), value));
        let items =
            value.as_array().into_iter().flatten().enumerate().map(|(n, value)| (n.to_string(), value));
        for (name, value) in members.chain(items) {
            walk(value, &format!("{place}/{name}"), unnamed);
        }
    }
    let document = document();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let mut unnamed = Vec::new();
    for (name, schema) in schemas {
        for (part, value) in schema.as_object().unwrap().iter().filter(|(part, _)| *part != "enum") {
            walk(value, &format!("{name}/{part}"), &mut unnamed);
        }
    }
    assert_eq!(unnamed, Vec::<String>::new(), "give these a type with a name");
    let items = document.pointer("/components/schemas/Page_OrderView/properties/items/items").unwrap();
    assert_eq!(*items, serde_json::json!({"$ref": "#/components/schemas/OrderView"}));
    let names: HashSet<_> = schemas.keys().map(|name| name.to_lowercase()).collect();
    assert_eq!(names.len(), schemas.len(), "two schemas differ by case alone");
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
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
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
        let makes = !operation["responses"]["201"].is_null();
        let adds = says_how_many(&document(), operation) && !name.ends_with("/quote");
        let again = ["/pay", "/retry", "/rotate"].iter().any(|end| name.ends_with(end));
        assert_eq!(key["required"], makes || adds || again, "{name}: without a key, a repeat does it again");
    }
}

/// Whether a body names so many units: as a POST it adds them to, or takes them from, what is there.
fn says_how_many(document: &Value, operation: &Value) -> bool {
    fn names(document: &Value, schema: &Value) -> bool {
        if let Some(reference) = schema["$ref"].as_str() {
            return names(document, document.pointer(reference.trim_start_matches('#')).unwrap());
        }
        let properties = schema["properties"].as_object().into_iter().flatten();
        let mut units = properties.clone().map(|(name, _)| name.as_str());
        units.any(|name| matches!(name, "quantity" | "delta"))
            || properties.map(|(_, schema)| schema).chain(schema.get("items")).any(|of| names(document, of))
    }
    names(document, &operation["requestBody"]["content"]["application/json"]["schema"])
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
