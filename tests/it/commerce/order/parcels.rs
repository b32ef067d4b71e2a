//! Parcels that are lost or come back, and what sending cost when everything comes back.

use serde_json::{Value, json};
use tests::app::TestApp;

use super::{ORDERS, deliver};

/// An order of two teas, paid and on its way; the order, its line and its parcel.
async fn sent(app: &TestApp) -> (String, Value, String) {
    let order = app.order("TEE", 2, "card").await;
    app.drain().await;
    let line = app.owner.show(&format!("{ORDERS}/{order}")).await["lines"][0]["line"].clone();
    let parcel = send(app, &order, &line).await;
    (order, line, parcel)
}

/// Packs and ships both units; the parcel.
async fn send(app: &TestApp, order: &str, line: &Value) -> String {
    let path = format!("{ORDERS}/{order}");
    let units = json!([{"line": line, "quantity": 2}]);
    let packed = app.owner.post(&format!("{path}/fulfilments"), json!({"lines": units})).await;
    assert_eq!(packed.status, 201, "{packed:?}");
    let parcels = app.order_now(order).await["fulfilments"].as_array().unwrap().clone();
    let parcel = parcels.last().unwrap()["id"].as_str().unwrap().to_owned();
    let shipped = app.owner.post(&format!("{path}/fulfilments/{parcel}/ship"), json!({})).await;
    assert_eq!(shipped.status, 200, "{shipped:?}");
    parcel
}

#[tokio::test(flavor = "multi_thread")]
async fn that_is_lost_is_sent_again_or_paid_back() {
    let app = TestApp::with_gateway().await;
    app.sell("TEE", 1_000, 5).await;
    let (order, line, parcel) = sent(&app).await;
    let path = format!("{ORDERS}/{order}");
    assert_eq!(app.owner.post(&format!("{path}/fulfilments/{parcel}/lost"), json!({})).await.status, 200);
    let lost = app.order_now(&order).await;
    let units = &lost["lines"][0]["units"];
    assert_eq!(
        (&units["shipped"], &units["lost"], &lost["fulfilments"][0]["status"]),
        (&json!(0), &json!(2), &json!("lost"))
    );
    assert_eq!(app.stock("TEE").await, (3, 3));

    // Sent again: out of stock, which is set aside first.
    let again = json!({"lines": [{"line": line, "quantity": 2}]});
    let unreserved = app.owner.post(&format!("{path}/fulfilments"), again).await;
    assert_eq!(unreserved.problem(), (409, "order/not_reserved".into()));
    let reserve = format!("{path}/lines/{}/reserve", line.as_str().unwrap());
    assert_eq!(
        app.owner.post(&reserve, json!({"quantity": 3})).await.problem(),
        (409, "order/too_many".into())
    );
    assert_eq!(app.owner.post(&reserve, json!({"quantity": 2})).await.status, 200);
    app.drain().await;
    assert_eq!(app.stock("TEE").await, (3, 1));
    let parcel = send(&app, &order, &line).await;
    app.drain().await;
    assert_eq!(app.stock("TEE").await, (1, 1));

    // Lost once more: there is only one left, so it is paid back.
    assert_eq!(app.owner.post(&format!("{path}/fulfilments/{parcel}/lost"), json!({})).await.status, 200);
    let sold_out = app.owner.post(&reserve, json!({"quantity": 2})).await;
    assert_eq!(sold_out.problem(), (409, "stock/insufficient_stock".into()));
    assert_eq!(app.owner.post(&format!("{path}/cancel"), json!({})).await.status, 200);
    let cancelled = app.order_now(&order).await;
    assert_eq!(
        (&cancelled["status"], &cancelled["refunded"]["amount"]),
        (&json!("cancelled"), &json!(2_000))
    );
    assert_eq!(app.stock("TEE").await, (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn that_comes_back_goes_into_stock_if_it_is_good() {
    let app = TestApp::with_gateway().await;
    app.sell("TEE", 1_000, 5).await;
    for (condition, left) in [("good", (5, 5)), ("damaged", (3, 3))] {
        let (order, line, parcel) = sent(&app).await;
        let path = format!("{ORDERS}/{order}");
        let back = format!("{path}/fulfilments/{parcel}/came-back");
        assert_eq!(app.owner.post(&back, json!({"condition": condition})).await.status, 200);
        let units = json!([{"line": line, "quantity": 2}]);
        assert_eq!(
            app.owner.post(&format!("{path}/cancel-lines"), json!({"lines": units})).await.status,
            200
        );
        let order = app.order_now(&order).await;
        assert_eq!(
            (&order["status"], &order["refunded"]["amount"], &order["lines"][0]["units"]["came_back"]),
            (&json!("cancelled"), &json!(2_000), &json!(2))
        );
        assert_eq!(app.stock("TEE").await, left, "{condition}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_whole_order_is_returned_is_paid_back_with_what_sending_cost_if_the_shop_has_it_so() {
    let app = TestApp::with_gateway().await;
    app.sell("TEE", 1_000, 9).await;
    let returned = |settled: Option<bool>, said: Option<bool>, refunded: i64| {
        let app = &app;
        async move {
            if let Some(refund_shipping) = settled {
                let policy = json!({"refund_shipping": refund_shipping});
                assert_eq!(app.owner.put("/api/ecommerce/shop", policy).await.status, 200);
            }
            let mut wanted = app.wanting("TEE", 1, "card");
            wanted["shipping"] = json!({"amount": {"amount": 490, "currency": "USD"}});
            let order = app.owner.post(ORDERS, wanted).await.id();
            app.drain().await;
            let line = deliver(app, &order).await["lines"][0]["line"].clone();
            let path = format!("{ORDERS}/{order}/returns");
            let asked = json!({"lines": [{"line": line, "quantity": 1}]});
            assert_eq!(app.owner.post(&path, asked).await.status, 201);
            let back = app.order_now(&order).await["returns"][0]["id"].as_str().unwrap().to_owned();
            let mut receipt = json!({"line": line, "quantity": 1, "condition": "good"});
            if let Some(said) = said {
                receipt["refund_shipping"] = json!(said);
            }
            assert_eq!(app.owner.post(&format!("{path}/{back}/receive"), receipt).await.status, 200);
            let order = app.order_now(&order).await;
            assert_eq!(order["refunded"]["amount"], refunded, "{settled:?} {said:?}");
            assert_eq!(order["credited"]["amount"], refunded);
        }
    };
    returned(None, None, 1_000).await;
    returned(None, Some(true), 1_490).await;
    returned(Some(true), None, 1_490).await;
    returned(None, Some(false), 1_000).await;
}
