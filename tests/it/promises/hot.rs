//! A stream that everybody wants: what waits for it goes together, nobody is decided on what never was, and a client
//! does not stand behind all that the platform itself asks.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use commands::clock::SystemClock;
use commands::store::CACHED_AGGREGATES;
use commands::{Act, Actor, Context, Error, EventStore, On, Outcome};
use domain::commerce::stock::{Reservation, Stock, StockCommand};
use domain::ids::{ApiKeyId, LineId, OrderId, ReservationId, StockId, WorkspaceId};
use futures::future::join_all;
use rand::RngExt;
use sqlx::ConnectOptions;
use tests::database::TestDatabase;
use tests::process::until;
use uuid::Uuid;

/// Makes each append take longer than all decisions that wait for it.
const APPENDS_LINGER: &str = "
    create function linger() returns trigger language plpgsql as $$
    begin perform pg_sleep(0.02); return null; end $$; -- the append that takes longer than deciding
    create trigger linger after insert on events for each statement execute function linger();";

fn hot_stock() -> StockId {
    "TEE@main".parse().unwrap()
}

fn workspace() -> WorkspaceId {
    WorkspaceId::from_uuid(Uuid::from_u128(7))
}

struct Hot {
    database: TestDatabase,
    store: EventStore,
}

impl Hot {
    /// So many units on hand, and appends that take their time.
    async fn with(units: i64) -> Self {
        let database = TestDatabase::create().await;
        let mut owner = database.owner.connect().await.unwrap();
        sqlx::raw_sql(APPENDS_LINGER).execute(&mut owner).await.unwrap();
        let store = open(&database);
        client(&store)
            .execute::<Stock>(hot_stock(), StockCommand::Receive { quantity: units })
            .await
            .unwrap();
        Self { database, store }
    }

    async fn number(&self, sql: &str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.database.pool).await.unwrap_or_else(|e| panic!("{sql}: {e}"))
    }

    /// How many appends the events after a position and up to another came with: each has a time of its own.
    async fn appends(&self, after: i64, to: i64) -> i64 {
        self.number(&format!(
            "select count(distinct recorded_at) from events where position > {after} and position <= {to}"
        ))
        .await
    }
}

fn open(database: &TestDatabase) -> EventStore {
    EventStore::open(database.pool.clone(), database.run.clone(), CACHED_AGGREGATES)
}

fn asked_by(store: &EventStore, actor: Actor) -> Context {
    Context::internal(store.clone(), Arc::new(SystemClock), workspace(), actor)
}

fn client(store: &EventStore) -> Context {
    asked_by(store, Actor::Key(ApiKeyId::from_uuid(Uuid::nil())))
}

fn reserve() -> StockCommand {
    let at = Utc::now();
    StockCommand::Reserve(Reservation {
        reservation: ReservationId::from_uuid(Uuid::now_v7()),
        order: OrderId::from_uuid(Uuid::now_v7()),
        line: LineId::from_uuid(Uuid::now_v7()),
        quantity: 1,
        expires_at: at + TimeDelta::minutes(30),
        backorder: false,
        at,
    })
}

