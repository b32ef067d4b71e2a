//! Second factors over HTTP: set up, asked for, used once, lost and removed.

use std::sync::Arc;

use chrono::TimeDelta;
use commands::clock::Clock;
use commands::guesses::Guesses;
use commands::identity::session::{SecondStep, second_step};
use commands::identity::two_factor::Proof;
use commands::identity::workspace::PLATFORM;
use commands::{Actor, Context, Error, EventStore};
use domain::identity::workspace::{TwoFactorOf, Workspace, WorkspaceCommand};
use futures::future::join_all;
use serde_json::{Value, json};
use tests::answer::Answer;
use tests::app::TestApp;
use tests::client::Client;
use tests::people::{SECRET, code, mails, person, switched, text, token_in, visitor, with_two_factor};

const JANE: &str = "jane@example.com";
const TWO_FACTOR: &str = "/api/auth/two-factor";

/// The first step: the password.
async fn first_step(app: &TestApp, password: &str) -> String {
    let answer = visitor(app).post("/api/auth/sign-in", json!({"email": JANE, "password": password})).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(answer.json()["expires_in"], 300);
    assert!(answer.json().get("access_token").is_none());
    text(&answer.json(), "challenge")
}

async fn second(app: &TestApp, challenge: &str, shown: Value) -> Answer {
    let mut body = shown;
    body["challenge"] = challenge.into();
    visitor(app).post("/api/auth/sign-in/second-factor", body).await
}

fn now(app: &TestApp, seed: &str) -> Value {
    json!({"code": code(seed, app.clock.now())})
}

async fn state(person: &Client) -> (String, u64) {
    let shown = person.get(TWO_FACTOR).await.json();
    (text(&shown, "state"), shown["recovery_codes_left"].as_u64().unwrap())
}

