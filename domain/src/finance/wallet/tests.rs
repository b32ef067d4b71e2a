//! Wallets, rule by rule.

use uuid::Uuid;

use super::WalletCommand as C;
use super::WalletEvent as E;
use super::WalletRefusal as No;
use super::*;
use crate::currency::NotInUse;
use crate::kernel::{Given, given};

const CUSTOMER: CustomerId = CustomerId::from_uuid(Uuid::from_u128(1));
const ORDER: Subject = Subject::Order(OrderId::from_uuid(Uuid::from_u128(2)));

fn usd(amount: i64) -> Money {
    Money::new(amount, Currency::USD)
}

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
}

fn lot(n: u128) -> LotId {
    LotId::from_uuid(Uuid::from_u128(n))
}

fn hold_id(n: u128) -> WalletHoldId {
    WalletHoldId::from_uuid(Uuid::from_u128(n))
}

fn debit_id(n: u128) -> WalletDebitId {
    WalletDebitId::from_uuid(Uuid::from_u128(n))
}

fn money_in(n: u128, amount: i64) -> Credit {
    Credit {
        lot: lot(n),
        amount: usd(amount),
        kind: LotKind::Purchased,
        priority: 50,
        expires_at: None,
        source: None,
        ledger_transaction: None,
    }
}

fn ending(n: u128, amount: i64, second: i64) -> Credit {
    Credit { expires_at: Some(at(second)), ..money_in(n, amount) }
}

fn credit(credit: Credit) -> C {
    C::Credit { credit, at: at(0) }
}

fn hold(n: u128, amount: i64) -> C {
    C::Hold { hold: hold_id(n), amount: usd(amount), subject: ORDER, expires_at: at(1_000), at: at(0) }
}

fn capture(n: u128, amount: i64, second: i64) -> C {
    C::CaptureHold { hold: hold_id(n), debit: debit_id(n), amount: usd(amount), at: at(second) }
}

fn debit(n: u128, amount: i64) -> C {
    C::Debit { debit: debit_id(n), amount: usd(amount), subject: ORDER, at: at(0) }
}

fn release(n: u128, second: i64) -> C {
    C::ReleaseHold { hold: hold_id(n), at: at(second) }
}

fn expire(n: u128, second: i64) -> C {
    C::ExpireHold { hold: hold_id(n), at: at(second) }
}

fn suspend() -> C {
    C::Suspend { reason: "fraud?".into() }
}

fn of(parts: &[(u128, i64)]) -> Vec<LotPart> {
    parts.iter().map(|&(n, amount)| LotPart { lot: lot(n), amount: usd(amount) }).collect()
}

fn opened() -> E {
    E::Opened { customer: CUSTOMER, currency: Currency::USD }
}

fn wallet() -> Given<Wallet> {
    given([opened()])
}

fn lots_of(decided: Decided) -> Vec<LotPart> {
    match decided.unwrap().remove(0) {
        E::Held { lots, .. } | E::Debited { lots, .. } => lots,
        other => panic!("{other:?}"),
    }
}

#[test]
fn is_opened_once_in_a_currency_that_is_in_use() {
    let open = |currency| C::Open { customer: CUSTOMER, currency };
    assert_eq!(given::<Wallet>([]).when(open(Currency::USD)), Ok(vec![opened()]));
    assert_eq!(wallet().when(open(Currency::USD)), Ok(vec![]));
    assert_eq!(wallet().when(open(Currency::EUR)), Err(No::AlreadyOpened));
    let lev = "BGN".parse().unwrap();
    let no = No::CurrencyNotInUse(NotInUse::Withdrawn { code: "BGN", since: "2026-01", by: "EUR" });
    assert_eq!(given::<Wallet>([]).when(open(lev)), Err(no));
    for command in [credit(money_in(1, 1)), hold(1, 1), debit(1, 1), release(1, 0), suspend(), C::Close] {
        assert_eq!(given::<Wallet>([]).when(command), Err(No::Unknown));
    }
}

