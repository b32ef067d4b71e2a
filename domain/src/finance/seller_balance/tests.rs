//! Sellers' balances, rule by rule, and what holds of them whatever is asked.

use proptest::prelude::*;
use uuid::Uuid;

use super::SellerBalanceCommand as C;
use super::SellerBalanceEvent as E;
use super::SellerBalanceRefusal as No;
use super::*;
use crate::kernel::{Given, given};

const SELLER: SellerId = SellerId::from_uuid(Uuid::from_u128(1));
const PAYOUT: PayoutId = PayoutId::from_uuid(Uuid::from_u128(2));

fn usd(amount: i64) -> Money {
    Money::new(amount, Currency::USD)
}

fn earning_id(n: u128) -> EarningId {
    EarningId::from_uuid(Uuid::from_u128(n))
}

fn recovery_id(n: u128) -> RecoveryId {
    RecoveryId::from_uuid(Uuid::from_u128(n))
}

fn item(n: u128) -> PayoutItemId {
    PayoutItemId::from_uuid(Uuid::from_u128(n))
}

fn earning(n: u128, gross: i64, fee: i64) -> Earning {
    let order = OrderId::from_uuid(Uuid::from_u128(3));
    Earning { earning: earning_id(n), order, gross: usd(gross), fee: usd(fee) }
}

fn earn(n: u128, gross: i64, fee: i64) -> C {
    C::Earn { seller: SELLER, earning: earning(n, gross, fee), ledger_transaction: None }
}

fn earned(n: u128, gross: i64, fee: i64, settled: i64) -> E {
    let (earning, net) = (earning(n, gross, fee), usd(gross - fee));
    E::Earned { seller: SELLER, earning, net, settled: usd(settled), ledger_transaction: None }
}

fn recover(n: u128, of: u128, amount: i64) -> C {
    C::Recover { recovery: recovery_id(n), earning: earning_id(of), amount: usd(amount) }
}

fn set_aside(n: u128, amount: i64) -> C {
    C::SetAside { payout: PAYOUT, item: item(n), amount: usd(amount) }
}

fn give_back(n: u128) -> C {
    C::GiveBack { item: item(n) }
}

fn sent(n: u128) -> C {
    C::RecordSent { item: item(n) }
}

fn returned(n: u128) -> C {
    C::RecordReturned { item: item(n) }
}

/// 90 of 100, and 10 for the fee.
fn balance() -> Given<SellerBalance> {
    given([earned(1, 100, 10, 0)])
}

#[test]
fn is_what_was_earned_less_the_fee() {
    let none = given::<SellerBalance>([]);
    assert_eq!(none.when(earn(1, 100, 10)), Ok(vec![earned(1, 100, 10, 0)]));
    assert_eq!(none.0.balance(), None);
    assert_eq!(balance().0.balance(), Some((usd(90), usd(0))));
    assert_eq!(balance().when(earn(1, 100, 10)), Ok(vec![]));
    assert_eq!(balance().when(earn(1, 100, 9)), Err(No::EarningTaken(earning_id(1))));
    for (gross, fee) in [(0, 0), (-1, 0), (5, 6), (5, -1)] {
        assert_eq!(balance().when(earn(2, gross, fee)), Err(No::InvalidAmount));
    }
    assert_eq!(balance().when(earn(2, Money::MOST + 1, 0)), Err(No::AmountOutOfRange));
    let other = C::Earn {
        seller: SellerId::from_uuid(Uuid::nil()),
        earning: earning(2, 1, 0),
        ledger_transaction: None,
    };
    assert_eq!(balance().when(other), Err(No::OtherSeller));
    let eur = Money::new(1, Currency::EUR);
    let eur = Earning { gross: eur, fee: Money::zero(Currency::EUR), ..earning(2, 1, 0) };
    let eur = C::Earn { seller: SELLER, earning: eur, ledger_transaction: None };
    assert_eq!(balance().when(eur), Err(No::OtherCurrency(Currency::USD)));
    let full = given::<SellerBalance>([earned(1, i64::MAX, 0, 0)]);
    assert_eq!(full.when(earn(2, 1, 0)), Err(No::AmountOutOfRange));
    for command in [recover(1, 1, 1), set_aside(1, 1), give_back(1), C::Unhold] {
        assert_eq!(none.when(command), Err(No::Unknown));
    }
}

