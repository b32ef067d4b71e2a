//! Top-ups, rule by rule.

use uuid::Uuid;

use super::TopUpCommand as C;
use super::TopUpEvent as E;
use super::TopUpRefusal as No;
use super::TopUpStatus as S;
use super::*;
use crate::kernel::{Given, given};

const WALLET: WalletId = WalletId::from_uuid(Uuid::from_u128(1));

fn usd(amount: i64) -> Money {
    Money::new(amount, Currency::USD)
}

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
}

/// 3 cents are worth 1000 units: 100.00 take 3,333,334 of them.
fn crypto() -> Method {
    let rate = Rate { numerator: 3, denominator: 1_000 };
    let (quoted_at, expires_at) = (at(0), at(900));
    let quote =
        Quote { asset: "BTC".into(), exponent: 8, rate, source: "desk".into(), quoted_at, expires_at };
    Method::Crypto { quote, confirmations: 2 }
}

const EXPECTED: i64 = 3_333_334;

fn request_of(amount: i64, method: Method) -> C {
    C::Request { wallet: WALLET, amount: usd(amount), method, at: at(0) }
}

fn requested() -> E {
    E::Requested { wallet: WALLET, amount: usd(10_000), method: crypto(), expected: EXPECTED }
}

fn top_up() -> Given<TopUp> {
    given([requested()])
}

fn funds(reference: &str, received: i64, confirmations: u32, second: i64) -> C {
    C::RecordFunds { reference: reference.into(), received, confirmations, at: at(second) }
}

fn detected(received: i64, confirmations: u32, late: bool) -> E {
    E::FundsDetected { wallet: WALLET, reference: "tx".into(), received, confirmations, late }
}

fn confirmed(received: i64) -> E {
    E::FundsConfirmed { wallet: WALLET, reference: "tx".into(), received }
}

fn dropped(reference: &str) -> C {
    C::RecordDropped { reference: reference.into() }
}

fn returned(reference: &str) -> C {
    C::RecordReturned { reference: reference.into() }
}

fn accept(reference: &str) -> C {
    C::AcceptLate { reference: reference.into(), rate: Rate { numerator: 2, denominator: 1_000 } }
}

fn underpaid() -> Given<TopUp> {
    top_up().and(funds("tx", 3_000_000, 2, 1))
}

fn expired() -> Given<TopUp> {
    top_up().and(C::Expire { at: at(900) })
}

#[test]
fn asks_for_what_it_takes_rounded_up() {
    let none = given::<TopUp>([]);
    assert_eq!(none.when(request_of(10_000, crypto())), Ok(vec![requested()]));
    let card = Method::Card { expires_at: at(60) };
    let by_card = E::Requested { wallet: WALLET, amount: usd(7), method: card.clone(), expected: 7 };
    assert_eq!(none.when(request_of(7, card.clone())), Ok(vec![by_card]));
    assert_eq!(top_up().when(request_of(10_000, crypto())), Ok(vec![]));
    assert_eq!(top_up().when(request_of(9_999, crypto())), Err(No::AlreadyRequested));
    let quoted = |change: fn(&mut Quote)| {
        let Method::Crypto { mut quote, confirmations } = crypto() else { unreachable!() };
        change(&mut quote);
        Method::Crypto { quote, confirmations }
    };
    for (amount, method, no) in [
        (0, crypto(), No::InvalidAmount),
        (Money::MOST + 1, card.clone(), No::AmountOutOfRange),
        (1, Method::Card { expires_at: at(0) }, No::QuoteExpired(at(0))),
        (1, Method::Card { expires_at: at(0) + MAX_TERM + TimeDelta::seconds(1) }, No::InvalidTerm),
        (1, quoted(|quote| quote.asset = " ".into()), No::InvalidQuote),
        (1, quoted(|quote| quote.exponent = 19), No::InvalidQuote),
        (1, quoted(|quote| quote.rate.numerator = 0), No::InvalidRate),
        (1, quoted(|quote| quote.rate.denominator = -1), No::InvalidRate),
        (Money::MOST, quoted(|quote| quote.rate.denominator = i64::MAX), No::AmountOutOfRange),
    ] {
        assert_eq!(none.when(request_of(amount, method)), Err(no));
    }
    for command in [funds("tx", 1, 0, 0), dropped("tx"), C::Expire { at: at(0) }, C::AcceptUnderpaid] {
        assert_eq!(none.when(command), Err(No::Unknown));
    }
}

