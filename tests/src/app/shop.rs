//! The shop of a test: goods on sale, orders of them, what is left and what was paid.

use domain::ids::CustomerId;
use infra::gateway::wire::BookView;
use serde_json::{Value, json};
use uuid::Uuid;

use super::TestApp;

impl TestApp {
    /// Puts a SKU on sale at a price in US cents, with so many units at `main`.
    ///
    /// # Panics
    /// If it cannot be.
    pub async fn sell(&self, sku: &str, price: i64, units: i64) {
        let price = json!({"amount": price, "currency": "USD"});
        let variant = json!({"sku": sku, "title": sku, "prices": [price]});
        self.owner.create("/api/ecommerce/products", json!({"title": sku, "variants": [variant]})).await;
        if units > 0 {
            let path = format!("/api/ecommerce/stock/{sku}/main/receive");
            let received = self.owner.post(&path, json!({"quantity": units})).await;
            assert_eq!(received.status, 200, "{received:?}");
        }
    }

    /// A body that orders so many of a SKU from `main`, paid with this method.
    #[must_use]
    pub fn wanting(&self, sku: &str, quantity: u32, method: &str) -> Value {
        json!({
            "customer_id": CustomerId::from_uuid(Uuid::now_v7()),
            "currency": "USD",
            "lines": [{"sku": sku, "quantity": quantity, "location": "main"}],
            "payment_method": method,
        })
    }

    /// Places an order; its id.
    pub async fn order(&self, sku: &str, quantity: u32, method: &str) -> String {
        self.owner.create("/api/ecommerce/orders", self.wanting(sku, quantity, method)).await
    }

    /// An order, once nothing follows any more.
    pub async fn order_now(&self, id: &str) -> Value {
        self.drain().await;
        self.owner.show(&format!("/api/ecommerce/orders/{id}")).await
    }

    /// On hand and available units of a SKU at `main`.
    ///
    /// # Panics
    /// If there never were any.
    pub async fn stock(&self, sku: &str) -> (i64, i64) {
        let level = self.owner.show(&format!("/api/ecommerce/stock/{sku}/main")).await;
        let number = |name: &str| level[name].as_i64().unwrap_or_else(|| panic!("{name}: {level}"));
        (number("on_hand"), number("available"))
    }

    /// What the gateway has in its book.
    ///
    /// # Panics
    /// If there is none, or it does not say.
    pub async fn book(&self) -> BookView {
        let gateway = self.gateway.as_ref().expect("a gateway was asked for");
        let asked = reqwest::get(format!("http://{}/v1/book", gateway.address)).await;
        asked.expect("the gateway answers").json().await.expect("a book")
    }
}
