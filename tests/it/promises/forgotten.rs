//! Forgotten: a person who has signed up, said who they are and set up a second factor at the platform as it runs is
//! forgotten: by every process, in the vault's own tables, and on every disk: the database's with its WAL, Kafka's, and
//! in the logs.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::Utc;
use commands::clock::SystemClock;
use infra::inbox::{Inbox, Mails};
use memchr::memmem;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::ConnectOptions;
use tests::answer::{Answer, send};
use tests::database::TestDatabase;
use tests::kafka::{Broker, read_topics};
use tests::people::{code, text};
use tests::postgres::Server;
use tests::process::{Premises, Process, free_address, until};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::erasure::disguises;

/// What everything begins with that is said of her.
const CANARY: &str = "canary-of-whom-nobody-knows";
const SECRET: &str = "canary-of-a-password-of-hers";

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let (mut folders, mut files) = (vec![folder.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        // What was removed meanwhile holds nothing.
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files
}

fn found(files: &[PathBuf], needles: &[Vec<u8>]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        let Ok(bytes) = std::fs::read(file) else { continue };
        for needle in needles {
            if memmem::find(&bytes, needle).is_some() {
                found.push(format!("{} in {}", String::from_utf8_lossy(needle), file.display()));
            }
        }
    }
    found
}

async fn ask(method: Method, url: String, token: &str, body: Value) -> Answer {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = http.request(method, url).header("idempotency-key", Uuid::new_v4().to_string());
    send(request.header("user-agent", format!("{CANARY} browser")).bearer_auth(token).json(&body)).await
}

