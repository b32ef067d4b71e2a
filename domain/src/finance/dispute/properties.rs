//! What holds of a dispute whatever is asked of it, in whatever order and however late.

use proptest::prelude::*;

use super::tests::{BUYER, RESOLVER, SELLER, at, file, offer, opening, respond, split, usd};
use super::{DisputeCommand as C, DisputeEvent as E, *};
use crate::digest::Digest;

fn commands() -> impl Strategy<Value = C> {
    let time = || 0..500i64;
    let side = || prop_oneof![Just(BUYER), Just(SELLER)];
    prop_oneof![
        3 => (side(), time()).prop_map(|(by, second)| respond(by, second)),
        3 => (side(), 0..6u64, time()).prop_map(|(by, n, second)| file(by, n, second)),
        3 => (side(), 0..=101i64, time()).prop_map(|(by, part, second)| offer(by, part, second)),
        2 => (side(), 1..5u32, time()).prop_map(|(by, offer, second)| C::Accept { by, offer, at: at(second) }),
        2 => (side(), time()).prop_map(|(by, second)| C::Escalate { by, at: at(second) }),
        2 => (0..=101i64, time()).prop_map(|(part, second)| C::Resolve {
            by: RESOLVER,
            staff: false,
            split: split(part, 100 - part),
            reasons_hash: Digest::of("reasons"),
            at: at(second),
        }),
        1 => (side(), time()).prop_map(|(by, second)| C::Withdraw { by, at: at(second) }),
        1 => time().prop_map(|second| C::Suspend { at: at(second) }),
        1 => (0..=100i64, time()).prop_map(|(amount, second)| C::Resume { amount: usd(amount), at: at(second) }),
        2 => time().prop_map(|second| C::Tick { at: at(second) }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn ends_once_and_gives_away_all_that_is_held_and_no_more(
        commands in prop::collection::vec(commands(), 0..60),
    ) {
        let mut dispute = Dispute::default();
        dispute.evolve(E::Opened(opening()));
        let (mut held, mut ends, mut is_suspended) = (100, 0, false);
        for command in commands {
            let Ok(events) = dispute.decide(command.clone()) else { continue };
            for event in events {
                prop_assert_eq!(ends, 0, "{:?} after the end", event);
                match &event {
                    E::Resolved { split, .. } | E::Defaulted { split, .. } => {
                        prop_assert!(!is_suspended);
                        prop_assert!(split.to_buyer.amount >= 0 && split.to_seller.amount >= 0);
                        prop_assert_eq!(split.to_buyer.amount + split.to_seller.amount, held);
                        ends += 1;
                    }
                    E::Withdrawn { .. } | E::Lapsed { .. } => ends += 1,
                    E::Suspended { .. } => is_suspended = true,
                    E::Resumed { amount, .. } => (held, is_suspended) = (amount.amount, false),
                    _ => {}
                }
                dispute.evolve(event);
            }
            if let Ok(again) = dispute.decide(command.clone()) {
                prop_assert!(again.is_empty(), "{:?} twice: {:?}", command, again);
            }
        }
        let kept = serde_json::to_string(&dispute).unwrap();
        prop_assert_eq!(serde_json::from_str::<Dispute>(&kept).unwrap(), dispute);
    }
}
