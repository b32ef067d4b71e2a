//! Random lives of orders over HTTP, with a gateway that fails in every way: whatever happened, the ledger, the
//! dashboard, the orders' own figures and the gateway's book agree to the cent with a small model of what is due.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use infra::gateway::Profile;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tests::app::TestApp;
use tests::chaos::long;

const ORDERS: &str = "/api/ecommerce/orders";
const REFUNDS: &str = "/api/financial/refunds";

fn usd(amount: i64) -> Value {
    json!({"amount": amount, "currency": "USD"})
}

fn amount(of: &Value, name: &str) -> i64 {
    of[name]["amount"].as_i64().unwrap_or_else(|| panic!("{name}: {of}"))
}

/// A share of an amount, half away from zero: the model's own.
fn share(amount: i64, parts: i64, of: i64) -> i64 {
    if of == 0 { 0 } else { (2 * amount * parts + of) / (2 * of) }
}

/// What an order has earned of goods, tax and sending, by its view alone.
fn earned(order: &Value) -> [i64; 3] {
    let (mut goods, mut tax, mut has_left) = (0, 0, false);
    for line in order["lines"].as_array().unwrap() {
        let units = |name: &str| line["units"][name].as_i64().unwrap();
        let (ordered, back) = (units("ordered"), units("cancelled") + units("return_received"));
        let (left, kept) = (ordered - back, units("shipped") - units("return_received"));
        let worth = amount(line, "amount") - share(amount(line, "amount"), back, ordered);
        let of_tax = amount(line, "tax") - share(amount(line, "tax"), back, ordered);
        has_left |= units("shipped") > 0;
        tax += share(of_tax, kept, left);
        goods += share(worth, kept, left) - share(of_tax, kept, left);
    }
    [goods, tax, if has_left { amount(order, "shipping") } else { 0 }]
}

/// Debits less credits of each account, of a trial balance that balances.
async fn ledger(app: &TestApp) -> BTreeMap<String, i64> {
    let mut all = BTreeMap::new();
    let mut cursor = String::new();
    loop {
        let page = app.owner.show(&format!("/api/financial/ledger/trial-balance?limit=200{cursor}")).await;
        for sum in page["sums"].as_array().unwrap() {
            assert_eq!(sum["debits"], sum["credits"], "{page}");
        }
        for line in page["items"].as_array().unwrap() {
            let account = line["account_id"].as_str().unwrap().strip_suffix("@USD").unwrap();
            all.insert(account.to_owned(), amount(line, "debits") - amount(line, "credits"));
        }
        let Some(next) = page.get("next_cursor") else { return all };
        cursor = format!("&cursor={}", next.as_str().unwrap());
    }
}

/// Does one thing to an order, or leaves it undone because it is refused.
async fn act(app: &TestApp, order: &str, lots: &mut StdRng) {
    let path = format!("{ORDERS}/{order}");
    let shown = app.owner.show(&path).await;
    let line = &shown["lines"][lots.random_range(0..shown["lines"].as_array().unwrap().len())];
    let units = json!([{"line": line["line"], "quantity": lots.random_range(1..3)}]);
    let any = |of: &Value, lots: &mut StdRng| {
        let all = of.as_array().unwrap();
        (!all.is_empty()).then(|| all[lots.random_range(0..all.len())]["id"].as_str().unwrap().to_owned())
    };
    let (parcel, back) = (any(&shown["fulfilments"], lots), any(&shown["returns"], lots));
    let (path, body) = match (lots.random_range(0..12), parcel, back) {
        (0..3, ..) => (format!("{path}/fulfilments"), json!({"lines": units})),
        (3..6, Some(parcel), _) => (format!("{path}/fulfilments/{parcel}/ship"), json!({})),
        (6..8, Some(parcel), _) => (format!("{path}/fulfilments/{parcel}/deliver"), json!({})),
        (8, Some(parcel), _) => (format!("{path}/fulfilments/{parcel}/lost"), json!({})),
        (9, _, None) => (format!("{path}/returns"), json!({"lines": units})),
        (9, _, Some(back)) => {
            let receipt = json!({"line": line["line"], "quantity": 1, "condition": "good"});
            (format!("{path}/returns/{back}/receive"), receipt)
        }
        (10, ..) => (format!("{path}/cancel-lines"), json!({"lines": units})),
        (11, ..) if shown["settlement"] == "credit_terms" => {
            (format!("{path}/mark-paid"), json!({"amount": usd(lots.random_range(1..2_000))}))
        }
        (11, ..) => {
            let payments = app.owner.show(&format!("/api/financial/payments?order_id={order}")).await;
            let payment = payments["items"][0]["id"].clone();
            let gift = usd(lots.random_range(1..900));
            (REFUNDS.to_owned(), json!({"payment_id": payment, "amount": gift, "reason": "goodwill"}))
        }
        _ => return,
    };
    let done = app.owner.post(&path, body).await;
    assert!(done.status < 500, "{path}: {done:?}");
}

async fn place(app: &TestApp, lots: &mut StdRng) -> String {
    let mut wanted = app.wanting("TEE", lots.random_range(1..4), "card");
    let cup = json!({"sku": "CUP", "quantity": lots.random_range(1..5), "location": "main"});
    wanted["lines"].as_array_mut().unwrap().push(cup);
    wanted["discount"] = json!({"amount": usd(lots.random_range(0..500))});
    wanted["shipping"] = json!({"amount": usd(lots.random_range(0..600))});
    wanted["tax"] = usd(lots.random_range(0..400));
    if lots.random_bool(0.25) {
        wanted["settlement"] = json!("credit_terms");
        wanted.as_object_mut().unwrap().remove("payment_method");
    }
    app.owner.create(ORDERS, wanted).await
}

