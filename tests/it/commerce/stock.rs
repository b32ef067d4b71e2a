//! Stock's life over HTTP.

use chrono::TimeDelta;
use commands::clock::Clock;
use domain::commerce::stock::{Reservation, Stock, StockCommand};
use domain::ids::{LineId, OrderId, ReservationId};
use reqwest::Method;
use serde_json::{Value, json};
use tests::app::TestApp;
use uuid::Uuid;

const STOCK: &str = "/api/ecommerce/stock";

fn ids(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|level| level["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn what_comes_in_and_what_a_count_finds_is_on_hand() {
    let app = TestApp::start().await;
    let (main, shop) = (format!("{STOCK}/LAMP/main"), format!("{STOCK}/LAMP/shop"));
    assert_eq!(app.owner.get(&main).await.problem(), (404, "not-found".into()));
    let received = app.owner.post(&format!("{main}/receive"), json!({"quantity": 10})).await;
    assert_eq!((received.status, &received.json()["id"]), (200, &json!("LAMP@main")));
    app.owner.post(&format!("{shop}/receive"), json!({"quantity": 3})).await;
    let broken = json!({"delta": -2, "reason": "broken"});
    assert_eq!(app.owner.post(&format!("{main}/adjust"), broken).await.status, 200);

    let shown = app.owner.get(&main).await;
    assert_eq!((shown.status, shown.header("etag")), (200, "\"2\""));
    assert_eq!(
        shown.json(),
        json!({
            "workspace_id": app.workspace.to_string(),
            "id": "LAMP@main",
            "sku": "LAMP",
            "location": "main",
            "on_hand": 8,
            "reserved": 0,
            "committed": 0,
            "available": 8,
            "version": 2,
            "created_at": "2026-01-01T00:00:00Z",
            "updated_at": "2026-01-01T00:00:00Z"
        })
    );
    assert_eq!(app.owner.get(&shop).await.json()["on_hand"], 3);
    let history = app.owner.get(&format!("{main}/history")).await.json();
    assert_eq!(history["items"][1]["event"], json!({"type": "Adjusted", "delta": -2, "reason": "broken"}));
}

#[tokio::test]
async fn what_is_reserved_cannot_be_had() {
    let app = TestApp::start().await;
    let lamp = format!("{STOCK}/LAMP/main");
    app.owner.post(&format!("{lamp}/receive"), json!({"quantity": 10})).await;
    let at = app.clock.now();
    let reserve = StockCommand::Reserve(Reservation {
        reservation: ReservationId::from_uuid(Uuid::now_v7()),
        order: OrderId::from_uuid(Uuid::now_v7()),
        line: LineId::from_uuid(Uuid::now_v7()),
        quantity: 4,
        expires_at: at + TimeDelta::hours(1),
        backorder: false,
        at,
    });
    app.platform().execute::<Stock>("LAMP@main".parse().unwrap(), reserve).await.unwrap();

    let lose = |delta: i64| json!({"delta": delta, "reason": "lost"});
    let lost = app.owner.post(&format!("{lamp}/adjust"), lose(-7)).await;
    assert_eq!(lost.problem(), (409, "stock/below_committed".into()));
    assert_eq!(app.owner.post(&format!("{lamp}/adjust"), lose(-6)).await.status, 200);
    let level = app.owner.get(&lamp).await.json();
    assert_eq!(json!([level["on_hand"], level["reserved"], level["available"]]), json!([4, 4, 0]));
}

#[tokio::test]
async fn a_repeated_receipt_counts_once() {
    let app = TestApp::start().await;
    let lamp = format!("{STOCK}/LAMP/main");
    let receive = || {
        let request = app.owner.request(Method::POST, &format!("{lamp}/receive"));
        app.owner.send(request.header("idempotency-key", "delivery-7").json(&json!({"quantity": 10})))
    };
    let (first, again) = (receive().await, receive().await);
    assert_eq!((first.status, &first.body), (again.status, &again.body));
    assert_eq!((first.header("idempotent-replayed"), again.header("idempotent-replayed")), ("", "true"));
    assert_eq!(app.owner.get(&lamp).await.json()["on_hand"], 10);
}

#[tokio::test]
async fn what_a_repeat_would_count_twice_must_have_a_name() {
    let app = TestApp::start().await;
    for (what, body) in
        [("receive", json!({"quantity": 10})), ("adjust", json!({"delta": 1, "reason": "found"}))]
    {
        let request = app.owner.request(Method::POST, &format!("{STOCK}/LAMP/main/{what}")).json(&body);
        let nameless = app.owner.send(request).await;
        assert_eq!(nameless.problem(), (400, "idempotency-key-required".into()), "{what}");
    }
    assert_eq!(app.owner.get(&format!("{STOCK}/LAMP/main")).await.status, 404);
}

#[tokio::test]
async fn a_count_holds_for_the_version_that_was_counted() {
    let app = TestApp::start().await;
    let lamp = format!("{STOCK}/LAMP/main");
    app.owner.post(&format!("{lamp}/receive"), json!({"quantity": 10})).await;
    let adjust = |key: &'static str| {
        let request = app.owner.request(Method::POST, &format!("{lamp}/adjust")).header("if-match", "\"1\"");
        app.owner
            .send(request.header("idempotency-key", key).json(&json!({"delta": -1, "reason": "counted"})))
    };
    assert_eq!(adjust("shelf-1").await.status, 200);
    assert_eq!(adjust("shelf-2").await.problem(), (412, "precondition-failed".into()));
    assert_eq!(app.owner.get(&lamp).await.json()["on_hand"], 9);
}

