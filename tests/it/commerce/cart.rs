//! A cart's life over HTTP.

use reqwest::Method;
use serde_json::{Value, json};
use tests::app::TestApp;

const CARTS: &str = "/api/ecommerce/carts";
const ANN: &str = "cus_01h455vb4pex5vsknk084sn02q";
const BEN: &str = "cus_01h455vb4pex5vsknk084sn02r";

#[tokio::test]
async fn a_guest_fills_it_and_becomes_known() {
    let app = TestApp::start().await;
    for sku in ["LAMP", "BULB", "SHADE"] {
        app.sell(sku, 100, 0).await;
    }
    let id = app.owner.create(CARTS, json!({"currency": "EUR"})).await;
    let cart = format!("{CARTS}/{id}");
    for (sku, quantity) in [("LAMP", 2), ("BULB", 4), ("LAMP", 3), ("SHADE", 1), ("SHADE", 0)] {
        let set = app.owner.put(&format!("{cart}/lines/{sku}"), json!({"quantity": quantity})).await;
        assert_eq!(set.status, 200, "{set:?}");
    }
    assert_eq!(app.owner.post(&format!("{cart}/assign"), json!({"customer": ANN})).await.status, 200);
    let shown = app.owner.get(&cart).await;
    assert_eq!((shown.status, shown.header("etag")), (200, "\"7\""));
    assert_eq!(
        shown.json(),
        json!({
            "workspace_id": app.workspace.to_string(),
            "id": id,
            "customer": ANN,
            "currency": "EUR",
            "lines": [{"sku": "BULB", "quantity": 4}, {"sku": "LAMP", "quantity": 3}],
            "status": "open",
            "order_id": null,
            "version": 7,
            "created_at": "2026-01-01T00:00:00Z",
            "updated_at": "2026-01-01T00:00:00Z"
        })
    );
    let another = app.owner.post(&format!("{cart}/assign"), json!({"customer": BEN})).await;
    assert_eq!(another.problem(), (409, "cart/assigned_to_another".into()));
}

#[tokio::test]
async fn changes_no_more_once_it_is_abandoned() {
    let app = TestApp::start().await;
    let open = json!({"currency": "EUR", "customer": ANN});
    let left = format!("{CARTS}/{}", app.owner.create(CARTS, open.clone()).await);
    let kept = format!("{CARTS}/{}", app.owner.create(CARTS, open).await);
    let abandon = format!("{left}/abandon");
    let first = app.owner.post(&abandon, json!({})).await;
    let again = app.owner.post(&abandon, json!({})).await;
    assert_eq!((first.status, again.status), (200, 200));
    assert_eq!(first.json()["version"], again.json()["version"]);
    let refused = app.owner.put(&format!("{left}/lines/LAMP"), json!({"quantity": 1})).await;
    assert_eq!(refused.problem(), (409, "cart/abandoned".into()));
    assert_eq!(app.owner.get(&left).await.json()["status"], "abandoned");
    assert_eq!(app.owner.get(&kept).await.json()["status"], "open");
    let history = app.owner.get(&format!("{left}/history")).await.json();
    let told: Vec<&Value> =
        history["items"].as_array().unwrap().iter().map(|e| &e["event"]["type"]).collect();
    assert_eq!(told, ["Opened", "Abandoned"]);
}

#[tokio::test]
async fn a_repeated_opening_opens_one_cart() {
    let app = TestApp::start().await;
    let open = |body: Value| {
        let request = app.owner.request(Method::POST, CARTS).header("idempotency-key", "cart-of-ann");
        app.owner.send(request.json(&body))
    };
    let first = open(json!({"currency": "EUR"})).await;
    let again = open(json!({"currency": "EUR"})).await;
    assert_eq!((first.status, &first.body), (again.status, &again.body));
    assert_eq!((first.status, again.header("idempotent-replayed")), (201, "true"));
    let other = open(json!({"currency": "USD"})).await;
    assert_eq!(other.problem(), (422, "idempotency-key-reused".into()));
}

#[tokio::test]
async fn a_line_is_set_at_the_version_one_saw_and_no_other() {
    let app = TestApp::start().await;
    app.sell("LAMP", 100, 0).await;
    let cart = format!("{CARTS}/{}", app.owner.create(CARTS, json!({"currency": "EUR"})).await);
    let set = |quantity: i64| {
        let request =
            app.owner.request(Method::PUT, &format!("{cart}/lines/LAMP")).header("if-match", "\"1\"");
        app.owner.send(request.json(&json!({"quantity": quantity})))
    };
    assert_eq!(set(2).await.status, 200);
    assert_eq!(set(5).await.problem(), (412, "precondition-failed".into()));
    assert_eq!(app.owner.get(&cart).await.json()["lines"], json!([{"sku": "LAMP", "quantity": 2}]));
}

