//! What an account decides, arm by arm.

use super::{LedgerAccountCommand as C, LedgerAccountEvent as E, LedgerAccountRefusal as No, *};
use crate::kernel::{Given, given};
use uuid::Uuid;

fn id() -> LedgerAccountId {
    "cust:ann:wallet@USD".parse().unwrap()
}

fn tx(n: u128) -> LedgerTransactionId {
    LedgerTransactionId::from_uuid(Uuid::from_u128(n))
}

fn opened(class: Class, no_overdraft: bool, shared: bool) -> E {
    E::Opened { account: id(), class, no_overdraft, shared }
}

fn open(class: Class, no_overdraft: bool, shared: bool) -> C {
    C::Open { account: id(), class, no_overdraft, shared }
}

/// A wallet with 100 in it.
fn wallet() -> Given<LedgerAccount> {
    given([opened(Class::Liability, true, false), E::Posted { transaction: tx(1), debit: 0, credit: 100 }])
}

fn debit(n: u128, debit: i64) -> C {
    C::Post { transaction: tx(n), debit, credit: 0 }
}

fn reserve(n: u128, amount: i64) -> C {
    C::Reserve { transaction: tx(n), side: Side::Debit, amount }
}

fn short_of(left: i64) -> No {
    No::InsufficientFunds { account: id(), available: Money::new(left, id().currency()) }
}

fn freeze() -> C {
    C::Freeze { reason: "looked into".into() }
}

#[test]
fn is_opened_once_with_its_terms() {
    let new = given::<LedgerAccount>([]);
    assert_eq!(new.when(open(Class::Asset, false, true)), Ok(vec![opened(Class::Asset, false, true)]));
    assert_eq!(new.when(open(Class::Asset, true, true)), Err(No::SharedMayBeOverdrawn));
    assert_eq!(new.when(C::Close), Err(No::Unknown));
    assert_eq!(wallet().when(open(Class::Liability, true, false)), Ok(vec![]));
    assert_eq!(wallet().when(open(Class::Liability, false, false)), Err(No::AlreadyOpened));
}

#[test]
fn is_never_overdrawn_and_says_what_is_left() {
    assert_eq!(wallet().when(debit(2, 101)), Err(short_of(100)));
    assert_eq!(
        wallet().when(debit(2, 100)),
        Ok(vec![E::Posted { transaction: tx(2), debit: 100, credit: 0 }])
    );
    for (debit, credit) in [(0, 0), (-1, 0), (0, -1)] {
        assert_eq!(wallet().when(C::Post { transaction: tx(2), debit, credit }), Err(No::InvalidAmount));
    }
}

#[test]
fn an_account_of_what_one_has_is_overdrawn_by_credits() {
    let till = given::<LedgerAccount>([
        opened(Class::Asset, true, false),
        E::Posted { transaction: tx(1), debit: 50, credit: 0 },
    ]);
    assert_eq!(till.when(C::Post { transaction: tx(2), debit: 0, credit: 51 }), Err(short_of(50)));
    assert!(till.when(C::Post { transaction: tx(2), debit: 1, credit: 51 }).is_ok());
}

#[test]
fn what_is_reserved_cannot_be_spent_twice() {
    let held = wallet().and(reserve(2, 60));
    assert_eq!(held.when(debit(3, 41)), Err(short_of(40)));
    assert_eq!(held.when(reserve(3, 41)), Err(short_of(40)));
    assert_eq!(held.when(reserve(2, 60)), Ok(vec![]));
    let released = E::PendingReleased { transaction: tx(2), side: Side::Debit, amount: 60 };
    assert_eq!(held.when(C::Release { transaction: tx(2) }), Ok(vec![released]));
    let free = held.and(C::Release { transaction: tx(2) });
    assert_eq!(free.when(C::Release { transaction: tx(2) }), Ok(vec![]));
    assert!(free.when(debit(3, 100)).is_ok());
}

#[test]
fn what_is_to_come_is_not_there_yet() {
    let coming = C::Reserve { transaction: tx(2), side: Side::Credit, amount: 50 };
    assert_eq!(wallet().and(coming).when(debit(3, 101)), Err(short_of(100)));
}

#[test]
fn of_a_reservation_no_more_is_posted_than_was_reserved() {
    let held = wallet().and(reserve(2, 60));
    let post = |amount| C::PostPending { transaction: tx(2), amount };
    for amount in [0, -1, 61] {
        assert_eq!(held.when(post(amount)), Err(No::NotReserved));
    }
    assert_eq!(held.when(C::PostPending { transaction: tx(3), amount: 1 }), Err(No::NotReserved));
    let posted = held.and(post(45));
    assert_eq!((posted.0.balance(), posted.0.pending()), (-55, (0, 0)));
    assert_eq!(posted.when(post(15)), Err(No::NotReserved));
}