#[test]
fn takes_money_in_once_a_lot() {
    assert_eq!(wallet().when(credit(money_in(1, 5))), Ok(vec![E::Credited(money_in(1, 5))]));
    let wallet = wallet().and(credit(money_in(1, 5)));
    assert_eq!(wallet.0.balance(), Some((usd(5), usd(0))));
    assert_eq!(wallet.when(credit(money_in(1, 5))), Ok(vec![]));
    assert_eq!(wallet.when(credit(money_in(1, 6))), Err(No::LotTaken(lot(1))));
    assert_eq!(wallet.when(credit(ending(2, 5, 0))), Err(No::InvalidExpiry));
    assert_eq!(wallet.when(credit(money_in(2, 0))), Err(No::InvalidAmount));
    assert_eq!(wallet.when(credit(money_in(2, Money::MOST + 1))), Err(No::AmountOutOfRange));
    let eur = Credit { amount: Money::new(1, Currency::EUR), ..money_in(2, 1) };
    assert_eq!(wallet.when(credit(eur)), Err(No::OtherCurrency(Currency::USD)));
    // What was spent long ago is the same lot still.
    let spent = wallet.and(debit(1, 5));
    assert_eq!(spent.when(credit(money_in(1, 5))), Ok(vec![]));
}

#[test]
fn holds_no_more_than_can_be_counted_and_kept_apart() {
    let full = given::<Wallet>([opened(), E::Credited(money_in(1, i64::MAX))]);
    assert_eq!(full.when(credit(money_in(2, 1))), Err(No::AmountOutOfRange));
    let mut wallet = wallet();
    for n in 0..MAX_LOTS as u128 {
        wallet = wallet.and(credit(money_in(n, 2)));
    }
    assert_eq!(wallet.when(credit(money_in(9_999, 1))), Err(No::TooManyLots));
    for n in 0..MAX_HOLDS as u128 {
        wallet = wallet.and(hold(n, 1));
    }
    assert_eq!(wallet.when(hold(9_999, 1)), Err(No::TooManyHolds));
    assert!(wallet.and(release(0, 0)).when(hold(9_999, 1)).is_ok());
}

#[test]
fn is_spent_by_priority_then_what_was_granted_then_the_oldest() {
    let granted = Credit { kind: LotKind::Granted, ..money_in(4, 10) };
    let first = Credit { priority: 1, ..money_in(5, 10) };
    let refund = Credit { kind: LotKind::Refund, ..money_in(1, 10) };
    let wallet = wallet()
        .and(credit(refund))
        .and(credit(money_in(3, 10)))
        .and(credit(money_in(2, 10)))
        .and(credit(granted))
        .and(credit(first));
    assert_eq!(lots_of(wallet.when(debit(1, 45))), of(&[(5, 10), (4, 10), (1, 10), (3, 10), (2, 5)]));
    assert_eq!(lots_of(wallet.when(hold(1, 11))), of(&[(5, 10), (4, 1)]));
    assert_eq!(wallet.when(debit(1, 51)), Err(No::InsufficientAvailable(usd(50))));
}

#[test]
fn sets_aside_what_nobody_else_can_take() {
    let wallet = wallet().and(credit(money_in(1, 100)));
    let lots = of(&[(1, 60)]);
    let held = E::Held { hold: hold_id(1), amount: usd(60), subject: ORDER, expires_at: at(1_000), lots };
    assert_eq!(wallet.when(hold(1, 60)), Ok(vec![held]));
    let wallet = wallet.and(hold(1, 60));
    assert_eq!(wallet.0.balance(), Some((usd(100), usd(60))));
    assert_eq!(wallet.0.available(at(0)), Some(usd(40)));
    assert_eq!(wallet.when(hold(1, 60)), Ok(vec![]));
    assert_eq!(wallet.when(hold(1, 61)), Err(No::HoldTaken(hold_id(1))));
    for command in [hold(2, 41), debit(2, 41)] {
        assert_eq!(wallet.when(command), Err(No::InsufficientAvailable(usd(40))));
    }
    let for_ever = C::Hold {
        hold: hold_id(2),
        amount: usd(1),
        subject: ORDER,
        expires_at: at(0) + MAX_TERM + TimeDelta::seconds(1),
        at: at(0),
    };
    assert_eq!(wallet.when(for_ever), Err(No::InvalidTerm));
    for amount in [0, -1] {
        assert_eq!(wallet.when(hold(2, amount)), Err(No::InvalidAmount));
        assert_eq!(wallet.when(debit(2, amount)), Err(No::InvalidAmount));
        assert_eq!(wallet.when(capture(1, amount, 0)), Err(No::InvalidAmount));
    }
}

