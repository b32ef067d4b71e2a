//! Kafka killed and away: nothing waits for it, and nothing is lost.

use infra::relay::RelayState;
use nix::sys::signal::Signal;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::chaos::long;
use tests::kafka::{Broker, delete_topics, fence, write_topic};
use tests::log::append_some;
use tests::process::Process;
use tokio::sync::watch;

use super::stage::{Stage, until};

#[sqlx::test(migrations = "../migrations")]
async fn a_killed_broker_costs_no_event(pool: PgPoolOptions, connect: PgConnectOptions) {
    let broker = Broker::start();
    let mut stage = Stage::set(pool, connect).await;
    stage.config.brokers = broker.address();
    let mut relay = stage.relay(&[], "");
    for _ in 0..if long() { 20 } else { 3 } {
        stage.caught_up().await;
        let before = stage.uncommitted();
        let kill = async {
            until("the relay is at work", || async { stage.uncommitted() > before }).await;
            broker.kill();
        };
        tokio::join!(append_some(&stage.store, 2000), kill);
        broker.start_again();
    }
    stage.caught_up().await;
    assert!(relay.is_running());
    stage.must_be_exact().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn commands_go_on_while_kafka_is_away_and_the_relay_catches_up(
    pool: PgPoolOptions,
    connect: PgConnectOptions,
) {
    let broker = Broker::start();
    let mut stage = Stage::set(pool, connect).await;
    stage.config.brokers = broker.address();
    let work = async |state: &mut watch::Receiver<RelayState>| {
        append_some(&stage.store, 100).await;
        state.wait_for(|state| state.leading && state.position >= 100).await.unwrap();
        broker.kill();
        append_some(&stage.store, 500).await;
        let head = stage.store.head().await.unwrap();
        let away = state.wait_for(|state| !state.leading && state.head == head).await.unwrap();
        assert!(away.lag() >= 500, "{away:?}");
        drop(away);
        append_some(&stage.store, 500).await;
        broker.start_again();
        let head = stage.store.head().await.unwrap();
        state.wait_for(|state| state.leading && state.position == head && state.lag() == 0).await.unwrap();
    };
    stage.relaying(work).await;
    stage.must_be_exact().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_relay_that_holds_back_what_kafka_cannot_take_stops_when_it_is_told_to(
    pool: PgPoolOptions,
    connect: PgConnectOptions,
) {
    let broker = Broker::start();
    let mut stage = Stage::set(pool, connect).await;
    stage.config.brokers = broker.address();
    let log = tempfile::NamedTempFile::new().unwrap();
    let said = || std::fs::read_to_string(log.path()).unwrap();
    let mut command = stage.command(&[], "");
    let mut relay = Process::start(command.stderr(log.reopen().unwrap()));
    append_some(&stage.store, 100).await;
    stage.caught_up().await;
    broker.kill();
    until("it holds back", || async { said().contains("nothing is written behind that") }).await;
    // So many take longer than it is until it looks again.
    append_some(&stage.store, 2000).await;
    relay.signal(Signal::SIGTERM);
    assert_eq!(relay.ended().await.code(), Some(0), "{}", said());

    broker.start_again();
    let _relay = stage.relay(&[], "");
    stage.caught_up().await;
    stage.must_be_exact().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_relay_is_not_fenced_by_what_kafka_does_not_show_yet(
    pool: PgPoolOptions,
    connect: PgConnectOptions,
) {
    let stage = Stage::set(pool, connect).await;
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut command = stage.command(&[], "");
    let mut relay = Process::start(command.stderr(log.reopen().unwrap()));
    append_some(&stage.store, 100).await;
    stage.caught_up().await;

    // It has to take over again, and finds no progress: as after a restart of a broker that shows none at first.
    relay.signal(Signal::SIGSTOP);
    let (brokers, topic) = (stage.config.brokers.as_str(), stage.config.progress_topic());
    let progress = stage.read_progress().await;
    delete_topics(brokers, &[&topic]);
    write_topic(brokers, &topic, 1, []);
    for id in ["relay", "relay.2"] {
        fence(brokers, &format!("{}.{id}", stage.config.prefix));
    }
    relay.signal(Signal::SIGCONT);
    until("it has looked", || async {
        append_some(&stage.store, 1).await;
        std::fs::read_to_string(log.path()).unwrap().contains("does not show how far this relay has come")
    })
    .await;
    assert!(relay.is_running());

    write_topic(brokers, &topic, 1, [(0, &progress)]);
    stage.caught_up().await;
    assert!(relay.is_running());
    stage.must_be_exact().await;
}
