//! Orders on credit: set aside and sent before they are paid, marked as paid in parts, given back by hand.

use serde_json::{Value, json};
use tests::app::TestApp;

use super::{ORDERS, deliver};

const REFUNDS: &str = "/api/financial/refunds";

async fn on_credit(app: &TestApp, quantity: u32) -> String {
    let mut wanted = app.wanting("TEE", quantity, "card");
    wanted["settlement"] = json!("credit_terms");
    wanted.as_object_mut().unwrap().remove("payment_method");
    app.owner.post(ORDERS, wanted).await.id()
}

fn usd(amount: i64) -> Value {
    json!({"amount": amount, "currency": "USD"})
}

fn money(order: &Value) -> (i64, i64, &Value) {
    let amount = |name: &str| order[name]["amount"].as_i64().unwrap();
    (amount("captured"), amount("refunded"), &order["payment_status"])
}

#[tokio::test(flavor = "multi_thread")]
async fn is_reserved_confirmed_sent_and_marked_as_paid() {
    let app = TestApp::with_gateway().await;
    app.sell("TEE", 1_000, 5).await;
    let order = on_credit(&app, 3).await;
    let confirmed = app.order_now(&order).await;
    assert_eq!((&confirmed["status"], &confirmed["basis"]), (&json!("confirmed"), &json!("credit_terms")));
    assert_eq!((money(&confirmed), app.stock("TEE").await), ((0, 0, &json!("none")), (5, 2)));
    let sent = deliver(&app, &order).await;
    assert_eq!((&sent["status"], app.stock("TEE").await), (&json!("completed"), (2, 2)));

    let path = format!("{ORDERS}/{order}/mark-paid");
    let clerk = app.with_scopes(&["order:manage", "order:place", "order:read"]);
    assert_eq!(clerk.post(&path, json!({"amount": usd(1)})).await.problem(), (403, "forbidden".into()));
    let part = app.owner.post(&path, json!({"amount": usd(1_200), "reference": "wire 1"})).await;
    assert_eq!(part.status, 201, "{part:?}");
    assert_eq!(money(&app.order_now(&order).await), (1_200, 0, &json!("partial")));
    let payment = app.owner.show(&format!("/api/financial/payments/{}", part.id())).await;
    assert_eq!((&payment["method"], &payment["reference"]), (&json!("recorded"), &json!("wire 1")));
    let more = app.owner.post(&path, json!({"amount": usd(1_801)})).await;
    assert_eq!(more.problem(), (409, "order/exceeds_owed".into()));
    assert!(more.json()["detail"].as_str().unwrap().contains("18.00 USD"), "{more:?}");
    assert_eq!(app.owner.post(&path, json!({"amount": usd(1_800)})).await.status, 201);
    assert_eq!(money(&app.order_now(&order).await), (3_000, 0, &json!("paid")));
    let figures = app.owner.show("/api/dashboard").await["figures"][0].clone();
    assert_eq!(figures["revenue"]["amount"], 3_000);
    assert_eq!(app.book().await.charges.len(), 0, "no provider has taken any of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn gives_back_what_was_marked_as_paid_by_hand() {
    let app = TestApp::with_gateway().await;
    app.sell("TEE", 1_000, 5).await;
    let order = on_credit(&app, 2).await;
    app.drain().await;
    let path = format!("{ORDERS}/{order}");
    for amount in [700, 800] {
        assert_eq!(
            app.owner.post(&format!("{path}/mark-paid"), json!({"amount": usd(amount)})).await.status,
            201
        );
    }
    assert_eq!(app.owner.post(&format!("{path}/cancel"), json!({})).await.status, 200);
    let cancelled = app.order_now(&order).await;
    assert_eq!((&cancelled["status"], app.stock("TEE").await), (&json!("cancelled"), (5, 5)));
    let waiting = app.owner.show(&format!("{REFUNDS}?needs_attention=true")).await;
    let waiting = waiting["items"].as_array().unwrap();
    let mut amounts: Vec<_> =
        waiting.iter().map(|refund| refund["amount"]["amount"].as_i64().unwrap()).collect();
    amounts.sort_unstable();
    assert_eq!(amounts, [700, 800]);
    for refund in waiting {
        let of = format!("{REFUNDS}/{}", refund["id"].as_str().unwrap());
        assert_eq!(refund["code"], "pay_out_by_hand");
        assert_eq!(
            app.owner.post(&format!("{of}/retry"), json!({})).await.problem(),
            (409, "refund/by_hand".into())
        );
        let paid = app.owner.post(&format!("{of}/pay-out"), json!({"reference": "wire 9"})).await;
        assert_eq!(paid.status, 200, "{paid:?}");
    }
    assert_eq!(money(&app.order_now(&order).await), (1_500, 1_500, &json!("refunded")));
    let payments = app.owner.show(&format!("/api/financial/payments?order_id={order}")).await;
    for payment in payments["items"].as_array().unwrap() {
        assert_eq!(payment["refunded"], payment["captured"]);
    }
    let left = app.owner.show(&format!("{REFUNDS}?needs_attention=true")).await;
    assert_eq!(left["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn that_is_sold_out_is_cancelled() {
    let app = TestApp::with_gateway().await;
    app.sell("TEE", 1_000, 1).await;
    let order = on_credit(&app, 2).await;
    let cancelled = app.order_now(&order).await;
    assert_eq!(
        (&cancelled["status"], &cancelled["cancel_reason"]),
        (&json!("cancelled"), &json!("out_of_stock"))
    );
    assert_eq!(app.stock("TEE").await, (1, 1));
    let mark = app.owner.post(&format!("{ORDERS}/{order}/mark-paid"), json!({"amount": usd(1)})).await;
    assert_eq!(mark.problem(), (409, "order/cancelled".into()));
}
