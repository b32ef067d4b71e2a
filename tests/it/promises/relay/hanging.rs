//! A broker that leaves transactions open: Apache Kafka 4.3 and 4.4 take a partition without a leader for a deleted one,
//! leave out its marker and call the transaction complete (KAFKA-20734). A single broker that is killed in the middle of
//! a commit may do so when it comes back. Here the marker is taken away.

use std::collections::BTreeMap;

use infra::relay::RelayError;
use infra::relay::progress::Progress;
use nix::sys::signal::Signal;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rdkafka::producer::Producer;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::chaos::long;
use tests::kafka::{Broker, Read, decisions, open_partitions, open_transaction, prefix, write_topic};
use tests::log::{append_some, append_two};
use tests::process::Process;

use super::stage::{PATIENCE, Stage, until};

#[sqlx::test(migrations = "../migrations")]
async fn a_transaction_that_a_broker_leaves_open_is_closed_and_goes_again(
    pool: PgPoolOptions,
    connect: PgConnectOptions,
) {
    let broker = Broker::start();
    let mut stage = Stage::set(pool, connect).await;
    stage.config.brokers = broker.address();
    append_some(&stage.store, 100).await;
    // The first transaction says that the relay leads; then the two producers take turns.
    let all = [(2, false), (3, true), (1, true), (1, false), (2, true), (3, false)];
    for (n, dies) in all.into_iter().take(if long() { all.len() } else { 2 }) {
        left_open(&mut stage, &broker, n, dies).await;
    }
}

/// A broker is killed right after it has answered the relay's n-th commit, and leaves it open. The topics are the log
/// nevertheless, by another relay where this one dies with the broker.
async fn left_open(stage: &mut Stage, broker: &Broker, n: usize, dies: bool) {
    stage.config.prefix = prefix();
    let log = tempfile::NamedTempFile::new().unwrap();
    let said = |text: &str| std::fs::read_to_string(log.path()).unwrap().contains(text);
    let start =
        |failpoints: &str| Process::start(stage.command(&[], failpoints).stderr(log.reopen().unwrap()));
    let mut relay = start(&format!("relay.before_commit=stop@{n};relay.after_commit=stop@{n}"));
    if n == 3 {
        stage.caught_up().await;
        append_two(&stage.store).await;
    }
    until("the relay is about to commit", || async { relay.is_stopped() }).await;
    let brokers = stage.config.brokers.as_str();
    let (parts, decided) = (open_partitions(brokers, &stage.config.prefix), decisions(brokers));
    relay.signal(Signal::SIGCONT);
    until("it is committed", || async { decisions(brokers) == decided + 2 && relay.is_stopped() }).await;
    broker.kill();
    parts.iter().for_each(|part| broker.cut_marker(part));
    if dies {
        relay.signal(Signal::SIGKILL);
        relay.ended().await;
    } else {
        relay.signal(Signal::SIGCONT);
        let noticed = || async { said("nothing is written behind") || said("the relay is interrupted") };
        until("the relay has noticed", noticed).await;
    }
    broker.start_again();
    append_some(&stage.store, 20).await;
    if dies {
        relay = start("");
    }
    stage.caught_up().await;
    stage.must_be_exact().await;
    assert!(relay.is_running());
    assert!(!parts.is_empty() && said("Kafka has left a transaction open"));
}

/// Whatever the partitions hold of the log, and whatever the progress says.
#[sqlx::test(migrations = "../migrations")]
async fn each_partition_gets_what_it_lacks_and_nothing_twice(pool: PgPoolOptions, connect: PgConnectOptions) {
    let mut stage = Stage::set(pool, connect).await;
    stage.config.batch_records = 30;
    let whole = Copied::of(&stage).await;
    for seed in 0..if long() { 40 } else { 4 } {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut held = whole.topics.clone();
        for records in held.values_mut() {
            records.truncate(rng.random_range(0..=records.len()));
        }
        whole.write(&mut stage, &held, rng.random_range(1..=whole.head)).await;

        let mut relay = stage.relay(&[], "");
        append_some(&stage.store, 5).await;
        stage.caught_up().await;
        stage.must_be_exact().await;
        assert!(relay.is_running(), "seed {seed}");
    }
}

