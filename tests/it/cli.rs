//! The binary: what it answers to the shell, to signals and to another instance of itself.

use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use sqlx::PgPool;
use tests::database::TestDatabase;
use tests::process::{program, until};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use uuid::Uuid;

fn mewayz(arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.env_clear().args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// The platform's command line over a database of its own.
struct Shell {
    database: TestDatabase,
    data: tempfile::TempDir,
}

impl Shell {
    async fn open() -> Self {
        Self { database: TestDatabase::create().await, data: tempfile::tempdir().unwrap() }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = mewayz(arguments);
        command
            .env("DATABASE_URL", self.database.run_url())
            .env("MEWAYZ_MIGRATE_URL", self.database.owner_url())
            .env("MEWAYZ_DATA", self.data.path())
            .env("MEWAYZ_LISTEN", "127.0.0.1:0")
            .env("MEWAYZ_SUBSCRIPTIONS__LEASE_MS", "400");
        command
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().await.unwrap()
    }

    /// What it said, when all was well.
    async fn said(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    async fn serve(&self) -> Instance {
        let mut child = self.command(&["serve"]).stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = loop {
            let line = log.next_line().await.unwrap().expect("it says where it listens");
            let said: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
            if said["message"] == "listening" {
                break said["address"].as_str().unwrap().to_owned();
            }
        };
        Instance { child, log, address }
    }
}

struct Instance {
    child: Child,
    log: Lines<BufReader<ChildStderr>>,
    address: String,
}

impl Instance {
    fn send(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().unwrap() as i32), signal).unwrap();
    }

    /// Its exit code, its last words, and how long they took.
    async fn ended(mut self) -> (Option<i32>, String, Duration) {
        let (begun, mut last) = (Instant::now(), String::new());
        while let Some(line) = self.log.next_line().await.unwrap() {
            last = line;
        }
        (self.child.wait().await.unwrap().code(), last, begun.elapsed())
    }
}

