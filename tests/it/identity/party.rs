//! Parties over HTTP: a customer with an account sees what is theirs, and nothing else.

use chrono::TimeDelta;
use serde_json::{Value, json};
use tests::app::TestApp;
use tests::client::Client;
use tests::people::{person, text};

const ANN: &str = "cus_01h455vb4pex5vsknk084sn02q";
const BEN: &str = "cus_01h455vb4pex5vsknk084sn02r";

async fn order(app: &TestApp, customer: &str) -> String {
    let mut wanted = app.wanting("LAMP", 1, "ok");
    wanted["customer_id"] = customer.into();
    app.owner.create("/api/ecommerce/orders", wanted).await
}

async fn invited(workspace: &Client, customer: &str) -> Value {
    let answer = workspace.post(&format!("/api/parties/{customer}/invitation"), json!({})).await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"), "{answer:?}");
    json!({"token": text(&answer.json(), "token")})
}

fn ids(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|of| of["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_customer_sees_their_orders_and_payments_and_nothing_else() {
    let app = TestApp::with_customers().await;
    app.sell("LAMP", 4_900, 10).await;
    let (anns, bens) = (order(&app, ANN).await, order(&app, BEN).await);
    app.drain().await;
    let (ann, tokens) = person(&app, "ann@example.com").await;
    let mine = format!("/api/mine/{}", app.workspace);
    assert_eq!(ann.show("/api/mine").await, json!({"customer_of": []}));
    assert_eq!(ann.get(&format!("{mine}/orders")).await.problem(), (404, "not-found".into()));

    let linked = ann.post("/api/mine/link", invited(&app.owner, ANN).await).await;
    assert_eq!(linked.id(), ANN);
    let customer_of = json!([{"workspace": app.workspace, "customer": ANN}]);
    assert_eq!(ann.show("/api/mine").await["customer_of"], customer_of);
    assert_eq!(ann.show("/api/users/me/export").await["customer_of"], customer_of);
    let orders = ann.show(&format!("{mine}/orders")).await;
    assert_eq!(ids(&orders), [anns.as_str()]);
    let shown = ann.show(&format!("{mine}/orders/{anns}")).await;
    assert_eq!(shown, app.owner.show(&format!("/api/ecommerce/orders/{anns}")).await);
    let payments = ann.show(&format!("{mine}/orders/{anns}/payments")).await;
    assert_eq!(
        (&payments["items"][0]["order_id"], &payments["items"][0]["amount"]["amount"]),
        (&json!(anns), &json!(4_900))
    );
    assert!(payments["items"][0].get("fees").is_none(), "what the provider keeps is the seller's business");

    // What is another's is not there, as what there never was; nor is it in a workspace of another.
    let unknown = "ord_01h455vb4pex5vsknk084sn02q";
    for other in [bens.as_str(), unknown] {
        for path in [format!("{mine}/orders/{other}"), format!("{mine}/orders/{other}/payments")] {
            assert_eq!(ann.get(&path).await.problem(), (404, "not-found".into()), "{path}");
        }
    }
    let elsewhere = "/api/mine/ws_01h455vb4pex5vsknk084sn02q/orders";
    assert_eq!(ann.get(elsewhere).await.problem(), (404, "not-found".into()));
    // And a customer is no member.
    assert_eq!(ann.get("/api/ecommerce/orders").await.problem(), (403, "workspace-required".into()));
    let switch = ann.post(&format!("/api/workspaces/{}/switch", app.workspace), json!({})).await;
    assert_eq!(switch.problem(), (404, "workspace/unknown".into()));
    assert_eq!(app.owner.get(&format!("{mine}/orders")).await.problem(), (403, "people-only".into()));

    let party = app.owner.show(&format!("/api/parties/{ANN}")).await;
    assert_eq!(party["account"], tokens["account"]);
    let of_ann = format!("/api/parties?account={}", text(&tokens, "account"));
    assert_eq!(ids(&app.owner.show(&of_ann).await), [ANN]);
    assert_eq!(ids(&app.stranger().show("/api/parties").await), [""; 0]);
}

#[tokio::test]
async fn who_is_no_longer_a_customer_sees_nothing_at_once() {
    let app = TestApp::with_people().await;
    app.sell("LAMP", 4_900, 10).await;
    order(&app, ANN).await;
    let (ann, _) = person(&app, "ann@example.com").await;
    let orders = format!("/api/mine/{}/orders", app.workspace);
    let token = invited(&app.owner, ANN).await;
    ann.post("/api/mine/link", token.clone()).await;
    assert_eq!(ann.get(&orders).await.status, 200);
    let party = format!("/api/parties/{ANN}");
    assert_eq!(app.with_scopes(&["party:read"]).delete(&party).await.problem(), (403, "forbidden".into()));
    assert_eq!(app.owner.delete(&party).await.status, 200);
    assert_eq!(ann.get(&orders).await.problem(), (404, "not-found".into()));
    assert_eq!(app.owner.delete(&party).await.problem(), (404, "party/unknown".into()));
    // What let them in is used.
    assert_eq!(ann.post("/api/mine/link", token).await.problem(), (410, "party/link_spent".into()));

    ann.post("/api/mine/link", invited(&app.owner, ANN).await).await;
    assert_eq!(ann.get(&orders).await.status, 200);
    let own = format!("/api/mine/{}/parties/{ANN}", app.workspace);
    assert_eq!(ann.delete(&own).await.status, 200);
    assert_eq!(ann.get(&orders).await.problem(), (404, "not-found".into()));
    assert_eq!(ann.delete(&own).await.problem(), (404, "party/unknown".into()));
}

#[tokio::test]
async fn a_token_lets_one_in_once_and_for_a_week() {
    let app = TestApp::with_people().await;
    let (ann, _) = person(&app, "ann@example.com").await;
    let (eve, _) = person(&app, "eve@example.com").await;
    let link = async |who: &Client, token: &Value| who.post("/api/mine/link", token.clone()).await;
    let spent = || (410, "party/link_spent".to_owned());
    let (token, late) = (invited(&app.owner, ANN).await, invited(&app.owner, BEN).await);
    let forged = json!({"token": text(&token, "token").replace(ANN, BEN)});
    assert_eq!(link(&ann, &forged).await.problem(), spent());
    assert_eq!(link(&ann, &json!({"token": "nonsense"})).await.problem(), spent());
    assert_eq!(link(&ann, &token).await.status, 200);
    assert_eq!(link(&ann, &token).await.status, 200, "the same again changes nothing");
    assert_eq!(link(&eve, &token).await.problem(), spent());
    let again = app.owner.post(&format!("/api/parties/{ANN}/invitation"), json!({})).await;
    assert_eq!(again.problem(), (409, "party/linked_to_another".into()));
    app.clock.advance(TimeDelta::days(7));
    let (eve, _) = tests::people::sign_in(&app, "eve@example.com").await;
    assert_eq!(link(&eve, &late).await.problem(), spent());
}
