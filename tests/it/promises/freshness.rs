//! P13: whoever reads what they have just written sees it, or is told that it is not there yet.

use nix::sys::signal::Signal;
use serde_json::json;
use tests::process::{Premises, Process, until};

const CARTS: &str = "/api/ecommerce/carts";

/// Reads a cart that must show a version at least; whether it did, or was said to be behind.
async fn reads(at: &Premises, cart: &str, position: &str, version: i64) -> bool {
    let shown = at.get(&format!("{CARTS}/{cart}?min_position={position}")).await;
    if shown.status == 503 {
        assert_eq!(shown.problem(), (503, "projection-behind".into()));
        assert!(!shown.header("retry-after").is_empty(), "{shown:?}");
        return false;
    }
    assert_eq!(shown.status, 200, "{shown:?}");
    let seen = shown.json()["version"].as_i64().unwrap();
    assert!(seen >= version, "{seen} was shown as if it were {version}: {shown:?}");
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_shows_what_was_written_before_or_says_that_it_is_behind() {
    let at = Premises::open().await;
    let mut api = at.command(&["api"]);
    let _api = Process::start(api.env("MEWAYZ_HTTP__FRESH_TIME_MS", "100"));
    let projector = at.start("project", "");
    at.listens(at.address).await;
    at.sell("TEE", 1_000).await;
    let cart = at.post(CARTS, json!({"currency": "USD"})).await.json()["id"].as_str().unwrap().to_owned();
    let path = format!("{CARTS}/{cart}/lines/TEE");
    at.projected().await;
    let mut behind = 0;
    for round in 1..=30 {
        // Every third write is made while nobody keeps the read models.
        let paused = round % 3 == 0;
        if paused {
            projector.signal(Signal::SIGSTOP);
        }
        let set = at.request(reqwest::Method::PUT, &path).json(&json!({"quantity": round}));
        let set = tests::answer::send(set).await;
        assert_eq!(set.status, 200, "{set:?}");
        let (position, version) =
            (set.header("position").to_owned(), set.json()["version"].as_i64().unwrap());
        let seen = reads(&at, &cart, &position, version).await;
        if paused {
            assert!(!seen, "nobody can have projected it");
            behind += 1;
            projector.signal(Signal::SIGCONT);
        }
        until("it is shown", || reads(&at, &cart, &position, version)).await;
    }
    assert_eq!(behind, 10);
}
