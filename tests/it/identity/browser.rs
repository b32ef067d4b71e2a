//! Browsers: a refresh token that no script reads, and pages of others that can do nothing with it.

use reqwest::Method;
use serde_json::json;
use tests::answer::Answer;
use tests::app::TestApp;
use tests::client::Client;
use tests::people::{SECRET, sign_up, text, visitor};

const JANE: &str = "jane@example.com";

/// The cookie that an answer sets, as it is sent back.
fn cookie(answer: &Answer) -> String {
    let set = answer.header("set-cookie");
    let (pair, rest) = set.split_once("; ").unwrap_or_default();
    assert!(pair.starts_with("__Host-refresh="), "{set}");
    assert_eq!(rest, "Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=604800");
    pair.to_owned()
}

async fn refresh(client: &Client, cookie: &str, headers: &[(&str, &str)]) -> Answer {
    let request = client.request(Method::POST, "/api/auth/refresh").header("cookie", cookie);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    client.send(request.json(&json!({}))).await
}

#[tokio::test]
async fn a_browser_has_its_refresh_token_in_a_cookie_and_no_answer_shows_it() {
    let app = TestApp::with_people().await;
    sign_up(&app, JANE).await;
    let browser = visitor(&app);
    let credentials = json!({"email": JANE, "password": SECRET, "cookie": true});
    let signed_in = browser.post("/api/auth/sign-in", credentials).await;
    assert_eq!((signed_in.status, signed_in.header("cache-control")), (200, "no-store"));
    assert!(signed_in.json().get("refresh_token").is_none());
    let first = cookie(&signed_in);

    let ours = [("x-csrf-protection", "1"), ("sec-fetch-site", "same-origin")];
    let refreshed = refresh(&browser, &first, &ours).await;
    assert_eq!(refreshed.status, 200, "{refreshed:?}");
    assert!(refreshed.json().get("refresh_token").is_none());
    let second = cookie(&refreshed);
    assert_ne!(first, second);
    // A page of another site cannot send the header, nor is it taken if a browser says who asks.
    let no = (403, "csrf-protection-required".into());
    assert_eq!(refresh(&browser, &second, &[]).await.problem(), no);
    let other = [("x-csrf-protection", "1"), ("sec-fetch-site", "cross-site")];
    assert_eq!(refresh(&browser, &second, &other).await.problem(), no);
    // Where there is none, and where it is not in the cookie that is good for it.
    let none = refresh(&browser, "refresh=x", &ours).await;
    assert_eq!(none.problem(), (401, "session-over".into()));

    let jane = app.owner.with_key(text(&refreshed.json(), "access_token"));
    let out = jane.request(Method::POST, "/api/auth/sign-out").header("cookie", &second).json(&json!({}));
    let out = jane.send(out).await;
    assert_eq!(out.status, 200, "{out:?}");
    assert_eq!(
        out.header("set-cookie"),
        "__Host-refresh=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0"
    );
    assert_eq!(refresh(&browser, &second, &ours).await.problem(), (401, "session-over".into()));
}

#[tokio::test]
async fn who_wants_no_cookie_gets_none() {
    let app = TestApp::with_people().await;
    sign_up(&app, JANE).await;
    let answer = visitor(&app).post("/api/auth/sign-in", json!({"email": JANE, "password": SECRET})).await;
    assert!(answer.json()["refresh_token"].is_string());
    assert!(!answer.headers.contains_key("set-cookie"));
}

#[tokio::test]
async fn pages_of_others_are_allowed_nothing_and_each_answer_says_how_it_may_be_used() {
    let app = TestApp::with_people().await;
    let visitor = visitor(&app);
    let preflight = visitor
        .request(Method::OPTIONS, "/api/auth/refresh")
        .header("origin", "https://evil.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "x-csrf-protection, content-type");
    let preflight = visitor.send(preflight).await;
    let asked = visitor.request(Method::POST, "/api/auth/refresh").header("origin", "https://evil.example");
    for answer in
        [preflight, visitor.send(asked.json(&json!({}))).await, app.owner.get("/api/ecommerce/orders").await]
    {
        assert!(
            answer.headers.keys().all(|name| !name.as_str().starts_with("access-control-")),
            "{answer:?}"
        );
        for (name, value) in [
            ("cache-control", "no-store"),
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
            ("cross-origin-resource-policy", "same-origin"),
            ("referrer-policy", "no-referrer"),
            ("strict-transport-security", "max-age=31536000"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
        ] {
            assert_eq!(answer.header(name), value, "{name}: {answer:?}");
        }
    }
}
