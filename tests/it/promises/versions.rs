//! P3: of many who act on one version, one wins; the versions of a stream have no gap.

use commands::EventStore;
use commands::store::appender::Appended;
use futures::future::join_all;
use reqwest::Method;
use serde_json::json;
use tests::answer::{Answer, send};
use tests::chaos::long;
use tests::database::TestDatabase;
use tests::log::append_at;
use tests::process::{Premises, Process, free_address};

const WRITERS: usize = 64;

/// Of the streams' versions, those that are not the one before plus one.
const GAPS: &str = "select count(*) from (
    select sequence - row_number() over (partition by aggregate_type, aggregate_id order by position) as gap
    from events) versions where gap <> 0";

/// Whether it won; who lost is told the version that the winner made.
fn won(answer: &Answer, version: i64) -> bool {
    if answer.status == 412 {
        assert_eq!(answer.problem(), (412, "precondition-failed".into()));
        assert_eq!(answer.json()["current"], version + 1, "{answer:?}");
        return false;
    }
    assert_eq!((answer.status, answer.json()["version"].as_i64()), (200, Some(version + 1)), "{answer:?}");
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sixty_four_requests_on_one_version_one_wins_and_all_others_are_told() {
    let rounds = if long() { 1_000 } else { 15 };
    let at = Premises::open().await;
    let elsewhere = free_address();
    let _api = at.start("api", "");
    let _other = Process::start(at.command(&["api"]).env("MEWAYZ_LISTEN", elsewhere.to_string()));
    at.listens(at.address).await;
    at.listens(elsewhere).await;
    at.sell("TEE", 1).await;
    let cart = at.post("/api/ecommerce/carts", json!({"currency": "USD"})).await;
    let path = format!("/api/ecommerce/carts/{}/lines/TEE", cart.json()["id"].as_str().unwrap());
    for version in 1..=rounds {
        let writers = (0..WRITERS).map(|writer| {
            let address = if writer % 2 == 0 { at.address } else { elsewhere };
            // A quantity that the cart does not have yet: to set it again would be no event.
            let quantity = 1 + writer + version as usize % 2 * WRITERS;
            let request = at.request_at(address, Method::PUT, &path).json(&json!({"quantity": quantity}));
            send(request.header("if-match", format!("\"{version}\"")))
        });
        let winners = join_all(writers).await.iter().filter(|answer| won(answer, version)).count();
        assert_eq!(winners, 1, "at version {version}");
    }
    let events = "select count(*) from events where aggregate_type = 'commerce.cart'";
    assert_eq!(at.count(events).await, 1 + rounds);
    assert_eq!(at.count(GAPS).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sixty_four_appends_to_one_version_one_is_taken() {
    let rounds = if long() { 1_000 } else { 50 };
    let database = TestDatabase::create().await;
    let open = || EventStore::open(database.pool.clone(), database.run.clone(), 1_000);
    let stores = [open(), open()];
    for version in 0..rounds {
        let appends = (0..WRITERS).map(|writer| append_at(&stores[writer % 2], "contested", version));
        let mut taken = 0;
        for appended in join_all(appends).await {
            match appended {
                Appended::Done(Ok(outcome)) if outcome.version == version as i64 + 1 => taken += 1,
                Appended::Conflict { current } => assert_eq!(current, version as i64 + 1),
                other => panic!("at version {version}: {other:?}"),
            }
        }
        assert_eq!(taken, 1, "at version {version}");
    }
    let events: i64 =
        sqlx::query_scalar("select count(*) from events").fetch_one(&database.pool).await.unwrap();
    assert_eq!(events, rounds as i64);
    let gaps: i64 = sqlx::query_scalar(GAPS).fetch_one(&database.pool).await.unwrap();
    assert_eq!(gaps, 0);
}