#[sqlx::test(migrations = "../migrations")]
async fn what_hangs_is_left_to_its_producer_where_it_was_committed_and_nothing_is_guessed(
    pool: PgPoolOptions,
    connect: PgConnectOptions,
) {
    let broker = Broker::start();
    let mut stage = Stage::set(pool, connect).await;
    stage.config.brokers = broker.address();
    let whole = Copied::of(&stage).await;
    let (fullest, records) = whole.topics.iter().max_by_key(|(_, records)| records.len()).unwrap();
    let (rest, last) = records.split_at(records.len() - 4);
    let mut held = whole.topics.clone();
    held.insert(fullest.clone(), rest.to_vec());

    // The last records of a partition hang: the progress tells of all of them, of some, of none with others after them.
    for (hang, told) in [(4, whole.head), (4, last[1].position()), (2, last[0].position() - 1)] {
        whole.write(&mut stage, &held, told).await;
        let (brokers, topic) = (stage.config.brokers.clone(), stage.config.topic(context(&fullest.0)));
        let place = |record| (topic.as_str(), fullest.1, record);
        let id = format!("{}.relay", stage.config.prefix);
        let open = open_transaction(&brokers, &id, last[..hang].iter().map(place));
        let decided = decisions(&brokers);
        open.commit_transaction(PATIENCE).unwrap();
        until("it is committed", || async { decisions(&brokers) == decided + 2 }).await;
        broker.kill();
        broker.cut_marker(&(topic.clone(), fullest.1));
        broker.start_again();
        let others = last[hang..].iter().map(|record| (fullest.1, record));
        write_topic(&brokers, &topic, stage.config.partitions, others);
        if told < whole.head {
            for _ in 0..2 {
                assert!(matches!(stage.run_relay().await, Err(RelayError::Torn { .. })), "{hang} {told}");
            }
            continue;
        }
        let mut relay = stage.relay(&[], "");
        for _ in 0..4 {
            append_some(&stage.store, 100).await;
            stage.caught_up().await;
        }
        stage.must_be_exact().await;
        assert!(relay.is_running());
    }
}

#[sqlx::test(migrations = "../migrations")]
async fn a_transaction_of_another_is_waited_for(pool: PgPoolOptions, connect: PgConnectOptions) {
    let mut stage = Stage::set(pool, connect).await;
    let whole = Copied::of(&stage).await;
    whole.write(&mut stage, &whole.topics, whole.head).await;
    let topic = stage.config.topic("commerce");
    let record = Read { key: "another's".into(), headers: Vec::new(), value: String::new() };
    let another =
        open_transaction(&stage.config.brokers, &stage.config.prefix, [(topic.as_str(), 0, &record)]);

    let log = tempfile::NamedTempFile::new().unwrap();
    let mut relay = Process::start(stage.command(&[], "").stderr(log.reopen().unwrap()));
    append_some(&stage.store, 20).await;
    until("it says so", || async {
        std::fs::read_to_string(log.path()).unwrap().contains("is none of this relay's")
    })
    .await;
    another.abort_transaction(PATIENCE).unwrap();
    stage.caught_up().await;
    stage.must_be_exact().await;
    assert!(relay.is_running());
}

/// The context in the name of a topic of events.
fn context(topic: &str) -> &str {
    topic.rsplit('.').nth(2).unwrap()
}

/// What a relay has made of a log.
struct Copied {
    topics: BTreeMap<(String, i32), Vec<Read>>,
    progress: Progress,
    head: i64,
}

impl Copied {
    async fn of(stage: &Stage) -> Self {
        append_some(&stage.store, 200).await;
        let _relay = stage.relay(&[], "");
        stage.caught_up().await;
        let progress = serde_json::from_str(&stage.read_progress().await.value).unwrap();
        Self { topics: stage.topics(), progress, head: stage.store.head().await.unwrap() }
    }

    /// Writes topics of a new prefix, with a progress that tells of the log up to a position.
    async fn write(&self, stage: &mut Stage, topics: &BTreeMap<(String, i32), Vec<Read>>, position: i64) {
        stage.config.prefix = prefix();
        let last = stage.store.read(position - 1, 1).await.unwrap();
        let event_id = Some(last.first().unwrap().event_id);
        let mut progress = Progress { position, event_id, ends: BTreeMap::new(), ..self.progress.clone() };
        for ((topic, _), records) in &self.topics {
            let told = records.iter().map(Read::position).filter(|told| *told <= position).max();
            progress.ends.entry(context(topic).to_owned()).or_default().push(told.unwrap_or_default());
        }
        for first in topics.keys().filter(|(_, partition)| *partition == 0) {
            let of_topic = topics.iter().filter(|((topic, _), _)| *topic == first.0);
            let records =
                of_topic.flat_map(|((_, number), records)| records.iter().map(|record| (*number, record)));
            let mut records = records.peekable();
            if records.peek().is_some() {
                let (brokers, topic) = (&stage.config.brokers, stage.config.topic(context(&first.0)));
                write_topic(brokers, &topic, stage.config.partitions, records);
            }
        }
        progress.ends.retain(|_, ends| ends.iter().any(|end| *end > 0));
        let value = serde_json::to_string(&progress).unwrap();
        let record = Read { key: "progress".into(), headers: Vec::new(), value };
        write_topic(&stage.config.brokers, &stage.config.progress_topic(), 1, [(0, &record)]);
    }
}
