//! Funding: money that comes for an escrow, and money that its payer's bank takes back.

use super::event::{EscrowEvent as E, EscrowRefusal as No, Incoming, Part};
use super::state::{EscrowStatus as S, Funding, Milestone};
use super::{Decided, Escrow};
use crate::ids::FundingId;
use crate::money::Money;
use crate::text::is_blank;

impl Escrow {
    /// What is missing is filled in the order of the milestones; the rest goes back.
    pub(super) fn fund(&self, incoming: Incoming) -> Decided {
        let Incoming { funding, ref source, milestone, amount, .. } = incoming;
        if let Some(known) = self.fundings.get(&funding) {
            let same = known.amount == amount && known.source == *source;
            return if same { Ok(vec![]) } else { Err(No::FundingMismatch) };
        }
        if amount.amount <= 0 || !amount.is_in_range() {
            return Err(No::InvalidAmount);
        }
        if self.terms().is_some_and(|terms| terms.total.currency != amount.currency) {
            return Err(No::CurrencyMismatch);
        }
        milestone.map(|milestone| self.milestone(milestone)).transpose()?;
        let allocation = self.allocation(&incoming);
        let held: i64 = allocation.iter().map(|part| part.amount.amount).sum();
        let mut events = Vec::new();
        if held > 0 {
            let filled = self.filled(&allocation);
            let (source, amount) = (source.clone(), Money::new(held, amount.currency));
            events.push(E::Funded { funding, source, amount, allocation });
            events.extend(filled);
        }
        if amount.amount > held {
            let amount = Money::new(amount.amount - held, amount.currency);
            events.push(E::Overfunded { funding, source: source.clone(), amount });
        }
        Ok(events)
    }

    fn allocation(&self, incoming: &Incoming) -> Vec<Part> {
        let late = !self.began && self.fund_by.is_some_and(|by| incoming.at >= by);
        if late || !matches!(self.status, Some(S::Agreed | S::Active)) {
            return vec![];
        }
        let mut left = incoming.amount.amount;
        let open = |of: &&Milestone| {
            incoming.milestone.is_none_or(|named| named == of.id())
                && !of.is_over()
                && of.dispute.is_none()
                && !self.is_frozen(of.id())
        };
        let mut parts = Vec::new();
        for of in self.milestones.iter().filter(open) {
            let part = left.min(of.missing().amount);
            if part > 0 {
                parts.push(Part { milestone: of.id(), amount: Money::new(part, incoming.amount.currency) });
                left -= part;
            }
        }
        parts
    }

    fn filled(&self, allocation: &[Part]) -> Vec<E> {
        let full = |part: &&Part| self.milestone(part.milestone).is_ok_and(|of| of.missing() == part.amount);
        let held = |part: &Part| {
            let before = self.milestone(part.milestone).map_or(0, |of| of.held().amount);
            Money::new(before + part.amount.amount, part.amount.currency)
        };
        allocation
            .iter()
            .filter(full)
            .map(|part| E::MilestoneFunded { milestone: part.milestone, held: held(part) })
            .collect()
    }

    /// Takes what is held of the payment; what has left already is a shortfall that the seller owes.
    pub(super) fn charge_back(&self, funding: FundingId, reference: String, amount: Money) -> Decided {
        let known = self.fundings.get(&funding).ok_or(No::UnknownFunding)?;
        if let Some(reversal) = known.reversals.get(&reference) {
            return if reversal.amount == amount { Ok(vec![]) } else { Err(No::FundingMismatch) };
        }
        if is_blank(&reference) || reference.chars().count() > 200 {
            return Err(No::InvalidReference);
        }
        if amount.currency != known.amount.currency {
            return Err(No::CurrencyMismatch);
        }
        let before: i64 = known.standing();
        if amount.amount <= 0 || amount.amount > known.amount.amount - before {
            return Err(No::InvalidAmount);
        }
        let mut left = amount.amount;
        let mut from = Vec::new();
        for share in &known.shares {
            let held = self.milestone(share.milestone).map_or(0, |of| of.held().amount);
            let part = left.min(held).min(share.amount.amount - share.back.amount);
            if part > 0 {
                from.push(Part { milestone: share.milestone, amount: Money::new(part, amount.currency) });
                left -= part;
            }
        }
        let shortfall = Money::new(left, amount.currency);
        Ok(vec![E::FundingReversed { funding, reference, amount, from, shortfall }])
    }

    pub(super) fn reversal_over(&self, funding: FundingId, reference: String, won: bool) -> Decided {
        let known = self.fundings.get(&funding).ok_or(No::UnknownFunding)?;
        let reversal = known.reversals.get(&reference).ok_or(No::UnknownFunding)?;
        let (amount, shortfall) = (reversal.amount, reversal.shortfall);
        match reversal.won {
            Some(known) if known == won => Ok(vec![]),
            Some(_) => Err(No::FundingMismatch),
            None if won => {
                let to = reversal.from.clone();
                Ok(vec![E::FundingRestored { funding, reference, amount, to, shortfall }])
            }
            None => Ok(vec![E::ReversalLost { funding, reference, amount, shortfall }]),
        }
    }
}

impl Funding {
    /// What was charged back and did not come back.
    fn standing(&self) -> i64 {
        let stands = |reversal: &&super::state::Reversal| reversal.won != Some(true);
        self.reversals.values().filter(stands).map(|reversal| reversal.amount.amount).sum()
    }
}