async fn link(mails: &Mails) -> String {
    until("a mail arrives", || async { !mails.all().unwrap().is_empty() }).await;
    let mail = mails.all().unwrap().remove(0);
    let link = mail.text.split_whitespace().find(|word| word.contains('#')).unwrap();
    link.rsplit_once('#').unwrap().1.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_forgotten_is_on_no_disk_and_nobody_lets_them_in() {
    let server = Server::start().await;
    let broker = tokio::task::spawn_blocking(Broker::start).await.unwrap();
    let at = Premises::over(TestDatabase::on(&server).await).await;
    let (any, logs) = (([127, 0, 0, 1], 0).into(), tempfile::tempdir().unwrap());
    // Her own mailbox is hers.
    let mailbox = tempfile::tempdir().unwrap();
    let inbox = Inbox::bind(any, any, mailbox.path(), Arc::new(SystemClock)).await.unwrap();
    let (mails, smtp, stop) = (inbox.mails(), inbox.smtp_address().unwrap(), CancellationToken::new());
    tokio::spawn(inbox.run(stop.clone()));
    let _stopped = stop.drop_guard();
    let (here, there) = (at.address, free_address());
    let start = |role: &str, listen: std::net::SocketAddr| {
        let log = File::create(logs.path().join(format!("{role}-{}", listen.port()))).unwrap();
        let mut command = at.command(&[role]);
        command.env("MEWAYZ_LISTEN", listen.to_string()).env("KAFKA_BROKERS", broker.address());
        command.env("MEWAYZ_MAIL__SERVER", smtp.to_string()).env("MEWAYZ_MAIL__ENCRYPTION", "none");
        command.env("RUST_LOG", "debug");
        Process::start(command.stderr(log))
    };
    let _processes = [start("serve", here), start("api", there)];
    at.listens(here).await;
    at.listens(there).await;
    let post = async |path: &str, token: &str, body: Value| {
        ask(Method::POST, format!("http://{here}{path}"), token, body).await
    };

    let email = format!("{CANARY}@example.com");
    assert_eq!(post("/api/auth/register", "", json!({"email": email})).await.status, 202);
    let verification = json!({"token": link(&mails).await, "password": SECRET});
    assert_eq!(post("/api/auth/verify", "", verification).await.status, 200);
    let credentials = json!({"email": email, "password": SECRET});
    let signed_in = post("/api/auth/sign-in", "", credentials.clone()).await;
    assert_eq!(signed_in.status, 200, "{signed_in:?}");
    let token = text(&signed_in.json(), "access_token");
    let me = format!("http://{here}/api/users/me");
    let said = json!({"name": format!("{CANARY} Doe"), "postal_address": format!("{CANARY} street 1\nTown")});
    assert_eq!(ask(Method::PATCH, me.clone(), &token, said).await.status, 200);
    let seed = text(&post("/api/auth/two-factor", &token, json!({})).await.json(), "seed");
    let first = json!({"code": code(&seed, Utc::now())});
    let confirmed = post("/api/auth/two-factor/confirm", &token, first).await;
    assert_eq!(confirmed.status, 200, "{confirmed:?}");
    let recovery = confirmed.json()["recovery_codes"][0].as_str().unwrap().to_owned();
    let position = ask(Method::GET, me.clone(), &token, json!({})).await;
    assert_eq!(position.status, 200, "{position:?}");
    at.projected().await;
    let exported = ask(Method::GET, format!("{me}/export"), &token, json!({})).await;
    assert!(
        exported.body.contains(&format!("{CANARY} Doe")) && exported.body.contains(&email),
        "{exported:?}"
    );
    assert!(exported.body.contains(&format!("{CANARY} browser")) && !exported.body.contains(&seed));

    let vault = sqlx::PgPool::connect_with(at.database.vault.clone()).await.unwrap();
    let kept = async || -> i64 {
        sqlx::query_scalar("select count(*) from vault.credentials").fetch_one(&vault).await.unwrap()
    };
    assert_eq!(kept().await, 3, "a password's hash, a seed, recovery codes");
    let erased = post("/api/users/me/erasure", &token, json!({})).await;
    assert_eq!(erased.status, 200, "{erased:?}");
    assert_eq!(post("/api/auth/sign-out", &token, json!({})).await.status, 401);
    until("the other process knows", || async {
        let at = format!("http://{there}/api/users/me/export");
        ask(Method::GET, at, &token, json!({})).await.status == 401
    })
    .await;
    until("nothing is left to check her by", || async { kept().await == 0 }).await;
    let destroyed = "select count(*) from events where event_type = 'KeysDestroyed'";
    until("the keys are destroyed", || async { at.count(destroyed).await == 1 }).await;
    assert_eq!(post("/api/auth/sign-in", "", credentials).await.status, 401);
    at.projected().await;
    at.must_equal_a_rebuild().await;

    let topics = || read_topics(&broker.address(), "mewayz");
    let told = async || -> usize { topics().values().map(Vec::len).sum() };
    until("Kafka has it all", || async {
        at.count("select count(*) from events").await == i64::try_from(told().await).unwrap()
    })
    .await;
    for _ in 0..2 {
        let mut rotate = at.command(&["vault", "rotate"]);
        let rotated = tokio::task::spawn_blocking(move || rotate.status()).await.unwrap().unwrap();
        assert!(rotated.success());
    }
    let mut admin = server.administrator().connect().await.unwrap();
    sqlx::raw_sql("checkpoint").execute(&mut admin).await.unwrap();

    let needles: Vec<Vec<u8>> = [CANARY, SECRET, &seed, &recovery].into_iter().flat_map(disguises).collect();
    let places = [server.files(), files(broker.folder()), files(logs.path()), files(at.folder())];
    // The search finds what is there.
    for place in &places[..3] {
        let there = ["identity.account", "identity", "started"].map(|text| text.as_bytes().to_vec());
        assert!(!found(place, &there).is_empty());
    }
    assert!(!found(&files(mailbox.path()), &disguises(CANARY)).is_empty());
    assert_eq!(found(&places.concat(), &needles), [""; 0]);
    // What Kafka has compressed, too.
    for record in topics().values().flatten() {
        for needle in &needles {
            assert!(memmem::find(record.value.as_bytes(), needle).is_none(), "{}", record.value);
        }
    }
}
