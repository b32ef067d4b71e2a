//! P3, P6: what a process remembers of aggregates never decides against what another process has written.

use std::net::SocketAddr;

use reqwest::Method;
use serde_json::{Value, json};
use tests::answer::{Answer, send};
use tests::chaos::long;
use tests::process::{Premises, Process, free_address, until};
use uuid::Uuid;

const PRODUCTS: &str = "/api/ecommerce/products";
const ORDERS: &str = "/api/ecommerce/orders";
const CARTS: &str = "/api/ecommerce/carts";

/// The platform's API in two processes, each with aggregates of its own in memory.
struct Two {
    at: Premises,
    a: SocketAddr,
    b: SocketAddr,
    _processes: [Process; 2],
}

impl Two {
    async fn start() -> Self {
        let at = Premises::open().await;
        let (a, b) = (at.address, free_address());
        let start = |address: SocketAddr| {
            Process::start(at.command(&["api"]).env("MEWAYZ_LISTEN", address.to_string()))
        };
        let processes = [start(a), start(b)];
        at.listens(a).await;
        at.listens(b).await;
        Self { at, a, b, _processes: processes }
    }

    /// A command with a key of its own, and with `If-Match` if a version is given.
    async fn send(
        &self,
        to: SocketAddr,
        method: Method,
        path: &str,
        version: Option<i64>,
        body: Value,
    ) -> Answer {
        let request =
            self.at.request_at(to, method, path).header("idempotency-key", Uuid::new_v4().to_string());
        let request = match version {
            Some(version) => request.header("if-match", format!("\"{version}\"")),
            None => request,
        };
        send(request.json(&body)).await
    }

    async fn post(&self, to: SocketAddr, path: &str, body: Value) -> Answer {
        self.send(to, Method::POST, path, None, body).await
    }

    /// Creates a product with these SKUs at 10.00 USD; its path.
    async fn product(&self, to: SocketAddr, skus: &[&str]) -> String {
        let body =
            json!({"title": "Thing", "variants": skus.iter().map(|sku| variant(sku)).collect::<Vec<_>>()});
        let created = self.post(to, PRODUCTS, body).await;
        assert_eq!(created.status, 201, "{created:?}");
        format!("{PRODUCTS}/{}", created.json()["id"].as_str().unwrap())
    }

    /// What an order of one unit is placed at, by what the log says of it.
    async fn ordered(&self, to: SocketAddr, sku: &str) -> Result<i64, (u16, String)> {
        let placed = self.post(to, ORDERS, order_of(sku)).await;
        if placed.status != 201 {
            return Err(placed.problem());
        }
        let total = format!(
            "select (payload->'total'->>'amount')::bigint from events
             where event_type = 'Placed' and split_part(aggregate_id, '/', 2) = '{}'",
            placed.json()["id"].as_str().unwrap()
        );
        Ok(self.at.count(&total).await)
    }

    async fn quoted(&self, to: SocketAddr, sku: &str) -> Result<i64, (u16, String)> {
        let contents = json!({"currency": "USD", "lines": [{"sku": sku, "quantity": 1}]});
        let quoted = self.post(to, &format!("{ORDERS}/quote"), contents).await;
        if quoted.status == 200 {
            Ok(quoted.json()["total"]["amount"].as_i64().unwrap())
        } else {
            Err(quoted.problem())
        }
    }
}

fn variant(sku: &str) -> Value {
    json!({"sku": sku, "title": sku, "prices": [{"amount": 1_000, "currency": "USD"}]})
}

fn order_of(sku: &str) -> Value {
    let customer = domain::ids::CustomerId::from_uuid(Uuid::now_v7());
    let line = json!({"sku": sku, "quantity": 1, "location": "main"});
    json!({"customer_id": customer, "currency": "USD", "lines": [line], "payment_method": "card"})
}

fn done(answer: &Answer, version: i64) {
    assert_eq!((answer.status, answer.json()["version"].as_i64()), (200, Some(version)), "{answer:?}");
}

