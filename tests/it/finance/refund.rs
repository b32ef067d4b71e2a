//! Refunds over HTTP: asked for, decided on, paid out.

use chrono::TimeDelta;
use futures::future::join_all;
use infra::gateway::Profile;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tests::app::TestApp;
use tests::process::{Premises, until};

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
    // By the order, or by the payment if that has set the first one's money aside already.
    assert_eq!(more.status, 409, "{more:?}");
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

#[tokio::test(flavor = "multi_thread")]
async fn what_a_hostile_gateway_gives_back_is_given_back_once_and_known_in_the_end() {
    let mut faults = Profile::HOSTILE;
    // Every second question is lost, with its answer or before it; and no notice says what became of it.
    (faults.lose, faults.lose_reply, faults.never) = (25, 25, 100);
    (faults.delay_ms, faults.late_ms) = (50, 100);
    let app = TestApp::with_faulty_gateway(7, faults).await;
    app.sell("TEE", 1_000, 40).await;
    join_all((0..20).map(|_| app.order("TEE", 1, "card"))).await;
    app.drain().await;
    for _ in 0..20 {
        app.pass(TimeDelta::minutes(1)).await;
    }
    let payments = app.owner.show("/api/financial/payments?limit=200").await;
    let paid = |payment: &&Value| payment["captured"]["amount"] == 1_000;
    let paid: Vec<&Value> = payments["items"].as_array().unwrap().iter().filter(paid).collect();
    assert!(paid.len() >= 10, "{} of 20 are paid", paid.len());
    for payment in &paid {
        assert_eq!(app.owner.post(REFUNDS, asking(payment, 400)).await.status, 201);
    }
    app.drain().await;
    let statuses = async || {
        let page = app.owner.show(&format!("{REFUNDS}?limit=200")).await;
        let all = page["items"].as_array().unwrap().clone();
        all.into_iter().map(|refund| refund["status"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let unknown = statuses().await.iter().filter(|status| *status == "unknown").count();
    assert!(unknown >= 3, "{unknown} wait for an answer");
    // Soon, then after minutes, hours and days: by chance some are lost each time, but not for a week.
    for _ in 0..60 {
        app.pass(TimeDelta::minutes(1)).await;
    }
    for _ in 0..6 {
        app.pass(TimeDelta::days(1)).await;
    }
    assert_eq!(statuses().await, vec!["succeeded"; paid.len()]);
    let refunded: i64 = app.book().await.charges.iter().map(|charge| charge.refunded).sum();
    assert_eq!(refunded, 400 * i64::try_from(paid.len()).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_killed_with_a_refund_under_way_is_asked_again_when_it_is_back() {
    let at = Premises::open().await;
    let (mut gateway, _others) =
        (at.start("gateway", ""), ["api", "react", "project"].map(|role| at.start(role, "")));
    at.listens(at.gateway).await;
    at.listens(at.address).await;
    at.sell("TEE", 5).await;
    let order = at.order("TEE").await;
    let captured = "select count(*) from read.payment where (captured).amount = 1000";
    until("it is paid", || async { at.count(captured).await == 1 }).await;
    let payments = at.get(&format!("/api/financial/payments?order_id={order}")).await.json();

    gateway.signal(Signal::SIGSTOP);
    let refund = at.post(REFUNDS, asking(&payments["items"][0], 400)).await;
    assert_eq!(refund.status, 201, "{refund:?}");
    let sent = "select count(*) from events where aggregate_type = 'finance.refund' and event_type = 'Sent'";
    until("it is sent", || async { at.count(sent).await == 1 }).await;
    gateway.signal(Signal::SIGKILL);
    gateway.ended().await;
    let unknown = "select count(*) from read.refund where status = 'unknown'";
    until("nobody knows what became of it", || async { at.count(unknown).await == 1 }).await;
    let _gateway = at.start("gateway", "");
    let succeeded = "select count(*) from read.refund where status = 'succeeded'";
    until("it is known", || async { at.count(succeeded).await == 1 }).await;
    assert_eq!(at.book().await.charges.iter().map(|charge| charge.refunded).sum::<i64>(), 400);
}
