//! Escrow: one party's money, held until both parties or a resolver say whose it is.
//!
//! Both sign the same digest of the exact terms. What came in for a milestone is held, or was released, taken as a fee,
//! refunded or charged back; the five are always the whole. A dispute of a milestone locks its money, a charge-back
//! freezes what it covers, and silence counts as acceptance only where the work is known to have arrived.
//! Repeating a request that already took effect decides nothing; what is closed stays closed, and money that comes for
//! it is said to be due back.

mod agreeing;
mod disputing;
mod event;
mod funding;
mod options;
mod paying;
mod state;
mod terms;
mod working;

#[cfg(test)]
mod pinned;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};

pub use self::event::{
    Basis, Deadline, EscrowCommand, EscrowEvent, EscrowRefusal, Evidence, Incoming, Outcome, Part, Receipt,
    RefundGround, Repayment, Source, Trigger,
};
pub use self::options::{Action, Choice};
pub use self::state::{Escrow, EscrowStatus, Milestone, MilestoneStatus};
pub use self::terms::{
    EscrowReason, Fee, FeePayer, FundingMode, Intervals, LONGEST, MOST_MILESTONES, MilestoneFee,
    MilestoneTerms, MilestoneTitle, Party, Terms, TermsText,
};
use crate::ids::{AccountId, EscrowId, MilestoneId};
use crate::kernel::Decider;
use crate::money::Money;
use crate::sourced;

type Decided = Result<Vec<EscrowEvent>, EscrowRefusal>;

impl Decider for Escrow {
    const NAME: &'static str = "finance.escrow";
    type Id = EscrowId;
    type Command = EscrowCommand;
    type Event = EscrowEvent;
    type Refusal = EscrowRefusal;

    /// What is due at the command's time comes first, and what follows from the last movement last.
    fn decide(&self, command: EscrowCommand) -> Decided {
        let mut events = self.resumed_by(at(&command));
        let mut after = self.after(&events);
        let decided = after.answer(command)?;
        after = after.after(&decided);
        events.extend(decided);
        events.extend(after.completed());
        Ok(events)
    }

    fn evolve(&mut self, event: EscrowEvent) {
        self.take(event);
    }
}

/// When it is asked, where that matters.
fn at(command: &EscrowCommand) -> Option<DateTime<Utc>> {
    use EscrowCommand as C;
    match command {
        C::Draft { .. }
        | C::RecordReversal { .. }
        | C::RecordReversalWon { .. }
        | C::RecordReversalLost { .. } => None,
        C::RecordFunding(Incoming { at, .. })
        | C::Amend { at, .. }
        | C::Propose { at, .. }
        | C::Agree { at, .. }
        | C::Cancel { at, .. }
        | C::Expire { at }
        | C::Start { at, .. }
        | C::Submit { at, .. }
        | C::ConfirmReceipt { at, .. }
        | C::RequestRevision { at, .. }
        | C::Approve { at, .. }
        | C::Release { at, .. }
        | C::AutoRelease { at, .. }
        | C::RequestRefund { at, .. }
        | C::Refund { at, .. }
        | C::OpenDispute { at, .. }
        | C::SettleDispute { at, .. }
        | C::CloseDispute { at, .. }
        | C::ProposePause { at, .. }
        | C::AgreePause { at, .. }
        | C::Resume { at, .. } => Some(*at),
    }
}

impl Escrow {
    fn after(&self, events: &[EscrowEvent]) -> Self {
        let mut after = self.clone();
        events.iter().cloned().for_each(|event| after.take(event));
        after
    }

