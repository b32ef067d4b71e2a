//! P8: commands do not notice that Kafka is away.

use std::time::{Duration, Instant};

use futures::future::join_all;
use nix::sys::signal::Signal;
use reqwest::RequestBuilder;
use serde_json::json;
use tests::chaos::{lasting, long};
use tests::kafka::Broker;
use tests::process::{Premises, Process};
use tokio::time::MissedTickBehavior;

use super::stage::Stage;

/// Commands come so often, whether those before them are answered or not.
const EVERY: Duration = Duration::from_millis(10);

/// What a command took, at the median and at the 99th of a hundred.
#[derive(Debug)]
struct Took {
    #[expect(dead_code, reason = "for people")]
    commands: usize,
    #[expect(dead_code, reason = "for people")]
    p50: Duration,
    #[expect(dead_code, reason = "for people")]
    p99: Duration,
}

/// Opens carts steadily for some time; each is opened at the first time of asking.
async fn steadily(at: &Premises, time: Duration) -> Took {
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (begun, mut sent) = (Instant::now(), Vec::new());
    while begun.elapsed() < time {
        tick.tick().await;
        let cart = at.request(reqwest::Method::POST, "/api/ecommerce/carts");
        let cart = cart.header("idempotency-key", uuid::Uuid::new_v4().to_string());
        sent.push(tokio::spawn(open(cart.json(&json!({"currency": "USD"})))));
    }
    let mut times: Vec<Duration> = join_all(sent).await.into_iter().map(Result::unwrap).collect();
    times.sort_unstable();
    let commands = times.len();
    Took { commands, p50: times[commands / 2], p99: times[commands * 99 / 100] }
}

/// Opens a cart; how long that took.
async fn open(cart: RequestBuilder) -> Duration {
    let asked = Instant::now();
    let answer = cart.send().await.unwrap();
    assert_eq!(answer.status(), 201, "{answer:?}");
    _ = answer.bytes().await.unwrap();
    asked.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_go_on_as_before_while_kafka_is_killed_or_stands_still() {
    let away = lasting(Duration::from_secs(2));
    let calm = away.min(Duration::from_secs(60));
    let at = Premises::open().await;
    let broker = Broker::start();
    let mut stage = Stage::over(at.store.clone(), at.database.run_url());
    stage.config.brokers = broker.address();
    // All roles in one process: what ails one of them could be felt by the others.
    let mut serve = at.command(&["serve"]);
    // All clients are one address here: should a disk stand still for seconds, none is to be turned away.
    serve.env("MEWAYZ_HTTP__CONNECTIONS_PER_PEER", "1024");
    let mut platform = Process::start(stage.to_kafka(&mut serve));
    at.listens(at.address).await;
    println!("with Kafka: {:?}", steadily(&at, calm).await);
    stage.caught_up().await;
    for outage in [Signal::SIGKILL, Signal::SIGSTOP] {
        let before = at.store.head().await.unwrap();
        match outage {
            Signal::SIGKILL => broker.kill(),
            signal => broker.signal(signal),
        }
        println!("without, after {outage}: {:?}", steadily(&at, away).await);
        let behind = at.store.head().await.unwrap() - before;
        match outage {
            Signal::SIGKILL => broker.start_again(),
            _ => broker.signal(Signal::SIGCONT),
        }
        let back = Instant::now();
        stage.caught_up().await;
        println!("{behind} events behind, caught up in {:?}", back.elapsed());
    }
    assert!(platform.is_running());
    at.projected().await;
    stage.must_be_exact().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_platform_stops_when_it_is_told_to_while_kafka_is_away() {
    let at = Premises::open().await;
    let broker = Broker::start();
    let mut stage = Stage::over(at.store.clone(), at.database.run_url());
    stage.config.brokers = broker.address();
    let views = projections::all();
    let views = views.iter().filter(|view| view.by_stream()).map(|view| view.name());
    let views = views.collect::<Vec<_>>().join(",");
    let start = || {
        let mut serve = at.command(&["serve"]);
        Process::start(stage.to_kafka(&mut serve).env("MEWAYZ_SUBSCRIPTIONS__FROM_KAFKA", &views))
    };
    // Told at once it is in the middle of something, and later it has noticed.
    let outages = [(Signal::SIGKILL, 4), (Signal::SIGSTOP, 0), (Signal::SIGKILL, 0), (Signal::SIGSTOP, 4)];
    for (outage, told_after) in outages.into_iter().take(if long() { 4 } else { 2 }) {
        let mut platform = start();
        at.listens(at.address).await;
        stage.caught_up().await;
        at.projected().await;
        match outage {
            Signal::SIGKILL => broker.kill(),
            signal => broker.signal(signal),
        }
        steadily(&at, Duration::from_secs(told_after).max(EVERY)).await;
        platform.signal(Signal::SIGTERM);
        assert_eq!(platform.ended().await.code(), Some(0), "after {outage} and {told_after} s");
        match outage {
            Signal::SIGKILL => broker.start_again(),
            _ => broker.signal(Signal::SIGCONT),
        }
    }
    let _platform = start();
    stage.caught_up().await;
    at.projected().await;
    stage.must_be_exact().await;
}
