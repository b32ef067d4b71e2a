//! A specimen's life over HTTP.

use super::start;
use serde_json::{Value, json};

const SPECIMENS: &str = "/api/ecommerce/specimens";

#[tokio::test]
async fn is_created_renamed_and_retired() {
    let app = start().await;
    let id = app.owner.create(SPECIMENS, json!({"title": "A"})).await;
    let specimen = format!("{SPECIMENS}/{id}");
    let renamed = app.owner.post(&format!("{specimen}/rename"), json!({"title": "B"})).await;
    assert_eq!(renamed.status, 200, "{renamed:?}");
    let shown = app.owner.get(&specimen).await;
    assert_eq!((shown.status, shown.header("etag")), (200, "\"2\""));
    assert_eq!((&shown.json()["title"], &shown.json()["retired"]), (&json!("B"), &json!(false)));
    assert_eq!(app.owner.post(&format!("{specimen}/retire"), json!({})).await.status, 200);
    let late = app.owner.post(&format!("{specimen}/rename"), json!({"title": "C"})).await;
    assert_eq!(late.problem(), (409, "specimen/retired".into()));
    let history = app.owner.show(&format!("{specimen}/history")).await;
    let told: Vec<&Value> =
        history["items"].as_array().unwrap().iter().map(|e| &e["event"]["type"]).collect();
    assert_eq!(told, ["Created", "Renamed", "Retired"]);
}

#[tokio::test]
async fn is_listed_by_whether_it_is_in_use() {
    let app = start().await;
    let retired = app.owner.create(SPECIMENS, json!({"title": "A"})).await;
    let used = app.owner.create(SPECIMENS, json!({"title": "B"})).await;
    app.owner.post(&format!("{SPECIMENS}/{retired}/retire"), json!({})).await;
    for (query, found) in [("?retired=true", retired), ("?retired=false", used)] {
        let page = app.owner.show(&format!("{SPECIMENS}{query}")).await;
        let ids: Vec<&Value> = page["items"].as_array().unwrap().iter().map(|of| &of["id"]).collect();
        assert_eq!(ids, [&json!(found)], "{query}");
    }
}

#[tokio::test]
async fn nobody_else_sees_or_changes_it() {
    let app = start().await;
    let id = app.owner.create(SPECIMENS, json!({"title": "A"})).await;
    let specimen = format!("{SPECIMENS}/{id}");
    let (stranger, rename) = (app.stranger(), json!({"title": "B"}));
    assert_eq!(stranger.get(&specimen).await.problem(), (404, "not-found".into()));
    let renamed = stranger.post(&format!("{specimen}/rename"), rename.clone()).await;
    assert_eq!(renamed.problem(), (404, "specimen/unknown".into()));
    let reader = app.with_scopes(&["specimen:read"]);
    let renamed = reader.post(&format!("{specimen}/rename"), rename).await;
    assert_eq!(renamed.problem(), (403, "forbidden".into()));
    assert_eq!(reader.show(&specimen).await["title"], "A");
}
