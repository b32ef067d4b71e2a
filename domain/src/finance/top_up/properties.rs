//! What holds of a top-up whatever is seen of it, counted from its events alone.

use std::collections::BTreeMap;

use proptest::prelude::*;
use uuid::Uuid;

use super::{TopUpCommand as C, TopUpEvent as E, *};

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
}

/// Funds n are always as much; seen at any time.
fn command() -> impl Strategy<Value = C> {
    let reference = || (0..6u8).prop_map(|n| n.to_string());
    prop_oneof![
        8 => (0..6u8, 0..4u32, 0..120i64).prop_map(|(n, confirmations, second)| C::RecordFunds {
            reference: n.to_string(), received: i64::from(n) * 17 + 5, confirmations, at: at(second),
        }),
        2 => reference().prop_map(|reference| C::RecordDropped { reference }),
        1 => (0..150i64).prop_map(|second| C::Expire { at: at(second) }),
        1 => Just(C::AcceptUnderpaid),
        2 => (reference(), 1..9i64).prop_map(|(reference, numerator)| C::AcceptLate {
            reference, rate: Rate { numerator, denominator: 3 },
        }),
        1 => reference().prop_map(|reference| C::RecordReturned { reference }),
    ]
}

/// What was confirmed and what became of it, by reference.
#[derive(Default)]
struct Book {
    detected: BTreeMap<String, i64>,
    confirmed: BTreeMap<String, (i64, bool)>,
    settled: bool,
}

impl Book {
    /// All in-time funds that wait are credited together, at the quote's rate.
    fn settle(&mut self, credit: Money, rate: Rate) {
        assert!(!std::mem::replace(&mut self.settled, true), "credited once");
        let late = |of: &(i64, bool)| of.1;
        let units: i64 = self.confirmed.values().filter(|of| !late(of)).map(|of| of.0).sum();
        self.confirmed.retain(|_, of| late(of));
        let worth = i128::from(units) * i128::from(rate.numerator) / i128::from(rate.denominator);
        assert!(i128::from(credit.amount) <= worth, "{credit} of {units}");
        assert!(credit.amount > 0);
    }

    fn enter(&mut self, event: E, rate: Rate) {
        match event {
            E::FundsDetected { reference, received, .. } => {
                assert!(self.detected.insert(reference, received).is_none(), "seen once");
            }
            E::FundsConfirmed { reference, received, .. } => {
                assert_eq!(self.detected[&reference], received);
                assert!(self.confirmed.insert(reference, (received, false)).is_none(), "confirmed once");
            }
            E::Late { reference, .. } => self.confirmed.get_mut(&reference).unwrap().1 = true,
            E::Confirmed { credit, .. }
            | E::Overpaid { credit, .. }
            | E::UnderpaidAccepted { credit, .. } => {
                self.settle(credit, rate);
            }
            E::LateAccepted { reference, received, .. } => {
                assert_eq!(
                    self.confirmed.remove(&reference),
                    Some((received, true)),
                    "credited or sent back once"
                );
            }
            E::FundsReturned { reference, received, .. } => {
                assert_eq!(self.confirmed.remove(&reference).unwrap().0, received);
            }
            E::Expired { .. } => assert!(!self.settled),
            E::Requested { .. } | E::FundsDropped { .. } | E::Underpaid { .. } => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn funds_are_credited_or_sent_back_once_or_wait(
        commands in prop::collection::vec(command(), 0..40), by_card: bool,
    ) {
        let (mut top_up, mut book) = (TopUp::default(), Book::default());
        let rate = Rate { numerator: 7, denominator: 3 };
        let (quoted_at, expires_at) = (at(0), at(100));
        let quote = Quote { asset: "X".into(), exponent: 0, rate, source: "s".into(), quoted_at, expires_at };
        let method =
            if by_card { Method::Card { expires_at } } else { Method::Crypto { quote, confirmations: 2 } };
        let rate = if by_card { Rate::PAR } else { rate };
        let wallet = WalletId::from_uuid(Uuid::nil());
        let request = C::Request { wallet, amount: Money::new(100, Currency::USD), method, at: at(0) };
        for command in std::iter::once(request).chain(commands) {
            let Ok(events) = top_up.decide(command.clone()) else { continue };
            for event in events {
                book.enter(event.clone(), rate);
                top_up.evolve(event);
            }
            if !matches!(command, C::RecordFunds { .. }) {
                prop_assert_eq!(top_up.decide(command.clone()), Ok(vec![]), "{:?}", command);
            } else if let Ok(again) = top_up.decide(command.clone()) {
                prop_assert!(again.is_empty(), "{command:?}: {again:?}");
            }
        }
    }
}
