//! Payments over HTTP, and what the gateway tells unasked.

use commands::clock::Clock;
use commands::port::payment::signature::{SIGNATURE_HEADER, sign};
use commands::port::payment::{Notice, NoticeKind};
use serde_json::{Value, json};
use tests::app::{SECRET, TestApp};

const WEBHOOK: &str = "/api/financial/payments/webhook";

async fn tell(app: &TestApp, body: &[u8], signature: Option<String>) -> u16 {
    let request = reqwest::Client::new().post(format!("http://{}{WEBHOOK}", app.address)).body(body.to_vec());
    let request = match signature {
        Some(signature) => request.header(SIGNATURE_HEADER, signature),
        None => request,
    };
    request.send().await.unwrap().status().as_u16()
}

fn signed(app: &TestApp, body: &[u8]) -> Option<String> {
    Some(sign(SECRET.as_bytes(), body, app.clock.now()))
}

#[tokio::test(flavor = "multi_thread")]
async fn show_what_was_asked_held_and_taken() {
    let app = TestApp::with_gateway().await;
    app.sell("TEE", 1_000, 5).await;
    let order = app.order("TEE", 2, "card").await;
    app.drain().await;
    let found = app.owner.show(&format!("/api/financial/payments?order_id={order}")).await;
    let payment = &found["items"][0];
    assert_eq!((&payment["status"], &payment["captured"]["amount"]), (&json!("succeeded"), &json!(2_000)));
    let path = format!("/api/financial/payments/{}", payment["id"].as_str().unwrap());
    assert_eq!(&app.owner.show(&path).await, payment);
    let history = app.owner.show(&format!("{path}/history")).await;
    let told: Vec<&Value> =
        history["items"].as_array().unwrap().iter().map(|h| &h["event"]["type"]).collect();
    assert_eq!(told, ["Created", "AttemptStarted", "Authorised", "CaptureRequested", "Captured"]);
    let cancelled = app.owner.post(&format!("{path}/cancel"), json!({})).await;
    assert_eq!(cancelled.status, 409, "{cancelled:?}");
    let other = app.with_scopes(&["order:read"]).get(&path).await;
    assert_eq!(other.problem(), (403, "forbidden".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_the_gateway_signed_is_believed() {
    let app = TestApp::with_gateway().await;
    let body = br#"{"id":"evt_1"}"#;
    assert_eq!(tell(&app, body, None).await, 401);
    assert_eq!(tell(&app, body, Some("t=1,v1=00".into())).await, 401);
    let forged = Some(sign(b"another secret", body, app.clock.now()));
    assert_eq!(tell(&app, body, forged).await, 401);
    assert_eq!(
        tell(&app, br#"{"id":"evt_2"}"#, signed(&app, body)).await,
        401,
        "other bytes than were signed"
    );
    assert_eq!(tell(&app, body, signed(&app, body)).await, 400, "signed, and no notice all the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_is_a_hint_and_counts_once() {
    // Answers and notices are lost: only what this test tells is heard.
    let app = TestApp::with_faulty_gateway(3, "lose_reply=50,never=100".parse().unwrap()).await;
    app.sell("TEE", 1_000, 50).await;
    for _ in 0..20 {
        app.order("TEE", 1, "card").await;
    }
    app.drain().await;
    let unheard = app.owner.show("/api/financial/payments?status=processing").await;
    assert!(!unheard["items"].as_array().unwrap().is_empty(), "some answers are lost");
    for line in app.book().await.charges {
        let mut charge = line.charge;
        // It is asked for what is true, whatever the notice says.
        charge.amount.amount = 1;
        let id = format!("evt_{}", charge.id);
        let notice = Notice { id, kind: NoticeKind::Authorised, charge, created: app.clock.now() };
        let body = serde_json::to_vec(&notice).unwrap();
        // The gateway's answer may be lost again; then the notice is kept, and here told again.
        let mut answers = Vec::new();
        while answers.last() != Some(&204) {
            answers.push(tell(&app, &body, signed(&app, &body)).await);
            assert!(
                answers.len() < 50 && answers.iter().all(|status| [204, 202].contains(status)),
                "{answers:?}"
            );
        }
        app.drain().await;
        let events = app.store.head().await.unwrap();
        while tell(&app, &body, signed(&app, &body)).await != 204 {}
        app.drain().await;
        let since = app.store.read(events, 100).await.unwrap();
        let of_payments = since.iter().filter(|event| event.event_type == "Authorised").count();
        assert_eq!(of_payments, 0, "told twice, it happens once");
    }
    let open: i64 = sqlx::query_scalar("select count(*) from read.payment where (authorised).amount = 0")
        .fetch_one(&app.database.pool)
        .await
        .unwrap();
    assert_eq!(open, 0, "what is held is known of every payment");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_of_what_is_not_known_is_kept_until_it_is() {
    let app = TestApp::with_gateway().await;
    app.sell("TEE", 1_000, 5).await;
    app.order("TEE", 1, "card").await;
    app.drain().await;
    let charge = app.book().await.charges.remove(0).charge;
    let mut unknown = charge.clone();
    unknown.id = "ch_000000000000000000000000".into();
    for (charge, answer) in [(unknown, 202), (charge, 204)] {
        let notice =
            Notice { id: "evt_1".into(), kind: NoticeKind::Captured, charge, created: app.clock.now() };
        let body = serde_json::to_vec(&notice).unwrap();
        assert_eq!(tell(&app, &body, signed(&app, &body)).await, answer);
    }
}
