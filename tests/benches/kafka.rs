//! Kafka: from the answer to a command until a reader of committed records has its event.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use infra::relay::{Relay, RelayConfig};
use rdkafka::admin::AdminClient;
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Headers;
use rdkafka::{ClientConfig, Message};
use tests::kafka::delete_topics;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::latency::{Sightings, at_rate, between};
use crate::subjects::Ours;

/// Longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long each event took, at a rate, with a relay that has caught up.
pub async fn latencies(
    brokers: &str,
    subject: &Arc<Ours>,
    rate: f64,
    lasting: Duration,
) -> Result<Vec<Duration>> {
    let config = RelayConfig {
        brokers: brokers.to_owned(),
        prefix: format!("bench-{}", Uuid::now_v7().simple()),
        ..RelayConfig::default()
    };
    let prefix = config.prefix.clone();
    let topic = format!("{prefix}.bench.events.v1");
    let (relay, stop) = (Relay::new(subject.store.clone(), config), CancellationToken::new());
    let mut state = relay.state();
    let stopping = stop.clone();
    let relaying = tokio::spawn(async move { relay.run(stopping).await });
    let head = subject.store.head().await?;
    state.wait_for(|state| state.position >= head).await?;

    let brokers = brokers.to_owned();
    let (upto, end) = std::sync::mpsc::channel();
    let (ready, caught_up) = oneshot::channel();
    let from = brokers.clone();
    let seeing = tokio::task::spawn_blocking(move || sightings(&from, &topic, head, ready, &end));
    // The load begins once the reader has its partitions and all that is in them: that takes a group its time.
    caught_up.await.context("the reader of the topic has ended")?;
    let answered = at_rate(subject, rate, lasting).await?;
    upto.send(subject.store.head().await?)?;
    let sightings = seeing.await??;
    stop.cancel();
    relaying.await??;
    // A broker gets slower with each partition that it keeps.
    tokio::task::spawn_blocking(move || forget(&brokers, &prefix)).await??;
    Ok(between(answered, &sightings))
}

/// Removes the topics of a prefix.
fn forget(brokers: &str, prefix: &str) -> Result<()> {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", brokers).create()?;
    let metadata = admin.inner().fetch_metadata(None, PATIENCE)?;
    let topics: Vec<&str> =
        metadata.topics().iter().map(|topic| topic.name()).filter(|name| name.starts_with(prefix)).collect();
    delete_topics(brokers, &topics);
    Ok(())
}

/// Each record after a position as it comes, until all up to the end have come; says when all before it have.
/// Partitions come in any order among themselves: a position counts as seen when it is itself seen.
fn sightings(
    brokers: &str,
    topic: &str,
    after: i64,
    ready: oneshot::Sender<()>,
    end: &std::sync::mpsc::Receiver<i64>,
) -> Result<Sightings> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", topic)
        .set("isolation.level", "read_committed")
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        // What a transaction brings is fetched at once, and not each partition's part as it becomes visible.
        .set("fetch.min.bytes", "65536")
        .set("fetch.wait.max.ms", "5")
        .create()?;
    consumer.subscribe(&[topic])?;
    let (mut sightings, mut last, start) = (Sightings::new(), None, Instant::now());
    let (mut before, mut ready) = (0, Some(ready));
    loop {
        if before == after {
            ready.take().map(|ready| ready.send(()));
        }
        if last.is_none() {
            last = end.try_recv().ok();
        }
        if last.is_some_and(|last| sightings.len() as i64 >= last - after) {
            sightings.sort_unstable();
            return Ok(sightings);
        }
        if start.elapsed() > PATIENCE {
            bail!("not all events came to Kafka");
        }
        let Some(record) = consumer.poll(Duration::from_millis(50)) else { continue };
        let record = record?;
        let position = record.headers().and_then(|headers| {
            let header = headers.iter().find(|header| header.key == infra::relay::record::POSITION)?;
            std::str::from_utf8(header.value?).ok()?.parse::<i64>().ok()
        });
        match position {
            Some(position) if position > after => sightings.push((position, Instant::now())),
            Some(_) => before += 1,
            None => bail!("a record does not tell its position"),
        }
    }
}
