//! P7, P8, P9: the topics are the log, whatever happens to the relay and to Kafka.

#![expect(clippy::unwrap_used, reason = "what a test does not expect fails it")]

mod altered;
mod exact;
mod hanging;
mod outage;
mod rebuild;
pub mod stage;
mod steady;

use std::os::unix::process::ExitStatusExt;
use std::time::Instant;

use infra::relay::RelayState;
use nix::sys::signal::Signal;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::chaos::long;
use tests::log::append_some;
use tokio::sync::watch;

use stage::{PATIENCE, Stage, until};

#[sqlx::test(migrations = "../migrations")]
async fn the_topics_are_the_log_while_it_grows_and_after_a_restart(
    pool: PgPoolOptions,
    connect: PgConnectOptions,
) {
    let mut stage = Stage::set(pool, connect).await;
    stage.config.partitions = 12;
    stage.config.batch_records = 100;
    append_some(&stage.store, 1000).await;
    for _ in 0..2 {
        let work = async |state: &mut watch::Receiver<RelayState>| {
            state.wait_for(|state| state.leading).await.unwrap();
            for _ in 0..10 {
                append_some(&stage.store, 50).await;
            }
            let head = stage.store.head().await.unwrap();
            state.wait_for(|state| state.position == head).await.unwrap();
        };
        stage.relaying(work).await;
        stage.must_be_exact().await;
    }
}

#[sqlx::test(migrations = "../migrations")]
async fn a_relay_killed_anywhere_leaves_no_gap_and_no_duplicate(
    pool: PgPoolOptions,
    connect: PgConnectOptions,
) {
    let stage = Stage::set(pool, connect).await;
    let points = ["before_produce", "after_produce", "before_commit", "after_commit"];
    append_some(&stage.store, 100).await;
    for round in 0..if long() { 100 } else { 12 } {
        // The first transaction of a relay only says that it leads; most are killed later.
        let failpoint = format!("relay.{}=kill@{}", points[round % 4], 1 + (round * 7) % 5);
        let mut relay = stage.relay(&[], &failpoint);
        let deadline = Instant::now() + PATIENCE;
        while relay.is_running() {
            assert!(Instant::now() < deadline, "the relay should have met {failpoint}");
            append_some(&stage.store, 20).await;
        }
        assert_eq!(relay.ended().await.signal(), Some(Signal::SIGKILL as i32), "{failpoint}");
    }
    let _relay = stage.relay(&[], "");
    stage.caught_up().await;
    stage.must_be_exact().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_commit_of_which_nobody_knows_is_neither_lost_nor_repeated(
    pool: PgPoolOptions,
    connect: PgConnectOptions,
) {
    let stage = Stage::set(pool, connect).await;
    let _relay = stage.relay(&[], "relay.after_commit=error%0.5");
    for _ in 0..8 {
        append_some(&stage.store, 20).await;
        stage.caught_up().await;
    }
    stage.must_be_exact().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_relay_that_slept_while_another_took_over_writes_nothing_and_ends(
    pool: PgPoolOptions,
    connect: PgConnectOptions,
) {
    let stage = Stage::set(pool, connect).await;
    append_some(&stage.store, 50).await;
    // One sleeps between transactions, one in the middle of one.
    for failpoints in ["", "relay.before_commit=sleep:3000@3"] {
        let mut first = stage.relay(&[], failpoints);
        stage.caught_up().await;
        if !failpoints.is_empty() {
            let before = stage.uncommitted();
            append_some(&stage.store, 20).await;
            until("the transaction is open", || async { stage.uncommitted() > before }).await;
        }
        first.signal(Signal::SIGSTOP);
        append_some(&stage.store, 50).await;
        let mut second = stage.relay(&[], "");
        stage.caught_up().await;

        first.signal(Signal::SIGCONT);
        append_some(&stage.store, 50).await;
        assert_eq!(first.ended().await.code(), Some(3), "{failpoints}");
        stage.caught_up().await;
        stage.must_be_exact().await;
        assert!(second.is_running());
    }
}
