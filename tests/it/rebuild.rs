//! Rebuilding a read model under writers and readers.

use std::sync::Arc;
use std::time::Duration;

use commands::clock::SystemClock;
use commands::{Actor, Context, EventStore};
use domain::ids::WorkspaceId;
use domain::kernel::{Decider, Event, Kind, Recorded, Refusal, Unreadable};
use domain::sourced;
use infra::log::Log;
use infra::subscription::rebuild::{Report, TableDigest, digest, rebuild};
use infra::subscription::{Host, Stopped, checkpoint, parked};
use projections::{Contribution, RowKey, Runtime, Schema, Total, Touches, Unfoldable, View};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tests::database::TestDatabase;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// A jar on a shelf, with sweets in it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Jar;

#[derive(Debug, Clone, PartialEq, Serialize)]
enum JarCommand {
    Put { sweets: i64, shelf: String },
    Break,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
enum JarEvent {
    Put { sweets: i64, shelf: String },
    Broken,
}

/// A jar never says no.
#[derive(Debug, PartialEq)]
enum JarRefusal {}

impl Decider for Jar {
    const NAME: &'static str = "test.jar";
    type Id = String;
    type Command = JarCommand;
    type Event = JarEvent;
    type Refusal = JarRefusal;

    fn decide(&self, command: JarCommand) -> Result<Vec<JarEvent>, JarRefusal> {
        Ok(match command {
            JarCommand::Put { sweets, shelf } => vec![JarEvent::Put { sweets, shelf }],
            JarCommand::Break => vec![JarEvent::Broken],
        })
    }

    fn evolve(&mut self, _: JarEvent) {}
}

impl Event for JarEvent {}
impl AsRef<str> for JarEvent {
    fn as_ref(&self) -> &str {
        match self {
            Self::Put { .. } => "Put",
            Self::Broken => "Broken",
        }
    }
}
impl Refusal for JarRefusal {
    fn kind(&self) -> Kind {
        match *self {}
    }
}
impl std::error::Error for JarRefusal {}
impl std::fmt::Display for JarRefusal {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {}
    }
}
impl AsRef<str> for JarRefusal {
    fn as_ref(&self) -> &str {
        match *self {}
    }
}
sourced!(Jar, JarEvent);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct JarView {
    workspace_id: WorkspaceId,
    id: String,
    shelf: String,
    sweets: i64,
    version: i64,
}

struct Jars;

impl View for Jars {
    const NAME: &'static str = "jar";
    const LISTENS_TO: &'static [&'static str] = &[Jar::NAME];
    const BY_STREAM: bool = true;
    type Row = JarView;

    fn touches(event: &Recorded) -> Result<Touches, Unreadable> {
        Ok(Touches::stream_of::<Jar>(event))
    }

    fn fold(key: &RowKey, row: Option<JarView>, event: &Recorded) -> Result<Option<JarView>, Unfoldable> {
        Ok(match event.of::<Jar>()? {
            Some(JarEvent::Put { sweets, shelf }) => {
                let before = row.map_or(0, |row| row.sweets);
                Some(JarView {
                    workspace_id: key.workspace,
                    id: key.key.clone(),
                    shelf: shelf.clone(),
                    sweets: before.checked_add(*sweets).ok_or(Unfoldable::OutOfRange)?,
                    version: event.sequence,
                })
            }
            Some(JarEvent::Broken) => None,
            None => row,
        })
    }

    fn totals() -> Vec<Total<JarView>> {
        vec![Total {
            table: "jar_shelf",
            group: &["shelf"],
            amounts: &["sweets"],
            contributes: |row| {
                vec![Contribution { group: vec![row.shelf.clone()], amounts: vec![row.sweets] }]
            },
        }]
    }
}

const TABLES: [&str; 2] = ["jar", "jar_shelf"];

/// A database with the view's tables, and the view running over it.
struct Pantry {
    database: TestDatabase,
    owner: PgPool,
    store: EventStore,
    stop: CancellationToken,
    host: JoinHandle<Result<(), Stopped>>,
}

