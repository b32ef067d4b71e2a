//! Refunds, rule by rule.

use uuid::Uuid;

use super::RefundCommand as C;
use super::RefundEvent as E;
use super::RefundRefusal as No;
use super::*;
use crate::kernel::{Given, given};
use crate::money::Currency;

const PAYMENT: PaymentId = PaymentId::from_uuid(Uuid::from_u128(1));
const ORDER: OrderId = OrderId::from_uuid(Uuid::from_u128(2));
const LINE_1: LineId = LineId::from_uuid(Uuid::from_u128(3));
const LINE_2: LineId = LineId::from_uuid(Uuid::from_u128(4));
const REF: &str = "re_1";

fn usd(amount: i64) -> Money {
    Money::new(amount, Currency::USD)
}

fn request_of(amount: i64, lines: &[(LineId, i64)], approved: bool) -> C {
    let lines = lines.iter().map(|&(line, amount)| RefundLine { line, amount: usd(amount) }).collect();
    C::Request {
        payment: PAYMENT,
        order: ORDER,
        amount: usd(amount),
        reason: Reason::Returned,
        lines,
        approved,
    }
}

fn requested() -> E {
    E::Requested { payment: PAYMENT, order: ORDER, amount: usd(500), reason: Reason::Returned, lines: vec![] }
}

fn approved() -> E {
    E::Approved { payment: PAYMENT, order: ORDER, amount: usd(500) }
}

fn sent() -> E {
    E::Sent { payment: PAYMENT, order: ORDER, amount: usd(500), charge: "ch_1".into() }
}

fn succeeded() -> E {
    E::Succeeded { payment: PAYMENT, order: ORDER, amount: usd(500), psp_ref: REF.into() }
}

fn failed() -> E {
    E::Failed { payment: PAYMENT, order: ORDER, amount: usd(500), code: "account_closed".into() }
}

fn held() -> E {
    E::HeldForReview { payment: PAYMENT, order: ORDER, amount: usd(500), code: "account_closed".into() }
}

fn unknown() -> E {
    E::OutcomeUnknown { payment: PAYMENT, order: ORDER, amount: usd(500), charge: "ch_1".into(), attempt: 1 }
}

fn resent(attempt: u32) -> E {
    E::Resent { payment: PAYMENT, order: ORDER, amount: usd(500), charge: "ch_1".into(), attempt }
}

fn reversed() -> E {
    E::Reversed { payment: PAYMENT, order: ORDER, amount: usd(500), psp_ref: REF.into() }
}

fn cancelled() -> E {
    E::Cancelled { payment: PAYMENT, order: ORDER, amount: usd(500) }
}

fn late(fact: RefundFact, reference: &str) -> E {
    E::LateObservation { payment: PAYMENT, order: ORDER, amount: usd(500), fact, reference: reference.into() }
}

fn send() -> C {
    C::Send { charge: "ch_1".into() }
}

fn success() -> C {
    C::RecordSucceeded { psp_ref: REF.into() }
}

fn failure(review: bool) -> C {
    C::RecordFailed { code: "account_closed".into(), review }
}

fn reversal() -> C {
    C::RecordReversed { psp_ref: REF.into() }
}

/// A refund in each of its states.
fn at(status: RefundStatus) -> Given<Refund> {
    use RefundStatus as S;
    let refund = given::<Refund>(match status {
        S::Requested => vec![requested()],
        S::Approved => vec![requested(), approved()],
        S::Sent => vec![requested(), approved(), sent()],
        S::Unknown => vec![requested(), approved(), sent(), unknown()],
        S::Succeeded => vec![requested(), approved(), sent(), succeeded()],
        S::Failed => vec![requested(), approved(), sent(), failed()],
        S::ManualReview => vec![requested(), approved(), sent(), held()],
        S::Reversed => vec![requested(), approved(), sent(), succeeded(), reversed()],
        S::Cancelled => vec![requested(), cancelled()],
    });
    assert_eq!(refund.0.status(), Some(status));
    refund
}

#[test]
fn is_requested_once() {
    let nothing = given::<Refund>([]);
    assert_eq!(nothing.when(request_of(500, &[], false)), Ok(vec![requested()]));
    assert_eq!(nothing.when(C::Approve), Err(No::Unknown));
    assert_eq!(at(RefundStatus::Sent).when(request_of(500, &[], true)), Ok(vec![]));
    assert_eq!(at(RefundStatus::Sent).when(request_of(501, &[], true)), Err(No::AlreadyRequested));
}

