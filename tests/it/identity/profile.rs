//! Profiles over HTTP: who people say they are, to themselves and to nobody else.

use reqwest::Method;
use serde_json::{Value, json};
use tests::app::TestApp;
use tests::people::{person, text, visitor};

const ME: &str = "/api/users/me";

fn plain(value: &str) -> Value {
    json!({"state": "plain", "value": value})
}

#[tokio::test]
async fn a_person_says_who_they_are_and_only_what_is_named_changes() {
    let app = TestApp::with_people().await;
    let (jane, tokens) = person(&app, "jane@example.com").await;
    let (ben, _) = person(&app, "ben@example.com").await;
    let me = jane.show(ME).await;
    assert_eq!((&me["id"], &me["email"]), (&tokens["account"], &plain("jane@example.com")));
    assert_eq!((&me["name"], &me["locale"], &me["time_zone"]), (&Value::Null, &json!("en"), &Value::Null));

    let all = json!({
        "name": "Jane Doe", "phone": "+41 44 668 18 00", "postal_address": "Bahnhofstrasse 1\n8001 Zürich",
        "locale": "de-CH", "time_zone": "Europe/Zurich", "preferences": {"theme": "dark", "density": "compact"},
    });
    assert_eq!(jane.patch(ME, all).await.status, 200);
    let me = jane.show(ME).await;
    assert_eq!((&me["name"], &me["phone"]), (&plain("Jane Doe"), &plain("+41 44 668 18 00")));
    assert_eq!(me["postal_address"], plain("Bahnhofstrasse 1\n8001 Zürich"));
    assert_eq!((&me["locale"], &me["time_zone"]), (&json!("de-CH"), &json!("Europe/Zurich")));
    assert_eq!(me["preferences"], json!({"theme": "dark", "density": "compact"}));

    let some = json!({"phone": null, "preferences": {"density": null}});
    assert_eq!(jane.patch(ME, some).await.status, 200);
    let me = jane.show(ME).await;
    assert_eq!((&me["name"], &me["phone"]), (&plain("Jane Doe"), &Value::Null));
    assert_eq!(me["preferences"], json!({"theme": "dark"}));
    let ben = ben.show(ME).await;
    assert_eq!((&ben["email"], &ben["name"]), (&plain("ben@example.com"), &Value::Null));
}

#[tokio::test]
async fn what_is_said_of_a_person_is_written_nowhere_as_text() {
    let app = TestApp::with_people().await;
    let (jane, _) = person(&app, "jane@example.com").await;
    let canary = "Canary-Of-This-Very-Test";
    let all = json!({"name": canary, "phone": "+41 99 123 45 67", "postal_address": format!("{canary}\n8001 Zürich")});
    assert_eq!(jane.patch(ME, all).await.status, 200);
    jane.show(ME).await;
    let written: Vec<String> = sqlx::query_scalar(
        "select payload::text from events union all select to_jsonb(p)::text from read.profile p",
    )
    .fetch_all(&app.database.pool)
    .await
    .unwrap();
    assert!(written.iter().any(|row| row.contains("pii1.")));
    for row in written {
        assert!(!row.contains(canary) && !row.contains("+41 99"), "{row}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_now_is_not_said_to_be_erased() {
    let app = TestApp::with_people().await;
    let (jane, _) = person(&app, "jane@example.com").await;
    jane.patch(ME, json!({"name": "Jane Doe"})).await;
    jane.show(ME).await;
    app.vault.set_away(true);
    let me = jane.show(ME).await;
    assert_eq!(
        (&me["name"], &me["email"]),
        (&json!({"state": "unavailable"}), &json!({"state": "unavailable"}))
    );
    let refused = jane.patch(ME, json!({"name": "Jane Roe"})).await;
    assert_eq!(refused.problem(), (503, "unavailable".into()));
    // What is about nobody goes on.
    let theme = jane.request(Method::PATCH, ME).json(&json!({"preferences": {"theme": "dark"}}));
    assert_eq!(jane.send(theme).await.status, 200);
    app.vault.set_away(false);
    assert_eq!(jane.show(ME).await["name"], plain("Jane Doe"));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_nobody_else_is_asked() {
    let app = TestApp::with_people().await;
    let (jane, _) = person(&app, "jane@example.com").await;
    for (body, wrong) in [
        (json!({"name": ""}), "/name length"),
        (json!({"name": "x".repeat(201)}), "/name length"),
        (json!({"phone": "call me"}), "/phone form"),
        (json!({"locale": "english"}), "/locale form"),
        (json!({"locale": null}), "/locale type"),
        (json!({"time_zone": "12"}), "/time_zone form"),
        (json!({"email": "eve@example.com"}), "/email unknown"),
        (json!({"id": "acc_01h455vb4pex5vsknk084sn02q"}), "/id unknown"),
    ] {
        assert_eq!(jane.patch(ME, body.clone()).await.errors(), [wrong], "{body}");
    }
    let bad = jane.patch(ME, json!({"preferences": {"a b": "x"}})).await;
    assert_eq!(bad.problem(), (422, "profile/bad_preference".into()));
    assert_eq!(app.owner.get(ME).await.problem(), (403, "people-only".into()));
    assert_eq!(visitor(&app).get(ME).await.problem().0, 401);

    let stale = jane.request(Method::PATCH, ME).header("if-match", "\"7\"").json(&json!({"name": "Jane"}));
    assert_eq!(jane.send(stale).await.problem(), (412, "precondition-failed".into()));
    let shown = jane.get(ME).await;
    assert_eq!((shown.header("etag"), shown.header("cache-control")), ("\"0\"", "no-store"));
    assert_eq!(text(&shown.json()["email"], "value"), "jane@example.com");
}
