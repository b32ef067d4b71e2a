//! Orders paid through Stripe, over its wire, when it does well.

use std::time::Duration;

use chrono::TimeDelta;
use commands::clock::Clock;
use commands::port::payment::signature::sign;
use serde_json::{Value, json};
use tests::app::{SECRET, TestApp};
use tests::stripe::{Booked, FakeStripe, Hostility};

const WEBHOOK: &str = "/api/financial/payments/webhook/stripe";
const SESSIONS: &str = "/api/payments/checkout/session";

async fn tell(app: &TestApp, path: &str, body: &[u8], signature: String) -> u16 {
    let request = reqwest::Client::new().post(format!("http://{}{path}", app.address)).body(body.to_vec());
    request.header("stripe-signature", signature).send().await.unwrap().status().as_u16()
}

fn signed(app: &TestApp, body: &[u8]) -> String {
    sign(SECRET.as_bytes(), body, app.clock.now())
}

/// Sends what there is to be told.
async fn deliver(app: &TestApp, stripe: &FakeStripe) {
    for body in stripe.events() {
        let status = tell(app, WEBHOOK, &body, signed(app, &body)).await;
        assert!([202, 204].contains(&status), "{status}: {}", String::from_utf8_lossy(&body));
    }
    app.drain().await;
}

async fn payment_of(app: &TestApp, order: &str) -> Value {
    app.drain().await;
    app.owner.show(&format!("/api/financial/payments?order_id={order}")).await["items"][0].clone()
}

