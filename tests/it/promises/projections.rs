//! P10, P11: read models are the log, each event in once, whoever keeps them and however often they are killed.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use futures::future::join_all;
use nix::sys::signal::Signal;
use rand::RngExt;
use tests::chaos::{long, lots};
use tests::process::{Premises, until};
use tokio_util::sync::CancellationToken;

/// Read models whose checkpoints are owned by somebody who has taken over so often.
async fn owned_in_epoch(at: &Premises, least: i64) -> i64 {
    let sql = format!(
        "select count(*) from subscriptions
         where owner is not null and lease_until > clock_timestamp() and epoch >= {least}"
    );
    at.count(&sql).await
}

/// Orders of which each leaves its mark in several read models.
async fn place(at: &Premises, orders: usize) {
    join_all((0..orders).map(|_| at.order("TEE"))).await;
}

fn views() -> i64 {
    i64::try_from(projections::all().len()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_projector_that_slept_past_its_lease_writes_nothing_and_ends_with_3() {
    let at = Premises::open().await;
    let _api = at.start("api", "");
    at.listens(at.address).await;
    at.sell("TEE", 1_000).await;
    let mut sleeper = at.start("project", "");
    until("it owns all", || async { owned_in_epoch(&at, 1).await == views() }).await;
    place(&at, 8).await;
    at.projected().await;

    sleeper.signal(Signal::SIGSTOP);
    let mut heir = at.start("project", "");
    place(&at, 8).await;
    until("the other owns all", || async { owned_in_epoch(&at, 2).await == views() }).await;
    place(&at, 8).await;
    at.projected().await;

    sleeper.signal(Signal::SIGCONT);
    place(&at, 8).await;
    assert_eq!(sleeper.ended().await.code(), Some(3));
    assert!(heir.is_running());
    at.projected().await;
    at.must_equal_a_rebuild().await;
    assert_eq!(at.count(r#"select count(*) from read."order""#).await, 32);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_projector_stopped_inside_a_transaction_is_taken_over_from_as_well() {
    let at = Premises::open().await;
    let _api = at.start("api", "");
    at.listens(at.address).await;
    at.sell("TEE", 1_000).await;
    let mut sleeper = at.start("project", "view.before_commit=sleep:10000@20");
    // At least one: a transaction of another view may wait for the thread that stands still.
    let standing = "select count(*) from pg_stat_activity
                    where datname = current_database() and state = 'idle in transaction'
                      and query like 'update subscriptions set position%'
                      and state_change < clock_timestamp() - interval '100 ms'";
    until("it stands still", || async {
        place(&at, 1).await;
        at.count(standing).await > 0
    })
    .await;
    sleeper.signal(Signal::SIGSTOP);

    let _heir = at.start("project", "");
    until("the other owns all", || async { owned_in_epoch(&at, 2).await == views() }).await;
    place(&at, 8).await;
    at.projected().await;
    sleeper.signal(Signal::SIGCONT);
    assert_eq!(sleeper.ended().await.code(), Some(3));
    at.must_equal_a_rebuild().await;
}

/// Orders, four at a time, until told to stop; how many.
async fn place_until(at: &Premises, stop: CancellationToken) -> usize {
    let buyers = (0..4).map(async |_| {
        let mut placed = 0;
        while !stop.is_cancelled() {
            at.order("TEE").await;
            placed += 1;
        }
        placed
    });
    join_all(buyers).await.into_iter().sum()
}

/// Kills projectors so many times, each in another place: where its transaction ends, and anywhere.
async fn kill_projectors(at: &Premises, kills: usize) {
    let mut lots = lots();
    for kill in 0..kills {
        let nth = lots.random_range(1..40);
        let failpoint = match kill % 3 {
            0 => format!("view.before_commit=kill@{nth}"),
            1 => format!("view.after_commit=kill@{nth}"),
            _ => String::new(),
        };
        let mut projector = at.start("project", &failpoint);
        if failpoint.is_empty() {
            let before = checkpoints(at).await;
            until("it is at work", || async { checkpoints(at).await > before }).await;
            tokio::time::sleep(Duration::from_millis(lots.random_range(0..300))).await;
            projector.signal(Signal::SIGKILL);
        }
        assert_eq!(projector.ended().await.signal(), Some(9), "{failpoint}");
    }
}

/// The sum of all checkpoints: it grows with each batch.
async fn checkpoints(at: &Premises) -> i64 {
    at.count("select coalesce(sum(position), 0)::bigint from subscriptions where epoch > 0").await
}

#[tokio::test(flavor = "multi_thread")]
async fn read_models_are_the_log_however_often_their_projector_is_killed() {
    let at = Premises::open().await;
    let _gateway = at.start("gateway", "");
    let _api = at.start("api", "");
    let _react = at.start("react", "");
    at.listens(at.gateway).await;
    at.listens(at.address).await;
    at.sell("TEE", 100_000).await;

    let stop = CancellationToken::new();
    let killing = async {
        kill_projectors(&at, if long() { 100 } else { 9 }).await;
        stop.cancel();
    };
    let (placed, ()) = tokio::join!(place_until(&at, stop.clone()), killing);
    let _projector = at.start("project", "");
    at.projected().await;
    at.must_equal_a_rebuild().await;
    let orders = at.count(r#"select count(*) from read."order""#).await;
    assert_eq!(usize::try_from(orders).unwrap(), placed);
    println!("{placed} orders, {} events", at.store.head().await.unwrap());
}
