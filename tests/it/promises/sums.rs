//! Sums: whatever a shop does with its orders, and however the gateway answers, the books agree.
//!
//! What an order says it took and gave back is what its payment says, its refunds, the gateway's own book and the
//! dashboard; what is set aside for it is what stock says; nothing is owed and nothing waits.

use chrono::TimeDelta;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::Method;
use serde_json::{Value, json};
use tests::app::TestApp;
use tests::chaos::long;
use uuid::Uuid;

const ORDERS: &str = "/api/ecommerce/orders";
const REFUNDS: &str = "/api/financial/refunds";

/// A shop's owner with a will of their own.
struct Owner<'a> {
    app: &'a TestApp,
    rng: StdRng,
}

impl Owner<'_> {
    fn draw(&mut self, most: i64) -> i64 {
        self.rng.random_range(1..=most)
    }

    /// Does something with an order. What is refused is left.
    async fn act(&mut self, order: &str) {
        let path = format!("{ORDERS}/{order}");
        let row = self.app.owner.show(&path).await;
        let line = row["lines"][usize::from(self.rng.random_bool(0.5))]["line"].clone();
        let some = self.draw(3);
        let units = json!([{"line": line, "quantity": some}]);
        let parcel = |row: &Value| row["fulfilments"].as_array().unwrap().last().map(|of| of["id"].clone());
        let (method, path, body) = match self.rng.random_range(0..16) {
            0 | 1 => {
                let reason = if self.rng.random_bool(0.5) { "goodwill" } else { "returned" };
                let amount = json!({"amount": self.draw(1_500), "currency": "USD"});
                let payment = &row["payments"][0];
                let asked = json!({"payment_id": payment, "amount": amount, "reason": reason});
                (Method::POST, REFUNDS.to_owned(), asked)
            }
            2 => (Method::POST, format!("{path}/cancel-lines"), json!({"lines": units})),
            3 if self.rng.random_bool(0.3) => (Method::POST, format!("{path}/cancel"), json!({})),
            4 => (Method::POST, format!("{path}/edit"), json!({})),
            5 if !row["draft"].is_null() => {
                let line = line.as_str().unwrap();
                (Method::PUT, format!("{path}/lines/{line}"), json!({"quantity": some}))
            }
            6 | 12 if !row["draft"].is_null() => {
                let method = ["card", "card", "decline_hard", "fraud"][self.rng.random_range(0..4)];
                (Method::POST, format!("{path}/edit/confirm"), json!({"payment_method": method}))
            }
            13 => {
                let line = line.as_str().unwrap();
                (Method::POST, format!("{path}/lines/{line}/reserve"), json!({"quantity": some}))
            }
            14 => match parcel(&row) {
                Some(id) => {
                    let id = id.as_str().unwrap().to_owned();
                    let (what, body) = match self.rng.random_bool(0.5) {
                        true => ("lost", json!({})),
                        false => ("came-back", json!({"condition": "good"})),
                    };
                    (Method::POST, format!("{path}/fulfilments/{id}/{what}"), body)
                }
                None => return,
            },
            15 => {
                let amount = json!({"amount": self.draw(900), "currency": "USD"});
                (Method::POST, format!("{path}/mark-paid"), json!({"amount": amount}))
            }
            7 => (Method::POST, format!("{path}/fulfilments"), json!({"lines": units})),
            8 | 9 => match parcel(&row) {
                Some(id) => {
                    let step = if self.rng.random_bool(0.5) { "ship" } else { "deliver" };
                    (Method::POST, format!("{path}/fulfilments/{}/{step}", id.as_str().unwrap()), json!({}))
                }
                None => return,
            },
            10 => (Method::POST, format!("{path}/returns"), json!({"lines": units})),
            _ => match row["returns"].as_array().unwrap().last() {
                Some(back) => {
                    let back = back["id"].as_str().unwrap();
                    let came = json!({"line": line, "quantity": some, "condition": "good"});
                    (Method::POST, format!("{path}/returns/{back}/receive"), came)
                }
                None => return,
            },
        };
        let request = self.app.owner.request(method, &path).json(&body);
        let request = request.header("idempotency-key", Uuid::new_v4().to_string());
        let answer = self.app.owner.send(request).await;
        assert!(answer.status < 500, "{path}: {answer:?}");
    }
}

fn amount(money: &Value) -> i64 {
    money["amount"].as_i64().unwrap()
}

fn count(units: &Value, name: &str) -> i64 {
    units[name].as_i64().unwrap()
}

