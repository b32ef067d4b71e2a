//! What holds of an escrow whatever is asked of it in whatever order, counted from its events alone.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use proptest::prelude::*;
use uuid::Uuid;

use super::tests::{BUYER, SELLER, STRANGER, at, evidence, milestone, terms_of, usd};
use super::{EscrowCommand as C, EscrowEvent as E, *};
use crate::ids::{DisputeId, FundingId, MovementId, PaymentId};

const MILESTONES: u128 = 3;

fn funding(n: u128) -> FundingId {
    FundingId::from_uuid(Uuid::from_u128(n))
}

fn movement(n: u128) -> MovementId {
    MovementId::from_uuid(Uuid::from_u128(n))
}

fn dispute(n: u128) -> DisputeId {
    DisputeId::from_uuid(Uuid::from_u128(n))
}

fn people() -> impl Strategy<Value = AccountId> {
    prop_oneof![6 => Just(BUYER), 6 => Just(SELLER), 1 => Just(STRANGER)]
}

/// A command, once it is known when it is asked.
struct Asked(Box<dyn Fn(DateTime<Utc>) -> C>);

impl std::fmt::Debug for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        (self.0)(at(0)).fmt(f)
    }
}

/// Commands, their times going forward by their place in the history.
fn commands() -> impl Strategy<Value = Asked> {
    let one = || (0..MILESTONES).prop_map(milestone);
    let some = || prop_oneof![1..700i64, Just(333), Just(334)].prop_map(usd);
    fn asked(command: impl Fn(DateTime<Utc>) -> C + 'static) -> Asked {
        Asked(Box::new(command))
    }
    prop_oneof![
        4 => (0..8u128, prop::option::of(one()), some()).prop_map(|(n, milestone, amount)| asked(move |at| {
            let source = Source::Payment { payment: PaymentId::from_uuid(Uuid::from_u128(n)) };
            C::RecordFunding(Incoming { funding: funding(n), source, milestone, amount, at })
        })),
        2 => (0..8u128, 0..3u8, some()).prop_map(|(n, r, amount)| asked(move |_| C::RecordReversal {
            funding: funding(n), reference: format!("cb_{r}"), amount,
        })),
        1 => (0..8u128, 0..3u8).prop_map(|(n, r)| asked(move |_| C::RecordReversalWon {
            funding: funding(n), reference: format!("cb_{r}"),
        })),
        1 => (0..8u128, 0..3u8).prop_map(|(n, r)| asked(move |_| C::RecordReversalLost {
            funding: funding(n), reference: format!("cb_{r}"),
        })),
        6 => one().prop_map(|milestone| asked(move |at| C::Start { by: SELLER, milestone, at })),
        6 => (people(), one()).prop_map(|(by, milestone)| asked(move |at| C::Submit {
            by, milestone, evidence: vec![evidence()], at,
        })),
        4 => one().prop_map(|milestone| asked(move |at| C::ConfirmReceipt {
            milestone, receipt: Receipt::Buyer { account: BUYER }, at,
        })),
        1 => one().prop_map(|milestone| asked(move |at| C::RequestRevision {
            by: BUYER, milestone, reason: None, at,
        })),
        2 => (people(), one()).prop_map(|(by, milestone)| asked(move |at| C::Approve { by, milestone, at })),
        4 => (people(), 0..20u128, one(), some()).prop_map(|(by, n, milestone, amount)| asked(move |at| C::Release {
            by, release: movement(n), milestone, amount, at,
        })),
        3 => one().prop_map(|milestone| asked(move |at| C::AutoRelease { milestone, at })),
        3 => (people(), 0..20u128, one(), some()).prop_map(|(by, n, milestone, amount)| asked(move |at| C::Refund {
            by, refund: movement(n), milestone, amount, at,
        })),
        2 => (people(), 0..6u128, one()).prop_map(|(by, n, milestone)| asked(move |at| C::OpenDispute {
            by, dispute: dispute(n), milestone, reason: None, at,
        })),
        1 => (0..6u128).prop_map(|n| asked(move |at| C::CloseDispute { dispute: dispute(n), at })),
        1 => people().prop_map(|by| asked(move |at| C::Cancel { by, at })),
        1 => Just(()).prop_map(|()| asked(move |at| C::Expire { at })),
        1 => people().prop_map(|by| asked(move |now| C::ProposePause { by, until: at(500_000), at: now })),
        1 => people().prop_map(|by| asked(move |now| C::AgreePause { by, until: at(500_000), at: now })),
        1 => people().prop_map(|by| asked(move |at| C::Resume { by: Some(by), at })),
    ]
}

/// Where the money of one milestone is, by the events that name it.
#[derive(Debug, Default)]
struct Account {
    funded: i64,
    released: i64,
    fees: i64,
    refunded: i64,
    reversed: i64,
    priced: i64,
}

impl Account {
    fn held(&self) -> i64 {
        self.funded - self.released - self.fees - self.refunded - self.reversed
    }
}