#[test]
fn is_confirmed_when_all_is_there_and_confirmed() {
    let seen = top_up().and(funds("tx", EXPECTED, 0, 899));
    assert_eq!(top_up().when(funds("tx", EXPECTED, 0, 899)), Ok(vec![detected(EXPECTED, 0, false)]));
    assert_eq!(seen.0.status(), Some(S::Detected));
    assert_eq!(seen.when(funds("tx", EXPECTED, 1, 1)), Ok(vec![]));
    assert_eq!(seen.when(C::Expire { at: at(900) }), Ok(vec![]));
    // Seen in time, confirmed long after.
    let credited = E::Confirmed { wallet: WALLET, credit: usd(10_000) };
    assert_eq!(seen.when(funds("tx", EXPECTED, 2, 9_999)), Ok(vec![confirmed(EXPECTED), credited.clone()]));
    let at_once = vec![detected(EXPECTED, 6, false), confirmed(EXPECTED), credited];
    assert_eq!(top_up().when(funds("tx", EXPECTED, 6, 1)), Ok(at_once));
    let done = seen.and(funds("tx", EXPECTED, 2, 9_999));
    assert_eq!(done.0.status(), Some(S::Confirmed));
    for again in [funds("tx", EXPECTED, 7, 1), C::Expire { at: at(901) }] {
        assert_eq!(done.when(again), Ok(vec![]));
    }
    assert_eq!(done.when(funds("tx", 5, 7, 1)), Err(No::DuplicateExternalRef("tx".into())));
    assert_eq!(done.when(funds("", 5, 7, 1)), Err(No::InvalidReference));
    assert_eq!(done.when(funds("new", 0, 7, 1)), Err(No::InvalidAmount));
    assert_eq!(done.when(C::AcceptUnderpaid), Err(No::NotUnderpaid));
    assert_eq!(done.when(returned("tx")), Err(No::AlreadyCredited));
    assert_eq!(done.when(dropped("tx")), Err(No::AlreadyConfirmed));
    assert_eq!(done.when(accept("tx")), Err(No::NotLate));
}

#[test]
fn too_much_is_credited_too_if_it_is_worth_a_unit() {
    let extra = |received, credit, extra| {
        let outcome = E::Overpaid { wallet: WALLET, credit: usd(credit), extra: usd(extra) };
        vec![detected(received, 2, false), confirmed(received), outcome]
    };
    assert_eq!(top_up().when(funds("tx", 3_334_000, 2, 1)), Ok(extra(3_334_000, 10_002, 2)));
    assert_eq!(top_up().and(funds("tx", 3_334_000, 2, 1)).0.status(), Some(S::Overpaid));
    let hardly = top_up().and(funds("tx", EXPECTED + 1, 2, 1));
    assert_eq!(hardly.0.status(), Some(S::Confirmed));
    let beyond = funds("tx", i64::MAX, 2, 1);
    assert_eq!(top_up().when(beyond), Err(No::AmountOutOfRange));
}

#[test]
fn too_little_waits_for_more_or_is_accepted_or_sent_back() {
    let little = E::Underpaid { wallet: WALLET, received: 3_000_000, worth: usd(9_000), missing: 333_334 };
    let events = top_up().when(funds("tx", 3_000_000, 2, 1)).unwrap();
    assert_eq!(events[2..], [little]);
    assert_eq!(underpaid().0.status(), Some(S::Underpaid));
    assert_eq!(underpaid().when(C::Expire { at: at(901) }), Ok(vec![]));
    // The rest, rounded once with the first.
    let whole = underpaid().and(funds("rest", 333_334, 2, 2));
    assert_eq!(whole.0.status(), Some(S::Confirmed));
    let credit = E::UnderpaidAccepted { wallet: WALLET, credit: usd(9_000) };
    assert_eq!(underpaid().when(C::AcceptUnderpaid), Ok(vec![credit]));
    let accepted = underpaid().and(C::AcceptUnderpaid);
    assert_eq!(accepted.0.status(), Some(S::Accepted));
    assert_eq!(accepted.when(C::AcceptUnderpaid), Ok(vec![]));
    assert_eq!(accepted.when(returned("tx")), Err(No::AlreadyCredited));
    let waiting = underpaid().and(funds("rest", 1, 0, 2));
    assert_eq!(waiting.when(C::AcceptUnderpaid), Err(No::StillUnconfirmed));
    assert_eq!(waiting.when(dropped("rest")).unwrap().len(), 1);
    let back = E::FundsReturned { wallet: WALLET, reference: "tx".into(), received: 3_000_000 };
    assert_eq!(underpaid().when(returned("tx")), Ok(vec![back]));
    let back = underpaid().and(returned("tx"));
    assert_eq!(back.0.status(), Some(S::Requested));
    assert_eq!(back.when(returned("tx")), Ok(vec![]));
    assert_eq!(back.when(C::Expire { at: at(900) }).unwrap().len(), 1);
    let dust = top_up().and(funds("tx", 300, 2, 1));
    assert_eq!(dust.when(C::AcceptUnderpaid), Err(No::WorthNothing));
}

