//! People at the platform as it runs: several processes, the vault in the database, Argon2id, and a mail server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use commands::clock::SystemClock;
use infra::inbox::{Inbox, Mails};
use reqwest::Method;
use serde_json::{Value, json};
use tests::answer::{Answer, send};
use tests::people::{SECRET, text};
use tests::process::{Premises, Process, free_address, until};
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

const JANE: &str = "jane@example.com";

/// Two processes that answer HTTP, one that reacts, and what carries mail.
struct Platform {
    here: SocketAddr,
    there: SocketAddr,
    mails: Mails,
    http: reqwest::Client,
    _inbox: DropGuard,
    _processes: [Process; 3],
    at: Premises,
}

impl Platform {
    async fn start() -> Self {
        let at = Premises::open().await;
        let any: SocketAddr = ([127, 0, 0, 1], 0).into();
        let inbox = Inbox::bind(any, any, &at.folder().join("inbox"), Arc::new(SystemClock)).await.unwrap();
        let (mails, server, stop) = (inbox.mails(), inbox.smtp_address().unwrap(), CancellationToken::new());
        tokio::spawn(inbox.run(stop.clone()));
        let (here, there) = (at.address, free_address());
        let start = |role: &str, listen: SocketAddr| {
            let mut command = at.command(&[role]);
            command.env("MEWAYZ_LISTEN", listen.to_string());
            command.env("MEWAYZ_MAIL__SERVER", server.to_string()).env("MEWAYZ_MAIL__ENCRYPTION", "none");
            Process::start(&mut command)
        };
        let processes = [start("api", here), start("api", there), start("react", free_address())];
        at.listens(here).await;
        at.listens(there).await;
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { here, there, mails, http, _inbox: stop.drop_guard(), _processes: processes, at }
    }

    async fn post(&self, to: SocketAddr, path: &str, token: &str, body: &Value) -> Answer {
        let request = self.http.request(Method::POST, format!("http://{to}{path}"));
        let request = request.header("idempotency-key", Uuid::new_v4().to_string());
        send(request.bearer_auth(token).json(body)).await
    }

    /// The token of the newest mail with this subject, once there is one.
    async fn token(&self, subject: &str) -> String {
        let newest = || self.mails.all().unwrap().into_iter().find(|mail| mail.subject.contains(subject));
        until("a mail arrives", || async { newest().is_some() }).await;
        let mail = newest().unwrap();
        assert_eq!(mail.to, JANE);
        let link = mail.text.split_whitespace().find(|word| word.contains('#')).unwrap();
        link.rsplit_once('#').unwrap().1.to_owned()
    }
}

/// Within the five seconds that are promised; a key that got another secret has two meanwhile.
async fn a_key_that_is_revoked_works_nowhere(platform: &Platform, owner: &str) {
    let (here, there, cart) = (platform.here, platform.there, json!({"currency": "EUR"}));
    let terms = json!({"name": "shop", "scopes": ["cart:manage"]});
    let issued = platform.post(here, "/api/api-keys", owner, &terms).await;
    let first = text(&issued.json(), "key");
    let rotate = format!("/api/api-keys/{}/rotate", issued.id());
    let rotated = platform.post(there, &rotate, owner, &json!({"keep_hours": 1})).await;
    let second = text(&rotated.json(), "key");
    for key in [&first, &second] {
        until("the other process knows the key", || async {
            platform.post(here, "/api/ecommerce/carts", key, &cart).await.status == 201
        })
        .await;
    }
    let request =
        platform.http.request(Method::DELETE, format!("http://{here}/api/api-keys/{}", issued.id()));
    assert_eq!(send(request.bearer_auth(owner)).await.status, 200);
    let began = Instant::now();
    for (process, key) in [(here, &first), (there, &first), (here, &second), (there, &second)] {
        until("the process knows", || async {
            platform.post(process, "/api/ecommerce/carts", key, &cart).await.status == 401
        })
        .await;
    }
    let took = began.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    println!("a revoked key is refused everywhere after {took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_comes_in_by_mail_and_is_out_everywhere_a_moment_after_signing_out() {
    let platform = Platform::start().await;
    let (here, there) = (platform.here, platform.there);
    let registered = platform.post(here, "/api/auth/register", "", &json!({"email": JANE})).await;
    assert_eq!(registered.status, 202, "{registered:?}");
    let verification = json!({"token": platform.token("Confirm").await, "password": SECRET});
    assert_eq!(platform.post(there, "/api/auth/verify", "", &verification).await.status, 200);

    let credentials = json!({"email": JANE, "password": SECRET});
    let signed_in = platform.post(here, "/api/auth/sign-in", "", &credentials).await;
    assert_eq!(signed_in.status, 200, "{signed_in:?}");
    let access = text(&signed_in.json(), "access_token");
    let workspace = json!({"name": "Jane's shop"});
    let made = platform.post(there, "/api/workspaces", &access, &workspace).await;
    assert_eq!(made.status, 201, "{made:?}");
    let switch = format!("/api/workspaces/{}/switch", made.id());
    let switched = platform.post(here, &switch, &access, &json!({})).await;
    assert_eq!(switched.status, 200, "{switched:?}");
    let owner = text(&switched.json(), "access_token");
    for process in [here, there] {
        let cart = platform.post(process, "/api/ecommerce/carts", &owner, &json!({"currency": "EUR"})).await;
        assert_eq!(cart.status, 201, "{cart:?}");
    }

    a_key_that_is_revoked_works_nowhere(&platform, &owner).await;

    let began = Instant::now();
    assert_eq!(platform.post(here, "/api/auth/sign-out", &owner, &json!({})).await.status, 200);
    let cart = json!({"currency": "EUR"});
    assert_eq!(platform.post(here, "/api/ecommerce/carts", &owner, &cart).await.status, 401);
    until("the other process knows", || async {
        platform.post(there, "/api/ecommerce/carts", &owner, &cart).await.status == 401
    })
    .await;
    println!("refused at the other process after {:?}", began.elapsed());
    let refresh = json!({"refresh_token": signed_in.json()["refresh_token"]});
    assert_eq!(platform.post(there, "/api/auth/refresh", "", &refresh).await.status, 401);

    // A forgotten password, and what the old one was checked by is deleted.
    assert_eq!(platform.post(there, "/api/auth/forgotten", "", &json!({"email": JANE})).await.status, 202);
    let other = json!({"token": platform.token("password").await, "password": "staple battery horse"});
    assert_eq!(platform.post(here, "/api/auth/reset", "", &other).await.status, 200);
    assert_eq!(platform.post(here, "/api/auth/sign-in", "", &credentials).await.status, 401);
    let credentials = json!({"email": JANE, "password": "staple battery horse"});
    assert_eq!(platform.post(there, "/api/auth/sign-in", "", &credentials).await.status, 200);
    let vault = sqlx::PgPool::connect_with(platform.at.database.vault.clone()).await.unwrap();
    until("one credential is left", || async {
        let kept: i64 =
            sqlx::query_scalar("select count(*) from vault.credentials").fetch_one(&vault).await.unwrap();
        kept == 1
    })
    .await;
}