impl Pantry {
    async fn open() -> Self {
        let database = TestDatabase::create().await;
        let owner =
            PgPoolOptions::new().max_connections(4).connect_with(database.owner.clone()).await.unwrap();
        sqlx::raw_sql(
            "create table read.jar (workspace_id text, id text, shelf text not null, sweets bigint not null,
                                    version bigint not null, primary key (workspace_id, id)) with (fillfactor = 70);
             create index jars_by_shelf on read.jar (workspace_id, shelf) where sweets > 0;
             create table read.jar_shelf (workspace_id text, shelf text, sweets numeric not null, rows bigint not null,
                                          primary key (workspace_id, shelf));
             grant select, insert, update, delete on read.jar, read.jar_shelf to mewayz_run;",
        )
        .execute(&owner)
        .await
        .unwrap();
        let store = EventStore::open(database.pool.clone(), database.run.clone(), 1_000);
        let stop = CancellationToken::new();
        let host = follow(&store, &stop).await;
        Self { database, owner, store, stop, host }
    }

    /// Stops the view and starts it anew, as another instance that has nothing in its memory.
    async fn restart(&mut self) {
        self.stop.cancel();
        (&mut self.host).await.unwrap().unwrap();
        self.stop = CancellationToken::new();
        self.host = follow(&self.store, &self.stop).await;
    }

    fn put(&self, jar: usize, sweets: i64) -> impl Future<Output = ()> + Send + use<> {
        act(self.store.clone(), jar, JarCommand::Put { sweets, shelf: format!("shelf {}", jar % 3) })
    }

    /// Waits until the view has everything.
    async fn drain(&self) {
        let head = self.store.head().await.unwrap();
        let at = checkpoint::reached(self.store.pool(), "jar", head, Duration::from_secs(20)).await.unwrap();
        assert!(at >= head, "the view stopped at {at} of {head}");
    }

    async fn live(&self) -> Vec<TableDigest> {
        let mut connection = self.owner.acquire().await.unwrap();
        digest(&mut connection, Schema::Live, &TABLES).await.unwrap()
    }

    async fn indexes(&self) -> Vec<String> {
        sqlx::query_scalar("select indexdef from pg_indexes where schemaname = 'read' order by indexname")
            .fetch_all(&self.owner)
            .await
            .unwrap()
    }

    async fn rebuild(&self, accept: bool) -> Report {
        let view = Box::new(Runtime::<Jars>::default());
        rebuild(&self.owner, &self.store, view, accept).await.unwrap()
    }

    /// Stops the view; it was not fenced.
    async fn close(self) {
        self.stop.cancel();
        self.host.await.unwrap().unwrap();
    }
}

async fn follow(store: &EventStore, stop: &CancellationToken) -> JoinHandle<Result<(), Stopped>> {
    let host = Host {
        log: Log::follow(store.clone(), stop.clone()).await.unwrap(),
        clock: Arc::new(SystemClock),
        instance: Uuid::now_v7(),
        lease: Duration::from_secs(3),
        stop: stop.clone(),
    };
    tokio::spawn(host.run(vec![Box::new(Runtime::<Jars>::default())], vec![]))
}

async fn act(store: EventStore, jar: usize, command: JarCommand) {
    // Two workspaces, so that a key without its workspace would show.
    let workspace = WorkspaceId::from_uuid(Uuid::from_u128(1 + jar as u128 % 2));
    let cx = Context::internal(store, Arc::new(SystemClock), workspace, Actor::Job("test"));
    cx.execute::<Jar>(format!("jar-{}", jar / 2), command).await.unwrap();
}

