//! The ways of a checkout that comes to nothing: each fact, and what it undoes.

use CheckoutCommand as C;
use CheckoutEvent as E;
use CheckoutRefusal as No;

use super::examples::*;
use super::*;

#[test]
fn one_line_that_is_out_of_stock_releases_the_others_and_cancels() {
    let fact = C::RecordReservationRefused { line: line_id(2), reason: "insufficient".into() };
    let events = vec![
        E::ReservationRefused {
            order: order(),
            line: line_id(2),
            reservation: reservation_id(2),
            reason: "insufficient".into(),
        },
        closing(ClosingReason::OutOfStock),
        cancel_requested(ClosingReason::OutOfStock),
        release_requested(1, false),
    ];
    let checkout = told([begin(), r(line_id(1))]);
    assert_eq!(checkout.when(fact.clone()), Ok(events));
    let checkout = checkout.and(fact.clone());
    assert_eq!(checkout.when(fact), Ok(vec![]));
    let checkout = checkout.and(C::RecordReleased { line: line_id(1) });
    assert_eq!(checkout.when(C::RecordReleased { line: line_id(1) }), Ok(vec![]));
    assert_eq!(
        checkout.when(closed_by_customer()),
        Ok(vec![
            E::OrderClosed { order: order(), how: OrderClosure::Cancelled },
            E::Closed { order: order(), reason: ClosingReason::OutOfStock },
        ])
    );
    assert!(checkout.and(closed_by_customer()).0.is_closed());
}

#[test]
fn a_reservation_granted_too_late_is_released() {
    let refused = C::RecordReservationRefused { line: line_id(2), reason: "insufficient".into() };
    let checkout = told([begin(), refused, closed_by_customer()]);
    assert_eq!(checkout.when(r(line_id(1))), Ok(vec![reserved(1), release_requested(1, false)]));
}

#[test]
fn a_reservation_that_runs_out_while_it_is_released_is_gone() {
    let checkout = told(all_reserved()).and(closed_by_customer());
    let expired = C::RecordReservationExpired { line: line_id(1) };
    let lost = E::ReservationLost {
        order: order(),
        line: line_id(1),
        reservation: reservation_id(1),
        reason: "expired".into(),
    };
    assert_eq!(checkout.when(expired), Ok(vec![lost]));
}

#[test]
fn fraud_is_the_end() {
    let class = DeclineClass::Fraud;
    let events = vec![
        decline(class, 1),
        closing(ClosingReason::PaymentFailed),
        cancel_requested(ClosingReason::PaymentFailed),
        release_requested(1, false),
        release_requested(2, false),
    ];
    let checkout = told(all_reserved());
    assert_eq!(checkout.when(declined(class, 1)), Ok(events));
    let checkout = checkout.and(declined(class, 1));
    assert_eq!(checkout.when(C::RetryPayment { method: "tok_2".into() }), Err(No::Over));
}

#[test]
fn money_held_too_late_is_let_go() {
    let fact = C::RecordAuthorised { amount: usd(4000) };
    let event = E::Authorised { order: order(), payment: payment(), amount: usd(4000) };
    let checkout = told(all_reserved()).and(closed_by_customer());
    assert_eq!(checkout.when(fact.clone()), Ok(vec![event.clone(), void_requested()]));
    let ended = told(all_reserved()).and(closed_by_customer()).and(C::RecordVoided);
    assert_eq!(ended.when(fact.clone()), Ok(vec![event.clone(), void_requested()]));
    let declined = told(all_reserved()).and(declined(DeclineClass::Fraud, 1));
    assert_eq!(declined.when(fact), Ok(vec![event, void_requested()]));
}