#[test]
fn funds_that_do_not_come_leave_it_as_it_was() {
    let seen = top_up().and(funds("tx", 5, 0, 1));
    let gone = E::FundsDropped { wallet: WALLET, reference: "tx".into(), received: 5 };
    assert_eq!(seen.when(dropped("tx")), Ok(vec![gone]));
    assert_eq!(seen.when(dropped("other")), Err(No::UnknownFunds("other".into())));
    assert_eq!(seen.when(returned("tx")), Err(No::NotConfirmed));
    let gone = seen.and(dropped("tx"));
    assert_eq!(gone.0.status(), Some(S::Requested));
    assert_eq!(gone.when(dropped("tx")), Ok(vec![]));
    assert_eq!(gone.when(returned("tx")), Err(No::Dropped));
    // There after all.
    assert_eq!(gone.and(funds("tx", 5, 2, 1)).0.status(), Some(S::Underpaid));
    // What was confirmed is reckoned when what it was waited for is gone.
    let two = top_up().and(funds("one", 3_000_000, 0, 1)).and(funds("tx", 400_000, 0, 1));
    let two = two.and(funds("one", 3_000_000, 2, 2));
    assert_eq!(two.0.status(), Some(S::Detected));
    assert!(matches!(two.when(dropped("tx")).unwrap()[..], [E::FundsDropped { .. }, E::Underpaid { .. }]));
}

#[test]
fn expires_and_what_comes_then_is_late_and_waits_for_a_person() {
    assert_eq!(top_up().when(C::Expire { at: at(899) }), Err(No::NotDue(at(900))));
    let over = E::Expired { wallet: WALLET, amount: usd(10_000) };
    assert_eq!(top_up().when(C::Expire { at: at(900) }), Ok(vec![over]));
    assert_eq!(expired().when(C::Expire { at: at(900) }), Ok(vec![]));
    let too_late = E::Late { wallet: WALLET, reference: "tx".into(), received: 4_000_000 };
    let events = vec![detected(4_000_000, 2, true), confirmed(4_000_000), too_late];
    assert_eq!(expired().when(funds("tx", 4_000_000, 2, 1_000)), Ok(events.clone()));
    // Nobody recorded the expiry yet.
    assert_eq!(top_up().when(funds("tx", 4_000_000, 2, 900)), Ok(events));
    let unrecorded = top_up().and(funds("tx", 4_000_000, 2, 900)).and(C::Expire { at: at(901) });
    assert_eq!(unrecorded.0.status(), Some(S::Late));
    let late = expired().and(funds("tx", 4_000_000, 2, 1_000));
    assert_eq!(late.0.status(), Some(S::Late));
    let rate = Rate { numerator: 2, denominator: 1_000 };
    let (reference, received, credit) = ("tx".to_owned(), 4_000_000, usd(8_000));
    let accepted = E::LateAccepted { wallet: WALLET, reference, received, rate, credit };
    assert_eq!(late.when(accept("tx")), Ok(vec![accepted]));
    assert_eq!(late.when(accept("other")), Err(No::UnknownFunds("other".into())));
    for (numerator, no) in [(0, No::InvalidRate), (i64::MAX, No::AmountOutOfRange)] {
        let rate = Rate { numerator, denominator: 1 };
        assert_eq!(late.when(C::AcceptLate { reference: "tx".into(), rate }), Err(no));
    }
    let worthless = Rate { numerator: 1, denominator: i64::MAX };
    let nothing = C::AcceptLate { reference: "tx".into(), rate: worthless };
    assert_eq!(late.when(nothing), Err(No::WorthNothing));
    let seen = expired().and(funds("tx", 5, 0, 1_000));
    assert_eq!(seen.when(accept("tx")), Err(No::NotConfirmed));
    assert_eq!(seen.and(dropped("tx")).when(accept("tx")), Err(No::Dropped));
    let taken = late.and(accept("tx"));
    assert_eq!(taken.when(accept("tx")), Ok(vec![]));
    assert_eq!(taken.when(returned("tx")), Err(No::AlreadyCredited));
    let back = expired().and(funds("tx", 5, 2, 1_000)).and(returned("tx"));
    assert_eq!(back.when(accept("tx")), Err(No::AlreadyReturned));
    // Settled is settled.
    let more = top_up().and(funds("one", EXPECTED, 2, 1)).and(funds("tx", 5, 2, 2));
    assert_eq!(more.0.status(), Some(S::Confirmed));
    assert!(more.when(returned("tx")).is_ok());
}

