//! Agreeing: from a draft to terms that both have signed, a pause of the clock, and the ways out before work is done.

use chrono::{DateTime, Utc};

use super::event::{Deadline, EscrowEvent as E, EscrowRefusal as No, RefundGround};
use super::state::{EscrowStatus as S, MilestoneStatus, seconds};
use super::terms::{LONGEST, Party, Terms};
use super::{Decided, Escrow};
use crate::digest::Digest;
use crate::ids::AccountId;

impl Escrow {
    pub(super) fn draft(&self, by: AccountId, terms: Terms) -> Decided {
        let fees = terms.fees()?;
        let (party, terms_hash) = (terms.party(by).ok_or(No::NotParty)?, terms.hash(&fees));
        match self.terms_hash() {
            None => Ok(vec![E::Drafted { by: party, terms, fees, terms_hash }]),
            Some(known) if *known == terms_hash => Ok(vec![]),
            Some(_) => Err(No::AlreadyDrafted),
        }
    }

    pub(super) fn amend(&self, by: AccountId, terms: Terms) -> Decided {
        let party = self.party(by)?;
        let fees = terms.fees()?;
        let terms_hash = terms.hash(&fees);
        // Whoever is a party stays one: an offer is not handed on.
        let same_parties =
            self.terms().is_some_and(|old| (old.buyer, old.seller) == (terms.buyer, terms.seller));
        match self.status {
            _ if !same_parties => Err(No::NotParty),
            _ if self.terms_hash() == Some(&terms_hash) => Ok(vec![]),
            Some(S::Closed) => Err(No::Closed),
            Some(S::Active) => Err(No::AlreadyFunded),
            _ => Ok(vec![E::Amended { by: party, terms, fees, terms_hash }]),
        }
    }

    pub(super) fn propose(&self, by: AccountId, at: DateTime<Utc>) -> Decided {
        let by = self.party(by)?;
        let (Some(S::Draft), Some(signing)) = (self.status, &self.terms) else {
            return if self.status == Some(S::Closed) { Err(No::Closed) } else { Ok(vec![]) };
        };
        if signing.terms.milestones.iter().any(|of| of.due <= at) {
            return Err(No::DueInPast);
        }
        let agree_by = at + seconds(signing.terms.intervals.agree_s);
        Ok(vec![E::Proposed { by, terms_hash: signing.hash.clone(), agree_by }])
    }

    pub(super) fn agree(&self, by: AccountId, terms_hash: &Digest, at: DateTime<Utc>) -> Decided {
        let party = self.party(by)?;
        let Some(signing) = &self.terms else { return Err(No::Unknown) };
        match self.status {
            Some(S::Closed) => return Err(No::Closed),
            Some(S::Draft) => return Err(No::NotProposed),
            _ if signing.hash != *terms_hash => return Err(No::TermsHashMismatch),
            _ if signing.agreed.contains(&party) => return Ok(vec![]),
            _ if self.agree_by.is_some_and(|by| at >= by) => return Err(No::OfferExpired),
            _ => {}
        }
        let mut events = vec![E::TermsAgreed { party, terms_hash: terms_hash.clone() }];
        if !signing.agreed.is_empty() {
            let fund_by = at + seconds(signing.terms.intervals.fund_s);
            let total = signing.terms.total;
            events.push(E::Agreed { terms_hash: terms_hash.clone(), total, fund_by });
        }
        Ok(events)
    }

    /// Alone before money is there; afterwards both must want it, and no work may wait for an answer.
    pub(super) fn cancel(&self, by: AccountId) -> Decided {
        let party = self.party(by)?;
        match self.status {
            Some(S::Closed) if self.outcome == Some(super::Outcome::Completed) => return Err(No::Closed),
            Some(S::Closed) => return Ok(vec![]),
            Some(S::Active) => {}
            _ => return Ok(vec![self.closing()]),
        }
        for of in self.milestones.iter().filter(|of| !of.is_over()) {
            if of.dispute.is_some() {
                return Err(No::DisputeOpen);
            }
            if self.is_frozen(of.id()) {
                return Err(No::Frozen);
            }
            if of.status == MilestoneStatus::Submitted && of.held().amount > 0 {
                return Err(No::AlreadySubmitted);
            }
        }
        match (self.cancel.contains(&party), self.cancel.is_empty()) {
            (true, _) => Ok(vec![]),
            (false, true) => Ok(vec![E::CancelProposed { by: party }]),
            (false, false) => Ok(self.wound_up(vec![], RefundGround::Cancelled)),
        }
    }

