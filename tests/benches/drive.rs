//! Drive: so many commands at once for so long, and what they cost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use sqlx::PgConnection;

use crate::database::Database;

/// How often each worker does it before it counts.
const WARM_UP: u64 = 5;

/// Something that is done again and again.
pub trait Subject: Send + Sync + 'static {
    /// Does it once, as the `n`-th time of the worker `worker` of `workers`.
    fn act(&self, worker: usize, workers: usize, n: u64) -> impl Future<Output = Result<()>> + Send;
}

/// What a run came to.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    pub done: u64,
    pub per_second: f64,
    /// Processor time of this process and of the database's backends, in microseconds for each time.
    pub client: f64,
    pub server: f64,
}

/// Drives a subject with `workers` at once.
pub async fn drive(
    subject: &Arc<impl Subject>,
    workers: usize,
    lasting: Duration,
    on: &Database,
    watch: &mut PgConnection,
) -> Result<Run> {
    warm_up(subject, workers).await?;
    let backends = backends(on, watch).await?;
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let before = (processor_time("self"), sum(&backends));
    let start = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for worker in 0..workers {
        let (subject, stop, done) = (subject.clone(), stop.clone(), done.clone());
        tasks.spawn(async move {
            let mut n = 0;
            while !stop.load(Ordering::Relaxed) {
                subject.act(worker, workers, n).await?;
                n += 1;
                done.fetch_add(1, Ordering::Relaxed);
            }
            anyhow::Ok(())
        });
    }
    tokio::time::sleep(lasting).await; // The run's length: what is counted is counted over it.
    let (count, elapsed) = (done.load(Ordering::Relaxed), start.elapsed());
    let after = (processor_time("self"), sum(&backends));
    stop.store(true, Ordering::Relaxed);
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    // A backend that has ended takes its time with it.
    let each =
        |from: Duration, to: Duration| to.saturating_sub(from).as_secs_f64() * 1e6 / count.max(1) as f64;
    Ok(Run {
        done: count,
        per_second: count as f64 / elapsed.as_secs_f64(),
        client: each(before.0, after.0),
        server: each(before.1, after.1),
    })
}

/// Lets every connection be made and every statement be prepared.
async fn warm_up(subject: &Arc<impl Subject>, workers: usize) -> Result<()> {
    let mut tasks = tokio::task::JoinSet::new();
    for worker in 0..workers {
        let subject = subject.clone();
        tasks.spawn(async move {
            for n in 0..WARM_UP {
                subject.act(worker, workers, n).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(())
}

async fn backends(on: &Database, watch: &mut PgConnection) -> Result<Vec<String>> {
    let pids: Vec<i32> = sqlx::query_scalar(
        "select pid from pg_stat_activity where datname = $1 and backend_type = 'client backend'",
    )
    .bind(&on.name)
    .fetch_all(watch)
    .await?;
    Ok(pids.into_iter().map(|pid| pid.to_string()).collect())
}

fn sum(processes: &[String]) -> Duration {
    processes.iter().map(|process| processor_time(process)).sum()
}

/// User and system time of a process on this machine; nothing where that cannot be seen.
fn processor_time(process: &str) -> Duration {
    // Nanoseconds on a processor: finer than the ticks of `stat`.
    let of_task = |path: std::path::PathBuf| -> Option<u64> {
        std::fs::read_to_string(path).ok()?.split_whitespace().next()?.parse().ok()
    };
    let tasks = std::fs::read_dir(format!("/proc/{process}/task"));
    let nanoseconds =
        tasks.into_iter().flatten().flatten().filter_map(|task| of_task(task.path().join("schedstat"))).sum();
    Duration::from_nanos(nanoseconds)
}
