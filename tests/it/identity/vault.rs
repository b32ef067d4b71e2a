//! The vault over PostgreSQL: what opens, what never does, and what an outage does not say.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use commands::clock::SystemClock;
use commands::effect::identity::destroy_keys_when_subject_is_erased::DestroyKeysWhenSubjectIsErased;
use commands::identity::{subject, workspace};
use commands::port::vault::{Ask, Vault, VaultError, seal};
use commands::{Actor, Context, EventStore};
use domain::identity::subject::{ErasureReason, Subject, SubjectCommand, SubjectEvent};
use domain::ids::{CustomerId, WorkspaceId};
use domain::kernel::Recorded;
use domain::pii::{Class, Field, Opened, Pii, Place, Whose};
use infra::adapter::vault::{PgVault, Rotated, rotate};
use infra::log::Log;
use infra::subscription::Host;
use infra::subscription::reactor::Reactor;
use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection, PgPool};
use tests::database::{TestDatabase, administrator};
use tests::process::until;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

domain::personal! {
    Email = "test.somebody", "email", Contact;
    Name = "test.somebody", "name", Contact;
    Note = "test.somebody", "note", Content;
}

const CONTACT: [Class; 1] = [Class::Contact];

/// A vault with a database and a key file.
struct Bench {
    database: TestDatabase,
    folder: tempfile::TempDir,
    workspace: WorkspaceId,
    /// How long the vault waits for its database.
    patience: Duration,
}

impl Bench {
    async fn set_up() -> Self {
        let workspace = WorkspaceId::from_uuid(Uuid::now_v7());
        let (database, folder) = (TestDatabase::create().await, tempfile::tempdir().unwrap());
        Self { database, folder, workspace, patience: Duration::from_secs(30) }
    }

    fn key_file(&self) -> PathBuf {
        self.folder.path().join("vault.keys")
    }

    fn pool(&self) -> PgPool {
        PgPoolOptions::new()
            .max_connections(4)
            .acquire_timeout(self.patience)
            .connect_lazy_with(self.database.vault.clone())
    }

    fn store(&self) -> EventStore {
        EventStore::open(self.database.pool.clone(), self.database.run.clone(), 1_000)
    }

    /// As a process has it that has just started.
    fn vault(&self) -> Arc<PgVault> {
        PgVault::new(self.pool(), &self.key_file(), 1_000)
    }

    fn person(&self, number: u128) -> Whose {
        Whose::new(self.workspace, CustomerId::from_uuid(Uuid::from_u128(number)))
    }

    async fn rotate(&self) -> Rotated {
        rotate(&self.pool(), &self.key_file()).await.unwrap()
    }

