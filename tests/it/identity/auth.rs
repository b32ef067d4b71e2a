//! People over HTTP: from signing up to acting in a workspace of one's own, and out again.

use std::collections::BTreeSet;

use api::access_token::Shown;
use api::access_token::forged::{forged, genuine};
use chrono::TimeDelta;
use commands::clock::Clock;
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tests::app::{TOKEN_SEED, TestApp};
use tests::client::Client;
use tests::people::{SECRET, mails, person, sign_in, sign_up, switched, text, token_in, visitor};

const JANE: &str = "jane@example.com";

/// Somebody with an account who is signed in, and what they were answered.
async fn jane(app: &TestApp) -> (Client, Value) {
    person(app, JANE).await
}

/// The token of the nth mail to this address, counted from 1.
async fn token(app: &TestApp, to: &str, nth: usize) -> String {
    token_in(&mails(app, to, nth).await[nth - 1])
}

fn credentials() -> Value {
    json!({"email": JANE, "password": SECRET})
}

#[tokio::test]
async fn a_person_signs_up_makes_a_workspace_acts_in_it_and_signs_out() {
    let app = TestApp::with_people().await;
    let (jane, tokens) = jane(&app).await;
    assert_eq!((tokens["token_type"].as_str(), tokens["expires_in"].as_i64()), (Some("Bearer"), Some(600)));

    let nowhere = jane.get("/api/ecommerce/orders").await;
    assert_eq!(nowhere.problem(), (403, "workspace-required".into()));
    let unnamed = jane.request(Method::POST, "/api/workspaces").json(&json!({"name": "Jane's shop"}));
    assert_eq!(jane.send(unnamed).await.problem(), (400, "idempotency-key-required".into()));
    let workspace = jane.create("/api/workspaces", json!({"name": "Jane's shop"})).await;
    let owner = switched(&jane, &workspace).await;
    let cart = owner.create("/api/ecommerce/carts", json!({"currency": "EUR"})).await;
    assert_eq!(owner.show(&format!("/api/ecommerce/carts/{cart}")).await["id"], cart.as_str());

    // Of another workspace, and so not there.
    assert_eq!(app.owner.get(&format!("/api/ecommerce/carts/{cart}")).await.status, 404);

    let out = owner.post("/api/auth/sign-out", json!({})).await;
    assert_eq!(out.status, 200, "{out:?}");
    assert_eq!(owner.get(&format!("/api/ecommerce/carts/{cart}")).await.problem().0, 401);
    let refresh = json!({"refresh_token": tokens["refresh_token"]});
    assert_eq!(jane.post("/api/auth/refresh", refresh).await.problem(), (401, "session-over".into()));
}

#[tokio::test]
async fn a_session_goes_on_by_refresh_tokens() {
    let app = TestApp::with_people().await;
    let (jane, tokens) = jane(&app).await;
    app.clock.advance(TimeDelta::minutes(11));
    assert_eq!(jane.post("/api/auth/sign-out", json!({})).await.problem().0, 401);
    let refresh = json!({"refresh_token": tokens["refresh_token"]});
    let refreshed = jane.post("/api/auth/refresh", refresh).await.json();
    let again = jane.with_key(text(&refreshed, "access_token"));
    again.create("/api/workspaces", json!({"name": "Jane's shop"})).await;
    assert_ne!(refreshed["refresh_token"], tokens["refresh_token"]);
}

#[tokio::test]
async fn who_has_no_account_and_who_has_are_answered_alike() {
    let app = TestApp::with_people().await;
    jane(&app).await;
    let visitor = visitor(&app);
    let asked = async |path: &str, body: Value| {
        let mut answer = visitor.post(path, body).await;
        answer.headers.retain(|name, _| !["date", "x-request-id"].contains(&name.as_str()));
        let mut told: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        if let Some(fields) = told.as_object_mut() {
            fields.retain(|name, _| !["instance", "request_id"].contains(&name.as_str()));
        }
        (answer.status, answer.headers, told)
    };
    for (path, body) in [
        ("/api/auth/register", json!({})),
        ("/api/auth/forgotten", json!({})),
        ("/api/auth/sign-in", json!({"password": "not the right one"})),
    ] {
        let of = |email: &str| {
            let mut body = body.clone();
            body["email"] = email.into();
            body
        };
        let known = asked(path, of(JANE)).await;
        assert_eq!(known, asked(path, of("nobody@example.com")).await, "{path}");
    }
}