#[test]
fn has_only_so_many_funds() {
    let mut top_up = expired();
    for n in 0..MAX_FUNDS {
        top_up = top_up.and(funds(&format!("tx{n}"), 1, 0, 1_000));
    }
    assert_eq!(top_up.when(funds("more", 1, 0, 1_000)), Err(No::TooManyFunds));
}

#[test]
fn is_on_disk_as_it_always_was() {
    let wallet = r#""wallet":"wal_00000000000000000000000001""#;
    let money = |amount| format!(r#"{{"amount":{amount},"currency":"USD"}}"#);
    let of_tx = format!(r#"{wallet},"reference":"tx","received":5"#);
    let (reference, received) = ("tx".to_owned(), 5);
    let rate = Rate { numerator: 2, denominator: 3 };
    let card = Method::Card { expires_at: at(0) };
    let pinned = [
        (
            requested(),
            format!(
                r#"{{"type":"Requested",{wallet},"amount":{},"method":{{"crypto":{{"quote":{{"asset":"BTC","exponent":8,"rate":{{"numerator":3,"denominator":1000}},"source":"desk","quoted_at":"2023-11-14T22:13:20Z","expires_at":"2023-11-14T22:28:20Z"}},"confirmations":2}}}},"expected":3333334}}"#,
                money(10_000)
            ),
        ),
        (
            E::Requested { wallet: WALLET, amount: usd(7), method: card, expected: 7 },
            format!(
                r#"{{"type":"Requested",{wallet},"amount":{},"method":{{"card":{{"expires_at":"2023-11-14T22:13:20Z"}}}},"expected":7}}"#,
                money(7)
            ),
        ),
        (
            detected(5, 1, true),
            format!(r#"{{"type":"FundsDetected",{of_tx},"confirmations":1,"late":true}}"#),
        ),
        (
            E::FundsDropped { wallet: WALLET, reference: reference.clone(), received },
            format!(r#"{{"type":"FundsDropped",{of_tx}}}"#),
        ),
        (confirmed(5), format!(r#"{{"type":"FundsConfirmed",{of_tx}}}"#)),
        (
            E::Confirmed { wallet: WALLET, credit: usd(7) },
            format!(r#"{{"type":"Confirmed",{wallet},"credit":{}}}"#, money(7)),
        ),
        (
            E::Underpaid { wallet: WALLET, received, worth: usd(1), missing: 3 },
            format!(r#"{{"type":"Underpaid",{wallet},"received":5,"worth":{},"missing":3}}"#, money(1)),
        ),
        (
            E::Overpaid { wallet: WALLET, credit: usd(7), extra: usd(1) },
            format!(r#"{{"type":"Overpaid",{wallet},"credit":{},"extra":{}}}"#, money(7), money(1)),
        ),
        (
            E::UnderpaidAccepted { wallet: WALLET, credit: usd(7) },
            format!(r#"{{"type":"UnderpaidAccepted",{wallet},"credit":{}}}"#, money(7)),
        ),
        (
            E::Expired { wallet: WALLET, amount: usd(7) },
            format!(r#"{{"type":"Expired",{wallet},"amount":{}}}"#, money(7)),
        ),
        (
            E::Late { wallet: WALLET, reference: reference.clone(), received },
            format!(r#"{{"type":"Late",{of_tx}}}"#),
        ),
        (
            E::LateAccepted { wallet: WALLET, reference: reference.clone(), received, rate, credit: usd(7) },
            format!(
                r#"{{"type":"LateAccepted",{of_tx},"rate":{{"numerator":2,"denominator":3}},"credit":{}}}"#,
                money(7)
            ),
        ),
        (
            E::FundsReturned { wallet: WALLET, reference, received },
            format!(r#"{{"type":"FundsReturned",{of_tx}}}"#),
        ),
    ];
    for (event, json) in pinned {
        assert_eq!(serde_json::to_string(&event).unwrap(), json);
        assert_eq!(serde_json::from_str::<E>(&json).unwrap(), event);
    }
}
