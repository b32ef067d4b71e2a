//! What an escrow remembers: its terms, and for each milestone the money that came and where it went.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use strum::{AsRefStr, EnumString};

use super::event::{Deadline, EscrowEvent, Evidence, Outcome, Part, Repayment, Source};
use super::terms::{FundingMode, MilestoneFee, Party, Terms};
use crate::digest::Digest;
use crate::ids::{DisputeId, FundingId, MilestoneId, MovementId};
use crate::money::Money;

/// How an escrow stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, AsRefStr, EnumString)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum EscrowStatus {
    Draft,
    Proposed,
    Agreed,
    Active,
    Closed,
}

/// How a milestone stands.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, AsRefStr, EnumString)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum MilestoneStatus {
    #[default]
    Pending,
    Funded,
    InProgress,
    RevisionRequested,
    Submitted,
    Disputed,
    Released,
    Refunded,
    /// Released in part, and refunded in part.
    Divided,
    Resolved,
}

/// An escrow, as far as its rules need to remember it.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub struct Escrow {
    pub(super) terms: Option<Signing>,
    pub(super) status: Option<EscrowStatus>,
    pub(super) milestones: Vec<Milestone>,
    pub(super) fundings: BTreeMap<FundingId, Funding>,
    pub(super) moved: BTreeMap<MovementId, (Way, MilestoneId, Money)>,
    /// Disputes that are over, settled or given up.
    pub(super) past: BTreeMap<DisputeId, bool>,
    pub(super) agree_by: Option<DateTime<Utc>>,
    pub(super) fund_by: Option<DateTime<Utc>>,
    /// The money that work waits for has been there.
    pub(super) began: bool,
    pub(super) cancel: BTreeSet<Party>,
    pub(super) proposed_pause: Option<(Party, DateTime<Utc>)>,
    pub(super) pause: Option<Pause>,
    pub(super) outcome: Option<Outcome>,
}

