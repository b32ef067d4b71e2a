//! Base: what every job and role stands on: the options, the database, the store.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use api::platform::health::MIGRATIONS;
use commands::clock::{Clock, SystemClock};
use commands::{Actor, Context, EventStore};
use domain::ids::WorkspaceId;
use infra::adapter::vault::PgVault;
use infra::config::{Config, Secret};
use infra::relay::RelayConfig;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

/// How long the database has to answer at the start.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// How long a transaction may stand still, in milliseconds. Nothing of ours does; a process that is stopped in the
/// middle of one holds its subscription's row until the server ends the connection, and nobody could take over.
const STANDSTILL: &str = "10000";
/// Connections of a job that serves nobody, and to the vault, whose keys are kept in memory.
const FEW: u32 = 4;
/// How long the vault has to answer: a request waits for it.
const SOON: Duration = Duration::from_secs(3);
/// The role that the vault works as.
const VAULT: &str = "mewayz_vault";

/// The options, and the database they name. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Base {
    pub config: Arc<Config>,
    pub pool: PgPool,
    pub store: EventStore,
    pub clock: Arc<dyn Clock>,
}

impl Base {
    /// For a role: with all its connections.
    ///
    /// # Errors
    /// If the database cannot be reached, is not migrated, or may lose what it has confirmed.
    pub async fn of_role(config: Config) -> anyhow::Result<Self> {
        let (connections, patience) = (config.database.connections, config.database.acquire_timeout);
        let base = Self::open(config, connections, patience).await?;
        if base.config.database.durable {
            must_be_durable(&base.pool).await?;
        }
        Ok(base)
    }

    /// For a job that comes and goes.
    ///
    /// # Errors
    /// If the database cannot be reached or is not migrated.
    pub async fn of_job(config: Config) -> anyhow::Result<Self> {
        Self::open(config, FEW, PATIENCE).await
    }

    async fn open(config: Config, connections: u32, patience: Duration) -> anyhow::Result<Self> {
        let (pool, options) = connect(&config.database.url, connections, patience).await?;
        must_be_migrated(&pool).await?;
        let store = EventStore::open(pool.clone(), options, config.database.cached_aggregates.into());
        Ok(Self { config: Arc::new(config), pool, store, clock: Arc::new(SystemClock) })
    }

    /// The keys of personal data. The platform starts without it, and works but for that data.
    ///
    /// # Errors
    /// If its address is none.
    pub fn vault(&self) -> anyhow::Result<Arc<PgVault>> {
        let cached = self.config.vault.cached_keys.into();
        Ok(PgVault::new(vault_pool(&self.config)?, &self.config.vault_key_file(), cached))
    }

    /// What a job does in a workspace.
    #[must_use]
    pub fn context(&self, workspace: WorkspaceId, job: &'static str) -> Context {
        Context::internal(self.store.clone(), self.clock.clone(), workspace, Actor::Job(job))
    }

    /// Where and how to relay, if there is a Kafka.
    #[must_use]
    pub fn relay(&self) -> Option<RelayConfig> {
        let kafka = &self.config.kafka;
        kafka.brokers.clone().map(|brokers| RelayConfig {
            brokers,
            prefix: kafka.prefix.clone(),
            partitions: kafka.partitions.try_into().unwrap_or(i32::MAX),
            retention: Duration::from_secs(u64::from(kafka.retention_days) * 24 * 60 * 60),
            ..RelayConfig::default()
        })
    }
}

/// Where the vault is, not yet connected.
///
/// # Errors
/// If its address is none.
pub fn vault_pool(config: &Config) -> anyhow::Result<PgPool> {
    let options = match &config.vault.url {
        Some(url) => url.reveal().parse::<PgConnectOptions>()?,
        None => config.database.url.reveal().parse::<PgConnectOptions>()?.username(VAULT),
    };
    let options = options
        .application_name("mewayz vault")
        .options([("idle_in_transaction_session_timeout", STANDSTILL)]);
    Ok(PgPoolOptions::new().max_connections(FEW).acquire_timeout(SOON).connect_lazy_with(options))
}

/// Connects, or says where to and what to do. A free connection is waited for as long as `patience` says.
///
/// # Errors
/// If the database cannot be reached.
pub async fn connect(
    url: &Secret,
    connections: u32,
    patience: Duration,
) -> anyhow::Result<(PgPool, PgConnectOptions)> {
    let options: PgConnectOptions = url.reveal().parse().context("the database's URL cannot be used")?;
    let options =
        options.application_name("mewayz").options([("idle_in_transaction_session_timeout", STANDSTILL)]);
    let pool = PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(patience)
        .connect_lazy_with(options.clone());
    let answers = tokio::time::timeout(PATIENCE, async {
        loop {
            match pool.acquire().await {
                Err(sqlx::Error::PoolTimedOut) => {}
                acquired => return acquired.map(drop),
            }
        }
    });
    answers.await.unwrap_or(Err(sqlx::Error::PoolTimedOut)).with_context(|| {
        format!(
            "the database {} at {}:{} cannot be reached as {}; start it, or check DATABASE_URL",
            options.get_database().unwrap_or("(default)"),
            options.get_host(),
            options.get_port(),
            options.get_username(),
        )
    })?;
    Ok((pool, options))
}

/// Refuses a database that lacks tables this build knows.
async fn must_be_migrated(pool: &PgPool) -> anyhow::Result<()> {
    // The table is the migrator's own and in no migration, so this cannot be checked at compile time.
    let run = sqlx::query_scalar::<_, i64>("select version from _sqlx_migrations where success")
        .fetch_all(pool)
        .await;
    let run = match run {
        Ok(run) => run,
        Err(sqlx::Error::Database(_)) => bail!("the database has no tables yet; run `mewayz migrate`"),
        Err(error) => return Err(error).context("the database does not answer"),
    };
    let missing = MIGRATIONS.iter().filter(|known| !run.contains(&known.version)).count();
    if missing > 0 {
        bail!("{missing} migrations of this build have not run on the database; run `mewayz migrate`");
    }
    Ok(())
}

/// Refuses a server that forgets what it has confirmed when the power goes.
async fn must_be_durable(pool: &PgPool) -> anyhow::Result<()> {
    let off = sqlx::query_scalar!(
        r#"select name as "name!" from unnest(array['fsync', 'full_page_writes', 'synchronous_commit']) as name
           where current_setting(name) = 'off'"#
    )
    .fetch_all(pool)
    .await?;
    if !off.is_empty() {
        bail!(
            "the database server may lose what it has confirmed: {} off; switch on what is off, or, to try things \
             out, set MEWAYZ_DATABASE__DURABLE=false",
            off.join(" and ") + if off.len() == 1 { " is" } else { " are" },
        );
    }
    Ok(())
}
