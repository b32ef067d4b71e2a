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

/// The amounts and statuses of all refunds, the smallest first.
async fn all(app: &TestApp) -> Vec<(i64, String)> {
    app.drain().await;
    let refunds = app.owner.show(REFUNDS).await;
    let one = |refund: &Value| {
        (refund["amount"]["amount"].as_i64().unwrap(), refund["status"].as_str().unwrap().to_owned())
    };
    let mut all: Vec<_> = refunds["items"].as_array().unwrap().iter().map(one).collect();
    all.sort_unstable();
    all
}

fn succeeded(amounts: &[i64]) -> Vec<(i64, String)> {
    amounts.iter().map(|&amount| (amount, "succeeded".to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_is_left_is_refused_at_once_with_what_is() {
    let app = TestApp::with_gateway().await;
    let payment = paid(&app, "card").await;
    // One right after the other: the second counts on what the first leaves.
    assert_eq!(app.owner.post(REFUNDS, asking(&payment, 1_500)).await.status, 201);
    let more = app.owner.post(REFUNDS, asking(&payment, 501)).await;
    assert_eq!(more.problem(), (409, "order/exceeds_held".into()));
    assert!(more.json()["detail"].as_str().unwrap().starts_with("only 5.00 USD "), "{more:?}");
    assert_eq!(app.owner.post(REFUNDS, asking(&payment, 500)).await.status, 201);
    assert_eq!(all(&app).await, succeeded(&[500, 1_500]));
    assert_eq!(
        app.owner.post(REFUNDS, asking(&payment, 1)).await.problem(),
        (409, "payment/exceeds_refundable".into())
    );
    assert_eq!(app.book().await.charges[0].refunded, 2_000);

    let mut wrong = asking(&payment, 1);
    wrong["amount"]["currency"] = json!("EUR");
    assert_eq!(app.owner.post(REFUNDS, wrong).await.problem(), (422, "payment/currency_mismatch".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn is_of_lines_of_the_order_and_of_no_other() {
    let app = TestApp::with_gateway().await;
    let payment = paid(&app, "card").await;
    let order =
        app.owner.show(&format!("/api/ecommerce/orders/{}", payment["order_id"].as_str().unwrap())).await;
    let of = |line: &Value, amount: i64| {
        let mut asking = asking(&payment, amount);
        asking["lines"] = json!([{"line": line, "amount": {"amount": amount, "currency": "USD"}}]);
        asking
    };
    let foreign = app.owner.post(REFUNDS, of(&json!("line_01h455vb4pex5vsknk084sn02q"), 500)).await;
    assert_eq!(foreign.problem(), (422, "order/refund_of_unknown_line".into()));
    let own = app.owner.post(REFUNDS, of(&order["lines"][0]["line"], 500)).await;
    assert_eq!(own.status, 201, "{own:?}");
    assert_eq!(all(&app).await, succeeded(&[500]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_order_owes_is_given_back_whole_while_another_refund_is_under_way() {
    let app = TestApp::with_gateway().await;
    let payment = paid(&app, "card").await;
    let order = payment["order_id"].as_str().unwrap();
    assert_eq!(app.owner.post(REFUNDS, asking(&payment, 1_500)).await.status, 201);
    let cancelled = app.owner.post(&format!("/api/ecommerce/orders/{order}/cancel"), json!({})).await;
    assert_eq!(cancelled.status, 200);
    assert_eq!(all(&app).await, succeeded(&[500, 1_500]));
    let order = app.owner.show(&format!("/api/ecommerce/orders/{order}")).await;
    assert_eq!((&order["refunded"]["amount"], &order["payment_status"]), (&json!(2_000), &json!("refunded")));
    assert_eq!(app.book().await.charges[0].refunded, 2_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gift_to_the_customer_holds_up_no_parcel() {
    let app = TestApp::with_gateway().await;
    let payment = paid(&app, "card").await;
    let path = format!("/api/ecommerce/orders/{}", payment["order_id"].as_str().unwrap());
    assert_eq!(app.owner.post(REFUNDS, asking(&payment, 1)).await.status, 201);
    app.drain().await;
    let line = app.owner.show(&path).await["lines"][0]["line"].clone();
    let units = json!({"lines": [{"line": line, "quantity": 2}]});
    assert_eq!(app.owner.post(&format!("{path}/fulfilments"), units).await.status, 201);
    app.drain().await;
    let parcel = app.owner.show(&path).await["fulfilments"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(app.owner.post(&format!("{path}/fulfilments/{parcel}/ship"), json!({})).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn that_the_gateway_refuses_is_for_a_person() {
    let app = TestApp::with_gateway().await;
    let payment = paid(&app, "refund_fails").await;
    let path = format!("{REFUNDS}/{}", app.owner.post(REFUNDS, asking(&payment, 500)).await.id());
    app.drain().await;
    let held = app.owner.show(&path).await;
    assert_eq!((&held["status"], &held["code"]), (&json!("manual_review"), &json!("refund_declined")));
    assert_eq!(app.owner.show(&format!("{REFUNDS}?needs_attention=true")).await["items"], json!([held]));
    assert_eq!(
        app.owner.post(&format!("{path}/approve"), json!({})).await.problem(),
        (409, "refund/in_review".into())
    );
    // Sent again, it is another call, which is refused again.
    assert_eq!(app.owner.post(&format!("{path}/retry"), json!({})).await.status, 200);
    app.drain().await;
    let again = app.owner.show(&path).await;
    assert_eq!((&again["status"], &again["version"]), (&json!("manual_review"), &json!(6)));
    assert_eq!(app.owner.post(&format!("{path}/reject"), json!({"code": "not_owed"})).await.status, 200);
    app.drain().await;
    assert_eq!(app.owner.show(&path).await["status"], "failed");
    assert_eq!(app.owner.show(&format!("{REFUNDS}?needs_attention=true")).await["items"], json!([]));
    assert_eq!(
        app.owner.post(&format!("{path}/approve"), json!({})).await.problem(),
        (409, "refund/closed".into())
    );
    // It is free to be asked for again.
    assert_eq!(app.owner.post(REFUNDS, asking(&payment, 2_000)).await.status, 201);
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
