//! Databases: one for each test, copied from a template that is migrated once.
//!
//! Tests work as the run-time role, with its rights and no others. What they leave is dropped by the next run: to
//! drop a database costs a checkpoint, many times the time of its making. A run is what started the tests, each of
//! which is a process of its own.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::process::parent_id;
use std::path::Path;
use std::time::Duration;

use api::platform::health::MIGRATIONS;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgConnection, PgPool};
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::postgres::Server;

/// Who owns the tables, and who works with them (made once per cluster, by the start script).
const OWNER: &str = "mewayz_owner";
const RUN: &str = "mewayz_run";
const VAULT: &str = "mewayz_vault";
/// The lock under which the template is made; any number will do that nobody else takes.
const TEMPLATE_LOCK: i64 = 0x6d65_7761_797a;

static TEMPLATE: OnceCell<String> = OnceCell::const_new();

/// A test's own database.
#[derive(Debug)]
pub struct TestDatabase {
    pub name: String,
    /// As the owner of the tables.
    pub owner: PgConnectOptions,
    /// As the platform works.
    pub run: PgConnectOptions,
    /// As the vault works.
    pub vault: PgConnectOptions,
    pub pool: PgPool,
}

impl TestDatabase {
    /// A new database with all migrations.
    ///
    /// # Panics
    /// If there is no PostgreSQL to make it on.
    pub async fn create() -> Self {
        let template = TEMPLATE.get_or_init(async || {
            let name = template(&administrator()).await;
            // Beside the tests, on a thread that ends with them at the latest: what is left then is the next run's.
            std::thread::spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                runtime.block_on(drop_leftovers()).map_err(std::io::Error::other)
            });
            name
        });
        Self::copy(&administrator(), template.await).await
    }

    /// A new database on a server of the test's own.
    ///
    /// # Panics
    /// If it does not answer.
    pub async fn on(server: &Server) -> Self {
        let administrator = server.administrator();
        Self::copy(&administrator, &template(&administrator).await).await
    }

    async fn copy(administrator: &PgConnectOptions, template: &str) -> Self {
        let name = format!("test_{}_{}", parent_id(), Uuid::new_v4().simple());
        let mut admin = administrator.connect().await.expect("PostgreSQL answers");
        execute(&mut admin, &format!("create database {name} template {template} owner {OWNER}")).await;
        admin.close().await.expect("the connection closes");
        let as_role = |role| administrator.clone().username(role).database(&name);
        let (owner, run, vault) = (as_role(OWNER), as_role(RUN), as_role(VAULT));
        let pool = PgPoolOptions::new().max_connections(24).connect_lazy_with(run.clone());
        Self { name, owner, run, vault, pool }
    }

    /// Its address for a process of its own, as the run-time role.
    #[must_use]
    pub fn run_url(&self) -> String {
        self.run.to_url_lossy().to_string()
    }

    /// Its address for the owner of the tables.
    #[must_use]
    pub fn owner_url(&self) -> String {
        self.owner.to_url_lossy().to_string()
    }
}

/// The template of these very migrations, made if this is the first test to want it.
async fn template(administrator: &PgConnectOptions) -> String {
    let mut hash = DefaultHasher::new();
    MIGRATIONS.iter().for_each(|migration| (migration.version, &migration.checksum).hash(&mut hash));
    let name = format!("mewayz_template_{:016x}", hash.finish());
    let mut admin = administrator.connect().await.expect("PostgreSQL answers");
    // Of several test processes one makes it; one that is killed meanwhile leaves only a half-made name.
    sqlx::query("select pg_advisory_lock($1)")
        .bind(TEMPLATE_LOCK)
        .execute(&mut admin)
        .await
        .expect("the lock is given");
    let made = sqlx::query_scalar::<_, bool>("select exists (select from pg_database where datname = $1)")
        .bind(&name)
        .fetch_one(&mut admin)
        .await
        .expect("the catalogue answers");
    if !made {
        // A server that was set up before there was a vault lacks its role.
        let role = format!(
            "do $$ begin if not exists (select from pg_roles where rolname = '{VAULT}') then create role {VAULT} login; end if; end $$"
        );
        execute(&mut admin, &role).await;
        let half = format!("{name}_half");
        execute(&mut admin, &format!("drop database if exists {half} with (force)")).await;
        execute(&mut admin, &format!("create database {half} owner {OWNER}")).await;
        let owner = administrator.clone().username(OWNER).database(&half);
        let mut owner = owner.connect().await.expect("the owner may connect");
        MIGRATIONS.run(&mut owner).await.expect("the migrations run");
        execute(&mut owner, &format!("grant select on _sqlx_migrations to {RUN}")).await;
        owner.close().await.expect("the connection closes");
        // A session ends a moment after its connection does, and holds the name until then.
        let sessions = "select count(*) from pg_stat_activity where datname = $1";
        while sqlx::query_scalar::<_, i64>(sessions)
            .bind(&half)
            .fetch_one(&mut admin)
            .await
            .is_ok_and(|n| n > 0)
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        execute(&mut admin, &format!("alter database {half} rename to {name}")).await;
    }
    admin.close().await.expect("the connection closes");
    name
}

/// Drops the databases of runs that are no more.
async fn drop_leftovers() -> sqlx::Result<()> {
    let mut admin = administrator().connect().await?;
    let names: Vec<String> =
        sqlx::query_scalar("select datname::text from pg_database where datname like 'test\\_%'")
            .fetch_all(&mut admin)
            .await?;
    let run = |name: &str| name.split('_').nth(1)?.parse::<u32>().ok();
    for name in names {
        if run(&name).is_some_and(|run| !Path::new(&format!("/proc/{run}")).exists()) {
            // Another test may be at it too.
            sqlx::raw_sql(&format!("drop database if exists {name} with (force)"))
                .execute(&mut admin)
                .await?;
        }
    }
    admin.close().await
}

async fn execute(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(sql).execute(connection).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
}

/// Who may do everything, in a database of no test.
///
/// # Panics
/// If there is no PostgreSQL to test on.
#[must_use]
pub fn administrator() -> PgConnectOptions {
    let url = std::env::var("TEST_DATABASE_URL")
        .expect("TEST_DATABASE_URL names no PostgreSQL to test on: run the tests with `make test`");
    url.parse::<PgConnectOptions>()
        .expect("TEST_DATABASE_URL is an address of PostgreSQL")
        .disable_statement_logging()
}
