//! P10, P11: read models that several processes keep from Kafka are the log too, however the work moves between them.

use std::time::Duration;

use futures::future::join_all;
use infra::relay::{RelayConfig, progress, record};
use infra::subscription::parked;
use infra::subscription::rebuild::{TableDigest, digest};
use nix::sys::signal::Signal;
use projections::Schema;
use rdkafka::Timestamp;
use rdkafka::message::{Header, OwnedHeaders, OwnedMessage};
use serde_json::json;
use sqlx::ConnectOptions;
use tests::chaos::long;
use tests::kafka::{brokers, forget_records, prefix};
use tests::process::{Premises, Process, until};
use tests::shortage::Shortage;

const CARTS: &str = "/api/ecommerce/carts";
/// So often four orders are placed and a cart is filled.
const EVERY: Duration = Duration::from_millis(250);

/// The platform, with read models from Kafka.
struct Spread {
    at: Premises,
    prefix: String,
    views: String,
    session_ms: u32,
}

impl Spread {
    /// With a relay and an API, and something to buy.
    async fn open(views: &[&str], session_ms: u32) -> (Self, [Process; 2]) {
        let spread =
            Self { at: Premises::open().await, prefix: prefix(), views: views.join(","), session_ms };
        let processes = [spread.at.start("api", ""), spread.start(&["relay"])];
        spread.at.listens(spread.at.address).await;
        spread.at.sell("TEE", 1_000_000).await;
        (spread, processes)
    }

    fn start(&self, arguments: &[&str]) -> Process {
        self.start_with(arguments, "")
    }

    fn start_with(&self, arguments: &[&str], failpoints: &str) -> Process {
        let mut command = self.at.command(arguments);
        command
            .env("KAFKA_BROKERS", brokers())
            .env("MEWAYZ_KAFKA__PREFIX", &self.prefix)
            .env("MEWAYZ_KAFKA__PARTITIONS", "4")
            // More than there are views that may wait for one that is stopped.
            .env("MEWAYZ_DATABASE__CONNECTIONS", "16")
            .env("MEWAYZ_SUBSCRIPTIONS__FROM_KAFKA", &self.views)
            // Long enough for a machine that is busy with all of them.
            .env("MEWAYZ_SUBSCRIPTIONS__LEASE_MS", "3000")
            .env("MEWAYZ_SUBSCRIPTIONS__SESSION_MS", self.session_ms.to_string())
            .env("FAILPOINTS", failpoints);
        Process::start(&mut command)
    }

    /// One of those who share the work.
    fn member(&self) -> Process {
        self.start(&["project"])
    }

    /// One that is mostly about to write what it has read: so it is when it is stopped.
    fn slow_member(&self) -> Process {
        self.start_with(&["project"], "view.before_write=sleep:300")
    }

    /// How many processes share the work of a view.
    async fn members(&self, view: &str) -> i64 {
        let sql = "select count(distinct owner) from view_partitions where subscription = '";
        self.at.count(&format!("{sql}{view}'")).await
    }

    /// Waits until the views have all that is in the log now, while it grows: so each partition is kept by somebody.
    async fn goes_on(&self) {
        let head = self.at.store.head().await.unwrap();
        let sql = format!(
            "select coalesce(min(coalesce(position, 0)), 0)
             from unnest(string_to_array('{}', ',')) as name left join subscriptions using (name)",
            self.views
        );
        until("the views go on", || async { self.at.count(&sql).await >= head }).await;
    }

    /// Waits until the topics hold all that is in the log now.
    async fn relayed(&self) {
        let head = self.at.store.head().await.unwrap();
        until("the relay has caught up", || async {
            let topics =
                RelayConfig { brokers: brokers(), prefix: self.prefix.clone(), ..RelayConfig::default() };
            let read = tokio::task::spawn_blocking(move || progress::read(&topics)).await.unwrap();
            read.unwrap().is_some_and(|progress| progress.position >= head)
        })
        .await;
    }

    /// Orders and carts, on and on, and no more of them than processes can keep up with.
    async fn trade(&self) {
        let mut tick = tokio::time::interval(EVERY);
        loop {
            tick.tick().await;
            join_all((0..4).map(|_| self.at.order("TEE"))).await;
            let cart = self.at.post(CARTS, json!({"currency": "USD"})).await.json();
            let path = format!("{CARTS}/{}/lines/TEE", cart["id"].as_str().unwrap());
            self.set(&path, 1).await;
        }
    }

    async fn set(&self, path: &str, quantity: i64) {
        let set = self.at.request(reqwest::Method::PUT, path).json(&json!({"quantity": quantity}));
        let set = tests::answer::send(set).await;
        assert_eq!(set.status, 200, "{set:?}");
    }

    /// What readers see, as bytes.
    async fn tables(&self) -> Vec<TableDigest> {
        let views = projections::all().into_iter().filter(|view| view.by_stream());
        let tables: Vec<&str> = views.flat_map(|view| view.tables()).collect();
        let mut connection = self.at.database.pool.acquire().await.unwrap();
        digest(&mut connection, Schema::Live, &tables).await.unwrap()
    }