#[tokio::test]
async fn lists_are_filtered_and_read_page_by_page() {
    let app = TestApp::start().await;
    for pool in ["LAMP/shop", "LAMP/main", "CHAIR/main", "TABLE/shop", "LAMP-L/main"] {
        app.owner.post(&format!("{STOCK}/{pool}/receive"), json!({"quantity": 1})).await;
    }
    for (query, found) in [
        ("", vec!["CHAIR@main", "LAMP-L@main", "LAMP@main", "LAMP@shop", "TABLE@shop"]),
        ("?sku=LAMP", vec!["LAMP@main", "LAMP@shop"]),
        ("?location=shop", vec!["LAMP@shop", "TABLE@shop"]),
        ("?sku=LAMP&location=shop", vec!["LAMP@shop"]),
        ("?sku=SOFA", vec![]),
    ] {
        let page = app.owner.get(&format!("{STOCK}{query}")).await.json();
        assert_eq!(ids(&page), found, "{query}");
    }
    let first = app.owner.get(&format!("{STOCK}?limit=3")).await.json();
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = app.owner.get(&format!("{STOCK}?limit=3&cursor={cursor}")).await.json();
    assert_eq!(ids(&first), ["CHAIR@main", "LAMP-L@main", "LAMP@main"]);
    assert_eq!((ids(&rest), rest.get("next_cursor")), (vec!["LAMP@shop", "TABLE@shop"], None));
    let filtered = app.owner.get(&format!("{STOCK}?sku=LAMP&cursor={cursor}")).await;
    assert_eq!(filtered.problem(), (400, "cursor-invalid".into()));
}

#[tokio::test]
async fn another_workspace_has_stock_of_its_own() {
    let app = TestApp::start().await;
    let (lamp, stranger) = (format!("{STOCK}/LAMP/main"), app.stranger());
    app.owner.post(&format!("{lamp}/receive"), json!({"quantity": 10})).await;
    assert_eq!(stranger.get(&lamp).await.problem(), (404, "not-found".into()));
    assert_eq!(stranger.get(&format!("{lamp}/history")).await.problem(), (404, "not-found".into()));
    assert_eq!(ids(&stranger.get(STOCK).await.json()), Vec::<&str>::new());
    stranger.post(&format!("{lamp}/receive"), json!({"quantity": 1})).await;
    assert_eq!(app.owner.get(&lamp).await.json()["on_hand"], 10);
    assert_eq!(stranger.get(&lamp).await.json()["on_hand"], 1);
}

