//! P12: whose failure it is. What is an event's own parks that event, whatever it falls together with; what the
//! database lacks for a while parks nothing, and is waited for by everybody who works with it.

use std::process::Stdio;
use std::sync::Arc;

use api::key;
use commands::clock::SystemClock;
use commands::identity::workspace;
use commands::{Actor, Context};
use domain::ids::WorkspaceId;
use futures::future::join_all;
use nix::sys::signal::Signal;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{ConnectOptions, PgConnection};
use tests::answer::send;
use tests::database::administrator;
use tests::process::{Premises, Process, until};
use tests::shortage::Shortage;
use uuid::Uuid;

const ORDERS: &str = "/api/ecommerce/orders";

async fn parked(at: &Premises) -> i64 {
    at.count("select count(*) from parked").await
}

async fn confirmed(at: &Premises) -> i64 {
    at.count(
        "select count(*) from events where aggregate_type = 'commerce.order' and event_type = 'Confirmed'",
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_model_waits_for_what_the_database_lacks_and_parks_nothing() {
    let at = Premises::open().await;
    let _api = at.start("api", "");
    at.listens(at.address).await;
    at.sell("TEE", 1_000).await;
    let mut shortage = Shortage::prepare(&at.database).await;
    shortage.execute(r#"alter table read."order" add constraint lacks check (not lacks()) not valid"#).await;
    let _projector = at.start("project", "");
    for (n, errcode) in
        ["disk_full", "out_of_memory", "query_canceled", "lock_not_available", "internal_error"]
            .into_iter()
            .enumerate()
    {
        shortage.begin(errcode).await;
        for _ in 0..20 {
            at.order("TEE").await;
        }
        let seen = i64::try_from(n + 1).unwrap() * 3;
        until("it has failed again and again", || shortage.has_failed(seen)).await;
        shortage.end().await;
        at.projected().await;
        assert_eq!(parked(&at).await, 0, "{errcode}");
    }
    assert_eq!(at.count(r#"select count(*) from read."order""#).await, 100);
    at.must_equal_a_rebuild().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_waits_for_what_the_database_lacks_and_parks_nothing() {
    let at = Premises::open().await;
    let _api = at.start("api", "");
    at.listens(at.address).await;
    at.sell("TEE", 1_000).await;
    for _ in 0..2 {
        at.order("TEE").await;
    }
    let _projector = at.start("project", "");
    at.projected().await;
    let mut shortage = Shortage::prepare(&at.database).await;
    shortage.execute(r#"alter table read."order" add constraint lacks check (not lacks()) not valid"#).await;
    shortage.begin("disk_full").await;
    let mut command = at.command(&["rebuild", "order", "--json"]);
    let rebuild = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // More often than two orders could fail before they would be parked.
    until("it has failed again and again", || shortage.has_failed(9)).await;
    shortage.end().await;
    let output = tokio::task::spawn_blocking(move || rebuild.wait_with_output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["parked"], &report["swapped"]), (&json!([]), &json!(true)), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_waits_for_what_the_database_lacks_and_parks_nothing() {
    let at = Premises::open().await;
    let (_gateway, _api) = (at.start("gateway", ""), at.start("api", ""));
    at.listens(at.gateway).await;
    at.listens(at.address).await;
    at.sell("TEE", 1_000).await;
    let mut shortage = Shortage::prepare(&at.database).await;
    shortage
        .execute(
            "create trigger lacks before insert on events for each row
                 when (new.aggregate_type = 'commerce.checkout') execute function lacks_or_refuses()",
        )
        .await;
    for errcode in ["disk_full", "insufficient_privilege", "undefined_table"] {
        shortage.begin(errcode).await;
        let _react = at.start("react", "");
        let before = shortage.failures().await;
        let orders = confirmed(&at).await + 1;
        at.order("TEE").await;
        // More often than one order could fail before it would be parked.
        until("it has failed again and again", || shortage.has_failed(before + 7)).await;
        shortage.end().await;
        until("all are confirmed", || async { confirmed(&at).await == orders }).await;
        assert_eq!(parked(&at).await, 0, "{errcode}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_the_log_refuses_is_its_events_own_failure_and_holds_up_no_other() {
    let at = Premises::open().await;
    let (_gateway, _api) = (at.start("gateway", ""), at.start("api", ""));
    at.listens(at.gateway).await;
    at.listens(at.address).await;
    at.sell("TEE", 1_000).await;
    let mut shortage = Shortage::prepare(&at.database).await;
    shortage
        .execute(
            "create trigger refuses before insert on events for each row
                 when (new.aggregate_type = 'commerce.checkout') execute function lacks_or_refuses()",
        )
        .await;
    let (sick, _well) = (at.order("TEE").await, at.order("TEE").await);
    // The checkout has the order's own id but for its prefix.
    let suffix = sick.split_once('_').unwrap().1.to_owned();
    shortage.execute(&format!("insert into refused values ('{suffix}')")).await;
    let _react = at.start("react", "");
    until("the other is confirmed", || async { confirmed(&at).await == 1 }).await;
    let of_sick = format!(
        "select count(*) from parked p join events e using (position)
         where p.subscription = 'start_checkout_when_order_is_placed' and e.aggregate_id like '%{sick}'"
    );
    until("the sick one is parked", || async { at.count(&of_sick).await == 1 }).await;
    assert!(shortage.has_failed(5).await, "it was tried again");
    assert_eq!(parked(&at).await, 1);
    let _later = at.order("TEE").await;
    until("the next is confirmed", || async { confirmed(&at).await == 2 }).await;

    shortage.execute("delete from refused").await;
    let mut unpark =
        Process::start(&mut at.command(&["unpark", "start_checkout_when_order_is_placed", "--wait"]));
    assert_eq!(unpark.ended().await.code(), Some(0));
    until("it is confirmed too", || async { confirmed(&at).await == 3 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_commands_in_one_batch_the_one_that_is_refused_is_told_and_a_shortage_is_waited_out_by_all() {
    let at = Premises::open().await;
    let _api = at.start("api", "");
    at.listens(at.address).await;
    at.sell("TEE", 1_000).await;
    let mut carts = Vec::new();
    for _ in 0..20 {
        let cart = at.post("/api/ecommerce/carts", json!({"currency": "USD"})).await.json();
        carts.push(cart["id"].as_str().unwrap().to_owned());
    }
    let mut shortage = Shortage::prepare(&at.database).await;
    shortage
        .execute(
            "create trigger lacks before insert on events for each row execute function lacks_or_refuses()",
        )
        .await;
    shortage.execute(&format!("insert into refused values ('{}')", carts[7])).await;
    let (at, all) = (&at, &carts);
    let change = |quantity: i64| {
        join_all(all.iter().map(move |cart| {
            let request = at.request(Method::PUT, &format!("/api/ecommerce/carts/{cart}/lines/TEE"));
            send(request.json(&json!({"quantity": quantity})))
        }))
    };
    for quantity in 1..=5 {
        let answers = change(quantity).await;
        for (n, answer) in answers.iter().enumerate() {
            match n {
                7 => assert_eq!(answer.problem(), (500, "internal".into())),
                _ => assert_eq!(answer.status, 200, "{answer:?}"),
            }
        }
    }
    shortage.execute("delete from refused").await;
    shortage.begin("disk_full").await;
    let before = shortage.failures().await;
    let (answers, ()) = tokio::join!(change(6), async {
        until("it has failed again and again", || shortage.has_failed(before + 3)).await;
        let mut superuser = administrator().database(&at.database.name).connect().await.unwrap();
        sqlx::raw_sql("delete from shortage").execute(&mut superuser).await.unwrap();
    });
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
}

/// An amount that two of are more than a figure may be; the log's border may have become stricter since.
const HUGE: &str = "5000000000000000000";
const SMALL: i64 = 777_777;

/// Orders of that amount in the workspace, each with a title and no product, written as they were taken once.
async fn huge_orders(at: &Premises, superuser: &mut PgConnection, orders: usize) {
    for _ in 0..orders {
        let line = json!({"sku": "GEM", "title": "Gem", "quantity": 1,
                          "total": {"amount": SMALL, "currency": "USD"}, "location": "main"});
        let customer = domain::ids::CustomerId::from_uuid(Uuid::now_v7());
        let body =
            json!({"customer_id": customer, "currency": "USD", "lines": [line], "payment_method": "card"});
        let placed = at.post(ORDERS, body).await;
        assert_eq!(placed.status, 201, "{placed:?}");
    }
    let sql = format!(
        "set session_replication_role = replica;
         update events set payload = replace(payload::text, '{SMALL}', '{HUGE}')::json
         where payload::text like '%{SMALL}%'"
    );
    sqlx::raw_sql(&sql).execute(superuser).await.unwrap();
}

async fn projects(at: &Premises) {
    let mut projector = at.start("project", "");
    at.projected().await;
    projector.signal(Signal::SIGTERM);
    projector.ended().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_workspaces_figures_out_of_range_stop_nobody_elses_dashboard() {
    let at = Premises::open().await;
    let _api = at.start("api", "");
    at.listens(at.address).await;
    let mut superuser = administrator().database(&at.database.name).connect().await.unwrap();
    let other = WorkspaceId::from_uuid(Uuid::now_v7());
    let cx = || Context::internal(at.store.clone(), Arc::new(SystemClock), other, Actor::Job("test"));
    workspace::create(cx(), "other").await.unwrap();
    let key = key::issue(cx(), "test", ["*"], None).await.unwrap().reveal();
    let others_order = async || {
        let line = json!({"sku": "TEE", "title": "T", "quantity": 1, "total": {"amount": 100, "currency": "USD"}, "location": "main"});
        let customer = domain::ids::CustomerId::from_uuid(Uuid::now_v7());
        let body =
            json!({"customer_id": customer, "currency": "USD", "lines": [line], "payment_method": "card"});
        let url = format!("http://{}{ORDERS}", at.address);
        let request = reqwest::Client::new().request(Method::POST, url).bearer_auth(&key);
        let placed = send(request.header("idempotency-key", Uuid::new_v4().to_string()).json(&body)).await;
        assert_eq!(placed.status, 201, "{placed:?}");
    };

    // Three that are read together, with somebody else's between them.
    huge_orders(&at, &mut superuser, 2).await;
    others_order().await;
    huge_orders(&at, &mut superuser, 1).await;
    projects(&at).await;
    // And three more that are read one by one.
    for _ in 0..3 {
        huge_orders(&at, &mut superuser, 1).await;
        others_order().await;
        projects(&at).await;
    }
    let url = format!("http://{}/api/dashboard", at.address);
    let figures = send(reqwest::Client::new().get(url).bearer_auth(&key)).await;
    assert_eq!(figures.status, 200, "{figures:?}");
    assert_eq!(figures.json()["figures"][0]["orders"], 4);
    assert_eq!(figures.json()["top_products"][0]["amount"]["amount"], 400);
    assert_eq!(parked(&at).await, 0, "sums have no bound");
    let huge = at.get("/api/dashboard").await;
    assert_eq!(huge.problem(), (422, "amount-out-of-range".into()));
    assert_eq!(at.get("/api/dashboard?to=2026-01-01").await.status, 200, "other days are shown");
    at.must_equal_a_rebuild().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_whose_figures_cannot_be_reckoned_is_parked_live_and_in_a_rebuild_alike() {
    let at = Premises::open().await;
    let (_gateway, _api, _react) = (at.start("gateway", ""), at.start("api", ""), at.start("react", ""));
    at.listens(at.gateway).await;
    at.listens(at.address).await;
    at.sell("TEE", 1_000).await;
    let line = json!({"sku": "TEE", "quantity": 2, "location": "main"});
    let customer = domain::ids::CustomerId::from_uuid(Uuid::now_v7());
    let body = json!({"customer_id": customer, "currency": "USD", "lines": [line], "payment_method": "card"});
    let sick = at.post(ORDERS, body).await.json()["id"].as_str().unwrap().to_owned();
    for _ in 0..20 {
        at.order("TEE").await;
    }
    until("all are confirmed", || async { confirmed(&at).await == 21 }).await;
    let line = "select payload->'lines'->0->>'line' from events
                where event_type = 'Placed' and aggregate_id like '%/' || $1";
    let line: String = sqlx::query_scalar(line).bind(&sick).fetch_one(&at.database.pool).await.unwrap();
    let one = json!({"lines": [{"line": line, "quantity": 1}], "reason": "customer"});
    let cancelled = at.post(&format!("{ORDERS}/{sick}/cancel-lines"), one).await;
    assert!(cancelled.status < 300, "{cancelled:?}");
    let mut superuser = administrator().database(&at.database.name).connect().await.unwrap();
    let sql = format!(
        "set session_replication_role = replica;
         update events set payload = replace(payload::text, '1000', '-9223372036854775808')::json
         where event_type = 'LinesCancelled' and aggregate_id like '%{sick}'"
    );
    sqlx::raw_sql(&sql).execute(&mut superuser).await.unwrap();
    let _projector = at.start("project", "");
    at.projected().await;
    let live = at.count("select min(position) from parked where subscription = 'dashboard'").await;
    assert_eq!(at.count("select count(*) from read.dashboard").await, 21);
    let mut command = at.command(&["rebuild", "dashboard", "--json"]);
    let output = tokio::task::spawn_blocking(move || command.stdout(Stdio::piped()).output()).await;
    let output = output.unwrap().unwrap();
    assert!(output.status.success(), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["live"], report["next"], "{report}");
    assert_eq!(report["parked"][0][0], live, "{report}");
}
