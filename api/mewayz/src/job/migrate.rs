//! `mewayz migrate`: makes or updates the tables.

use anyhow::{Context as _, bail};
use api::platform::health::MIGRATIONS;
use infra::config::{Config, Secret};
use sqlx::PgPool;

use super::base::{PATIENCE, connect};
use super::say;

/// The roles that the platform and its vault work as; migrations grant to them.
const ROLES: [&str; 2] = ["mewayz_run", "mewayz_vault"];

/// Runs all migrations that have not run.
///
/// # Errors
/// If the database cannot be reached, or a migration fails: then it is as it was before that one.
pub async fn run(config: &Config) -> anyhow::Result<()> {
    let done = migrate(config).await?;
    match done {
        0 => say("The tables are up to date.")?,
        done => say(format_args!("The tables are up to date: {done} migrations have run."))?,
    }
    Ok(())
}

/// The same, quietly; answers how many have run.
///
/// # Errors
/// As [`run`].
pub async fn migrate(config: &Config) -> anyhow::Result<usize> {
    let mut done = migrate_one(config.database.owner_url()).await?;
    // A vault of its own has the same tables; all but its own stay empty.
    if let Some(url) = config.vault.migrate_url.as_ref().or(config.vault.url.as_ref()) {
        done += migrate_one(url).await?;
    }
    Ok(done)
}

async fn migrate_one(url: &Secret) -> anyhow::Result<usize> {
    let (pool, _) = connect(url, 2, PATIENCE).await?;
    for role in ROLES {
        must_have_role(&pool, role).await?;
    }
    let before = applied(&pool).await;
    MIGRATIONS.run(&pool).await.context("a migration failed")?;
    // So that the platform can tell, without the rights of the owner, whether it may start.
    sqlx::raw_sql("grant select on _sqlx_migrations to mewayz_run").execute(&pool).await?;
    let done = applied(&pool).await - before;
    pool.close().await;
    Ok(done)
}

async fn applied(pool: &PgPool) -> usize {
    let count = sqlx::query_scalar::<_, i64>("select count(*) from _sqlx_migrations where success");
    // There is no such table before the first migration.
    count.fetch_one(pool).await.ok().and_then(|count| usize::try_from(count).ok()).unwrap_or(0)
}

/// Roles belong to the server, not to a database: they are made where that is allowed, else asked for.
async fn must_have_role(pool: &PgPool, role: &str) -> anyhow::Result<()> {
    let exists = async || {
        sqlx::query_scalar!(r#"select exists (select from pg_roles where rolname = $1) as "exists!""#, role)
            .fetch_one(pool)
            .await
    };
    if exists().await? {
        return Ok(());
    }
    let made = sqlx::raw_sql(&format!("create role {role} login")).execute(pool).await;
    if let Err(error) = made
        && !exists().await?
    {
        bail!("the role {role} is missing; let an administrator run `create role {role} login` ({error})");
    }
    Ok(())
}
