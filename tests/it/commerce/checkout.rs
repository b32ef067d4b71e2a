//! What becomes of placed orders: confirmed and paid, or undone without a trace in stock and money.

use chrono::TimeDelta;
use futures::future::join_all;
use infra::gateway::Profile;
use serde_json::{Value, json};
use tests::app::TestApp;

const ORDERS: &str = "/api/ecommerce/orders";

/// Money as the gateway's book has it, and as the payments say: captured and refunded. They are the same.
async fn money(app: &TestApp) -> (i64, i64) {
    let book = app.book().await;
    let sums = book
        .charges
        .iter()
        .fold((0, 0), |(captured, refunded), line| (captured + line.captured, refunded + line.refunded));
    let payments: (i64, i64) = sqlx::query_as(
        "select coalesce(sum((captured).amount), 0)::bigint, coalesce(sum((refunded).amount), 0)::bigint
         from read.payment",
    )
    .fetch_one(&app.database.pool)
    .await
    .unwrap();
    assert_eq!(sums, payments, "the book and the payments differ: {book:#?}");
    let orders: (i64, i64) = sqlx::query_as(
        r#"select coalesce(sum((captured).amount), 0)::bigint, coalesce(sum((refunded).amount), 0)::bigint
           from read."order""#,
    )
    .fetch_one(&app.database.pool)
    .await
    .unwrap();
    assert_eq!(sums, orders, "the book and the orders differ: {book:#?}");
    sums
}

/// How much is held at the gateway and neither captured nor let go.
async fn held(app: &TestApp) -> i64 {
    let book = app.book().await;
    let open = book.charges.iter().map(|line| line.authorised - line.voided - line.captured);
    open.sum()
}

