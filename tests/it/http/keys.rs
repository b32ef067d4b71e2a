//! Idempotency keys: what the API document says needs one, needs one, and nothing else.

use api::routes::document;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tests::app::TestApp;

/// Every command of the document that a program may send, with ids in its path that anything may have, and whether it
/// needs a key.
fn commands() -> Vec<(Method, String, bool)> {
    let document = serde_json::to_value(document()).unwrap();
    let mut commands = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if operation["security"][0]["access_token"].is_array() {
                continue;
            }
            let keys = operation["parameters"].as_array().into_iter().flatten();
            let Some(key) = keys.clone().find(|of| of["name"] == "Idempotency-Key") else { continue };
            let mut path = path.clone();
            for of in keys.filter(|of| of["in"] == "path") {
                let named = format!("{{{}}}", of["name"].as_str().unwrap());
                path = path.replace(&named, example(&document, &of["schema"]));
            }
            let method = method.to_uppercase().parse().unwrap();
            commands.push((method, path, key["required"] == true));
        }
    }
    commands
}

/// A value of this form.
fn example<'a>(document: &'a Value, schema: &'a Value) -> &'a str {
    let referred = schema["$ref"].as_str().and_then(|to| document.pointer(to.trim_start_matches('#')));
    let schema = referred.unwrap_or(schema);
    schema["examples"][0].as_str().or_else(|| schema["enum"][0].as_str()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn are_asked_for_exactly_where_the_document_says_so() {
    let app = TestApp::start().await;
    let commands = commands();
    assert!(commands.iter().filter(|(.., required)| *required).count() > 10, "{commands:?}");
    for (method, path, required) in commands {
        let request = app.owner.request(method.clone(), &path).json(&json!({}));
        let answer = request.send().await.unwrap();
        let (status, problem): (_, Value) = (answer.status(), answer.json().await.unwrap());
        let asked =
            (status, problem["code"].as_str()) == (StatusCode::BAD_REQUEST, Some("idempotency-key-required"));
        assert_eq!(asked, required, "{method} {path}: {status} {problem}");
    }
}
