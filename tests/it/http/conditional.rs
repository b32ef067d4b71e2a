//! Conditional reads and commands, and ranges of time: the same everywhere.

use reqwest::Method;
use serde_json::json;
use tests::app::TestApp;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_seen_is_not_shown_again_until_it_has_changed() {
    let app = TestApp::start().await;
    app.sell("TEE", 1_000, 5).await;
    let id = app.owner.show("/api/ecommerce/products").await["items"][0]["id"].as_str().unwrap().to_owned();
    let product = format!("/api/ecommerce/products/{id}");
    let again = |path: &str, seen: &str| {
        app.owner.send(app.owner.request(Method::GET, path).header("if-none-match", seen))
    };
    for path in [&*product, "/api/ecommerce/products", "/api/ecommerce/shop", "/api/dashboard"] {
        let first = app.owner.get(path).await;
        assert_eq!(first.status, 200, "{path}");
        let tag = first.header("etag").to_owned();
        assert!(tag.starts_with('"') || tag.starts_with("W/\""), "{path}: {tag}");
        let seen = again(path, &format!("\"x\", {tag}")).await;
        assert_eq!((seen.status, seen.body.len(), seen.header("etag")), (304, 0, &*tag), "{path}");
        assert_eq!(again(path, "\"x\"").await.status, 200, "{path}");
    }
    let tags = [app.owner.get(&product).await, app.owner.get("/api/ecommerce/products").await];
    let renamed = app.owner.post(&format!("{product}/rename"), json!({"title": "Cup"})).await;
    assert_eq!(renamed.status, 200, "{renamed:?}");
    app.drain().await;
    for (path, before) in [&*product, "/api/ecommerce/products"].into_iter().zip(&tags) {
        assert_eq!(again(path, before.header("etag")).await.status, 200, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_may_name_several_versions() {
    let app = TestApp::start().await;
    app.sell("TEE", 1_000, 0).await;
    let id = app.owner.show("/api/ecommerce/products").await["items"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/ecommerce/products/{id}/rename");
    let version =
        app.owner.get(&format!("/api/ecommerce/products/{id}")).await.json()["version"].as_i64().unwrap();
    let rename = |title: &str, tags: String| {
        let request = app.owner.request(Method::POST, &path).header("if-match", tags);
        app.owner.send(request.json(&json!({"title": title})))
    };
    let others = format!("\"{}\", \"{}\"", version + 1, version + 2);
    let stale = rename("Cup", others).await;
    assert_eq!(stale.problem(), (412, "precondition-failed".into()));
    assert_eq!(rename("Cup", format!("\"99\", \"{version}\"")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_of_time_have_one_name_one_meaning_and_one_refusal() {
    let app = TestApp::with_gateway().await;
    app.sell("TEE", 1_000, 5).await;
    app.order("TEE", 1, "card").await;
    app.drain().await;
    // It is 2026-01-01.
    for list in ["/api/ecommerce/orders", "/api/financial/payments"] {
        let found = |from: &str, to: &str| format!("{list}?from={from}&to={to}");
        let at = app.owner.show(list).await["items"][0]["effective_at"].as_str().unwrap().to_owned();
        let count = async |path: String| app.owner.show(&path).await["items"].as_array().unwrap().len();
        assert_eq!(count(found(&at, "2027-01-01T00:00:00Z")).await, 1, "{list}: from is included");
        assert_eq!(count(found("2025-01-01T00:00:00Z", &at)).await, 0, "{list}: to is not");
    }
    for path in [
        "/api/ecommerce/orders?from=2026-01-02T00:00:00Z&to=2026-01-02T00:00:00Z",
        "/api/ecommerce/orders?placed_from=2026-01-02T00:00:00Z&placed_to=2026-01-01T00:00:00Z",
        "/api/financial/payments?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z",
        "/api/financial/refunds?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z",
        "/api/dashboard?from=2026-01-02&to=2026-01-02",
    ] {
        let refused = app.owner.get(path).await;
        assert_eq!(refused.problem(), (422, "validation".into()), "{path}");
        assert_eq!(refused.json()["errors"][0]["detail"], "is not after `from`", "{path}");
    }
}
