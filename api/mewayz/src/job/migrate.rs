//! `mewayz migrate`: makes or updates the tables.

use anyhow::{Context as _, bail};
use api::platform::health::MIGRATIONS;
use infra::config::Config;
use sqlx::PgPool;

use super::base::{PATIENCE, connect};
use super::say;

/// The role that the platform runs as; migrations grant to it.
const RUN: &str = "mewayz_run";

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
    let (pool, _) = connect(config.database.owner_url(), 2, PATIENCE).await?;
    must_have_role(&pool).await?;
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
async fn must_have_role(pool: &PgPool) -> anyhow::Result<()> {
    let exists = async || {
        sqlx::query_scalar!(r#"select exists (select from pg_roles where rolname = $1) as "exists!""#, RUN)
            .fetch_one(pool)
            .await
    };
    if exists().await? {
        return Ok(());
    }
    let made = sqlx::raw_sql("create role mewayz_run login").execute(pool).await;
    if let Err(error) = made
        && !exists().await?
    {
        bail!("the role {RUN} is missing; let an administrator run `create role {RUN} login` ({error})");
    }
    Ok(())
}
