//! P11: read models are the log, each event in once, whoever keeps them.

use futures::future::join_all;
use nix::sys::signal::Signal;
use tests::process::{Premises, until};

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
