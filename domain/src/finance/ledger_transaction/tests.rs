//! What a transaction decides, arm by arm.

use super::{LedgerTransactionCommand as C, LedgerTransactionEvent as E, LedgerTransactionRefusal as No, *};
use crate::kernel::{Given, given};
use crate::money::Currency;

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
}

fn leg(debit: &str, credit: &str, amount: i64) -> Leg {
    let (debit, credit) = (debit.parse().unwrap(), credit.parse().unwrap());
    Leg { debit, credit, amount: Money::new(amount, Currency::USD), code: None }
}

fn plain(amount: i64) -> Leg {
    leg("psp:x:clearing@USD", "cust:ann:wallet@USD", amount)
}

fn posting(legs: Vec<Leg>) -> Posting {
    Posting { legs, reference: None, description: None, source: None, reverses: None }
}

fn reservation(amount: i64) -> Reservation {
    Reservation { leg: plain(amount), expires_at: at(60), reference: None, description: None }
}

fn id(n: u128) -> LedgerTransactionId {
    LedgerTransactionId::from_uuid(Uuid::from_u128(n))
}

fn pending() -> Given<LedgerTransaction> {
    given([E::Reserved(reservation(100))])
}

fn posted() -> Given<LedgerTransaction> {
    given([E::Posted(posting(vec![plain(100)]))])
}

fn post(amount: Option<i64>, second: i64) -> C {
    C::PostPending { amount, at: at(second) }
}

fn reverse(by: u128) -> C {
    C::Reverse { by: id(by), reason: "mistaken".into() }
}

#[test]
fn is_posted_whole_and_once() {
    let new = given::<LedgerTransaction>([]);
    let legs = vec![plain(100), leg("exp:psp@USD", "psp:x:clearing@USD", 3)];
    assert_eq!(new.when(C::Post(posting(legs.clone()))), Ok(vec![E::Posted(posting(legs))]));
    assert_eq!(posted().when(C::Post(posting(vec![plain(100)]))), Err(No::DuplicateReference));
    assert_eq!(new.when(C::Void), Err(No::Unknown));
}

#[test]
fn a_leg_makes_sense_in_itself() {
    let told = |leg: Leg| given::<LedgerTransaction>([]).when(C::Post(posting(vec![plain(1), leg])));
    for (wrong, no) in [
        (plain(0), No::InvalidAmount),
        (plain(-1), No::InvalidAmount),
        (plain(i64::MIN), No::InvalidAmount),
        (plain(Money::MOST + 1), No::AmountOutOfRange),
        (leg("a@USD", "b@EUR", 1), No::CurrencyMismatch),
        (leg("a@EUR", "b@EUR", 1), No::CurrencyMismatch),
        (leg("a@USD", "a@USD", 1), No::SameAccount("a@USD".parse().unwrap())),
        (Leg { code: Some(" ".into()), ..plain(1) }, No::InvalidCode),
    ] {
        assert_eq!(told(wrong), Err(no));
    }
    assert!(told(plain(Money::MOST)).is_ok());
    let many = |n| given::<LedgerTransaction>([]).when(C::Post(posting(vec![plain(1); n])));
    assert_eq!((many(0), many(MAX_LEGS + 1)), (Err(No::InvalidLegs), Err(No::InvalidLegs)));
    assert!(many(MAX_LEGS).is_ok());
    let referred = Posting { reference: Some(String::new()), ..posting(vec![plain(1)]) };
    assert_eq!(given::<LedgerTransaction>([]).when(C::Post(referred)), Err(No::InvalidText));
}

#[test]
fn is_pending_for_a_time() {
    let reserve = |second| C::Reserve { reservation: reservation(100), at: at(second) };
    let new = given::<LedgerTransaction>([]);
    assert_eq!(new.when(reserve(0)), Ok(vec![E::Reserved(reservation(100))]));
    assert_eq!(new.when(reserve(60)), Err(No::InvalidTerm));
    assert_eq!(new.when(reserve(60 - 91 * 86_400)), Err(No::InvalidTerm));
    assert_eq!(pending().when(C::Expire { at: at(59) }), Err(No::NotExpired));
    assert_eq!(pending().when(C::Expire { at: at(60) }), Ok(vec![E::Expired { leg: plain(100) }]));
    assert_eq!(pending().when(post(None, 60)), Err(No::PendingExpired), "even if nobody has recorded it");
}