#[tokio::test]
async fn looking_and_changing_take_a_scope_each() {
    let app = TestApp::start().await;
    let lamp = format!("{STOCK}/LAMP/main");
    let (receive, adjust) = (format!("{lamp}/receive"), format!("{lamp}/adjust"));
    let (ten, find) = (json!({"quantity": 10}), json!({"delta": 1, "reason": "found"}));
    let (reader, manager) = (app.with_scopes(&["stock:read"]), app.with_scopes(&["stock:manage"]));
    assert_eq!(manager.post(&receive, ten.clone()).await.status, 200);
    assert_eq!(manager.post(&adjust, find.clone()).await.status, 200);
    assert_eq!(reader.get(&lamp).await.json()["on_hand"], 11);
    for forbidden in [
        reader.post(&receive, ten).await,
        reader.post(&adjust, find).await,
        manager.get(&lamp).await,
        manager.get(STOCK).await,
        manager.get(&format!("{lamp}/history")).await,
    ] {
        assert_eq!(forbidden.problem(), (403, "forbidden".into()));
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_not_taken() {
    let app = TestApp::start().await;
    let lamp = format!("{STOCK}/LAMP/main");
    let (receive, adjust) = (format!("{lamp}/receive"), format!("{lamp}/adjust"));
    let too_many = json!({"quantity": 4_294_967_296_i64});
    for (answer, errors) in [
        (app.owner.post(&receive, json!({"quantity": 0})).await, &["/quantity out-of-range"][..]),
        (app.owner.post(&receive, json!({"quantity": "1"})).await, &["/quantity type"]),
        (app.owner.post(&receive, too_many).await, &["/quantity out-of-range"]),
        (
            app.owner.post(&adjust, json!({"delta": 1, "reason": ""})).await,
            &["/reason form", "/reason length"],
        ),
        (app.owner.post(&adjust, json!({})).await, &["/delta required", "/reason required"]),
    ] {
        assert_eq!(answer.status, 422);
        assert_eq!(answer.errors(), errors);
    }
    let nothing = app.owner.post(&adjust, json!({"delta": 0, "reason": "counted"})).await;
    assert_eq!(nothing.problem(), (422, "stock/bad_quantity".into()));
    let nowhere = app.owner.post(&format!("{STOCK}/LA%21MP/main/receive"), json!({"quantity": 1})).await;
    assert_eq!(nowhere.problem(), (404, "not-found".into()));
    assert_eq!(app.owner.get(&lamp).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sku_may_have_blanks_and_slashes_which_a_path_encodes() {
    let app = TestApp::with_gateway().await;
    let (sku, path) = ("TEE/GREEN 250.g", "/api/ecommerce/stock/TEE%2FGREEN%20250.g/main");
    app.sell(sku, 1_000, 0).await;
    assert_eq!(app.owner.post(&format!("{path}/receive"), json!({"quantity": 5})).await.status, 200);
    app.drain().await;
    let level = app.owner.show(path).await;
    assert_eq!((&level["sku"], &level["on_hand"]), (&json!(sku), &json!(5)));
    let listed = app.owner.show("/api/ecommerce/stock?sku=TEE/GREEN%20250.g").await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    assert_eq!(app.owner.show(&format!("{path}/history")).await["items"].as_array().unwrap().len(), 1);
    let order = app.order(sku, 2, "card").await;
    assert_eq!(app.order_now(&order).await["status"], "confirmed");
    assert_eq!(app.owner.show(path).await["available"], 3);
    let cart = app.owner.create("/api/ecommerce/carts", json!({"currency": "USD"})).await;
    let line = format!("/api/ecommerce/carts/{cart}/lines/TEE%2FGREEN%20250.g");
    assert_eq!(app.owner.put(&line, json!({"quantity": 1})).await.status, 200);
    let unknown = format!("/api/ecommerce/carts/{cart}/lines/NO%2FSUCH");
    let refused = app.owner.put(&unknown, json!({"quantity": 1})).await;
    assert_eq!(refused.problem(), (422, "cart/unknown_sku".into()));
    assert_eq!(
        app.owner.put(&unknown, json!({"quantity": 0})).await.status,
        200,
        "there is nothing to remove"
    );
    for path in ["/api/ecommerce/stock/TEE%2F/main", "/api/ecommerce/stock/TEE%2F..%2FX/main"] {
        assert_eq!(app.owner.get(path).await.problem(), (400, "bad-request".into()), "{path}");
    }
}
