//! Disputes: two parties, a sum that is held, and somebody who says whose it is if they cannot.
//!
//! The other side answers in time, or the claim is granted. Then both show evidence and make offers; either may call
//! the resolver, and the clock does when that time is over. The resolver is neither party, and what is decided is all
//! that is held. A resolver who is silent gives way to the workspace's own. What is over stays over.
//! Repeating a request that already took effect decides nothing.

mod event;
mod state;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};

use self::DisputeEvent as E;
use self::DisputeRefusal as No;
pub use self::event::{
    Basis, Claim, DisputeCommand, DisputeEvent, DisputeReason, DisputeRefusal, Evidence, Ground, Opening,
    Party, Split,
};
use self::state::Case;
pub use self::state::{Dispute, DisputeStatus};
use crate::ids::{AccountId, DisputeId};
use crate::kernel::Decider;
use crate::money::Money;
use crate::sourced;

/// The most pieces of evidence that one side may show.
pub const MOST_EVIDENCE: usize = 50;

type Decided = Result<Vec<DisputeEvent>, DisputeRefusal>;

impl Decider for Dispute {
    const NAME: &'static str = "finance.dispute";
    type Id = DisputeId;
    type Command = DisputeCommand;
    type Event = DisputeEvent;
    type Refusal = DisputeRefusal;

    fn decide(&self, command: DisputeCommand) -> Decided {
        use DisputeCommand as C;
        let (Some(case), Some(status)) = (&self.case, self.status) else {
            return match command {
                C::Open(opening) => open(opening),
                _ => Err(No::Unknown),
            };
        };
        match command {
            C::Open(opening) if opening == case.opening => Ok(vec![]),
            C::Open(_) => Err(No::AlreadyOpened),
            C::Suspend { .. } | C::Resume { .. } if status.is_over() => Ok(vec![]),
            C::Suspend { at } => {
                Ok(self.suspended.is_none().then_some(E::Suspended { at }).into_iter().collect())
            }
            C::Resume { amount, at } => self.resume(case, amount, at),
            C::Tick { .. } if status.is_over() || self.suspended.is_some() => Ok(vec![]),
            C::Tick { at } => Ok(self.due(case, status, at)),
            command => self.asked(case, status, command),
        }
    }

    fn evolve(&mut self, event: DisputeEvent) {
        self.take(event);
    }
}

impl Dispute {
    /// What a person asks: what the clock has to say comes first.
    fn asked(&self, case: &Case, status: DisputeStatus, command: DisputeCommand) -> Decided {
        if status.is_over() || self.suspended.is_some() {
            return self.answer(case, status, command);
        }
        let mut events = self.due(case, status, command.at());
        let mut after = self.clone();
        events.iter().cloned().for_each(|event| after.take(event));
        // Silence has ended it: whoever comes now is too late, and the clock records it.
        let (Some(case), Some(status)) = (&after.case, after.status) else { return Err(No::Unknown) };
        events.extend(after.answer(case, status, command)?);
        Ok(events)
    }

    fn answer(&self, case: &Case, status: DisputeStatus, command: DisputeCommand) -> Decided {
        use {DisputeCommand as C, DisputeStatus as S};
        match command {
            C::Respond { by, .. } if case.party(by)? == case.opening.claimant => Err(No::OwnClaim),
            C::Respond { .. } if self.responded => Ok(vec![]),
            C::Respond { .. } if status.is_over() => Err(No::Over),
            C::Respond { statement, .. } => Ok(vec![E::Responded { statement }]),

            C::FileEvidence { by, evidence, at } => self.file(case, status, by, evidence, at),

            C::Offer { by, split, at } => self.offer(case, status, by, split, at),

            C::Accept { by, offer, .. } => {
                let party = case.party(by)?;
                let made = self.offers.get(&offer).ok_or(No::UnknownOffer)?;
                match status {
                    S::Resolved if self.accepted == Some(offer) => Ok(vec![]),
                    _ if status.is_over() => Err(No::Over),
                    _ if self.suspended.is_some() => Err(No::Suspended),
                    _ if made.by == party => Err(No::OwnOffer),
                    _ if made.withdrawn => Err(No::OfferWithdrawn),
                    _ => Ok(vec![
                        E::OfferAccepted { offer, by: party },
                        self.resolved(case, made.split, Basis::Offer, None),
                    ]),
                }
            }

            C::Escalate { by, .. } => {
                case.party(by)?;
                match status {
                    _ if status.is_over() => Err(No::Over),
                    S::UnderReview => Ok(vec![]),
                    S::Opened => Err(No::NotResponded),
                    _ => Ok(vec![E::Escalated { overdue: false }]),
                }
            }

            C::Resolve { by, staff, split, reasons_hash, .. } => {
                self.may_resolve(case, by, staff)?;
                match status {
                    S::Resolved if self.split == Some(split) => Ok(vec![]),
                    _ if status.is_over() => Err(No::Over),
                    _ if self.suspended.is_some() => Err(No::Suspended),
                    S::UnderReview if !split.is_of(case.amount) => Err(No::SplitNotEqualHeld),
                    S::UnderReview => {
                        Ok(vec![self.resolved(case, split, Basis::Resolver, Some((by, reasons_hash)))])
                    }
                    _ => Err(No::NotUnderReview),
                }
            }

            C::Withdraw { by, .. } if case.party(by)? != case.opening.claimant => Err(No::NotClaimant),
            C::Withdraw { .. } if status == S::Withdrawn => Ok(vec![]),
            C::Withdraw { .. } if status.is_over() => Err(No::Over),
            C::Withdraw { .. } => Ok(vec![E::Withdrawn { escrow: case.opening.escrow }]),

            C::Open(_) | C::Suspend { .. } | C::Resume { .. } | C::Tick { .. } => Ok(vec![]),
        }
    }

