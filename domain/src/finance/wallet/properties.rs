//! What holds of a wallet whatever is asked of it, counted from its events alone.

use std::collections::BTreeMap;

use proptest::prelude::*;
use uuid::Uuid;

use super::{WalletCommand as C, WalletEvent as E, *};

fn usd(amount: i64) -> Money {
    Money::new(amount, Currency::USD)
}

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
}

const CUSTOMER: CustomerId = CustomerId::from_uuid(Uuid::from_u128(1));
const SUBJECT: Subject = Subject::Order(OrderId::from_uuid(Uuid::from_u128(2)));

/// Lot, hold and debit n have the same terms whenever they are asked for.
fn credit(n: u8) -> Credit {
    let kinds = [LotKind::Granted, LotKind::Purchased, LotKind::Refund];
    Credit {
        lot: LotId::from_uuid(Uuid::from_u128(n.into())),
        amount: usd(i64::from(n % 5) * 7 + 3),
        kind: kinds[usize::from(n % 3)],
        priority: u16::from(n % 2),
        expires_at: (n % 4 > 1).then(|| at(i64::from(n) * 10 + 20)),
        source: None,
        ledger_transaction: None,
    }
}

fn command() -> impl Strategy<Value = C> {
    let hold = || (0..8u128).prop_map(|n| WalletHoldId::from_uuid(Uuid::from_u128(n)));
    let debit = || (0..12u128).prop_map(|n| WalletDebitId::from_uuid(Uuid::from_u128(n)));
    let time = || (0..140i64).prop_map(at);
    let amount = || (-1..30i64).prop_map(usd);
    prop_oneof![
        5 => (0..12u8, time()).prop_map(|(n, at)| C::Credit { credit: credit(n), at }),
        5 => (hold(), 1..30i64, time()).prop_map(|(hold, amount, at)| C::Hold {
            hold, amount: usd(amount), subject: SUBJECT, expires_at: at + TimeDelta::seconds(40), at,
        }),
        3 => (hold(), debit(), amount(), time())
            .prop_map(|(hold, debit, amount, at)| C::CaptureHold { hold, debit, amount, at }),
        2 => (hold(), time()).prop_map(|(hold, at)| C::ReleaseHold { hold, at }),
        2 => (hold(), time()).prop_map(|(hold, at)| C::ExpireHold { hold, at }),
        2 => (debit(), amount(), time())
            .prop_map(|(debit, amount, at)| C::Debit { debit, amount, subject: SUBJECT, at }),
        2 => time().prop_map(|at| C::ExpireLots { at }),
        1 => (0..12u8).prop_map(|n| C::VoidLot { lot: credit(n).lot, reason: "why".into() }),
        1 => Just(C::Suspend { reason: "why".into() }),
        1 => Just(C::Resume),
        1 => Just(C::Close),
    ]
}

/// A wallet as an accountant would keep it: what each lot brought and lost, what each open hold has of it.
#[derive(Debug, Default)]
struct Ledger {
    left: BTreeMap<LotId, i64>,
    holds: BTreeMap<WalletHoldId, (i64, BTreeMap<LotId, i64>)>,
    brought: i64,
    gone: i64,
    closed: bool,
}

impl Ledger {
    fn take(&mut self, parts: &[LotPart]) -> i64 {
        for part in parts {
            *self.left.get_mut(&part.lot).expect("a lot that came in") -= part.amount.amount;
        }
        parts.iter().map(|part| part.amount.amount).sum()
    }

    fn end(&mut self, hold: WalletHoldId) -> (i64, BTreeMap<LotId, i64>) {
        self.holds.remove(&hold).expect("an open hold ends once")
    }

    fn enter(&mut self, event: &E) {
        assert!(!self.closed, "nothing happens to what is closed: {event:?}");
        match event {
            E::Credited(credit) => {
                assert!(
                    self.left.insert(credit.lot, credit.amount.amount).is_none(),
                    "no lot comes in twice"
                );
                self.brought += credit.amount.amount;
            }
            E::Held { hold, amount, lots, .. } => {
                let lots: BTreeMap<_, _> = lots.iter().map(|part| (part.lot, part.amount.amount)).collect();
                assert_eq!(lots.values().sum::<i64>(), amount.amount);
                assert!(self.holds.insert(*hold, (amount.amount, lots)).is_none());
            }
            E::Debited { amount, lots, hold, released, .. } => {
                assert_eq!(self.take(lots), amount.amount, "a debit is the sum of its lots");
                self.gone += amount.amount;
                if let Some(hold) = hold {
                    let (held, had) = self.end(*hold);
                    let rest: i64 = released.iter().map(|part| part.amount.amount).sum();
                    assert_eq!(amount.amount + rest, held);
                    for part in lots.iter().chain(released) {
                        assert!(part.amount.amount > 0 && part.amount.amount <= had[&part.lot]);
                    }
                }
            }
            E::HoldReleased { hold, amount, .. } | E::HoldExpired { hold, amount, .. } => {
                assert_eq!(self.end(*hold).0, amount.amount);
            }
            E::LotExpired { lot, amount, .. } | E::LotVoided { lot, amount, .. } => {
                assert!(amount.amount > 0);
                self.gone += self.take(&[LotPart { lot: *lot, amount: *amount }]);
            }
            E::Closed => self.closed = true,
            E::Opened { .. } | E::Suspended { .. } | E::Resumed => {}
        }
    }

    fn held_of(&self, lot: LotId) -> i64 {
        self.holds.values().filter_map(|(_, lots)| lots.get(&lot)).sum()
    }

    /// What can be spent at a time, lot by lot, in the order in which it is.
    fn free(&self, time: DateTime<Utc>) -> i64 {
        let alive = |lot: LotId| {
            (0..12).map(credit).find(|credit| credit.lot == lot).and_then(|credit| credit.expires_at)
        };
        self.left
            .iter()
            .filter(|(lot, _)| alive(**lot).is_none_or(|end| time < end))
            .map(|(lot, left)| left - self.held_of(*lot))
            .sum()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_cent_is_lost_or_made_or_promised_twice(commands in prop::collection::vec(command(), 0..80)) {
        let (mut wallet, mut ledger) = (Wallet::default(), Ledger::default());
        let open = C::Open { customer: CUSTOMER, currency: Currency::USD };
        for command in std::iter::once(open).chain(commands) {
            let wanted = match &command {
                C::Hold { amount, at, .. } | C::Debit { amount, at, .. } => Some((amount.amount, ledger.free(*at))),
                _ => None,
            };
            let Ok(events) = wallet.decide(command.clone()) else { continue };
            if let (Some((amount, free)), false) = (wanted, events.is_empty()) {
                prop_assert!(amount <= free, "{amount} of {free}");
            }
            for event in events {
                ledger.enter(&event);
                wallet.evolve(event);
            }
            let held: i64 = ledger.holds.values().map(|(amount, _)| amount).sum();
            let left: i64 = ledger.left.values().sum();
            prop_assert_eq!(wallet.balance(), Some((usd(left), usd(held))));
            prop_assert_eq!(left, ledger.brought - ledger.gone);
            for (lot, left) in &ledger.left {
                prop_assert!(*left >= ledger.held_of(*lot), "{lot} has {left}");
            }
            for second in [0, 60, 139] {
                prop_assert_eq!(wallet.available(at(second)), Some(usd(ledger.free(at(second)))));
            }
            if !matches!(command, C::VoidLot { .. }) {
                prop_assert_eq!(wallet.decide(command), Ok(vec![]), "a repeat decides nothing");
            }
        }
    }
}
