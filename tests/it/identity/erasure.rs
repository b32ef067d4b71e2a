//! Erasure over HTTP: a person who wants to be forgotten, a customer whom a workspace forgets, and what keeps them.

use chrono::TimeDelta;
use commands::clock::Clock;
use commands::identity::workspace::PLATFORM;
use commands::port::vault::{Ask, Vault, seal};
use domain::identity::membership::{Membership, MembershipCommand};
use domain::ids::{CustomerId, WorkspaceId};
use domain::pii::{Opened, Pii, Whose};
use infra::subscription::rebuild::rebuild;
use serde_json::{Value, json};
use sqlx::postgres::PgPoolOptions;
use tests::app::TestApp;
use tests::client::Client;
use tests::people::{
    SECRET, code, mails, person, sign_in, sign_up, switched, text, token_in, visitor, with_two_factor,
};

const JANE: &str = "jane@example.com";
const MINE: &str = "/api/users/me/erasure";

domain::personal! {
    Note = "test.somebody", "note", Content;
}

/// What a workspace has written of a customer.
struct Written {
    whose: Whose,
    note: Pii<Note>,
}

async fn written(app: &TestApp, workspace: WorkspaceId, customer: CustomerId) -> Written {
    let whose = Whose::new(workspace, customer);
    let note = seal(&*app.vault, &whose, "sings in the morning").await.unwrap();
    Written { whose, note }
}

async fn read(app: &TestApp, of: &Written) -> Opened {
    app.vault.open(&[Ask::of(&of.whose, &of.note)]).await.pop().unwrap()
}

fn customer() -> CustomerId {
    "cus_01h455vb4pex5vsknk084sn02q".parse().unwrap()
}

/// How it stands, once nothing follows any more.
async fn state(app: &TestApp, client: &Client, path: &str) -> String {
    app.drain().await;
    text(&client.show(path).await, "state")
}

/// An operator of the platform.
fn operator(app: &TestApp) -> Client {
    app.owner.with_key(app.keys.issue(PLATFORM, &["*"]).reveal())
}

#[tokio::test]
async fn who_wants_to_be_forgotten_is_and_nobody_else() {
    let app = TestApp::with_people().await;
    let (jane, tokens) = person(&app, JANE).await;
    let (ben, _) = person(&app, "ben@example.com").await;
    jane.patch("/api/users/me", json!({"name": "Jane Doe", "preferences": {"theme": "dark"}})).await;
    ben.patch("/api/users/me", json!({"name": "Ben"})).await;
    let (seed, _) = with_two_factor(&app, &jane).await;
    app.clock.advance(TimeDelta::minutes(10));
    let refresh = json!({"refresh_token": tokens["refresh_token"]});
    let refreshed = jane.post("/api/auth/refresh", refresh).await.json();
    let jane = jane.with_key(text(&refreshed, "access_token"));
    let (ben, _) = sign_in(&app, "ben@example.com").await;
    assert_eq!(jane.post(MINE, json!({})).await.problem(), (403, "step-up-required".into()));
    let stepped_up = json!({"password": SECRET, "code": code(&seed, app.clock.now())});
    assert_eq!(jane.post("/api/auth/step-up", stepped_up).await.status, 200);
    let erased = jane.post(MINE, json!({})).await;
    assert_eq!((erased.status, erased.header("cache-control")), (200, "no-store"), "{erased:?}");
    let told = erased.json();
    assert_eq!(told["erased"], json!(["contact", "content", "trace"]));
    assert_eq!((&told["kept"], &told["beyond_recovery_within_days"]), (&json!(["legal"]), &json!(14)));

    assert_eq!(jane.get("/api/users/me").await.problem().0, 401);
    let refused =
        visitor(&app).post("/api/auth/refresh", json!({"refresh_token": refreshed["refresh_token"]})).await;
    assert_eq!(refused.problem(), (401, "session-over".into()));
    let refused = visitor(&app).post("/api/auth/sign-in", json!({"email": JANE, "password": SECRET})).await;
    assert_eq!(refused.problem(), (401, "sign-in-failed".into()));
    let path = format!("/api/users/{}/erasure", text(&tokens, "account"));
    assert_eq!(state(&app, &operator(&app), &path).await, "destroyed");
    assert_eq!(app.credentials.count(), 1, "Ben's password is left");
    let rows: Vec<String> =
        sqlx::query_scalar("select id from read.profile").fetch_all(&app.database.pool).await.unwrap();
    let bens = ben.show("/api/users/me").await;
    assert_eq!((rows, &bens["name"]["value"]), (vec![text(&bens, "id")], &json!("Ben")));
    // The address is free, and whoever has it now is somebody else.
    sign_up_again(&app).await;
}

