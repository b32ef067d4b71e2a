//! The way of a checkout that succeeds: each fact, and what it requests.

use CheckoutCommand as C;
use CheckoutEvent as E;
use CheckoutRefusal as No;

use super::examples::*;
use super::*;
use crate::kernel::given;

#[test]
fn begins_by_reserving_each_line_that_has_stock() {
    let events = vec![E::Began(Box::new(beginning())), reservation_requested(1), reservation_requested(2)];
    assert_eq!(given::<Checkout>([]).when(begin()), Ok(events));
    assert_eq!(told([begin()]).when(begin()), Ok(vec![]));
    let other = OrderId::from_uuid(uuid::Uuid::from_u128(2));
    let other = C::Begin(Box::new(Beginning { order: other, ..beginning() }));
    assert_eq!(told([begin()]).when(other), Err(No::AlreadyBegun));
}

#[test]
fn there_is_none_before_it_begins() {
    assert_eq!(given::<Checkout>([]).when(C::RecordConfirmed), Err(No::Unknown));
    let with = |change: fn(&mut Beginning)| {
        let mut terms = beginning();
        change(&mut terms);
        given::<Checkout>([]).when(C::Begin(Box::new(terms)))
    };
    assert_eq!(with(|terms| terms.lines.clear()), Err(No::Empty));
    assert_eq!(with(|terms| terms.total = usd(-1)), Err(No::NegativeTotal));
    assert_eq!(with(|terms| terms.lines[1].line = line_id(1)), Err(No::NamedTwice(line_id(1))));
}

#[test]
fn asks_for_money_when_all_is_reserved() {
    assert_eq!(told([begin()]).when(r(line_id(1))), Ok(vec![reserved(1)]));
    let order = told([begin(), r(line_id(1))]);
    assert_eq!(order.when(r(line_id(1))), Ok(vec![]));
    assert_eq!(order.when(r(line_id(3))), Err(No::UnknownLine(line_id(3))));
    assert_eq!(order.when(r(line_id(2))), Ok(vec![reserved(2), authorisation_requested(1, "tok_1")]));
}

#[test]
fn commits_the_stock_when_the_money_is_held() {
    let fact = C::RecordAuthorised { amount: usd(4000) };
    let events = vec![
        E::Authorised { order: order(), payment: payment(), amount: usd(4000) },
        E::CommitRequested { order: order(), units: units(1) },
        E::CommitRequested { order: order(), units: units(2) },
    ];
    assert_eq!(told(all_reserved()).when(fact.clone()), Ok(events));
    assert_eq!(told(authorised()).when(fact.clone()), Ok(vec![]));
    assert_eq!(told([begin()]).when(fact), Ok(vec![]), "nothing was asked for yet");
}

#[test]
fn takes_the_money_when_all_is_committed() {
    let [.., last] = committed();
    let [first, second, third, fourth, fifth, _] = committed();
    let events = vec![
        E::Committed { order: order(), line: line_id(2), reservation: reservation_id(2) },
        E::CaptureRequested { order: order(), payment: payment(), amount: usd(4000) },
    ];
    assert_eq!(told([first, second, third, fourth, fifth]).when(last.clone()), Ok(events));
    assert_eq!(told(committed()).when(last), Ok(vec![]));
}

#[test]
fn asks_for_the_confirmation_when_the_money_is_taken_and_then_is_done() {
    let fact = C::RecordCaptured { amount: usd(4000) };
    let request = E::ConfirmRequested {
        order: order(),
        basis: Basis::Captured,
        payment: Some(payment()),
        captured: usd(4000),
        reserved: vec![units(1), units(2)],
    };
    assert_eq!(told(committed()).when(fact.clone()), Ok(vec![captured_event(), request]));
    assert_eq!(told(captured()).when(fact), Ok(vec![]));

    assert_eq!(told(captured()).when(C::RecordConfirmed), Ok(vec![E::Completed { order: order() }]));
    let done = told(captured()).and(C::RecordConfirmed);
    assert!(done.0.is_completed());
    for late in [
        C::RecordConfirmed,
        closed_by_customer(),
        C::RecordVoided,
        C::RecordReservationExpired { line: line_id(1) },
        C::Expire { at: at(1000) },
        C::RecordCaptured { amount: usd(4000) },
    ] {
        assert_eq!(done.when(late), Ok(vec![]), "what happens to the order now is the order's");
    }
}