/// Those that were taken; all others must have been refused for want of stock.
fn taken(answers: Vec<Result<Outcome, Error>>) -> Vec<Outcome> {
    let is_sold_out =
        |error: &Error| matches!(error, Error::Refused(no) if no.code == "stock/insufficient_stock");
    let (taken, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    for answer in refused {
        let error = answer.unwrap_err();
        assert!(is_sold_out(&error), "{error:?}");
    }
    taken.into_iter().map(Result::unwrap).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_one_stream_is_appended_together_and_each_is_decided_on_what_the_others_left() {
    let hot = Hot::with(100).await;
    let asked = (0..160).map(|_| {
        let cx = client(&hot.store);
        tokio::spawn(async move { cx.execute::<Stock>(hot_stock(), reserve()).await })
    });
    let answers = join_all(asked).await.into_iter().map(Result::unwrap).collect();
    let taken = taken(answers);
    let versions: BTreeSet<i64> = taken.iter().map(|outcome| outcome.version).collect();
    assert_eq!(versions, (2..=101).collect(), "each has a version of its own, and there is no other");
    assert!(taken.iter().all(|outcome| outcome.position.0 == outcome.version), "{taken:?}");
    assert_eq!(hot.number("select count(*) from events").await, 101);
    assert_eq!(hot.number("select count(*) from commands").await, 161, "each has its own answer");
    let appends = hot.appends(1, 101).await;
    assert!(appends <= 6, "{appends} appends for 100 commands that came at once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_on_one_stream_sell_what_there_is_and_no_more() {
    let hot = Hot::with(100).await;
    let stores = [hot.store.clone(), open(&hot.database)];
    let mut answers = Vec::new();
    for round in 0..6 {
        let asked = (0..40).map(|n| {
            let cx = client(&stores[(n + round) % 2]);
            tokio::spawn(async move { cx.execute::<Stock>(hot_stock(), reserve()).await })
        });
        answers.extend(join_all(asked).await.into_iter().map(Result::unwrap));
    }
    // Who loses too often is told so, and has done nothing.
    let lost = |answer: &Result<Outcome, Error>| matches!(answer, Err(Error::Conflict { .. }));
    answers.retain(|answer| !lost(answer));
    let taken = taken(answers);
    assert_eq!(taken.iter().map(|outcome| outcome.version).collect::<BTreeSet<_>>(), (2..=101).collect());
    assert_eq!(hot.number("select count(*) from events").await, 101);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_used_twice_among_many_is_answered_once() {
    let hot = Hot::with(1_000).await;
    let asked = (0..120).map(|n| {
        // Each key comes three times, from the same client at once.
        let cx = client(&hot.store).with_key(&format!("key-{}", n / 3), &[b"one"]);
        let command = StockCommand::Receive { quantity: 1 + n / 3 };
        tokio::spawn(async move { cx.execute::<Stock>(hot_stock(), command).await.unwrap() })
    });
    let answers: Vec<Outcome> = join_all(asked).await.into_iter().map(Result::unwrap).collect();
    for same in answers.chunks(3) {
        assert!(same.iter().all(|answer| answer.version == same[0].version), "{same:?}");
        assert_eq!(same.iter().filter(|answer| !answer.replayed).count(), 1, "{same:?}");
    }
    assert_eq!(hot.number("select count(*) from events").await, 41);
    let received = "select sum((payload->>'quantity')::bigint)::bigint from events";
    assert_eq!(hot.number(received).await, 1_000 + (1..=40).sum::<i64>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_goes_with_one_of_the_next_appends_however_much_the_platform_wants() {
    let hot = Hot::with(1_000).await;
    let platform: Vec<_> = (0..256)
        .map(|_| {
            let cx = asked_by(&hot.store, Actor::Process("test"));
            tokio::spawn(async move { cx.execute::<Stock>(hot_stock(), reserve()).await.unwrap() })
        })
        .collect();
    until("the platform is at it", || async { hot.store.head().await.unwrap() > 1 }).await;
    let before = hot.store.head().await.unwrap();
    let answer = client(&hot.store)
        .execute::<Stock>(hot_stock(), StockCommand::Receive { quantity: 1 })
        .await
        .unwrap();
    // The one that is under way, the one that stands ready, its own; and one that began while this was being asked.
    let appends = hot.appends(before, answer.position.0).await;
    assert!(appends <= 4, "it came with the {appends}th append");
    let behind = 258 - answer.version;
    assert!(behind > 100, "{behind} of the platform's commands were still to come");
    for asked in platform {
        asked.await.unwrap();
    }
    assert_eq!(hot.number("select count(*) from events").await, 258);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_goes_away_in_the_middle_holds_up_nobody() {
    let hot = Hot::with(10_000).await;
    for _ in 0..20 {
        let mut asked: Vec<_> = (0..40)
            .map(|_| {
                let cx = client(&hot.store);
                tokio::spawn(async move { cx.execute::<Stock>(hot_stock(), reserve()).await.unwrap() })
            })
            .collect();
        for _ in 0..20 {
            let gone = asked.swap_remove(rand::rng().random_range(0..asked.len()));
            tokio::time::sleep(Duration::from_millis(rand::rng().random_range(0..4))).await; // When it goes is drawn.
            gone.abort();
        }
        let answers = tokio::time::timeout(Duration::from_secs(30), join_all(asked)).await;
        let answers: Vec<Outcome> =
            answers.expect("all are answered").into_iter().map(Result::unwrap).collect();
        let versions: BTreeSet<i64> = answers.iter().map(|outcome| outcome.version).collect();
        assert_eq!(versions.len(), 20, "each was taken once");
    }
    let gaps =
        "select count(*) from (select sequence - row_number() over (order by position) as gap from events) g
                where gap <> 0";
    assert_eq!(hot.number(gaps).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_on_several_streams_and_on_one_wait_for_each_other_and_not_for_ever() {
    let hot = Hot::with(10_000).await;
    let streams = ["TEE@main", "CUP@main", "HAT@main"];
    let receive = |id: &str| On::<Stock>::new(id.parse().unwrap(), StockCommand::Receive { quantity: 1 });
    let asked = (0..240).map(|n: usize| {
        let cx = if n.is_multiple_of(2) {
            client(&hot.store)
        } else {
            asked_by(&hot.store, Actor::Process("test"))
        };
        // One, or two in any order.
        let (first, second) = (streams[n % 3], streams[(n + n / 3) % 3]);
        let acts: Vec<On<Stock>> = if n.is_multiple_of(4) || first == second {
            vec![receive(first)]
        } else {
            vec![receive(first), receive(second)]
        };
        tokio::spawn(async move {
            let acts: Vec<&dyn Act> = acts.iter().map(|act| act as &dyn Act).collect();
            cx.execute_all(&acts).await.map(|_| acts.len() as i64).unwrap()
        })
    });
    let all =
        tokio::time::timeout(Duration::from_secs(60), join_all(asked)).await.expect("nobody waits for ever");
    let events: i64 = all.into_iter().map(Result::unwrap).sum();
    assert_eq!(hot.number("select count(*) from events").await, 1 + events);
}
