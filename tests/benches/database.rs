//! Databases: one for each peer and purpose, made here and dropped at the end.

use std::net::SocketAddr;
use std::str::FromStr;

use anyhow::{Context as _, Result};
use commands::EventStore;
use domain::ids::WorkspaceId;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use sqlx::{ConnectOptions, Connection, PgConnection, PgPool};
use uuid::Uuid;

use crate::counter::{self, Counter};
use domain::kernel::Decider;

/// Workspaces that the streams are spread over.
pub const WORKSPACES: u128 = 8;

/// The n-th workspace.
pub fn workspace(n: u128) -> WorkspaceId {
    WorkspaceId::from_uuid(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + n % WORKSPACES))
}

/// The PostgreSQL that everything is measured on.
pub struct Server {
    superuser: PgConnectOptions,
    run: String,
}

/// Whose tables a database has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    Mewayz,
    Raw,
    PostgresEs,
}

impl Peer {
    pub const ALL: [Self; 3] = [Self::Mewayz, Self::Raw, Self::PostgresEs];

    pub fn name(self) -> &'static str {
        match self {
            Self::Mewayz => "mewayz",
            Self::Raw => "raw",
            Self::PostgresEs => "postgres-es",
        }
    }
}

/// A database, dropped by [`Server::clean`].
#[derive(Debug, Clone)]
pub struct Database {
    pub name: String,
    /// As a superuser.
    options: PgConnectOptions,
}

impl Server {
    pub async fn from_environment() -> Result<Self> {
        let url =
            std::env::var("TEST_DATABASE_URL").context("TEST_DATABASE_URL is not set (a superuser's)")?;
        let superuser = PgConnectOptions::from_str(&url)?.disable_statement_logging();
        let server = Self { superuser, run: format!("bench_{}_", std::process::id()) };
        for role in ["mewayz_owner", "mewayz_run"] {
            let sql = format!(
                "do $$ begin create role {role} login; exception when duplicate_object then null; end $$"
            );
            server.execute(&sql).await?;
        }
        Ok(server)
    }

    async fn execute(&self, sql: &str) -> Result<()> {
        let mut connection = self.superuser.connect().await?;
        sqlx::raw_sql(sql).execute(&mut connection).await?;
        Ok(connection.close().await?)
    }

    /// What it is, for the head of the report.
    pub async fn about(&self) -> Result<String> {
        let mut connection = self.superuser.connect().await?;
        Ok(sqlx::query_scalar(
            "select format('PostgreSQL %s, shared_buffers %s, fsync %s, synchronous_commit %s',
                           current_setting('server_version'), current_setting('shared_buffers'),
                           current_setting('fsync'), current_setting('synchronous_commit'))",
        )
        .fetch_one(&mut connection)
        .await?)
    }

    /// A database with a peer's empty tables.
    pub async fn create(&self, peer: Peer, purpose: &str) -> Result<Database> {
        let database = self.database(peer, purpose);
        self.execute(&format!("create database {} owner mewayz_owner", database.name)).await?;
        let owner = database.pool("mewayz_owner", 1).await?;
        match peer {
            Peer::Mewayz => {
                sqlx::migrate!("../migrations").run(&owner).await?;
                counter::create_tables(&owner).await?;
            }
            Peer::Raw => _ = sqlx::raw_sql(RAW).execute(&owner).await?,
            Peer::PostgresEs => _ = sqlx::raw_sql(POSTGRES_ES).execute(&owner).await?,
        }
        owner.close().await;
        Ok(database)
    }

    /// A database without tables.
    pub async fn create_empty(&self, purpose: &str) -> Result<Database> {
        let database = self.database(Peer::Mewayz, purpose);
        self.execute(&format!("create database {} owner mewayz_owner", database.name)).await?;
        Ok(database)
    }

    /// A copy of a database that nobody is connected to, with everything on disk.
    pub async fn copy(&self, peer: Peer, purpose: &str, of: &Database) -> Result<Database> {
        let database = self.database(peer, purpose);
        self.drop(&database).await?;
        // This strategy makes a checkpoint before and after, and writes no WAL for what it copies.
        self.execute(&format!(
            "create database {} template {} owner mewayz_owner strategy file_copy",
            database.name, of.name
        ))
        .await?;
        Ok(database)
    }

    pub fn database(&self, peer: Peer, purpose: &str) -> Database {
        let name = format!("{}{}_{purpose}", self.run, peer.name().replace('-', "_"));
        Database { options: self.superuser.clone().database(&name), name }
    }

    pub async fn drop(&self, database: &Database) -> Result<()> {
        self.execute(&format!("drop database if exists {} with (force)", database.name)).await
    }

    /// Everything on disk, so that a run does not pay for what was before it.
    pub async fn settle(&self) -> Result<()> {
        self.execute("checkpoint").await
    }

    /// Where it listens.
    pub fn address(&self) -> (String, u16) {
        (self.superuser.get_host().to_owned(), self.superuser.get_port())
    }

    pub async fn connect(&self) -> Result<PgConnection> {
        Ok(self.superuser.connect().await?)
    }
}

