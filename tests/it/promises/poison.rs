//! P12: what cannot be applied is parked with all that follows on it, all else goes on; once the cause is mended,
//! everything is as if nothing had been.

use std::process::{Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use api::key;
use async_trait::async_trait;
use commands::clock::SystemClock;
use commands::effect::Effect;
use commands::identity::workspace::{self, PLATFORM};
use commands::{Actor, Context, Instruction};
use domain::commerce::cart::Cart;
use domain::commerce::order::Order;
use domain::kernel::{Decider as _, Recorded, Unreadable};
use infra::subscription::reactor::Reactor;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{ConnectOptions, PgConnection};
use tests::answer::send;
use tests::app::TestApp;
use tests::database::administrator;
use tests::process::{Premises, until};
use tokio_util::sync::CancellationToken;

const CARTS: &str = "/api/ecommerce/carts";
const WAITS: &str = "waits behind an earlier event";

/// An event that nobody can read any more, until it is mended.
struct Poison {
    superuser: PgConnection,
    position: i64,
    payload: String,
}

impl Poison {
    /// Makes a stream's event of a type unreadable, as it would be to a release that does not know its form.
    async fn into(at: &Premises, stream: &str, event_type: &str) -> Self {
        let mut superuser = administrator().database(&at.database.name).connect().await.unwrap();
        let (position, payload) = sqlx::query_as(
            "select position, payload::text from events where aggregate_id like '%/' || $1 and event_type = $2",
        )
        .bind(stream)
        .bind(event_type)
        .fetch_one(&mut superuser)
        .await
        .unwrap();
        let mut poison = Self { superuser, position, payload };
        poison.write(r#"{"type":"Unheard of"}"#).await;
        poison
    }

    /// What a release does that can read it.
    async fn mend(mut self) {
        let payload = self.payload.clone();
        self.write(&payload).await;
    }

    /// Past the rule that the log is append-only, as only a superuser may.
    async fn write(&mut self, payload: &str) {
        sqlx::raw_sql("set session_replication_role = replica").execute(&mut self.superuser).await.unwrap();
        let written = sqlx::query("update events set payload = $2::json where position = $1")
            .bind(self.position)
            .bind(payload)
            .execute(&mut self.superuser)
            .await;
        assert_eq!(written.unwrap().rows_affected(), 1);
    }
}

/// `mewayz …` to its end.
pub(super) async fn mewayz(at: &Premises, arguments: &[&str]) -> Output {
    let mut command = at.command(arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap()
}

/// What `mewayz parked` says of a subscription: position and reason, in order.
async fn parked(at: &Premises, subscription: &str) -> Vec<(i64, String)> {
    let output = mewayz(at, &["parked", "--json"]).await;
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let all = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let reason = |event: &Value| event["reason"].as_str().unwrap().to_owned();
    all.filter(|event| event["subscription"] == subscription)
        .map(|event| (event["position"].as_i64().unwrap(), reason(&event)))
        .collect()
}

/// The first is at fault, and the others wait behind it: these very events.
fn must_wait_behind_the_first(parked: &[(i64, String)], positions: &[i64]) {
    assert_eq!(parked.iter().map(|(position, _)| *position).collect::<Vec<_>>(), positions, "{parked:?}");
    assert!(parked.len() > 1, "something waits: {parked:?}");
    for (n, (_, reason)) in parked.iter().enumerate() {
        assert_eq!(reason.starts_with(WAITS), n > 0, "{parked:?}");
    }
}

/// The positions of a stream, from one on.
async fn stream_from(at: &Premises, stream: &str, position: i64) -> Vec<i64> {
    sqlx::query_scalar(
        "select position from events where aggregate_id like '%/' || $1 and position >= $2
         and aggregate_type like 'commerce.%' order by position",
    )
    .bind(stream)
    .bind(position)
    .fetch_all(&at.database.pool)
    .await
    .unwrap()
}

/// A key of the platform's operator.
pub(super) async fn operator(at: &Premises) -> String {
    let cx = || Context::internal(at.store.clone(), Arc::new(SystemClock), PLATFORM, Actor::Job("test"));
    workspace::create(cx(), "Platform").await.unwrap();
    key::issue(cx(), "operator", ["platform:operate"], None).await.unwrap().reveal()
}

/// The processes that hear of orders.
fn hear_orders() -> Vec<&'static str> {
    let all = commands::process::all();
    let hear = all.iter().filter(|process| process.listens_to().contains(&Order::NAME));
    let followers = commands::process::followers();
    let follow = followers.iter().filter(|follower| follower.listens_to() == Order::NAME);
    hear.map(|process| process.name()).chain(follow.map(|follower| follower.name())).collect()
}

/// How many are parked of a subscription, as the API tells the platform's operator.
async fn monitored(at: &Premises, operator: &str, subscription: &str) -> i64 {
    let url = format!("http://{}/api/monitoring/subscriptions", at.address);
    let answer = send(reqwest::Client::new().get(url).bearer_auth(operator)).await.json();
    let all = answer["subscriptions"].as_array().unwrap().clone();
    all.iter().find(|one| one["name"] == subscription).unwrap()["parked"].as_i64().unwrap()
}

/// Whether so many orders were ever confirmed.
async fn confirmed(at: &Premises, orders: i64) -> bool {
    let sql =
        "select count(*) from events where aggregate_type = 'commerce.order' and event_type = 'Confirmed'";
    at.count(sql).await == orders
}

async fn status(at: &Premises, order: &str) -> Value {
    at.get(&format!("/api/ecommerce/orders/{order}")).await.json()["status"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_no_view_can_read_holds_up_its_rows_only_and_goes_in_once_it_is_mended() {
    let at = Premises::open().await;
    let _gateway = at.start("gateway", "");
    let _api = at.start("api", "");
    let _react = at.start("react", "");
    at.listens(at.gateway).await;
    at.listens(at.address).await;
    let operator = operator(&at).await;
    at.sell("TEE", 1_000).await;
    let (sick, well) = (at.order("TEE").await, at.order("TEE").await);
    until("both are confirmed", || confirmed(&at, 2)).await;

    let poison = Poison::into(&at, &sick, "Placed").await;
    let _projector = at.start("project", "");
    at.projected().await;
    let later = at.order("TEE").await;
    until("the next is confirmed", || confirmed(&at, 3)).await;
    at.projected().await;
    for order in [&well, &later] {
        assert_eq!(status(&at, order).await, "confirmed");
    }
    assert_eq!(at.get(&format!("/api/ecommerce/orders/{sick}")).await.status, 404);
    let waiting = stream_from(&at, &sick, poison.position).await;
    let told = parked(&at, "order").await;
    must_wait_behind_the_first(&told, &waiting);
    assert_eq!(monitored(&at, &operator, "order").await, waiting.len() as i64);
    assert_eq!(parked(&at, "dashboard").await[0].0, poison.position);

    for view in ["order", "dashboard", "invariant"] {
        let early = mewayz(&at, &["unpark", view, "--wait"]).await;
        assert!(!early.status.success(), "nothing is mended yet: {early:?}");
    }
    assert_eq!(parked(&at, "order").await, told, "and nothing has changed");

    poison.mend().await;
    for view in ["order", "dashboard", "invariant"] {
        let unparked = mewayz(&at, &["unpark", view, "--wait"]).await;
        assert!(unparked.status.success(), "{unparked:?}");
    }
    assert_eq!(status(&at, &sick).await, "confirmed");
    at.must_equal_a_rebuild().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_no_process_can_read_holds_up_its_stream_only_and_is_answered_once_it_is_mended() {
    const STARTS: &str = "start_checkout_when_order_is_placed";
    let at = Premises::open().await;
    let _gateway = at.start("gateway", "");
    let _api = at.start("api", "");
    at.listens(at.gateway).await;
    at.listens(at.address).await;
    let operator = operator(&at).await;
    at.sell("TEE", 1_000).await;
    let (sick, _well) = (at.order("TEE").await, at.order("TEE").await);

    let poison = Poison::into(&at, &sick, "Placed").await;
    let _react = at.start("react", "");
    until("the other is confirmed", || confirmed(&at, 1)).await;
    let fact = json!({"kind": "in_transit", "at": "2026-01-01T00:00:00Z"});
    let observed = at.post(&format!("/api/ecommerce/orders/{sick}/carrier-facts"), fact).await;
    assert!(observed.status < 300, "{observed:?}");
    until("what follows waits", || async { parked(&at, STARTS).await.len() == 2 }).await;
    must_wait_behind_the_first(&parked(&at, STARTS).await, &stream_from(&at, &sick, poison.position).await);
    assert_eq!(monitored(&at, &operator, STARTS).await, 2);
    let _later = at.order("TEE").await;
    until("the next is confirmed", || confirmed(&at, 2)).await;

    poison.mend().await;
    for process in hear_orders() {
        let unparked = mewayz(&at, &["unpark", process, "--wait"]).await;
        assert!(unparked.status.success(), "{unparked:?}");
    }
    until("the sick one is confirmed", || confirmed(&at, 3)).await;
    assert_eq!(at.count("select count(*) from parked").await, 0);
    let _projector = at.start("project", "");
    at.projected().await;
    assert_eq!(status(&at, &sick).await, "confirmed");
    at.must_equal_a_rebuild().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_whose_id_nobody_can_read_is_parked_and_holds_up_no_other() {
    let at = Premises::open().await;
    let _gateway = at.start("gateway", "");
    let _api = at.start("api", "");
    at.listens(at.gateway).await;
    at.listens(at.address).await;
    at.sell("TEE", 1_000).await;
    let (sick, _well) = (at.order("TEE").await, at.order("TEE").await);
    let mut superuser = administrator().database(&at.database.name).connect().await.unwrap();
    sqlx::raw_sql("set session_replication_role = replica").execute(&mut superuser).await.unwrap();
    let renamed = "update events set aggregate_id = replace(aggregate_id, $1, 'nobody') where aggregate_id like '%/' || $1
                   returning position";
    let position: i64 = sqlx::query_scalar(renamed).bind(&sick).fetch_one(&mut superuser).await.unwrap();

    let _react = at.start("react", "");
    let _projector = at.start("project", "");
    until("the other is confirmed", || confirmed(&at, 1)).await;
    for subscription in hear_orders().into_iter().chain(["order", "dashboard"]) {
        until("it is parked", || async { !parked(&at, subscription).await.is_empty() }).await;
        let told = parked(&at, subscription).await;
        let [(parked, reason)] = told.as_slice() else { panic!("{subscription}: {told:?}") };
        assert_eq!(*parked, position);
        assert!(reason.contains("its stream's id"), "{subscription}: {reason}");
    }
}

/// Hears carts; one of them it cannot read until that is mended, and another takes as long as the test likes.
#[derive(Default)]
struct Picky {
    sick: OnceLock<String>,
    slow: OnceLock<String>,
    mended: AtomicBool,
    go_on: CancellationToken,
    /// Cart and sequence of what it has answered.
    answered: Mutex<Vec<(String, i64)>>,
}

struct Picking(Arc<Picky>);

#[async_trait]
impl Effect for Picking {
    fn name(&self) -> &'static str {
        "picky"
    }

    fn listens_to(&self) -> &'static [&'static str] {
        &[Cart::NAME]
    }

    async fn perform(&self, event: &Recorded) -> Result<Vec<Instruction>, Unreadable> {
        if self.0.sick.get() == Some(&event.id) && !self.0.mended.load(SeqCst) {
            let (position, event_type) = (event.position, event.event_type.clone());
            return Err(Unreadable { position, event_type, version: "1".into(), reason: "sick".into() });
        }
        if self.0.slow.get() == Some(&event.id) {
            self.0.go_on.cancelled().await;
        }
        self.0.answered.lock().unwrap().push((event.id.clone(), event.sequence));
        Ok(Vec::new())
    }
}

impl Picky {
    /// The sequences that were answered of a cart, in order.
    fn of(&self, cart: &str) -> Vec<i64> {
        let answered = self.answered.lock().unwrap();
        answered.iter().filter(|(id, _)| id == cart).map(|(_, sequence)| *sequence).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_told_to_wait_and_is_not_written_yet_is_tried_again_in_its_turn() {
    let picky = Arc::new(Picky::default());
    let app = TestApp::reacting(vec![Reactor::Effect(Box::new(Picking(picky.clone())))]).await;
    app.sell("TEE", 1_000, 1).await;
    let (pool, owner) = (app.store.pool().clone(), &app.owner);
    let open = || owner.create(CARTS, json!({"currency": "USD"}));
    let (sick, slow, well) = (open().await, open().await, open().await);
    let change = async |cart: &str, quantity: i64| {
        let set = owner.put(&format!("{CARTS}/{cart}/lines/TEE"), json!({"quantity": quantity})).await;
        assert_eq!(set.status, 200, "{set:?}");
    };
    let parked = async || -> i64 {
        let count = sqlx::query_scalar("select count(*) from parked where subscription = 'picky'");
        count.fetch_one(&pool).await.unwrap()
    };
    until("all are heard", || async { [&sick, &slow, &well].iter().all(|cart| picky.of(cart) == [1]) }).await;
    picky.sick.set(sick.clone()).unwrap();
    change(&sick, 1).await;
    until("it is parked", || async { parked().await == 1 }).await;

    // While an earlier event is not answered, nothing behind it is written.
    picky.slow.set(slow.clone()).unwrap();
    change(&slow, 1).await;
    change(&sick, 2).await;
    change(&well, 1).await;
    until("those behind it are heard", || async { picky.of(&well) == [1, 2] }).await;
    picky.mended.store(true, SeqCst);
    assert_eq!(infra::subscription::parked::ask_again(&pool, "picky").await.unwrap(), 1);
    let early = async { until("it is tried again", || async { picky.of(&sick) != [1] }).await };
    let early = tokio::time::timeout(Duration::from_secs(2), early).await;
    assert!(early.is_err(), "it is tried again without what follows: {:?}", picky.of(&sick));

    picky.go_on.cancel();
    until("nothing waits any more", || async { parked().await == 0 && picky.of(&sick).len() == 3 }).await;
    change(&sick, 3).await;
    until("what comes later is heard", || async { picky.of(&sick).len() == 4 }).await;
    assert_eq!(picky.of(&sick), [1, 2, 3, 4]);
}

/// A rule of the database that rows of one cart break; it counts how often.
const REFUSES: &str = "
    create sequence tries;
    grant select on tries to mewayz_run;
    create function refuse() returns trigger language plpgsql security definer as $$
    begin perform nextval('public.tries'); raise exception 'no such row' using errcode = 'check_violation'; end $$;
    create trigger refuse before insert or update on read.cart
        for each row when (new.lines::text like '%POISON%') execute function refuse();";

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_the_database_refuses_is_tried_five_times_and_holds_up_no_other() {
    let at = Premises::open().await;
    let _api = at.start("api", "");
    at.listens(at.address).await;
    let mut owner = at.database.owner.connect().await.unwrap();
    sqlx::raw_sql(REFUSES).execute(&mut owner).await.unwrap();
    let _projector = at.start("project", "");
    for sku in ["TEE", "POISON"] {
        at.sell(sku, 1_000).await;
    }
    let mut carts = Vec::new();
    for sku in ["TEE", "POISON", "TEE"] {
        let cart = at.post(CARTS, json!({"currency": "USD"})).await.json()["id"].as_str().unwrap().to_owned();
        for quantity in 1..=3 {
            let set = at.request(Method::PUT, &format!("{CARTS}/{cart}/lines/{sku}"));
            assert_eq!(send(set.json(&json!({"quantity": quantity}))).await.status, 200);
        }
        carts.push(cart);
    }
    at.projected().await;
    let tries = at.count("select last_value from tries").await;
    assert!(tries >= 5, "it was tried {tries} times");
    let sick = stream_from(&at, &carts[1], 0).await;
    must_wait_behind_the_first(&parked(&at, "cart").await, &sick[1..]);
    for (cart, version) in carts.iter().zip([4, 1, 4]) {
        let shown = at.get(&format!("{CARTS}/{cart}")).await;
        assert_eq!(shown.json()["version"], version, "{shown:?}");
    }

    sqlx::raw_sql("drop trigger refuse on read.cart").execute(&mut owner).await.unwrap();
    let unparked = mewayz(&at, &["unpark", "cart", "--wait"]).await;
    assert!(unparked.status.success(), "{unparked:?}");
    assert_eq!(at.get(&format!("{CARTS}/{}", carts[1])).await.json()["version"], 4);
    at.must_equal_a_rebuild().await;
}