async fn sign_up_again(app: &TestApp) {
    let visitor = visitor(app);
    assert_eq!(visitor.post("/api/auth/register", json!({"email": JANE})).await.status, 202);
    let mails = mails(app, JANE, 2).await;
    let verification = json!({"token": token_in(mails.last().unwrap()), "password": SECRET});
    assert_eq!(visitor.post("/api/auth/verify", verification).await.status, 200);
    let (again, _) = sign_in(app, JANE).await;
    assert_eq!(again.show("/api/users/me").await["name"], Value::Null);
}

#[tokio::test]
async fn a_person_erases_themselves_and_read_models_equal_a_replay_before_and_after() {
    let app = TestApp::with_people().await;
    let (jane, _) = person(&app, JANE).await;
    sign_up(&app, "ben@example.com").await;
    jane.patch("/api/users/me", json!({"name": "Jane Doe", "phone": "+41 44 668 18 00"})).await;
    let owner = PgPoolOptions::new().connect_with(app.database.owner.clone()).await.unwrap();
    let replayed = async || {
        app.drain().await;
        for view in projections::all() {
            let name = view.name();
            let report = rebuild(&owner, &app.store, view, false).await.unwrap();
            assert_eq!((report.live, report.swapped), (report.next, true), "{name}");
        }
    };
    replayed().await;
    let told = jane.post_as("once", MINE, json!({})).await;
    assert_eq!(told.status, 200, "{told:?}");
    replayed().await;
    let rows: i64 =
        sqlx::query_scalar("select count(*) from read.profile").fetch_one(&app.database.pool).await.unwrap();
    assert_eq!(rows, 0);
}

#[tokio::test]
async fn a_legal_hold_keeps_a_person_until_it_is_lifted() {
    let app = TestApp::with_people().await;
    let (jane, tokens) = person(&app, JANE).await;
    let (operator, id) = (operator(&app), text(&tokens, "account"));
    let holds = format!("/api/users/{id}/holds");
    let hold = operator.create(&holds, json!({"reason": "litigation"})).await;
    let told = jane.post(MINE, json!({})).await.json();
    assert_eq!((&told["state"], &told["held"], &told["erased"]), (&json!("held"), &json!(true), &json!([])));
    // They change their mind, and change it again.
    assert_eq!(jane.delete(MINE).await.status, 200);
    assert_eq!(state(&app, &jane, MINE).await, "not_asked");
    assert_eq!(jane.delete(&format!("{holds}/{hold}")).await.problem().1, "workspace-required");
    jane.post(MINE, json!({})).await;
    assert_eq!(state(&app, &jane, MINE).await, "held");
    assert_eq!(jane.show("/api/users/me").await["email"]["value"], JANE);

    let unknown = operator.delete(&format!("{holds}/hold_01h455vb4pex5vsknk084sn02q")).await;
    assert_eq!(unknown.problem(), (404, "subject/unknown_hold".into()));
    assert_eq!(operator.delete(&format!("{holds}/{hold}")).await.status, 200);
    assert_eq!(jane.get("/api/users/me").await.problem().0, 401);
    assert_eq!(state(&app, &operator, &format!("/api/users/{id}/erasure")).await, "destroyed");
    sign_up_again(&app).await;
}

#[tokio::test]
async fn a_workspace_forgets_a_customer_of_its_own_and_of_nobody_elses() {
    let app = TestApp::with_people().await;
    let (here, there) = (
        written(&app, app.workspace, customer()).await,
        written(&app, "ws_01h455vb4pex5vsknk084sn02q".parse().unwrap(), customer()).await,
    );
    let path = format!("/api/users/{}/erasure", customer());
    assert_eq!(app.with_scopes(&["order:read"]).get(&path).await.problem(), (403, "forbidden".into()));
    assert_eq!(state(&app, &app.owner, &path).await, "not_asked");
    assert_eq!(app.owner.delete(&path).await.problem(), (409, "subject/not_requested".into()));
    let bad = json!({"reason": "because", "classes": []});
    assert_eq!(app.owner.post(&path, bad).await.errors(), ["/classes count", "/reason choice"]);
    // Nobody is there who could approve it: it comes about.
    let told = app.owner.post(&path, json!({"reason": "unlawful", "classes": ["content"]})).await.json();
    assert_eq!(told["erased"], json!(["content"]));
    assert_eq!(state(&app, &app.owner, &path).await, "destroyed");
    assert_eq!(read(&app, &here).await, Opened::Erased);
    assert_eq!(read(&app, &there).await, Opened::Plain("sings in the morning".into()));
    assert_eq!(state(&app, &app.stranger(), &path).await, "not_asked");
    let again = seal::<Note>(&*app.vault, &here.whose, "sings at night").await;
    assert!(matches!(again, Err(commands::Error::Refused(no)) if no.code == "subject/erased"));
}

