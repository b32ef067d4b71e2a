//! Payouts, rule by rule, and what holds of them whatever is asked.

use proptest::prelude::*;
use uuid::Uuid;

use super::PayoutCommand as C;
use super::PayoutEvent as E;
use super::PayoutRefusal as No;
use super::PayoutStatus as S;
use super::*;
use crate::kernel::{Given, given};
use crate::pii::Sealed;

const ANN: AccountId = AccountId::from_uuid(Uuid::from_u128(1));
const BOB: AccountId = AccountId::from_uuid(Uuid::from_u128(2));
const EVE: AccountId = AccountId::from_uuid(Uuid::from_u128(3));
const SELLER: SellerId = SellerId::from_uuid(Uuid::from_u128(4));

fn usd(amount: i64) -> Money {
    Money::new(amount, Currency::USD)
}

fn id(n: u128) -> PayoutItemId {
    PayoutItemId::from_uuid(Uuid::from_u128(n))
}

fn item(n: u128, amount: i64) -> PayoutItem {
    let sealed = Sealed::of_parts(&"k".repeat(22), &"b".repeat(75)).unwrap();
    PayoutItem { item: id(n), seller: SELLER, amount: usd(amount), destination: Pii::new(sealed) }
}

fn share_of(n: u128, amount: i64) -> PayoutShare {
    share(&item(n, amount))
}

fn prepared() -> E {
    E::Prepared { currency: Currency::USD, by: ANN }
}

fn add(n: u128, amount: i64) -> C {
    C::AddItem(Box::new(item(n, amount)))
}

fn submit(limit: i64) -> C {
    C::Submit { by: BOB, limit: usd(limit) }
}

fn reject() -> C {
    C::Reject { by: EVE, reason: "not now".into() }
}

fn sent(n: u128) -> C {
    C::RecordSent { item: id(n), reference: "wire".into(), ledger_transaction: None }
}

fn failed(n: u128) -> C {
    C::RecordFailed { item: id(n), code: "closed".into() }
}

fn returned(n: u128) -> C {
    C::RecordReturned { item: id(n), code: "closed".into() }
}

/// 60 and 40.
fn draft() -> Given<Payout> {
    given([prepared()]).and(add(1, 60)).and(add(2, 40))
}

fn approved() -> Given<Payout> {
    draft().and(submit(99)).and(C::Approve { by: EVE })
}

#[test]
fn is_prepared_in_a_currency_with_payments() {
    let prepare = |currency| C::Prepare { currency, by: ANN };
    assert_eq!(given::<Payout>([]).when(prepare(Currency::USD)), Ok(vec![prepared()]));
    assert_eq!(draft().when(prepare(Currency::USD)), Ok(vec![]));
    assert_eq!(draft().when(prepare(Currency::EUR)), Err(No::AlreadyPrepared));
    assert!(matches!(
        given::<Payout>([]).when(prepare("BGN".parse().unwrap())),
        Err(No::CurrencyNotInUse(_))
    ));
    assert_eq!(draft().when(add(3, 5)), Ok(vec![E::ItemAdded(Box::new(item(3, 5)))]));
    assert_eq!(draft().when(add(1, 60)), Ok(vec![]));
    assert_eq!(draft().when(add(1, 61)), Err(No::ItemTaken(id(1))));
    assert_eq!(draft().when(add(3, 0)), Err(No::InvalidAmount));
    assert_eq!(draft().when(add(3, Money::MOST)), Err(No::AmountOutOfRange));
    let eur = PayoutItem { amount: Money::new(1, Currency::EUR), ..item(3, 1) };
    assert_eq!(draft().when(C::AddItem(Box::new(eur))), Err(No::OtherCurrency(Currency::USD)));
    let remove = |n| C::RemoveItem { item: id(n) };
    assert_eq!(draft().when(remove(1)), Ok(vec![E::ItemRemoved { share: share_of(1, 60) }]));
    assert_eq!(draft().when(remove(3)), Ok(vec![]));
    let full = (0..MAX_ITEMS as u128).fold(given::<Payout>([prepared()]), |batch, n| batch.and(add(n, 1)));
    assert_eq!(full.when(add(9_999, 1)), Err(No::TooManyItems));
    for command in [add(1, 1), submit(1), C::Approve { by: EVE }, reject(), sent(1)] {
        assert_eq!(given::<Payout>([]).when(command), Err(No::Unknown));
    }
}

