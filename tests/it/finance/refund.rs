//! Refunds over HTTP: asked for, decided on, paid out.

use serde_json::{Value, json};
use tests::app::TestApp;

const REFUNDS: &str = "/api/financial/refunds";

/// A paid order of 2,000; its payment.
async fn paid(app: &TestApp, method: &str) -> Value {
    app.sell("TEE", 1_000, 5).await;
    let order = app.order("TEE", 2, method).await;
    app.drain().await;
    let found = app.owner.show(&format!("/api/financial/payments?order_id={order}")).await;
    found["items"][0].clone()
}

fn asking(payment: &Value, amount: i64) -> Value {
    json!({"payment_id": payment["id"], "amount": {"amount": amount, "currency": "USD"}, "reason": "goodwill"})
}

#[tokio::test(flavor = "multi_thread")]
async fn is_asked_for_by_one_and_approved_by_another() {
    let app = TestApp::with_gateway().await;
    let payment = paid(&app, "card").await;
    let clerk = app.with_scopes(&["refund:request"]);
    let asked = clerk.post(REFUNDS, asking(&payment, 500)).await;
    let path = format!("{REFUNDS}/{}", asked.id());
    app.drain().await;
    assert_eq!(app.owner.show(&path).await["status"], "requested");
    let by_clerk = clerk.post(&format!("{path}/approve"), json!({})).await;
    assert_eq!(by_clerk.problem(), (403, "forbidden".into()));
    assert_eq!(app.book().await.charges[0].refunded, 0);
    assert_eq!(app.owner.post(&format!("{path}/approve"), json!({})).await.status, 200);
    app.drain().await;
    assert_eq!(app.owner.show(&path).await["status"], "succeeded");
    assert_eq!(app.book().await.charges[0].refunded, 500);
    let order =
        app.owner.show(&format!("/api/ecommerce/orders/{}", payment["order_id"].as_str().unwrap())).await;
    assert_eq!((&order["refunded"]["amount"], &order["status"]), (&json!(500), &json!("confirmed")));
    let cancelled = app.owner.post(&format!("{path}/cancel"), json!({})).await;
    assert_eq!(cancelled.status, 409, "its money has left");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_was_paid_is_never_given_back() {
    let app = TestApp::with_gateway().await;
    let payment = paid(&app, "card").await;
    for amount in [1_500, 1_500, 500] {
        assert_eq!(app.owner.post(REFUNDS, asking(&payment, amount)).await.status, 201);
        app.drain().await;
    }
    let refunds = app.owner.show(REFUNDS).await;
    let mut seen: Vec<_> = refunds["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|refund| (refund["amount"]["amount"].as_i64().unwrap(), refund["status"].as_str().unwrap()))
        .collect();
    seen.sort_unstable();
    assert_eq!(seen, [(500, "succeeded"), (1_500, "failed"), (1_500, "succeeded")]);
    assert_eq!(app.book().await.charges[0].refunded, 2_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn that_the_gateway_refuses_is_for_a_person() {
    let app = TestApp::with_gateway().await;
    let payment = paid(&app, "refund_fails").await;
    let path = format!("{REFUNDS}/{}", app.owner.post(REFUNDS, asking(&payment, 500)).await.id());
    app.drain().await;
    let held = app.owner.show(&path).await;
    assert_eq!((&held["status"], &held["code"]), (&json!("manual_review"), &json!("refund_declined")));
    assert_eq!(app.owner.post(&format!("{path}/reject"), json!({"code": "not_owed"})).await.status, 200);
    app.drain().await;
    assert_eq!(app.owner.show(&path).await["status"], "failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_an_unknown_payment_is_not_asked_for() {
    let app = TestApp::with_gateway().await;
    let payment = json!({"id": "pay_01h455vb4pex5vsknk084sn02q"});
    assert_eq!(
        app.owner.post(REFUNDS, asking(&payment, 500)).await.problem(),
        (404, "payment/unknown".into())
    );
}
