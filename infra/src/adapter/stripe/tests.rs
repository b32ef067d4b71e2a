//! Stripe: what its objects mean here.

use domain::ids::{AttemptId, PaymentId, WorkspaceId};
use domain::money::{Currency, Money};
use serde_json::{Value, json};
use uuid::Uuid;

use super::charges::{charge_of, of_session};
use commands::port::payment::{Authorisation, Charge, ChargeStatus, GatewayError};
use domain::finance::payment::{DeclineClass, NextStep};

fn metadata() -> Value {
    json!({
        "workspace": WorkspaceId::from_uuid(Uuid::from_u128(1)),
        "payment": PaymentId::from_uuid(Uuid::from_u128(2)),
        "attempt": AttemptId::from_uuid(Uuid::from_u128(3)),
    })
}

fn intent(status: &str, more: Value) -> Value {
    let mut intent = json!({
        "id": "pi_1", "object": "payment_intent", "status": status, "amount": 2000, "currency": "usd",
        "amount_capturable": 0, "amount_received": 0, "created": 1_700_000_000, "metadata": metadata(),
        "canceled_at": 1_234_567_890, "something_new": {"a": 1},
    });
    for (name, value) in more.as_object().unwrap() {
        intent[name] = value.clone();
    }
    intent
}

fn charge(status: &str, more: Value) -> Result<Charge, GatewayError> {
    charge_of(&serde_json::from_value(intent(status, more)).unwrap())
}

#[test]
fn an_intent_stands_by_its_status_and_nothing_else() {
    let held = charge("requires_capture", json!({"amount_capturable": 2000})).unwrap();
    assert_eq!((held.status, held.amount), (ChargeStatus::Authorised, Money::new(2000, Currency::USD)));
    let less = charge("requires_capture", json!({"amount_capturable": 1500})).unwrap();
    assert_eq!(less.amount.amount, 1500, "what is held, and not what was asked for");
    let error = json!({"last_payment_error": {"type": "card_error", "code": "card_declined",
        "decline_code": "stolen_card"}});
    let declined = charge("requires_payment_method", error).unwrap();
    assert!(
        matches!(declined.authorisation(), Authorisation::Declined(no) if no.class == DeclineClass::Hard)
    );
    let url = json!({"next_action": {"type": "redirect_to_url", "redirect_to_url": {"url": "https://x"}}});
    let redirect = NextStep::Redirect { url: "https://x".into(), expires_at: None };
    assert_eq!(charge("requires_action", url).unwrap().next, Some(redirect));
    for status in ["processing", "requires_confirmation", "requires_payment_method"] {
        assert_eq!(charge(status, json!({})).unwrap().next, Some(NextStep::Wait), "{status}");
    }
    let gone = charge("canceled", json!({"latest_charge": {"id": "ch_1", "status": "succeeded"}})).unwrap();
    assert_eq!(gone.status, ChargeStatus::Voided);
    assert_eq!(charge("canceled", json!({})).unwrap().status, ChargeStatus::Declined);
    assert!(matches!(charge("a_status_of_next_year", json!({})), Err(GatewayError::Unknown(_))));
}

#[test]
fn a_capture_is_told_with_its_fee_where_that_is_known() {
    let capture = "cap_00000000000000000000000004";
    let mut marked = metadata();
    marked["capture"] = json!(capture);
    let told = |fee: Value| {
        let more = json!({"amount_received": 2000, "metadata": marked, "latest_charge":
            {"id": "ch_1", "status": "succeeded", "balance_transaction": fee}});
        charge("succeeded", more).unwrap().captures.remove(0)
    };
    let captured = told(json!({"fee": 88, "currency": "usd"}));
    assert_eq!((captured.psp_ref.as_str(), captured.fee.amount), ("ch_1", 88));
    assert_eq!(told(json!({"fee": 88, "currency": "eur"})).fee, Money::zero(Currency::USD));
    assert_eq!(told(json!("txn_1")).fee, Money::zero(Currency::USD));
}

#[test]
fn what_was_not_made_by_us_is_not_taken_in() {
    let foreign = charge("requires_capture", json!({"metadata": {"order": "o-1"}}));
    assert_eq!(foreign, Err(GatewayError::Rejected("not_ours".into())));
}

#[test]
fn a_session_is_waited_for_until_it_is_complete_or_expired() {
    let session = |status: &str, more: Value| {
        let mut session = json!({
            "id": "cs_1", "object": "checkout.session", "status": status, "url": "https://pay", "amount_total": 2000,
            "currency": "usd", "expires_at": 1_700_000_000, "metadata": metadata(), "payment_intent": null,
        });
        for (name, value) in more.as_object().unwrap() {
            session[name] = value.clone();
        }
        of_session(&serde_json::from_value(session).unwrap())
    };
    let open = session("open", json!({})).unwrap();
    assert!(
        matches!(open.authorisation(), Authorisation::Awaiting { psp_ref, next: NextStep::Redirect { .. } }
        if psp_ref == "cs_1")
    );
    let expired = session("expired", json!({"url": null})).unwrap();
    assert!(matches!(expired.authorisation(), Authorisation::Declined(no) if no.code == "session_expired"));
    let paid = json!({"payment_intent": intent("requires_capture", json!({"amount_capturable": 2000}))});
    assert!(matches!(session("complete", paid).unwrap().authorisation(),
        Authorisation::Authorised { psp_ref, .. } if psp_ref == "pi_1"));
    assert!(matches!(session("complete", json!({})), Err(GatewayError::Unknown(_))));
}
