//! API keys over HTTP: shown once, good where and as long as they say, and for nothing that their maker may not do.

use chrono::TimeDelta;
use commands::clock::Clock;
use serde_json::{Value, json};
use tests::answer::Answer;
use tests::app::TestApp;
use tests::client::Client;
use tests::people::{member, person, switched, text};

const KEYS: &str = "/api/api-keys";

fn named(scopes: &[&str]) -> Value {
    json!({"name": "shop", "scopes": scopes})
}

/// Who shows the key of this answer.
fn holder(app: &TestApp, issued: &Answer) -> Client {
    assert!([200, 201].contains(&issued.status), "{issued:?}");
    app.owner.with_key(text(&issued.json(), "key"))
}

async fn reads(client: &Client) -> u16 {
    client.get("/api/ecommerce/orders").await.status
}

#[tokio::test]
async fn a_key_is_shown_to_whoever_asked_for_it_and_to_nobody_else() {
    let app = TestApp::start().await;
    let issued = app.owner.post_as("k", KEYS, named(&["order:read"])).await;
    let (program, id) = (holder(&app, &issued), issued.id());
    assert_eq!(issued.header("location"), format!("{KEYS}/{id}"));
    assert_eq!(issued.header("cache-control"), "no-store");
    assert_eq!(reads(&program).await, 200);
    let refused = program.post("/api/ecommerce/carts", json!({"currency": "EUR"})).await;
    assert_eq!(refused.problem(), (403, "forbidden".into()));
    // Its answer was lost: the same is answered again.
    let again = app.owner.post_as("k", KEYS, named(&["order:read"])).await;
    assert_eq!((&*again.body, again.header("idempotent-replayed")), (&*issued.body, "true"));

    let key = text(&issued.json(), "key");
    let secret = key.rsplit_once('_').unwrap().1;
    for path in [KEYS.to_owned(), format!("{KEYS}/{id}")] {
        let shown = app.owner.get(&path).await;
        assert!(shown.status == 200 && shown.body.contains(&id), "{shown:?}");
        assert!(!shown.body.contains(secret) && !shown.body.contains("secret_hash"), "{shown:?}");
    }
    let history = app.owner.get(&format!("{KEYS}/{id}/history")).await;
    assert!(!history.body.contains(secret), "{history:?}");
    let logged: i64 = sqlx::query_scalar(
        "select count(*) from events where payload::text like $1 or metadata::text like $1",
    )
    .bind(format!("%{secret}%"))
    .fetch_one(&app.database.pool)
    .await
    .unwrap();
    assert_eq!(logged, 0);
}

#[tokio::test]
async fn a_key_ends_when_it_says_or_is_revoked() {
    let app = TestApp::start().await;
    let mut terms = named(&["order:read"]);
    terms["expires_at"] = json!((app.clock.now() + TimeDelta::hours(1)).to_rfc3339());
    let passing = holder(&app, &app.owner.post(KEYS, terms).await);
    let issued = app.owner.post(KEYS, named(&["order:read"])).await;
    let lasting = holder(&app, &issued);
    assert_eq!((reads(&passing).await, reads(&lasting).await), (200, 200));
    app.clock.advance(TimeDelta::hours(1));
    assert_eq!((reads(&passing).await, reads(&lasting).await), (401, 200));
    let own = format!("{KEYS}/{}", issued.id());
    assert_eq!(app.owner.delete(&own).await.status, 200);
    assert_eq!(reads(&lasting).await, 401);
    assert_eq!(app.owner.show(&own).await["revoked"], true);
    let rotate = app.owner.post(&format!("{own}/rotate"), json!({})).await;
    assert_eq!(rotate.problem(), (409, "api_key/revoked".into()));
    let unknown = format!("{KEYS}/key_01h455vb4pex5vsknk084sn02q");
    assert_eq!(app.owner.delete(&unknown).await.problem(), (404, "api_key/unknown".into()));
}

