//! Paying out: held money on its way to the seller, or back to the buyer.
//!
//! A fee was reckoned with the terms. Of a price that is released in parts, each part bears the fee of all that was
//! released so far, rounded once, less what was taken before: so the parts bear exactly the fee of the whole.

use chrono::{DateTime, Utc};

use super::event::{EscrowEvent as E, EscrowRefusal as No, RefundGround, Trigger};
use super::state::{Milestone, MilestoneStatus as M, Way};
use super::terms::{EscrowReason, Party};
use super::{Decided, Escrow};
use crate::ids::{AccountId, MilestoneId, MovementId};
use crate::money::Money;
use crate::pii::Pii;

impl Escrow {
    pub(super) fn approve(&self, by: AccountId, milestone: MilestoneId) -> Decided {
        self.buyer(by)?;
        if matches!(self.milestone(milestone)?.status, M::Released | M::Divided) {
            return Ok(vec![]);
        }
        let of = self.free(milestone)?;
        if of.status != M::Submitted {
            return Err(No::NotSubmitted);
        }
        if of.held().amount <= 0 {
            return Err(No::HeldTooSmall);
        }
        Ok(vec![E::Approved { milestone }, self.paid(of, of.held(), None, Trigger::Buyer)?])
    }

    pub(super) fn release(
        &self,
        by: AccountId,
        release: MovementId,
        milestone: MilestoneId,
        amount: Money,
    ) -> Decided {
        self.buyer(by)?;
        self.milestone(milestone)?;
        if let Some(known) = self.moved.get(&release) {
            return if *known == (Way::Release, milestone, amount) {
                Ok(vec![])
            } else {
                Err(No::MovementMismatch)
            };
        }
        let of = self.free(milestone)?;
        amount_in(of, amount)?;
        if of.status == M::Pending {
            return Err(No::Underfunded);
        }
        let left = of.amount.amount - of.priced.amount;
        let cash = amount.amount + of.fee_on(of.fee.buyer, amount.amount)?;
        if amount.amount > left || cash > of.held().amount {
            return Err(No::HeldTooSmall);
        }
        let gross = Money::new(cash, amount.currency);
        Ok(vec![self.paid_for(of, gross, amount.amount, Some(release), Trigger::Buyer)?])
    }

    /// Silence is acceptance, but only of what is known to have arrived.
    pub(super) fn release_by_time(&self, milestone: MilestoneId, at: DateTime<Utc>) -> Decided {
        if self.milestone(milestone)?.is_over() {
            return Ok(vec![]);
        }
        let of = self.free(milestone)?;
        if of.status != M::Submitted {
            return Err(No::NotSubmitted);
        }
        match of.inspection_due {
            None if of.look_at.is_none_or(|look_at| self.clock(at) < look_at) => Err(No::ReceiptNotConfirmed),
            None if of.missing_receipt => Ok(vec![]),
            None => Ok(vec![E::ReceiptMissing { milestone }]),
            Some(_) if !self.inspected(of, at) => Err(No::InspectionNotOver),
            Some(_) if of.held().amount <= 0 => Err(No::HeldTooSmall),
            Some(_) => Ok(vec![self.paid(of, of.held(), None, Trigger::Time)?]),
        }
    }

    pub(super) fn ask_for_refund(
        &self,
        by: AccountId,
        milestone: MilestoneId,
        amount: Money,
        reason: Option<Pii<EscrowReason>>,
    ) -> Decided {
        self.buyer(by)?;
        let of = self.free(milestone)?;
        amount_in(of, amount)?;
        if amount.amount > of.held().amount {
            return Err(No::HeldTooSmall);
        }
        Ok(vec![E::RefundRequested { milestone, amount, reason }])
    }

    pub(super) fn refund(
        &self,
        by: AccountId,
        refund: MovementId,
        milestone: MilestoneId,
        amount: Money,
        at: DateTime<Utc>,
    ) -> Decided {
        let party = self.party(by)?;
        self.milestone(milestone)?;
        if let Some(known) = self.moved.get(&refund) {
            return if *known == (Way::Refund, milestone, amount) {
                Ok(vec![])
            } else {
                Err(No::MovementMismatch)
            };
        }
        let of = self.free(milestone)?;
        amount_in(of, amount)?;
        let reason = match (party, of.status) {
            (Party::Seller, _) => RefundGround::SellerConsents,
            (Party::Buyer, M::Pending) => RefundGround::NotFunded,
            (Party::Buyer, M::Funded | M::InProgress) if self.clock(at) >= of.due + self.grace() => {
                RefundGround::WorkOverdue
            }
            (Party::Buyer, M::Submitted) => return Err(No::AlreadySubmitted),
            (Party::Buyer, _) => return Err(No::NotDue),
        };
        if amount.amount > of.held().amount {
            return Err(No::HeldTooSmall);
        }
        Ok(vec![self.repaid(of, amount, Some(refund), reason)])
    }

    pub(super) fn repaid(
        &self,
        of: &Milestone,
        amount: Money,
        refund: Option<MovementId>,
        reason: RefundGround,
    ) -> E {
        let held = Money::new(of.held().amount - amount.amount, amount.currency);
        let buyer = self.terms().map_or(AccountId::from_uuid(uuid::Uuid::nil()), |terms| terms.buyer);
        let (milestone, to) = (of.id(), self.repayments(of.id(), amount));
        E::MilestoneRefunded { buyer, milestone, refund, amount, reason, to, held }
    }

    /// This much of what is held leaves for the seller; it pays for as much of the price as it covers with its fee.
    pub(super) fn paid(
        &self,
        of: &Milestone,
        gross: Money,
        release: Option<MovementId>,
        trigger: Trigger,
    ) -> Result<E, No> {
        let (mut low, mut high) = (0, gross.amount.min(of.amount.amount - of.priced.amount));
        while low < high {
            let middle = high - (high - low) / 2;
            if middle + of.fee_on(of.fee.buyer, middle)? <= gross.amount {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        self.paid_for(of, gross, low, release, trigger)
    }

    fn paid_for(
        &self,
        of: &Milestone,
        gross: Money,
        priced: i64,
        release: Option<MovementId>,
        trigger: Trigger,
    ) -> Result<E, No> {
        let fee = of.fee_on(of.fee.buyer, priced)? + of.fee_on(of.fee.seller, priced)?;
        let money = |amount| Money::new(amount, gross.currency);
        Ok(E::FundsReleased {
            seller: self.terms().ok_or(No::Unknown)?.seller,
            milestone: of.id(),
            release,
            priced: money(priced),
            gross,
            fee: money(fee),
            net: money(gross.amount - fee),
            trigger,
            held: money(of.held().amount - gross.amount),
        })
    }
}

impl Milestone {
    /// What of a fee falls on the next part of the price.
    fn fee_on(&self, fee: Money, part: i64) -> Result<i64, No> {
        let upto = |priced| fee.share(priced, self.amount.amount).map_err(|_| No::OutOfRange);
        Ok(upto(self.priced.amount + part)?.amount - upto(self.priced.amount)?.amount)
    }
}

fn amount_in(of: &Milestone, amount: Money) -> Result<(), No> {
    if amount.currency != of.amount.currency {
        return Err(No::CurrencyMismatch);
    }
    if amount.amount <= 0 || !amount.is_in_range() { Err(No::InvalidAmount) } else { Ok(()) }
}