#[test]
fn is_approved_at_once_where_a_process_asks_for_it() {
    assert_eq!(given::<Refund>([]).when(request_of(500, &[], true)), Ok(vec![requested(), approved()]));
}

#[test]
fn is_for_an_amount_that_its_lines_add_up_to() {
    let nothing = given::<Refund>([]);
    for amount in [0, -1, i64::MIN] {
        assert_eq!(nothing.when(request_of(amount, &[], true)), Err(No::InvalidAmount));
    }
    assert!(nothing.when(request_of(500, &[(LINE_1, 300), (LINE_2, 200)], true)).is_ok());
    for lines in [
        &[(LINE_1, 499)][..],
        &[(LINE_1, 300), (LINE_1, 200)],
        &[(LINE_1, 501), (LINE_2, -1)],
        &[(LINE_1, i64::MAX), (LINE_2, i64::MAX)],
    ] {
        assert_eq!(nothing.when(request_of(500, lines, true)), Err(No::LinesDoNotAddUp));
    }
}

#[test]
fn is_approved_once_unless_cancelled() {
    use RefundStatus as S;
    assert_eq!(at(S::Requested).when(C::Approve), Ok(vec![approved()]));
    assert_eq!(at(S::Approved).when(C::Approve), Ok(vec![]));
    assert_eq!(at(S::Succeeded).when(C::Approve), Ok(vec![]));
    for status in [S::Cancelled, S::Failed, S::Reversed] {
        assert_eq!(at(status).when(C::Approve), Err(No::Closed));
    }
    assert_eq!(at(S::ManualReview).when(C::Approve), Err(No::InReview));
}

#[test]
fn that_waits_for_a_person_is_sent_again_as_another_one() {
    use RefundStatus as S;
    assert_eq!(at(S::ManualReview).when(C::Retry), Ok(vec![resent(2)]));
    let again = at(S::ManualReview).and(C::Retry);
    assert_eq!(again.0.status(), Some(S::Sent));
    assert_eq!(again.when(C::Retry), Ok(vec![]));
    let unknown = again.when(C::RecordUnknown).unwrap();
    assert!(matches!(&unknown[..], [E::OutcomeUnknown { attempt: 2, .. }]));
    let refused = again.and(failure(true));
    assert_eq!(refused.when(C::Retry), Ok(vec![resent(3)]));
    assert_eq!(refused.and(C::Retry).when(success()), Ok(vec![succeeded()]));
    assert_eq!(at(S::Requested).when(C::Retry), Err(No::NotApproved));
    for status in [S::Approved, S::Sent, S::Unknown] {
        assert_eq!(at(status).when(C::Retry), Ok(vec![]));
    }
    for status in [S::Succeeded, S::Failed, S::Reversed, S::Cancelled] {
        assert_eq!(at(status).when(C::Retry), Err(No::Closed));
    }
}

#[test]
fn that_waits_for_a_person_may_be_paid_out_in_another_way() {
    use RefundStatus as S;
    let pay_out = |reference: &str| C::PayOut { reference: reference.into() };
    let paid = E::Succeeded { payment: PAYMENT, order: ORDER, amount: usd(500), psp_ref: "wire 7".into() };
    assert_eq!(at(S::ManualReview).when(pay_out("wire 7")), Ok(vec![paid]));
    assert_eq!(at(S::ManualReview).when(pay_out(" ")), Err(No::InvalidReference));
    assert_eq!(at(S::Succeeded).when(pay_out("wire 7")), Ok(vec![]));
    assert_eq!(at(S::Sent).when(pay_out("wire 7")), Err(No::NotInReview));
    let review =
        |code: &str| E::HeldForReview { payment: PAYMENT, order: ORDER, amount: usd(500), code: code.into() };
    let silent = given::<Refund>([requested(), approved(), sent(), review("no_answer")]);
    assert_eq!(silent.when(pay_out("wire 7")), Err(No::InDoubt));
    let elsewhere = given::<Refund>([requested(), approved(), review(PAY_OUT_BY_HAND)]);
    assert_eq!(elsewhere.when(C::Retry), Err(No::ByHand));
    assert!(elsewhere.when(pay_out("wire 7")).is_ok());
}