    fn answer(&self, command: EscrowCommand) -> Decided {
        use EscrowCommand as C;
        match command {
            C::Draft { by, terms } => self.draft(by, terms),
            _ if self.status.is_none() => Err(EscrowRefusal::Unknown),
            C::Amend { by, terms, at: _ } => self.amend(by, terms),
            C::Propose { by, at } => self.propose(by, at),
            C::Agree { by, terms_hash, at } => self.agree(by, &terms_hash, at),
            C::Cancel { by, .. } => self.cancel(by),
            C::Expire { at } => self.expire(at),
            C::RecordFunding(incoming) => self.fund(incoming),
            C::RecordReversal { funding, reference, amount } => self.charge_back(funding, reference, amount),
            C::RecordReversalWon { funding, reference } => self.reversal_over(funding, reference, true),
            C::RecordReversalLost { funding, reference } => self.reversal_over(funding, reference, false),
            C::Start { by, milestone, .. } => self.start(by, milestone),
            C::Submit { by, milestone, evidence, at } => self.submit(by, milestone, evidence, at),
            C::ConfirmReceipt { milestone, receipt, at } => self.receive(milestone, receipt, at),
            C::RequestRevision { by, milestone, reason, at } => self.revise(by, milestone, reason, at),
            C::Approve { by, milestone, .. } => self.approve(by, milestone),
            C::Release { by, release, milestone, amount, .. } => self.release(by, release, milestone, amount),
            C::AutoRelease { milestone, at } => self.release_by_time(milestone, at),
            C::RequestRefund { by, milestone, amount, reason, .. } => {
                self.ask_for_refund(by, milestone, amount, reason)
            }
            C::Refund { by, refund, milestone, amount, at } => self.refund(by, refund, milestone, amount, at),
            C::OpenDispute { by, dispute, milestone, reason, at } => {
                self.open_dispute(by, dispute, milestone, reason, at)
            }
            C::SettleDispute { dispute, to_buyer, to_seller, basis, .. } => {
                self.settle_dispute(dispute, to_buyer, to_seller, basis)
            }
            C::CloseDispute { dispute, at } => self.close_dispute(dispute, at),
            C::ProposePause { by, until, at } => self.propose_pause(by, until, at),
            C::AgreePause { by, until, at } => self.agree_pause(by, until, at),
            C::Resume { by, at } => self.resume(by, at),
        }
    }

    fn party(&self, by: AccountId) -> Result<Party, EscrowRefusal> {
        self.terms().and_then(|terms| terms.party(by)).ok_or(EscrowRefusal::NotParty)
    }

    fn buyer(&self, by: AccountId) -> Result<(), EscrowRefusal> {
        if self.party(by)? == Party::Buyer { Ok(()) } else { Err(EscrowRefusal::NotBuyer) }
    }

    fn seller(&self, by: AccountId) -> Result<(), EscrowRefusal> {
        if self.party(by)? == Party::Seller { Ok(()) } else { Err(EscrowRefusal::NotSeller) }
    }

    fn milestone(&self, id: MilestoneId) -> Result<&Milestone, EscrowRefusal> {
        self.milestones.iter().find(|of| of.id() == id).ok_or(EscrowRefusal::UnknownMilestone)
    }

    /// A milestone whose money may move: nothing disputes it, nothing freezes it.
    fn free(&self, id: MilestoneId) -> Result<&Milestone, EscrowRefusal> {
        let of = self.milestone(id)?;
        if of.dispute.is_some() {
            return Err(EscrowRefusal::DisputeOpen);
        }
        if of.is_over() {
            return Err(EscrowRefusal::MilestoneOver);
        }
        if self.status == Some(EscrowStatus::Closed) {
            return Err(EscrowRefusal::Closed);
        }
        if self.is_frozen(id) { Err(EscrowRefusal::Frozen) } else { Ok(of) }
    }

    fn works(&self) -> Result<(), EscrowRefusal> {
        match self.status {
            Some(EscrowStatus::Active) if self.pause.is_some() => Err(EscrowRefusal::Paused),
            Some(EscrowStatus::Active) => Ok(()),
            Some(EscrowStatus::Closed) => Err(EscrowRefusal::Closed),
            Some(EscrowStatus::Agreed) => Err(EscrowRefusal::Underfunded),
            _ => Err(EscrowRefusal::NotAgreed),
        }
    }

    /// Closes it once all milestones are over.
    fn completed(&self) -> Option<EscrowEvent> {
        let open = self.status == Some(EscrowStatus::Active);
        (open && self.milestones.iter().all(Milestone::is_over)).then(|| self.closing())
    }

    fn closing(&self) -> EscrowEvent {
        let sum = |of: fn(&Milestone) -> Money| {
            let currency = self.terms().map_or(crate::money::Currency::USD, |terms| terms.total.currency);
            Money::new(self.milestones.iter().map(|milestone| of(milestone).amount).sum(), currency)
        };
        let (released, fees, refunded) = (sum(|of| of.released), sum(|of| of.fees), sum(|of| of.refunded));
        let paid = released.amount + fees.amount > 0;
        let outcome = match (paid, refunded.amount > 0) {
            (false, false) => Outcome::Cancelled,
            (false, true) => Outcome::Refunded,
            (true, false) if self.milestones.iter().all(Milestone::is_over) => Outcome::Completed,
            (true, _) => Outcome::Mixed,
        };
        EscrowEvent::Closed { outcome, released, fees, refunded, reversed: sum(|of| of.reversed) }
    }
}

sourced!(Escrow, EscrowEvent);