#[test]
fn gives_back_what_is_there_and_owes_the_rest() {
    let recovered = |amount, from, owed| E::Recovered {
        recovery: recovery_id(1),
        earning: earning_id(1),
        amount: usd(amount),
        from_balance: usd(from),
        owed: usd(owed),
    };
    assert_eq!(balance().when(recover(1, 1, 30)), Ok(vec![recovered(30, 30, 0)]));
    assert_eq!(balance().when(recover(1, 1, 91)), Err(No::ExceedsEarning(usd(90))));
    assert_eq!(balance().when(recover(1, 2, 1)), Err(No::UnknownEarning(earning_id(2))));
    assert_eq!(balance().when(recover(1, 1, 0)), Err(No::InvalidAmount));
    let paid = balance().and(set_aside(1, 80)).and(sent(1));
    assert_eq!(paid.when(recover(1, 1, 30)), Ok(vec![recovered(30, 10, 20)]));
    let owing = paid.and(recover(1, 1, 30));
    assert_eq!(owing.0.balance(), Some((usd(0), usd(20))));
    assert_eq!(owing.when(recover(1, 1, 30)), Ok(vec![]));
    assert_eq!(owing.when(recover(1, 1, 31)), Err(No::RecoveryTaken(recovery_id(1))));
    assert_eq!(owing.when(recover(2, 1, 61)), Err(No::ExceedsEarning(usd(60))));
    assert_eq!(owing.when(earn(2, 15, 0)), Ok(vec![earned(2, 15, 0, 15)]));
    assert_eq!(owing.and(earn(2, 50, 0)).0.balance(), Some((usd(30), usd(0))));
}

#[test]
fn is_paid_out_once() {
    let one = balance().and(set_aside(1, 60));
    assert_eq!(
        balance().when(set_aside(1, 60)),
        Ok(vec![E::SetAside { payout: PAYOUT, item: item(1), amount: usd(60) }])
    );
    assert_eq!(one.when(set_aside(1, 60)), Ok(vec![]));
    assert_eq!(one.when(set_aside(1, 61)), Err(No::PayoutTaken(item(1))));
    assert_eq!(one.when(set_aside(2, 31)), Err(No::InsufficientBalance(usd(30))));
    assert_eq!(one.when(set_aside(2, 0)), Err(No::InvalidAmount));
    assert_eq!(one.when(returned(1)), Err(No::NotSent));
    assert_eq!(one.when(sent(2)), Err(No::UnknownPayout(item(2))));
    let gone = one.and(sent(1));
    assert_eq!(gone.when(sent(1)), Ok(vec![]));
    assert_eq!(gone.when(give_back(1)), Err(No::AlreadySent));
    let given_up = balance().and(set_aside(1, 60)).and(give_back(1));
    assert_eq!(given_up.0.balance(), Some((usd(90), usd(0))));
    assert_eq!((given_up.when(give_back(1)), given_up.when(set_aside(1, 60))), (Ok(vec![]), Ok(vec![])));
    for command in [sent(1), returned(1)] {
        assert_eq!(given_up.when(command), Err(No::PayoutGivenUp));
    }
    // What is owed meanwhile is settled first.
    let owing = balance().and(set_aside(1, 60)).and(recover(1, 1, 40));
    let back = E::GivenBack { payout: PAYOUT, item: item(1), amount: usd(60), settled: usd(10) };
    assert_eq!(owing.when(give_back(1)), Ok(vec![back]));
    assert_eq!(owing.and(give_back(1)).0.balance(), Some((usd(50), usd(0))));
}

#[test]
fn what_comes_back_is_on_hold_until_somebody_has_looked() {
    let gone = balance().and(set_aside(1, 60)).and(sent(1));
    let back = E::Returned { payout: PAYOUT, item: item(1), amount: usd(60), settled: usd(0) };
    let held = E::Held { reason: "payout_returned".into() };
    assert_eq!(gone.when(returned(1)), Ok(vec![back, held]));
    let back = gone.and(returned(1));
    assert_eq!(back.0.balance(), Some((usd(90), usd(0))));
    assert_eq!(back.when(set_aside(2, 1)), Err(No::OnHold));
    for again in [returned(1), sent(1), C::Hold { reason: "x".into() }] {
        assert_eq!(back.when(again), Ok(vec![]));
    }
    assert_eq!(back.when(give_back(1)), Err(No::PayoutReturned));
    assert_eq!(back.when(C::Unhold), Ok(vec![E::Unheld]));
    let free = back.and(C::Unhold);
    assert_eq!(free.when(C::Unhold), Ok(vec![]));
    assert_eq!(free.when(C::Hold { reason: " ".into() }), Err(No::InvalidReason));
    assert!(free.when(set_aside(2, 90)).is_ok());
}

