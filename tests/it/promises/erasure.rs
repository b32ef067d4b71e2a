//! Erasure: what was said of a person is on no disk, and what was decided comes about whoever is killed.

use std::process::Stdio;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use commands::clock::SystemClock;
use commands::identity::subject;
use commands::port::vault::{Ask, Vault, seal};
use commands::{Actor, Context, EventStore};
use domain::identity::subject::{ErasureReason, Subject, SubjectEvent, SubjectRefusal};
use domain::ids::{CustomerId, WorkspaceId};
use domain::kernel::{Decider, Event, Recorded};
use domain::pii::{Class, Opened, Pii, SubjectId, Whose};
use domain::sourced;
use infra::adapter::vault::{PgVault, rotate};
use memchr::memmem;
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};
use sqlx::ConnectOptions;
use sqlx::postgres::PgPoolOptions;
use strum::AsRefStr;
use tests::database::TestDatabase;
use tests::postgres::Server;
use tests::process::{Premises, until};
use uuid::Uuid;

domain::personal! {
    Email = "test.somebody", "email", Contact;
    Note = "test.somebody", "note", Content;
}

/// What every text begins with that is said of somebody.
const CANARY: &str = "canary-of-this-very-test-";

/// Somebody, of whom only that they were met is a rule's to know.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Somebody;

#[derive(Debug, Clone, PartialEq, Serialize)]
enum SomebodyCommand {
    Meet { email: Pii<Email>, note: Pii<Note> },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AsRefStr)]
#[serde(tag = "type")]
enum SomebodyEvent {
    Met { email: Pii<Email>, note: Pii<Note> },
}

impl Event for SomebodyEvent {}

impl Decider for Somebody {
    const NAME: &'static str = "test.somebody";
    type Id = SubjectId;
    type Command = SomebodyCommand;
    type Event = SomebodyEvent;
    type Refusal = SubjectRefusal;

    fn decide(&self, command: SomebodyCommand) -> Result<Vec<SomebodyEvent>, SubjectRefusal> {
        let SomebodyCommand::Meet { email, note } = command;
        Ok(vec![SomebodyEvent::Met { email, note }])
    }

    fn evolve(&mut self, _: SomebodyEvent) {}
}

sourced!(Somebody, SomebodyEvent);

/// What is looked for on the disk: a text, and what it is when it is written in other ways.
pub(super) fn disguises(text: &str) -> Vec<Vec<u8>> {
    let wide: Vec<u16> = text.encode_utf16().collect();
    let mut all = vec![
        text.as_bytes().to_vec(),
        hex::encode(text).into_bytes(),
        wide.iter().flat_map(|unit| unit.to_le_bytes()).collect(),
        wide.iter().flat_map(|unit| unit.to_be_bytes()).collect(),
    ];
    // In base64 it has three forms, by where in a longer text it stands; the letters at both ends depend on that text.
    for before in 0..3 {
        let longer = [&b"xx"[..before], text.as_bytes()].concat();
        let written = STANDARD.encode(longer);
        all.push(written.as_bytes()[4..written.len() - 4].to_vec());
    }
    all
}

fn found(server: &Server, needles: &[Vec<u8>]) -> Vec<String> {
    let mut found = Vec::new();
    for file in server.files() {
        // A file that the server has just removed holds nothing.
        let Ok(bytes) = std::fs::read(&file) else { continue };
        for needle in needles {
            if memmem::find(&bytes, needle).is_some() {
                found.push(format!("{} in {}", String::from_utf8_lossy(needle), file.display()));
            }
        }
    }
    found
}

#[tokio::test]
async fn what_was_said_of_a_person_is_on_no_disk_and_ends_with_its_key() {
    let server = Server::start().await;
    let database = TestDatabase::on(&server).await;
    let store = EventStore::open(database.pool.clone(), database.run.clone(), 1_000);
    let keys = tempfile::tempdir().unwrap();
    let key_file = keys.path().join("vault.keys");
    let vault_pool = PgPoolOptions::new().connect_lazy_with(database.vault.clone());
    let vault = PgVault::new(vault_pool.clone(), &key_file, 1_000);

    let workspace = WorkspaceId::from_uuid(Uuid::now_v7());
    let mut people = Vec::new();
    for n in 0..20 {
        let person = CustomerId::from_uuid(Uuid::now_v7());
        let whose = Whose::new(workspace, person);
        let texts = [format!("{CANARY}{n}@example.com"), format!("{CANARY}{n} sings in the morning")];
        let email: Pii<Email> = seal(&*vault, &whose, &texts[0]).await.unwrap();
        let note: Pii<Note> = seal(&*vault, &whose, &texts[1]).await.unwrap();
        vault.lookup(workspace, "email", &texts[0]).await.unwrap();
        let cx = Context::internal(store.clone(), Arc::new(SystemClock), workspace, Actor::Job("test"));
        let met = SomebodyCommand::Meet { email: email.clone(), note: note.clone() };
        cx.execute::<Somebody>(person.into(), met).await.unwrap();
        people.push((whose, email, note, texts));
    }
    for (whose, ..) in people.iter().step_by(2) {
        vault.destroy(whose, &Class::ALL.into()).await.unwrap();
    }
    for _ in 0..2 {
        rotate(&vault_pool, &key_file).await.unwrap();
    }
    let mut admin = server.administrator().connect().await.unwrap();
    sqlx::raw_sql("checkpoint").execute(&mut admin).await.unwrap();

    // The search finds what is there.
    assert!(!found(&server, &disguises("test.somebody")[..1]).is_empty());
    assert_eq!(found(&server, &disguises(CANARY)), [""; 0]);

    // The log itself has not changed, and says of the erased that they are.
    let reader = PgVault::new(vault_pool, &key_file, 1_000);
    for (n, (whose, email, note, texts)) in people.iter().enumerate() {
        let asks = [Ask::of(whose, email), Ask::of(whose, note)];
        let plain = texts.clone().map(Opened::Plain);
        let expected = if n % 2 == 0 { [Opened::Erased, Opened::Erased] } else { plain };
        assert_eq!(reader.open(&asks).await, expected);
        let events = store.history::<Somebody>(workspace, &whose.subject, 0, 10).await.unwrap();
        let met = events[0].of::<Somebody>().unwrap();
        assert_eq!(met, Some(&SomebodyEvent::Met { email: email.clone(), note: note.clone() }));
    }
}