#[tokio::test]
async fn what_is_forged_stale_or_of_another_kind_is_nobodys() {
    let app = TestApp::with_people().await;
    let (jane, tokens) = jane(&app).await;
    let shown = Shown {
        account: text(&tokens, "account").parse().unwrap(),
        session: text(&tokens, "session").parse().unwrap(),
        workspace: None,
    };
    let now = app.clock.now();
    let genuine = jane.with_key(genuine(&TOKEN_SEED, shown, now));
    assert_eq!(genuine.get("/api/auth/sessions").await.status, 200);

    let stale = genuine_at(shown, now - TimeDelta::minutes(11));
    let early = genuine_at(shown, now + TimeDelta::minutes(1));
    let refresh = text(&tokens, "refresh_token");
    let others = [stale, early, refresh, "mw_".into(), "x".repeat(3_000)];
    let bad: Vec<String> = forged(&TOKEN_SEED, shown, now).into_iter().chain(others).collect();
    assert!(bad.len() >= 40, "{}", bad.len());
    for bad in bad {
        let nobody = jane.with_key(bad.clone());
        for refused in [
            nobody.post("/api/auth/sign-out", json!({})).await,
            nobody.get("/api/auth/sessions").await,
            nobody.get("/api/ecommerce/orders").await,
        ] {
            assert_eq!(refused.problem(), (401, "unauthenticated".into()), "{bad}");
            assert!(refused.header("www-authenticate").starts_with("Bearer"), "{bad}");
        }
    }
    // A key is a program's, and has no sessions.
    let program = app.owner.post("/api/auth/sign-out", json!({})).await;
    assert_eq!(program.problem(), (403, "people-only".into()));
}

fn genuine_at(shown: Shown, at: chrono::DateTime<chrono::Utc>) -> String {
    genuine(&TOKEN_SEED, shown, at)
}

#[tokio::test]
async fn passwords_that_are_tried_first_are_refused_with_the_reason() {
    let app = TestApp::with_people().await;
    let visitor = visitor(&app);
    visitor.post("/api/auth/register", json!({"email": JANE})).await;
    let token = self::token(&app, JANE, 1).await;
    let verify = async |password: &str| {
        visitor.post("/api/auth/verify", json!({"token": token, "password": password})).await
    };
    assert_eq!(verify("elevenchars").await.errors(), ["/password length"]);
    assert_eq!(verify(&"x".repeat(129)).await.errors(), ["/password length"]);
    assert_eq!(verify("qwertyqwerty").await.problem(), (422, "password/too_common".into()));
    assert_eq!(verify("  a password with blanks  ").await.status, 200);
    assert_eq!(verify(SECRET).await.problem(), (410, "account/link_spent".into()));
}

#[tokio::test]
async fn what_one_is_no_member_of_is_not_there() {
    let app = TestApp::with_people().await;
    let (jane, _) = jane(&app).await;
    let unknown = "ws_01h455vb4pex5vsknk084sn02q";
    for workspace in [app.workspace.to_string(), unknown.to_owned()] {
        let refused = jane.post(&format!("/api/workspaces/{workspace}/switch"), json!({})).await;
        assert_eq!(refused.problem(), (404, "workspace/unknown".into()));
    }
}

#[tokio::test]
async fn a_password_in_a_request_is_not_to_be_tried_out_by_its_hash() {
    let app = TestApp::with_people().await;
    let (jane, _) = jane(&app).await;
    let body = json!({"present": SECRET, "password": "staple battery horse"}).to_string();
    let request = jane.request(Method::POST, "/api/auth/password").header("idempotency-key", "once");
    let request = request.header("content-type", "application/json").body(body.clone());
    let changed = jane.send(request.try_clone().unwrap()).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    let again = jane.send(request).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (200, "true"), "{again:?}");
    assert_eq!(again.body, changed.body);
    // A plain SHA-256 has 32 bytes; this is one with a key, written in hexadecimal digits.
    let kept: Vec<i32> = sqlx::query_scalar(
        "select octet_length(request_hash) from commands where octet_length(request_hash) > 0",
    )
    .fetch_all(&app.database.pool)
    .await
    .unwrap();
    assert_eq!(kept, [64]);
}

#[tokio::test]
async fn a_forgotten_password_is_reset_by_mail_and_every_session_ends() {
    let app = TestApp::with_people().await;
    let (jane, tokens) = jane(&app).await;
    let visitor = visitor(&app);
    assert_eq!(visitor.post("/api/auth/forgotten", json!({"email": JANE})).await.status, 202);
    let token = self::token(&app, JANE, 2).await;
    let other = json!({"token": token, "password": "staple battery horse"});
    assert_eq!(visitor.post("/api/auth/reset", other.clone()).await.status, 200);
    assert_eq!(visitor.post("/api/auth/reset", other).await.problem(), (410, "password/link_spent".into()));
    assert_eq!(jane.post("/api/auth/sign-out", json!({})).await.problem().0, 401);
    let refresh = json!({"refresh_token": tokens["refresh_token"]});
    assert_eq!(visitor.post("/api/auth/refresh", refresh).await.problem(), (401, "session-over".into()));
    assert_eq!(
        visitor.post("/api/auth/sign-in", credentials()).await.problem(),
        (401, "sign-in-failed".into())
    );
}