async fn owners(pool: &PgPool) -> Vec<Option<uuid::Uuid>> {
    sqlx::query_scalar("select distinct owner from subscriptions").fetch_all(pool).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_works_from_when_it_is_created_until_it_is_revoked() {
    let shell = Shell::open().await;
    let workspace = shell.said(&["workspace", "create", "Acme"]).await;
    let key = shell.said(&["key", "create", "--workspace", "Acme", "--name", "shop", "--scope", "*"]).await;
    let instance = shell.serve().await;

    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let get = async |path: &str| {
        let request = client.get(format!("http://{}{path}", instance.address)).bearer_auth(&key);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(get("/api/dashboard").await, 200);
    assert_eq!(get("/metrics").await, 403, "a tenant does not operate the platform");
    let listed = shell.said(&["key", "list", "--workspace", &workspace]).await;
    assert!(!listed.contains(key.split('_').next_back().unwrap()), "the secret is shown once only");
    let id = listed.split_whitespace().find(|word| word.starts_with("key_")).unwrap();

    shell.said(&["key", "revoke", "--workspace", "Acme", id]).await;
    until("the key has ended", || async { get("/api/dashboard").await == 401 }).await;
    instance.send(Signal::SIGTERM);
    assert_eq!(instance.ended().await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_workspace_is_read_and_takes_no_commands_until_it_is_resumed() {
    let shell = Shell::open().await;
    shell.said(&["workspace", "create", "Acme"]).await;
    let key = shell.said(&["key", "create", "--workspace", "Acme", "--name", "shop", "--scope", "*"]).await;
    let instance = shell.serve().await;

    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let carts = format!("http://{}/api/ecommerce/carts", instance.address);
    let open = async || {
        let request =
            client.post(&carts).bearer_auth(&key).header("idempotency-key", Uuid::new_v4().to_string());
        let answer = request.json(&json!({"currency": "USD"})).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<serde_json::Value>().await.unwrap()["code"].clone())
    };
    assert_eq!(open().await.0, 201);
    shell.said(&["workspace", "suspend", "Acme", "--reason", "unpaid"]).await;
    until("no command is taken", || async { open().await == (403, json!("workspace-suspended")) }).await;
    let read = client.get(format!("http://{}/api/dashboard", instance.address)).bearer_auth(&key);
    assert_eq!(read.send().await.unwrap().status(), 200);
    shell.said(&["workspace", "resume", "Acme"]).await;
    until("commands are taken again", || async { open().await.0 == 201 }).await;
    instance.send(Signal::SIGTERM);
    assert_eq!(instance.ended().await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_keys_of_the_platforms_workspace_operate_it() {
    let shell = Shell::open().await;
    let key = |workspace| {
        ["key", "create", "--workspace", workspace, "--name", "operator", "--scope", "platform:operate"]
    };
    shell.said(&["workspace", "create", "Acme"]).await;
    let refused = shell.run(&key("Acme")).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("platform:operate"));

    let platform = "ws_00000000000000000000000001";
    shell.said(&["workspace", "create", "Platform", "--id", platform]).await;
    let operator = shell.said(&key(platform)).await;
    let instance = shell.serve().await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    // A figure is there from when it is first told.
    until("the figures are shown", || async {
        let figures = client.get(format!("http://{}/metrics", instance.address)).bearer_auth(&operator);
        let figures = figures.send().await.unwrap().text().await.unwrap();
        figures.contains("mewayz_subscription_position")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_was_taken_over_ends_with_3_and_the_other_goes_on() {
    let shell = Shell::open().await;
    let first = shell.serve().await;
    let pool = &shell.database.pool;
    until("there is an owner", || async { matches!(owners(pool).await[..], [Some(_)]) }).await;
    let before = owners(pool).await;

    first.send(Signal::SIGSTOP);
    let second = shell.serve().await;
    until("there is another owner", || async {
        let now = owners(pool).await;
        matches!(now[..], [Some(_)]) && now != before
    })
    .await;
    first.send(Signal::SIGCONT);
    // What it wakes up to is the next event, which it may not write any more.
    shell.said(&["workspace", "create", "Acme"]).await;
    let (code, last, _) = first.ended().await;
    assert_eq!(code, Some(3), "{last}");
    assert!(last.contains("owned by another instance"), "{last}");

    second.send(Signal::SIGTERM);
    let (code, last, took) = second.ended().await;
    assert_eq!(code, Some(0), "{last}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!(owners(pool).await, [None], "what it owned is free at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn says_by_its_code_and_in_a_sentence_what_is_wrong() {
    let shell = Shell::open().await;
    let elsewhere = shell.database.run_url().replace(&shell.database.name, "postgres");
    for (arguments, variable, code, sentence) in [
        (&["status"][..], ("DATABASE_URL", ""), 2, "set DATABASE_URL"),
        (&["status"], ("MEWAYZ_HTTP__LISTEN", "here"), 2, "http.listen (the environment)"),
        (&["status"], ("DATABASE_URL", &elsewhere), 1, "run `mewayz migrate`"),
        (&["serve"], ("MEWAYZ_LISTEN", "192.0.2.1:80"), 1, "set MEWAYZ_LISTEN"),
        (&["relay"], ("KAFKA_BROKERS", ""), 2, "set KAFKA_BROKERS"),
        (&["rebuild", "ordr"], ("KAFKA_BROKERS", ""), 2, "there is no read model `ordr`"),
        (&["unpark", "order"], ("KAFKA_BROKERS", ""), 2, "nothing is parked for `order`"),
        (&["key", "list", "--workspace", "Acme"], ("KAFKA_BROKERS", ""), 2, "there is no workspace `Acme`"),
        (&["frobnicate"], ("KAFKA_BROKERS", ""), 2, "unrecognized subcommand"),
    ] {
        let output = shell.command(arguments).env(variable.0, variable.1).output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(sentence), "{arguments:?}: {said}");
    }
}
