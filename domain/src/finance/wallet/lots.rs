//! What a wallet's lots have left, and what holds and debits took of them.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Credit, LotKind, LotPart, Subject};
use crate::ids::{LotId, WalletDebitId, WalletHoldId};
use crate::money::Money;

/// How much of which lots.
pub(super) type Parts = Vec<(LotId, i64)>;

/// Priority, granted ones first, then older ones.
type Order = (u16, bool, usize, LotId);

/// Money that came in, and what is left of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Lot {
    pub credit: Credit,
    /// Which of the wallet's lots it was: 0, 1, 2 …
    place: usize,
    /// Held or not.
    pub remaining: i64,
    pub held: i64,
    pub voided: bool,
}

impl Lot {
    pub fn is_past(&self, at: DateTime<Utc>) -> bool {
        self.credit.expires_at.is_some_and(|expires_at| at >= expires_at)
    }

    pub fn free(&self) -> i64 {
        self.remaining - self.held
    }

    /// What is spent first comes first.
    fn order(&self) -> Order {
        (self.credit.priority, self.credit.kind != LotKind::Granted, self.place, self.credit.lot)
    }
}

/// How a hold stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Fate {
    Open,
    Captured,
    Released,
    Expired,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Hold {
    pub amount: i64,
    pub subject: Subject,
    pub expires_at: DateTime<Utc>,
    /// In the order in which they are spent; none once it is over.
    pub lots: Parts,
    pub fate: Fate,
}

impl Hold {
    /// The first so much of it, and the rest.
    pub fn split(&self, amount: i64) -> (Parts, Parts) {
        let (mut taken, mut rest, mut left) = (vec![], vec![], amount);
        for &(lot, part) in &self.lots {
            let now = part.min(left);
            left -= now;
            taken.extend((now > 0).then_some((lot, now)));
            rest.extend((now < part).then_some((lot, part - now)));
        }
        (taken, rest)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Debit {
    hold: Option<WalletHoldId>,
    amount: Money,
    subject: Subject,
}

/// All lots, holds and debits there ever were.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Book {
    lots: BTreeMap<LotId, Lot>,
    holds: BTreeMap<WalletHoldId, Hold>,
    debits: BTreeMap<WalletDebitId, Debit>,
    /// Lots with something left, in the order in which they are spent.
    spendable: BTreeSet<Order>,
    open_holds: usize,
    remaining: i64,
    held: i64,
}

impl Book {
    pub fn remaining(&self) -> i64 {
        self.remaining
    }

    pub fn held(&self) -> i64 {
        self.held
    }

    pub fn open_lots(&self) -> usize {
        self.spendable.len()
    }

    pub fn open_holds(&self) -> usize {
        self.open_holds
    }

    pub fn lot(&self, lot: LotId) -> Option<&Lot> {
        self.lots.get(&lot)
    }

    pub fn credit_of(&self, lot: LotId) -> Option<&Credit> {
        self.lots.get(&lot).map(|lot| &lot.credit)
    }

    pub fn hold(&self, hold: WalletHoldId) -> Option<&Hold> {
        self.holds.get(&hold)
    }

    /// Whether a debit that there is, is this one.
    pub fn is_debit(
        &self,
        debit: WalletDebitId,
        hold: Option<WalletHoldId>,
        amount: Money,
        subject: Option<Subject>,
    ) -> Option<bool> {
        let there = self.debits.get(&debit)?;
        let same = there.hold == hold && there.amount == amount;
        Some(same && subject.is_none_or(|subject| subject == there.subject))
    }

    fn spendable(&self) -> impl Iterator<Item = (LotId, &Lot)> {
        self.spendable.iter().filter_map(|&(.., lot)| Some((lot, self.lots.get(&lot)?)))
    }

    pub fn available(&self, at: DateTime<Utc>) -> i64 {
        self.spendable().filter(|(_, lot)| !lot.is_past(at)).map(|(_, lot)| lot.free()).sum()
    }

    /// What is past its time and not held.
    pub fn due(&self, at: DateTime<Utc>) -> impl Iterator<Item = (LotId, &Lot)> {
        self.spendable().filter(move |(_, lot)| lot.is_past(at) && lot.free() > 0)
    }

    /// From which lots so much is taken, in order; less than that where there is less.
    pub fn consume(&self, amount: i64, at: DateTime<Utc>) -> Parts {
        let mut left = amount;
        let mut taken = vec![];
        for (id, lot) in self.spendable().filter(|(_, lot)| !lot.is_past(at)) {
            let part = lot.free().min(left);
            left -= part;
            taken.extend((part > 0).then_some((id, part)));
            if left == 0 {
                break;
            }
        }
        taken
    }

    pub fn credited(&mut self, credit: Credit) {
        let (id, remaining) = (credit.lot, credit.amount.amount);
        let lot = Lot { credit, place: self.lots.len(), remaining, held: 0, voided: false };
        self.remaining += remaining;
        self.spendable.insert(lot.order());
        self.lots.insert(id, lot);
    }

    pub fn held_for(
        &mut self,
        hold: WalletHoldId,
        amount: Money,
        subject: Subject,
        expires_at: DateTime<Utc>,
        lots: &[LotPart],
    ) {
        let lots: Vec<_> = lots.iter().map(|part| (part.lot, part.amount.amount)).collect();
        lots.iter().for_each(|&(lot, amount)| self.set_aside(lot, amount));
        self.holds.insert(hold, Hold { amount: amount.amount, subject, expires_at, lots, fate: Fate::Open });
        self.open_holds += 1;
    }

    fn set_aside(&mut self, lot: LotId, amount: i64) {
        if let Some(lot) = self.lots.get_mut(&lot) {
            lot.held += amount;
            self.held += amount;
        }
    }

    /// A hold has ended: what it had is free again.
    pub fn over(&mut self, hold: WalletHoldId, fate: Fate) {
        let Some(hold) = self.holds.get_mut(&hold) else { return };
        hold.fate = fate;
        let lots = std::mem::take(&mut hold.lots);
        lots.into_iter().for_each(|(lot, amount)| self.set_aside(lot, -amount));
        self.open_holds -= 1;
    }

    pub fn debited(
        &mut self,
        debit: WalletDebitId,
        hold: Option<WalletHoldId>,
        amount: Money,
        subject: Subject,
        lots: &[LotPart],
    ) {
        lots.iter().for_each(|part| self.lost(part.lot, part.amount.amount, false));
        self.debits.insert(debit, Debit { hold, amount, subject });
    }

    /// So much less is left of a lot.
    pub fn lost(&mut self, lot: LotId, amount: i64, voided: bool) {
        let Some(lot) = self.lots.get_mut(&lot) else { return };
        lot.remaining -= amount;
        lot.voided |= voided;
        self.remaining -= amount;
        if lot.remaining == 0 {
            self.spendable.remove(&lot.order());
        }
    }
}
