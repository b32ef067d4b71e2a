//! Topics that are lost, or of another history: the relay stops and says so, and a rebuild makes them anew.

use std::time::{Duration, Instant};

use infra::relay::RelayError;
use infra::relay::progress::Progress;
use nix::sys::signal::Signal;
use rdkafka::producer::Producer;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::kafka::{Read, delete_topics, open_transaction, write_topic};
use tests::log::append_some;
use uuid::Uuid;

use super::stage::{PATIENCE, Stage, until};

#[sqlx::test(migrations = "../migrations")]
async fn a_rebuild_makes_the_same_topics_under_a_new_epoch(pool: PgPoolOptions, connect: PgConnectOptions) {
    let stage = Stage::set(pool, connect).await;
    append_some(&stage.store, 500).await;
    let mut relay = stage.relay(&[], "");
    stage.caught_up().await;
    relay.signal(Signal::SIGTERM);
    assert_eq!(relay.ended().await.code(), Some(0));
    let (before, epoch) = (stage.topics(), stage.epoch().await);

    delete_topics(&stage.config.brokers, &[&stage.config.topic("commerce")]);
    assert!(matches!(stage.run_relay().await, Err(RelayError::TopicLost { .. })));

    assert_eq!(stage.relay(&["rebuild"], "").ended().await.code(), Some(0));
    assert!(stage.topics() == before, "the same records in the same partitions in the same order");
    assert_ne!(stage.epoch().await, epoch);
    stage.must_be_exact().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_rebuild_stops_the_relay_that_runs(pool: PgPoolOptions, connect: PgConnectOptions) {
    let stage = Stage::set(pool, connect).await;
    append_some(&stage.store, 100).await;
    let mut relay = stage.relay(&[], "");
    stage.caught_up().await;
    let mut rebuild = stage.relay(&["rebuild"], "");
    let deadline = Instant::now() + PATIENCE;
    while relay.is_running() {
        assert!(Instant::now() < deadline, "the relay should have ended");
        append_some(&stage.store, 10).await;
    }
    assert_eq!(relay.ended().await.code(), Some(3));
    assert_eq!(rebuild.ended().await.code(), Some(0));
    let _relay = stage.relay(&[], "");
    stage.caught_up().await;
    stage.must_be_exact().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_rebuild_killed_at_any_point_can_be_done_again(pool: PgPoolOptions, connect: PgConnectOptions) {
    let mut stage = Stage::set(pool, connect).await;
    append_some(&stage.store, 300).await;
    let relay = stage.relay(&[], "");
    stage.caught_up().await;
    drop(relay);
    let before = stage.topics();
    for point in ["relay.topics_deleted=kill", "relay.before_commit=kill@1", "relay.after_commit=kill@2"] {
        assert_eq!(stage.relay(&["rebuild"], point).ended().await.code(), None, "{point}");
    }
    assert_eq!(stage.relay(&["rebuild"], "").ended().await.code(), Some(0));
    assert!(stage.topics() == before);
    stage.config.batch_records = 10;
    stage.must_be_exact().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_rebuild_whose_end_is_not_shown_at_once_waits_for_it(
    pool: PgPoolOptions,
    connect: PgConnectOptions,
) {
    let stage = Stage::set(pool, connect).await;
    append_some(&stage.store, 100).await;
    for shown in [true, false] {
        let mut rebuild = stage.relay(&["rebuild"], "relay.before_produce=stop@2;relay.after_commit=stop@2");
        until("the log is about to be written", || async { rebuild.is_stopped() }).await;
        // Another's open transaction hides what comes after it in the progress topic.
        let topic = stage.config.progress_topic();
        let record = Read { key: "another's".into(), headers: Vec::new(), value: String::new() };
        let id = format!("{}.another", stage.config.prefix);
        let another = open_transaction(&stage.config.brokers, &id, [(topic.as_str(), 0, &record)]);
        let before = stage.uncommitted();
        rebuild.signal(Signal::SIGCONT);
        let committed = || async { stage.uncommitted() > before && rebuild.is_stopped() };
        until("the log is committed", committed).await;
        rebuild.signal(Signal::SIGCONT);
        if shown {
            tokio::time::sleep(Duration::from_secs(1)).await; // What is brought about: a Kafka so slow to show it.
            another.abort_transaction(PATIENCE).unwrap();
            assert_eq!(rebuild.ended().await.code(), Some(0));
        } else {
            assert_eq!(rebuild.ended().await.code(), Some(1));
            another.abort_transaction(PATIENCE).unwrap();
        }
        stage.must_be_exact().await;
    }
}

#[sqlx::test(migrations = "../migrations")]
async fn nothing_is_written_to_topics_that_do_not_belong_to_this_log(
    pool: PgPoolOptions,
    connect: PgConnectOptions,
) {
    let mut stage = Stage::set(pool, connect).await;
    append_some(&stage.store, 100).await;
    let relay = stage.relay(&[], "");
    stage.caught_up().await;
    drop(relay);
    let before = stage.topics();
    let head = stage.store.head().await.unwrap();
    let progress: Progress = serde_json::from_str(&stage.read_progress().await.value).unwrap();

    stage.write_progress(&Progress { position: head + 7, ..progress.clone() });
    assert!(
        matches!(stage.run_relay().await, Err(RelayError::Ahead { position, head: h }) if position == head + 7 && h == head)
    );
    stage.write_progress(&Progress { event_id: Some(Uuid::now_v7()), ..progress.clone() });
    assert!(matches!(stage.run_relay().await, Err(RelayError::Diverged { position }) if position == head));

    delete_topics(&stage.config.brokers, &[&stage.config.progress_topic()]);
    assert!(matches!(stage.run_relay().await, Err(RelayError::ProgressLost { .. })));
    stage.config.partitions = 3;
    assert!(matches!(stage.run_relay().await, Err(RelayError::Partitions { there: 2, wanted: 3, .. })));
    assert!(stage.topics() == before);
}

impl Stage {
    async fn epoch(&self) -> Uuid {
        let progress: Progress = serde_json::from_str(&self.read_progress().await.value).unwrap();
        progress.topic_epoch
    }

    fn write_progress(&self, progress: &Progress) {
        let value = serde_json::to_string(progress).unwrap();
        let record = Read { key: "progress".into(), headers: Vec::new(), value };
        write_topic(&self.config.brokers, &self.config.progress_topic(), 1, [(0, &record)]);
    }
}