#[test]
fn is_given_up_by_a_person_only_while_no_money_can_be_leaving() {
    use RefundStatus as S;
    let reject = || C::Reject { code: "account_closed".into() };
    for status in [S::Requested, S::Approved, S::ManualReview] {
        assert_eq!(at(status).when(reject()), Ok(vec![failed()]));
    }
    for status in [S::Failed, S::Cancelled] {
        assert_eq!(at(status).when(reject()), Ok(vec![]));
    }
    for status in [S::Sent, S::Unknown] {
        assert_eq!(at(status).when(reject()), Err(No::AlreadySent));
    }
    for status in [S::Succeeded, S::Reversed] {
        assert_eq!(at(status).when(reject()), Err(No::Closed));
    }
}

#[test]
fn of_which_the_provider_says_nothing_is_sent_again_under_its_name() {
    use RefundStatus as S;
    let held =
        E::HeldForReview { payment: PAYMENT, order: ORDER, amount: usd(500), code: "no_answer".into() };
    for status in [S::Sent, S::Unknown] {
        assert_eq!(at(status).when(C::RecordUnresolved), Ok(vec![held.clone()]));
    }
    let waiting = at(S::Unknown).and(C::RecordUnresolved);
    assert_eq!(waiting.when(C::RecordUnresolved), Ok(vec![]));
    assert_eq!(waiting.when(C::Retry), Ok(vec![resent(1)]));
    assert_eq!(waiting.when(success()), Ok(vec![succeeded()]), "it was paid out after all");
}

#[test]
fn whose_money_is_not_set_aside_waits_for_a_person_and_is_then_approved_anew() {
    use RefundStatus as S;
    let failure = |review| C::RecordFailed { code: "payment/exceeds_refundable".into(), review };
    let waiting = at(S::Approved).and(failure(true));
    assert_eq!(waiting.0.status(), Some(S::ManualReview));
    assert_eq!(waiting.when(C::Retry), Ok(vec![approved()]));
    // Those that failed before refunds waited.
    assert_eq!(at(S::Approved).and(failure(false)).when(C::Retry), Ok(vec![approved()]));
}

#[test]
fn is_sent_once_and_only_when_approved() {
    use RefundStatus as S;
    assert_eq!(at(S::Requested).when(send()), Err(No::NotApproved));
    assert_eq!(at(S::Approved).when(send()), Ok(vec![sent()]));
    for status in [S::Sent, S::Unknown, S::ManualReview, S::Succeeded, S::Reversed] {
        assert_eq!(at(status).when(send()), Ok(vec![]));
    }
    for status in [S::Failed, S::Cancelled] {
        assert_eq!(at(status).when(send()), Err(No::Closed));
    }
}

#[test]
fn succeeds_once_and_never_silently_against_what_was_settled() {
    use RefundStatus as S;
    for status in [S::Sent, S::Unknown, S::ManualReview] {
        assert_eq!(at(status).when(success()), Ok(vec![succeeded()]));
    }
    for status in [S::Succeeded, S::Reversed] {
        assert_eq!(at(status).when(success()), Ok(vec![]));
    }
    for status in [S::Requested, S::Approved, S::Failed, S::Cancelled] {
        assert_eq!(at(status).when(success()), Ok(vec![late(RefundFact::Succeeded, REF)]));
        assert_eq!(at(status).and(success()).when(success()), Ok(vec![]));
        assert_eq!(at(status).and(success()).0.status(), Some(status));
    }
}

#[test]
fn fails_once_with_a_look_at_it_first_where_asked_for() {
    use RefundStatus as S;
    assert_eq!(at(S::Requested).when(failure(false)), Ok(vec![failed()]));
    for status in [S::Approved, S::Sent, S::Unknown] {
        assert_eq!(at(status).when(failure(false)), Ok(vec![failed()]));
        assert_eq!(at(status).when(failure(true)), Ok(vec![held()]));
    }
    assert_eq!(at(S::ManualReview).when(failure(true)), Ok(vec![]));
    assert_eq!(at(S::ManualReview).when(failure(false)), Ok(vec![failed()]));
    for status in [S::Failed, S::Cancelled] {
        assert_eq!(at(status).when(failure(false)), Ok(vec![]));
    }
    for status in [S::Succeeded, S::Reversed] {
        assert_eq!(at(status).when(failure(false)), Ok(vec![late(RefundFact::Failed, "account_closed")]));
        assert_eq!(at(status).and(failure(false)).when(failure(false)), Ok(vec![]));
    }
}