    /// Does something as the administrator of the server, in this database.
    async fn as_administrator(&self, sql: &str) {
        let options = administrator().database(&self.database.name);
        let mut connection = sqlx::PgConnection::connect_with(&options).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    /// Takes the vault away, or brings it back. As from another database: nobody may be connected to it.
    async fn set_away(&self, away: bool) {
        let name = &self.database.name;
        let mut connection = sqlx::PgConnection::connect_with(&administrator()).await.unwrap();
        let allow = format!("alter database {name} allow_connections {}", !away);
        sqlx::raw_sql(&allow).execute(&mut connection).await.unwrap();
        if away {
            let end =
                format!("select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'");
            sqlx::raw_sql(&end).execute(&mut connection).await.unwrap();
        }
        connection.close().await.unwrap();
    }
}

async fn open<F: Field>(vault: &PgVault, whose: &Whose, value: &Pii<F>) -> Opened {
    vault.open(&[Ask::of(whose, value)]).await.remove(0)
}

fn plain(text: &str) -> Opened {
    Opened::Plain(text.to_owned())
}

#[tokio::test]
async fn what_one_process_seals_another_opens_and_only_where_it_belongs() {
    let bench = Bench::set_up().await;
    let (here, jane, john) = (bench.vault(), bench.person(1), bench.person(2));
    let email: Pii<Email> = seal(&*here, &jane, "jane@example.com").await.unwrap();
    let note: Pii<Note> = seal(&*here, &jane, "likes tea").await.unwrap();
    let his: Pii<Email> = seal(&*here, &john, "john@example.com").await.unwrap();

    let there = bench.vault();
    let elsewhere = Whose { workspace: WorkspaceId::from_uuid(Uuid::now_v7()), ..jane.clone() };
    let asks = [
        Ask::of(&jane, &email),
        Ask::of(&jane, &note),
        Ask::of(&john, &his),
        // Of another person, of another workspace, of another field, of another class.
        Ask::of(&jane, &his),
        Ask::of(&elsewhere, &email),
        Ask::of(&jane, &Pii::<Name>::new(email.sealed().clone())),
        Ask::of(&jane, &Pii::<Note>::new(email.sealed().clone())),
    ];
    let opened = there.open(&asks).await;
    assert_eq!(opened[..3], [plain("jane@example.com"), plain("likes tea"), plain("john@example.com")]);
    assert!(opened[3..].iter().all(|opened| *opened == Opened::Denied), "{opened:?}");
}

#[tokio::test]
async fn a_person_has_one_key_of_a_class_whoever_asks_for_it_first() {
    let bench = Bench::set_up().await;
    let vaults = [bench.vault(), bench.vault()];
    let sealing = (0..16).map(|n| {
        let (vault, jane) = (vaults[n % 2].clone(), bench.person(1));
        tokio::spawn(async move { seal::<Email>(&*vault, &jane, "jane@example.com").await.unwrap() })
    });
    for sealed in futures::future::join_all(sealing.collect::<Vec<_>>()).await {
        assert_eq!(open(&vaults[0], &bench.person(1), &sealed.unwrap()).await, plain("jane@example.com"));
    }
    let keys: i64 =
        sqlx::query_scalar("select count(*) from vault.keys").fetch_one(&bench.pool()).await.unwrap();
    assert_eq!(keys, 1);
}

#[tokio::test]
async fn what_is_erased_stays_erased_in_every_process_and_after_each_start() {
    let bench = Bench::set_up().await;
    let (here, there, jane, john) = (bench.vault(), bench.vault(), bench.person(1), bench.person(2));
    let email: Pii<Email> = seal(&*here, &jane, "jane@example.com").await.unwrap();
    let note: Pii<Note> = seal(&*here, &jane, "likes tea").await.unwrap();
    let his: Pii<Email> = seal(&*here, &john, "john@example.com").await.unwrap();
    assert_eq!(open(&there, &jane, &email).await, plain("jane@example.com"));

    for _ in 0..2 {
        here.destroy(&jane, &CONTACT.into()).await.unwrap();
    }
    let destroyed = Instant::now();
    assert_eq!(open(&here, &jane, &email).await, Opened::Erased);
    // The other has the key in memory, and hears of it.
    while open(&there, &jane, &email).await != Opened::Erased {
        assert!(destroyed.elapsed() < Duration::from_secs(5), "another process opens it still");
        tokio::time::sleep(Duration::from_millis(20)).await; // until it is asked again
    }
    for vault in [here, there, bench.vault()] {
        assert_eq!(open(&vault, &jane, &email).await, Opened::Erased);
        assert_eq!(open(&vault, &jane, &note).await, plain("likes tea"));
        assert_eq!(open(&vault, &john, &his).await, plain("john@example.com"));
        assert_eq!(vault.seal(&jane, Place::of::<Email>(), "x").await, Err(VaultError::Erased));
    }
}

#[tokio::test]
async fn who_never_had_a_key_gets_none_after_the_erasure() {
    let bench = Bench::set_up().await;
    let (vault, jane) = (bench.vault(), bench.person(1));
    vault.destroy(&jane, &Class::ALL.into()).await.unwrap();
    assert!(seal::<Email>(&*vault, &jane, "jane@example.com").await.is_err());
    // Not even the vault's own role can bring one back.
    let back = sqlx::query("update vault.keys set destroyed_at = null, epoch = 1, wrapped = ''")
        .execute(&bench.pool())
        .await;
    assert!(back.is_err_and(|error| error.to_string().contains("stays destroyed")));
    assert!(sqlx::query("delete from vault.keys").execute(&bench.pool()).await.is_err());
    // And the platform's cannot even look.
    let looked = sqlx::query("select * from vault.keys").execute(&bench.database.pool).await;
    assert!(looked.is_err_and(|error| error.to_string().contains("permission denied")));
}

#[tokio::test]
async fn a_vault_that_is_away_opens_nothing_and_says_nothing_of_erasures() {
    let bench = Bench { patience: Duration::from_secs(2), ..Bench::set_up().await };
    let (vault, jane, john) = (bench.vault(), bench.person(1), bench.person(2));
    let email: Pii<Email> = seal(&*vault, &jane, "jane@example.com").await.unwrap();
    let his: Pii<Email> = seal(&*vault, &john, "john@example.com").await.unwrap();
    vault.destroy(&jane, &CONTACT.into()).await.unwrap();
    assert_eq!(open(&vault, &john, &his).await, plain("john@example.com"));

    bench.set_away(true).await;
    let away = Instant::now();
    let fresh = bench.vault();
    loop {
        // As long as it counts as heard, what is in memory opens; the erased never does.
        let (erased, alive) = (open(&vault, &jane, &email).await, open(&vault, &john, &his).await);
        assert_eq!(erased, Opened::Unavailable);
        assert_eq!(open(&fresh, &jane, &email).await, Opened::Unavailable);
        assert_eq!(open(&fresh, &john, &his).await, Opened::Unavailable);
        if alive == Opened::Unavailable {
            break;
        }
        assert_eq!(alive, plain("john@example.com"));
        assert!(
            away.elapsed() < Duration::from_secs(20),
            "it opens although nobody knows what was destroyed"
        );
    }
    assert!(matches!(seal::<Email>(&*vault, &john, "x").await, Err(commands::Error::Unavailable(_))));
    assert!(matches!(vault.destroy(&john, &CONTACT.into()).await, Err(VaultError::Unavailable(_))));

    bench.set_away(false).await;
    until("the vault answers again", || async {
        open(&vault, &john, &his).await == plain("john@example.com")
    })
    .await;
    assert_eq!(open(&vault, &jane, &email).await, Opened::Erased);
    assert_eq!(open(&fresh, &jane, &email).await, Opened::Erased);
}

#[tokio::test]
async fn keys_are_rotated_while_others_read_and_write() {
    let bench = Bench::set_up().await;
    let vaults = [bench.vault(), bench.vault()];
    let first: Pii<Email> = seal(&*vaults[0], &bench.person(0), "person 0").await.unwrap();
    let stop = CancellationToken::new();
    let working: Vec<_> = (0..4u128)
        .map(|task| {
            let (vault, stop) = (vaults[task as usize % 2].clone(), stop.clone());
            let (bench_person, zero, first) = (bench.workspace, bench.person(0), first.clone());
            tokio::spawn(async move {
                let mut sealed = Vec::new();
                for n in 0.. {
                    if stop.is_cancelled() {
                        break;
                    }
                    let person = CustomerId::from_uuid(Uuid::from_u128(1_000 * (task + 1) + n % 50));
                    let whose = Whose::new(bench_person, person);
                    let text = format!("person {person}");
                    let value: Pii<Email> = seal(&*vault, &whose, &text).await.unwrap();
                    assert_eq!(open(&vault, &whose, &value).await, plain(&text));
                    assert_eq!(open(&vault, &zero, &first).await, plain("person 0"));
                    sealed.push((whose, value, text));
                }
                sealed
            })
        })
        .collect();
    let mut epochs = Vec::new();
    for _ in 0..4 {
        epochs.push(bench.rotate().await);
    }
    stop.cancel();
    let reader = bench.vault();
    let mut opened = 0;
    for sealed in futures::future::join_all(working).await {
        for (whose, value, text) in sealed.unwrap() {
            assert_eq!(open(&reader, &whose, &value).await, plain(&text));
            opened += 1;
        }
    }
    assert!(opened > 0);
    assert_eq!(open(&reader, &bench.person(0), &first).await, plain("person 0"));
    assert_eq!(epochs.iter().map(|rotated| rotated.epoch).collect::<Vec<_>>(), [2, 3, 4, 5]);
    let forgotten: Vec<i64> = epochs.iter().flat_map(|rotated| rotated.forgotten.clone()).collect();
    assert_eq!(forgotten, [1, 2, 3]);
    let file = std::fs::read_to_string(bench.key_file()).unwrap();
    let held: Vec<&str> = file.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(held, ["4", "5"]);
}

#[tokio::test]
async fn a_backup_of_an_erased_key_opens_nothing_once_its_epoch_is_forgotten() {
    let bench = Bench::set_up().await;
    let (vault, jane) = (bench.vault(), bench.person(1));
    let email: Pii<Email> = seal(&*vault, &jane, "jane@example.com").await.unwrap();
    let backup: (Uuid, i64, Vec<u8>) = sqlx::query_as("select key_id, epoch, wrapped from vault.keys")
        .fetch_one(&bench.pool())
        .await
        .unwrap();
    vault.destroy(&jane, &CONTACT.into()).await.unwrap();
    bench.rotate().await;
    bench.rotate().await;

    // Whoever has the disk of then, and all keys of today.
    bench
        .as_administrator(&format!(
            "set session_replication_role = replica;
             update vault.keys set destroyed_at = null, epoch = {}, wrapped = '\\x{}' where key_id = '{}'",
            backup.1,
            hex::encode(&backup.2),
            backup.0
        ))
        .await;
    let thief = bench.vault();
    assert_eq!(open(&thief, &jane, &email).await, Opened::Unavailable);
}

#[tokio::test]
async fn a_key_file_that_is_lost_or_anothers_opens_nothing_and_is_not_made_anew() {
    let bench = Bench::set_up().await;
    let jane = bench.person(1);
    let email: Pii<Email> = seal(&*bench.vault(), &jane, "jane@example.com").await.unwrap();
    let kept = std::fs::read(bench.key_file()).unwrap();

    std::fs::remove_file(bench.key_file()).unwrap();
    let bare = bench.vault();
    assert_eq!(open(&bare, &jane, &email).await, Opened::Unavailable);
    assert!(seal::<Email>(&*bare, &bench.person(2), "x").await.is_err());
    assert!(!bench.key_file().exists());
    assert!(rotate(&bench.pool(), &bench.key_file()).await.is_err());

    std::fs::write(bench.key_file(), format!("1 {}\n", "0a".repeat(32))).unwrap();
    assert_eq!(open(&bench.vault(), &jane, &email).await, Opened::Unavailable);
    assert!(seal::<Email>(&*bench.vault(), &bench.person(2), "x").await.is_err());

    std::fs::write(bench.key_file(), kept).unwrap();
    assert_eq!(open(&bare, &jane, &email).await, plain("jane@example.com"));
}

#[tokio::test]
async fn a_keyed_hash_is_the_same_in_every_process_and_after_a_rotation() {
    let bench = Bench::set_up().await;
    let of = |vault: Arc<PgVault>, index: &'static str, text: &'static str| async move {
        vault.lookup(bench.workspace, index, text).await.unwrap()
    };
    let hash = of(bench.vault(), "email", "jane@example.com").await;
    bench.rotate().await;
    assert_eq!(of(bench.vault(), "email", "jane@example.com").await, hash);
    assert_ne!(of(bench.vault(), "phone", "jane@example.com").await, hash);
    assert_ne!(of(bench.vault(), "email", "jane@example.org").await, hash);
    let elsewhere = WorkspaceId::from_uuid(Uuid::now_v7());
    assert_ne!(bench.vault().lookup(elsewhere, "email", "jane@example.com").await.unwrap(), hash);
}

#[tokio::test]
async fn an_erasure_that_is_approved_destroys_the_keys_and_is_recorded() {
    let bench = Bench::set_up().await;
    let (store, clock) = (bench.store(), Arc::new(SystemClock));
    let stop = CancellationToken::new();
    let _stopped = stop.clone().drop_guard();
    let host = Host {
        log: Log::follow(store.clone(), stop.clone()).await.unwrap(),
        clock: clock.clone(),
        instance: Uuid::now_v7(),
        lease: Duration::from_secs(20),
        stop,
    };
    let effect = DestroyKeysWhenSubjectIsErased { vault: bench.vault() };
    tokio::spawn(host.run(Vec::new(), vec![Reactor::Effect(Box::new(effect))]));

    let (vault, jane) = (bench.vault(), bench.person(1));
    let email: Pii<Email> = seal(&*vault, &jane, "jane@example.com").await.unwrap();
    let by = |who| Context::internal(store.clone(), clock.clone(), bench.workspace, Actor::Job(who));
    let person = &jane.subject;
    let (classes, reason) = (CONTACT.into(), ErasureReason::Asked);
    let asked =
        SubjectCommand::RequestErasure { classes, reason, by: "cli:ann".into(), needs_approval: true };
    by("ann").execute::<Subject>(person.clone(), asked).await.unwrap();
    let refused = subject::approve_erasure(by("ann"), &*vault, person).await.unwrap_err();
    assert!(matches!(refused, commands::Error::Refused(refused) if refused.code == "subject/same_person"));
    assert_eq!(open(&vault, &jane, &email).await, plain("jane@example.com"));
    subject::approve_erasure(by("bob"), &*vault, person).await.unwrap();

    let destroyed = |event: &Recorded| {
        let event = event.of::<Subject>().unwrap();
        matches!(event, Some(SubjectEvent::KeysDestroyed { classes }) if *classes == CONTACT.into())
    };
    until("the keys are destroyed", || async {
        let events = store.history::<Subject>(bench.workspace, person, 0, 100).await.unwrap();
        events.iter().any(destroyed)
    })
    .await;
    assert_eq!(open(&bench.vault(), &jane, &email).await, Opened::Erased);
}

#[tokio::test]
async fn what_never_was_personal_needs_no_vault() {
    let bench = Bench::set_up().await;
    let (store, clock) = (bench.store(), Arc::new(SystemClock));
    let nowhere = bench.database.vault.clone().port(1);
    let nowhere = PgPoolOptions::new().acquire_timeout(Duration::from_secs(1)).connect_lazy_with(nowhere);
    let vault = PgVault::new(nowhere, &bench.key_file(), 1_000);
    let cx = Context::internal(store, clock, bench.workspace, Actor::Job("test"));
    workspace::create(cx, "Acme").await.unwrap();
    assert!(seal::<Email>(&*vault, &bench.person(1), "jane@example.com").await.is_err());
}