#[test]
fn is_on_disk_as_it_always_was() {
    let money = r#"{"amount":5,"currency":"USD"}"#;
    let of_item = format!(
        r#""payout":"pout_00000000000000000000000002","item":"pitem_00000000000000000000000001","amount":{money}"#
    );
    let (payout, amount, settled) = (PAYOUT, usd(5), usd(5));
    let ledger_transaction = Some(LedgerTransactionId::from_uuid(Uuid::from_u128(8)));
    let pinned = [
        (
            E::Earned { seller: SELLER, earning: earning(1, 5, 5), net: usd(5), settled, ledger_transaction },
            format!(
                r#"{{"type":"Earned","seller":"slr_00000000000000000000000001","earning":"earn_00000000000000000000000001","order":"ord_00000000000000000000000003","gross":{money},"fee":{money},"net":{money},"settled":{money},"ledger_transaction":"ltx_00000000000000000000000008"}}"#
            ),
        ),
        (
            E::Recovered {
                recovery: recovery_id(1),
                earning: earning_id(1),
                amount,
                from_balance: usd(5),
                owed: usd(5),
            },
            format!(
                r#"{{"type":"Recovered","recovery":"rcv_00000000000000000000000001","earning":"earn_00000000000000000000000001","amount":{money},"from_balance":{money},"owed":{money}}}"#
            ),
        ),
        (E::SetAside { payout, item: item(1), amount }, format!(r#"{{"type":"SetAside",{of_item}}}"#)),
        (
            E::GivenBack { payout, item: item(1), amount, settled },
            format!(r#"{{"type":"GivenBack",{of_item},"settled":{money}}}"#),
        ),
        (E::Sent { payout, item: item(1), amount }, format!(r#"{{"type":"Sent",{of_item}}}"#)),
        (
            E::Returned { payout, item: item(1), amount, settled },
            format!(r#"{{"type":"Returned",{of_item},"settled":{money}}}"#),
        ),
        (E::Held { reason: "x".into() }, r#"{"type":"Held","reason":"x"}"#.to_owned()),
        (E::Unheld, r#"{"type":"Unheld"}"#.to_owned()),
    ];
    for (event, json) in pinned {
        assert_eq!(serde_json::to_string(&event).unwrap(), json);
        assert_eq!(serde_json::from_str::<E>(&json).unwrap(), event);
    }
}

fn command() -> impl Strategy<Value = C> {
    prop_oneof![
        4 => (0u128..6).prop_map(|n| earn(n, n as i64 * 13 + 20, n as i64)),
        4 => (0u128..9, 0u128..6, -1i64..60).prop_map(|(n, of, amount)| recover(n, of, amount)),
        6 => (0u128..9, -1i64..80).prop_map(|(n, amount)| set_aside(n, amount)),
        2 => (0u128..9).prop_map(give_back),
        4 => (0u128..9).prop_map(sent),
        2 => (0u128..9).prop_map(returned),
        3 => Just(C::Unhold),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn no_money_is_made_by_paying_out(commands in prop::collection::vec(command(), 0..80)) {
        let mut state = SellerBalance::default();
        let (mut earned, mut recovered, mut waiting, mut out) = (0, 0, 0, 0);
        for command in commands {
            let Ok(events) = state.decide(command.clone()) else { continue };
            for event in events {
                match &event {
                    E::Earned { net, .. } => earned += net.amount,
                    E::Recovered { amount, .. } => recovered += amount.amount,
                    E::SetAside { amount, .. } => waiting += amount.amount,
                    E::GivenBack { amount, .. } => waiting -= amount.amount,
                    E::Sent { amount, .. } => (waiting, out) = (waiting - amount.amount, out + amount.amount),
                    E::Returned { amount, .. } => out -= amount.amount,
                    E::Held { .. } | E::Unheld => {}
                }
                state.evolve(event);
            }
            if let Some((available, owed)) = state.balance() {
                prop_assert_eq!(available.amount - owed.amount + waiting + out, earned - recovered);
                prop_assert!(available.amount >= 0 && owed.amount >= 0 && recovered <= earned);
                prop_assert!(waiting >= 0 && out >= 0 && waiting + out <= earned);
                prop_assert!(available.amount == 0 || owed.amount == 0, "what is there settles what is owed");
            }
            prop_assert_eq!(state.decide(command), Ok(vec![]), "a repeat decides nothing");
        }
    }
}