impl Database {
    /// The same, by way of another address.
    pub fn through(&self, address: SocketAddr) -> Self {
        let options = self.options.clone().host(&address.ip().to_string()).port(address.port());
        Self { name: self.name.clone(), options: options.ssl_mode(PgSslMode::Disable) }
    }

    /// How a role connects: as the superuser that becomes it, so that no password is needed.
    pub fn options(&self, role: &str) -> PgConnectOptions {
        self.options.clone().options([("role", role)])
    }

    /// How a process of its own connects as a role.
    pub fn url(&self, role: &str) -> String {
        let mut url = self.options.to_url_lossy();
        url.query_pairs_mut().append_pair("options[role]", role);
        url.to_string()
    }

    pub async fn pool(&self, role: &str, connections: u32) -> Result<PgPool> {
        let pool = PgPoolOptions::new()
            .min_connections(connections)
            .max_connections(connections)
            // A round trip that a peer at its best would not pay.
            .test_before_acquire(false)
            .acquire_timeout(std::time::Duration::from_secs(60))
            .connect_with(self.options(role))
            .await?;
        Ok(pool)
    }

    /// Executes SQL as the owner of the tables.
    pub async fn execute(&self, sql: &str) -> Result<()> {
        let mut owner = self.options("mewayz_owner").connect().await?;
        sqlx::raw_sql(sql).execute(&mut owner).await?;
        Ok(owner.close().await?)
    }

    pub async fn store(&self) -> Result<EventStore> {
        let pool = self.pool("mewayz_run", 4).await?;
        Ok(EventStore::open(pool, self.options("mewayz_run"), commands::store::CACHED_AGGREGATES))
    }

    /// Fills the log: streams of `length` events, `counter-<n>` in the n-th workspace.
    pub async fn fill(&self, peer: Peer, events: i64, length: i64) -> Result<()> {
        let owner = self.pool("mewayz_owner", 1).await?;
        let list = |text: fn(WorkspaceId) -> String| -> String {
            (0..WORKSPACES).map(|n| text(workspace(n))).collect::<Vec<_>>().join(",")
        };
        let sql = filling(peer)
            .replace("{events}", &events.to_string())
            .replace("{length}", &length.to_string())
            .replace("{workspaces}", &list(|workspace| workspace.uuid().to_string()))
            .replace("{names}", &list(|workspace| workspace.to_string()))
            .replace("{payload}", &counter::payload())
            .replace("{metadata}", &crate::subjects::metadata(Uuid::nil()))
            .replace("{type}", Counter::NAME);
        sqlx::raw_sql(&sql).execute(&owner).await?;
        sqlx::raw_sql("vacuum analyze").execute(&owner).await?;
        owner.close().await;
        Ok(())
    }
}

/// The same columns as ours, and one index.
const RAW: &str = "
create table events (
    position bigserial primary key, workspace_id uuid not null, workspace_position bigint not null,
    aggregate_type text not null collate \"C\", aggregate_id text not null collate \"C\", sequence bigint not null,
    event_id uuid not null, event_type text not null, event_version text not null, payload json not null,
    metadata json not null, recorded_at timestamptz not null, effective_at timestamptz not null);";

/// What the documentation of postgres-es says.
const POSTGRES_ES: &str = "
create table events (
    aggregate_type text not null, aggregate_id text not null, sequence bigint check (sequence >= 0) not null,
    event_type text not null, event_version text not null, payload json not null, metadata json not null,
    primary key (aggregate_type, aggregate_id, sequence));
create table counter_view (
    view_id text not null, version bigint check (version >= 0) not null, payload json not null,
    primary key (view_id));";

/// Statements that fill a peer's tables, with places for what is in braces.
fn filling(peer: Peer) -> String {
    const EVENTS: &str = "
        insert into events
        select g, ('{{workspaces}}'::uuid[])[w], row_number() over (partition by w order by g), '{type}',
               ('{{names}}'::text[])[w] || '/counter-' || stream, sequence, gen_random_uuid(), 'Added', '1',
               $${payload}$$::json, $${metadata}$$::json, '2026-01-01', '2026-01-01'
        from (select g, (g - 1) / {length} as stream, (g - 1) % {length} + 1 as sequence,
                     (g - 1) / {length} % cardinality('{{workspaces}}'::uuid[]) + 1 as w
              from generate_series(1, {events}::bigint) g) made
        order by g;";
    const HEADS: &str = "
        insert into commands
            select gen_random_uuid(), '\\x00', split_part(aggregate_id, '/', 2), sequence, position, null
            from events order by position;
        update head set position = {events}, recorded_at = '2026-01-01';";
    const POSTGRES_ES: &str = "
        insert into events
        select '{type}', ('{{names}}'::text[])[(g - 1) / {length} % cardinality('{{names}}'::text[]) + 1]
                         || '/counter-' || (g - 1) / {length},
               (g - 1) % {length} + 1, 'Added', '1', $${payload}$$::json, $${metadata}$$::json
        from generate_series(1, {events}::bigint) g;";
    match peer {
        Peer::Mewayz => format!("{EVENTS}{HEADS}"),
        Peer::Raw => format!("{EVENTS} select setval('events_position_seq', {{events}})"),
        Peer::PostgresEs => POSTGRES_ES.to_owned(),
    }
}
