//! Next: what is due, by the state alone. Each request moves the state on, so it is due once.

use super::state::{Leg, Order, Payment, Stage};
use super::{Basis, Beginning, Case, Checkout, CheckoutEvent as E, ClosingReason, Units};
use crate::money::Money;

impl Checkout {
    /// What is due now.
    pub(super) fn next(&self) -> Vec<E> {
        match (&self.terms, self.closing) {
            (Some(terms), Some(reason)) => self.undo(terms, reason),
            (Some(_), None) if self.is_completed() => vec![],
            (Some(terms), None) => match self.failure(terms) {
                Some(reason) => vec![E::Closing { order: terms.order, reason }],
                None => self.forward(terms),
            },
            (None, _) => vec![],
        }
    }

    /// Why it cannot succeed any more.
    fn failure(&self, terms: &Beginning) -> Option<ClosingReason> {
        let short = |paid: Option<Money>| {
            paid.is_some_and(|paid| paid.currency != terms.total.currency || paid.amount < terms.total.amount)
        };
        let is_lost = self.any(Stage::Lost);
        match (self.order, self.payment) {
            (Order::Closed, _) => Some(ClosingReason::OrderClosed),
            (Order::ConfirmRefused, _) => Some(ClosingReason::NotConfirmed),
            _ if self.any(Stage::Refused) => Some(ClosingReason::OutOfStock),
            (_, Payment::Declined | Payment::Voided | Payment::CaptureFailed) => {
                Some(ClosingReason::PaymentFailed)
            }
            _ if short(self.authorised) || short(self.captured) => Some(ClosingReason::PaymentFailed),
            (_, Payment::Authorised | Payment::Captured) if is_lost => Some(ClosingReason::OutOfStock),
            _ if is_lost && terms.total.is_zero() => Some(ClosingReason::OutOfStock),
            _ if is_lost => Some(ClosingReason::PaymentFailed),
            _ => None,
        }
    }

    fn forward(&self, terms: &Beginning) -> Vec<E> {
        let order = terms.order;
        let expires_at = terms.reservation_expires_at;
        let wanted = self.units(Stage::Wanted);
        if !wanted.is_empty() {
            let request = |units| E::ReservationRequested { order, units, expires_at };
            return wanted.into_iter().map(request).collect();
        }
        if self.any(Stage::Requested) {
            return vec![];
        }
        let free = terms.total.is_zero();
        let money_is_there = matches!(self.payment, Payment::Authorised | Payment::Captured);
        if !free && self.payment == Payment::Idle {
            return vec![self.authorisation(terms)];
        }
        let reserved = self.units(Stage::Reserved);
        if (free || money_is_there) && !reserved.is_empty() {
            return reserved.into_iter().map(|units| E::CommitRequested { order, units }).collect();
        }
        if self.any(Stage::Committing) {
            return vec![];
        }
        match self.payment {
            Payment::Authorised => {
                vec![E::CaptureRequested { order, payment: terms.payment, amount: terms.total }]
            }
            _ if !free && self.payment != Payment::Captured => vec![],
            _ if self.order != Order::Placed => vec![],
            _ if self.cases.contains(&(Case::ConfirmedElsewhere, None)) => vec![E::Completed { order }],
            _ => vec![self.confirmation(terms)],
        }
    }

    fn authorisation(&self, terms: &Beginning) -> E {
        E::AuthorisationRequested {
            order: terms.order,
            customer: terms.customer,
            payment: terms.payment,
            amount: terms.total,
            method: terms.payment_method.clone(),
            attempt: self.attempts.saturating_add(1),
            expires_at: terms.expires_at,
        }
    }

    fn confirmation(&self, terms: &Beginning) -> E {
        E::ConfirmRequested {
            order: terms.order,
            basis: match self.captured {
                Some(_) => Basis::Captured,
                None if terms.on_credit => Basis::CreditTerms,
                None => Basis::Free,
            },
            payment: self.captured.map(|_| terms.payment),
            captured: self.captured.unwrap_or(Money::zero(terms.total.currency)),
            reserved: self.units(Stage::Committed),
        }
    }

    /// Whatever is held is let go, whenever it turns up.
    fn undo(&self, terms: &Beginning, reason: ClosingReason) -> Vec<E> {
        let (order, payment) = (terms.order, terms.payment);
        let mut due = Vec::new();
        if !matches!(self.order, Order::Closing | Order::Closed | Order::Confirmed) {
            due.push(match reason {
                ClosingReason::Expired => E::ExpireRequested { order, at: terms.expires_at },
                reason => E::CancelRequested { order, reason },
            });
        }
        for (stage, committed) in [(Stage::Reserved, false), (Stage::Committed, true)] {
            let release = |units| E::ReleaseRequested { order, units, committed };
            due.extend(self.units(stage).into_iter().map(release));
        }
        match self.payment {
            Payment::Authorised | Payment::CaptureFailed => {
                let amount = self.authorised.unwrap_or(terms.total);
                due.push(E::VoidRequested { order, payment, amount });
            }
            Payment::Captured => {
                let (refund, amount) = (terms.refund, self.captured.unwrap_or(terms.total));
                due.push(E::RefundRequested { order, payment, refund, amount, reason });
            }
            _ => {}
        }
        if due.is_empty() && !self.closed && self.holds_nothing() {
            due.push(E::Closed { order, reason });
        }
        due
    }

    /// Nothing is reserved, no money is held, and no answer is awaited that could bring either.
    fn holds_nothing(&self) -> bool {
        let leg_is_over =
            |leg: &Leg| matches!(leg.stage, Stage::Wanted | Stage::Refused | Stage::Lost | Stage::Released);
        let payment_is_over = matches!(
            self.payment,
            Payment::Idle | Payment::Waiting | Payment::Declined | Payment::Voided | Payment::Refunded
        );
        self.order == Order::Closed && payment_is_over && self.legs.values().all(leg_is_over)
    }

    fn any(&self, stage: Stage) -> bool {
        self.legs.values().any(|leg| leg.stage == stage)
    }

    fn units(&self, stage: Stage) -> Vec<Units> {
        self.legs.values().filter(|leg| leg.stage == stage).map(|leg| leg.units.clone()).collect()
    }
}