#[test]
fn captures_a_hold_once_and_frees_the_rest() {
    let wallet = wallet().and(credit(money_in(1, 50))).and(credit(money_in(2, 50))).and(hold(1, 80));
    let taken = E::Debited {
        debit: debit_id(1),
        amount: usd(60),
        subject: ORDER,
        lots: of(&[(1, 50), (2, 10)]),
        hold: Some(hold_id(1)),
        released: of(&[(2, 20)]),
    };
    assert_eq!(wallet.when(capture(1, 60, 999)), Ok(vec![taken]));
    assert_eq!(wallet.when(capture(1, 81, 0)), Err(No::ExceedsHeld(usd(80))));
    assert_eq!(wallet.when(capture(1, 60, 1_000)), Err(No::HoldExpired));
    assert_eq!(wallet.when(capture(2, 1, 0)), Err(No::UnknownHold(hold_id(2))));
    let captured = wallet.and(capture(1, 60, 999));
    assert_eq!(captured.0.balance(), Some((usd(40), usd(0))));
    assert_eq!(captured.when(capture(1, 60, 5_000)), Ok(vec![]));
    assert_eq!(captured.when(capture(1, 59, 0)), Err(No::DebitTaken(debit_id(1))));
    let again = C::CaptureHold { hold: hold_id(1), debit: debit_id(2), amount: usd(1), at: at(0) };
    assert_eq!(captured.when(again), Err(No::HoldCaptured));
    assert_eq!(captured.when(release(1, 0)), Err(No::HoldCaptured));
    assert_eq!(captured.when(expire(1, 1_000)), Ok(vec![]));
}

#[test]
fn gives_a_hold_up_when_it_is_told_or_its_time_is_past() {
    let wallet = wallet().and(credit(money_in(1, 50))).and(hold(1, 30));
    let lots = of(&[(1, 30)]);
    let released = E::HoldReleased { hold: hold_id(1), amount: usd(30), subject: ORDER, lots: lots.clone() };
    let expired = E::HoldExpired { hold: hold_id(1), amount: usd(30), subject: ORDER, lots };
    assert_eq!(wallet.when(release(1, 0)), Ok(vec![released]));
    assert_eq!(wallet.when(expire(1, 999)), Err(No::HoldNotDue(at(1_000))));
    assert_eq!(wallet.when(expire(1, 1_000)), Ok(vec![expired.clone()]));
    for command in [release(2, 0), expire(2, 0)] {
        assert_eq!(wallet.when(command), Err(No::UnknownHold(hold_id(2))));
    }
    let over = given::<Wallet>([opened()]).and(credit(money_in(1, 50))).and(hold(1, 30)).and(release(1, 0));
    assert_eq!(over.0.available(at(0)), Some(usd(50)));
    assert_eq!(over.when(capture(1, 30, 0)), Err(No::HoldReleased));
    for again in [release(1, 0), expire(1, 1_000), hold(1, 30)] {
        assert_eq!(over.when(again), Ok(vec![]));
    }
    let over = wallet.and(expire(1, 1_000));
    assert_eq!(over.when(capture(1, 30, 0)), Err(No::HoldExpired));
    assert_eq!(over.when(release(1, 0)), Ok(vec![]));
}

#[test]
fn takes_at_once_and_once() {
    let wallet = wallet().and(credit(money_in(1, 50))).and(debit(1, 20));
    assert_eq!(wallet.0.balance(), Some((usd(30), usd(0))));
    assert_eq!(wallet.when(debit(1, 20)), Ok(vec![]));
    assert_eq!(wallet.when(debit(1, 21)), Err(No::DebitTaken(debit_id(1))));
}

