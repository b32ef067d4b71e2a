//! Replay: a rebuild of a read model, against COPY of the same rows and against postgres-es.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, ensure};
use cqrs_es::persist::{GenericQuery, QueryReplay};
use futures::TryStreamExt;
use infra::subscription::rebuild::rebuild;
use postgres_es::{PostgresEventRepository, PostgresViewRepository};
use projections::{Runtime, View as _};
use sqlx::{ConnectOptions, Connection};

use crate::Settings;
use crate::counter::{Counter, Row, View};
use crate::database::{Database, Peer, Server};
use crate::figures::Report;

/// Events of a stream, and so of a row.
const LENGTH: i64 = 20;
/// postgres-es gets fewer: its speed does not depend on how many.
const FEWER: i64 = 40;

pub async fn measure(server: &Server, settings: Settings, report: &mut Report) -> Result<()> {
    let section = "replay";
    let ours = server.create(Peer::Mewayz, "replay").await?;
    ours.fill(Peer::Mewayz, settings.replayed, LENGTH).await?;
    ours.execute(&format!(
        "insert into subscriptions (name, position) values ('{}', {})",
        View::NAME,
        settings.replayed
    ))
    .await?;
    let theirs = server.create(Peer::PostgresEs, "replay").await?;
    theirs.fill(Peer::PostgresEs, settings.replayed / FEWER, LENGTH).await?;

    let mut runs: [Vec<f64>; 3] = Default::default();
    for _ in 0..settings.runs {
        server.settle().await?;
        runs[0].push(rebuilt(&ours, settings.replayed).await?);
        runs[1].push(copied(&ours, settings.replayed).await?);
        runs[2].push(replayed(&theirs, settings.replayed / FEWER).await?);
    }
    let mut medians = [0.0; 3];
    for (n, (subject, runs)) in ["mewayz rebuild", "COPY", "postgres-es"].into_iter().zip(runs).enumerate() {
        medians[n] = report.add(section, "events", subject, "/s", runs);
    }
    report.target("rebuild, against COPY", medians[0] / medians[1], 0.5);
    report.target("rebuild, against postgres-es", medians[0] / medians[2], 10.0);
    report.print(section);
    server.drop(&ours).await?;
    server.drop(&theirs).await
}

fn per_second(events: i64, since: Instant) -> f64 {
    events as f64 / since.elapsed().as_secs_f64()
}

/// The whole of `mewayz rebuild`: shadow table, fold, comparison, swap.
async fn rebuilt(on: &Database, events: i64) -> Result<f64> {
    let (owner, store) = (on.pool("mewayz_owner", 2).await?, on.store().await?);
    let start = Instant::now();
    let report = rebuild(&owner, &store, Box::new(Runtime::<View>::default()), true).await?;
    let speed = per_second(events, start);
    ensure!(i64::try_from(report.events)? == events, "{report:?}");
    owner.close().await;
    store.pool().close().await;
    Ok(speed)
}

/// What PostgreSQL needs to hand the rows out, with nothing done to them.
async fn copied(on: &Database, events: i64) -> Result<f64> {
    let mut connection = on.options("mewayz_run").connect().await?;
    let start = Instant::now();
    let mut bytes = 0;
    let mut rows = connection.copy_out_raw("copy (select * from events order by position) to stdout").await?;
    while let Some(row) = rows.try_next().await? {
        bytes += row.len();
    }
    drop(rows);
    let speed = per_second(events, start);
    ensure!(bytes > 0);
    connection.close().await?;
    Ok(speed)
}

/// `replay_all` into a view of theirs, as their documentation says.
async fn replayed(on: &Database, events: i64) -> Result<f64> {
    on.execute("truncate counter_view").await?;
    let pool = on.pool("mewayz_owner", 4).await?;
    let views = Arc::new(PostgresViewRepository::<Row, Counter>::new("counter_view", pool.clone()));
    let replay = QueryReplay::<_, _, Counter>::new(
        PostgresEventRepository::new(pool.clone()),
        GenericQuery::<PostgresViewRepository<Row, Counter>, Row, Counter>::new(views),
    );
    let start = Instant::now();
    replay.replay_all().await.map_err(|error| anyhow::anyhow!("{error}"))?;
    let speed = per_second(events, start);
    let rows: i64 = sqlx::query_scalar("select count(*) from counter_view").fetch_one(&pool).await?;
    ensure!(rows == events / LENGTH, "{rows} rows");
    pool.close().await;
    Ok(speed)
}
