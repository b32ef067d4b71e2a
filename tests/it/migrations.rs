//! Migrations that move what read models show: they leave what a rebuild would make.

use chrono::{DateTime, TimeDelta, Utc};
use commands::Outcome;
use commands::commerce::order::record_payment;
use domain::finance::refund::{Reason, Refund, RefundCommand};
use domain::ids::OrderId;
use domain::money::{Currency, Money};
use infra::subscription::rebuild::rebuild;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tests::app::TestApp;

const MOVED: &str = include_str!("../../migrations/20261130000200_platform_recorded_times.sql");
/// The tables as they were before it.
const BEFORE: &str = r#"
    update read."order" set created_at = effective_at, updated_at = effective_at;
    update read.payment set created_at = effective_at, updated_at = effective_at;
    update read.refund set created_at = effective_at, updated_at = effective_at;
    alter table read."order" drop column effective_at;
    alter table read.payment drop column effective_at;
    alter table read.refund drop column effective_at;
    alter table read.stock_level drop column created_at;
    create index payment_created on read.payment (workspace_id, created_at, id);
    create index refund_created on read.refund (workspace_id, created_at, id);
"#;

/// An order that was placed, paid and given back long before it was written down, and stock that moved; some later.
async fn old_business(app: &TestApp) {
    let then: DateTime<Utc> = "2020-02-02T12:00:00Z".parse().unwrap();
    let usd = |amount| json!({"amount": amount, "currency": "USD"});
    let order = json!({
        "customer_id": "cus_00000000000000000000000001", "currency": "USD", "settlement": "recorded",
        "lines": [{"sku": "LAMP", "quantity": 2, "title": "Lamp", "total": usd(500)}], "effective_at": then,
    });
    let clerk = app.with_scopes(&["order:place", "history:write"]);
    let order: OrderId = clerk.create("/api/ecommerce/orders", order).await.parse().unwrap();
    let receive = json!({"quantity": 5});
    assert_eq!(app.owner.post("/api/ecommerce/stock/LAMP/main/receive", receive.clone()).await.status, 200);
    app.clock.advance(TimeDelta::hours(1));
    assert_eq!(app.owner.post("/api/ecommerce/stock/LAMP/main/receive", receive).await.status, 200);
    let paid = Money::new(500, Currency::USD);
    let mut cx = app.platform();
    cx.effective_at = Some(then + TimeDelta::minutes(1));
    let recorded = record_payment(cx, order, paid, then).await.unwrap();
    let payments = shown(app, "/api/financial/payments", recorded).await;
    let payment = payments["items"][0]["id"].as_str().unwrap().parse().unwrap();
    let mut cx = app.platform();
    cx.effective_at = Some(then + TimeDelta::minutes(2));
    // Nobody would pay this one out: it is written down as it was.
    let request = RefundCommand::Request {
        payment,
        order,
        amount: paid,
        reason: Reason::Goodwill,
        lines: Vec::new(),
        approved: true,
    };
    let asked = cx.create::<Refund>(request).await.unwrap();
    shown(app, "/api/financial/refunds", asked).await;
}

/// What a list shows once it shows what was done.
async fn shown(app: &TestApp, path: &str, done: Outcome) -> Value {
    let path = format!("{path}?min_position={}", done.position);
    app.owner.send(app.owner.request(Method::GET, &path)).await.json()
}

/// Read models that old business leaves empty.
const UNTOUCHED: [&str; 16] = [
    "api_key",
    "cart",
    "counterpart",
    "invariant",
    "invitation",
    "ledger_account",
    "ledger_entry",
    "ledger_transaction",
    "membership",
    "party",
    "place",
    "product",
    "profile",
    "role",
    "session",
    "workspace",
];

#[tokio::test]
async fn the_times_of_rows_are_those_that_a_rebuild_finds() {
    let app = TestApp::start().await;
    old_business(&app).await;
    let order = &app.owner.get("/api/ecommerce/orders").await.json()["items"][0];
    assert_eq!(order["effective_at"], "2020-02-02T12:00:00Z");
    assert_eq!(order["created_at"], "2026-01-01T00:00:00Z");
    assert_eq!(order["updated_at"], "2026-01-01T01:00:00Z", "it was paid an hour later");
    let refund = &app.owner.get("/api/financial/refunds").await.json()["items"][0];
    assert_eq!(refund["effective_at"], "2020-02-02T12:02:00Z");

    let owner: PgPool = PgPoolOptions::new().connect_with(app.database.owner.clone()).await.unwrap();
    sqlx::raw_sql(BEFORE).execute(&owner).await.unwrap();
    sqlx::raw_sql(MOVED).execute(&owner).await.unwrap();
    for view in projections::all() {
        let report = rebuild(&owner, &app.store, view, false).await.unwrap();
        assert!(report.equal(), "{report:?}");
        let rows: u64 = report.live.iter().map(|table| table.rows).sum();
        assert!(rows > 0 || UNTOUCHED.contains(&&*report.view), "{} has no rows", report.view);
    }
}
