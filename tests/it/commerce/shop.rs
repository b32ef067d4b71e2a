//! How a workspace sells, over HTTP.

use serde_json::json;
use tests::app::TestApp;

const SHOP: &str = "/api/ecommerce/shop";

#[tokio::test(flavor = "multi_thread")]
async fn is_as_by_default_until_it_is_settled_by_whoever_may() {
    let app = TestApp::start().await;
    let shop = app.owner.get(SHOP).await;
    assert_eq!(
        (shop.status, shop.header("etag"), &shop.json()["refund_shipping"]),
        (200, "\"0\"", &json!(false))
    );
    let clerk = app.with_scopes(&["shop:read"]);
    let policy = json!({"refund_shipping": true});
    assert_eq!(clerk.put(SHOP, policy.clone()).await.problem(), (403, "forbidden".into()));
    assert_eq!(app.owner.put(SHOP, policy.clone()).await.status, 200);
    let shop = clerk.get(SHOP).await;
    assert_eq!((shop.header("etag"), &shop.json()["refund_shipping"]), ("\"1\"", &json!(true)));
    assert_eq!(
        app.owner.put(SHOP, json!({"refund_shiping": true})).await.problem(),
        (422, "validation".into())
    );
    let history = app.owner.show(&format!("{SHOP}/history")).await;
    assert_eq!(history["items"][0]["event"]["type"], "Settled");
}
