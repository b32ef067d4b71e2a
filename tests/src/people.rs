//! People in tests: somebody who signs up, signs in, and acts in workspaces.

use chrono::{DateTime, TimeDelta, Utc};
use commands::clock::Clock;
use commands::port::mail::Message;
use serde_json::{Value, json};
use totp_rs::{Builder, Secret};

use crate::app::TestApp;
use crate::client::Client;
use crate::process::until;

/// What everybody's password is.
pub const SECRET: &str = "correct horse battery";

/// Somebody who has said nothing of who they are.
#[must_use]
pub fn visitor(app: &TestApp) -> Client {
    app.owner.with_key("nobody".into())
}

/// The mails that an address has got, once there are as many.
pub async fn mails(app: &TestApp, to: &str, many: usize) -> Vec<Message> {
    let theirs =
        || -> Vec<Message> { app.mailer.arrived().into_iter().filter(|mail| mail.to == to).collect() };
    until("mail arrives", || async { theirs().len() >= many }).await;
    theirs()
}

/// The token behind the `#` of a mail's link.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn token_in(mail: &Message) -> String {
    let link = mail.text.split_whitespace().find(|word| word.contains('#')).expect("a link");
    link.rsplit_once('#').expect("a token").1.to_owned()
}

/// Signs up with an address that is free, and shows that it is one's own.
///
/// # Panics
/// If that is refused.
pub async fn sign_up(app: &TestApp, email: &str) {
    let visitor = visitor(app);
    let had = app.mailer.arrived().into_iter().filter(|mail| mail.to == email).count();
    let registered = visitor.post("/api/auth/register", json!({"email": email})).await;
    assert_eq!((registered.status, registered.body.as_str()), (202, ""));
    let token = token_in(&mails(app, email, had + 1).await[had]);
    let verified = visitor.post("/api/auth/verify", json!({"token": token, "password": SECRET})).await;
    assert_eq!(verified.status, 200, "{verified:?}");
}

/// Signs in, and answers who it is and what they were answered.
///
/// # Panics
/// If that is refused.
pub async fn sign_in(app: &TestApp, email: &str) -> (Client, Value) {
    let body = json!({"email": email, "password": SECRET});
    let signed_in = visitor(app).post("/api/auth/sign-in", body).await;
    assert_eq!(signed_in.status, 200, "{signed_in:?}");
    let tokens = signed_in.json();
    (app.owner.with_key(text(&tokens, "access_token")), tokens)
}

/// Somebody with an account who is signed in.
pub async fn person(app: &TestApp, email: &str) -> (Client, Value) {
    sign_up(app, email).await;
    sign_in(app, email).await
}

/// What an authenticator app shows of this seed at this time.
///
/// # Panics
/// If it is no seed.
#[must_use]
pub fn code(seed: &str, at: DateTime<Utc>) -> String {
    let seed = Secret::try_from_base32(seed).expect("a seed");
    let app = Builder::new().with_secret(seed).build().expect("an app");
    app.generate(u64::try_from(at.timestamp()).expect("after 1970")).to_string()
}

/// Sets up a second factor, and answers its seed and recovery codes. Half a minute passes, so that a code is good.
///
/// # Panics
/// If that is refused.
pub async fn with_two_factor(app: &TestApp, person: &Client) -> (String, Vec<String>) {
    let enrolled = person.post("/api/auth/two-factor", json!({})).await;
    assert_eq!(enrolled.status, 200, "{enrolled:?}");
    let seed = text(&enrolled.json(), "seed");
    let first = json!({"code": code(&seed, app.clock.now())});
    let confirmed = person.post("/api/auth/two-factor/confirm", first).await;
    assert_eq!(confirmed.status, 200, "{confirmed:?}");
    let codes = confirmed.json()["recovery_codes"].as_array().expect("a list").clone();
    app.clock.advance(TimeDelta::seconds(30));
    (seed, codes.iter().map(|code| code.as_str().expect("a text").to_owned()).collect())
}

/// The same person, acting in a workspace.
///
/// # Panics
/// If they may not.
pub async fn switched(person: &Client, workspace: &str) -> Client {
    let answer = person.post(&format!("/api/workspaces/{workspace}/switch"), json!({})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    person.with_key(text(&answer.json(), "access_token"))
}

/// A field that is a text.
///
/// # Panics
/// If it is none.
#[must_use]
pub fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_else(|| panic!("{field}: {value}")).to_owned()
}

/// Somebody who was asked into a workspace by mail, in these roles, and acts there; and their account.
///
/// # Panics
/// If they do not come in.
pub async fn member(
    app: &TestApp,
    owner: &Client,
    workspace: &str,
    email: &str,
    roles: &[&str],
) -> (Client, String) {
    let (person, tokens) = person(app, email).await;
    let token = invited(app, owner, workspace, email, roles).await;
    let accepted = person.post("/api/workspaces/invitations/accept", json!({"token": token})).await;
    assert_eq!(accepted.status, 200, "{accepted:?}");
    (switched(&person, workspace).await, text(&tokens, "account"))
}

/// Asks somebody in who has an address, and answers the token that they were mailed.
///
/// # Panics
/// If that is refused.
pub async fn invited(app: &TestApp, by: &Client, workspace: &str, email: &str, roles: &[&str]) -> String {
    let had = app.mailer.arrived().into_iter().filter(|mail| mail.to == email).count();
    let path = format!("/api/workspaces/{workspace}/invitations");
    by.create(&path, json!({"email": email, "roles": roles})).await;
    token_in(&mails(app, email, had + 1).await[had])
}
