//! Edits that cost more: paid and reserved by themselves, or without a trace.

use chrono::TimeDelta;
use serde_json::{Value, json};
use tests::app::TestApp;

use super::ORDERS;

/// A paid order of two teas at 10.00 whose edit is open: it wants so many.
async fn edit(app: &TestApp, quantity: u32) -> String {
    let order = app.order("TEE", 2, "card").await;
    app.drain().await;
    let path = format!("{ORDERS}/{order}");
    let line = app.owner.show(&path).await["lines"][0]["line"].as_str().unwrap().to_owned();
    assert_eq!(app.owner.post(&format!("{path}/edit"), json!({})).await.status, 200);
    let set = app.owner.put(&format!("{path}/lines/{line}"), json!({"quantity": quantity})).await;
    assert_eq!(set.status, 200, "{set:?}");
    order
}

/// Lets the edit hold, paid with this method; the order once nothing follows any more.
async fn confirm(app: &TestApp, order: &str, method: &str) -> Value {
    let agree = json!({"payment_method": method});
    let taken = app.owner.post(&format!("{ORDERS}/{order}/edit/confirm"), agree).await;
    assert_eq!(taken.status, 200, "{taken:?}");
    app.order_now(order).await
}

/// Captured and refunded of each charge at the gateway, smallest first, and what is held there.
async fn book(app: &TestApp) -> (Vec<(i64, i64)>, i64) {
    let book = app.book().await;
    let taken = book.charges.iter().filter(|line| line.captured > 0);
    let mut charges: Vec<_> = taken.map(|line| (line.captured, line.refunded)).collect();
    charges.sort_unstable();
    (charges, book.charges.iter().map(|line| line.authorised - line.voided - line.captured).sum())
}

fn figures(order: &Value) -> (i64, i64, i64) {
    let amount = |name: &str| order[name]["amount"].as_i64().unwrap();
    (amount("total"), amount("captured"), amount("refunded"))
}

#[tokio::test(flavor = "multi_thread")]
async fn is_paid_and_reserved_and_then_holds() {
    let app = TestApp::with_gateway().await;
    app.sell("TEE", 1_000, 5).await;
    let order = edit(&app, 4).await;
    let path = format!("{ORDERS}/{order}");
    let unpaid = app.owner.post(&format!("{path}/edit/confirm"), json!({})).await;
    assert_eq!(unpaid.problem(), (409, "order/edit_difference_unpaid".into()));
    let edited = confirm(&app, &order, "card").await;
    assert_eq!((figures(&edited), &edited["draft"]), ((4_000, 4_000, 0), &Value::Null), "{edited}");
    assert_eq!(edited["lines"][0]["units"]["allocated"], 4);
    assert_eq!((&edited["payment_status"], app.stock("TEE").await), (&json!("paid"), (5, 1)));
    assert_eq!(book(&app).await, (vec![(2_000, 0), (2_000, 0)], 0));
    // What was paid twice is given back twice.
    assert_eq!(app.owner.post(&format!("{path}/cancel"), json!({})).await.status, 200);
    let cancelled = app.order_now(&order).await;
    assert_eq!((figures(&cancelled), app.stock("TEE").await), ((4_000, 4_000, 4_000), (5, 5)));
    assert_eq!(book(&app).await, (vec![(2_000, 2_000), (2_000, 2_000)], 0));
    let waiting = app.owner.show("/api/financial/refunds?needs_attention=true").await;
    assert_eq!(waiting["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn that_cannot_be_had_or_paid_leaves_the_order_as_it_was() {
    let app = TestApp::with_gateway().await;
    app.sell("TEE", 1_000, 5).await;
    let order = edit(&app, 6).await;
    let path = format!("{ORDERS}/{order}");
    let there = |order: &Value| {
        assert_eq!((figures(order), &order["status"]), ((2_000, 2_000, 0), &json!("confirmed")), "{order}");
        (order["draft"]["unsettled"].clone(), order["draft"]["settlement"].clone())
    };
    let sold_out = confirm(&app, &order, "card").await;
    assert_eq!(there(&sold_out), (json!("out_of_stock"), Value::Null));
    let line = sold_out["lines"][0]["line"].as_str().unwrap();
    let fewer = app.owner.put(&format!("{path}/lines/{line}"), json!({"quantity": 4})).await;
    assert_eq!(fewer.status, 200, "the edit is open still: {fewer:?}");
    assert_eq!(there(&confirm(&app, &order, "fraud").await), (json!("payment_failed"), Value::Null));

    // A card that is declined leaves time for another; meanwhile the units are set aside and nothing changes.
    let waiting = confirm(&app, &order, "decline_hard").await;
    assert_eq!(there(&waiting).1["amount"]["amount"], 2_000);
    assert_eq!(app.stock("TEE").await, (5, 1));
    let frozen = app.owner.put(&format!("{path}/lines/{line}"), json!({"quantity": 3})).await;
    assert_eq!(frozen.problem(), (409, "order/edit_settling".into()));
    app.pass(TimeDelta::minutes(31)).await;
    assert_eq!(there(&app.order_now(&order).await), (json!("expired"), Value::Null));
    assert_eq!((book(&app).await, app.stock("TEE").await), ((vec![(2_000, 0)], 0), (5, 3)));

    confirm(&app, &order, "decline_hard").await;
    assert_eq!(app.owner.post(&format!("{path}/edit/abandon"), json!({})).await.status, 200);
    let abandoned = app.order_now(&order).await;
    assert_eq!((figures(&abandoned), &abandoned["draft"]), ((2_000, 2_000, 0), &Value::Null));
    assert_eq!((book(&app).await, app.stock("TEE").await), ((vec![(2_000, 0)], 0), (5, 3)));
}

#[tokio::test(flavor = "multi_thread")]
async fn that_was_declined_is_paid_with_another_card() {
    let app = TestApp::with_gateway().await;
    app.sell("TEE", 1_000, 5).await;
    let order = edit(&app, 3).await;
    confirm(&app, &order, "decline_hard").await;
    let other = json!({"payment_method": "card"});
    assert_eq!(app.owner.post(&format!("{ORDERS}/{order}/pay"), other).await.status, 200);
    let edited = app.order_now(&order).await;
    assert_eq!((figures(&edited), &edited["draft"]), ((3_000, 3_000, 0), &Value::Null), "{edited}");
    assert_eq!((book(&app).await.0, app.stock("TEE").await), (vec![(1_000, 0), (2_000, 0)], (5, 2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_an_order_that_is_cancelled_meanwhile_costs_nothing() {
    let app = TestApp::with_gateway().await;
    app.sell("TEE", 1_000, 5).await;
    let order = edit(&app, 4).await;
    let path = format!("{ORDERS}/{order}");
    let agree = json!({"payment_method": "card"});
    // One right after the other: how far the edit has come when it is cancelled is anybody's guess.
    assert_eq!(app.owner.post(&format!("{path}/edit/confirm"), agree).await.status, 200);
    assert_eq!(app.owner.post(&format!("{path}/cancel"), json!({})).await.status, 200);
    let cancelled = app.order_now(&order).await;
    assert_eq!((&cancelled["status"], app.stock("TEE").await), (&json!("cancelled"), (5, 5)));
    let (charges, held) = book(&app).await;
    assert!(held == 0 && charges.iter().all(|(captured, refunded)| captured == refunded), "{charges:?}");
    let (_, captured, refunded) = figures(&cancelled);
    assert_eq!((captured, charges.iter().map(|charge| charge.0).sum::<i64>()), (refunded, captured));
}
