//! The life of an order over HTTP, from its quote to its last return.

mod credit;
mod editing;
mod numbers;
mod parcels;

use serde_json::{Value, json};
use tests::app::TestApp;

const ORDERS: &str = "/api/ecommerce/orders";

/// The events of an order, in their order.
async fn told(app: &TestApp, order: &str) -> Vec<String> {
    let history = app.owner.show(&format!("{ORDERS}/{order}/history?limit=200")).await;
    let events = history["items"].as_array().unwrap();
    events.iter().map(|happened| happened["event"]["type"].as_str().unwrap().to_owned()).collect()
}

/// Packs, ships and delivers all units of an order's only line; the order since.
async fn deliver(app: &TestApp, order: &str) -> Value {
    let path = format!("{ORDERS}/{order}");
    let line = app.owner.show(&path).await["lines"][0].clone();
    let units = json!([{"line": line["line"], "quantity": line["quantity"]}]);
    let packed = app.owner.post(&format!("{path}/fulfilments"), json!({"lines": units})).await;
    assert_eq!(packed.status, 201, "{packed:?}");
    let parcel = packed.json()["id"].as_str().unwrap().to_owned();
    let ship = json!({"carrier": "Dart", "tracking": "D-1"});
    let shipped = app.owner.post(&format!("{path}/fulfilments/{parcel}/ship"), ship).await;
    assert_eq!(shipped.status, 200, "{shipped:?}");
    let delivered = app.owner.post(&format!("{path}/fulfilments/{parcel}/deliver"), json!({})).await;
    assert_eq!(delivered.status, 200, "{delivered:?}");
    app.order_now(order).await
}

