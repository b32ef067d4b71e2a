//! Latency: from the answer to a command until its event can be seen elsewhere, at half load.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use commands::EventStore;
use commands::clock::SystemClock;
use infra::log::Log;
use infra::subscription::Host;
use projections::{Projector, Runtime, View as _};
use sqlx::ConnectOptions;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::Settings;
use crate::counter::View;
use crate::database::{Database, Peer, Server};
use crate::drive::drive;
use crate::figures::Report;
use crate::kafka;
use crate::subjects::Ours;

/// The load of which half is taken: as many at once as the targets name.
const WORKERS: usize = 32;

/// How much longer a run takes than where only speed is measured.
const LONGER: u32 = 5;
/// How many runs the broker is warmed up for: it compiles what it does often while it does it, in its first minute.
const WARM_UP: usize = 6;

/// When the log was seen up to which position.
pub type Sightings = Vec<(i64, Instant)>;

pub async fn measure(server: &Server, settings: Settings, report: &mut Report) -> Result<()> {
    let section = "latency at half load";
    let brokers = std::env::var("KAFKA_BROKERS").ok();
    if brokers.is_none() {
        println!("\nKAFKA_BROKERS is not set: nothing is measured to Kafka");
    }
    let mut watch = server.connect().await?;
    let (mut rates, mut to_view, mut to_kafka) = (Vec::new(), Percentiles::default(), Percentiles::default());
    // So long that a single pause is not the hundredth part of it.
    let lasting = settings.run * LONGER;
    for run in 0..settings.runs {
        let database = server.create(Peer::Mewayz, "latency").await?;
        let subject = Arc::new(Ours::new(database.store().await?));
        let full = drive(&subject, WORKERS, settings.probe, &database, &mut watch).await?.per_second;
        rates.push(full / 2.0);
        to_view.add(read_model(&database, &subject, full / 2.0, lasting).await?);
        if let Some(brokers) = &brokers {
            let warm_up = if run == 0 { WARM_UP } else { 0 };
            for _ in 0..warm_up {
                kafka::latencies(brokers, &subject, full / 2.0, lasting).await?;
            }
            to_kafka.add(kafka::latencies(brokers, &subject, full / 2.0, lasting).await?);
        }
        server.drop(&database).await?;
    }
    report.add(section, "the load", "mewayz", "/s", rates);
    report.add(section, "to the read model, p50", "mewayz", "ms", to_view.p50);
    report.add(section, "to the read model, p99", "mewayz", "ms", to_view.p99);
    if brokers.is_some() {
        report.add(section, "to Kafka, p50", "mewayz", "ms", to_kafka.p50);
        let p99 = report.add(section, "to Kafka, p99", "mewayz", "ms", to_kafka.p99);
        report.target("to Kafka, p99: 50 ms against it", 50.0 / p99, 1.0);
    }
    report.print(section);
    Ok(())
}

/// Of each run, in milliseconds.
#[derive(Default)]
struct Percentiles {
    p50: Vec<f64>,
    p99: Vec<f64>,
}

impl Percentiles {
    fn add(&mut self, mut latencies: Vec<Duration>) {
        latencies.sort_unstable();
        let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
        self.p50.push(at(0.5));
        self.p99.push(at(0.99));
    }
}

/// From a command's answer until a reader can see its row.
async fn read_model(
    on: &Database,
    subject: &Arc<Ours>,
    rate: f64,
    lasting: Duration,
) -> Result<Vec<Duration>> {
    let stop = CancellationToken::new();
    let store: EventStore = subject.store.clone();
    let host = Host {
        log: Log::follow(store, stop.clone()).await?,
        clock: Arc::new(SystemClock),
        instance: Uuid::new_v4(),
        lease: Duration::from_secs(10),
        stop: stop.clone(),
    };
    let views: Vec<Box<dyn Projector>> = vec![Box::new(Runtime::<View>::default())];
    let running = tokio::spawn(host.run(views, Vec::new()));
    let head = subject.store.head().await?;
    let (upto, end) = watch::channel(head);
    // The load begins once the view has caught up.
    sightings(on.clone(), end.clone()).await?;
    upto.send_replace(i64::MAX);
    let seeing = tokio::spawn(sightings(on.clone(), end));
    let answered = at_rate(subject, rate, lasting).await?;
    upto.send_replace(subject.store.head().await?);
    let sightings = seeing.await??;
    stop.cancel();
    running.await??;
    Ok(between(answered, &sightings))
}

/// From each answer to the first sighting of its position or a later one.
pub fn between(answered: Sightings, sightings: &Sightings) -> Vec<Duration> {
    let latency = |(position, answered): (i64, Instant)| {
        let sighting = sightings.partition_point(|(seen, _)| *seen < position);
        Some(sightings.get(sighting)?.1.saturating_duration_since(answered))
    };
    answered.into_iter().filter_map(latency).collect()
}

/// Looks at the view's checkpoint every millisecond, until it is where it is to end.
async fn sightings(on: Database, end: watch::Receiver<i64>) -> Result<Sightings> {
    let mut connection = on.options("mewayz_run").connect().await?;
    let mut sightings: Sightings = Vec::new();
    loop {
        let position: Option<i64> = sqlx::query_scalar("select position from subscriptions where name = $1")
            .bind(View::NAME)
            .fetch_optional(&mut connection)
            .await?;
        let position = position.unwrap_or_default();
        if sightings.last().is_none_or(|(last, _)| *last < position) {
            sightings.push((position, Instant::now()));
        }
        if position >= *end.borrow() {
            return Ok(sightings);
        }
        tokio::time::sleep(Duration::from_millis(1)).await; // Between two looks: the figures' resolution.
    }
}

/// Appends at a rate, whether or not the store keeps up; answers each position and when it was answered.
pub async fn at_rate(subject: &Arc<Ours>, rate: f64, lasting: Duration) -> Result<Sightings> {
    let subject = subject.clone();
    // On a thread of the runtime: from another one, each task that is spawned wakes one of those.
    tokio::spawn(async move {
        let (start, mut sent) = (Instant::now(), 0);
        let mut tasks = JoinSet::new();
        while start.elapsed() < lasting {
            tokio::time::sleep(Duration::from_millis(1)).await; // A tick of the load.
            let due = (start.elapsed().as_secs_f64() * rate) as u64;
            for n in sent..due {
                let subject = subject.clone();
                tasks.spawn(async move {
                    let outcome = subject.append(n).await?;
                    anyhow::Ok((outcome.position.0, Instant::now()))
                });
            }
            sent = due;
        }
        let mut answered = Sightings::with_capacity(tasks.len());
        while let Some(ended) = tasks.join_next().await {
            answered.push(ended??);
        }
        Ok(answered)
    })
    .await?
}
