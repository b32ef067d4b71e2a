//! State: what an order's rules need to remember of its history.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::balance::ByHand;
use super::{
    Basis, CarrierFact, Contents, Counters, FulfilledLine, FulfilmentStatus, Line, OrderRefusal as No,
    PaymentStatus, Phase, ReturnStatus, Settlement, Terms,
};
use crate::ids::{
    CartId, CustomerId, FulfilmentId, LineId, PaymentId, RefundId, ReservationId, ReturnId, StockId,
};
use crate::money::Money;

/// An order, as far as its rules need to remember it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Order {
    pub(super) phase: Option<Phase>,
    pub(super) customer: Option<CustomerId>,
    pub(super) reference: Option<String>,
    /// The draft, or the edit that is open.
    pub(super) contents: Option<Contents>,
    /// The payment under which the open edit is being settled.
    pub(super) settling: Option<PaymentId>,
    pub(super) agreed: Option<Agreed>,
}

/// What customer and seller agreed on, and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Agreed {
    pub settlement: Settlement,
    pub number: Option<String>,
    pub cart: Option<CartId>,
    pub expires_at: Option<chrono::DateTime<chrono::Utc>>,
    pub basis: Option<Basis>,
    pub terms: Terms,
    pub counters: BTreeMap<LineId, Counters>,
    /// What of each line's amount is taken back: cancelled or returned.
    pub credited: BTreeMap<LineId, Money>,
    /// The same of the whole order.
    pub total_credited: Money,
    /// What this order has asked to be given back by itself.
    pub given_back: Money,
    /// The same by payment.
    pub given_back_of: BTreeMap<PaymentId, Money>,
    pub reservations: BTreeMap<LineId, Vec<Reserved>>,
    pub payments: BTreeMap<PaymentId, Paid>,
    /// What refunds have paid out.
    pub refunds: BTreeMap<RefundId, PaidOut>,
    /// Refunds of what was taken for what came to nothing.
    pub undone: BTreeSet<RefundId>,
    /// What persons have asked to be given back.
    pub by_hand: BTreeMap<RefundId, ByHand>,
    pub fulfilments: BTreeMap<FulfilmentId, Fulfilment>,
    pub returns: BTreeMap<ReturnId, Vec<Returning>>,
    pub carrier: Vec<CarrierFact>,
}

/// A reservation, and how much of it is still there (it stays known when nothing is).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Reserved {
    pub stock: StockId,
    pub reservation: ReservationId,
    pub quantity: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Paid {
    pub authorised: Money,
    pub captured: Money,
    /// How many payments the order knew before it: the first pays back first.
    pub after: usize,
}

/// A refund that has left.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct PaidOut {
    pub payment: PaymentId,
    #[serde(flatten)]
    pub money: Money,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Fulfilment {
    pub lines: Vec<FulfilledLine>,
    pub overridden: bool,
    pub stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stage {
    Packed,
    Cancelled,
    Shipped,
    Delivered,
    /// Lost, or come back.
    Gone,
}

/// What of a line is to come back in a return.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Returning {
    pub line: LineId,
    pub requested: u32,
    pub open: u32,
}

impl Order {
    /// Where it stands; none if there is no such order.
    #[must_use]
    pub const fn phase(&self) -> Option<Phase> {
        self.phase
    }

    /// What is being ordered: of a draft, or of an edit that is open.
    #[must_use]
    pub const fn contents(&self) -> Option<&Contents> {
        self.contents.as_ref()
    }

    /// The payment under which its open edit is being settled, if it is.
    #[must_use]
    pub const fn settling(&self) -> Option<PaymentId> {
        self.settling
    }

    /// What was agreed, once it is placed.
    #[must_use]
    pub fn terms(&self) -> Option<&Terms> {
        self.agreed.as_ref().map(|agreed| &agreed.terms)
    }

    /// What it comes to now: the draft or the open edit, else what was agreed.
    ///
    /// # Errors
    /// The refusal that placing it would meet.
    pub fn totals(&self) -> Result<Terms, No> {
        match (&self.contents, &self.agreed) {
            (Some(contents), _) => contents.terms(),
            (None, Some(agreed)) => Ok(agreed.terms.clone()),
            (None, None) => Err(No::Unknown),
        }
    }

