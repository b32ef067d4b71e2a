//! What stands still, or waits for a person, is shown: on the command line, in the API and in the figures.

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tests::answer::send;
use tests::process::{Premises, until};
use tests::shortage::Shortage;

use super::poison::{mewayz, operator};

/// What `mewayz status` says, for people and for programs.
async fn told(at: &Premises, subscription: &str) -> (String, Value) {
    let text = String::from_utf8(mewayz(at, &["status"]).await.stdout).unwrap();
    let json: Value = serde_json::from_slice(&mewayz(at, &["status", "--json"]).await.stdout).unwrap();
    let all = json["subscriptions"].as_array().unwrap();
    (text, all.iter().find(|one| one["name"] == subscription).unwrap().clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_still_or_is_parked_shows_everywhere() {
    let at = Premises::open().await;
    let _api = at.start("api", "");
    at.listens(at.address).await;
    let operator = operator(&at).await;
    let ask = async |path: &str| {
        let url = format!("http://{}{path}", at.address);
        send(reqwest::Client::new().get(url).bearer_auth(&operator)).await
    };
    let is = async |status: &str| ask("/api/status").await.json()["status"] == status;
    let figure = async |name: &str, subscription: &str| -> f64 {
        let (text, of) = (ask("/metrics").await.body, format!("{name}{{subscription=\"{subscription}\"}} "));
        let line =
            text.lines().find_map(|line| line.strip_prefix(&of)).unwrap_or_else(|| panic!("{of}: {text}"));
        line.parse().unwrap()
    };
    let mut projector = at.start("project", "");
    at.sell("TEE", 10).await;
    at.projected().await;
    until("all is well", || is("ok")).await;
    assert_eq!(figure("mewayz_subscription_stuck_seconds", "order").await, 0.0);

    // What the database lacks.
    let mut shortage = Shortage::prepare(&at.database).await;
    shortage.execute(r#"alter table read."order" add constraint lacks check (not lacks()) not valid"#).await;
    shortage.begin("disk_full").await;
    at.order("TEE").await;
    until("it is not well", || is("degraded")).await;
    let status = ask("/api/status").await;
    assert_eq!(status.status, 200, "commands and other reads go on");
    assert!(status.body.contains("order does not move since"), "{status:?}");
    let (text, order) = told(&at, "order").await;
    assert_eq!((&order["lag"], &order["parked"]), (&json!(1), &json!(0)));
    assert_eq!(order["stuck"]["why"], "53100: the database's disk is full");
    assert!(text.contains("make room on the database's disk"), "{text}");
    let monitored = ask("/api/monitoring/subscriptions").await.json();
    let order = monitored["subscriptions"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["name"] == "order")
        .unwrap()
        .clone();
    assert_eq!(order["stuck"]["why"], "53100: the database's disk is full");
    assert!(figure("mewayz_subscription_stuck_seconds", "order").await > 0.0);
    assert_eq!(figure("mewayz_subscription_lag", "order").await, 1.0);
    assert_eq!(figure("mewayz_subscription_stuck_seconds", "product").await, 0.0, "nobody else stands still");
    shortage.end().await;
    until("all is well again", || is("ok")).await;

    // What nobody runs.
    projector.signal(Signal::SIGKILL);
    projector.ended().await;
    at.order("TEE").await;
    until("it is not well", || is("degraded")).await;
    let (text, order) = told(&at, "order").await;
    assert_eq!(order["stuck"]["why"], "nobody runs it");
    assert!(text.contains("start `mewayz project`"), "{text}");
    let _projector = at.start("project", "");
    until("all is well again", || is("ok")).await;

    // What waits for a person.
    shortage.execute("alter table read.cart add constraint refused check (false) not valid").await;
    at.post("/api/ecommerce/carts", json!({"currency": "USD"})).await;
    until("it is not well", || is("degraded")).await;
    assert!(ask("/api/status").await.body.contains("1 events of cart are parked"));
    assert_eq!(figure("mewayz_subscription_parked", "cart").await, 1.0);
    let (text, cart) = told(&at, "cart").await;
    assert_eq!((&cart["parked"], &cart["stuck"]), (&json!(1), &Value::Null));
    assert!(text.contains("`mewayz unpark cart`"), "{text}");
    shortage.execute("alter table read.cart drop constraint refused").await;
    assert!(mewayz(&at, &["unpark", "cart", "--wait"]).await.status.success());
    until("all is well again", || is("ok")).await;
}