/// Whatever is asked again later is asked, and whatever a person has to pay out is.
async fn settle(app: &TestApp) {
    let open = "select count(*) from deadlines where process like 'ask_gateway_%'";
    for n in 0..80 {
        app.pass(if n < 60 { TimeDelta::seconds(15) } else { TimeDelta::hours(12) }).await;
        let waiting = app.owner.show(&format!("{REFUNDS}?needs_attention=true&limit=200")).await;
        for refund in waiting["items"].as_array().unwrap() {
            let path = format!("{REFUNDS}/{}", refund["id"].as_str().unwrap());
            let by_hand = refund["code"] == "pay_out_by_hand";
            let body = if by_hand { json!({"reference": "wire"}) } else { json!({}) };
            let step = if by_hand { "pay-out" } else { "retry" };
            let done = app.owner.post(&format!("{path}/{step}"), body).await;
            assert!(done.status < 300, "{refund}: {done:?}");
        }
        let open: i64 = sqlx::query_scalar(open).fetch_one(&app.database.pool).await.unwrap();
        if waiting["items"] == json!([]) && open == 0 {
            return app.drain().await;
        }
    }
    panic!("something stays open");
}

/// What the books are to be, of all orders, by a model that knows nothing of how they came to be so.
fn model(orders: &[Value], gifts: &BTreeMap<String, i64>) -> BTreeMap<String, i64> {
    let mut books = BTreeMap::<String, i64>::new();
    let mut add = |account: &str, debit: i64| *books.entry(account.to_owned()).or_default() += debit;
    for order in orders {
        let id = order["id"].as_str().unwrap();
        let [goods, tax, shipping] = earned(order);
        let is_over = order["status"] == "cancelled" || order["status"] == "expired";
        let due = if is_over { 0 } else { amount(order, "total") - amount(order, "credited") };
        let gift = gifts.get(id).copied().unwrap_or(0).min(due);
        let customers =
            amount(order, "captured") - amount(order, "refunded") - (goods + tax + shipping - gift);
        add("rev:sales", gift - goods);
        add("tax:sales:payable", -tax);
        add("rev:shipping", -shipping);
        let account = if customers < 0 { format!("ar:{id}") } else { format!("order:{id}:unearned") };
        add(&account, -customers);
    }
    books.retain(|_, amount| *amount != 0);
    books
}

async fn lives(seed: u64, faults: Profile) {
    let app = TestApp::with_faulty_gateway(seed, faults).await;
    let mut lots = StdRng::seed_from_u64(seed);
    app.sell("TEE", 1_003, 10_000).await;
    app.sell("CUP", 697, 10_000).await;
    let (many, acts) = if long() { (12, 220) } else { (8, 100) };
    let mut orders = Vec::new();
    for _ in 0..many {
        orders.push(place(&app, &mut lots).await);
    }
    app.pass(TimeDelta::seconds(30)).await;
    for _ in 0..acts {
        let order = &orders[lots.random_range(0..orders.len())];
        act(&app, order, &mut lots).await;
    }
    settle(&app).await;

    let mut shown = Vec::new();
    for order in &orders {
        shown.push(app.owner.show(&format!("{ORDERS}/{order}")).await);
    }
    let mut gifts = BTreeMap::<String, i64>::new();
    let refunds = app.owner.show(&format!("{REFUNDS}?limit=200")).await;
    assert!(refunds.get("next_cursor").is_none());
    for refund in refunds["items"].as_array().unwrap() {
        if refund["reason"] == "goodwill" && refund["status"] == "succeeded" {
            *gifts.entry(refund["order_id"].as_str().unwrap().to_owned()).or_default() +=
                amount(refund, "amount");
        }
    }
    let mut books = ledger(&app).await;
    books.retain(|_, amount| *amount != 0);
    let mut take = |account: &str| books.remove(account).unwrap_or(0);
    let (clearing, bank, fees) = (take("psp:gateway:clearing"), take("bank:main"), take("exp:psp"));
    assert_eq!(books, model(&shown, &gifts), "seed {seed}");

    // Money: at the gateway, on the dashboard and on the orders.
    let book = app.book().await;
    let at_gateway: i64 = book.charges.iter().map(|line| line.captured - line.refunded).sum();
    assert_eq!(clearing + fees, at_gateway, "seed {seed}");
    let figures = app.owner.show("/api/dashboard").await["figures"][0].clone();
    assert_eq!(clearing + fees + bank, amount(&figures, "net"), "seed {seed}");
    let of_orders: i64 =
        shown.iter().map(|order| amount(order, "captured") - amount(order, "refunded")).sum();
    assert_eq!(clearing + fees + bank, of_orders, "seed {seed}");
    let profit = app.owner.show("/api/financial/ledger/profit-and-loss").await;
    let income: i64 =
        books.iter().filter(|(account, _)| account.starts_with("rev:")).map(|(_, debit)| -debit).sum();
    assert_eq!(
        (amount(&profit["sums"][0], "income"), amount(&profit["sums"][0], "expenses")),
        (income, fees)
    );
    let operator = app.with_scopes(&["platform:operate"]);
    let watched = operator.show("/api/monitoring/invariants").await;
    assert_eq!((&watched["broken"], &watched["unposted"]), (&json!([]), &json!(0)), "seed {seed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_books_are_what_became_of_the_orders_whatever_the_gateway_does() {
    for seed in 1..=if long() { 30 } else { 1 } {
        let mut faults = Profile::HOSTILE;
        (faults.delay_ms, faults.late_ms) = (50, 100);
        lives(seed, faults).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_books_are_what_became_of_the_orders() {
    for seed in 11..=if long() { 40 } else { 11 } {
        lives(seed, Profile::NONE).await;
    }
}
