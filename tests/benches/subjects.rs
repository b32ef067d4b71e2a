//! The subjects of appending: this store, one INSERT per transaction, and cqrs-es with postgres-es.

use std::collections::HashMap;

use anyhow::{Result, bail, ensure};
use chrono::{DateTime, Utc};
use commands::EventStore;
use commands::clock::{Clock, SystemClock};
use commands::store::Outcome;
use commands::store::appender::{Append, Appended, Entry, NewEvent};
use cqrs_es::CqrsFramework;
use cqrs_es::persist::PersistedEventStore;
use domain::kernel::{Decider, Metadata};
use postgres_es::PostgresEventRepository;
use sqlx::{ConnectOptions, PgConnection};
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::counter::{self, Counter};
use crate::database::{Database, workspace};
use crate::drive::Subject;

/// What time it is.
pub fn now() -> DateTime<Utc> {
    SystemClock.now()
}

/// Metadata as a request over HTTP makes it, about 250 bytes.
pub fn metadata(command_id: Uuid) -> String {
    let metadata = Metadata {
        actor: "key_01h455vb4pex5vsknk084sn02q".into(),
        command: "counter.add".into(),
        command_id,
        correlation: command_id,
        causation: None,
        key_hash: Some("5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8".into()),
        client: None,
        trace: None,
    };
    serde_json::to_string(&metadata).expect("metadata is JSON")
}

/// This store: [`EventStore::append`].
pub struct Ours {
    pub store: EventStore,
    payload: String,
}

impl Ours {
    pub fn new(store: EventStore) -> Self {
        Self { store, payload: counter::payload() }
    }

    pub async fn append(&self, n: u64) -> Result<Outcome> {
        let (command_id, id) = (Uuid::new_v4(), Uuid::now_v7().to_string());
        let workspace = workspace(u128::from(n));
        let now = now();
        let append = Append {
            command_id,
            request_hash: vec![7; 32],
            subject: id.clone(),
            version: 1,
            refusal: None,
            workspace: workspace.uuid(),
            entries: vec![Entry {
                aggregate_type: Counter::NAME,
                aggregate_id: format!("{workspace}/{id}"),
                expected: 0,
                events: vec![NewEvent {
                    event_id: Uuid::now_v7(),
                    event_type: "Added".into(),
                    event_version: "1".into(),
                    payload: self.payload.clone(),
                    metadata: metadata(command_id),
                    effective_at: now,
                }],
            }],
        };
        match self.store.append(append, now).await? {
            Appended::Done(Ok(outcome)) => Ok(outcome),
            other => bail!("the append came to {other:?}"),
        }
    }
}

impl Subject for Ours {
    async fn act(&self, _: usize, _: usize, n: u64) -> Result<()> {
        self.append(n).await.map(drop)
    }
}

/// Connections that workers share evenly: cheaper than a pool.
pub struct Connections(Vec<Mutex<PgConnection>>);

impl Connections {
    pub async fn open(database: &Database, count: usize) -> Result<Self> {
        let mut connections = Vec::with_capacity(count);
        for _ in 0..count {
            connections.push(Mutex::new(database.options("mewayz_owner").connect().await?));
        }
        Ok(Self(connections))
    }

    pub async fn of(&self, worker: usize) -> tokio::sync::MutexGuard<'_, PgConnection> {
        self.0[worker % self.0.len()].lock().await
    }
}

/// One INSERT per transaction.
pub struct Raw {
    connections: Connections,
    payload: String,
}

impl Raw {
    pub async fn open(database: &Database, connections: usize) -> Result<Self> {
        Ok(Self { connections: Connections::open(database, connections).await?, payload: counter::payload() })
    }
}

/// A row of the raw table.
pub async fn insert(
    connection: &mut PgConnection,
    workspace: domain::ids::WorkspaceId,
    id: &str,
    sequence: i64,
    payload: &str,
    now: DateTime<Utc>,
) -> Result<()> {
    let inserted = sqlx::query(
        "insert into events (workspace_id, workspace_position, aggregate_type, aggregate_id, sequence, event_id,
                             event_type, event_version, payload, metadata, recorded_at, effective_at)
         values ($1, 1, $2, $3, $4, $5, $6, $7, $8::text::json, $9::text::json, $10, $11)",
    )
    .bind(workspace.uuid())
    .bind(Counter::NAME)
    .bind(id)
    .bind(sequence)
    .bind(Uuid::now_v7())
    .bind("Added")
    .bind("1")
    .bind(payload)
    .bind(metadata(Uuid::new_v4()))
    .bind(now)
    .bind(now)
    .execute(connection)
    .await?;
    ensure!(inserted.rows_affected() == 1);
    Ok(())
}

impl Subject for Raw {
    async fn act(&self, worker: usize, _: usize, n: u64) -> Result<()> {
        let workspace = workspace(u128::from(n));
        let id = format!("{workspace}/{}", Uuid::now_v7());
        let mut connection = self.connections.of(worker).await;
        insert(&mut connection, workspace, &id, 1, &self.payload, now()).await
    }
}

/// cqrs-es and postgres-es, as their documentation says.
pub struct PostgresEs {
    cqrs: CqrsFramework<Counter, PersistedEventStore<PostgresEventRepository, Counter>>,
}

impl PostgresEs {
    pub async fn open(database: &Database, connections: usize) -> Result<Self> {
        let pool = database.pool("mewayz_owner", u32::try_from(connections)?).await?;
        let store = PersistedEventStore::new_event_store(PostgresEventRepository::new(pool));
        Ok(Self { cqrs: CqrsFramework::new(store, vec![], ()) })
    }

    pub async fn execute(&self, id: &str) -> Result<()> {
        let command_id = Uuid::new_v4();
        let metadata: HashMap<String, String> = [
            ("actor", "key_01h455vb4pex5vsknk084sn02q".to_owned()),
            ("command", "counter.add".to_owned()),
            ("command_id", command_id.to_string()),
            ("correlation", command_id.to_string()),
            ("key_hash", "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8".to_owned()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
        self.cqrs
            .execute_with_metadata(id, counter::add(), metadata)
            .await
            .map_err(|error| anyhow::anyhow!("{error}"))
    }
}

impl Subject for PostgresEs {
    async fn act(&self, _: usize, _: usize, n: u64) -> Result<()> {
        self.execute(&format!("{}/{}", workspace(u128::from(n)), Uuid::now_v7())).await
    }
}