#[tokio::test]
async fn a_second_factor_is_set_up_and_asked_for_from_then_on() {
    let app = TestApp::with_people().await;
    let (jane, _) = person(&app, JANE).await;
    let other = visitor(&app).post("/api/auth/sign-in", json!({"email": JANE, "password": SECRET})).await;
    assert_eq!(state(&jane).await, ("off".into(), 0));
    let enrolled = jane.post_as("once", TWO_FACTOR, json!({})).await;
    let uri = text(&enrolled.json(), "uri");
    let seed = text(&enrolled.json(), "seed");
    assert_eq!(enrolled.header("cache-control"), "no-store");
    assert_eq!(uri, format!("otpauth://totp/Mewayz:jane%40example.com?secret={seed}&issuer=Mewayz"));
    // Its answer was lost: the same one again. Another request has another.
    assert_eq!(text(&jane.post_as("once", TWO_FACTOR, json!({})).await.json(), "seed"), seed);
    assert_eq!(state(&jane).await, ("enrolled".into(), 0));

    let confirm = async |shown: Value| jane.post("/api/auth/two-factor/confirm", shown).await;
    assert_eq!(confirm(json!({"code": "12345"})).await.errors(), ["/code form"]);
    let wrong = confirm(now(&app, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")).await;
    assert_eq!(wrong.problem(), (403, "second-factor-wrong".into()));
    let confirmed = confirm(now(&app, &seed)).await;
    assert_eq!(confirmed.status, 200, "{confirmed:?}");
    assert_eq!(confirmed.json()["recovery_codes"].as_array().unwrap().len(), 10);
    assert_eq!(state(&jane).await, ("on".into(), 10));
    assert_eq!(confirm(now(&app, &seed)).await.problem(), (409, "two_factor/already_confirmed".into()));
    // The seed is shown to nobody any more, whatever they repeat.
    let again = jane.post_as("once", TWO_FACTOR, json!({})).await;
    assert_eq!(again.problem(), (409, "two_factor/shown_once".into()));
    let others = app.owner.with_key(text(&other.json(), "access_token"));
    assert_eq!(others.get(TWO_FACTOR).await.problem().0, 401);

    let challenge = first_step(&app, SECRET).await;
    assert_eq!(second(&app, &challenge, json!({})).await.errors(), ["/code required"]);
    assert_eq!(second(&app, "nonsense", now(&app, &seed)).await.problem(), (401, "sign-in-failed".into()));
    // The code that confirmed it is used, and so is each once it was shown.
    let used = (409, "two_factor/code_used".into());
    assert_eq!(second(&app, &challenge, now(&app, &seed)).await.problem(), used);
    app.clock.advance(TimeDelta::seconds(30));
    let signed_in = second(&app, &challenge, now(&app, &seed)).await;
    assert_eq!(signed_in.status, 200, "{signed_in:?}");
    assert_eq!(second(&app, &challenge, now(&app, &seed)).await.problem(), used);
    let jane = app.owner.with_key(text(&signed_in.json(), "access_token"));
    let sessions = jane.show("/api/auth/sessions").await;
    assert_eq!(sessions["items"][0]["methods"], json!(["password", "totp"]));
}

#[tokio::test]
async fn codes_are_good_in_their_half_minute_and_beside_it() {
    let app = TestApp::with_people().await;
    let (jane, _) = person(&app, JANE).await;
    let (seed, _) = with_two_factor(&app, &jane).await;
    app.clock.advance(TimeDelta::minutes(1));
    let challenge = first_step(&app, SECRET).await;
    for (seconds, taken) in [(-60, false), (60, false), (-30, true), (30, true)] {
        let shown = json!({"code": code(&seed, app.clock.now() + TimeDelta::seconds(seconds))});
        let answer = second(&app, &challenge, shown).await;
        assert_eq!(answer.status, if taken { 200 } else { 403 }, "{seconds}: {answer:?}");
    }
    // A clock that is set back makes no code good again.
    app.clock.advance(TimeDelta::seconds(-30));
    let shown = now(&app, &seed);
    assert_eq!(second(&app, &challenge, shown).await.problem().1, "two_factor/code_used");
    app.clock.advance(TimeDelta::minutes(6));
    let late = second(&app, &challenge, now(&app, &seed)).await;
    assert_eq!(late.problem(), (401, "sign-in-failed".into()));
}

#[tokio::test]
async fn who_has_lost_the_app_has_ten_codes_each_good_once() {
    let app = TestApp::with_people().await;
    let (jane, _) = person(&app, JANE).await;
    let (_, codes) = with_two_factor(&app, &jane).await;
    let challenge = first_step(&app, SECRET).await;
    let shown = |code: &str| json!({"recovery_code": code});
    assert_eq!(second(&app, &challenge, shown(&codes[3])).await.status, 200);
    let used = second(&app, &challenge, shown(&codes[3])).await;
    assert_eq!(used.problem(), (409, "two_factor/recovery_code_used".into()));
    let none = second(&app, &challenge, shown("aaaa-bbbb-cccc-dddd-eeee-ffff")).await;
    assert_eq!(none.problem(), (403, "second-factor-wrong".into()));
    let both = json!({"recovery_code": codes[4], "code": "000000"});
    assert_eq!(second(&app, &challenge, both).await.errors(), ["/recovery_code choice"]);
    assert_eq!(state(&jane).await, ("on".into(), 9));

    let renewed = jane.post("/api/auth/two-factor/recovery-codes", json!({})).await.json();
    assert_eq!(state(&jane).await, ("on".into(), 10));
    assert_eq!(second(&app, &challenge, shown(&codes[5])).await.problem().0, 403);
    let fresh = renewed["recovery_codes"][0].as_str().unwrap();
    assert_eq!(second(&app, &challenge, shown(&fresh.to_uppercase())).await.status, 200);
    // Seed, recovery codes, password: what was replaced is deleted.
    app.drain().await;
    assert_eq!(app.credentials.count(), 3);
}

#[tokio::test]
async fn a_code_shown_by_many_at_two_processes_lets_one_in() {
    let app = TestApp::with_people().await;
    let (jane, _) = person(&app, JANE).await;
    let (seed, _) = with_two_factor(&app, &jane).await;
    let challenge = first_step(&app, SECRET).await;
    // Another process remembers for itself, and counts guesses for itself.
    let elsewhere = EventStore::open(app.database.pool.clone(), app.database.run.clone(), 1_000);
    let mut door = app.door.clone();
    door.guesses = Guesses::default();
    let shown = code(&seed, app.clock.now());
    let step = |n: usize| {
        let store = if n.is_multiple_of(2) { &app.store } else { &elsewhere };
        let clock: Arc<dyn Clock> = app.clock.clone();
        let cx = Context::internal(store.clone(), clock, PLATFORM, Actor::Visitor);
        let origin = [203, 0, 113, u8::try_from(n).unwrap()].into();
        let (challenge, proof) = (challenge.clone(), Proof::Code(shown.clone()));
        second_step(cx, &door, SecondStep { challenge, proof, device: None, origin })
    };
    let all = join_all((0..10).map(step)).await;
    assert_eq!(all.iter().filter(|one| one.is_ok()).count(), 1, "one is let in");
    for refused in all.into_iter().filter_map(Result::err) {
        let is_used = matches!(&refused, Error::Refused(no) if no.code == "two_factor/code_used");
        assert!(is_used || matches!(refused, Error::Conflict { .. }), "{refused}");
    }
    let used: i64 = sqlx::query_scalar(
        "select count(*) from events where aggregate_type = 'identity.two_factor' and event_type = 'Used'",
    )
    .fetch_one(&app.database.pool)
    .await
    .unwrap();
    assert_eq!(used, 1);
}

#[tokio::test]
async fn who_guesses_codes_waits_and_it_is_recorded() {
    let app = TestApp::with_people().await;
    let (jane, _) = person(&app, JANE).await;
    let (seed, _) = with_two_factor(&app, &jane).await;
    app.clock.advance(TimeDelta::hours(3));
    let challenge = first_step(&app, SECRET).await;
    let wrong = json!({"code": code("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", app.clock.now())});
    for _ in 0..10 {
        assert_eq!(second(&app, &challenge, wrong.clone()).await.problem().0, 403);
    }
    // Nor is the right one looked at.
    let refused = second(&app, &challenge, now(&app, &seed)).await;
    assert_eq!(refused.problem(), (429, "too-many-attempts".into()));
    let denied: Vec<String> = sqlx::query_scalar(
        "select payload->>'reason' from events where event_type = 'SignInDenied' order by position",
    )
    .fetch_all(&app.database.pool)
    .await
    .unwrap();
    assert_eq!(denied, ["code", "throttled"]);
}

#[tokio::test]
async fn a_reset_password_leaves_the_second_factor() {
    let app = TestApp::with_people().await;
    let (jane, _) = person(&app, JANE).await;
    let (seed, _) = with_two_factor(&app, &jane).await;
    let before = first_step(&app, SECRET).await;
    assert_eq!(visitor(&app).post("/api/auth/forgotten", json!({"email": JANE})).await.status, 202);
    let token = token_in(&mails(&app, JANE, 2).await[1]);
    let other = json!({"token": token, "password": "staple battery horse"});
    assert_eq!(visitor(&app).post("/api/auth/reset", other).await.status, 200);
    // What the old password was good for is over.
    assert_eq!(second(&app, &before, now(&app, &seed)).await.problem().0, 401);
    let challenge = first_step(&app, "staple battery horse").await;
    assert_eq!(second(&app, &challenge, now(&app, &seed)).await.status, 200);
}

#[tokio::test]
async fn stepping_up_and_doing_without_take_both() {
    let app = TestApp::with_people().await;
    let (jane, tokens) = person(&app, JANE).await;
    let (seed, codes) = with_two_factor(&app, &jane).await;
    app.clock.advance(TimeDelta::minutes(10));
    let refresh = json!({"refresh_token": tokens["refresh_token"]});
    let refreshed = jane.post("/api/auth/refresh", refresh).await.json();
    let jane = jane.with_key(text(&refreshed, "access_token"));
    assert_eq!(jane.delete(TWO_FACTOR).await.problem(), (403, "step-up-required".into()));
    let step_up = async |shown: Value| jane.post("/api/auth/step-up", shown).await;
    let only = step_up(json!({"password": SECRET})).await;
    assert_eq!(only.problem(), (403, "second-factor-required".into()));
    let wrong = step_up(json!({"password": SECRET, "recovery_code": "aaaa"})).await;
    assert_eq!(wrong.problem(), (403, "second-factor-wrong".into()));
    let mut both = now(&app, &seed);
    both["password"] = SECRET.into();
    assert_eq!(step_up(both).await.status, 200);
    assert_eq!(jane.delete(TWO_FACTOR).await.status, 200);
    assert_eq!(state(&jane).await, ("off".into(), 0));
    assert_eq!(jane.delete(TWO_FACTOR).await.problem(), (404, "two_factor/unknown".into()));
    let signed_in = visitor(&app).post("/api/auth/sign-in", json!({"email": JANE, "password": SECRET})).await;
    assert_eq!(signed_in.status, 200);
    app.drain().await;
    assert_eq!(app.credentials.count(), 1, "the password's is left");
    assert_eq!(codes.len(), 10);
}

#[tokio::test]
async fn a_workspace_that_asks_for_it_lets_in_only_who_has_shown_it() {
    let app = TestApp::with_people().await;
    let (jane, _) = person(&app, JANE).await;
    let workspace = jane.create("/api/workspaces", json!({"name": "Jane's shop"})).await;
    let owner = switched(&jane, &workspace).await;
    assert_eq!(owner.get("/api/ecommerce/orders").await.status, 200);
    let id = workspace.parse().unwrap();
    let require = async |of: TwoFactorOf| {
        let cx = app.platform().elsewhere(id);
        cx.execute::<Workspace>(id, WorkspaceCommand::RequireTwoFactor { of }).await.unwrap();
    };
    require(TwoFactorOf::Privileged).await;
    let refused = owner.get("/api/ecommerce/orders").await;
    assert_eq!(refused.problem(), (403, "second-factor-required".into()));
    // What is one's own stays so: there one is set up, and shown with its first code.
    let (seed, _) = with_two_factor(&app, &owner).await;
    assert_eq!(owner.get("/api/ecommerce/orders").await.status, 200);

    let challenge = first_step(&app, SECRET).await;
    let again = second(&app, &challenge, now(&app, &seed)).await.json();
    let again = switched(&app.owner.with_key(text(&again, "access_token")), &workspace).await;
    assert_eq!(again.get("/api/ecommerce/orders").await.status, 200);
    // Who does without is out again, whatever they have shown before.
    assert_eq!(again.delete(TWO_FACTOR).await.status, 200);
    assert_eq!(again.get("/api/ecommerce/orders").await.problem().1, "second-factor-required");
    require(TwoFactorOf::Nobody).await;
    assert_eq!(again.get("/api/ecommerce/orders").await.status, 200);
}
