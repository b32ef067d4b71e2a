//! Scopes: each operation asks for those that the document names, and for no others.

use std::collections::BTreeSet;

use domain::identity::workspace::PLATFORM;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::document::{document, operations};
use super::server::{Server, send};

/// What asks for no key: whether the platform lives and works, the table of currencies, and what the payment gateway
/// tells, signed; and how people come in.
const OPEN: [&str; 14] = [
    "get /api/currencies",
    "get /api/status",
    "get /health",
    "post /api/auth/email/confirm",
    "post /api/auth/forgotten",
    "post /api/auth/refresh",
    "post /api/auth/register",
    "post /api/auth/reset",
    "post /api/auth/sign-in",
    "post /api/auth/sign-in/second-factor",
    "post /api/auth/verify",
    "post /api/financial/payments/webhook",
    "post /api/financial/payments/webhook/{provider}",
    "post /api/workspaces/invitations/decline",
];

/// The scopes that an operation needs; none of one that is open to all.
fn needed(operation: &Value) -> Option<Vec<String>> {
    let requirement = operation["security"][0].as_object().unwrap();
    let scopes = requirement.get("api_key")?.as_array().unwrap();
    Some(scopes.iter().map(|scope| scope.as_str().unwrap().to_owned()).collect())
}

/// A path with something in the place of each of its parameters that has their form.
fn path(document: &Value, path: &str, operation: &Value) -> String {
    operation["parameters"].as_array().into_iter().flatten().filter(|of| of["in"] == "path").fold(
        path.to_owned(),
        |path, parameter| {
            let schema = &parameter["schema"];
            let named = schema["$ref"].as_str().and_then(|of| document.pointer(&of[1..])).unwrap_or(schema);
            let example =
                named["examples"][0].as_str().unwrap_or("cart_01h455vb4pex5vsknk084sn02q").to_owned();
            path.replace(&format!("{{{}}}", parameter["name"].as_str().unwrap()), &example)
        },
    )
}

/// What an operation answers to a key with these scopes. (Its document is made once: that takes a while.)
async fn asked(
    server: &Server,
    document: &Value,
    (name, operation): (&str, &Value),
    scopes: &[&str],
) -> (u16, String) {
    let (method, at) = name.split_once(' ').unwrap();
    let at = path(document, at, operation);
    // Only keys of the platform's own workspace operate it.
    let of = if scopes == ["platform:operate"] { PLATFORM } else { server.workspace };
    let key = server.keys.issue(of, scopes).reveal();
    let method: Method = method.to_uppercase().parse().unwrap();
    let mut request = server.http.request(method.clone(), format!("http://{}{at}", server.address));
    if method != Method::GET {
        request = request.header("idempotency-key", Uuid::new_v4().to_string()).json(&json!({}));
    }
    let answer = send(request.bearer_auth(key)).await;
    (answer.status, answer.body)
}

#[tokio::test]
async fn nobody_gets_in_without_each_scope_that_the_document_names() {
    let server = Server::start().await;
    // One jar's handler waits for ever, one panics.
    let asked_of = |name: &str| !name.ends_with("/stick") && !name.ends_with("/drop");
    let document = document();
    let operations: Vec<_> = operations(&document).into_iter().filter(|(name, _)| asked_of(name)).collect();
    let every: BTreeSet<String> =
        operations.iter().filter_map(|(_, operation)| needed(operation)).flatten().collect();
    for (name, operation) in &operations {
        let Some(needed) = needed(operation) else {
            if operation["security"][0]["access_token"].is_array() {
                let (status, told) = asked(&server, &document, (name, operation), &["*"]).await;
                assert!(status == 403 && told.contains("people-only"), "{name} of a program: {told}");
            } else {
                assert!(OPEN.contains(&name.as_str()), "{name} asks for no key");
            }
            continue;
        };
        assert!(!needed.is_empty(), "{name} needs no scope");
        let (status, told) = asked(&server, &document, (name, operation), &[]).await;
        assert_eq!(status, 403, "{name} with no scope: {told}");
        for scope in &needed {
            let others: Vec<&str> = every.iter().map(String::as_str).filter(|other| other != scope).collect();
            let (status, told) = asked(&server, &document, (name, operation), &others).await;
            assert_eq!(status, 403, "{name} with all scopes but {scope}: {told}");
            assert!(told.contains(scope.as_str()), "{name} does not say that it lacks {scope}: {told}");
        }
        let all: Vec<&str> = needed.iter().map(String::as_str).collect();
        let (status, told) = asked(&server, &document, (name, operation), &all).await;
        assert!(![401, 403, 500].contains(&status), "{name} with {all:?}: {status} {told}");
    }
}