#[tokio::test]
async fn who_signs_out_everywhere_is_nowhere() {
    let app = TestApp::with_people().await;
    let (here, _) = jane(&app).await;
    let there = visitor(&app).post("/api/auth/sign-in", credentials()).await.json();
    let there = app.owner.with_key(text(&there, "access_token"));
    assert_eq!(here.post("/api/auth/sign-out-everywhere", json!({})).await.status, 200);
    for session in [here, there] {
        assert_eq!(session.post("/api/auth/sign-out", json!({})).await.problem().0, 401);
    }
}

#[tokio::test]
async fn sixty_four_uses_of_one_refresh_token_are_one_session_with_one_next_token() {
    let app = TestApp::with_people().await;
    let (jane, tokens) = jane(&app).await;
    let refresh = json!({"refresh_token": tokens["refresh_token"]});
    let all = join_all((0..64).map(|_| jane.post("/api/auth/refresh", refresh.clone()))).await;
    let next: BTreeSet<String> = all.iter().map(|one| text(&one.json(), "refresh_token")).collect();
    assert_eq!(next.len(), 1);
    let events: i64 = sqlx::query_scalar(
        "select count(*) from events where aggregate_type = 'identity.session' and event_type = 'Refreshed'",
    )
    .fetch_one(&app.database.pool)
    .await
    .unwrap();
    assert_eq!(events, 1);
    app.clock.advance(TimeDelta::seconds(11));
    let next = json!({"refresh_token": next.first()});
    assert_eq!(jane.post("/api/auth/refresh", next.clone()).await.status, 200);
    // The first one again, after ten seconds and its successor's use: somebody else has it as well.
    assert_eq!(jane.post("/api/auth/refresh", refresh).await.problem(), (401, "session-over".into()));
    assert_eq!(jane.post("/api/auth/refresh", next).await.problem(), (401, "session-over".into()));
    assert_eq!(jane.get("/api/auth/sessions").await.problem().0, 401);
}

