//! What follows from an order is appended together, and is the same as if it had followed step by step: who answers it
//! all again, from the beginning, finds it done.

use std::sync::Arc;

use commands::port::Ports;
use commands::port::credential::fake::FakeCredentials;
use commands::port::payment::fake::FakeGateway;
use commands::port::vault::fake::FakeVault;
use infra::subscription::reactor::Reactor;
use nix::sys::signal::Signal;
use tests::app::TestApp;
use tests::process::{Premises, until};

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_confirmed_in_four_appends() {
    let ports = Ports {
        payment: Arc::new(FakeGateway::default()),
        vault: Arc::new(FakeVault::default()),
        credentials: Arc::new(FakeCredentials::default()),
    };
    let app = TestApp::reacting(Reactor::all(&ports)).await;
    app.sell("TEE", 1_000, 10).await;
    app.drain().await;
    let order = app.order("TEE", 1, "card").await;
    assert_eq!(app.order_now(&order).await["status"], "confirmed");
    // Events of one transaction have one.
    let sql = "select count(*), count(distinct xmin::text) from events
               where metadata->>'correlation' = (select metadata->>'correlation' from events
                                                 where aggregate_id like '%/' || $1 and sequence = 1)";
    let (events, appends): (i64, i64) =
        sqlx::query_as(sql).bind(&order).fetch_one(&app.database.pool).await.unwrap();
    // Placed; up to asking for the money to be held; up to asking for it to be taken; up to the confirmation.
    assert_eq!((events, appends), (22, 4));
    let causes_before =
        "select count(*) from events e join events c on c.event_id::text = e.metadata->>'causation'
                         where c.position >= e.position";
    let wrong: i64 = sqlx::query_scalar(causes_before).fetch_one(&app.database.pool).await.unwrap();
    assert_eq!(wrong, 0, "a cause stands before what it caused");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_answers_everything_again_finds_it_done() {
    const ENDED: &str = "select count(*) from events where aggregate_type = 'commerce.order'
                         and event_type in ('Confirmed', 'Cancelled')";
    const BEHIND: &str = "select count(*) from subscriptions
                          where name = any ($1) and position < (select position from head)";
    let at = Premises::open().await;
    let _gateway = at.start("gateway", "");
    at.listens(at.gateway).await;
    let _api = at.start("api", "");
    at.listens(at.address).await;
    at.sell("TEE", 3).await;
    let react = at.start("react", "");
    for _ in 0..4 {
        at.order("TEE").await;
    }
    until("all orders have ended", || async { at.count(ENDED).await == 4 }).await;
    let reacting: Vec<String> =
        commands::process::all().iter().map(|process| process.name().to_owned()).collect();
    let caught_up = || async {
        let behind: i64 =
            sqlx::query_scalar(BEHIND).bind(&reacting).fetch_one(&at.database.pool).await.unwrap();
        behind == 0
    };
    until("all is answered", caught_up).await;
    react.signal(Signal::SIGKILL);
    drop(react);

    let head = at.store.head().await.unwrap();
    sqlx::query("update subscriptions set position = 0, revision = revision + 1 where name = any ($1)")
        .bind(&reacting)
        .execute(&at.database.pool)
        .await
        .unwrap();
    let _react = at.start("react", "");
    until("all is answered again", caught_up).await;
    assert_eq!(at.store.head().await.unwrap(), head, "nothing has happened twice");
    let book = at.book().await;
    assert_eq!(book.charges.len(), 3, "{book:?}");
}
