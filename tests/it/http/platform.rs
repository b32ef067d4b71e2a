//! The platform's own routes.

use super::server::{Server, send};

#[tokio::test]
async fn anyone_may_ask_whether_it_lives_and_works() {
    let server = Server::start().await;
    let ask = |path: &str| send(server.http.get(format!("http://{}{path}", server.address)));
    assert_eq!(ask("/health").await.body, r#"{"status":"ok"}"#);
    let status = ask("/api/status").await;
    assert_eq!(status.status, 200, "{status:?}");
    let status = status.json();
    assert_eq!(status["status"], "ok");
    let names: Vec<_> = status["dependencies"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["database", "migrations"]);
}

#[tokio::test]
async fn the_platforms_figures_are_for_its_operator() {
    let server = Server::start().await;
    let operator = server.keys.issue(server.workspace, &["platform:operate"]).reveal();
    for path in ["/metrics", "/api/monitoring/subscriptions", "/api/monitoring/invariants"] {
        assert_eq!(server.get(path).await.problem(), (403, "forbidden".into()), "a star is not enough");
        let request = server.http.get(format!("http://{}{path}", server.address));
        assert_eq!(send(request.try_clone().unwrap()).await.status, 401);
        let answer = send(request.bearer_auth(&operator)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

#[tokio::test]
async fn the_documentation_needs_no_network_and_no_key() {
    let server = Server::start().await;
    let ask = |path: &str| send(server.http.get(format!("http://{}{path}", server.address)));
    let page = ask("/api/docs").await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html"));
    let policy = page.header("content-security-policy");
    assert!(policy.contains("script-src 'self';") && !policy.contains("http"), "{policy}");
    // Everything the page loads is here, and nothing in it is a script of its own (the policy would stop it).
    assert!(!page.body.contains("://") && !page.body.contains("<script>"), "{}", page.body);
    let loaded: Vec<_> = page.body.split("\"./").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(loaded.contains(&"swagger-initializer.js") && loaded.len() >= 5, "{loaded:?}");
    for name in loaded {
        assert_eq!(ask(&format!("/api/docs/{name}")).await.status, 200, "{name}");
    }
    assert!(ask("/api/docs/swagger-initializer.js").await.body.contains("/api/docs/openapi.json"));
    let document = ask("/api/docs/openapi.json").await;
    assert_eq!(document.header("content-type"), "application/json");
    assert!(document.json()["paths"]["/api/jars"].is_object());
    assert_eq!(ask("/api/docs/nothing.js").await.problem(), (404, "not-found".into()));
}

#[tokio::test]
async fn anyone_may_ask_at_how_many_decimal_places_a_currency_counts() {
    let server = Server::start().await;
    let table = send(server.http.get(format!("http://{}/api/currencies", server.address))).await.json();
    assert_eq!(table["table_version"], "2026-01-01");
    let items = table["items"].as_array().unwrap();
    let entry = |code: &str| items.iter().find(|entry| entry["code"] == code).unwrap();
    assert_eq!(
        *entry("KWD"),
        serde_json::json!({"code": "KWD", "numeric": "414", "exponent": 3, "name": "Kuwaiti Dinar", "in_use": true,
            "until": null, "replaced_by": null})
    );
    assert_eq!((&entry("HUF")["exponent"], &entry("JPY")["exponent"]), (&2.into(), &0.into()));
    let lev = entry("BGN");
    assert_eq!(
        (&lev["in_use"], &lev["until"], &lev["replaced_by"]),
        (&false.into(), &"2026-01".into(), &"EUR".into())
    );
    assert_eq!(items.iter().filter(|entry| entry["in_use"] == true).count(), 155);
}
