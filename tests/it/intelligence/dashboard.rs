//! The dashboard shows what was done, and nothing else.

use chrono::TimeDelta;
use domain::identity::workspace::{Settings, Workspace, WorkspaceCommand};
use domain::money::Currency;
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
    let none = usd(0);
    let tee =
        json!({"sku": "TEE", "units": 3, "amount": usd(3_000), "returned_units": 0, "returned_amount": none});
    assert_eq!(shown["top_products"], json!([tee]));
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

async fn reckons_by(app: &TestApp, zone: &str) {
    let (platform, workspace) = (app.platform(), app.workspace);
    let settings =
        Settings { time_zone: zone.parse().unwrap(), locale: "en".parse().unwrap(), currency: Currency::USD };
    let known = platform.load::<Workspace>(&workspace).await.unwrap().version > 0;
    if !known {
        let create = WorkspaceCommand::Create { name: "Shop".into(), owner: None };
        app.platform().execute::<Workspace>(workspace, create).await.unwrap();
    }
    app.platform().execute::<Workspace>(workspace, WorkspaceCommand::Settle(settings)).await.unwrap();
}

/// First day and orders of each day or month that has any.
async fn orders_by(app: &TestApp, query: &str) -> Vec<(String, i64)> {
    app.drain().await;
    let shown = app.owner.show(&format!("/api/dashboard?{query}")).await;
    let periods = shown["periods"].as_array().unwrap();
    periods.iter().map(|of| (of["from"].as_str().unwrap().into(), of["orders"].as_i64().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn days_are_those_of_the_workspaces_time_zone_with_all_their_hours() {
    let app = TestApp::with_gateway().await;
    let historian = app.with_scopes(&["order:place", "history:write"]);
    // The day on which Berlin has 23 hours, the one on which it has 25, and what is just beside them.
    for at in [
        "2025-03-29T22:59:00Z",
        "2025-03-29T23:00:00Z",
        "2025-03-30T21:59:59Z",
        "2025-03-30T22:00:00Z",
        "2025-10-25T22:00:00Z",
        "2025-10-26T22:59:59Z",
        "2025-10-26T23:00:00Z",
    ] {
        let past = json!({
            "customer_id": app.wanting("TEE", 1, "card")["customer_id"], "currency": "USD",
            "settlement": "recorded", "effective_at": at,
            "lines": [{"sku": "OLD", "quantity": 1, "title": "Old", "total": {"amount": 100, "currency": "USD"}}],
        });
        assert_eq!(historian.post("/api/ecommerce/orders", past).await.status, 201);
    }
    let days = |days: &[(&str, i64)]| days.iter().map(|&(day, n)| (day.to_owned(), n)).collect::<Vec<_>>();
    let (spring, autumn) =
        ("from=2025-03-01&to=2025-04-01&group_by=day", "from=2025-10-01&to=2025-11-01&group_by=day");
    assert_eq!(orders_by(&app, spring).await, days(&[("2025-03-29", 2), ("2025-03-30", 2)]));

    // Changed, all is cut anew at once.
    reckons_by(&app, "Europe/Berlin").await;
    assert_eq!(
        orders_by(&app, spring).await,
        days(&[("2025-03-29", 1), ("2025-03-30", 2), ("2025-03-31", 1)])
    );
    assert_eq!(orders_by(&app, autumn).await, days(&[("2025-10-26", 2), ("2025-10-27", 1)]));
    let year = "from=2025-01-01&to=2026-01-01&group_by=month";
    assert_eq!(orders_by(&app, year).await, days(&[("2025-03-01", 4), ("2025-10-01", 3)]));
    let whole = app.owner.show("/api/dashboard?from=2025-01-01&to=2026-01-01").await;
    assert_eq!(
        (&whole["time_zone"], &whole["figures"][0]["orders"], &whole["top_products"][0]["units"]),
        (&json!("Europe/Berlin"), &json!(7), &json!(7))
    );
    reckons_by(&app, "Asia/Kathmandu").await;
    assert_eq!(orders_by(&app, spring).await, days(&[("2025-03-30", 2), ("2025-03-31", 2)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_back_counts_in_what_sells_best() {
    let app = TestApp::with_gateway().await;
    app.sell("TEE", 1_000, 9).await;
    app.sell("CUP", 900, 9).await;
    let tees = app.order("TEE", 2, "card").await;
    app.order("CUP", 2, "card").await;
    app.drain().await;
    let path = format!("/api/ecommerce/orders/{tees}");
    let line = app.owner.show(&path).await["lines"][0]["line"].clone();
    let units = json!({"lines": [{"line": line, "quantity": 2}]});
    assert_eq!(app.owner.post(&format!("{path}/fulfilments"), units.clone()).await.status, 201);
    let parcel = app.order_now(&tees).await["fulfilments"][0]["id"].as_str().unwrap().to_owned();
    for step in ["ship", "deliver"] {
        let done = app.owner.post(&format!("{path}/fulfilments/{parcel}/{step}"), json!({})).await;
        assert_eq!(done.status, 200, "{done:?}");
    }
    assert_eq!(app.owner.post(&format!("{path}/returns"), units).await.status, 201);
    let back = app.order_now(&tees).await["returns"][0]["id"].as_str().unwrap().to_owned();
    // It comes back on another day.
    app.pass(TimeDelta::days(2)).await;
    let came = json!({"line": line, "quantity": 1, "condition": "damaged"});
    assert_eq!(app.owner.post(&format!("{path}/returns/{back}/receive"), came).await.status, 200);
    app.drain().await;
    let shown = app.owner.show("/api/dashboard?from=2026-01-01&to=2026-01-04&group_by=day").await;
    let top: Vec<_> = shown["top_products"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| {
            let number = |name: &str| of[name].as_i64().unwrap();
            let amount = |name: &str| of[name]["amount"].as_i64().unwrap();
            let sku = of["sku"].as_str().unwrap();
            (sku, number("units"), amount("amount"), number("returned_units"), amount("returned_amount"))
        })
        .collect();
    assert_eq!(top, [("CUP", 2, 1_800, 0, 0), ("TEE", 2, 2_000, 1, 1_000)]);
    let days = shown["periods"].as_array().unwrap();
    let counted: Vec<_> =
        days.iter().map(|day| (&day["from"], &day["units"], &day["returned_units"])).collect();
    assert_eq!(
        counted,
        [(&json!("2026-01-01"), &json!(4), &json!(0)), (&json!("2026-01-03"), &json!(0), &json!(1))]
    );
}