#[test]
fn lots_end_at_their_time_and_what_is_held_of_them_with_its_hold() {
    let wallet = wallet().and(credit(ending(1, 50, 500))).and(credit(money_in(2, 10))).and(hold(1, 30));
    let ended = |amount| E::LotExpired { lot: lot(1), amount: usd(amount), kind: LotKind::Purchased };
    let expire_lots = |second| C::ExpireLots { at: at(second) };
    assert_eq!(wallet.when(expire_lots(499)), Ok(vec![]));
    assert_eq!(wallet.when(expire_lots(500)), Ok(vec![ended(20)]));
    // Nobody recorded it yet, and still it cannot be spent.
    assert_eq!(wallet.0.available(at(500)), Some(usd(10)));
    assert_eq!(wallet.when(release(1, 600)).unwrap()[1..], [ended(50)]);
    let wallet = wallet.and(expire_lots(500));
    assert_eq!(wallet.when(expire_lots(500)), Ok(vec![]));
    assert_eq!(wallet.0.balance(), Some((usd(40), usd(30))));
    assert_eq!(wallet.when(release(1, 499)).unwrap().len(), 1);
    assert_eq!(wallet.when(release(1, 600)).unwrap()[1..], [ended(30)]);
    assert_eq!(wallet.when(expire(1, 1_000)).unwrap()[1..], [ended(30)]);
    assert_eq!(wallet.when(capture(1, 10, 600)).unwrap()[1..], [ended(20)]);
    assert_eq!(wallet.when(capture(1, 30, 600)).unwrap().len(), 1);
    assert_eq!(wallet.and(release(1, 600)).0.balance(), Some((usd(10), usd(0))));
}

#[test]
fn takes_back_what_is_left_of_a_lot() {
    let void = |n| C::VoidLot { lot: lot(n), reason: "charged back".into() };
    let wallet = wallet().and(credit(money_in(1, 50))).and(debit(1, 20));
    let voided = E::LotVoided {
        lot: lot(1),
        amount: usd(30),
        kind: LotKind::Purchased,
        reason: "charged back".into(),
    };
    assert_eq!(wallet.when(void(1)), Ok(vec![voided]));
    assert_eq!(wallet.when(void(2)), Err(No::UnknownLot(lot(2))));
    let unsaid = C::VoidLot { lot: lot(1), reason: " ".into() };
    assert_eq!(wallet.when(unsaid), Err(No::InvalidReason));
    let held = wallet.and(hold(1, 1));
    assert_eq!(held.when(void(1)), Err(No::LotHeld(lot(1))));
    let voided = held.and(release(1, 0)).and(void(1));
    assert_eq!(voided.0.balance(), Some((usd(0), usd(0))));
    assert_eq!(voided.when(void(1)), Ok(vec![]));
    let spent = voided.and(credit(money_in(2, 1))).and(debit(2, 1));
    assert_eq!(spent.when(void(2)), Err(No::LotOver(lot(2))));
}

#[test]
fn a_suspended_one_takes_in_and_pays_what_it_had_set_aside() {
    let wallet = wallet().and(credit(money_in(1, 50))).and(hold(1, 10)).and(suspend());
    assert_eq!(wallet.0.status(), Some(WalletStatus::Suspended));
    for command in [hold(2, 1), debit(2, 1)] {
        assert_eq!(wallet.when(command), Err(No::Suspended));
    }
    for command in [credit(money_in(2, 1)), capture(1, 10, 0), release(1, 0)] {
        assert_eq!(wallet.when(command).unwrap().len(), 1);
    }
    assert_eq!(wallet.when(suspend()), Ok(vec![]));
    assert_eq!(wallet.when(C::Resume), Ok(vec![E::Resumed]));
    let resumed = wallet.and(C::Resume);
    assert_eq!(resumed.when(C::Resume), Ok(vec![]));
    assert_eq!(resumed.when(C::Suspend { reason: String::new() }), Err(No::InvalidReason));
    assert!(resumed.when(debit(2, 1)).is_ok());
}

#[test]
fn is_closed_when_it_is_empty_and_for_good() {
    let wallet = wallet().and(credit(money_in(1, 50)));
    assert_eq!(wallet.when(C::Close), Err(No::NotEmpty(usd(50))));
    assert_eq!(given::<Wallet>([opened()]).and(suspend()).when(C::Close), Ok(vec![E::Closed]));
    let closed = wallet.and(debit(1, 50)).and(C::Close);
    assert_eq!(closed.when(C::Close), Ok(vec![]));
    for command in [credit(money_in(2, 1)), hold(1, 1), debit(2, 1), suspend(), C::Resume] {
        assert_eq!(closed.when(command), Err(No::Closed));
    }
    // Repeats are repeats still.
    for command in [credit(money_in(1, 50)), debit(1, 50), C::ExpireLots { at: at(0) }] {
        assert_eq!(closed.when(command), Ok(vec![]));
    }
}