#[tokio::test]
async fn an_erasure_comes_about_once_whoever_is_killed_on_the_way() {
    for place in ["vault.before_destroy", "vault.after_destroy", "reactor.before_checkpoint"] {
        let premises = Premises::open().await;
        let whose = Whose::new(premises.workspace, CustomerId::from_uuid(Uuid::now_v7()));
        let keys = tempfile::tempdir().unwrap();
        let key_file = keys.path().join("vault.keys");
        let vault = || {
            let pool = PgPoolOptions::new().connect_lazy_with(premises.database.vault.clone());
            PgVault::new(pool, &key_file, 1_000)
        };
        let email: Pii<Email> = seal(&*vault(), &whose, "jane@example.com").await.unwrap();
        let clock = Arc::new(SystemClock);
        let cx = Context::internal(premises.store.clone(), clock, premises.workspace, Actor::Job("test"));
        let reason = ErasureReason::Asked;
        subject::request_erasure(cx, &*vault(), &whose.subject, Class::ALL.into(), reason).await.unwrap();

        let mut killed = premises.start("react", &format!("{place}=kill@1"));
        let status = killed.ended().await;
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(Signal::SIGKILL as i32));
        let _react = premises.start("react", "");
        let history = || async {
            premises.store.history::<Subject>(premises.workspace, &whose.subject, 0, 100).await.unwrap()
        };
        let is_recorded = |event: &Recorded| {
            matches!(event.of::<Subject>().unwrap(), Some(SubjectEvent::KeysDestroyed { .. }))
        };
        until("it is recorded", || async { history().await.iter().any(is_recorded) }).await;
        assert_eq!(history().await.iter().filter(|event| is_recorded(event)).count(), 1);
        let opened = vault().open(&[Ask::of(&whose, &email)]).await;
        assert_eq!(opened, [Opened::Erased], "killed at {place}");
    }
}

#[tokio::test]
async fn a_vault_restored_from_a_backup_erases_again_what_the_log_says() {
    let premises = Premises::open().await;
    let people: Vec<Whose> =
        (0..3).map(|_| Whose::new(premises.workspace, CustomerId::from_uuid(Uuid::now_v7()))).collect();
    // The platform's own vault, with the key file in its data folder.
    let vault = || {
        let pool = PgPoolOptions::new().connect_lazy_with(premises.database.vault.clone());
        PgVault::new(pool, &premises.folder().join("vault.keys"), 1_000)
    };
    let mut sealed = Vec::new();
    for whose in &people {
        sealed.push(seal::<Email>(&*vault(), whose, "jane@example.com").await.unwrap());
    }
    // Two were erased; the backup from which the vault comes knows nothing of it.
    for whose in &people[..2] {
        let clock = Arc::new(SystemClock);
        let cx = Context::internal(premises.store.clone(), clock, premises.workspace, Actor::Job("test"));
        let reason = ErasureReason::Asked;
        subject::request_erasure(cx, &*vault(), &whose.subject, Class::ALL.into(), reason).await.unwrap();
    }
    let mut replay = premises.command(&["vault", "replay"]);
    let output =
        tokio::task::spawn_blocking(move || replay.stdout(Stdio::piped()).output()).await.unwrap().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "The keys of 2 erasures are destroyed.\n");
    let asks: Vec<Ask> = people.iter().zip(&sealed).map(|(whose, value)| Ask::of(whose, value)).collect();
    let plain = Opened::Plain("jane@example.com".to_owned());
    assert_eq!(vault().open(&asks).await, [Opened::Erased, Opened::Erased, plain]);
}