    fn file(
        &self,
        case: &Case,
        status: DisputeStatus,
        by: AccountId,
        evidence: Evidence,
        at: DateTime<Utc>,
    ) -> Decided {
        let by = case.party(by)?;
        if !evidence.is_whole() {
            return Err(No::InvalidEvidence);
        }
        let filed = self.evidence.iter().filter(|(party, _)| *party == by).count();
        match status {
            _ if self.evidence.contains(&(by, evidence.hash.clone())) => Ok(vec![]),
            _ if status.is_over() => Err(No::Over),
            _ if self.suspended.is_none() && at >= case.evidence_by => Err(No::EvidenceClosed),
            _ if filed >= MOST_EVIDENCE => Err(No::TooMuchEvidence),
            _ => Ok(vec![E::EvidenceFiled { by, evidence, at }]),
        }
    }

    /// The last offer of a side is the one that stands.
    fn offer(
        &self,
        case: &Case,
        status: DisputeStatus,
        by: AccountId,
        split: Split,
        at: DateTime<Utc>,
    ) -> Decided {
        let by = case.party(by)?;
        let standing = self.offers.values().any(|of| of.by == by && of.split == split && !of.withdrawn);
        match status {
            _ if status.is_over() => Err(No::Over),
            _ if self.suspended.is_some() => Err(No::Suspended),
            _ if at >= case.evidence_by => Err(No::OffersClosed),
            _ if !split.is_of(case.amount) => Err(No::SplitNotEqualHeld),
            _ if standing => Ok(vec![]),
            _ => Ok(vec![E::OfferMade { offer: self.next_offer(), by, split }]),
        }
    }

    /// What time alone brings, in its order, however late it is looked at.
    fn due(&self, case: &Case, status: DisputeStatus, at: DateTime<Utc>) -> Vec<E> {
        use DisputeStatus as S;
        let escrow = case.opening.escrow;
        let &Case { respond_by, evidence_by, resolve_by, .. } = case;
        let mut events = Vec::new();
        if status == S::Opened && !self.responded && at >= respond_by {
            events.push(E::Defaulted { escrow, split: case.claimed() });
            return events;
        }
        if status == S::Negotiating && at >= evidence_by {
            events.push(E::Escalated { overdue: true });
        }
        let under_review = status == S::UnderReview || !events.is_empty();
        if under_review && case.opening.resolver.is_some() && !self.resolver_silent && at >= resolve_by {
            events.push(E::ResolverSilent { escrow });
        }
        events
    }

    /// Goes on with what is held now, and with the time that was left.
    fn resume(&self, case: &Case, amount: Money, at: DateTime<Utc>) -> Decided {
        let Some(since) = self.suspended else { return Ok(vec![]) };
        let escrow = case.opening.escrow;
        if amount.currency != case.amount.currency {
            return Err(No::CurrencyMismatch);
        }
        if amount.amount < 0 || !amount.is_in_range() {
            return Err(No::InvalidAmount);
        }
        if amount.is_zero() {
            return Ok(vec![E::Lapsed { escrow }]);
        }
        let by = (at - since).max(chrono::TimeDelta::zero());
        let &Case { respond_by, evidence_by, resolve_by, .. } = case;
        let moved = |deadline: DateTime<Utc>| if deadline > since { deadline + by } else { deadline };
        Ok(vec![E::Resumed {
            amount,
            respond_by: moved(respond_by),
            evidence_by: moved(evidence_by),
            resolve_by: moved(resolve_by),
        }])
    }

    fn may_resolve(&self, case: &Case, by: AccountId, staff: bool) -> Result<(), No> {
        if case.party(by).is_ok() {
            return Err(No::ResolverIsParty);
        }
        let named = case.opening.resolver == Some(by) && !self.resolver_silent;
        let own = staff && (case.opening.resolver.is_none() || self.resolver_silent);
        if named || own { Ok(()) } else { Err(No::NotResolver) }
    }

    fn resolved(
        &self,
        case: &Case,
        split: Split,
        basis: Basis,
        decision: Option<(AccountId, crate::digest::Digest)>,
    ) -> E {
        let (by, reasons_hash) = decision.unzip();
        E::Resolved { escrow: case.opening.escrow, split, basis, by, reasons_hash }
    }
}

/// What may be asked of a dispute that does not exist yet.
fn open(opening: Opening) -> Decided {
    let Opening { buyer, seller, resolver, amount, at, respond_by, evidence_by, resolve_by, .. } = opening;
    if buyer == seller {
        return Err(No::SameParty);
    }
    if resolver.is_some_and(|resolver| [buyer, seller].contains(&resolver)) {
        return Err(No::ResolverIsParty);
    }
    if amount.amount <= 0 || !amount.is_in_range() {
        return Err(No::InvalidAmount);
    }
    if opening.claim.to_buyer.currency != amount.currency {
        return Err(No::CurrencyMismatch);
    }
    if !(0..=amount.amount).contains(&opening.claim.to_buyer.amount) {
        return Err(No::ClaimTooLarge);
    }
    if !(at < respond_by && respond_by < evidence_by && evidence_by < resolve_by) {
        return Err(No::InvalidDeadlines);
    }
    Ok(vec![E::Opened(opening)])
}

sourced!(Dispute, DisputeEvent);