#[tokio::test]
async fn nobody_else_sees_or_fills_it() {
    let app = TestApp::start().await;
    app.sell("LAMP", 100, 0).await;
    let cart = format!("{CARTS}/{}", app.owner.create(CARTS, json!({"currency": "EUR"})).await);
    let (stranger, line, one) = (app.stranger(), format!("{cart}/lines/LAMP"), json!({"quantity": 1}));
    assert_eq!(stranger.get(&cart).await.problem(), (404, "not-found".into()));
    assert_eq!(stranger.get(&format!("{cart}/history")).await.problem(), (404, "not-found".into()));
    assert_eq!(stranger.put(&line, one.clone()).await.problem(), (404, "cart/unknown".into()));

    let (reader, manager) = (app.with_scopes(&["cart:read"]), app.with_scopes(&["cart:manage"]));
    assert_eq!(manager.put(&line, one.clone()).await.status, 200);
    for forbidden in [
        reader.post(CARTS, json!({"currency": "EUR"})).await,
        reader.put(&line, one).await,
        reader.post(&format!("{cart}/assign"), json!({"customer": ANN})).await,
        reader.post(&format!("{cart}/abandon"), json!({})).await,
        manager.get(&cart).await,
        manager.get(&format!("{cart}/history")).await,
    ] {
        assert_eq!(forbidden.problem(), (403, "forbidden".into()));
    }
    assert_eq!(reader.get(&cart).await.json()["version"], 2);
}

#[tokio::test]
async fn what_makes_no_sense_is_not_taken() {
    let app = TestApp::start().await;
    let cart = format!("{CARTS}/{}", app.owner.create(CARTS, json!({"currency": "EUR"})).await);
    let (line, assign) = (format!("{cart}/lines/LAMP"), format!("{cart}/assign"));
    for (answer, error) in [
        (app.owner.post(CARTS, json!({})).await, "/currency required"),
        (app.owner.post(CARTS, json!({"currency": "euro"})).await, "/currency choice"),
        (app.owner.post(CARTS, json!({"currency": "XXX"})).await, "/currency choice"),
        (app.owner.post(CARTS, json!({"currency": "EUR", "customer": "ann"})).await, "/customer form"),
        (app.owner.put(&line, json!({"quantity": 10_001})).await, "/quantity out-of-range"),
        (app.owner.put(&line, json!({"quantity": -1})).await, "/quantity out-of-range"),
        (app.owner.post(&assign, json!({"customer": cart})).await, "/customer form"),
        (app.owner.post(&format!("{cart}/abandon"), json!({"why": ""})).await, " unknown"),
    ] {
        assert_eq!((answer.status, answer.errors()), (422, vec![error.to_owned()]));
    }
    assert_eq!(app.owner.get(&cart).await.json()["version"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn can_be_had_again_when_its_order_comes_to_nothing() {
    let app = TestApp::with_gateway().await;
    app.sell("TEE", 1_000, 1).await;
    let cart = app.owner.post(CARTS, json!({"currency": "USD", "customer": ANN})).await.id();
    let cart = format!("{CARTS}/{cart}");
    let two = json!({"quantity": 2});
    assert_eq!(app.owner.put(&format!("{cart}/lines/TEE"), two).await.status, 200);
    let paying = json!({"location": "main", "placing": {"payment_method": "card"}});
    let order = app.owner.post(&format!("{cart}/checkout"), paying.clone()).await.id();
    let order = app.order_now(&order).await;
    assert_eq!((&order["status"], &order["cancel_reason"]), (&json!("cancelled"), &json!("out_of_stock")));
    let open = app.owner.show(&cart).await;
    assert_eq!((&open["status"], &open["order_id"]), (&json!("open"), &Value::Null));
    let one = json!({"quantity": 1});
    assert_eq!(app.owner.put(&format!("{cart}/lines/TEE"), one).await.status, 200);
    let order = app.owner.post(&format!("{cart}/checkout"), paying).await.id();
    assert_eq!(app.order_now(&order).await["status"], "confirmed");
    assert_eq!(app.owner.show(&cart).await["status"], "checked_out");
}
