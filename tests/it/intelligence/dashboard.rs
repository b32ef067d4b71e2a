//! The dashboard shows what was done, and nothing else.

use chrono::TimeDelta;
use serde_json::{Value, json};
use tests::app::TestApp;

fn usd(amount: i64) -> Value {
    let decimal = format!("{}.{:02}", amount / 100, amount % 100);
    json!({"amount": amount, "currency": "USD", "decimal": decimal})
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_are_what_was_done_on_each_day() {
    // It is 2026-01-01.
    let app = TestApp::with_gateway().await;
    app.sell("TEE", 1_000, 20).await;
    app.sell("CUP", 300, 1).await;
    app.order("TEE", 3, "card").await;
    let cancelled = app.order("TEE", 2, "card").await;
    app.order("CUP", 2, "card").await;
    app.order("TEE", 1, "fraud").await;
    app.drain().await;
    app.pass(TimeDelta::days(1)).await;
    app.order("CUP", 1, "card").await;
    app.drain().await;
    let cancel = format!("/api/ecommerce/orders/{cancelled}/cancel");
    assert_eq!(app.owner.post(&cancel, json!({})).await.status, 200);
    app.drain().await;

    let shown = app.owner.show("/api/dashboard?group_by=day&top=1").await;
    let figures = &shown["figures"][0];
    assert_eq!((&shown["from"], &shown["to"]), (&json!("2025-12-04"), &json!("2026-01-03")));
    assert_eq!(
        (&figures["revenue"], &figures["refunds"], &figures["net"]),
        (&usd(5_300), &usd(2_000), &usd(3_300))
    );
    assert_eq!((&figures["orders"], &figures["units"]), (&json!(2), &json!(4)));
    // By what the two orders come to: the cancelled one counts neither above nor below.
    assert_eq!((&figures["sold"], &figures["average"]), (&usd(3_300), &usd(1_650)));
    let days: Vec<_> = shown["periods"]
        .as_array()
        .unwrap()
        .iter()
        .map(|day| {
            (
                day["from"].as_str().unwrap(),
                day["revenue"]["amount"].as_i64().unwrap(),
                day["refunds"]["amount"].as_i64().unwrap(),
            )
        })
        .collect();
    assert_eq!(days, [("2026-01-01", 5_000, 0), ("2026-01-02", 300, 2_000)]);
    let by_status: Vec<_> = shown["orders_by_status"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| (of["status"].as_str().unwrap(), of["orders"].as_i64().unwrap()))
        .collect();
    assert_eq!(by_status, [("cancelled", 3), ("confirmed", 2)]);
    assert_eq!(shown["top_products"], json!([{"sku": "TEE", "units": 3, "amount": usd(3_000)}]));
    assert_eq!(shown["top_customers"].as_array().unwrap().len(), 1);

    let first = app.owner.show("/api/dashboard?from=2026-01-01&to=2026-01-02").await;
    assert_eq!(first["figures"][0]["revenue"], usd(5_000));
    let before = app.owner.show("/api/dashboard?from=2025-12-01&to=2026-01-01").await;
    assert_eq!((&before["figures"], &before["periods"]), (&json!([]), &json!([])));
}

#[tokio::test(flavor = "multi_thread")]
async fn asks_for_days_that_make_sense_and_a_key_that_may_look() {
    let app = TestApp::with_gateway().await;
    for query in
        ["from=2030-01-02&to=2030-01-02", "from=2000-01-01&to=2030-01-01", "from=yesterday", "top=101", "x=1"]
    {
        let wrong = app.owner.get(&format!("/api/dashboard?{query}")).await;
        assert_eq!(wrong.problem(), (422, "validation".into()), "{query}");
    }
    let other = app.with_scopes(&["order:read"]).get("/api/dashboard").await;
    assert_eq!(other.problem(), (403, "forbidden".into()));
}