/// An independent book: it knows no rule, and adds up what the events say.
#[derive(Debug, Default)]
struct Book {
    accounts: BTreeMap<MilestoneId, Account>,
    came: BTreeMap<FundingId, i64>,
    repaid: BTreeMap<FundingId, i64>,
    disputed: BTreeMap<MilestoneId, DisputeId>,
    frozen: BTreeMap<(FundingId, String), BTreeSet<MilestoneId>>,
    covers: BTreeMap<FundingId, BTreeSet<MilestoneId>>,
    closed: usize,
}

impl Book {
    fn of(&mut self, milestone: MilestoneId) -> &mut Account {
        self.accounts.entry(milestone).or_default()
    }

    fn is_locked(&self, milestone: MilestoneId) -> bool {
        self.disputed.contains_key(&milestone)
            || self.frozen.values().any(|milestones| milestones.contains(&milestone))
    }

    fn enter(&mut self, event: &E) {
        match event {
            E::Funded { funding, amount, allocation, .. } => {
                assert_eq!(allocation.iter().map(|part| part.amount.amount).sum::<i64>(), amount.amount);
                for part in allocation {
                    self.of(part.milestone).funded += part.amount.amount;
                    self.covers.entry(*funding).or_default().insert(part.milestone);
                }
                *self.came.entry(*funding).or_default() += amount.amount;
            }
            E::FundingReversed { funding, reference, amount, from, shortfall } => {
                let parts: i64 = from.iter().map(|part| part.amount.amount).sum();
                assert_eq!(parts + shortfall.amount, amount.amount);
                from.iter().for_each(|part| self.of(part.milestone).reversed += part.amount.amount);
                let covers = self.covers.get(funding).cloned().unwrap_or_default();
                self.frozen.insert((*funding, reference.clone()), covers);
            }
            E::FundingRestored { funding, reference, to, .. } => {
                to.iter().for_each(|part| self.of(part.milestone).reversed -= part.amount.amount);
                self.frozen.remove(&(*funding, reference.clone()));
            }
            E::ReversalLost { funding, reference, .. } => {
                self.frozen.remove(&(*funding, reference.clone()));
            }
            E::FundsReleased { milestone, priced, gross, fee, net, held, .. } => {
                assert!(!self.is_locked(*milestone), "released although locked");
                assert_eq!(gross.amount, fee.amount + net.amount);
                assert!(gross.amount > 0 && fee.amount >= 0 && net.amount >= 0 && priced.amount >= 0);
                let account = self.of(*milestone);
                account.released += net.amount;
                account.fees += fee.amount;
                account.priced += priced.amount;
                assert_eq!(account.held(), held.amount);
            }
            E::MilestoneRefunded { milestone, amount, to, held, .. } => {
                assert!(!self.is_locked(*milestone), "refunded although locked");
                assert_eq!(to.iter().map(|part| part.amount.amount).sum::<i64>(), amount.amount);
                to.iter()
                    .for_each(|part| *self.repaid.entry(part.funding).or_default() += part.amount.amount);
                let account = self.of(*milestone);
                account.refunded += amount.amount;
                assert_eq!(account.held(), held.amount);
            }
            E::DisputeOpened { dispute, milestone, amount, .. } => {
                assert_eq!(self.of(*milestone).held(), amount.amount);
                assert_eq!(self.disputed.insert(*milestone, *dispute), None, "two disputes at once");
            }
            E::DisputeSettled { milestone, to_buyer, to_seller, .. } => {
                assert_eq!(self.of(*milestone).held(), to_buyer.amount + to_seller.amount);
                self.disputed.remove(milestone);
            }
            E::DisputeClosed { milestone, .. } => _ = self.disputed.remove(milestone),
            E::Closed { .. } => {
                self.closed += 1;
                assert_eq!(self.accounts.values().map(Account::held).sum::<i64>(), 0);
            }
            _ => {}
        }
    }
}

fn agreed(payer: FeePayer, bps: u32, mode: FundingMode) -> Escrow {
    let mut terms = terms_of(&[333, 334, 500]);
    (terms.fee.payer, terms.fee.bps, terms.funding) = (payer, bps, mode);
    let mut escrow = Escrow::default();
    let hash = terms.hash(&terms.fees().unwrap());
    for command in [
        C::Draft { by: BUYER, terms },
        C::Propose { by: BUYER, at: at(0) },
        C::Agree { by: BUYER, terms_hash: hash.clone(), at: at(1) },
        C::Agree { by: SELLER, terms_hash: hash, at: at(2) },
    ] {
        escrow.decide(command).unwrap().into_iter().for_each(|event| escrow.evolve(event));
    }
    escrow
}