#[test]
fn too_little_held_or_taken_is_no_payment() {
    let events = told(all_reserved()).when(C::RecordAuthorised { amount: usd(3999) }).unwrap();
    assert_eq!(events[1], closing(ClosingReason::PaymentFailed));
    assert!(matches!(events.last(), Some(E::VoidRequested { amount, .. }) if *amount == usd(3999)));
    let events = told(committed()).when(C::RecordCaptured { amount: usd(3999) }).unwrap();
    assert_eq!(events[1], closing(ClosingReason::PaymentFailed));
    assert!(matches!(events.last(), Some(E::RefundRequested { amount, .. }) if *amount == usd(3999)));
}

#[test]
fn stock_lost_before_it_is_committed_undoes_all() {
    let refused = C::RecordCommitRefused { line: line_id(2), reason: "expired".into() };
    let checkout = told(authorised()).and(C::RecordCommitted { line: line_id(1) });
    let lost = E::ReservationLost {
        order: order(),
        line: line_id(2),
        reservation: reservation_id(2),
        reason: "expired".into(),
    };
    let events = vec![
        lost.clone(),
        closing(ClosingReason::OutOfStock),
        cancel_requested(ClosingReason::OutOfStock),
        release_requested(1, true),
        void_requested(),
    ];
    assert_eq!(checkout.when(refused.clone()), Ok(events));
    assert_eq!(checkout.and(refused.clone()).when(refused), Ok(vec![]));

    let unpaid = told(all_reserved()).and(declined(DeclineClass::Soft, 1));
    let events = vec![
        lost,
        closing(ClosingReason::PaymentFailed),
        cancel_requested(ClosingReason::PaymentFailed),
        release_requested(1, false),
    ];
    assert_eq!(unpaid.when(C::RecordReservationExpired { line: line_id(2) }), Ok(events));
}

#[test]
fn a_failed_capture_undoes_all() {
    let fact = C::RecordCaptureFailed { code: "expired".into() };
    let events = vec![
        E::CaptureFailed { order: order(), payment: payment(), code: "expired".into() },
        closing(ClosingReason::PaymentFailed),
        cancel_requested(ClosingReason::PaymentFailed),
        release_requested(1, true),
        release_requested(2, true),
        void_requested(),
    ];
    assert_eq!(told(committed()).when(fact.clone()), Ok(events));
    let failed = told(committed()).and(fact.clone());
    assert_eq!(failed.when(fact), Ok(vec![]));
    assert_eq!(
        failed.when(C::RecordCaptured { amount: usd(4000) }),
        Ok(vec![captured_event(), refund_requested(ClosingReason::PaymentFailed)]),
        "it had not failed after all"
    );
}

#[test]
fn an_authorisation_that_is_gone_undoes_all() {
    let events = told(committed()).when(C::RecordVoided).unwrap();
    assert_eq!(
        events,
        [
            E::Voided { order: order(), payment: payment() },
            closing(ClosingReason::PaymentFailed),
            cancel_requested(ClosingReason::PaymentFailed),
            release_requested(1, true),
            release_requested(2, true),
        ]
    );
}

#[test]
fn an_order_closed_meanwhile_undoes_all() {
    let closed = E::OrderClosed { order: order(), how: OrderClosure::Cancelled };
    let reason = ClosingReason::OrderClosed;
    assert_eq!(
        told(authorised()).and(C::RecordCommitted { line: line_id(1) }).when(closed_by_customer()),
        Ok(vec![closed.clone(), closing(reason), release_requested(1, true), void_requested()])
    );
    assert_eq!(
        told(captured()).when(closed_by_customer()),
        Ok(vec![
            closed,
            closing(reason),
            release_requested(1, true),
            release_requested(2, true),
            refund_requested(reason)
        ])
    );
    let capturing = told(committed()).and(closed_by_customer());
    assert_eq!(
        capturing.when(C::RecordCaptured { amount: usd(4000) }),
        Ok(vec![captured_event(), refund_requested(reason)]),
        "money taken too late is given back"
    );
}