    pub(super) fn expire(&self, at: DateTime<Utc>) -> Decided {
        let over = |deadline: Option<DateTime<Utc>>| deadline.is_some_and(|deadline| at >= deadline);
        match self.status {
            Some(S::Closed) => Ok(vec![]),
            Some(S::Proposed) if over(self.agree_by) => {
                Ok(vec![E::Expired { deadline: Deadline::Agree }, self.closing()])
            }
            Some(S::Agreed | S::Active) if !self.began && over(self.fund_by) => {
                let disputed = self.milestones.iter().any(|of| of.dispute.is_some());
                let frozen = self.milestones.iter().any(|of| self.is_frozen(of.id()));
                match (disputed, frozen) {
                    (true, _) => Err(No::DisputeOpen),
                    (_, true) => Err(No::Frozen),
                    _ => {
                        let expired = E::Expired { deadline: Deadline::Fund };
                        Ok(self.wound_up(vec![expired], RefundGround::FundingExpired))
                    }
                }
            }
            _ => Err(No::NotDue),
        }
    }

    /// All that is held goes back, and that is the end.
    fn wound_up(&self, mut events: Vec<E>, reason: RefundGround) -> Vec<E> {
        for of in self.milestones.iter().filter(|of| of.held().amount > 0) {
            events.push(self.repaid(of, of.held(), None, reason));
        }
        let closing = self.after(&events).closing();
        events.push(closing);
        events
    }

    pub(super) fn propose_pause(&self, by: AccountId, until: DateTime<Utc>, at: DateTime<Utc>) -> Decided {
        let by = self.party(by)?;
        self.works()?;
        if until <= at || until > at + seconds(LONGEST) {
            return Err(No::InvalidPause);
        }
        if self.proposed_pause == Some((by, until)) {
            return Ok(vec![]);
        }
        Ok(vec![E::PauseProposed { by, until }])
    }

    pub(super) fn agree_pause(&self, by: AccountId, until: DateTime<Utc>, at: DateTime<Utc>) -> Decided {
        let by = self.party(by)?;
        if self.pause.as_ref().is_some_and(|pause| pause.until == until) {
            return Ok(vec![]);
        }
        self.works()?;
        match self.proposed_pause {
            Some((proposer, proposed)) if proposed == until && proposer == by => Err(No::OwnProposal),
            Some((_, proposed)) if proposed == until && until > at => Ok(vec![E::Paused { from: at, until }]),
            _ => Err(No::NoPauseProposed),
        }
    }

    /// By the clock nothing is left to do here: [`Escrow::resumed_by`] has done it.
    pub(super) fn resume(&self, by: Option<AccountId>, at: DateTime<Utc>) -> Decided {
        let party = by.map(|by| self.party(by)).transpose()?;
        let Some(pause) = &self.pause else { return Ok(vec![]) };
        match party {
            None => Err(No::NotDue),
            Some(party) if pause.resume.contains(&party) => Ok(vec![]),
            Some(by) if pause.resume.is_empty() => Ok(vec![E::ResumeProposed { by }]),
            Some(_) => Ok(vec![resumed(pause.from, at.max(pause.from))]),
        }
    }

    /// A pause ends at its time, whenever somebody looks.
    pub(super) fn resumed_by(&self, at: Option<DateTime<Utc>>) -> Vec<E> {
        let due = self.pause.as_ref().filter(|pause| at.is_some_and(|at| at >= pause.until));
        due.map(|pause| resumed(pause.from, pause.until)).into_iter().collect()
    }

    /// Whose consent to a cancellation is there.
    #[must_use]
    pub fn wants_to_cancel(&self, party: Party) -> bool {
        self.cancel.contains(&party)
    }
}

fn resumed(from: DateTime<Utc>, at: DateTime<Utc>) -> E {
    E::Resumed { at, rested_s: (at - from).num_seconds() }
}