#[test]
fn over_the_limit_a_second_person_approves_it() {
    let submitted =
        |limit, needs_approval| E::Submitted { by: BOB, total: usd(100), limit: usd(limit), needs_approval };
    let approval = |by| E::Approved { by, total: usd(100), items: vec![share_of(1, 60), share_of(2, 40)] };
    assert_eq!(draft().when(submit(99)), Ok(vec![submitted(99, true)]));
    assert_eq!(draft().when(submit(100)), Ok(vec![submitted(100, false), approval(None)]));
    assert_eq!(draft().when(submit(-1)), Err(No::InvalidAmount));
    let eur = C::Submit { by: BOB, limit: Money::new(1, Currency::EUR) };
    assert_eq!(draft().when(eur), Err(No::OtherCurrency(Currency::USD)));
    assert_eq!(given::<Payout>([prepared()]).when(submit(0)), Err(No::NoItems));
    assert_eq!(draft().when(C::Approve { by: EVE }), Err(No::NotSubmitted));
    let waiting = draft().and(submit(99));
    assert_eq!(waiting.when(submit(99)), Ok(vec![]));
    for command in [submit(100), add(3, 1), C::RemoveItem { item: id(1) }] {
        assert_eq!(waiting.when(command), Err(No::AlreadySubmitted));
    }
    for by in [ANN, BOB] {
        assert_eq!(waiting.when(C::Approve { by }), Err(No::NeedsSecondPerson));
    }
    assert_eq!(waiting.when(sent(1)), Err(No::NotApproved));
    assert_eq!(waiting.when(C::Approve { by: EVE }), Ok(vec![approval(Some(EVE))]));
    assert_eq!(approved().when(C::Approve { by: EVE }), Ok(vec![]));
    assert_eq!(approved().when(reject()), Err(No::AlreadyApproved));
}

#[test]
fn is_rejected_with_all_that_it_set_aside() {
    let items = vec![share_of(1, 60), share_of(2, 40)];
    let rejected = E::Rejected { by: EVE, reason: "not now".into(), items };
    for batch in [draft(), draft().and(submit(99))] {
        assert_eq!(batch.when(reject()), Ok(vec![rejected.clone()]));
    }
    assert_eq!(draft().when(C::Reject { by: EVE, reason: " ".into() }), Err(No::InvalidText));
    let over = draft().and(reject());
    assert_eq!(over.when(reject()), Ok(vec![]));
    for command in [add(3, 1), submit(1), C::Approve { by: EVE }, sent(1), failed(1), returned(1)] {
        assert_eq!(over.when(command), Err(No::Rejected));
    }
}

#[test]
fn each_payment_is_sent_once_or_fails_and_may_come_back() {
    let share = share_of(1, 60);
    let gone = E::Sent { share, reference: "wire".into(), ledger_transaction: None };
    assert_eq!(approved().when(sent(1)), Ok(vec![gone]));
    assert_eq!(approved().when(sent(3)), Err(No::UnknownItem(id(3))));
    assert_eq!(approved().when(returned(1)), Err(No::NotSent));
    let unnamed = C::RecordSent { item: id(1), reference: " ".into(), ledger_transaction: None };
    assert_eq!(approved().when(unnamed), Err(No::InvalidText));
    assert_eq!(approved().0.waiting().count(), 2);
    let one = approved().and(sent(1));
    assert_eq!((one.0.waiting().count(), one.when(sent(1))), (1, Ok(vec![])));
    let late =
        |fact, reference: &str| vec![E::LateObservation { item: id(1), fact, reference: reference.into() }];
    assert_eq!(one.when(failed(1)), Ok(late(PayoutFact::Failed, "closed")));
    assert_eq!(one.and(failed(1)).when(failed(1)), Ok(vec![]));
    let one = approved().and(sent(1));
    let (share, code) = (share_of(2, 40), "closed".to_owned());
    let completed = E::Completed { sent: usd(60), failed: usd(40) };
    assert_eq!(one.when(failed(2)), Ok(vec![E::Failed { share, code: code.clone() }, completed]));
    let done = one.and(failed(2));
    assert_eq!(done.0.status(), Some(S::Completed));
    assert_eq!(done.when(failed(2)), Ok(vec![]));
    assert_eq!(done.when(returned(2)), Err(No::NotSent));
    assert_eq!(done.when(returned(1)), Ok(vec![E::Returned { share: share_of(1, 60), code }]));
    let back = done.and(returned(1));
    for again in [returned(1), sent(1), failed(1), C::Approve { by: EVE }] {
        assert_eq!(back.when(again), Ok(vec![]));
    }
    let not_sent = approved().and(failed(1));
    assert_eq!(not_sent.when(sent(1)), Ok(late(PayoutFact::Sent, "wire")));
}

