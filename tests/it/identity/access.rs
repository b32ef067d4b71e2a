//! Access: what somebody may do is known without asking the database, once it was asked for.

use api::key::{KeyRing, Logged, ShownKey};
use commands::EventStore;
use commands::access;
use commands::clock::Clock;
use serde_json::json;
use sqlx::postgres::PgPoolOptions;
use tests::app::TestApp;
use tests::people::{invited, person, switched, text};

/// Of a store whose database is gone after the first time, nothing can be asked.
#[tokio::test]
async fn who_was_let_in_once_is_let_in_again_without_a_round_trip_to_the_database() {
    let app = TestApp::with_people().await;
    let (jane, _) = person(&app, "jane@example.com").await;
    let workspace = jane.create("/api/workspaces", json!({"name": "Jane's shop"})).await;
    let owner = switched(&jane, &workspace).await;
    let role = json!({"name": "Packer", "scopes": ["order:read", "stock:read"]});
    let role = owner.create(&format!("/api/workspaces/{workspace}/roles"), role).await;
    let (ben, tokens) = person(&app, "ben@example.com").await;
    let token = invited(&app, &owner, &workspace, "ben@example.com", &["viewer", &role]).await;
    let accept = ben.post("/api/workspaces/invitations/accept", json!({"token": token})).await;
    assert_eq!(accept.status, 200, "{accept:?}");
    let key = owner.post("/api/api-keys", json!({"name": "shop", "scopes": ["order:read"]})).await.json();
    let key: ShownKey = text(&key, "key").parse().unwrap();

    let pool = PgPoolOptions::new().connect_with(app.database.run.clone()).await.unwrap();
    let store = EventStore::open(pool.clone(), app.database.run.clone(), 100);
    let ring = Logged { store: store.clone(), is_heard: Box::new(|| true) };
    let bens = (text(&tokens, "account").parse().unwrap(), text(&tokens, "session").parse().unwrap());
    let place = Some(workspace.parse().unwrap());
    let asked = async || {
        let person = access::find(&store, bens, place, app.clock.now()).await;
        (person, ring.find(key.workspace, key.id).await)
    };
    let (person, program) = asked().await;
    let (person, program) = (person.unwrap().unwrap(), program.unwrap().unwrap());
    assert!(person.scopes.contains("order:read") && person.scopes.contains("member:read"));
    assert!(program.scopes.contains("order:read"));

    pool.close().await;
    assert!(store.head().await.is_err(), "there is no database any more");
    let (again, program_again) = asked().await;
    assert_eq!(again.unwrap().unwrap(), person);
    assert_eq!(program_again.unwrap().unwrap(), program);
}