#[test]
fn frozen_takes_part_in_nothing_but_lets_go() {
    let frozen = wallet().and(reserve(2, 60)).and(freeze());
    for command in [debit(3, 1), reserve(3, 1), C::PostPending { transaction: tx(2), amount: 1 }, C::Close] {
        assert_eq!(frozen.when(command), Err(No::Frozen(id())));
    }
    assert!(frozen.when(C::Release { transaction: tx(2) }).is_ok_and(|events| events.len() == 1));
    assert_eq!(frozen.when(freeze()), Ok(vec![]));
    assert_eq!(wallet().when(C::Freeze { reason: " ".into() }), Err(No::InvalidReason));
    assert_eq!(wallet().when(C::Unfreeze), Ok(vec![]));
    assert!(frozen.and(C::Unfreeze).when(debit(3, 40)).is_ok());
}

#[test]
fn is_closed_when_empty_and_for_good() {
    let full = No::NotEmpty { balance: Money::new(100, id().currency()), pending: 0 };
    assert_eq!(wallet().when(C::Close), Err(full));
    let held =
        wallet().and(debit(2, 100)).and(C::Reserve { transaction: tx(3), side: Side::Credit, amount: 5 });
    let pending = No::NotEmpty { balance: Money::new(0, id().currency()), pending: 1 };
    assert_eq!(held.when(C::Close), Err(pending));
    let closed = wallet().and(debit(2, 100)).and(C::Close);
    assert_eq!(closed.when(C::Close), Ok(vec![]));
    for command in [debit(3, 1), reserve(3, 1), freeze(), C::Unfreeze] {
        assert_eq!(closed.when(command), Err(No::Closed(id())));
    }
}

#[test]
fn shared_has_no_events_of_what_it_takes_part_in() {
    let clearing = given::<LedgerAccount>([opened(Class::Asset, false, true)]);
    for command in [debit(1, 5), reserve(1, 5), C::PostPending { transaction: tx(1), amount: 5 }] {
        assert_eq!(clearing.when(command.clone()), Ok(vec![]));
        assert_eq!(
            given::<LedgerAccount>([opened(Class::Asset, false, true)]).and(freeze()).when(command),
            Err(No::Frozen(id()))
        );
    }
    assert_eq!(clearing.when(C::Close), Err(No::Shared));
}

#[test]
fn a_balance_never_leaves_its_range() {
    let full = given::<LedgerAccount>([
        opened(Class::Liability, false, false),
        E::Posted { transaction: tx(1), debit: i64::MAX, credit: 0 },
    ]);
    assert_eq!(full.when(debit(2, 1)), Err(No::OutOfRange));
    assert!(full.when(C::Post { transaction: tx(2), debit: 1, credit: 1 }).is_ok());
}

#[test]
fn its_events_are_on_disk_for_ever() {
    let ltx = r#""transaction":"ltx_00000000000000000000000001""#;
    for (event, json) in [
        (
            opened(Class::Liability, true, false),
            r#"{"type":"Opened","account":"cust:ann:wallet@USD","class":"liability","no_overdraft":true,"shared":false}"#.to_owned(),
        ),
        (
            E::Posted { transaction: tx(1), debit: 5, credit: 0 },
            format!(r#"{{"type":"Posted",{ltx},"debit":5,"credit":0}}"#),
        ),
        (
            E::Reserved { transaction: tx(1), side: Side::Debit, amount: 5 },
            format!(r#"{{"type":"Reserved",{ltx},"side":"debit","amount":5}}"#),
        ),
        (
            E::PendingPosted { transaction: tx(1), side: Side::Credit, amount: 4, reserved: 5 },
            format!(r#"{{"type":"PendingPosted",{ltx},"side":"credit","amount":4,"reserved":5}}"#),
        ),
        (
            E::PendingReleased { transaction: tx(1), side: Side::Debit, amount: 5 },
            format!(r#"{{"type":"PendingReleased",{ltx},"side":"debit","amount":5}}"#),
        ),
        (E::Frozen { reason: "r".into() }, r#"{"type":"Frozen","reason":"r"}"#.to_owned()),
        (E::Unfrozen, r#"{"type":"Unfrozen"}"#.to_owned()),
        (E::Closed, r#"{"type":"Closed"}"#.to_owned()),
    ] {
        assert_eq!(serde_json::to_string(&event).unwrap(), json);
        assert_eq!(serde_json::from_str::<E>(&json).unwrap(), event);
    }
}