#[tokio::test]
async fn a_rotated_key_has_two_secrets_for_a_while() {
    let app = TestApp::start().await;
    let issued = app.owner.post(KEYS, named(&["order:read"])).await;
    let (first, own) = (holder(&app, &issued), format!("{KEYS}/{}", issued.id()));
    let rotate = |hours: i64| json!({"keep_hours": hours});
    let rotated = app.owner.post_as("r", &format!("{own}/rotate"), rotate(2)).await;
    let second = holder(&app, &rotated);
    assert_eq!(app.owner.post_as("r", &format!("{own}/rotate"), rotate(2)).await.body, rotated.body);
    assert_eq!((reads(&first).await, reads(&second).await), (200, 200));
    app.clock.advance(TimeDelta::hours(2));
    assert_eq!((reads(&first).await, reads(&second).await), (401, 200));
    let third = holder(&app, &app.owner.post(&format!("{own}/rotate"), rotate(0)).await);
    assert_eq!((reads(&second).await, reads(&third).await), (401, 200));
    assert_eq!(
        app.owner.post(&format!("{own}/rotate"), rotate(169)).await.errors(),
        ["/keep_hours out-of-range"]
    );
    assert_eq!(app.owner.show(&own).await["version"], 3);
}

#[tokio::test]
async fn a_key_is_good_from_its_networks_only() {
    let app = TestApp::start().await;
    let from = async |networks: &[&str]| {
        let mut terms = named(&["order:read"]);
        terms["networks"] = json!(networks);
        reads(&holder(&app, &app.owner.post(KEYS, terms).await)).await
    };
    assert_eq!(from(&["127.0.0.0/8"]).await, 200);
    assert_eq!(from(&["203.0.113.0/24", "127.0.0.1"]).await, 200);
    assert_eq!(from(&["203.0.113.0/24", "2001:db8::/32"]).await, 401);
    for bad in ["127.0.0.1/33", "localhost", "::ffff:127.0.0.1"] {
        let mut terms = named(&["order:read"]);
        terms["networks"] = json!([bad]);
        assert_eq!(app.owner.post(KEYS, terms).await.status, 422, "{bad}");
    }
}

#[tokio::test]
async fn nobody_hands_out_what_they_do_not_have() {
    let app = TestApp::with_people().await;
    let forbidden = (403, "forbidden".to_owned());
    // A program: who acts with `*` may hand it out, but nothing that must be named.
    let manager = holder(&app, &app.owner.post(KEYS, named(&["api_key:manage", "order:read"])).await);
    for more in ["*", "cart:manage", "history:write", "platform:operate"] {
        assert_eq!(manager.post(KEYS, named(&["order:read", more])).await.problem(), forbidden, "{more}");
    }
    assert_eq!(manager.post(KEYS, named(&["order:read"])).await.status, 201);
    let all = app.owner.post(KEYS, named(&["*"])).await;
    assert_eq!(reads(&holder(&app, &all)).await, 200);
    for named_only in ["history:write", "platform:operate"] {
        assert_eq!(app.owner.post(KEYS, named(&["*", named_only])).await.problem(), forbidden);
    }
    // Another secret of a key is all that it may do.
    let rotate = format!("{KEYS}/{}/rotate", all.id());
    assert_eq!(manager.post(&rotate, json!({})).await.problem(), forbidden);
    assert_eq!(app.owner.post(&rotate, json!({})).await.status, 200);

    // People: by their roles.
    let (jane, _) = person(&app, "jane@example.com").await;
    let shop = jane.create("/api/workspaces", json!({"name": "Jane's shop"})).await;
    let jane = switched(&jane, &shop).await;
    let (ian, _) = member(&app, &jane, &shop, "ian@example.com", &["integrator"]).await;
    assert_eq!(jane.post(KEYS, named(&["*"])).await.problem(), forbidden, "an owner has what is named");
    assert_eq!(jane.post(KEYS, named(&["refund:approve", "member:manage"])).await.status, 201);
    assert_eq!(ian.post(KEYS, named(&["refund:approve"])).await.problem(), forbidden);
    let issued = ian.post(KEYS, named(&["order:place", "order:read"])).await;
    let program = holder(&app, &issued);
    assert_eq!(program.get("/api/ecommerce/orders").await.status, 200);
    assert_eq!(program.get(KEYS).await.problem(), forbidden);
}
