//! Disputes, as the money sees them: one locks a milestone, and says in the end whose its money is.

use chrono::{DateTime, Utc};

use super::event::{Basis, EscrowEvent as E, EscrowRefusal as No, RefundGround, Trigger};
use super::state::{Milestone, MilestoneStatus as M, seconds};
use super::terms::{EscrowReason, Party};
use super::{Decided, Escrow, EscrowStatus};
use crate::ids::{AccountId, DisputeId, MilestoneId};
use crate::money::Money;
use crate::pii::Pii;

impl Escrow {
    pub(super) fn open_dispute(
        &self,
        by: AccountId,
        dispute: DisputeId,
        milestone: MilestoneId,
        reason: Option<Pii<EscrowReason>>,
        at: DateTime<Utc>,
    ) -> Decided {
        let (by, of) = (self.party(by)?, self.milestone(milestone)?);
        let known = of.dispute.as_ref().is_some_and(|open| open.id == dispute);
        if known || self.past.contains_key(&dispute) {
            return Ok(vec![]);
        }
        self.free(milestone)?;
        if of.status == M::Pending {
            return Err(No::Underfunded);
        }
        if of.held().amount <= 0 {
            return Err(No::HeldTooSmall);
        }
        if by == Party::Buyer && self.inspected(of, at) {
            return Err(No::InspectionOver);
        }
        let terms = self.terms().ok_or(No::Unknown)?;
        let (buyer, seller, resolver) = (terms.buyer, terms.seller, terms.resolver);
        let respond_by = at + seconds(terms.intervals.respond_s);
        let evidence_by = respond_by + seconds(terms.intervals.evidence_s);
        let resolve_by = evidence_by + seconds(terms.intervals.resolve_s);
        let amount = of.held();
        Ok(vec![E::DisputeOpened {
            dispute,
            milestone,
            by,
            amount,
            buyer,
            seller,
            resolver,
            reason,
            at,
            respond_by,
            evidence_by,
            resolve_by,
        }])
    }

    pub(super) fn settle_dispute(
        &self,
        dispute: DisputeId,
        to_buyer: Money,
        to_seller: Money,
        basis: Basis,
    ) -> Decided {
        if self.past.contains_key(&dispute) {
            return Ok(vec![]);
        }
        let of = self.disputed(dispute)?;
        if self.is_frozen(of.id()) {
            return Err(No::Frozen);
        }
        if to_buyer.currency != of.amount.currency || to_seller.currency != of.amount.currency {
            return Err(No::CurrencyMismatch);
        }
        let adds_up = to_buyer.plus(to_seller) == Ok(of.held());
        if to_buyer.is_negative() || to_seller.is_negative() || !adds_up {
            return Err(No::SplitNotEqualHeld);
        }
        let milestone = of.id();
        let mut events = vec![E::DisputeSettled { dispute, milestone, to_buyer, to_seller, basis }];
        if to_seller.amount > 0 {
            events.push(self.paid(of, to_seller, None, Trigger::Dispute)?);
        }
        if to_buyer.amount > 0 {
            let after = self.after(&events);
            events.push(after.repaid(after.milestone(milestone)?, to_buyer, None, RefundGround::Dispute));
        }
        Ok(events)
    }

    /// All goes on from where it was, with the time that it had left.
    pub(super) fn close_dispute(&self, dispute: DisputeId, at: DateTime<Utc>) -> Decided {
        if self.past.contains_key(&dispute) {
            return Ok(vec![]);
        }
        let of = self.disputed(dispute)?;
        let opened_at = of.dispute.as_ref().map_or(at, |open| open.opened_at);
        let lasted = (self.clock(at) - opened_at).max(chrono::TimeDelta::zero());
        let inspection_due = of.inspection_due.map(|due| due + lasted);
        Ok(vec![E::DisputeClosed { dispute, milestone: of.id(), inspection_due, due: of.due + lasted }])
    }

    fn disputed(&self, dispute: DisputeId) -> Result<&Milestone, No> {
        if self.status == Some(EscrowStatus::Closed) {
            return Err(No::Closed);
        }
        let open = |of: &&Milestone| of.dispute.as_ref().is_some_and(|open| open.id == dispute);
        self.milestones.iter().find(open).ok_or(No::UnknownDispute)
    }
}
