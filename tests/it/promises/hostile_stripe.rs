//! Whatever Stripe loses, repeats, reorders, lies about or does without a word: every order ends right, or in a case for a
//! person that says so.

use chrono::TimeDelta;
use commands::clock::Clock;
use commands::port::payment::signature::sign;
use serde_json::Value;
use tests::app::{SECRET, TestApp};
use tests::stripe::{Booked, FakeStripe, Hostility};

const WEBHOOK: &str = "/api/financial/payments/webhook/stripe";
/// An order's amount is its name, so each is its own.
const ORDERS: i64 = 8;

/// Minutes that pass between rounds: those of a buyer, then hours, then days.
const STEPS: [i64; 12] = [1, 5, 10, 20, 30, 60, 1_440, 1_440, 1_440, 1_440, 1_440, 1_440];

#[derive(Debug, Clone, PartialEq, Eq)]
struct End {
    order: String,
    payment: String,
    case: bool,
    books: Vec<Booked>,
}

async fn story(seed: u64) -> Vec<End> {
    let stripe = FakeStripe::hostile(seed, Hostility::HOSTILE).await;
    let app = TestApp::with_stripe(&stripe).await;
    let mut orders = Vec::new();
    for number in 0..ORDERS {
        let (sku, amount) = (format!("TEE-{number}"), 10_000 + number);
        app.sell(&sku, amount, 1).await;
        let method = if number % 2 == 0 { "pm_card_visa" } else { "checkout" };
        orders.push((app.order(&sku, 1, method).await, amount));
    }
    for minutes in STEPS {
        app.drain().await;
        stripe.buyers_pay();
        for body in stripe.events() {
            let told = reqwest::Client::new().post(format!("http://{}{WEBHOOK}", app.address));
            let told = told.header("stripe-signature", sign(SECRET.as_bytes(), &body, app.clock.now()));
            let status = told.body(body).send().await.unwrap().status().as_u16();
            assert!([202, 204].contains(&status), "seed {seed}: {status}");
        }
        app.pass(TimeDelta::minutes(minutes)).await;
        app.intake.try_again().await.unwrap();
    }
    app.drain().await;
    let mut ends = Vec::new();
    for (order, amount) in orders {
        ends.push(end(&app, &stripe, &order, amount).await);
    }
    ends
}

async fn end(app: &TestApp, stripe: &FakeStripe, order: &str, amount: i64) -> End {
    let found = app.owner.show(&format!("/api/financial/payments?order_id={order}")).await;
    let payment = &found["items"][0];
    let cases: i64 = sqlx::query_scalar(
        "select count(*) from events where event_type = 'CaseOpened' and aggregate_id like '%' || $1",
    )
    .bind(order.replace("ord_", "chk_"))
    .fetch_one(&app.database.pool)
    .await
    .unwrap();
    let refunds = app.owner.show("/api/financial/refunds?status=manual_review").await;
    let waits =
        refunds["items"].as_array().unwrap().iter().any(|refund| refund["payment_id"] == payment["id"]);
    let word = |of: &Value| of["status"].as_str().unwrap_or("none").to_owned();
    End {
        order: word(&app.owner.show(&format!("/api/ecommerce/orders/{order}")).await),
        payment: word(payment),
        case: cases > 0 || waits || word(payment) == "conflicted",
        books: stripe.books().into_iter().filter(|booked| booked.amount == amount).collect(),
    }
}

/// Paid in full and once; or nothing is held and nothing kept; or a person is told.
fn is_right(end: &End) -> bool {
    let kept: i64 = end.books.iter().map(|booked| booked.captured - booked.refunded).sum();
    let held = end.books.iter().filter(|booked| booked.status == "requires_capture").count();
    match end.order.as_str() {
        _ if end.case => true,
        "confirmed" => kept == end.books[0].amount && held == 0 && end.payment == "succeeded",
        "cancelled" | "expired" => kept == 0 && held == 0,
        _ => false,
    }
}

async fn tried(seeds: impl Iterator<Item = u64>) {
    let (mut paid, mut over, mut cases) = (0, 0, 0);
    for seed in seeds {
        for end in story(seed).await {
            assert!(is_right(&end), "seed {seed}: {end:#?}");
            match end.order.as_str() {
                _ if end.case => cases += 1,
                "confirmed" => paid += 1,
                _ => over += 1,
            }
        }
    }
    println!("paid {paid}, over {over}, cases {cases}");
    assert!(paid > over + cases, "most are paid: {paid} {over} {cases}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_order_ends_right_or_in_a_case() {
    let seeds = if tests::chaos::long() { 1..=100 } else { 1..=4 };
    tried(seeds).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seed_tells_the_same_story_again() {
    let (first, again) = (story(7).await, story(7).await);
    assert_eq!(first, again);
}