fn refused<T>(code: &str) -> Result<T, (u16, String)> {
    Err((422, code.into()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_another_process_has_made_is_the_one_to_match() {
    let two = Two::start().await;
    let path = format!("{}/rename", two.product(two.a, &[]).await);
    for version in 1..=if long() { 500 } else { 20 } {
        // Each is one version behind: it did not write the last.
        let to = if version % 2 == 0 { two.a } else { two.b };
        let renamed =
            two.send(to, Method::POST, &path, Some(version), json!({"title": format!("{version}")})).await;
        done(&renamed, version + 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_seen_what_processes_made_of_an_order_may_cancel_it() {
    let at = Premises::open().await;
    let _all = ["gateway", "api", "react", "project"].map(|role| at.start(role, ""));
    at.listens(at.address).await;
    at.listens(at.gateway).await;
    at.sell("TEE", 100).await;
    for _ in 0..if long() { 20 } else { 3 } {
        let path = format!("{ORDERS}/{}", at.order("TEE").await);
        until("it is confirmed", || async {
            let shown = at.get(&path).await;
            shown.status == 200 && shown.json()["status"] == "confirmed"
        })
        .await;
        let seen = at.get(&path).await.header("etag").to_owned();
        let cancel = at.request(Method::POST, &format!("{path}/cancel")).header("if-match", &seen);
        let cancelled = send(cancel.json(&json!({}))).await;
        // It may have gone on since it was seen: then the version to match is another one than both that are known here.
        if cancelled.status == 412 {
            let (current, seen) =
                (cancelled.json()["current"].as_i64().unwrap(), seen.trim_matches('"').parse::<i64>());
            assert!(current > seen.unwrap(), "{cancelled:?}");
        } else {
            assert_eq!(cancelled.status, 200, "{cancelled:?}");
        }
        at.projected().await;
        assert_eq!(
            at.get(&path).await.json()["status"],
            if cancelled.status == 200 { "cancelled" } else { "confirmed" }
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sold_is_what_the_catalogue_says_wherever_it_was_changed() {
    let two = Two::start().await;
    let product = two.product(two.a, &["TEE"]).await;
    let price = format!("{product}/variants/TEE/prices/USD");
    for to in [two.a, two.b] {
        assert_eq!((two.quoted(to, "TEE").await, two.ordered(to, "TEE").await), (Ok(1_000), Ok(1_000)));
    }
    // Each change at one process is what the other sells by from then on.
    for (here, there, amount) in [(two.b, two.a, 2_000), (two.a, two.b, 3_000)] {
        let set = two.send(here, Method::PUT, &price, None, json!({"amount": amount})).await;
        assert_eq!(set.status, 200, "{set:?}");
        assert_eq!(two.ordered(there, "TEE").await, Ok(amount));
        assert_eq!(two.quoted(here, "TEE").await, Ok(amount));
    }
    let removed = two.send(two.b, Method::DELETE, &price, None, json!({})).await;
    assert_eq!(removed.status, 200, "{removed:?}");
    assert_eq!(two.ordered(two.a, "TEE").await, refused("order/no_price"));
    assert_eq!(two.quoted(two.a, "TEE").await, refused("order/no_price"));
    two.send(two.b, Method::PUT, &price, None, json!({"amount": 4_000})).await;
    assert_eq!(two.ordered(two.a, "TEE").await, Ok(4_000));
    two.post(two.b, &format!("{product}/archive"), json!({})).await;
    assert_eq!(two.ordered(two.a, "TEE").await, refused("order/not_on_sale"));
    two.post(two.b, &format!("{product}/restore"), json!({})).await;
    assert_eq!(two.ordered(two.a, "TEE").await, Ok(4_000));
    // The SKU goes to another product, which is dearer.
    two.send(two.b, Method::DELETE, &format!("{product}/variants/TEE"), None, json!({})).await;
    let dearer = json!({"title": "Dearer", "variants": [variant("TEE")]});
    let dearer = two.post(two.b, PRODUCTS, dearer).await.json()["id"].as_str().unwrap().to_owned();
    let its_price = format!("{PRODUCTS}/{dearer}/variants/TEE/prices/USD");
    two.send(two.b, Method::PUT, &its_price, None, json!({"amount": 5_000})).await;
    assert_eq!(two.ordered(two.a, "TEE").await, Ok(5_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_for_a_draft_is_what_the_catalogue_says_wherever_it_was_changed() {
    let two = Two::start().await;
    let product = two.product(two.a, &["TEE"]).await;
    let customer = domain::ids::CustomerId::from_uuid(Uuid::now_v7());
    let draft = json!({"customer_id": customer, "currency": "USD"});
    let draft = two.post(two.a, &format!("{ORDERS}/drafts"), draft).await;
    assert_eq!(draft.status, 201, "{draft:?}");
    let lines = format!("{ORDERS}/{}/lines", draft.json()["id"].as_str().unwrap());
    let line = json!({"sku": "TEE", "quantity": 1});
    assert_eq!(two.post(two.a, &lines, line.clone()).await.status, 201);
    let price = format!("{product}/variants/TEE/prices/USD");
    two.send(two.b, Method::PUT, &price, None, json!({"amount": 2_000})).await;
    // The order itself was changed elsewhere as well.
    assert_eq!(two.post(two.b, &lines, line.clone()).await.status, 201);
    let added = two.send(two.a, Method::POST, &lines, Some(3), line).await;
    assert_eq!(added.status, 201, "{added:?}");
    let prices = "select string_agg(payload->'total'->>'amount', ' ' order by position) from events
                  where aggregate_type = 'commerce.order' and event_type = 'LineAdded'";
    let prices: String = sqlx::query_scalar(prices).fetch_one(&two.at.database.pool).await.unwrap();
    assert_eq!(prices, "1000 2000 2000");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cart_is_checked_out_as_another_process_has_left_it() {
    let two = Two::start().await;
    two.product(two.a, &["TEE", "CUP"]).await;
    let customer = domain::ids::CustomerId::from_uuid(Uuid::now_v7());
    for version in [None, Some(3)] {
        let cart = two.post(two.a, CARTS, json!({"currency": "USD"})).await;
        let cart = format!("{CARTS}/{}", cart.json()["id"].as_str().unwrap());
        let line = |sku: &str| format!("{cart}/lines/{sku}");
        done(&two.send(two.a, Method::PUT, &line("TEE"), None, json!({"quantity": 1})).await, 2);
        done(&two.send(two.b, Method::PUT, &line("CUP"), Some(2), json!({"quantity": 2})).await, 3);
        let body =
            json!({"customer_id": customer, "location": "main", "placing": {"payment_method": "card"}});
        let placed = two.send(two.a, Method::POST, &format!("{cart}/checkout"), version, body).await;
        assert_eq!(placed.status, 201, "{placed:?}");
        let total = format!(
            "select (payload->'total'->>'amount')::bigint from events
             where event_type = 'Placed' and split_part(aggregate_id, '/', 2) = '{}'",
            placed.json()["id"].as_str().unwrap()
        );
        assert_eq!(two.at.count(&total).await, 3_000);
    }
}

/// The version that must match is the product's; whose the SKU is stands elsewhere, and was changed there.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_command_touches_beside_it_does_not_fail_its_version() {
    let two = Two::start().await;
    let first = two.product(two.a, &["TEE"]).await;
    let second = two.product(two.a, &[]).await;
    let removed = two.send(two.b, Method::DELETE, &format!("{first}/variants/TEE"), None, json!({})).await;
    assert_eq!(removed.status, 200, "{removed:?}");
    let added = two.send(two.a, Method::POST, &format!("{second}/variants"), Some(1), variant("TEE")).await;
    done(&added, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_is_answered_once_by_two_processes_that_remember_different_versions() {
    let two = Two::start().await;
    let path = format!("{}/rename", two.product(two.a, &[]).await);
    for round in 0..if long() { 1_000 } else { 25 } {
        let version = 2 * round + 1;
        let [newer, older] = if round % 2 == 0 { [two.a, two.b] } else { [two.b, two.a] };
        done(
            &two.send(newer, Method::POST, &path, None, json!({"title": format!("{version}")})).await,
            version + 1,
        );
        let once = |to| {
            let request =
                two.at.request_at(to, Method::POST, &path).header("idempotency-key", format!("{round}"));
            let request = request.header("if-match", format!("\"{}\"", version + 1));
            send(request.json(&json!({"title": format!("{round} once")})))
        };
        let (one, other) = tokio::join!(once(newer), once(older));
        done(&one, version + 2);
        assert_eq!((one.status, &one.body), (other.status, &other.body));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_because_of_facts_is_refused_for_good_under_its_key() {
    let two = Two::start().await;
    let product = two.product(two.a, &["TEE"]).await;
    let price = format!("{product}/variants/TEE/prices/USD");
    two.send(two.a, Method::DELETE, &price, None, json!({})).await;
    let body = order_of("TEE");
    let once = |to| two.at.command_until_answered(to, ORDERS, "once", &body);
    let refused = once(two.a).await;
    assert_eq!(refused.problem(), (422, "order/no_price".into()));
    let set = two.send(two.a, Method::PUT, &price, None, json!({"amount": 1_000})).await;
    assert_eq!(set.status, 200, "{set:?}");
    for to in [two.a, two.b] {
        let again = once(to).await;
        assert_eq!((again.problem(), again.header("idempotent-replayed")), (refused.problem(), "true"));
    }
    assert_eq!(two.ordered(two.a, "TEE").await, Ok(1_000), "under another key it is another order");
    let placed = "select count(*) from events where event_type = 'Placed'";
    assert_eq!(two.at.count(placed).await, 1);
}