/// Reads as the platform does, in one statement, until it is told to stop; answers how often.
async fn read_on(pool: PgPool, stop: CancellationToken) -> usize {
    let (mut reads, mut last) = (0, (0, 0));
    while !stop.is_cancelled() {
        let (position, jars, counted): (i64, i64, i64) = sqlx::query_as(
            "select s.position, (select count(*) from read.jar),
                    (select coalesce(sum(rows), 0)::bigint from read.jar_shelf)
             from subscriptions s where s.name = 'jar'",
        )
        .fetch_one(&pool)
        .await
        .unwrap();
        assert_eq!(jars, counted, "at {position}: rows and totals are of one moment");
        assert!(
            (position, jars) >= last && jars >= last.1,
            "{last:?} was seen before {:?}",
            (position, jars)
        );
        (reads, last) = (reads + 1, (position, jars));
    }
    reads
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_under_writers_and_readers_gives_the_same_bytes() {
    let pantry = Pantry::open().await;
    futures::future::join_all((0..400).map(|jar| pantry.put(jar, 3))).await;
    pantry.drain().await;
    let indexes = pantry.indexes().await;

    let stop = CancellationToken::new();
    let writer = tokio::spawn({
        let (store, stop) = (pantry.store.clone(), stop.clone());
        async move {
            let mut jar = 0;
            while !stop.is_cancelled() {
                let puts = (jar..jar + 8).map(|jar| {
                    let shelf = format!("shelf {}", jar % 7);
                    act(store.clone(), jar, JarCommand::Put { sweets: 1, shelf })
                });
                futures::future::join_all(puts).await;
                jar += 8;
            }
            jar
        }
    });
    let reader = tokio::spawn(read_on(pantry.database.pool.clone(), stop.clone()));
    for _ in 0..3 {
        let report = pantry.rebuild(false).await;
        assert!(report.swapped, "{report:#?}");
        assert_eq!(report.live, report.next);
        assert!(report.events >= 400 && report.position >= 400, "{report:#?}");
        assert!(report.next.iter().all(|table| table.rows > 0), "{report:#?}");
    }
    stop.cancel();
    let (written, read) = (writer.await.unwrap(), reader.await.unwrap());
    assert!(written > 0 && read > 0, "{written} written, {read} read");

    // The same owner goes on, with the new tables; names, indexes and rights are the old ones.
    pantry.put(0, 1).await;
    act(pantry.store.clone(), 1, JarCommand::Break).await;
    pantry.drain().await;
    assert_eq!(pantry.indexes().await, indexes);
    let live = pantry.live().await;
    let report = pantry.rebuild(false).await;
    assert_eq!((report.swapped, &report.next), (true, &live));
    assert_eq!(report.events as i64, pantry.store.head().await.unwrap());
    pantry.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_not_what_the_log_says_is_found_and_left_until_it_is_accepted() {
    let pantry = Pantry::open().await;
    futures::future::join_all((0..10).map(|jar| pantry.put(jar, 3))).await;
    pantry.drain().await;
    let right = pantry.live().await;
    for tampering in [
        "update read.jar set sweets = sweets + 1 where id = 'jar-2'",
        "delete from read.jar where id = 'jar-2'",
        "insert into read.jar select workspace_id, 'jar-9', shelf, sweets, version from read.jar where id = 'jar-2'",
        "update read.jar_shelf set rows = rows + 1 where shelf = 'shelf 1'",
    ] {
        sqlx::query(tampering).execute(&pantry.owner).await.unwrap();
        let wrong = pantry.live().await;
        assert_ne!(wrong, right, "{tampering}");

        let report = pantry.rebuild(false).await;
        assert!(!report.swapped && !report.equal(), "{tampering}");
        assert_eq!((&report.live, &report.next), (&wrong, &right), "{tampering}");
        assert!(!report.differing.is_empty(), "{tampering}");
        assert!(
            report.differing[0].contains("jar-") || report.differing[0].contains("shelf 1"),
            "{report:?}"
        );
        assert_eq!(pantry.live().await, wrong, "{tampering}: what was there is left");

        let report = pantry.rebuild(true).await;
        assert!(report.swapped && !report.equal(), "{tampering}");
        assert_eq!(pantry.live().await, right, "{tampering}");
    }
    pantry.put(4, 1).await;
    pantry.drain().await;
    assert!(pantry.rebuild(false).await.equal());
    pantry.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_swap_the_owner_goes_on_from_the_new_rows_and_not_from_its_memory() {
    let mut pantry = Pantry::open().await;
    pantry.put(0, 3).await;
    pantry.drain().await;
    sqlx::query("update read.jar set sweets = 100").execute(&pantry.owner).await.unwrap();
    pantry.restart().await;
    pantry.put(0, 1).await;
    pantry.drain().await;
    assert!(!pantry.rebuild(false).await.equal(), "it has read and kept the wrong row");

    assert!(pantry.rebuild(true).await.swapped);
    pantry.put(0, 1).await;
    pantry.drain().await;
    let sweets: i64 =
        sqlx::query_scalar("select sweets from read.jar").fetch_one(&pantry.owner).await.unwrap();
    assert_eq!(sweets, 5);
    assert!(pantry.rebuild(false).await.equal());
    pantry.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_folded_waits_as_it_does_live() {
    let pantry = Pantry::open().await;
    for (jar, sweets) in [(0, i64::MAX), (1, 5), (0, 1), (1, 5), (0, -7), (2, 1)] {
        pantry.put(jar, sweets).await;
    }
    pantry.drain().await;
    let waits = || async { parked::list(pantry.store.pool()).await.unwrap() };
    let before = waits().await;
    assert_eq!(before.iter().map(|event| event.position).collect::<Vec<_>>(), [3, 5]);

    let report = pantry.rebuild(false).await;
    assert!(report.equal() && report.swapped, "{report:#?}");
    let told: Vec<i64> = report.parked.iter().map(|(position, _)| *position).collect();
    assert_eq!(told, [3, 5]);
    let after = waits().await;
    for (old, new) in before.iter().zip(&after) {
        assert_eq!((old.position, &old.keys, &old.reason), (new.position, &new.keys, &new.reason));
    }
    assert_eq!(after.len(), 2);
    pantry.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_view_is_rebuilt_by_one_at_a_time() {
    let pantry = Pantry::open().await;
    pantry.put(0, 1).await;
    let mut other = pantry.owner.acquire().await.unwrap();
    sqlx::query("select pg_advisory_lock(hashtextextended('rebuild of jar', 0))")
        .execute(&mut *other)
        .await
        .unwrap();
    let view = Box::new(Runtime::<Jars>::default());
    let refused = rebuild(&pantry.owner, &pantry.store, view, false).await.unwrap_err();
    assert!(refused.to_string().contains("being rebuilt already"), "{refused}");
    pantry.close().await;
}
