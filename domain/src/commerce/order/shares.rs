//! Shares: an order that was paid in several payments gives back from each no more than it brought.
//!
//! What an order gives back by itself is taken from its payments in the order in which it learned of them. Which ones,
//! its events say where the order has more than one; else it is the order's first, whose id follows from the order's.

use serde::{Deserialize, Serialize};

use super::balance::{at_most, not_negative};
use super::state::{Agreed, less};
use super::{Order, OrderEvent as E, OrderRefusal as No, Settlement};
use crate::ids::{PaymentId, RefundId};
use crate::money::Money;

/// The part of a refund that one payment pays back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    pub payment: PaymentId,
    pub amount: Money,
}

impl Order {
    /// The order learns of such money and of its going in the same moment: it is never held.
    pub(super) fn undo_payment(
        &self,
        payment: PaymentId,
        refund: RefundId,
        amount: Money,
    ) -> Result<Vec<E>, No> {
        let (_, agreed) = self.agreed()?;
        if agreed.undone.contains(&refund) {
            return Ok(vec![]);
        }
        let before = agreed.payments.get(&payment).map_or(agreed.nothing(), |paid| paid.captured);
        let captured = before.plus(amount)?;
        let mut events = self.record_payment(payment, captured, captured)?;
        events.push(E::PaymentUndone { payment, refund, amount });
        Ok(events)
    }
}

impl Agreed {
    /// What the order gives back by itself: asked for and under way, or paid out.
    ///
    /// Refunds that were paid out and never asked for here are those of the order itself, or older than asking.
    pub(super) fn own_refunds(&self) -> Money {
        self.sum(self.payments.keys().map(|&payment| self.own_refunds_of(payment)))
    }

    fn own_refunds_of(&self, payment: PaymentId) -> Money {
        let paid_out =
            self.refunds.iter().filter(|(id, of)| of.payment == payment && !self.by_hand.contains_key(id));
        let paid_out = self.sum(paid_out.map(|(_, of)| of.money));
        let asked = self.given_back_of.get(&payment).copied().unwrap_or(self.nothing());
        Money { amount: asked.amount.max(paid_out.amount), ..asked }
    }

    /// What of a payment is neither given back nor on its way.
    pub(super) fn left_of(&self, payment: PaymentId) -> Money {
        let Some(paid) = self.payments.get(&payment) else { return self.nothing() };
        let by_hand = self.by_hand.values().filter(|of| !of.ended && of.payment == payment);
        let by_hand = self.sum(by_hand.map(|of| of.amount));
        not_negative(less(less(paid.captured, self.own_refunds_of(payment)), by_hand))
    }

    /// Which payments an amount is given back from, where that has to be said.
    pub(super) fn shares(&self, refund: Money) -> Vec<Share> {
        // What was marked as paid was so under an id of its own.
        if self.payments.len() < 2 && self.settlement != Settlement::CreditTerms {
            return vec![];
        }
        let mut payments: Vec<_> = self.payments.iter().collect();
        payments.sort_by_key(|(_, paid)| paid.after);
        let mut rest = refund;
        let mut shares = Vec::new();
        for (&payment, _) in payments {
            let amount = at_most(self.left_of(payment), rest);
            if amount.amount > 0 {
                rest = less(rest, amount);
                shares.push(Share { payment, amount });
            }
        }
        shares
    }

    /// Counts what the order asks to be given back by itself.
    pub(super) fn give_back(&mut self, refund: Money, shares: &[Share]) {
        let only = self.payments.keys().next().map(|&payment| Share { payment, amount: refund });
        for Share { payment, amount } in if shares.is_empty() { only.as_slice() } else { shares } {
            let nothing = Money::zero(amount.currency);
            let of = self.given_back_of.entry(*payment).or_insert(nothing);
            *of = super::state::more(*of, *amount);
        }
        self.given_back = super::state::more(self.given_back, refund);
    }
}