#[test]
fn is_on_disk_as_it_always_was() {
    let money = r#"{"amount":5,"currency":"USD"}"#;
    let eve = r#""by":"acc_00000000000000000000000003""#;
    let of_item = format!(
        r#""item":"pitem_00000000000000000000000001","seller":"slr_00000000000000000000000004","amount":{money}"#
    );
    let sealed = format!("pii1.{}.{}", "k".repeat(22), "b".repeat(75));
    let share = share_of(1, 5);
    let (items, total, code) = (vec![share], usd(5), "x".to_owned());
    let ledger_transaction = Some(LedgerTransactionId::from_uuid(Uuid::from_u128(8)));
    let pinned = [
        (E::Prepared { currency: Currency::USD, by: EVE }, format!(r#"{{"type":"Prepared","currency":"USD",{eve}}}"#)),
        (
            E::ItemAdded(Box::new(item(1, 5))),
            format!(r#"{{"type":"ItemAdded",{of_item},"destination":"{sealed}"}}"#),
        ),
        (E::ItemRemoved { share }, format!(r#"{{"type":"ItemRemoved",{of_item}}}"#)),
        (
            E::Submitted { by: EVE, total, limit: usd(5), needs_approval: false },
            format!(r#"{{"type":"Submitted",{eve},"total":{money},"limit":{money},"needs_approval":false}}"#),
        ),
        (
            E::Approved { by: Some(EVE), total, items: items.clone() },
            format!(r#"{{"type":"Approved",{eve},"total":{money},"items":[{{{of_item}}}]}}"#),
        ),
        (
            E::Approved { by: None, total, items: items.clone() },
            format!(r#"{{"type":"Approved","total":{money},"items":[{{{of_item}}}]}}"#),
        ),
        (
            E::Rejected { by: EVE, reason: "x".into(), items },
            format!(r#"{{"type":"Rejected",{eve},"reason":"x","items":[{{{of_item}}}]}}"#),
        ),
        (
            E::Sent { share, reference: "x".into(), ledger_transaction },
            format!(r#"{{"type":"Sent",{of_item},"reference":"x","ledger_transaction":"ltx_00000000000000000000000008"}}"#),
        ),
        (E::Failed { share, code: code.clone() }, format!(r#"{{"type":"Failed",{of_item},"code":"x"}}"#)),
        (E::Returned { share, code }, format!(r#"{{"type":"Returned",{of_item},"code":"x"}}"#)),
        (
            E::Completed { sent: usd(5), failed: usd(5) },
            format!(r#"{{"type":"Completed","sent":{money},"failed":{money}}}"#),
        ),
        (
            E::LateObservation { item: id(1), fact: PayoutFact::Sent, reference: "x".into() },
            r#"{"type":"LateObservation","item":"pitem_00000000000000000000000001","fact":"sent","reference":"x"}"#.to_owned(),
        ),
    ];
    for (event, json) in pinned {
        assert_eq!(serde_json::to_string(&event).unwrap(), json);
        assert_eq!(serde_json::from_str::<E>(&json).unwrap(), event);
    }
}

fn command() -> impl Strategy<Value = C> {
    let who = || prop::sample::select(vec![ANN, BOB, EVE]);
    prop_oneof![
        4 => (0u128..5).prop_map(|n| add(n, n as i64 * 10 + 1)),
        1 => (0u128..5).prop_map(|n| C::RemoveItem { item: id(n) }),
        2 => (who(), 0i64..100).prop_map(|(by, limit)| C::Submit { by, limit: usd(limit) }),
        3 => who().prop_map(|by| C::Approve { by }),
        1 => Just(reject()),
        5 => (0u128..5).prop_map(sent),
        3 => (0u128..5).prop_map(failed),
        3 => (0u128..5).prop_map(returned),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn nothing_is_sent_twice_or_before_it_is_approved(commands in prop::collection::vec(command(), 0..60)) {
        let mut batch = given::<Payout>([prepared()]).0;
        let (mut on_it, mut gone) = (BTreeMap::new(), BTreeMap::<PayoutItemId, bool>::new());
        let (mut over_limit, mut submitter, mut approved) = (false, ANN, false);
        for command in commands {
            let Ok(events) = batch.decide(command.clone()) else { continue };
            for event in events {
                match &event {
                    E::ItemAdded(item) => prop_assert!(!approved && on_it.insert(item.item, item.amount.amount).is_none()),
                    E::ItemRemoved { share } => prop_assert!(!approved && on_it.remove(&share.item).is_some()),
                    E::Submitted { by, total, limit, .. } => {
                        prop_assert_eq!(total.amount, on_it.values().sum::<i64>());
                        (over_limit, submitter) = (total.amount > limit.amount, *by);
                    }
                    E::Approved { by, total, items } => {
                        prop_assert!(!over_limit || by.is_some_and(|by| by != ANN && by != submitter));
                        prop_assert_eq!(items.iter().map(|of| of.amount.amount).sum::<i64>(), total.amount);
                        approved = true;
                    }
                    E::Sent { share, .. } | E::Failed { share, .. } => {
                        prop_assert!(approved);
                        let is_sent = matches!(event, E::Sent { .. });
                        prop_assert!(gone.insert(share.item, is_sent).is_none());
                    }
                    E::Returned { share, .. } => prop_assert_eq!(gone.insert(share.item, false), Some(true)),
                    E::Completed { sent, failed } => {
                        prop_assert_eq!(gone.len(), on_it.len());
                        prop_assert_eq!(sent.amount + failed.amount, on_it.values().sum::<i64>());
                    }
                    E::Rejected { .. } => prop_assert!(!approved),
                    E::Prepared { .. } | E::LateObservation { .. } => {}
                }
                batch.evolve(event);
            }
            prop_assert_eq!(batch.decide(command), Ok(vec![]), "a repeat decides nothing");
        }
    }
}