#[test]
fn an_order_that_is_not_confirmed_gets_its_money_back() {
    let reason = ClosingReason::NotConfirmed;
    let fact = C::RecordConfirmRefused { reason: "order/not_paid".into() };
    assert_eq!(
        told(captured()).when(fact.clone()),
        Ok(vec![
            E::ConfirmRefused { order: order(), reason: "order/not_paid".into() },
            closing(reason),
            cancel_requested(reason),
            release_requested(1, true),
            release_requested(2, true),
            refund_requested(reason),
        ])
    );
    let closing = told(captured()).and(fact.clone());
    assert_eq!(closing.when(fact), Ok(vec![]));
    let closing = closing.and(C::RecordRefunded);
    assert_eq!(closing.when(C::RecordRefunded), Ok(vec![]));
}

#[test]
fn unpaid_in_time_it_expires() {
    let waiting = told(all_reserved()).and(declined(DeclineClass::Soft, 1));
    assert_eq!(waiting.when(C::Expire { at: at(99) }), Err(No::NotDue));
    let events = vec![
        closing(ClosingReason::Expired),
        E::ExpireRequested { order: order(), at: at(100) },
        release_requested(1, false),
        release_requested(2, false),
    ];
    assert_eq!(waiting.when(C::Expire { at: at(100) }), Ok(events));
    assert_eq!(waiting.and(C::Expire { at: at(100) }).when(C::Expire { at: at(101) }), Ok(vec![]));
    assert_eq!(
        told(committed()).when(C::Expire { at: at(100) }),
        Ok(vec![]),
        "money about to be taken is waited for"
    );
}

#[test]
fn what_cannot_be_undone_is_a_case_and_may_still_be_answered() {
    let case = |case, line, detail: Option<&str>| {
        Ok(vec![E::CaseOpened { order: order(), case, line, detail: detail.map(Into::into) }])
    };
    let code = || "down".to_owned();

    let voiding = told(authorised()).and(closed_by_customer());
    assert_eq!(voiding.when(C::RecordVoidFailed { code: code() }), case(Case::NotVoided, None, Some("down")));
    let voiding = voiding.and(C::RecordVoidFailed { code: code() });
    assert_eq!(voiding.when(C::RecordVoidFailed { code: code() }), Ok(vec![]));
    assert_eq!(voiding.when(C::RecordVoided), Ok(vec![E::Voided { order: order(), payment: payment() }]));

    let refunding = told(captured()).and(closed_by_customer());
    assert_eq!(
        refunding.when(C::RecordRefundFailed { code: code() }),
        case(Case::NotRefunded, None, Some("down"))
    );

    let line = line_id(1);
    let releasing = told(all_reserved()).and(closed_by_customer());
    assert_eq!(
        releasing.when(C::RecordReleaseRefused { line, reason: code() }),
        case(Case::NotReleased, Some(line), Some("down"))
    );

    let unknown = told(all_reserved());
    assert_eq!(unknown.when(C::RecordPaymentUnresolved), case(Case::PaymentUnresolved, None, None));
    assert!(unknown.and(C::RecordPaymentUnresolved).when(C::RecordAuthorised { amount: usd(4000) }).is_ok());

    let cancelling = told(all_reserved()).and(declined(DeclineClass::Fraud, 1));
    assert_eq!(
        cancelling.when(C::RecordCloseRefused { reason: code() }),
        case(Case::OrderNotClosed, None, Some("down"))
    );
}

#[test]
fn cases_are_opened_only_for_what_was_requested() {
    let reason = || "down".to_owned();
    for fact in [
        C::RecordVoidFailed { code: reason() },
        C::RecordRefundFailed { code: reason() },
        C::RecordReleaseRefused { line: line_id(1), reason: reason() },
        C::RecordPaymentUnresolved,
        C::RecordCloseRefused { reason: reason() },
        C::RecordConfirmRefused { reason: reason() },
        C::RecordRefunded,
        C::RecordCaptureFailed { code: reason() },
        C::RecordCaptured { amount: usd(4000) },
    ] {
        assert_eq!(told([begin()]).when(fact.clone()), Ok(vec![]), "{fact:?}");
    }
}
