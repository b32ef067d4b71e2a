//! P14: read models are made anew while they are read: every answer is whole, and none is older than the one before.

use std::process::Stdio;
use std::time::{Duration, Instant};

use commands::Position;
use futures::future::join_all;
use serde_json::{Value, json};
use sqlx::ConnectOptions;
use tests::chaos::long;
use tests::process::Premises;
use tokio_util::sync::CancellationToken;

/// Events of a made-up order.
const LENGTH: i64 = 20;
/// Rows of a page.
const PAGE: usize = 50;

/// Fills the log with copies of an order.
async fn fill(at: &Premises, events: i64) {
    let order = at.order("TEE").await;
    for minute in 1..LENGTH {
        let news = json!({"kind": "in_transit", "at": format!("2026-01-01T00:{minute:02}:00Z")});
        let observed = at.post(&format!("/api/ecommerce/orders/{order}/carrier-facts"), news).await;
        assert!(observed.status < 300, "{observed:?}");
    }
    let copy = format!(
        "insert into events
         select head.position + row_number() over made, workspace_id,
                last.workspace_position + row_number() over made,
                aggregate_type, split_part(aggregate_id, '/', 1) || '/ord_' || lpad(copy::text, 26, '0'), sequence,
                gen_random_uuid(), event_type, event_version, payload, metadata, o.recorded_at, effective_at
         from events o cross join head cross join generate_series(1, {copies}) copy
              cross join (select workspace_position from events order by position desc limit 1) last
         where aggregate_id like '%/{order}' and aggregate_type = 'commerce.order' and sequence <= {LENGTH}
         window made as (order by copy, sequence);
         update head set position = (select max(position) from events);
         analyze events",
        copies = events / LENGTH,
    );
    let mut owner = at.database.owner.connect().await.unwrap();
    sqlx::raw_sql(&copy).execute(&mut owner).await.unwrap();
}

/// Puts the read models to the log's end: those that are read by a rebuild, which is quicker than to follow.
async fn project(at: &Premises) {
    let mut owner = at.database.owner.connect().await.unwrap();
    let views: Vec<&str> = projections::all().iter().map(|view| view.name()).collect();
    sqlx::query(
        "insert into subscriptions (name, position) select name, position from head, unnest($1::text[]) name",
    )
    .bind(views)
    .execute(&mut owner)
    .await
    .unwrap();
    rebuild(at, &["--accept"]).await;
}

/// `mewayz rebuild` of the views that are read: what it reports of each.
async fn rebuild(at: &Premises, options: &[&str]) -> Vec<Value> {
    let mut command = at.command(&["rebuild", "order", "dashboard", "--json"]);
    command.args(options).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{output:?}");
    let reports = String::from_utf8(output.stdout).unwrap();
    let reports: Vec<Value> = reports.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(reports.iter().all(|report| report["swapped"] == true), "{reports:?}");
    reports
}

/// Reads until told to stop: how often, and the slowest.
async fn read_on(at: &Premises, path: &str, stop: &CancellationToken) -> (usize, Duration) {
    let (mut reads, mut slowest, mut last) = (0, Duration::ZERO, (0, 0));
    while !stop.is_cancelled() {
        let asked = Instant::now();
        let answer = at.get(path).await;
        slowest = slowest.max(asked.elapsed());
        assert_eq!(answer.status, 200, "{answer:?}");
        let seen = (answer.header("position").parse::<Position>().unwrap().0, rows_of(&answer.json()));
        assert!(seen.0 >= last.0 && seen.1 >= last.1, "{path}: {last:?} was seen before {seen:?}");
        (reads, last) = (reads + 1, seen);
        // As many readers as can be have no less time than the rebuild.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    (reads, slowest)
}

/// Orders of the dashboard, or rows of a page: neither ever become fewer.
fn rows_of(body: &Value) -> i64 {
    let counted = |all: &Vec<Value>| all.iter().map(|status| status["orders"].as_i64().unwrap()).sum();
    match body["orders_by_status"].as_array() {
        Some(all) => counted(all),
        None => body["items"].as_array().unwrap().len() as i64,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_see_no_rebuild_however_many_events_it_takes() {
    let (events, rebuilds) = if long() { (1_000_000, 1) } else { (20_000, 2) };
    let at = Premises::open().await;
    let _api = at.start("api", "");
    at.listens(at.address).await;
    at.sell("TEE", 100_000).await;
    fill(&at, events).await;
    project(&at).await;
    let _projector = at.start("project", "");

    let stop = CancellationToken::new();
    let list = format!("/api/ecommerce/orders?limit={PAGE}");
    let paths = [list.as_str(), "/api/dashboard", list.as_str(), "/api/dashboard"];
    let reading = join_all(paths.map(|path| read_on(&at, path, &stop)));
    let writing = async {
        let mut placed = 0;
        while !stop.is_cancelled() {
            at.order("TEE").await;
            placed += 1;
        }
        placed
    };
    let rebuilding = async {
        for _ in 0..rebuilds {
            for report in rebuild(&at, &[]).await {
                assert_eq!(report["live"], report["next"], "{report}");
                let (seconds, held) = (&report["seconds"], &report["held_seconds"]);
                println!(
                    "{}: {} events in {seconds} s, held still {held} s",
                    report["view"], report["events"]
                );
                assert!(report["events"].as_i64().unwrap() >= events, "{report}");
            }
        }
        stop.cancel();
    };
    let (reads, placed, ()) = tokio::join!(reading, writing, rebuilding);
    for (path, (reads, slowest)) in paths.iter().zip(reads) {
        assert!(reads > 0);
        println!("{path}: {reads} reads, the slowest took {slowest:?}, while {placed} orders were placed");
    }
}