#[tokio::test(flavor = "multi_thread")]
async fn is_reserved_paid_confirmed_sent_and_delivered() {
    let app = TestApp::with_gateway().await;
    app.sell("TEE", 1_250, 10).await;
    app.sell("CUP", 900, 10).await;
    let order = app.order("TEE", 3, "card").await;
    let placed = app.order_now(&order).await;
    assert_eq!((&placed["status"], &placed["payment_status"]), (&json!("confirmed"), &json!("paid")));
    assert_eq!(placed["captured"], json!({"amount": 3_750, "currency": "USD", "decimal": "37.50"}));
    assert_eq!(app.stock("TEE").await, (10, 7));

    let done = deliver(&app, &order).await;
    assert_eq!((&done["status"], &done["fulfilment_status"]), (&json!("completed"), &json!("delivered")));
    assert_eq!((app.stock("TEE").await, app.stock("CUP").await), ((7, 7), (10, 10)));
    assert_eq!(
        told(&app, &order).await,
        [
            "Placed",
            "StockReserved",
            "PaymentCovered",
            "Confirmed",
            "Fulfilled",
            "Shipped",
            "Delivered",
            "Completed"
        ]
    );
    let book = app.book().await;
    assert_eq!(
        book.charges.iter().map(|line| (line.captured, line.refunded)).collect::<Vec<_>>(),
        [(3_750, 0)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn that_comes_back_is_refunded_and_lies_in_stock_again() {
    let app = TestApp::with_gateway().await;
    app.sell("TEE", 1_000, 5).await;
    let order = app.order("TEE", 3, "card").await;
    app.drain().await;
    let line = deliver(&app, &order).await["lines"][0]["line"].clone();
    let path = format!("{ORDERS}/{order}");
    let asked = json!({"lines": [{"line": line, "quantity": 2}], "reason": "too small"});
    assert_eq!(app.owner.post(&format!("{path}/returns"), asked).await.status, 201);
    let back = app.order_now(&order).await["returns"][0]["id"].as_str().unwrap().to_owned();
    let receive = |condition| json!({"line": line, "quantity": 1, "condition": condition});
    let receipt = format!("{path}/returns/{back}/receive");
    assert_eq!(app.owner.post(&receipt, receive("good")).await.status, 200);
    assert_eq!(app.owner.post(&receipt, receive("damaged")).await.status, 200);
    let order = app.order_now(&order).await;
    assert_eq!(
        (&order["return_status"], &order["payment_status"]),
        (&json!("partly_returned"), &json!("part_refunded")),
        "{order}"
    );
    assert_eq!(order["refunded"], json!({"amount": 2_000, "currency": "USD", "decimal": "20.00"}));
    // The damaged one is written off.
    assert_eq!(app.stock("TEE").await, (3, 3));
    assert_eq!(app.book().await.charges[0].refunded, 2_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn that_is_cancelled_after_it_was_paid_gives_back_money_and_goods() {
    let app = TestApp::with_gateway().await;
    app.sell("TEE", 1_000, 5).await;
    let (order, other) = (app.order("TEE", 2, "card").await, app.order("TEE", 1, "card").await);
    app.drain().await;
    assert_eq!(app.owner.post(&format!("{ORDERS}/{order}/cancel"), json!({})).await.status, 200);
    let cancelled = app.order_now(&order).await;
    assert_eq!(
        (&cancelled["status"], &cancelled["cancel_reason"]),
        (&json!("cancelled"), &json!("customer"))
    );
    assert_eq!(
        (&cancelled["payment_status"], &cancelled["refunded"]["amount"]),
        (&json!("refunded"), &json!(2_000))
    );
    assert_eq!(app.owner.show(&format!("{ORDERS}/{other}")).await["status"], "confirmed");
    assert_eq!(app.stock("TEE").await, (5, 4));
    let book = app.book().await;
    let refunded: Vec<_> =
        book.charges.iter().map(|line| line.refunded).filter(|&amount| amount > 0).collect();
    assert_eq!(refunded, [2_000]);
    let refunds = app.owner.show(&format!("/api/financial/refunds?order_id={order}")).await;
    assert_eq!(refunds["items"][0]["status"], "succeeded");
    let again = app.owner.post(&format!("{ORDERS}/{order}/cancel"), json!({})).await;
    assert_eq!(again.status, 200, "a cancelled order is cancelled");
}

#[tokio::test(flavor = "multi_thread")]
async fn comes_to_what_its_quote_said_or_is_refused() {
    let app = TestApp::with_gateway().await;
    app.sell("TEE", 1_000, 5).await;
    let price = |amount: i64| json!({"amount": amount, "currency": "USD"});
    let mut contents = json!({
        "currency": "USD", "lines": [{"sku": "TEE", "quantity": 3, "location": "main"}],
        "discount": {"code": "TEN", "amount": price(300)}, "shipping": {"method": "post", "amount": price(490)},
        "tax": price(190),
    });
    let events = app.store.head().await.unwrap();
    let quote = app.owner.post(&format!("{ORDERS}/quote"), contents.clone()).await;
    assert_eq!(
        (quote.status, &quote.json()["total"]),
        (200, &json!({"amount": 3_380, "currency": "USD", "decimal": "33.80"}))
    );
    assert_eq!(app.store.head().await.unwrap(), events, "a quote records nothing");
    contents["customer_id"] = app.wanting("TEE", 1, "card")["customer_id"].clone();
    contents["payment_method"] = json!("card");
    contents["totals_hash"] = quote.json()["totals_hash"].clone();
    let mut other = contents.clone();
    other["lines"][0]["quantity"] = json!(2);
    let refused = app.owner.post(ORDERS, other).await;
    assert_eq!(refused.status, 409, "{refused:?}");
    let order = app.owner.post(ORDERS, contents).await.id();
    assert_eq!(app.order_now(&order).await["captured"]["amount"], 3_380);
}

#[tokio::test(flavor = "multi_thread")]
async fn is_put_together_line_by_line() {
    let app = TestApp::with_gateway().await;
    app.sell("TEE", 1_000, 5).await;
    app.sell("CUP", 500, 5).await;
    let customer = app.wanting("TEE", 1, "card")["customer_id"].clone();
    let draft = json!({"customer_id": customer, "currency": "USD", "reference": "W-17"});
    let order = app.owner.post(&format!("{ORDERS}/drafts"), draft).await.id();
    let path = format!("{ORDERS}/{order}");
    for sku in ["TEE", "CUP"] {
        let line = json!({"sku": sku, "quantity": 1, "location": "main"});
        assert_eq!(app.owner.post(&format!("{path}/lines"), line).await.status, 201);
    }
    let draft = app.order_now(&order).await;
    assert_eq!((&draft["status"], &draft["total"]["amount"]), (&json!("draft"), &json!(1_500)));
    let line = |n: usize| format!("{path}/lines/{}", draft["lines"][n]["line"].as_str().unwrap());
    assert_eq!(app.owner.put(&line(0), json!({"quantity": 2})).await.status, 200);
    assert_eq!(app.owner.delete(&line(1)).await.status, 200);
    let shipping = json!({"amount": {"amount": 100, "currency": "USD"}});
    assert_eq!(app.owner.post(&format!("{path}/shipping"), shipping).await.status, 200);
    let placed = app.owner.post(&format!("{path}/place"), json!({"payment_method": "card"})).await;
    assert_eq!(placed.status, 200, "{placed:?}");
    let order = app.order_now(&order).await;
    assert_eq!((&order["status"], &order["captured"]["amount"]), (&json!("confirmed"), &json!(2_100)));
    let found =
        app.owner.show(&format!("{ORDERS}?reference=W-17&status=confirmed&payment_status=paid")).await;
    assert_eq!(found["items"], json!([order]));
}

#[tokio::test(flavor = "multi_thread")]
async fn is_found_page_by_page_by_what_it_is() {
    let app = TestApp::with_gateway().await;
    app.sell("TEE", 1_000, 20).await;
    for quantity in [1, 3, 2] {
        app.order("TEE", quantity, "card").await;
    }
    app.order("TEE", 4, "fraud").await;
    app.drain().await;
    let totals = |page: &Value| -> Vec<i64> {
        page["items"].as_array().unwrap().iter().map(|order| order["amount"].as_i64().unwrap()).collect()
    };
    let first = app.owner.show(&format!("{ORDERS}?status=confirmed&sort=-total&limit=2")).await;
    assert_eq!(totals(&first), [3_000, 2_000]);
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest =
        app.owner.show(&format!("{ORDERS}?status=confirmed&sort=-total&limit=2&cursor={cursor}")).await;
    assert_eq!((totals(&rest), rest["next_cursor"].is_null()), (vec![1_000], true));
    assert_eq!(totals(&app.owner.show(&format!("{ORDERS}?status=cancelled")).await), [4_000]);
    let wrong = app.owner.get(&format!("{ORDERS}?status=lost")).await;
    assert_eq!(wrong.problem(), (422, "validation".into()));
    let later = app.owner.show(&format!("{ORDERS}?placed_from=2031-01-01T00:00:00Z")).await;
    assert_eq!(later["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn is_written_down_for_the_past_by_whoever_may() {
    let app = TestApp::with_gateway().await;
    let mut past = json!({
        "customer_id": app.wanting("TEE", 1, "card")["customer_id"], "currency": "USD", "settlement": "recorded",
        "lines": [{"sku": "OLD", "quantity": 2, "title": "Old", "total": {"amount": 999, "currency": "USD"}}],
        "effective_at": "1997-01-02T12:00:00Z",
    });
    assert_eq!(app.owner.post(ORDERS, past.clone()).await.problem(), (403, "forbidden".into()));
    let historian = app.with_scopes(&["order:place", "history:write"]);
    let placed = historian.post(ORDERS, past.clone()).await;
    let order = app.order_now(&placed.id()).await;
    assert_eq!((&order["status"], &order["placed_at"]), (&json!("placed"), &json!("1997-01-02T12:00:00Z")));
    past["effective_at"] = json!("2099-01-01T00:00:00Z");
    let future = historian.post(ORDERS, past).await;
    assert_eq!(future.problem(), (422, "validation".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn asked_for_twice_under_one_name_is_one_order() {
    let app = TestApp::with_gateway().await;
    app.sell("TEE", 1_000, 5).await;
    let body = app.wanting("TEE", 1, "card");
    let first = app.owner.post_as("same", ORDERS, body.clone()).await;
    app.drain().await;
    // What it cost then is not looked at again.
    let product =
        app.owner.show("/api/ecommerce/products").await["items"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(
        app.owner.post(&format!("/api/ecommerce/products/{product}/archive"), json!({})).await.status,
        200
    );
    let again = app.owner.post_as("same", ORDERS, body.clone()).await;
    assert_eq!((again.status, again.body), (first.status, first.body));
    let other = app.owner.post_as("other", ORDERS, body).await;
    assert_eq!(other.problem(), (422, "order/not_on_sale".into()));
    app.drain().await;
    assert_eq!(app.owner.show(ORDERS).await["items"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_made_inside_of_it_has_an_id_and_a_place_of_its_own() {
    let app = TestApp::with_gateway().await;
    app.sell("TEE", 1_000, 5).await;
    let made = async |path: &str, body: Value, prefix: &str| -> (String, Value) {
        let made = app.owner.post(path, body).await;
        assert_eq!(made.status, 201, "{made:?}");
        let (id, place) = (made.id(), made.header("location").to_owned());
        assert!(id.starts_with(prefix), "{id}");
        assert_eq!(place, format!("{path}/{id}"));
        let shown = app.owner.get(&place).await;
        assert_eq!((shown.status, shown.header("etag")), (200, made.header("etag")), "{shown:?}");
        (id, shown.json())
    };
    let draft = json!({"customer_id": app.wanting("TEE", 1, "card")["customer_id"], "currency": "USD"});
    let draft = app.owner.post(&format!("{ORDERS}/drafts"), draft).await.id();
    let tee = json!({"sku": "TEE", "quantity": 2, "location": "main"});
    let (line, shown) = made(&format!("{ORDERS}/{draft}/lines"), tee, "line_").await;
    assert_eq!((&shown["line"]["line"], &shown["draft"]["line"]), (&json!(line), &json!(line)));

    let order = app.order("TEE", 3, "card").await;
    app.drain().await;
    let path = format!("{ORDERS}/{order}");
    let line = app.owner.show(&path).await["lines"][0]["line"].clone();
    let units = json!({"lines": [{"line": line, "quantity": 2}]});
    let (parcel, shown) = made(&format!("{path}/fulfilments"), units.clone(), "ful_").await;
    assert_eq!((&shown["id"], &shown["lines"][0]["quantity"]), (&json!(parcel), &json!(2)));
    for step in ["ship", "deliver"] {
        let done = app.owner.post(&format!("{path}/fulfilments/{parcel}/{step}"), json!({})).await;
        assert_eq!((done.status, done.id()), (200, order.clone()), "{done:?}");
    }
    let (back, shown) = made(&format!("{path}/returns"), units, "ret_").await;
    assert_eq!((&shown["id"], &shown["requested"][0]["quantity"]), (&json!(back), &json!(2)));
    let nothing = format!("{path}/returns/{}", back.replace(|c: char| c.is_ascii_digit(), "0"));
    assert_eq!(app.owner.get(&nothing).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_went_off_sale_is_not_sold_from_a_draft_nor_at_a_given_price() {
    let app = TestApp::with_gateway().await;
    app.sell("TEE", 1_000, 5).await;
    let customer = app.wanting("TEE", 1, "card")["customer_id"].clone();
    let draft = json!({"customer_id": customer, "currency": "USD"});
    let order = app.owner.post(&format!("{ORDERS}/drafts"), draft).await.id();
    let line = json!({"sku": "TEE", "quantity": 1, "location": "main"});
    assert_eq!(app.owner.post(&format!("{ORDERS}/{order}/lines"), line).await.status, 201);
    app.drain().await;
    let product =
        app.owner.show("/api/ecommerce/products").await["items"][0]["id"].as_str().unwrap().to_owned();
    let product = format!("/api/ecommerce/products/{product}");
    assert_eq!(app.owner.post(&format!("{product}/archive"), json!({})).await.status, 200);
    let place = format!("{ORDERS}/{order}/place");
    let placed = app.owner.post(&place, json!({"payment_method": "card"})).await;
    assert_eq!(placed.problem(), (422, "order/not_on_sale".into()));
    let mut given = app.wanting("TEE", 1, "card");
    given["lines"][0]["title"] = json!("Tee");
    given["lines"][0]["unit_price"] = json!({"amount": 1, "currency": "USD"});
    assert_eq!(app.owner.post(ORDERS, given).await.problem(), (422, "order/not_on_sale".into()));
    assert_eq!(app.owner.post(&format!("{product}/restore"), json!({})).await.status, 200);
    assert_eq!(app.owner.post(&place, json!({"payment_method": "card"})).await.status, 200);
    assert_eq!(app.order_now(&order).await["status"], "confirmed");
    let nothing = app.owner.post(ORDERS, app.wanting("NO-SUCH-SKU", 1, "card")).await;
    assert_eq!(nothing.problem(), (422, "order/unknown_sku".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn its_row_is_what_became_of_it() {
    let app = TestApp::with_gateway().await;
    app.sell("TEE", 1_000, 9).await;
    let (edited, cancelled) = (app.order("TEE", 2, "card").await, app.order("TEE", 3, "card").await);
    app.drain().await;
    let path = format!("{ORDERS}/{edited}");
    let line = app.owner.show(&path).await["lines"][0]["line"].as_str().unwrap().to_owned();
    assert_eq!(app.owner.post(&format!("{path}/edit"), json!({})).await.status, 200);
    assert_eq!(app.owner.put(&format!("{path}/lines/{line}"), json!({"quantity": 1})).await.status, 200);
    let contents = json!({"currency": "USD", "lines": [{"sku": "TEE", "quantity": 1, "location": "main"}]});
    let quote = app.owner.post(&format!("{ORDERS}/quote"), contents).await.json();
    let open = app.order_now(&edited).await;
    assert_eq!(
        (&open["draft"]["total"], &open["draft"]["totals_hash"]),
        (&quote["total"], &quote["totals_hash"])
    );
    assert_eq!(
        (&open["total"]["amount"], &open["lines"][0]["units"]["allocated"]),
        (&json!(2_000), &json!(2))
    );
    let agree = json!({"totals_hash": quote["totals_hash"]});
    assert_eq!(app.owner.post(&format!("{path}/edit/confirm"), agree).await.status, 200);
    let row = app.order_now(&edited).await;
    assert_eq!((&row["totals_hash"], &row["draft"]), (&quote["totals_hash"], &Value::Null));
    let units = &row["lines"][0]["units"];
    assert_eq!((&units["ordered"], &units["allocated"]), (&json!(1), &json!(1)));
    assert_eq!(row["refunded"]["amount"], 1_000);

    assert_eq!(app.owner.post(&format!("{ORDERS}/{cancelled}/cancel"), json!({})).await.status, 200);
    let units = app.order_now(&cancelled).await["lines"][0]["units"].clone();
    assert_eq!((&units["cancelled"], &units["allocated"]), (&json!(3), &json!(0)));
    assert_eq!(app.stock("TEE").await, (9, 8));
}