#[test]
fn a_free_order_needs_no_money() {
    let free = C::Begin(Box::new(Beginning { total: usd(0), ..beginning() }));
    let checkout = told([free, r(line_id(1)), r(line_id(2)), C::RecordCommitted { line: line_id(1) }]);
    let request = E::ConfirmRequested {
        order: order(),
        basis: Basis::Free,
        payment: None,
        captured: usd(0),
        reserved: vec![units(1), units(2)],
    };
    let events = checkout.when(C::RecordCommitted { line: line_id(2) }).unwrap();
    assert_eq!(events[1..], [request]);
}

#[test]
fn on_credit_it_sets_the_goods_aside_and_confirms_without_money() {
    let credit = C::Begin(Box::new(Beginning { total: usd(0), on_credit: true, ..beginning() }));
    let checkout = told([credit, r(line_id(1)), r(line_id(2)), C::RecordCommitted { line: line_id(1) }]);
    let events = checkout.when(C::RecordCommitted { line: line_id(2) }).unwrap();
    assert!(matches!(events[1..], [E::ConfirmRequested { basis: Basis::CreditTerms, payment: None, .. }]));
}

#[test]
fn without_stock_it_begins_with_the_money() {
    let lines = vec![beginning().lines.remove(2)];
    let bare = C::Begin(Box::new(Beginning { lines: lines.clone(), ..beginning() }));
    let events = given::<Checkout>([]).when(bare).unwrap();
    assert_eq!(events[1..], [authorisation_requested(1, "tok_1")]);
    let free = C::Begin(Box::new(Beginning { lines, total: usd(0), ..beginning() }));
    let events = given::<Checkout>([]).when(free).unwrap();
    assert!(matches!(events[1..], [E::ConfirmRequested { basis: Basis::Free, .. }]));
}

#[test]
fn a_decline_leaves_the_reservations_and_may_be_tried_again() {
    for class in [DeclineClass::Soft, DeclineClass::Config, DeclineClass::Hard] {
        let checkout = told(all_reserved());
        assert_eq!(checkout.when(declined(class, 1)), Ok(vec![decline(class, 1)]));
        let checkout = checkout.and(declined(class, 1));
        let retry = C::RetryPayment { method: "tok_2".into() };
        let events = vec![
            E::PaymentRetried { order: order(), method: "tok_2".into() },
            authorisation_requested(2, "tok_2"),
        ];
        assert_eq!(checkout.when(retry.clone()), Ok(events));
        let checkout = checkout.and(retry.clone());
        assert_eq!(checkout.when(retry), Ok(vec![]));
        assert_eq!(checkout.when(declined(class, 1)), Ok(vec![]), "that was the first attempt");
        let other = C::RetryPayment { method: "tok_3".into() };
        assert_eq!(checkout.when(other), Err(No::NothingToRetry));
    }
}

#[test]
fn a_method_that_was_declined_for_good_is_not_tried_again() {
    let same = C::RetryPayment { method: "tok_1".into() };
    let checkout = told(all_reserved()).and(declined(DeclineClass::Hard, 1));
    assert_eq!(checkout.when(same.clone()), Err(No::MethodDeclined));
    let waiting =
        checkout.and(C::RetryPayment { method: "tok_2".into() }).and(declined(DeclineClass::Soft, 2));
    assert_eq!(waiting.when(same.clone()), Err(No::MethodDeclined));
    let soft = told(all_reserved()).and(declined(DeclineClass::Soft, 1));
    assert!(soft.when(same).is_ok());
}

#[test]
fn confirmed_by_somebody_else_it_goes_on_and_asks_no_more() {
    let order_id = order();
    let case = E::CaseOpened { order: order_id, case: Case::ConfirmedElsewhere, line: None, detail: None };
    assert_eq!(told(committed()).when(C::RecordConfirmed), Ok(vec![case]));
    let checkout = told(committed()).and(C::RecordConfirmed);
    assert_eq!(
        checkout.when(C::RecordCaptured { amount: usd(4000) }),
        Ok(vec![captured_event(), E::Completed { order: order_id }])
    );
}
