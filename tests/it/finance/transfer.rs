//! Orders paid by bank transfer, which a person marks as received.

use chrono::TimeDelta;
use serde_json::{Value, json};
use tests::app::TestApp;

async fn waiting(app: &TestApp) -> (String, Value) {
    app.sell("TEE", 1_000, 5).await;
    let order = app.order("TEE", 2, "bank_transfer").await;
    (order.clone(), payment_of(app, &order).await)
}

async fn payment_of(app: &TestApp, order: &str) -> Value {
    app.drain().await;
    app.owner.show(&format!("/api/financial/payments?order_id={order}")).await["items"][0].clone()
}

fn receive(payment: &Value) -> String {
    format!("/api/financial/payments/{}/receive", payment["id"].as_str().unwrap())
}

fn came(reference: &str, amount: i64) -> Value {
    json!({"reference": reference, "amount": {"amount": amount, "currency": "USD"}})
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_waits_for_its_transfer_and_is_confirmed_when_it_has_come() {
    let app = TestApp::with_gateway().await;
    let (order, payment) = waiting(&app).await;
    assert_eq!(
        (&payment["status"], &payment["next_step"]["kind"]),
        (&json!("requires_action"), &json!("transfer"))
    );
    assert!(payment["next_step"]["reference"].as_str().unwrap().starts_with("RF"), "{payment}");
    let path = receive(&payment);
    let clerk = app.with_scopes(&["payment:pay"]).post(&path, came("77", 2_000)).await;
    assert_eq!(clerk.problem(), (403, "forbidden".into()));
    let dollars = json!({"reference": "77", "amount": {"amount": 2_000, "currency": "EUR"}});
    assert_eq!(app.owner.post(&path, dollars).await.problem(), (422, "payment/currency_mismatch".into()));
    for _ in 0..2 {
        assert_eq!(app.owner.post(&path, came("77", 2_000)).await.status, 200);
    }
    assert_eq!(app.order_now(&order).await["status"], "confirmed");
    let payment = payment_of(&app, &order).await;
    assert_eq!(
        (
            &payment["status"],
            &payment["captured"]["amount"],
            &payment["fees"]["amount"],
            &payment["next_step"]
        ),
        (&json!("succeeded"), &json!(2_000), &json!(0), &Value::Null)
    );
    // Nobody can give it back but a person.
    let refund = json!({"payment_id": payment["id"], "amount": {"amount": 500, "currency": "USD"}, "reason": "goodwill"});
    let refund = app.owner.create("/api/financial/refunds", refund).await;
    app.drain().await;
    let refund = app.owner.show(&format!("/api/financial/refunds/{refund}")).await;
    assert_eq!(
        (&refund["status"], &refund["code"]),
        (&json!("manual_review"), &json!("to_be_paid_back_by_hand"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_amount_is_a_case_and_what_comes_too_late_is_owed_back() {
    let app = TestApp::with_gateway().await;
    let (order, payment) = waiting(&app).await;
    assert_eq!(app.owner.post(&receive(&payment), came("77", 1_999)).await.status, 200);
    assert_eq!(payment_of(&app, &order).await["status"], "conflicted");
    assert_eq!(app.order_now(&order).await["status"], "placed");

    let late = app.order("TEE", 1, "bank_transfer").await;
    let payment = payment_of(&app, &late).await;
    app.pass(TimeDelta::minutes(31)).await;
    assert_eq!(app.order_now(&late).await["status"], "expired");
    assert_eq!(app.owner.post(&receive(&payment), came("78", 1_000)).await.status, 200);
    app.drain().await;
    let refunds = app.owner.show("/api/financial/refunds?status=manual_review").await;
    assert_eq!(
        (&refunds["items"][0]["amount"]["amount"], &refunds["items"][0]["reason"]),
        (&json!(1_000), &json!("late_capture"))
    );
}