fn conserved(escrow: &Escrow, book: &Book) -> Result<(), TestCaseError> {
    for of in escrow.milestones() {
        let none = Account::default();
        let account = book.accounts.get(&of.id()).unwrap_or(&none);
        prop_assert_eq!(of.held().amount, account.held());
        prop_assert!(account.held() >= 0);
        prop_assert!(account.priced <= of.amount.amount);
        prop_assert!(account.fees <= of.fee.buyer.amount + of.fee.seller.amount);
        prop_assert!(account.funded - account.reversed <= of.required().amount);
    }
    for (funding, repaid) in &book.repaid {
        prop_assert!(*repaid <= book.came[funding]);
    }
    prop_assert!(book.closed <= 1);
    prop_assert_eq!(book.closed == 1, escrow.status() == Some(EscrowStatus::Closed));
    Ok(())
}

/// The end of a dispute, of what is held then, in three ways.
fn settling(escrow: &Escrow, book: &Book, share: i64, now: DateTime<Utc>) -> Option<C> {
    let (milestone, dispute) = book.disputed.first_key_value()?;
    let held = escrow.milestone(*milestone).unwrap().held();
    let to_buyer = usd(held.amount * share / 100);
    let to_seller = usd(held.amount - to_buyer.amount);
    Some(C::SettleDispute { dispute: *dispute, to_buyer, to_seller, basis: Basis::Resolver, at: now })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn money_is_held_or_released_or_refunded_or_a_fee_or_charged_back(
        payer in prop_oneof![Just(FeePayer::Buyer), Just(FeePayer::Seller), Just(FeePayer::Split)],
        bps in prop_oneof![Just(0u32), Just(333), Just(10_000), 0..=10_000u32],
        mode in prop_oneof![Just(FundingMode::Whole), Just(FundingMode::PerMilestone)],
        steps in prop::collection::vec((commands(), 0..20_000i64, 0..=100i64), 0..80),
    ) {
        let (mut escrow, mut book, mut now) = (agreed(payer, bps, mode), Book::default(), 10);
        for (command, later, share) in steps {
            now += later;
            let settle = if share < 20 { settling(&escrow, &book, share * 5, at(now)) } else { None };
            let command = settle.unwrap_or_else(|| (command.0)(at(now)));
            let Ok(events) = escrow.decide(command.clone()) else { continue };
            for event in events {
                book.enter(&event);
                escrow.evolve(event);
            }
            conserved(&escrow, &book)?;
            let is_a_talk = matches!(command, C::ProposePause { .. } | C::AutoRelease { .. });
            if let Ok(again) = escrow.decide(command.clone()) {
                prop_assert!(is_a_talk || again.is_empty(), "{:?} twice: {:?}", command, again);
            }
        }
        let kept = serde_json::to_string(&escrow).unwrap();
        prop_assert_eq!(serde_json::from_str::<Escrow>(&kept).unwrap(), escrow);
    }

    /// However a price is released in parts, the parts bear the fee of the whole.
    #[test]
    fn parts_bear_the_fee_of_the_whole(
        amount in 1..100_000i64,
        bps in 0..=10_000u32,
        payer in prop_oneof![Just(FeePayer::Buyer), Just(FeePayer::Seller), Just(FeePayer::Split)],
        parts in prop::collection::vec(1..20_000i64, 0..12),
    ) {
        let mut terms = terms_of(&[amount]);
        (terms.fee.payer, terms.fee.bps) = (payer, bps);
        let fees = terms.fees().unwrap();
        let fee = fees[0].buyer.amount + fees[0].seller.amount;
        let mut escrow = Escrow::default();
        let hash = terms.hash(&fees);
        let source = Source::Wallet { debit: "d".into() };
        let whole = usd(amount + fees[0].buyer.amount);
        for command in [
            C::Draft { by: BUYER, terms },
            C::Propose { by: BUYER, at: at(0) },
            C::Agree { by: BUYER, terms_hash: hash.clone(), at: at(1) },
            C::Agree { by: SELLER, terms_hash: hash, at: at(2) },
            C::RecordFunding(Incoming { funding: funding(1), source, milestone: None, amount: whole, at: at(3) }),
            C::Start { by: SELLER, milestone: milestone(0), at: at(4) },
            C::Submit { by: SELLER, milestone: milestone(0), evidence: vec![evidence()], at: at(5) },
        ] {
            escrow.decide(command).unwrap().into_iter().for_each(|event| escrow.evolve(event));
        }
        for (n, part) in parts.into_iter().enumerate() {
            let release = movement(n as u128);
            let part = C::Release { by: BUYER, release, milestone: milestone(0), amount: usd(part), at: at(6) };
            escrow.decide(part).unwrap_or_default().into_iter().for_each(|event| escrow.evolve(event));
        }
        let rest = C::Approve { by: BUYER, milestone: milestone(0), at: at(7) };
        escrow.decide(rest).unwrap().into_iter().for_each(|event| escrow.evolve(event));
        let of = &escrow.milestones()[0];
        prop_assert_eq!((of.fees.amount, of.released.amount), (fee, whole.amount - fee));
        prop_assert_eq!(escrow.outcome(), Some(Outcome::Completed));
    }
}
