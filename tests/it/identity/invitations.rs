//! Invitations over HTTP: asked in by mail, once, and by nobody else's address.

use chrono::TimeDelta;
use commands::port::mail::fake::Fault;
use serde_json::{Value, json};
use tests::app::TestApp;
use tests::client::Client;
use tests::people::{invited, mails, person, sign_in, switched, token_in, visitor};

const JANE: &str = "jane@example.com";
const BEN: &str = "ben@example.com";
const ACCEPT: &str = "/api/workspaces/invitations/accept";
const DECLINE: &str = "/api/workspaces/invitations/decline";

/// A person who has a workspace, acting there; and its id.
async fn shop(app: &TestApp) -> (Client, String) {
    let (person, _) = person(app, JANE).await;
    let workspace = person.create("/api/workspaces", json!({"name": "Jane's shop"})).await;
    (switched(&person, &workspace).await, workspace)
}

fn list(workspace: &str) -> String {
    format!("/api/workspaces/{workspace}/invitations")
}

fn shown(token: &str) -> Value {
    json!({"token": token})
}

#[tokio::test]
async fn somebody_is_asked_in_by_mail_and_comes() {
    let app = TestApp::with_people().await;
    let (jane, shop) = shop(&app).await;
    let invite = json!({"email": " Ben@Example.com", "roles": ["editor", "auditor"], "locale": "de-AT"});
    let sent = jane.post_as("k", &list(&shop), invite.clone()).await;
    assert_eq!(sent.status, 201, "{sent:?}");
    let again = jane.post_as("k", &list(&shop), invite).await;
    assert_eq!((again.status, &again.body), (201, &sent.body));
    let id = sent.id();
    let mail = mails(&app, BEN, 1).await.remove(0);
    assert!(mail.subject.contains("jane@example.com lädt Sie zu Jane's shop ein"), "{}", mail.subject);
    let token = token_in(&mail);

    // There was no account yet.
    let (ben, tokens) = person(&app, BEN).await;
    let open = jane.show(&format!("{}/{id}", list(&shop))).await;
    assert_eq!((&open["status"], &open["email"]), (&json!("open"), &json!(BEN)));
    assert_eq!(open["roles"], json!(["editor", "auditor"]));
    assert_eq!(ben.post(ACCEPT, shown(&token)).await.status, 200);
    let ben = switched(&ben, &shop).await;
    assert_eq!(ben.post("/api/ecommerce/carts", json!({"currency": "EUR"})).await.status, 201);
    assert_eq!(ben.get(&list(&shop)).await.status, 200, "an auditor sees who was asked in");
    let accepted = jane.show(&format!("{}/{id}", list(&shop))).await;
    assert_eq!((&accepted["status"], &accepted["account"]), (&json!("accepted"), &tokens["account"]));
    app.drain().await;
    // The invitation, and what signing up was about: nothing was mailed twice.
    assert_eq!(app.mailer.arrived().iter().filter(|mail| mail.to == BEN).count(), 2);
    let unanswered = jane.show(&format!("{}?unanswered=true", list(&shop))).await;
    assert_eq!(unanswered["items"], json!([]));
}

#[tokio::test]
async fn what_was_answered_taken_back_or_has_expired_is_gone() {
    let app = TestApp::with_people().await;
    let (jane, shop) = shop(&app).await;
    let (ben, _) = person(&app, BEN).await;
    let gone = (410, "invitation/gone".to_owned());

    let declined = invited(&app, &jane, &shop, BEN, &["viewer"]).await;
    assert_eq!(visitor(&app).post(DECLINE, shown(&declined)).await.status, 200);
    let told = ben.post(ACCEPT, shown(&declined)).await;
    assert_eq!(told.problem(), gone);
    assert!(told.json()["detail"].as_str().unwrap().contains("ask for a new one"));

    let revoked = invited(&app, &jane, &shop, BEN, &["viewer"]).await;
    let newest = jane.show(&format!("{}?unanswered=true", list(&shop))).await;
    let path = format!("{}/{}", list(&shop), newest["items"][0]["id"].as_str().unwrap());
    assert_eq!(jane.delete(&path).await.status, 200);
    assert_eq!(ben.post(ACCEPT, shown(&revoked)).await.problem(), gone);

    for forged in ["", "x", "a.b.c", &revoked.replace("inv_", "acc_"), &revoked[1..]] {
        let refused = ben.post(ACCEPT, shown(forged)).await;
        assert!(
            [422, 410].contains(&refused.status) && (refused.status == 422) == forged.is_empty(),
            "{forged}"
        );
    }

    let expired = invited(&app, &jane, &shop, BEN, &["viewer"]).await;
    app.clock.advance(TimeDelta::days(7));
    let (ben, _) = sign_in(&app, BEN).await;
    assert_eq!(ben.post(ACCEPT, shown(&expired)).await.problem(), gone);
    let (jane, _) = sign_in(&app, JANE).await;
    let jane = switched(&jane, &shop).await;
    let told = jane.show(&list(&shop)).await;
    let statuses: Vec<&Value> = told["items"].as_array().unwrap().iter().map(|of| &of["status"]).collect();
    assert_eq!(statuses, ["expired", "revoked", "declined"]);
}