#[test]
fn is_on_disk_as_it_always_was() {
    let full = Credit {
        priority: 7,
        expires_at: Some(at(0)),
        source: Some(Source::TopUp(TopUpId::from_uuid(Uuid::from_u128(9)))),
        ledger_transaction: Some(LedgerTransactionId::from_uuid(Uuid::from_u128(8))),
        ..money_in(3, 5)
    };
    let lots = || of(&[(3, 5)]);
    let (hold, debit, amount, subject) = (hold_id(4), debit_id(5), usd(5), ORDER);
    let money = r#"{"amount":5,"currency":"USD"}"#;
    let the_lot = r#"lot_00000000000000000000000003"#;
    let part = format!(r#"[{{"lot":"{the_lot}","amount":{money}}}]"#);
    let for_order = r#"{"order":"ord_00000000000000000000000002"}"#;
    let the_hold = "whold_00000000000000000000000004";
    let the_debit = "wdeb_00000000000000000000000005";
    let over = format!(r#""hold":"{the_hold}","amount":{money},"subject":{for_order},"lots":{part}"#);
    let pinned = [
        (
            opened(),
            r#"{"type":"Opened","customer":"cus_00000000000000000000000001","currency":"USD"}"#.to_owned(),
        ),
        (
            E::Credited(full),
            format!(
                r#"{{"type":"Credited","lot":"{the_lot}","amount":{money},"kind":"purchased","priority":7,"expires_at":"2023-11-14T22:13:20Z","source":{{"top_up":"topup_00000000000000000000000009"}},"ledger_transaction":"ltx_00000000000000000000000008"}}"#
            ),
        ),
        (
            E::Credited(Credit { kind: LotKind::Granted, ..money_in(3, 5) }),
            format!(
                r#"{{"type":"Credited","lot":"{the_lot}","amount":{money},"kind":"granted","priority":50}}"#
            ),
        ),
        (
            E::Held { hold, amount, subject, expires_at: at(0), lots: lots() },
            format!(
                r#"{{"type":"Held","hold":"{the_hold}","amount":{money},"subject":{for_order},"expires_at":"2023-11-14T22:13:20Z","lots":{part}}}"#
            ),
        ),
        (
            E::Debited { debit, amount, subject, lots: lots(), hold: None, released: vec![] },
            format!(
                r#"{{"type":"Debited","debit":"{the_debit}","amount":{money},"subject":{for_order},"lots":{part}}}"#
            ),
        ),
        (
            E::Debited { debit, amount, subject, lots: lots(), hold: Some(hold), released: lots() },
            format!(
                r#"{{"type":"Debited","debit":"{the_debit}","amount":{money},"subject":{for_order},"lots":{part},"hold":"{the_hold}","released":{part}}}"#
            ),
        ),
        (
            E::HoldReleased { hold, amount, subject, lots: lots() },
            format!(r#"{{"type":"HoldReleased",{over}}}"#),
        ),
        (
            E::HoldExpired { hold, amount, subject, lots: lots() },
            format!(r#"{{"type":"HoldExpired",{over}}}"#),
        ),
        (
            E::LotExpired { lot: lot(3), amount, kind: LotKind::Refund },
            format!(r#"{{"type":"LotExpired","lot":"{the_lot}","amount":{money},"kind":"refund"}}"#),
        ),
        (
            E::LotVoided { lot: lot(3), amount, kind: LotKind::Purchased, reason: "x".into() },
            format!(
                r#"{{"type":"LotVoided","lot":"{the_lot}","amount":{money},"kind":"purchased","reason":"x"}}"#
            ),
        ),
        (E::Suspended { reason: "x".into() }, r#"{"type":"Suspended","reason":"x"}"#.to_owned()),
        (E::Resumed, r#"{"type":"Resumed"}"#.to_owned()),
        (E::Closed, r#"{"type":"Closed"}"#.to_owned()),
    ];
    for (event, json) in pinned {
        assert_eq!(serde_json::to_string(&event).unwrap(), json);
        assert_eq!(serde_json::from_str::<E>(&json).unwrap(), event);
    }
}

#[test]
fn what_it_remembers_comes_back_as_it_went() {
    let wallet = wallet().and(credit(ending(1, 50, 500))).and(hold(1, 30)).and(debit(2, 5));
    let json = serde_json::to_string(&wallet.0).unwrap();
    let again: Wallet = serde_json::from_str(&json).unwrap();
    assert_eq!(again.decide(capture(1, 10, 600)), wallet.when(capture(1, 10, 600)));
    assert_eq!(serde_json::to_string(&again).unwrap(), json);
}
