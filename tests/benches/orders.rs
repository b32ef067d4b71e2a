//! Orders: from a request over HTTP until the order is confirmed, and what that costs, of the whole platform with a
//! gateway that has mild faults; beside another build of it (`--beside=PROGRAM`), which runs in turns with this one.

mod platform;
mod watch;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use sqlx::PgPool;
use tests::process::program;
use tokio::task::JoinSet;

use crate::Settings;
use crate::database::Server;
use crate::figures::{Report, median};
use platform::{Build, Running};
use watch::{Watch, listener_on, parent_of, used_by, used_by_children_of};

/// Clients at once.
const CLIENTS: [usize; 2] = [1, 32];
/// How long a client waits for the end of its order before it places the next.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long it is idle before that is measured, and how long it is measured.
const IDLE: (Duration, Duration) = (Duration::from_secs(3), Duration::from_secs(5));

/// What is wanted of it beside the other build: time, cost at 1 and at 32 clients, orders.
const WANTED: (f64, [f64; 2], f64) = (5.0, [6.0, 5.0], 6.0);

/// One run with so many clients.
#[derive(Debug, Default, Clone)]
struct Run {
    per_second: f64,
    answered: Vec<f64>,
    confirmed: Vec<f64>,
    /// Milliseconds of processor time for each order: platform, PostgreSQL, Kafka, gateway.
    cost: [f64; 4],
    /// Events, commands, appends, transactions and syncs of the database for each order.
    counts: [f64; 5],
}

pub async fn measure(
    server: &Server,
    settings: Settings,
    beside: Option<PathBuf>,
    report: &mut Report,
) -> Result<()> {
    let mut builds = vec![Arc::new(Build::set_up(server, "this", program()).await?)];
    if let Some(program) = beside {
        builds.push(Arc::new(Build::set_up(server, "beside", program).await?));
    }
    let mut runs = vec![[Vec::new(), Vec::new()]; builds.len()];
    let mut idle = vec![Vec::new(); builds.len()];
    for round in 0..settings.runs {
        // Whoever comes first has the warmer machine.
        for n in (0..builds.len()).map(|n| (n + round) % builds.len()) {
            let running = builds[n].start().await?;
            for (at, clients) in CLIENTS.into_iter().enumerate() {
                runs[n][at].push(one(server, &builds[n], &running, clients, settings.run * 3).await?);
            }
            tokio::time::sleep(IDLE.0).await; // What is measured next is a platform with nothing to do.
            let before = used_by(running.serve.id())?;
            tokio::time::sleep(IDLE.1).await; // So long it is watched having nothing to do.
            idle[n].push((used_by(running.serve.id())? - before) * 1e3 / IDLE.1.as_secs_f64());
            running.stop().await;
        }
    }
    tell(&builds, &runs, idle, report);
    for build in &builds {
        server.drop(&build.database).await?;
    }
    Ok(())
}

/// Clients that each place an order, wait for its end, and place the next.
async fn one(
    server: &Server,
    build: &Arc<Build>,
    running: &Running,
    clients: usize,
    lasting: Duration,
) -> Result<Run> {
    let pool = build.database.pool("mewayz_run", 2).await?;
    let watch = Watch::default();
    let watching = watch.follow(pool.clone()).await?;
    let warm_up = Instant::now();
    while warm_up.elapsed() < lasting / 4 {
        let ended = tokio::time::timeout(PATIENCE, watch.end_of(build.order(0).await?)).await;
        ensure!(ended.is_err() || !watching.is_finished(), "the log cannot be watched");
    }
    let (counted, meter) = (counts(&pool).await?, Meter::find(server, running, &pool).await?);
    let (used, start) = (meter.read()?, Instant::now());
    let mut tasks = JoinSet::new();
    for client in 0..clients {
        let (build, watch) = (build.clone(), watch.clone());
        tasks.spawn(async move {
            let (mut times, mut n) = (Vec::new(), client);
            while start.elapsed() < lasting {
                let placed = Instant::now();
                let id = build.order(n).await?;
                let answered = placed.elapsed();
                n += clients + 1;
                if let Ok(end) = tokio::time::timeout(PATIENCE, watch.end_of(id)).await {
                    let (at, is_confirmed) = end?;
                    times.push((answered, is_confirmed.then(|| at.saturating_duration_since(placed))));
                }
            }
            anyhow::Ok(times)
        });
    }
    let mut times = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        times.extend(ended??);
    }
    let (lasted, used) = (start.elapsed(), meter.read()?.map_with(used));
    tokio::time::sleep(Duration::from_millis(1_500)).await; // A session's transactions are counted once it is idle for 1 s.
    let after = counts(&pool).await?;
    watching.abort();
    pool.close().await;
    let orders = (times.len().max(1)) as f64;
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    Ok(Run {
        per_second: times.iter().filter(|(_, confirmed)| confirmed.is_some()).count() as f64
            / lasted.as_secs_f64(),
        answered: times.iter().map(|(answered, _)| milliseconds(*answered)).collect(),
        confirmed: times.iter().filter_map(|(_, confirmed)| confirmed.map(milliseconds)).collect(),
        cost: used.map(|used| used * 1e3 / orders),
        counts: std::array::from_fn(|n| (after[n] - counted[n]) / orders),
    })
}

