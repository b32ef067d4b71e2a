//! What is asked of Stripe, as stripe-mock reads it: `make stripe-mock`. Skipped where STRIPE_MOCK does not say where one is.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use commands::clock::{Clock, SystemClock};
use commands::port::payment::{Authorise, Capture, GatewayError, PaymentGateway, Refund, Void, Which};
use domain::ids::{AttemptId, CaptureId, OrderId, PaymentId, RefundId, WorkspaceId};
use domain::money::{Currency, Money};
use infra::adapter::stripe::StripeGateway;
use infra::adapter::stripe::client::{Client, Form};
use infra::config::Secret;
use uuid::Uuid;

fn gateway() -> Option<StripeGateway> {
    let Some(address) = std::env::var_os("STRIPE_MOCK") else {
        println!("skipped: STRIPE_MOCK does not say where a stripe-mock is; see make stripe-mock");
        return None;
    };
    let key = Secret::from("sk_test_key".to_owned());
    Some(StripeGateway {
        client: Client::new(address.to_str().unwrap(), &key, Duration::from_secs(5)).unwrap(),
        clock: Arc::new(SystemClock),
        return_url: "https://shop.example/{order}".into(),
        cancel_url: "https://shop.example/{order}".into(),
        methods: vec!["card".into(), "paypal".into()],
    })
}

fn authorise(method: &str) -> Authorise {
    Authorise {
        workspace: WorkspaceId::from_uuid(Uuid::now_v7()),
        order: OrderId::from_uuid(Uuid::now_v7()),
        payment: PaymentId::from_uuid(Uuid::now_v7()),
        attempt: AttemptId::from_uuid(Uuid::now_v7()),
        amount: Money::new(4_242, Currency::EUR),
        method: method.into(),
        asked_at: SystemClock.now(),
    }
}

/// It knows no metadata, so what it answers with is never ours; but it refuses nothing as ill spelled, and answers all.
fn is_well_spelled<T: Debug>(what: &str, said: Result<T, GatewayError>) {
    let ill = match &said {
        Err(GatewayError::Rejected(code)) => code == "invalid_request_error",
        Err(GatewayError::Unavailable(_)) => true,
        Err(GatewayError::Unknown(why)) => why.starts_with('4') || why.contains("connect"),
        Ok(_) => false,
    };
    assert!(!ill, "{what}: {said:?}");
}

#[tokio::test]
async fn all_that_is_asked_is_spelled_as_published() {
    let Some(gateway) = gateway() else { return };
    is_well_spelled("intent", gateway.authorise(&authorise("pm_card_visa")).await);
    is_well_spelled("session", gateway.authorise(&authorise("checkout")).await);
    is_well_spelled("session of", gateway.authorise(&authorise("checkout:card,paypal")).await);
    let (charge, amount) = ("pi_1".to_owned(), Money::new(4_242, Currency::EUR));
    let capture = Capture { charge: charge.clone(), capture: CaptureId::from_uuid(Uuid::now_v7()), amount };
    is_well_spelled("capture", gateway.capture(&capture).await);
    is_well_spelled("cancel", gateway.void(&Void { charge: charge.clone() }).await);
    let refund =
        Refund { charge: charge.clone(), refund: RefundId::from_uuid(Uuid::now_v7()), attempt: 1, amount };
    is_well_spelled("refund", gateway.refund(&refund).await);
    is_well_spelled("find", gateway.find(&Which::OfReference(charge)).await);
    is_well_spelled("find session", gateway.find(&Which::OfReference("cs_1".into())).await);
    is_well_spelled("search", gateway.find(&Which::OfAttempt(AttemptId::from_uuid(Uuid::now_v7()))).await);
    // `expire` is the one that it does not know as an action: answered, with another session.
    is_well_spelled("expire", gateway.void(&Void { charge: "cs_1".into() }).await);
}

#[tokio::test]
async fn what_is_ill_spelled_is_found_out() {
    let Some(gateway) = gateway() else { return };
    let ill = Form::default().with("amuont", 1).with("currency", "eur");
    let said = gateway.client.post::<serde_json::Value>("/v1/payment_intents", &ill, "k").await;
    assert!(said.is_err(), "it refuses what nobody publishes");
}