#[tokio::test]
async fn who_has_another_address_does_not_come_in_by_it() {
    let app = TestApp::with_people().await;
    let (jane, shop) = shop(&app).await;
    let (eve, _) = person(&app, "eve@example.com").await;
    let token = invited(&app, &jane, &shop, BEN, &["admin"]).await;
    let refused = eve.post(ACCEPT, shown(&token)).await;
    assert_eq!(refused.problem(), (409, "invitation/another_address".into()));
    let nobody = visitor(&app).post(ACCEPT, shown(&token)).await;
    assert_eq!(nobody.problem(), (401, "unauthenticated".into()));
    let switch = format!("/api/workspaces/{shop}/switch");
    assert_eq!(eve.post(&switch, json!({})).await.problem().0, 404);
    let (ben, _) = person(&app, BEN).await;
    assert_eq!(ben.post(ACCEPT, shown(&token)).await.status, 200);
}

#[tokio::test]
async fn who_was_removed_does_not_come_back_by_the_old_mail() {
    let app = TestApp::with_people().await;
    let (jane, shop) = shop(&app).await;
    let (ben, tokens) = person(&app, BEN).await;
    let token = invited(&app, &jane, &shop, BEN, &["admin"]).await;
    assert_eq!(ben.post(ACCEPT, shown(&token)).await.status, 200);
    let own = format!("/api/workspaces/{shop}/members/{}", tokens["account"].as_str().unwrap());
    assert_eq!(jane.delete(&own).await.status, 200);
    let again = ben.post(ACCEPT, shown(&token)).await;
    assert_eq!(again.status, 200, "it was accepted: {again:?}");
    assert_eq!(jane.get(&own).await.status, 404);
    assert_eq!(ben.post(&format!("/api/workspaces/{shop}/switch"), json!({})).await.status, 404);
    // By a new one they do.
    let token = invited(&app, &jane, &shop, BEN, &["viewer"]).await;
    assert_eq!(ben.post(ACCEPT, shown(&token)).await.status, 200);
    assert_eq!(jane.show(&own).await["roles"], json!(["viewer"]));
}

#[tokio::test]
async fn nobody_writes_to_the_world_by_invitations() {
    let app = TestApp::with_people().await;
    let (jane, shop) = shop(&app).await;
    let mut last = 201;
    for n in 0..101 {
        let invite = json!({"email": format!("n{n}@example.com"), "roles": ["viewer"]});
        last = jane.post(&list(&shop), invite).await.status;
        assert!(last == 201 || n == 100, "{n}: {last}");
    }
    assert_eq!(last, 429);
}

#[tokio::test]
async fn a_mail_that_cannot_go_out_waits_and_not_for_an_invitation_that_is_over() {
    let app = TestApp::with_people().await;
    let (jane, shop) = shop(&app).await;
    let to = |email: &str| app.mailer.arrived().into_iter().filter(|mail| mail.to == email).count();
    for (email, is_revoked, arrives) in [(BEN, false, 1), ("sue@example.com", true, 0)] {
        app.mailer.script([Some(Fault::Down)]);
        let id = jane.create(&list(&shop), json!({"email": email, "roles": ["viewer"]})).await;
        app.drain().await;
        assert_eq!(to(email), 0);
        if is_revoked {
            assert_eq!(jane.delete(&format!("{}/{id}", list(&shop))).await.status, 200);
        }
        app.pass(TimeDelta::seconds(10)).await;
        app.pass(TimeDelta::minutes(1)).await;
        assert_eq!(to(email), arrives, "{email}");
    }
}