#[test]
fn of_what_is_pending_up_to_all_is_posted_once() {
    let reserved = Money::new(100, Currency::USD);
    assert_eq!(pending().when(post(None, 0)), Ok(vec![E::PendingPosted { leg: plain(100), reserved }]));
    assert_eq!(pending().when(post(Some(40), 0)), Ok(vec![E::PendingPosted { leg: plain(40), reserved }]));
    assert_eq!(pending().when(post(Some(101), 0)), Err(No::ExceedsReserved(reserved)));
    assert_eq!(pending().when(post(Some(0), 0)), Err(No::InvalidAmount));
    let done = pending().and(post(Some(40), 0));
    assert_eq!(done.when(post(Some(60), 0)), Err(No::PendingAlreadyPosted));
    assert_eq!(done.when(C::Void), Err(No::PendingAlreadyPosted));
    assert_eq!(done.when(C::Expire { at: at(60) }), Ok(vec![]));
    assert_eq!(done.0.legs(), [plain(40)]);
}

#[test]
fn what_is_pending_ends_in_one_way() {
    assert_eq!(pending().when(C::Void), Ok(vec![E::Voided { leg: plain(100) }]));
    let voided = pending().and(C::Void);
    assert_eq!(voided.when(C::Void), Ok(vec![]));
    assert_eq!(voided.when(post(None, 0)), Err(No::PendingAlreadyVoided));
    assert_eq!(voided.when(C::Expire { at: at(60) }), Ok(vec![]));
    let expired = pending().and(C::Expire { at: at(60) });
    assert_eq!(expired.when(C::Void), Err(No::PendingExpired));
    assert_eq!(expired.when(post(None, 0)), Err(No::PendingExpired));
    for command in [post(None, 0), C::Void] {
        assert_eq!(posted().when(command), Err(No::NotPending));
    }
}

#[test]
fn is_reversed_once_and_only_what_was_posted() {
    let reversed = E::Reversed { by: id(2), reason: "mistaken".into() };
    assert_eq!(posted().when(reverse(2)), Ok(vec![reversed]));
    assert_eq!(posted().and(reverse(2)).when(reverse(3)), Err(No::AlreadyReversed(id(2))));
    assert_eq!(posted().when(C::Reverse { by: id(2), reason: " ".into() }), Err(No::InvalidText));
    assert_eq!(pending().when(reverse(2)), Err(No::StillPending));
    assert_eq!(pending().and(C::Void).when(reverse(2)), Err(No::NothingPosted));
    assert!(pending().and(post(Some(1), 0)).when(reverse(2)).is_ok());
    let back = Posting { reverses: Some(id(1)), ..posting(vec![plain(100).reversed()]) };
    assert_eq!(given::<LedgerTransaction>([E::Posted(back)]).when(reverse(2)), Err(No::IsReversal));
}

#[test]
fn its_events_are_on_disk_for_ever() {
    let coded = Leg { code: Some("fee".into()), ..plain(5) };
    let leg = r#"{"debit":"psp:x:clearing@USD","credit":"cust:ann:wallet@USD","amount":{"amount":5,"currency":"USD"}}"#;
    let with_code = leg.replace("}}", r#"},"code":"fee"}"#);
    let full = Posting {
        reference: Some("r".into()),
        description: Some("d".into()),
        source: Some(Uuid::nil()),
        reverses: Some(id(1)),
        ..posting(vec![coded])
    };
    for (event, json) in [
        (E::Posted(posting(vec![plain(5)])), format!(r#"{{"type":"Posted","legs":[{leg}]}}"#)),
        (
            E::Posted(full),
            format!(
                r#"{{"type":"Posted","legs":[{with_code}],"reference":"r","description":"d","source":"00000000-0000-0000-0000-000000000000","reverses":"ltx_00000000000000000000000001"}}"#
            ),
        ),
        (
            E::Reserved(reservation(5)),
            format!(r#"{{"type":"Reserved","leg":{leg},"expires_at":"2023-11-14T22:14:20Z"}}"#),
        ),
        (
            E::PendingPosted { leg: plain(5), reserved: Money::new(9, Currency::USD) },
            format!(r#"{{"type":"PendingPosted","leg":{leg},"reserved":{{"amount":9,"currency":"USD"}}}}"#),
        ),
        (E::Voided { leg: plain(5) }, format!(r#"{{"type":"Voided","leg":{leg}}}"#)),
        (E::Expired { leg: plain(5) }, format!(r#"{{"type":"Expired","leg":{leg}}}"#)),
        (
            E::Reversed { by: id(1), reason: "r".into() },
            r#"{"type":"Reversed","by":"ltx_00000000000000000000000001","reason":"r"}"#.to_owned(),
        ),
    ] {
        assert_eq!(serde_json::to_string(&event).unwrap(), json);
        assert_eq!(serde_json::from_str::<E>(&json).unwrap(), event);
    }
}