/// To whom money has moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Way {
    Release,
    Refund,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Signing {
    pub terms: Terms,
    pub hash: Digest,
    pub agreed: BTreeSet<Party>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Pause {
    pub from: DateTime<Utc>,
    pub until: DateTime<Utc>,
    pub resume: BTreeSet<Party>,
}

/// One milestone: what came in is held, or went out on one of four ways.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Milestone {
    pub(super) id: MilestoneId,
    pub(super) amount: Money,
    pub(super) fee: MilestoneFee,
    pub(super) status: MilestoneStatus,
    /// What of the price was released.
    pub(super) priced: Money,
    pub funded: Money,
    /// To the seller, without fees.
    pub released: Money,
    pub fees: Money,
    pub refunded: Money,
    pub reversed: Money,
    pub(super) due: DateTime<Utc>,
    pub(super) inspection_s: u32,
    pub(super) revisions: u32,
    /// How often work was sent back.
    pub(super) round: u32,
    pub(super) evidence: Vec<Evidence>,
    /// When somebody must look whether anything arrived.
    pub(super) look_at: Option<DateTime<Utc>>,
    pub(super) missing_receipt: bool,
    pub(super) inspection_due: Option<DateTime<Utc>>,
    pub(super) dispute: Option<OpenDispute>,
    pub(super) resolved: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct OpenDispute {
    pub id: DisputeId,
    /// By the clock of the work, which may have rested.
    pub opened_at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Funding {
    pub source: Source,
    /// All that came, held or not.
    pub amount: Money,
    pub shares: Vec<Share>,
    pub reversals: BTreeMap<String, Reversal>,
}

/// What one payment gave to one milestone, and what of it went back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Share {
    pub milestone: MilestoneId,
    pub amount: Money,
    pub back: Money,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Reversal {
    pub amount: Money,
    pub from: Vec<Part>,
    pub shortfall: Money,
    /// `None` while the outcome is open; whether it was won.
    pub won: Option<bool>,
}

impl Milestone {
    fn new(terms: &Terms, n: usize, fee: MilestoneFee) -> Option<Self> {
        let of = terms.milestones.get(n)?;
        let none = Money::zero(of.amount.currency);
        Some(Self {
            id: of.milestone,
            amount: of.amount,
            fee,
            status: MilestoneStatus::Pending,
            priced: none,
            funded: none,
            released: none,
            fees: none,
            refunded: none,
            reversed: none,
            due: of.due,
            inspection_s: of.inspection_s,
            revisions: of.revisions,
            round: 0,
            evidence: vec![],
            look_at: None,
            missing_receipt: false,
            inspection_due: None,
            dispute: None,
            resolved: false,
        })
    }

    #[must_use]
    pub fn id(&self) -> MilestoneId {
        self.id
    }

    /// What is held for it: what came, without what went.
    #[must_use]
    pub fn held(&self) -> Money {
        let went = self.released.amount + self.fees.amount + self.refunded.amount + self.reversed.amount;
        Money::new(self.funded.amount - went, self.amount.currency)
    }

    /// What is to come for it: its price, and what of the fee is on top.
    #[must_use]
    pub fn required(&self) -> Money {
        Money::new(self.amount.amount + self.fee.buyer.amount, self.amount.currency)
    }

    /// What has not come, or was taken back.
    #[must_use]
    pub fn missing(&self) -> Money {
        let there = self.funded.amount - self.reversed.amount;
        Money::new((self.required().amount - there).max(0), self.amount.currency)
    }

    #[must_use]
    pub fn status(&self) -> MilestoneStatus {
        match self.status {
            _ if self.dispute.is_some() => MilestoneStatus::Disputed,
            MilestoneStatus::InProgress if self.round > 0 => MilestoneStatus::RevisionRequested,
            status => status,
        }
    }

    #[must_use]
    pub fn is_over(&self) -> bool {
        use MilestoneStatus as S;
        matches!(self.status, S::Released | S::Refunded | S::Divided | S::Resolved)
    }

    /// After money went out: whether that was the last.
    fn settle(&mut self) {
        if self.held().amount > 0 || self.status == MilestoneStatus::Pending {
            return;
        }
        self.status =
            match (self.resolved, self.released.amount + self.fees.amount > 0, self.refunded.amount > 0) {
                (true, _, _) => MilestoneStatus::Resolved,
                (false, true, true) => MilestoneStatus::Divided,
                (false, true, false) => MilestoneStatus::Released,
                (false, false, _) => MilestoneStatus::Refunded,
            };
    }

    fn shift(&mut self, after: DateTime<Utc>, by: TimeDelta) {
        if self.due > after {
            self.due += by;
        }
        for deadline in [&mut self.look_at, &mut self.inspection_due] {
            *deadline = deadline.map(|at| if at > after { at + by } else { at });
        }
    }
}

impl Escrow {
    /// How it stands; `None` before it exists.
    #[must_use]
    pub fn status(&self) -> Option<EscrowStatus> {
        self.status
    }

    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        self.outcome
    }

    #[must_use]
    pub fn terms(&self) -> Option<&Terms> {
        self.terms.as_ref().map(|signing| &signing.terms)
    }

    /// The digest of the terms as they stand.
    #[must_use]
    pub fn terms_hash(&self) -> Option<&Digest> {
        self.terms.as_ref().map(|signing| &signing.hash)
    }

    /// In the order of the terms.
    #[must_use]
    pub fn milestones(&self) -> &[Milestone] {
        &self.milestones
    }

    /// Whether money of this milestone was charged back and nobody knows yet who gets it.
    #[must_use]
    pub fn is_frozen(&self, milestone: MilestoneId) -> bool {
        self.fundings.values().any(|funding| {
            funding.reversals.values().any(|reversal| reversal.won.is_none())
                && funding.shares.iter().any(|share| share.milestone == milestone)
        })
    }

    /// What waits for the clock: until when, for what, of which milestone.
    #[must_use]
    pub fn deadlines(&self) -> Vec<(Deadline, Option<MilestoneId>, DateTime<Utc>)> {
        use {EscrowStatus as S, MilestoneStatus as M};
        let mut all = Vec::new();
        match (self.status, &self.pause) {
            (Some(S::Proposed), _) => all.extend(self.agree_by.map(|at| (Deadline::Agree, None, at))),
            (Some(S::Agreed | S::Active), pause) => {
                if !self.began {
                    all.extend(self.fund_by.map(|at| (Deadline::Fund, None, at)));
                }
                if let Some(pause) = pause {
                    all.push((Deadline::Pause, None, pause.until));
                }
                for of in self.milestones.iter().filter(|of| pause.is_none() && of.dispute.is_none()) {
                    match of.status {
                        M::Funded | M::InProgress => {
                            all.push((Deadline::Work, Some(of.id), of.due + self.grace()));
                        }
                        M::Submitted => all.extend(
                            of.inspection_due
                                .or(of.look_at)
                                .map(|at| (Deadline::Inspection, Some(of.id), at)),
                        ),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
        all
    }

    pub(super) fn grace(&self) -> TimeDelta {
        seconds(self.terms().map_or(0, |terms| terms.intervals.grace_s))
    }

    /// The time of the work's clock, which rests in a pause.
    pub(super) fn clock(&self, at: DateTime<Utc>) -> DateTime<Utc> {
        self.pause.as_ref().map_or(at, |pause| pause.from.min(at))
    }

    /// From which payments this much of a milestone's money goes back, the last first.
    pub(super) fn repayments(&self, milestone: MilestoneId, amount: Money) -> Vec<Repayment> {
        let mut left = amount.amount;
        let mut all = Vec::new();
        for (&funding, share) in self.fundings.iter().rev().flat_map(|(id, funding)| {
            funding.shares.iter().filter(|share| share.milestone == milestone).map(move |share| (id, share))
        }) {
            let part = left.min(share.amount.amount - share.back.amount);
            if part > 0 {
                all.push(Repayment { funding, amount: Money::new(part, amount.currency) });
                left -= part;
            }
        }
        all
    }

    fn milestone_mut(&mut self, id: MilestoneId) -> Option<&mut Milestone> {
        self.milestones.iter_mut().find(|of| of.id == id)
    }

    fn written(&mut self, terms: Terms, fees: &[MilestoneFee], hash: Digest) {
        self.milestones =
            fees.iter().enumerate().filter_map(|(n, &fee)| Milestone::new(&terms, n, fee)).collect();
        self.terms = Some(Signing { terms, hash, agreed: BTreeSet::new() });
    }

    fn share_mut(&mut self, funding: FundingId, milestone: MilestoneId) -> Option<&mut Share> {
        self.fundings.get_mut(&funding)?.shares.iter_mut().find(|share| share.milestone == milestone)
    }

    fn came(&mut self, id: FundingId, source: Source, amount: Money, allocation: Vec<Part>) {
        for part in &allocation {
            if let Some(of) = self.milestone_mut(part.milestone) {
                add(&mut of.funded, part.amount);
            }
        }
        let none = Money::zero(amount.currency);
        let shares = allocation
            .into_iter()
            .map(|Part { milestone, amount }| Share { milestone, amount, back: none })
            .collect();
        let funding = Funding { source, amount: none, shares, reversals: BTreeMap::new() };
        add(&mut self.fundings.entry(id).or_insert(funding).amount, amount);
    }

    /// What is charged back leaves what is held, or comes back to it.
    fn reverse(&mut self, funding: FundingId, parts: &[Part], sign: i64) {
        for part in parts {
            let amount = Money::new(part.amount.amount * sign, part.amount.currency);
            if let Some(of) = self.milestone_mut(part.milestone) {
                add(&mut of.reversed, amount);
            }
            if let Some(share) = self.share_mut(funding, part.milestone) {
                add(&mut share.back, amount);
            }
        }
    }

    fn moves(&mut self, id: Option<MovementId>, way: Way, milestone: MilestoneId, amount: Money) {
        if let Some(id) = id {
            self.moved.insert(id, (way, milestone, amount));
        }
    }

    pub(super) fn take(&mut self, event: EscrowEvent) {
        use {EscrowEvent as E, MilestoneStatus as M};
        match event {
            E::Drafted { terms, fees, terms_hash, .. } => {
                self.status = Some(EscrowStatus::Draft);
                self.written(terms, &fees, terms_hash);
            }
            E::Amended { terms, fees, terms_hash, .. } => {
                if self.status == Some(EscrowStatus::Agreed) {
                    self.status = Some(EscrowStatus::Proposed);
                }
                self.cancel.clear();
                self.written(terms, &fees, terms_hash);
            }
            E::Proposed { agree_by, .. } => {
                (self.status, self.agree_by) = (Some(EscrowStatus::Proposed), Some(agree_by));
            }
            E::TermsAgreed { party, .. } => {
                self.terms.iter_mut().for_each(|signing| _ = signing.agreed.insert(party));
            }
            E::Agreed { fund_by, .. } => {
                (self.status, self.fund_by) = (Some(EscrowStatus::Agreed), Some(fund_by));
            }
            E::Expired { .. } | E::RefundRequested { .. } | E::Approved { .. } => {}
            E::CancelProposed { by } => _ = self.cancel.insert(by),
            E::Funded { funding, source, amount, allocation } => {
                (self.status, _) = (Some(EscrowStatus::Active), self.cancel.clear());
                self.came(funding, source, amount, allocation);
            }
            E::Overfunded { funding, source, amount } => self.came(funding, source, amount, vec![]),
            E::MilestoneFunded { milestone, .. } => {
                self.milestone_mut(milestone)
                    .filter(|of| of.status == M::Pending)
                    .into_iter()
                    .for_each(|of| of.status = M::Funded);
                let whole = self.terms().is_some_and(|terms| terms.funding == FundingMode::Whole);
                self.began |= !whole || self.milestones.iter().all(|of| of.status != M::Pending);
            }
            E::FundingReversed { funding, reference, amount, from, shortfall } => {
                self.reverse(funding, &from, 1);
                if let Some(funding) = self.fundings.get_mut(&funding) {
                    funding.reversals.insert(reference, Reversal { amount, from, shortfall, won: None });
                }
            }
            E::FundingRestored { funding, reference, to, .. } => {
                self.reverse(funding, &to, -1);
                self.reversal_ends(funding, &reference, true);
            }
            E::ReversalLost { funding, reference, .. } => self.reversal_ends(funding, &reference, false),
            E::FundsReleased { milestone, release, priced, fee, net, .. } => {
                self.cancel.clear();
                self.moves(release, Way::Release, milestone, priced);
                if let Some(of) = self.milestone_mut(milestone) {
                    add(&mut of.priced, priced);
                    add(&mut of.fees, fee);
                    add(&mut of.released, net);
                    of.settle();
                }
            }
            E::MilestoneRefunded { milestone, refund, amount, to, .. } => {
                self.moves(refund, Way::Refund, milestone, amount);
                for repayment in to {
                    if let Some(share) = self.share_mut(repayment.funding, milestone) {
                        add(&mut share.back, repayment.amount);
                    }
                }
                if let Some(of) = self.milestone_mut(milestone) {
                    add(&mut of.refunded, amount);
                    of.settle();
                }
            }
            E::PauseProposed { by, until } => self.proposed_pause = Some((by, until)),
            E::Paused { from, until } => {
                self.proposed_pause = None;
                self.pause = Some(Pause { from, until, resume: BTreeSet::new() });
            }
            E::ResumeProposed { by } => {
                self.pause.iter_mut().for_each(|pause| _ = pause.resume.insert(by));
            }
            E::Resumed { rested_s, .. } => {
                if let Some(Pause { from, .. }) = self.pause.take() {
                    // A milestone in dispute gets its time back when the dispute is over.
                    for of in self.milestones.iter_mut().filter(|of| of.dispute.is_none()) {
                        of.shift(from, TimeDelta::seconds(rested_s));
                    }
                }
            }
            E::Closed { outcome, .. } => {
                (self.status, self.outcome) = (Some(EscrowStatus::Closed), Some(outcome));
                (self.pause, self.proposed_pause) = (None, None);
            }
            work => self.work(work),
        }
    }

    fn reversal_ends(&mut self, funding: FundingId, reference: &str, won: bool) {
        if let Some(reversal) =
            self.fundings.get_mut(&funding).and_then(|funding| funding.reversals.get_mut(reference))
        {
            reversal.won = Some(won);
        }
    }

    /// What is about the work of one milestone.
    fn work(&mut self, event: EscrowEvent) {
        use {EscrowEvent as E, MilestoneStatus as M};
        let (E::Started { milestone }
        | E::Submitted { milestone, .. }
        | E::ReceiptConfirmed { milestone, .. }
        | E::ReceiptMissing { milestone }
        | E::RevisionRequested { milestone, .. }
        | E::DisputeOpened { milestone, .. }
        | E::DisputeSettled { milestone, .. }
        | E::DisputeClosed { milestone, .. }) = event
        else {
            return;
        };
        let clock = match &event {
            E::DisputeOpened { at, .. } => Some(self.clock(*at)),
            _ => None,
        };
        match &event {
            E::DisputeSettled { dispute, .. } => _ = self.past.insert(*dispute, true),
            E::DisputeClosed { dispute, .. } => _ = self.past.insert(*dispute, false),
            E::Submitted { .. } => self.cancel.clear(),
            _ => {}
        }
        let Some(of) = self.milestone_mut(milestone) else { return };
        match event {
            E::Started { .. } => of.status = M::InProgress,
            E::Submitted { evidence, at, .. } => {
                (of.status, of.evidence) = (M::Submitted, evidence);
                (of.look_at, of.missing_receipt) = (Some(at + seconds(of.inspection_s)), false);
            }
            E::ReceiptConfirmed { inspection_due, .. } => of.inspection_due = Some(inspection_due),
            E::ReceiptMissing { .. } => of.missing_receipt = true,
            E::RevisionRequested { round, due, .. } => {
                (of.status, of.round, of.due) = (M::InProgress, round, due);
                (of.inspection_due, of.look_at) = (None, None);
            }
            E::DisputeOpened { dispute, .. } => {
                of.dispute = clock.map(|opened_at| OpenDispute { id: dispute, opened_at });
            }
            E::DisputeSettled { .. } => (of.dispute, of.resolved) = (None, true),
            E::DisputeClosed { inspection_due, due, .. } => {
                let moved = due - of.due;
                (of.dispute, of.due) = (None, due);
                of.look_at = of.look_at.map(|at| at + moved);
                of.inspection_due = inspection_due;
            }
            _ => {}
        }
    }
}

fn add(to: &mut Money, amount: Money) {
    to.amount += amount.amount;
}

pub(super) fn seconds(of: u32) -> TimeDelta {
    TimeDelta::seconds(i64::from(of))
}