/// What the books say, compared with each other.
async fn agree(app: &TestApp, orders: &[String], stocked: i64) {
    let book = app.book().await;
    let (mut took, mut gave) = (0, 0);
    let (mut gone, mut held) = (0, 0);
    // What no provider took, and what a person paid back of it.
    let mut by_hand = (0, 0);
    for order in orders {
        let row = app.owner.show(&format!("{ORDERS}/{order}")).await;
        let (captured, refunded) = (amount(&row["captured"]), amount(&row["refunded"]));
        let payments = app.owner.show(&format!("/api/financial/payments?order_id={order}&limit=200")).await;
        let payments = payments["items"].as_array().unwrap();
        let sum = |name: &str| payments.iter().map(|payment| amount(&payment[name])).sum::<i64>();
        assert_eq!((sum("captured"), sum("refunded")), (captured, refunded), "{row}");
        for payment in payments.iter().filter(|payment| payment["method"] == "recorded") {
            by_hand.0 += amount(&payment["captured"]);
            by_hand.1 += amount(&payment["refunded"]);
        }
        let refunds = app.owner.show(&format!("{REFUNDS}?order_id={order}&limit=200")).await;
        let refunds = refunds["items"].as_array().unwrap();
        let paid_out = refunds.iter().filter(|refund| refund["status"] == "succeeded");
        assert_eq!(paid_out.map(|refund| amount(&refund["amount"])).sum::<i64>(), refunded, "{refunds:#?}");
        assert!(refunds.iter().all(|refund| refund["status"] == "succeeded"), "{refunds:#?}");
        // Nothing is owed that is not on its way: what is credited and was paid for is given back.
        let due = amount(&row["total"]) - amount(&row["credited"]);
        assert!(refunded >= captured - due, "{row}");
        for line in row["lines"].as_array().unwrap() {
            let units = &line["units"];
            gone += count(units, "shipped") + count(units, "lost") - count(units, "return_received");
            held += count(units, "allocated") - count(units, "shipped");
        }
        (took, gave) = (took + captured, gave + refunded);
    }
    let charged: (i64, i64) =
        book.charges.iter().fold((0, 0), |sum, line| (sum.0 + line.captured, sum.1 + line.refunded));
    let with_hand = (charged.0 + by_hand.0, charged.1 + by_hand.1);
    assert_eq!(with_hand, (took, gave), "the orders and the gateway's book");
    let figures = app.owner.show("/api/dashboard").await["figures"][0].clone();
    assert_eq!((amount(&figures["revenue"]), amount(&figures["refunds"])), (took, gave), "the dashboard");
    let (tee, cup) = (app.stock("TEE").await, app.stock("CUP").await);
    assert_eq!(tee.0 + cup.0, 2 * stocked - gone, "on hand is what did not leave or came back");
    assert_eq!(tee.1 + cup.1, 2 * stocked - gone - held, "available is what is not held for orders");
    let waiting = app.owner.show(&format!("{REFUNDS}?needs_attention=true")).await;
    assert_eq!(waiting["items"], json!([]));
}

/// What a person has to give back by hand, they do.
async fn pay_out(app: &TestApp) {
    let waiting = app.owner.show(&format!("{REFUNDS}?needs_attention=true&limit=200")).await;
    for refund in waiting["items"].as_array().unwrap() {
        assert_eq!(refund["code"], "pay_out_by_hand", "{refund}");
        let path = format!("{REFUNDS}/{}/pay-out", refund["id"].as_str().unwrap());
        assert_eq!(app.owner.post(&path, json!({"reference": "wire"})).await.status, 200);
    }
    app.drain().await;
}

async fn a_shop(seed: u64) {
    let app =
        TestApp::with_faulty_gateway(seed, "lose_reply=15,error=10,double=20,delay_ms=1".parse().unwrap())
            .await;
    let stocked = 200;
    app.sell("TEE", 1_000, stocked).await;
    app.sell("CUP", 333, stocked).await;
    let mut owner = Owner { app: &app, rng: StdRng::seed_from_u64(seed) };
    let mut orders = Vec::new();
    for _ in 0..6 {
        let mut wanted = app.wanting("TEE", 3, "card");
        wanted["lines"]
            .as_array_mut()
            .unwrap()
            .push(json!({"sku": "CUP", "quantity": 3, "location": "main"}));
        let price = |amount: i64| json!({"amount": amount, "currency": "USD"});
        wanted["discount"] = json!({"amount": price(owner.draw(500))});
        wanted["shipping"] = json!({"amount": price(490)});
        wanted["tax"] = price(owner.draw(700));
        if orders.len() % 3 == 2 {
            wanted["settlement"] = json!("credit_terms");
            wanted.as_object_mut().unwrap().remove("payment_method");
        }
        orders.push(app.owner.post(ORDERS, wanted).await.id());
    }
    app.pass(TimeDelta::minutes(10)).await;
    for turn in 0..90 {
        let order = orders[turn % orders.len()].clone();
        owner.act(&order).await;
        if owner.rng.random_bool(0.3) {
            app.pass(TimeDelta::seconds(20)).await;
        }
    }
    for _ in 0..3 {
        app.pass(TimeDelta::hours(2)).await;
        pay_out(&app).await;
    }
    agree(&app, &orders, stocked).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn agree_whatever_is_done_with_orders() {
    for seed in 1..=if long() { 50 } else { 2 } {
        println!("seed {seed}");
        a_shop(seed).await;
    }
}