async fn statuses(app: &TestApp, status: &str) -> usize {
    let page = app.owner.show(&format!("{ORDERS}?status={status}&limit=200")).await;
    page["items"].as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_out_of_stock_is_cancelled_and_costs_nothing() {
    let app = TestApp::with_gateway().await;
    app.sell("TEE", 1_000, 2).await;
    app.sell("CUP", 1_000, 9).await;
    let mut wanted = app.wanting("TEE", 3, "card");
    wanted["lines"].as_array_mut().unwrap().push(json!({"sku": "CUP", "quantity": 1, "location": "main"}));
    let order = app.owner.post(ORDERS, wanted).await.id();
    let order = app.order_now(&order).await;
    assert_eq!((&order["status"], &order["cancel_reason"]), (&json!("cancelled"), &json!("out_of_stock")));
    assert_eq!((app.stock("TEE").await, app.stock("CUP").await), ((2, 2), (9, 9)));
    assert_eq!((money(&app).await, held(&app).await), ((0, 0), 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn fraud_cancels_the_order_and_frees_its_stock() {
    let app = TestApp::with_gateway().await;
    app.sell("TEE", 1_000, 2).await;
    let order = app.order("TEE", 2, "fraud").await;
    let order = app.order_now(&order).await;
    assert_eq!((&order["status"], &order["cancel_reason"]), (&json!("cancelled"), &json!("payment_failed")));
    assert_eq!(app.stock("TEE").await, (2, 2));
    assert_eq!((money(&app).await, held(&app).await), ((0, 0), 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_is_declined_for_good_leaves_the_order_to_be_paid_with_another() {
    let app = TestApp::with_gateway().await;
    app.sell("TEE", 1_000, 2).await;
    let order = app.order("TEE", 1, "decline_hard").await;
    let waiting = app.order_now(&order).await;
    assert_eq!((&waiting["status"], app.stock("TEE").await), (&json!("placed"), (2, 1)));
    let payments = app.owner.show(&format!("/api/financial/payments?order_id={order}")).await;
    let payment = &payments["items"][0];
    assert_eq!(
        (&payment["status"], &payment["attempts"][0]["advice"]),
        (&json!("requires_payment_method"), &json!("use_another_method"))
    );
    let pay = format!("{ORDERS}/{order}/pay");
    let same = app.owner.post(&pay, json!({"payment_method": "decline_hard"})).await;
    assert_eq!(same.problem(), (409, "checkout/method_declined".into()));
    assert_eq!(app.owner.post(&pay, json!({"payment_method": "card"})).await.status, 200);
    assert_eq!(app.order_now(&order).await["status"], "confirmed");
    let late = app.owner.post(&pay, json!({"payment_method": "card"})).await;
    assert_eq!(late.problem(), (409, "checkout/over".into()));
    assert_eq!(money(&app).await, (1_000, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_capture_cancels_the_order_and_lets_the_money_go() {
    let app = TestApp::with_gateway().await;
    app.sell("TEE", 1_000, 2).await;
    let order = app.order("TEE", 2, "capture_fails").await;
    let order = app.order_now(&order).await;
    assert_eq!((&order["status"], &order["cancel_reason"]), (&json!("cancelled"), &json!("payment_failed")));
    assert_eq!((app.stock("TEE").await, money(&app).await, held(&app).await), ((2, 2), (0, 0), 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decline_that_is_not_final_can_be_paid_another_way() {
    let app = TestApp::with_gateway().await;
    app.sell("TEE", 1_000, 2).await;
    let order = app.order("TEE", 1, "decline_soft").await;
    let waiting = app.order_now(&order).await;
    assert_eq!((&waiting["status"], &waiting["payment_status"]), (&json!("placed"), &json!("none")));
    assert_eq!(app.stock("TEE").await, (2, 1), "its unit is kept for it");
    let paid = app.owner.post(&format!("{ORDERS}/{order}/pay"), json!({"payment_method": "card"})).await;
    assert_eq!(paid.status, 200, "{paid:?}");
    let order = app.order_now(&order).await;
    assert_eq!((&order["status"], &order["payment_status"]), (&json!("confirmed"), &json!("paid")));
    assert_eq!(money(&app).await, (1_000, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_nobody_pays_expires_and_frees_its_stock() {
    let app = TestApp::with_gateway().await;
    app.sell("TEE", 1_000, 2).await;
    let (order, other) = (app.order("TEE", 1, "decline_soft").await, app.order("TEE", 1, "card").await);
    app.drain().await;
    app.pass(TimeDelta::minutes(29)).await;
    assert_eq!(app.order_now(&order).await["status"], "placed");
    app.pass(TimeDelta::minutes(1)).await;
    assert_eq!(app.order_now(&order).await["status"], "expired");
    assert_eq!(app.order_now(&other).await["status"], "confirmed");
    assert_eq!((app.stock("TEE").await, money(&app).await, held(&app).await), ((2, 1), (1_000, 0), 0));
    let late = app.owner.post(&format!("{ORDERS}/{order}/pay"), json!({"payment_method": "card"})).await;
    assert_eq!(late.status, 409, "{late:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn money_that_comes_after_the_order_was_cancelled_goes_back() {
    // Half of the answers are lost, and every notice: what was done is learned only by asking again.
    let app = TestApp::with_faulty_gateway(1, "lose_reply=50,never=100".parse().unwrap()).await;
    app.sell("TEE", 1_000, 40).await;
    let orders = join_all((0..40).map(|_| app.order("TEE", 1, "card"))).await;
    app.drain().await;
    let waiting = statuses(&app, "placed").await;
    assert!(waiting > 10, "{waiting} of 40 wait for an answer");
    for order in &orders {
        assert_eq!(app.owner.post(&format!("{ORDERS}/{order}/cancel"), json!({})).await.status, 200);
    }
    // It is asked again for seven days, at last once a day.
    for hours in [1; 4].into_iter().chain([12; 14]) {
        app.pass(TimeDelta::hours(hours)).await;
    }
    assert_eq!(statuses(&app, "cancelled").await, 40);
    assert_eq!((app.stock("TEE").await, held(&app).await), ((40, 40), 0));
    let (captured, refunded) = money(&app).await;
    assert!(captured == refunded && captured > 0, "{captured} was taken, {refunded} was given back");
    let book = app.book().await;
    assert!(book.charges.iter().any(|line| line.voided > 0), "what was only held is let go");
    let late = "select count(*) from events where event_type = 'LateObservation'";
    let late: i64 = sqlx::query_scalar(late).fetch_one(&app.database.pool).await.unwrap();
    assert!(late > 0, "some orders were over when their money came");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cart_becomes_one_order() {
    let app = TestApp::with_gateway().await;
    app.sell("TEE", 1_000, 5).await;
    app.sell("CUP", 500, 5).await;
    let cart = app.owner.post("/api/ecommerce/carts", json!({"currency": "USD"})).await.id();
    let path = format!("/api/ecommerce/carts/{cart}");
    let place = json!({"placing": {"payment_method": "card"}, "location": "main"});
    let empty = app.owner.post(&format!("{path}/checkout"), place.clone()).await;
    assert_eq!(empty.problem(), (409, "cart/empty".into()));
    for (sku, quantity) in [("TEE", 2), ("CUP", 1)] {
        let line = format!("{path}/lines/{sku}");
        assert_eq!(app.owner.put(&line, json!({"quantity": quantity})).await.status, 200);
    }
    let nobodys = app.owner.post(&format!("{path}/checkout"), place.clone()).await;
    assert_eq!(nobodys.problem(), (422, "cart/no_customer".into()));
    let customer = app.wanting("TEE", 1, "card")["customer_id"].clone();
    assert_eq!(app.owner.post(&format!("{path}/assign"), json!({"customer": customer})).await.status, 200);
    // Sixteen at once make one order.
    let checkout = format!("{path}/checkout");
    let answers = join_all((0..16).map(|_| app.owner.post(&checkout, place.clone()))).await;
    let made: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert_eq!(made.len(), 1, "{answers:?}");
    let checked_out = (409, "cart/checked_out".to_owned());
    let refused =
        answers.iter().filter(|answer| answer.status != 201 && answer.problem() == checked_out).count();
    assert_eq!(refused, 15, "{answers:?}");
    let order = app.order_now(&made[0].id()).await;
    assert_eq!((&order["status"], &order["customer_id"]), (&json!("confirmed"), &customer));
    assert_eq!(order["captured"]["amount"], 2_500);
    assert_eq!(app.owner.show(ORDERS).await["items"].as_array().unwrap().len(), 1);
    assert_eq!(app.owner.show(&path).await["status"], "checked_out");
}

/// 64 buyers for 10 units: 10 get one and pay, nobody else pays, whatever the gateway does.
async fn rush(app: &TestApp) {
    app.sell("TEE", 1_000, 10).await;
    join_all((0..64).map(|_| app.order("TEE", 1, "card"))).await;
    app.drain().await;
    // Answers that did not come are asked for at their times: soon at first, then for a week.
    let (soon, later) = ([TimeDelta::seconds(15); 60], [TimeDelta::minutes(30); 4]);
    for time in soon.into_iter().chain(later).chain([TimeDelta::hours(12); 15]) {
        if statuses(app, "placed").await == 0 && held(app).await == 0 {
            break;
        }
        app.pass(time).await;
    }
    let left = app.owner.show(&format!("{ORDERS}?status=placed&limit=200")).await;
    assert_eq!(left["items"], json!([]), "every order ends");
    assert_eq!(statuses(app, "confirmed").await, 10);
    let (cancelled, expired) = (statuses(app, "cancelled").await, statuses(app, "expired").await);
    assert_eq!(cancelled + expired, 54);
    assert_eq!(app.stock("TEE").await, (10, 0));
    let (captured, refunded) = money(app).await;
    assert_eq!((captured - refunded, held(app).await), (10_000, 0));
    let book = app.book().await;
    let paid = book.charges.iter().filter(|line| line.captured > line.refunded).count();
    assert_eq!(paid, 10, "{book:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_units_are_sold_to_ten_of_sixty_four_buyers() {
    let app = TestApp::with_gateway().await;
    rush(&app).await;
    let reasons = app.owner.show(&format!("{ORDERS}?status=cancelled&limit=200")).await;
    let reasons: Vec<&Value> =
        reasons["items"].as_array().unwrap().iter().map(|o| &o["cancel_reason"]).collect();
    assert_eq!(reasons, vec![&json!("out_of_stock"); 54]);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_units_are_sold_to_ten_buyers_whatever_the_gateway_does() {
    for seed in 1..=5 {
        let mut faults = Profile::HOSTILE;
        (faults.delay_ms, faults.late_ms) = (50, 100);
        let app = TestApp::with_faulty_gateway(seed, faults).await;
        rush(&app).await;
    }
}