    /// Makes all read models empty.
    async fn forget(&self) {
        let tables: Vec<String> = projections::all()
            .iter()
            .flat_map(|view| view.tables())
            .map(|table| format!("delete from read.{table};"))
            .collect();
        let names: Vec<String> = projections::all().iter().map(|view| format!("'{}'", view.name())).collect();
        let sql = format!(
            "{} delete from view_partitions; update subscriptions set position = 0 where name in ({})",
            tables.concat(),
            names.join(",")
        );
        sqlx::raw_sql(&sql).execute(&self.at.database.pool).await.unwrap();
    }
}

fn by_stream() -> Vec<&'static str> {
    projections::all().iter().filter(|view| view.by_stream()).map(|view| view.name()).collect()
}

async fn end(process: &mut Process) {
    process.signal(Signal::SIGTERM);
    assert_eq!(process.ended().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn three_members_through_kills_and_rebalances_keep_what_a_rebuild_and_the_store_say() {
    let (spread, _processes) = Spread::open(&by_stream(), 1_500).await;
    let at = &spread.at;
    let _others = [at.start("gateway", ""), at.start("react", "")];
    // The first owns the views that are read from the store: it must not sleep past its lease.
    let mut first = spread.member();
    spread.goes_on().await;
    let (mut second, mut third) = (spread.member(), spread.slow_member());
    until("three share the work", || async { spread.members("order").await == 3 }).await;

    let upheaval = async {
        for _ in 0..if long() { 20 } else { 1 } {
            third.signal(Signal::SIGSTOP);
            spread.goes_on().await;
            third.signal(Signal::SIGCONT);
            spread.goes_on().await;

            end(&mut second).await;
            spread.goes_on().await;
            second = spread.member();
            until("three share the work", || async { spread.members("order").await == 3 }).await;

            third.signal(Signal::SIGKILL);
            third.ended().await;
            third = spread.slow_member();
            spread.goes_on().await;
        }
        first.signal(Signal::SIGKILL);
        first.ended().await;
        spread.goes_on().await;
    };
    tokio::select! {
        () = spread.trade() => {}
        () = upheaval => {}
    }
    at.projected().await;
    at.must_equal_a_rebuild().await;

    // What a rebuild has swapped in is gone on with.
    first = spread.member();
    join_all((0..8).map(|_| at.order("TEE"))).await;
    at.projected().await;
    at.must_equal_a_rebuild().await;

    for member in [&mut first, &mut second, &mut third] {
        end(member).await;
    }
    let spread_over_three = spread.tables().await;
    assert!(spread_over_three.iter().any(|table| table.rows > 30), "{spread_over_three:?}");
    spread.forget().await;
    let _alone = at.start("project", "");
    at.projected().await;
    assert_eq!(spread.tables().await, spread_over_three);

    for event in at.store.read(0, i64::MAX).await.unwrap() {
        let sent = record::record(&event);
        let headers = sent.headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
            headers.insert(Header { key, value: Some(value.as_str()) })
        });
        let (key, value) = (Some(sent.key.into_bytes()), Some(sent.value.into_bytes()));
        let never = Timestamp::NotAvailable;
        let received = OwnedMessage::new(value, key, String::new(), never, 0, 0, Some(headers));
        let mut received = record::recorded(&received).unwrap();
        // Who asked for it is not told; no read model asks.
        received.metadata.clone_from(&event.metadata);
        assert_eq!(format!("{received:?}"), format!("{event:?}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_that_were_made_anew_double_nothing_and_lose_nothing() {
    let (spread, [_api, mut relay]) = Spread::open(&["order", "stock_level"], 1_500).await;
    let _members = [spread.member(), spread.member()];
    until("two share the work", || async { spread.members("order").await == 2 }).await;
    for _ in 0..if long() { 10 } else { 2 } {
        for _ in 0..5 {
            join_all((0..4).map(|_| spread.at.order("TEE"))).await;
        }
        spread.at.projected().await;
        end(&mut relay).await;
        // These are in the new topics before they are in any read model.
        join_all((0..40).map(|_| spread.at.order("TEE"))).await;
        assert_eq!(spread.start(&["relay", "rebuild"]).ended().await.code(), Some(0));
        relay = spread.start(&["relay"]);
        join_all((0..4).map(|_| spread.at.order("TEE"))).await;
        spread.at.projected().await;
        spread.at.must_equal_a_rebuild().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_that_is_ahead_in_parts_is_not_read_from_the_store_until_it_is_rebuilt() {
    // Nobody takes over from who sleeps: its parts stay behind.
    let (spread, _processes) = Spread::open(&["cart"], 30_000).await;
    let at = &spread.at;
    let (mut awake, mut asleep) = (spread.member(), spread.member());
    until("two share the work", || async { spread.members("cart").await == 2 }).await;
    at.projected().await;
    asleep.signal(Signal::SIGSTOP);
    let ahead = "select count(*) from view_partitions v join subscriptions s on s.name = v.subscription
                 where v.position > s.position";
    let trade = async {
        until("some parts are ahead", || async { at.count(ahead).await > 0 }).await;
    };
    tokio::select! {
        () = spread.trade() => {}
        () = trade => {}
    }
    for member in [&mut awake, &mut asleep] {
        member.signal(Signal::SIGKILL);
        member.ended().await;
    }
    let mut alone = at.start("project", "");
    assert_eq!(alone.ended().await.code(), Some(1));
    assert!(at.count(ahead).await > 0, "it has left everything as it was");

    let mut rebuild = Process::start(&mut at.command(&["rebuild", "cart"]));
    assert_eq!(rebuild.ended().await.code(), Some(0), "what is live is what the partitions say");
    assert_eq!(at.count(ahead).await, 0);
    let _alone = at.start("project", "");
    at.projected().await;
    at.must_equal_a_rebuild().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_database_refuses_waits_in_order_and_all_else_goes_on() {
    let (spread, _processes) = Spread::open(&["cart"], 1_500).await;
    let at = &spread.at;
    let _members = [spread.member(), spread.member()];
    until("two share the work", || async { spread.members("cart").await == 2 }).await;
    let mut carts = Vec::new();
    for _ in 0..8 {
        let cart = at.post(CARTS, json!({"currency": "USD"})).await.json();
        carts.push(cart["id"].as_str().unwrap().to_owned());
    }
    at.projected().await;
    let mut owner = at.database.owner.connect().await.unwrap();
    let refuse = format!(
        "alter table read.cart add constraint refused check (id not in ('{}', '{}')) not valid",
        carts[0], carts[1]
    );
    sqlx::raw_sql(&refuse).execute(&mut owner).await.unwrap();
    for quantity in 1..=3 {
        for cart in &carts {
            spread.set(&format!("{CARTS}/{cart}/lines/TEE"), quantity).await;
        }
    }
    at.projected().await;
    let versions = "select count(*) from read.cart where version = ";
    assert_eq!(at.count(&format!("{versions} 4")).await, 6, "all else has gone on");
    assert_eq!(at.count(&format!("{versions} 1")).await, 2);
    let parked = parked::list(&at.database.pool).await.unwrap();
    for cart in &carts[..2] {
        let of_cart = parked.iter().filter(|event| event.keys.concat().ends_with(cart));
        let reasons: Vec<bool> = of_cart.map(|event| event.reason.contains("refused")).collect();
        assert_eq!(reasons, [true, false, false], "{parked:?}");
    }
    assert_eq!(parked.len(), 6);

    sqlx::raw_sql("alter table read.cart drop constraint refused").execute(&mut owner).await.unwrap();
    let mut unpark = Process::start(&mut at.command(&["unpark", "cart", "--wait"]));
    assert_eq!(unpark.ended().await.code(), Some(0));
    assert_eq!(at.count(&format!("{versions} 4")).await, 8);
    at.must_equal_a_rebuild().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_database_lacks_is_waited_for_and_nothing_is_parked() {
    let (spread, _processes) = Spread::open(&["cart"], 1_500).await;
    let at = &spread.at;
    let carts = async || {
        for _ in 0..8 {
            at.post(CARTS, json!({"currency": "USD"})).await;
        }
    };
    let _members = [spread.member(), spread.member()];
    until("two share the work", || async { spread.members("cart").await == 2 }).await;
    carts().await;
    at.projected().await;
    let mut shortage = Shortage::prepare(&at.database).await;
    shortage.execute("alter table read.cart add constraint lacks check (not lacks()) not valid").await;
    shortage.begin("out_of_memory").await;
    carts().await;
    until("it has failed again and again", || shortage.has_failed(4)).await;
    shortage.end().await;
    at.projected().await;
    assert_eq!(at.count("select count(*) from parked").await, 0);
    assert_eq!(at.count("select count(*) from read.cart").await, 16);
    at.must_equal_a_rebuild().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_needs_what_a_topic_no_longer_holds_stops_and_goes_on_once_the_store_has_fed_it() {
    let (spread, _processes) = Spread::open(&["cart"], 1_500).await;
    let at = &spread.at;
    let carts = async || {
        for _ in 0..8 {
            at.post(CARTS, json!({"currency": "USD"})).await;
        }
    };
    let mut member = spread.member();
    carts().await;
    at.projected().await;
    end(&mut member).await;

    carts().await;
    spread.relayed().await;
    tokio::task::spawn_blocking({
        let prefix = spread.prefix.clone();
        move || forget_records(&brokers(), &prefix)
    })
    .await
    .unwrap();
    let mut member = spread.member();
    assert_eq!(member.ended().await.code(), Some(1));
    assert_eq!(at.count("select count(*) from read.cart").await, 8, "it has left everything as it was");

    let mut alone = at.start("project", "");
    at.projected().await;
    end(&mut alone).await;
    let mut member = spread.member();
    carts().await;
    at.projected().await;
    assert_eq!(at.count("select count(*) from read.cart").await, 24);
    at.must_equal_a_rebuild().await;
    end(&mut member).await;
}
