//! P1, P10, P11, P12: PostgreSQL itself is killed and stopped, and may then have forgotten what it had committed without
//! anybody waiting for the disk. Whoever goes on from memory has to notice.

mod every_role;

use nix::sys::signal::Signal;
use serde_json::json;
use sqlx::ConnectOptions;
use tests::answer::send;
use tests::chaos::long;
use tests::database::TestDatabase;
use tests::kafka::{brokers, prefix};
use tests::postgres::Server;
use tests::process::{Premises, Process, until};

const PRODUCTS: &str = "/api/ecommerce/products";
const CARTS: &str = "/api/ecommerce/carts";

/// The platform on a PostgreSQL of its own.
struct House {
    at: Premises,
    prefix: String,
    /// The read models that are read from Kafka.
    from_kafka: &'static str,
    // Dropped last: the others work on it.
    server: Server,
}

impl House {
    async fn open(from_kafka: &'static str) -> Self {
        let server = Server::start().await;
        let at = Premises::over(TestDatabase::on(&server).await).await;
        Self { at, prefix: prefix(), from_kafka, server }
    }

    fn start(&self, role: &str) -> Process {
        if role == "gateway" {
            return self.at.start(role, "");
        }
        let mut command = self.at.command(&[role]);
        command
            .env("KAFKA_BROKERS", brokers())
            .env("MEWAYZ_KAFKA__PREFIX", &self.prefix)
            .env("MEWAYZ_KAFKA__PARTITIONS", "4")
            .env("MEWAYZ_SUBSCRIPTIONS__FROM_KAFKA", self.from_kafka)
            .env("MEWAYZ_SUBSCRIPTIONS__SESSION_MS", "1500")
            // A lease is renewed by a commit that waits for the disk, and for all that was committed before it.
            .env("MEWAYZ_SUBSCRIPTIONS__LEASE_MS", "60000");
        Process::start(&mut command)
    }

    /// With an API that listens.
    async fn start_all(&self, roles: &[&str]) -> Vec<Process> {
        let processes = roles.iter().map(|role| self.start(role)).collect();
        self.at.listens(self.at.address).await;
        processes
    }

    /// A power cut: what is committed and not on disk is gone.
    async fn crash(&self) {
        self.server.kill();
        self.server.start_again().await;
    }

    /// What `mewayz …` ends with.
    async fn ends_with(&self, arguments: &[&str]) -> Option<i32> {
        Process::start(&mut self.at.command(arguments)).ended().await.code()
    }
}

async fn what_was_shown_is_shown_after_a_crash(from_kafka: &'static str) {
    let house = House::open(from_kafka).await;
    let at = &house.at;
    let _processes = house.start_all(&["api", "project", "relay"]).await;
    for n in 0..if long() { 50 } else { 2 } {
        house.server.hold_back_writes().await;
        let made = at.post(PRODUCTS, json!({"title": format!("number {n}")})).await;
        assert_eq!(made.status, 201, "{made:?}");
        let path = format!("{PRODUCTS}/{}", made.json()["id"].as_str().unwrap());
        let fresh = format!("{path}?min_position={}", made.header("position"));
        until("it is shown", || async { at.get(&fresh).await.status == 200 }).await;
        house.crash().await;
        // Nothing happens any more that somebody might hear of.
        until("it is shown again", || async { at.get(&path).await.status == 200 }).await;
    }
    at.projected().await;
    at.must_equal_a_rebuild().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_read_model_has_shown_it_shows_after_a_crash() {
    what_was_shown_is_shown_after_a_crash("").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_read_model_from_kafka_has_shown_it_shows_after_a_crash() {
    what_was_shown_is_shown_after_a_crash("product").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_is_asked_about_again_though_a_crash_took_its_reminder() {
    const REMINDERS: &str = "select count(*) from deadlines where process like 'ask_gateway_%'";
    const CONFIRMED: &str = "select count(*) from events where event_type = 'Confirmed'";
    let mut house = House::open("").await;
    house.at.gateway_arguments = ["--faults", "never=100"].map(str::to_owned).into();
    let at = &house.at;
    let gateway = house.start("gateway");
    at.listens(at.gateway).await;
    let _processes = house.start_all(&["api", "react"]).await;
    at.sell("TEE", 100).await;
    for n in 1..=if long() { 20 } else { 1 } {
        house.server.hold_back_writes().await;
        gateway.signal(Signal::SIGSTOP);
        at.order("TEE").await;
        until("the outcome is unknown", || async { at.count(REMINDERS).await == 1 }).await;
        house.crash().await;
        gateway.signal(Signal::SIGCONT);
        until("the gateway is asked again", || async { at.count(CONFIRMED).await == n }).await;
        until("nothing is asked any more", || async { at.count(REMINDERS).await == 0 }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_unparked_is_applied_though_a_crash_took_it() {
    const PARKED: &str = "select count(*) from parked";
    let house = House::open("").await;
    let at = &house.at;
    let _processes = house.start_all(&["api", "project"]).await;
    at.sell("TEE", 1_000).await;
    let cart = at.post(CARTS, json!({"currency": "USD"})).await.json()["id"].as_str().unwrap().to_owned();
    at.projected().await;
    let mut owner = at.database.owner.connect().await.unwrap();
    let refuse = format!("alter table read.cart add constraint refused check (id <> '{cart}') not valid");
    sqlx::raw_sql(&refuse).execute(&mut owner).await.unwrap();
    for quantity in 1..=3 {
        let set = at.request(reqwest::Method::PUT, &format!("{CARTS}/{cart}/lines/TEE"));
        assert_eq!(send(set.json(&json!({"quantity": quantity}))).await.status, 200);
    }
    at.projected().await;
    assert_eq!(at.count(PARKED).await, 3);
    sqlx::raw_sql("alter table read.cart drop constraint refused").execute(&mut owner).await.unwrap();

    house.server.hold_back_writes().await;
    assert_eq!(house.ends_with(&["unpark", "cart", "--wait"]).await, Some(0));
    house.crash().await;
    until("they are applied again", || async { at.count(PARKED).await == 0 }).await;
    assert_eq!(at.get(&format!("{CARTS}/{cart}")).await.json()["version"], 4);
    at.must_equal_a_rebuild().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_gives_nobody_back_what_another_has_taken_over() {
    const MEMBERS: &str = "select count(distinct owner) from view_partitions where owner is not null";
    const CLAIMS: &str = "select sum(epoch)::bigint from view_partitions";
    let house = House::open("cart").await;
    let at = &house.at;
    let _processes = house.start_all(&["api", "relay", "project"]).await;
    at.post(CARTS, json!({"currency": "USD"})).await;
    at.projected().await;
    until("one has all", || async { at.count(MEMBERS).await == 1 }).await;
    for n in 2..=if long() { 8 } else { 2 } {
        house.server.hold_back_writes().await;
        let _member = house.start("project");
        until("another has taken its share", || async { at.count(MEMBERS).await == 2 }).await;
        let claims = at.count(CLAIMS).await;
        house.crash().await;
        let kept = at.count(CLAIMS).await;
        assert!(kept >= claims, "round {n}: of {claims} claims {kept} are left");
    }
    at.post(CARTS, json!({"currency": "USD"})).await;
    at.projected().await;
    at.must_equal_a_rebuild().await;
}