    /// What became of a line's units.
    #[must_use]
    pub fn counters(&self, line: LineId) -> Option<Counters> {
        self.agreed.as_ref().and_then(|agreed| agreed.counters.get(&line).copied())
    }

    /// What became of all units.
    #[must_use]
    pub fn units(&self) -> Counters {
        self.agreed.as_ref().map_or_else(Counters::default, Agreed::units)
    }

    #[must_use]
    pub fn payment_status(&self) -> PaymentStatus {
        self.agreed.as_ref().map_or(PaymentStatus::None, |agreed| {
            PaymentStatus::of(agreed.due(), agreed.authorised(), agreed.captured(), agreed.refunded())
        })
    }

    #[must_use]
    pub fn fulfilment_status(&self) -> FulfilmentStatus {
        FulfilmentStatus::of(self.units())
    }

    #[must_use]
    pub fn return_status(&self) -> ReturnStatus {
        ReturnStatus::of(self.units())
    }

    /// The order once it is placed, whatever became of it.
    pub(super) fn agreed(&self) -> Result<(Phase, &Agreed), No> {
        match (self.phase, &self.agreed) {
            (None, _) => Err(No::Unknown),
            (Some(Phase::Cancelled), None) => Err(No::Cancelled),
            (Some(phase), Some(agreed)) => Ok((phase, agreed)),
            (Some(_), None) => Err(No::NotPlaced),
        }
    }

    /// The order as long as it is confirmed and nothing closed it.
    pub(super) fn confirmed(&self) -> Result<&Agreed, No> {
        match self.agreed()? {
            (Phase::Confirmed | Phase::Completed, agreed) => Ok(agreed),
            (Phase::Cancelled, _) => Err(No::Cancelled),
            (Phase::Expired, _) => Err(No::Expired),
            (Phase::Draft | Phase::Placed, _) => Err(No::NotConfirmed),
        }
    }

    pub(super) fn is_being_edited(&self) -> bool {
        self.phase == Some(Phase::Confirmed) && self.contents.is_some()
    }
}

impl Agreed {
    pub(super) fn line(&self, line: LineId) -> Result<(&Line, Counters), No> {
        let counters = self.counters.get(&line).copied().unwrap_or_default();
        let line = self.terms.lines.iter().find(|of| of.line == line).ok_or(No::UnknownLine(line))?;
        Ok((line, counters))
    }

    pub(super) fn units(&self) -> Counters {
        self.counters.values().copied().fold(Counters::default(), Counters::plus)
    }

    pub(super) fn nothing(&self) -> Money {
        Money::zero(self.terms.total.currency)
    }

    /// The total without what was cancelled or returned.
    pub(super) fn due(&self) -> Money {
        less(self.terms.total, self.total_credited)
    }

    pub(super) fn authorised(&self) -> Money {
        self.sum(self.payments.values().map(|paid| paid.authorised))
    }

    pub(super) fn captured(&self) -> Money {
        self.sum(self.payments.values().map(|paid| paid.captured))
    }

    pub(super) fn refunded(&self) -> Money {
        self.sum(self.refunds.values().map(|refund| refund.money))
    }

    pub(super) fn sum(&self, amounts: impl IntoIterator<Item = Money>) -> Money {
        amounts.into_iter().fold(self.nothing(), more)
    }

    pub(super) fn reserved_for(&self, line: LineId) -> &[Reserved] {
        self.reservations.get(&line).map_or(&[], Vec::as_slice)
    }

    /// Units of a line that are reserved and have not left.
    pub(super) fn reserved(&self, line: LineId) -> u64 {
        self.reserved_for(line).iter().map(|held| u64::from(held.quantity)).sum()
    }
}

/// A sum of amounts that were each checked when they were decided.
pub(super) fn more(sum: Money, more: Money) -> Money {
    Money { amount: sum.amount.saturating_add(more.amount), ..sum }
}

/// A difference of amounts that were each checked when they were decided.
pub(super) fn less(sum: Money, less: Money) -> Money {
    Money { amount: sum.amount.saturating_sub(less.amount), ..sum }
}
