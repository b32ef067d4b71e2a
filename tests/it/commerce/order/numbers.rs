//! Numbers and references of orders: none twice, and the numbers without a gap.

use futures::future::join_all;
use serde_json::{Value, json};
use tests::app::TestApp;

use super::ORDERS;

const SHOP: &str = "/api/ecommerce/shop";

#[tokio::test(flavor = "multi_thread")]
async fn are_given_without_a_gap_and_none_twice() {
    let app = TestApp::with_gateway().await;
    app.sell("TEE", 1_000, 100).await;
    let without = app.order("TEE", 1, "card").await;
    assert_eq!(app.order_now(&without).await["number"], Value::Null);
    assert_eq!(app.owner.put(SHOP, json!({"order_prefix": "W-"})).await.status, 200);
    let orders = join_all((0..40).map(|n| {
        let (app, method) = (&app, if n % 4 == 0 { "fraud" } else { "card" });
        async move { app.order("TEE", 1, method).await }
    }))
    .await;
    app.drain().await;
    let mut numbers = Vec::new();
    for order in &orders {
        let number = app.owner.show(&format!("{ORDERS}/{order}")).await["number"].clone();
        numbers.push(number.as_str().unwrap().strip_prefix("W-").unwrap().parse::<u64>().unwrap());
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=40).collect::<Vec<_>>());
    let found = app.owner.show(&format!("{ORDERS}?number=W-7")).await;
    assert_eq!(found["items"].as_array().unwrap().len(), 1);
    assert_eq!(found["items"][0]["number"], "W-7");

    // Another prefix, the same series; what was numbered keeps its number.
    assert_eq!(app.owner.put(SHOP, json!({"order_prefix": ""})).await.status, 200);
    let next = app.order("TEE", 1, "card").await;
    assert_eq!(app.order_now(&next).await["number"], "41");
    let bad = app.owner.put(SHOP, json!({"order_prefix": "W 1"})).await;
    assert_eq!(bad.problem(), (422, "validation".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_means_one_order_where_the_shop_wants_it() {
    let app = TestApp::with_gateway().await;
    app.sell("TEE", 1_000, 100).await;
    let wanting = |reference: &str| {
        let mut wanted = app.wanting("TEE", 1, "card");
        wanted["reference"] = json!(reference);
        wanted
    };
    for _ in 0..2 {
        assert_eq!(app.owner.post(ORDERS, wanting("PO 1")).await.status, 201, "nobody minds");
    }
    assert_eq!(app.owner.put(SHOP, json!({"unique_references": true})).await.status, 200);
    let all = join_all((0..8).map(|_| app.owner.post(ORDERS, wanting("PO 2/b")))).await;
    let made: Vec<_> = all.iter().filter(|answer| answer.status == 201).collect();
    assert_eq!(made.len(), 1, "{all:?}");
    for refused in all.iter().filter(|answer| answer.status != 201) {
        assert_eq!(refused.problem(), (409, "order_reference/taken".into()));
        assert!(refused.json()["detail"].as_str().unwrap().contains(&made[0].id()), "{refused:?}");
    }
    let customer = app.wanting("TEE", 1, "card")["customer_id"].clone();
    let draft = json!({"customer_id": customer, "currency": "USD", "reference": "PO 2/b"});
    let drafted = app.owner.post(&format!("{ORDERS}/drafts"), draft).await;
    assert_eq!(drafted.problem(), (409, "order_reference/taken".into()));
    app.drain().await;
    let found = app.owner.show(&format!("{ORDERS}?reference=PO%202%2Fb")).await;
    assert_eq!(found["items"].as_array().unwrap().len(), 1);
}