#[tokio::test]
async fn where_there_is_a_second_person_they_must_approve() {
    let app = TestApp::with_people().await;
    let (jane, _) = person(&app, JANE).await;
    let (ben, bens) = person(&app, "ben@example.com").await;
    let (eve, eves) = person(&app, "eve@example.com").await;
    let workspace = jane.create("/api/workspaces", json!({"name": "Jane's shop"})).await;
    let id: WorkspaceId = workspace.parse().unwrap();
    for (tokens, role) in [(&bens, "admin"), (&eves, "viewer")] {
        let join = MembershipCommand::Join { roles: [role.parse().unwrap()].into() };
        let cx = app.platform().elsewhere(id);
        cx.execute::<Membership>(text(tokens, "account").parse().unwrap(), join).await.unwrap();
    }
    let (jane, ben) = (switched(&jane, &workspace).await, switched(&ben, &workspace).await);
    let eve = switched(&eve, &workspace).await;
    let of = written(&app, id, customer()).await;
    let path = format!("/api/users/{}/erasure", customer());
    let approve = format!("{path}/approve");

    assert_eq!(ben.post(&approve, json!({})).await.problem(), (409, "subject/not_requested".into()));
    let told = jane.post(&path, json!({"reason": "asked"})).await.json();
    assert_eq!((&told["state"], &told["erased"]), (&json!("awaiting_approval"), &json!([])));
    assert_eq!(jane.post(&approve, json!({})).await.problem(), (409, "subject/same_person".into()));
    assert_eq!(eve.post(&approve, json!({})).await.problem(), (403, "forbidden".into()));
    let program = app.owner.with_key(app.keys.issue(id, &["*"]).reveal());
    assert_eq!(program.post(&approve, json!({})).await.problem(), (409, "subject/not_a_person".into()));
    assert_eq!(read(&app, &of).await, Opened::Plain("sings in the morning".into()));
    assert_eq!(jane.delete(&path).await.status, 200);
    assert_eq!(ben.post(&approve, json!({})).await.problem(), (409, "subject/not_requested".into()));
    // Whoever asks, another must approve.
    program.post(&path, json!({"reason": "asked"})).await;
    assert_eq!(ben.post(&approve, json!({})).await.status, 200);
    assert_eq!(state(&app, &jane, &path).await, "destroyed");
    assert_eq!(read(&app, &of).await, Opened::Erased);
}

#[tokio::test]
async fn a_person_has_all_that_is_known_of_them_as_json() {
    let app = TestApp::with_people().await;
    let (jane, tokens) = person(&app, JANE).await;
    jane.patch("/api/users/me", json!({"name": "Jane Doe"})).await;
    visitor(&app).post("/api/auth/sign-in", json!({"email": JANE, "password": "not the right one"})).await;
    with_two_factor(&app, &jane).await;
    let all = jane.show("/api/users/me/export").await;
    let plain = |text: &str| json!({"state": "plain", "value": text});
    assert_eq!((&all["profile"]["name"], &all["profile"]["email"]), (&plain("Jane Doe"), &plain(JANE)));
    assert_eq!(
        (&all["sessions"][0]["id"], &all["sessions"][0]["origin"]),
        (&tokens["session"], &plain("127.0.0.1"))
    );
    assert_eq!(all["two_factor"], json!({"state": "on", "recovery_codes_left": 10}));
    let away = &all["turned_away"][0];
    assert_eq!((&away["reason"], &away["origin"]), (&json!("password"), &plain("127.0.0.1")));
    assert_eq!((&all["customer_of"], &all["erasure"]["state"]), (&json!([]), &json!("not_asked")));
    assert_eq!(all["held_elsewhere"].as_array().unwrap().len(), 3);
    assert_eq!(app.owner.get("/api/users/me/export").await.problem().1, "people-only");
}