#[test]
fn is_in_doubt_once_and_only_while_sent() {
    use RefundStatus as S;
    assert_eq!(at(S::Sent).when(C::RecordUnknown), Ok(vec![unknown()]));
    for status in [S::Requested, S::Approved] {
        assert_eq!(at(status).when(C::RecordUnknown), Err(No::NotSent));
    }
    for status in [S::Unknown, S::Succeeded, S::Failed, S::ManualReview, S::Reversed, S::Cancelled] {
        assert_eq!(at(status).when(C::RecordUnknown), Ok(vec![]));
    }
}

#[test]
fn comes_back_once_and_only_after_it_left() {
    use RefundStatus as S;
    assert_eq!(at(S::Succeeded).when(reversal()), Ok(vec![reversed()]));
    assert_eq!(at(S::Reversed).when(reversal()), Ok(vec![]));
    for status in [S::Requested, S::Sent, S::Unknown, S::Failed, S::Cancelled] {
        assert_eq!(at(status).when(reversal()), Ok(vec![late(RefundFact::Reversed, REF)]));
    }
}

#[test]
fn is_cancelled_only_before_it_is_sent() {
    use RefundStatus as S;
    for status in [S::Requested, S::Approved] {
        assert_eq!(at(status).when(C::Cancel), Ok(vec![cancelled()]));
    }
    for status in [S::Cancelled, S::Failed] {
        assert_eq!(at(status).when(C::Cancel), Ok(vec![]));
    }
    for status in [S::Sent, S::Unknown, S::ManualReview, S::Succeeded, S::Reversed] {
        assert_eq!(at(status).when(C::Cancel), Err(No::AlreadySent));
    }
    assert_eq!(No::AlreadySent.kind(), Kind::Conflict);
}

#[test]
fn is_on_disk_as_it_always_was() {
    const IDS: &str = r#""payment":"pay_00000000000000000000000001","order":"ord_00000000000000000000000002","amount":{"amount":500,"currency":"USD"}"#;
    let of_lines = E::Requested {
        payment: PAYMENT,
        order: ORDER,
        amount: usd(500),
        reason: Reason::OrderCancelled,
        lines: vec![RefundLine { line: LINE_1, amount: usd(500) }],
    };
    let all = [
        (requested(), format!(r#"{{"type":"Requested",{IDS},"reason":"returned"}}"#)),
        (
            of_lines,
            format!(
                r#"{{"type":"Requested",{IDS},"reason":"order_cancelled","lines":[{{"line":"line_00000000000000000000000003","amount":{{"amount":500,"currency":"USD"}}}}]}}"#
            ),
        ),
        (approved(), format!(r#"{{"type":"Approved",{IDS}}}"#)),
        (sent(), format!(r#"{{"type":"Sent",{IDS},"charge":"ch_1"}}"#)),
        (resent(2), format!(r#"{{"type":"Resent",{IDS},"charge":"ch_1","attempt":2}}"#)),
        (succeeded(), format!(r#"{{"type":"Succeeded",{IDS},"psp_ref":"re_1"}}"#)),
        (failed(), format!(r#"{{"type":"Failed",{IDS},"code":"account_closed"}}"#)),
        (held(), format!(r#"{{"type":"HeldForReview",{IDS},"code":"account_closed"}}"#)),
        (unknown(), format!(r#"{{"type":"OutcomeUnknown",{IDS},"charge":"ch_1"}}"#)),
        (reversed(), format!(r#"{{"type":"Reversed",{IDS},"psp_ref":"re_1"}}"#)),
        (cancelled(), format!(r#"{{"type":"Cancelled",{IDS}}}"#)),
        (
            late(RefundFact::Failed, "x"),
            format!(r#"{{"type":"LateObservation",{IDS},"fact":"failed","reference":"x"}}"#),
        ),
    ];
    for (event, json) in all {
        assert_eq!(serde_json::to_string(&event).unwrap(), json);
        assert_eq!(serde_json::from_str::<E>(&json).unwrap(), event);
        assert!(json.starts_with(&format!(r#"{{"type":"{}""#, event.as_ref())));
    }
}