/// Events, commands, appends, transactions that were committed, and syncs of the log on disk.
async fn counts(pool: &PgPool) -> Result<[f64; 5]> {
    let (events, commands, appends, transactions, syncs): (i64, i64, i64, i64, i64) = sqlx::query_as(
        "select (select position from head), (select count(*) from commands),
                (select count(distinct xmin::text) from events),
                (select xact_commit from pg_stat_database where datname = current_database()),
                (select wal_sync from pg_stat_wal)",
    )
    .fetch_one(pool)
    .await?;
    Ok([events, commands, appends, transactions, syncs].map(|count| count as f64))
}

/// The processes that an order costs something.
struct Meter {
    serve: u32,
    gateway: u32,
    postgres: u32,
    kafka: Option<u32>,
}

struct Used([f64; 4]);

impl Used {
    fn map_with(self, before: Self) -> [f64; 4] {
        std::array::from_fn(|n| self.0[n] - before.0[n])
    }
}

impl Meter {
    async fn find(server: &Server, running: &Running, pool: &PgPool) -> Result<Self> {
        let backend: i32 = sqlx::query_scalar("select pg_backend_pid()").fetch_one(pool).await?;
        let brokers = std::env::var("KAFKA_BROKERS").ok();
        let port = brokers.as_deref().and_then(|brokers| brokers.rsplit(':').next()?.parse().ok());
        let postgres = parent_of(u32::try_from(backend)?)
            .with_context(|| format!("PostgreSQL at {:?} is not on this machine", server.address()))?;
        Ok(Self {
            serve: running.serve.id(),
            gateway: running.gateway.id(),
            postgres,
            kafka: port.and_then(listener_on),
        })
    }

    fn read(&self) -> Result<Used> {
        let kafka = self.kafka.map_or(Ok(0.0), used_by)?;
        Ok(Used([used_by(self.serve)?, used_by_children_of(self.postgres)?, kafka, used_by(self.gateway)?]))
    }
}

fn at(share: f64, times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(((sorted.len().max(1) - 1) as f64 * share) as usize).copied().unwrap_or(f64::NAN)
}

fn tell(builds: &[Arc<Build>], runs: &[[Vec<Run>; 2]], idle: Vec<Vec<f64>>, report: &mut Report) {
    let mut medians = Vec::new();
    for (build, (runs, idle)) in builds.iter().zip(runs.iter().zip(idle)) {
        let mut figures = Vec::new();
        for (runs, clients) in runs.iter().zip(CLIENTS) {
            let section = format!("orders, {clients} at once");
            let mut add = |case: &str, unit, of: &dyn Fn(&Run) -> f64| {
                report.add(&section, case, build.name, unit, runs.iter().map(of).collect())
            };
            let speed = add("confirmed", "/s", &|run| run.per_second);
            add("request to answer, p50", "ms", &|run| at(0.5, &run.answered));
            add("request to answer, p99", "ms", &|run| at(0.99, &run.answered));
            let time = add("request to confirmed, p50", "ms", &|run| at(0.5, &run.confirmed));
            add("request to confirmed, p99", "ms", &|run| at(0.99, &run.confirmed));
            for (n, part) in ["platform", "PostgreSQL", "Kafka", "gateway"].into_iter().enumerate() {
                add(&format!("an order costs {part}"), "ms", &|run| run.cost[n]);
            }
            let cost = add("an order costs in all", "ms", &|run| run.cost[..3].iter().sum());
            let counted = ["events", "commands", "appends", "transactions", "syncs"];
            for (n, what) in counted.into_iter().enumerate() {
                add(&format!("{what} an order"), "", &|run| run.counts[n]);
            }
            figures.push((speed, time, cost));
        }
        report.add("orders, idle", "serve uses", build.name, "ms/s", idle.clone());
        medians.push((figures, median(&idle)));
    }
    for clients in CLIENTS {
        report.print(&format!("orders, {clients} at once"));
    }
    report.print("orders, idle");
    if let [(this, idle), (beside, idle_beside)] = medians.as_slice() {
        report.target("orders: time to confirmed, one client", beside[0].1 / this[0].1, WANTED.0);
        for (n, clients) in CLIENTS.into_iter().enumerate() {
            let what = format!("orders: processor time, {clients} at once");
            report.target(what, beside[n].2 / this[n].2, WANTED.1[n]);
        }
        report.target("orders: confirmed a second, 32 at once", this[1].0 / beside[1].0, WANTED.2);
        report.target("orders: idle processor time", idle_beside / idle, 1.0);
    }
}