fn booked(amount: i64, status: &str, captured: i64, refunded: i64) -> Booked {
    Booked { amount, status: status.into(), captured, refunded }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_is_held_taken_and_given_back() {
    let stripe = FakeStripe::start().await;
    let app = TestApp::with_stripe(&stripe).await;
    app.sell("TEE", 1_000, 5).await;
    let order = app.order("TEE", 2, "pm_card_visa").await;
    assert_eq!(app.order_now(&order).await["status"], "confirmed");
    let payment = payment_of(&app, &order).await;
    assert_eq!((&payment["status"], &payment["fees"]["amount"]), (&json!("succeeded"), &json!(88)));
    assert_eq!(stripe.books(), [booked(2_000, "succeeded", 2_000, 0)]);
    let refund = json!({"payment_id": payment["id"], "amount": {"amount": 500, "currency": "USD"}, "reason": "goodwill"});
    let refund = app.owner.create("/api/financial/refunds", refund).await;
    app.drain().await;
    assert_eq!(app.owner.show(&format!("/api/financial/refunds/{refund}")).await["status"], "succeeded");
    assert_eq!(stripe.books(), [booked(2_000, "succeeded", 2_000, 500)]);
    // All that it tells is known already.
    let head = app.store.head().await.unwrap();
    deliver(&app, &stripe).await;
    assert_eq!(app.store.head().await.unwrap(), head, "told of what is recorded, nothing is recorded");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_does_not_come_in_time_is_asked_for_and_nothing_is_done_twice() {
    let silent = Hostility { silent: 100, hangs: true, ..Hostility::default() };
    let stripe = FakeStripe::hostile(1, silent).await;
    let app = TestApp::with_stripe_waiting(&stripe, Duration::from_secs(1)).await;
    app.sell("TEE", 1_000, 5).await;
    let order = app.order("TEE", 2, "pm_card_visa").await;
    assert_eq!(app.order_now(&order).await["status"], "confirmed");
    assert_eq!(stripe.books(), [booked(2_000, "succeeded", 2_000, 0)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declined_card_says_what_to_do_and_another_one_pays() {
    let stripe = FakeStripe::start().await;
    let app = TestApp::with_stripe(&stripe).await;
    app.sell("TEE", 1_000, 5).await;
    let order = app.order("TEE", 1, "pm_card_chargeDeclined").await;
    let payment = payment_of(&app, &order).await;
    let attempt = &payment["attempts"][0];
    assert_eq!(
        (&attempt["code"], &attempt["class"], &attempt["advice"]),
        (&json!("insufficient_funds"), &json!("soft"), &json!("retry_later"))
    );
    let pay = format!("/api/ecommerce/orders/{order}/pay");
    assert_eq!(app.owner.post(&pay, json!({"payment_method": "pm_card_visa"})).await.status, 200);
    assert_eq!(app.order_now(&order).await["status"], "confirmed");
    let fraud = app.order("TEE", 1, "pm_card_fraudulent").await;
    assert_eq!(app.order_now(&fraud).await["status"], "cancelled");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_is_bought_at_its_page() {
    let stripe = FakeStripe::start().await;
    let app = TestApp::with_stripe(&stripe).await;
    app.sell("STARTER", 4_900, 0).await;
    let asked = json!({
        "customer_id": "cus_01h455vb4pex5vsknk084sn02q", "currency": "USD",
        "items": [{"package_id": "STARTER"}], "methods": ["card", "apple_pay", "google_pay", "paypal"],
    });
    let session = app.owner.create(SESSIONS, asked).await;
    let path = format!("{SESSIONS}/{session}");
    app.drain().await;
    let open = app.owner.show(&path).await;
    assert_eq!((&open["status"], &open["payment_status"]), (&json!("open"), &json!("requires_action")));
    assert!(open["url"].as_str().unwrap().starts_with("https://checkout.stripe.example/"), "{open}");
    assert_eq!(open["amount"]["amount"], 4_900);
    let form = stripe.last_session();
    assert_eq!(form["payment_method_types[0]"], "card");
    assert_eq!(form["payment_method_types[1]"], "paypal");
    assert_eq!(form["success_url"], json!(format!("https://shop.example/{session}/paid")));
    stripe.buyers_pay();
    deliver(&app, &stripe).await;
    let complete = app.owner.show(&path).await;
    assert_eq!((&complete["status"], &complete["url"]), (&json!("complete"), &Value::Null));
    assert_eq!(app.order_now(&session).await["status"], "confirmed");
    assert_eq!(stripe.books(), [booked(4_900, "succeeded", 4_900, 0)]);
    assert_eq!(app.with_scopes(&["order:read"]).get(&path).await.problem(), (403, "forbidden".into()));
    assert_eq!(app.stranger().get(&path).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_event_tells_of_is_looked_at() {
    let stripe = FakeStripe::start().await;
    let app = TestApp::with_stripe(&stripe).await;
    app.sell("TEE", 1_000, 5).await;
    let order = app.order("TEE", 1, "checkout").await;
    app.drain().await;
    stripe.buyers_pay();
    assert_eq!(app.order_now(&order).await["status"], "placed", "nobody has told yet");
    app.pass(TimeDelta::minutes(6)).await;
    assert_eq!(app.order_now(&order).await["status"], "confirmed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_nobody_pays_is_closed_with_its_order() {
    let stripe = FakeStripe::start().await;
    let app = TestApp::with_stripe(&stripe).await;
    app.sell("TEE", 1_000, 5).await;
    let order = app.order("TEE", 1, "checkout").await;
    app.drain().await;
    assert_eq!(stripe.open_sessions(), 1);
    app.pass(TimeDelta::minutes(31)).await;
    assert_eq!(app.order_now(&order).await["status"], "expired");
    assert_eq!((stripe.open_sessions(), app.stock("TEE").await), (0, (5, 5)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_believed_by_its_signature_and_kept_whatever_it_says() {
    let stripe = FakeStripe::start().await;
    let app = TestApp::with_stripe(&stripe).await;
    app.sell("TEE", 1_000, 5).await;
    let order = app.order("TEE", 1, "checkout").await;
    app.drain().await;
    let unknown = json!({"id": "evt_u", "type": "payment_intent.succeeded",
        "data": {"object": {"object": "payment_intent", "id": "pi_404", "amount": 1}}});
    let body = unknown.to_string().into_bytes();
    let now = app.clock.now();
    assert_eq!(tell(&app, WEBHOOK, &body, sign(b"another", &body, now)).await, 401);
    let old = now - TimeDelta::minutes(6);
    assert_eq!(tell(&app, WEBHOOK, &body, sign(SECRET.as_bytes(), &body, old)).await, 401);
    assert_eq!(tell(&app, WEBHOOK, b"{}", signed(&app, b"{}")).await, 400);
    let elsewhere = "/api/financial/payments/webhook/paypal";
    assert_eq!(tell(&app, elsewhere, &body, signed(&app, &body)).await, 404);
    // Nobody knows the object: it is kept, and tried again for a week.
    assert_eq!(tell(&app, WEBHOOK, &body, signed(&app, &body)).await, 202);
    assert_eq!(tell(&app, WEBHOOK, &body, signed(&app, &body)).await, 202);
    assert_eq!(standings(&app).await, ["copy", "refused", "refused", "set_aside", "waiting"]);
    assert_eq!(app.intake.try_again().await.unwrap(), 0);
    app.pass(TimeDelta::seconds(6)).await;
    assert_eq!(app.intake.try_again().await.unwrap(), 1);
    app.pass(TimeDelta::days(8)).await;
    assert_eq!(app.intake.try_again().await.unwrap(), 1);
    assert_eq!(standings(&app).await, ["copy", "set_aside", "set_aside"], "what was refused is forgotten");
    assert_ne!(app.order_now(&order).await["status"], "confirmed", "no event moves money by itself");
}

async fn standings(app: &TestApp) -> Vec<String> {
    sqlx::query_scalar("select standing from payment_notices order by standing")
        .fetch_all(&app.database.pool)
        .await
        .unwrap()
}