#[tokio::test]
async fn sessions_are_listed_and_ended_one_by_one() {
    let app = TestApp::with_people().await;
    let (here, first) = jane(&app).await;
    app.clock.advance(TimeDelta::minutes(1));
    let (there, second) = sign_in(&app, JANE).await;
    let (ben, bens) = person(&app, "ben@example.com").await;

    let list = here.show("/api/auth/sessions").await;
    let ids: Vec<&str> =
        list["items"].as_array().unwrap().iter().map(|of| of["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [text(&second, "session"), text(&first, "session")]);
    assert_eq!((&list["items"][0]["current"], &list["items"][1]["current"]), (&json!(false), &json!(true)));
    assert_eq!(list["items"][0]["methods"], json!(["password"]));
    assert_eq!(list["items"][0]["origin"], "127.0.0.1");
    assert_eq!(list["items"][0]["workspace"], Value::Null);
    assert_eq!(here.show("/api/auth/sessions?limit=1").await["items"].as_array().unwrap().len(), 1);

    let end = |of: &Value| format!("/api/auth/sessions/{}", text(of, "session"));
    let unknown = "/api/auth/sessions/ses_01h455vb4pex5vsknk084sn02q";
    for path in [&end(&bens), unknown] {
        assert_eq!(here.delete(path).await.problem(), (404, "session/unknown".into()));
    }
    assert_eq!(here.delete(&end(&second)).await.status, 200);
    assert_eq!(there.get("/api/auth/sessions").await.problem().0, 401);
    assert_eq!(here.show("/api/auth/sessions").await["items"].as_array().unwrap().len(), 1);

    // What ends all of an account's ends them here too, save the one that was kept.
    let (_, third) = sign_in(&app, JANE).await;
    let change = json!({"present": SECRET, "password": "staple battery horse"});
    assert_eq!(here.post("/api/auth/password", change).await.status, 200);
    let list = here.show("/api/auth/sessions").await;
    assert_eq!(list["items"][0]["id"], first["session"]);
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    let refresh = json!({"refresh_token": third["refresh_token"]});
    assert_eq!(here.post("/api/auth/refresh", refresh).await.problem(), (401, "session-over".into()));
    assert_eq!(ben.show("/api/auth/sessions").await["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn another_address_takes_a_step_up_and_both_mailboxes() {
    const NEW: &str = "jane@new.example";
    let app = TestApp::with_people().await;
    let (jane, _) = jane(&app).await;
    app.clock.advance(TimeDelta::minutes(9));
    let step_up = async |password: &str| jane.post("/api/auth/step-up", json!({"password": password})).await;
    let ask = async |email: &str| jane.post("/api/auth/email", json!({"email": email})).await;
    assert_eq!(ask("no address").await.problem(), (422, "email/bad_address".into()));
    app.clock.advance(TimeDelta::seconds(59));
    assert_eq!(step_up("not the right one").await.problem(), (403, "password-wrong".into()));
    assert_eq!(ask(NEW).await.status, 200);
    let visitor = visitor(&app);
    let confirm = async |token: &str| visitor.post("/api/auth/email/confirm", json!({"token": token})).await;
    let (old, new) = (token(&app, JANE, 2).await, token(&app, NEW, 1).await);
    assert_eq!(confirm("nonsense").await.problem(), (410, "account/link_spent".into()));
    assert_eq!(confirm(&new).await.status, 200);
    sign_in(&app, JANE).await;
    assert_eq!(confirm(&old).await.status, 200);
    assert_eq!(confirm(&old).await.problem(), (410, "account/link_spent".into()));

    let refused = visitor.post("/api/auth/sign-in", credentials()).await;
    assert_eq!(refused.problem(), (401, "sign-in-failed".into()));
    sign_in(&app, NEW).await;
    // The old one is free for somebody else.
    let again = visitor.post("/api/auth/register", json!({"email": JANE})).await;
    assert_eq!(again.status, 202);
    assert!(mails(&app, JANE, 3).await[2].subject.contains("Confirm"));
}

#[tokio::test]
async fn what_takes_a_step_up_is_refused_ten_minutes_after_it() {
    let app = TestApp::with_people().await;
    let (jane, tokens) = jane(&app).await;
    app.clock.advance(TimeDelta::minutes(10));
    let refresh = json!({"refresh_token": tokens["refresh_token"]});
    let refreshed = jane.post("/api/auth/refresh", refresh).await.json();
    let jane = jane.with_key(text(&refreshed, "access_token"));
    let ask = async || jane.post("/api/auth/email", json!({"email": "jane@new.example"})).await;
    assert_eq!(ask().await.problem(), (403, "step-up-required".into()));
    assert_eq!(jane.post("/api/auth/step-up", json!({"password": SECRET})).await.status, 200);
    assert_eq!(ask().await.status, 200);
}

#[tokio::test]
async fn an_address_that_another_account_has_is_not_taken_from_it() {
    let app = TestApp::with_people().await;
    let (jane, _) = jane(&app).await;
    sign_up(&app, "ben@example.com").await;
    assert_eq!(jane.post("/api/auth/email", json!({"email": "ben@example.com"})).await.status, 200);
    let confirm =
        async |token: String| visitor(&app).post("/api/auth/email/confirm", json!({"token": token})).await;
    assert_eq!(confirm(token(&app, JANE, 2).await).await.status, 200);
    let taken = confirm(token(&app, "ben@example.com", 2).await).await;
    assert_eq!(taken.problem(), (409, "email/taken".into()));
    sign_in(&app, "ben@example.com").await;
    sign_in(&app, JANE).await;
}

#[tokio::test]
async fn who_is_wrong_too_often_waits_and_nobody_learns_of_whom() {
    let app = TestApp::with_people().await;
    jane(&app).await;
    for email in [JANE, "nobody@example.com"] {
        let guess = json!({"email": email, "password": "not the right one"});
        for _ in 0..10 {
            let wrong = visitor(&app).post("/api/auth/sign-in", guess.clone()).await;
            assert_eq!(wrong.problem(), (401, "sign-in-failed".into()));
        }
        let refused = visitor(&app).post("/api/auth/sign-in", guess).await;
        assert_eq!(refused.problem(), (429, "too-many-attempts".into()), "{email}");
        assert_eq!(refused.header("retry-after"), "31");
    }
    // Nor is the right one looked at, until a while has passed.
    let refused = visitor(&app).post("/api/auth/sign-in", credentials()).await;
    assert_eq!(refused.problem().0, 429);
    app.clock.advance(TimeDelta::seconds(31));
    sign_in(&app, JANE).await;
}

#[tokio::test]
async fn what_replaces_a_password_deletes_what_the_last_one_was_checked_by() {
    let app = TestApp::with_people().await;
    let (jane, _) = jane(&app).await;
    for (present, next) in [(SECRET, "staple battery horse"), ("staple battery horse", SECRET)] {
        let change = json!({"present": present, "password": next});
        assert_eq!(jane.post("/api/auth/password", change).await.status, 200);
    }
    app.drain().await;
    assert_eq!(app.credentials.count(), 1);
    sign_in(&app, JANE).await;
}
