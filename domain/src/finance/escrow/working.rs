//! Work: begun, handed in, received, looked at, and sent back.

use chrono::{DateTime, Utc};

use super::event::{EscrowEvent as E, EscrowRefusal as No, Evidence, Receipt};
use super::state::{Milestone, MilestoneStatus as M, seconds};
use super::terms::EscrowReason;
use super::{Decided, Escrow};
use crate::ids::{AccountId, MilestoneId};
use crate::pii::Pii;

/// The most pieces of evidence of one submission.
const MOST_EVIDENCE: usize = 20;

impl Escrow {
    pub(super) fn start(&self, by: AccountId, milestone: MilestoneId) -> Decided {
        self.seller(by)?;
        self.milestone(milestone)?;
        self.works()?;
        match self.free(milestone)?.status {
            M::Pending => Err(No::Underfunded),
            M::Funded if !self.began || self.milestone(milestone)?.missing().amount > 0 => {
                Err(No::Underfunded)
            }
            M::Funded => Ok(vec![E::Started { milestone }]),
            _ => Ok(vec![]),
        }
    }

    pub(super) fn submit(
        &self,
        by: AccountId,
        milestone: MilestoneId,
        evidence: Vec<Evidence>,
        at: DateTime<Utc>,
    ) -> Decided {
        self.seller(by)?;
        if !(1..=MOST_EVIDENCE).contains(&evidence.len()) || !evidence.iter().all(Evidence::is_whole) {
            return Err(No::InvalidEvidence);
        }
        self.milestone(milestone)?;
        self.works()?;
        let of = self.free(milestone)?;
        match of.status {
            M::InProgress => Ok(vec![E::Submitted { milestone, round: of.round, evidence, at }]),
            M::Submitted if of.evidence == evidence => Ok(vec![]),
            M::Submitted => Err(No::AlreadySubmitted),
            _ => Err(No::NotStarted),
        }
    }

    pub(super) fn receive(&self, milestone: MilestoneId, receipt: Receipt, at: DateTime<Utc>) -> Decided {
        match &receipt {
            Receipt::Buyer { account } => self.buyer(*account)?,
            Receipt::Proof { evidence } if !evidence.is_whole() => return Err(No::InvalidEvidence),
            Receipt::Proof { .. } => {}
        }
        self.milestone(milestone)?;
        self.works()?;
        let of = self.free(milestone)?;
        match (of.status, of.inspection_due) {
            (M::Submitted, Some(_)) => Ok(vec![]),
            (M::Submitted, None) => {
                let inspection_due = at + seconds(of.inspection_s);
                Ok(vec![E::ReceiptConfirmed { milestone, receipt, inspection_due }])
            }
            _ => Err(No::NotSubmitted),
        }
    }

    pub(super) fn revise(
        &self,
        by: AccountId,
        milestone: MilestoneId,
        reason: Option<Pii<EscrowReason>>,
        at: DateTime<Utc>,
    ) -> Decided {
        self.buyer(by)?;
        self.milestone(milestone)?;
        self.works()?;
        let of = self.free(milestone)?;
        match of.status {
            M::Submitted if self.inspected(of, at) => Err(No::InspectionOver),
            M::Submitted if of.round >= of.revisions => Err(No::RevisionsUsedUp),
            M::Submitted => {
                let due = of.due.max(at + seconds(of.inspection_s));
                Ok(vec![E::RevisionRequested { milestone, round: of.round + 1, due, reason }])
            }
            M::InProgress if of.round > 0 => Ok(vec![]),
            _ => Err(No::NotSubmitted),
        }
    }

    /// Whether the time to look at what arrived is over.
    pub(super) fn inspected(&self, of: &Milestone, at: DateTime<Utc>) -> bool {
        of.inspection_due.is_some_and(|due| self.clock(at) >= due)
    }
}
