//! Editing: a confirmed order's contents are changed before anything of it is fulfilled or cancelled.
//!
//! While the edit is open the order is drafted again and nothing is fulfilled. It holds once what it costs more
//! is paid and what it takes more from stock is reserved; what it costs less is given back. Where it is said how, a
//! checkout of its own sees to both: until that is through the edit is settling and cannot be changed, and what fails
//! leaves the order as it was and the edit open.

use super::balance::{at_most, not_negative};
use super::refusal::optional;
use super::state::{Agreed, less};
use super::{
    Balance, Basis, Line, Order, OrderEvent as E, OrderRefusal as No, Phase, ReservedLine, ReservedUnits,
    Settling, Terms, Unsettled, WantedUnits,
};
use crate::ids::PaymentId;
use crate::money::Money;

type Decided = Result<Vec<E>, No>;

impl Order {
    pub(super) fn begin_edit(&self) -> Decided {
        let agreed = self.confirmed()?;
        let all = agreed.units();
        match self.phase {
            Some(Phase::Completed) => Err(No::Completed),
            _ if self.contents.is_some() => Ok(vec![]),
            _ if all.fulfilled + all.lost + all.came_back > 0 => Err(No::AlreadyFulfilled),
            _ if all.cancelled > 0 => Err(No::LinesCancelled),
            _ => Ok(vec![E::EditBegun]),
        }
    }

    pub(super) fn confirm_edit(&self, totals_hash: Option<&str>, settling: Option<Settling>) -> Decided {
        let agreed = self.confirmed()?;
        let Some(contents) = &self.contents else { return Err(No::NotEditing) };
        let terms = contents.terms()?;
        if totals_hash.is_some_and(|theirs| theirs != terms.totals_hash) {
            return Err(No::TotalsChanged(terms.totals_hash));
        }
        if self.settling.is_some() {
            return Ok(vec![]);
        }
        let amount = agreed.owing(terms.total);
        let lacking = terms.lines.iter().find(|line| agreed.lacks(line) > 0);
        match (settling, lacking) {
            (_, None) if amount.is_zero() => self.edit_confirmed(terms, agreed.nothing()),
            (Some(settling), _) if amount.is_zero() || settling.payment_method.is_some() => {
                self.settle(agreed, &terms, amount, settling)
            }
            (_, Some(line)) if amount.is_zero() => Err(No::NotReserved(line.line)),
            _ => {
                let Balance { owed, held, .. } = agreed.balance_with(terms.total);
                Err(No::EditDifferenceUnpaid { owed, held })
            }
        }
    }

    /// Has a payment of its own and reservations asked for, under which the edit will hold.
    fn settle(&self, agreed: &Agreed, terms: &Terms, amount: Money, settling: Settling) -> Decided {
        let Settling { payment, payment_method, expires_at } = settling;
        optional("the payment method", payment_method.as_deref(), 64)?;
        let payment_method = payment_method.filter(|_| !amount.is_zero());
        let wanted = |line: &Line| match u32::try_from(agreed.lacks(line)) {
            Ok(quantity) if quantity > 0 => {
                WantedUnits { line: line.line, stock: line.stock.clone(), quantity }
            }
            _ => WantedUnits { line: line.line, stock: None, quantity: line.quantity },
        };
        Ok(vec![E::EditSettlementBegun {
            payment,
            customer: self.customer.ok_or(No::Unknown)?,
            amount,
            payment_method,
            lines: terms.lines.iter().map(wanted).collect(),
            totals_hash: terms.totals_hash.clone(),
            expires_at,
        }])
    }

    /// With what was just paid for it: by now that may be more than is owed.
    fn edit_confirmed(&self, terms: Terms, paid: Money) -> Decided {
        let agreed = self.confirmed()?;
        let delta = terms.total.minus(agreed.terms.total)?;
        let saved = Money { amount: delta.amount.saturating_neg(), ..delta };
        let refund = at_most(agreed.balance_with(terms.total).over(), not_negative(saved).plus(paid)?);
        let (released, shares) = (self.surplus(&terms), agreed.shares(refund));
        Ok(vec![E::EditConfirmed { delta, refund, shares, released, terms: Box::new(terms) }])
    }

    /// Money and goods are there: the order takes them in and the edit holds, or none of it.
    pub(super) fn complete_edit(
        &self,
        payment: PaymentId,
        captured: Option<Money>,
        reserved: &[ReservedLine],
    ) -> Decided {
        self.confirmed()?;
        if self.settling != Some(payment) {
            return Err(No::NotSettling);
        }
        let mut events = Vec::new();
        for &ReservedLine { line, reservation, quantity } in reserved {
            events.extend(self.record_reservation(line, reservation, quantity)?);
        }
        if let Some(captured) = captured {
            events.extend(self.record_payment(payment, captured, captured)?);
        }
        let mut then = self.clone();
        events.iter().cloned().for_each(|event| then.take_in(event));
        then.settling = None;
        let mut confirmed = then.confirm_edit(None, None)?;
        if let (Some(paid), Some(contents)) = (captured, &then.contents) {
            confirmed = then.edit_confirmed(contents.terms()?, paid)?;
        }
        events.append(&mut confirmed);
        Ok(events)
    }

    pub(super) fn end_edit_settlement(&self, payment: PaymentId, reason: Unsettled) -> Decided {
        self.agreed()?;
        if self.settling != Some(payment) {
            return Ok(vec![]);
        }
        Ok(vec![E::EditSettlementEnded { payment, reason }])
    }

    /// What ends a settlement that is not wanted any more.
    pub(super) fn settlement_withdrawn(&self) -> Option<E> {
        let reason = Unsettled::Withdrawn;
        self.settling.map(|payment| E::EditSettlementEnded { payment, reason })
    }

    pub(super) fn abandon_edit(&self) -> Decided {
        let agreed = self.confirmed()?;
        if self.contents.is_none() {
            return Ok(vec![]);
        }
        let abandoned = E::EditAbandoned { released: self.surplus(&agreed.terms) };
        Ok(self.settlement_withdrawn().into_iter().chain([abandoned]).collect())
    }

    /// What is reserved beyond what such terms need.
    fn surplus(&self, terms: &Terms) -> Vec<ReservedUnits> {
        let Some(agreed) = &self.agreed else { return vec![] };
        let needed = |line| {
            let of = terms.lines.iter().find(|of| of.line == line);
            of.map_or(0, |of| u64::from(of.quantity))
        };
        agreed.reservations.keys().flat_map(|&line| agreed.released(line, needed(line))).collect()
    }
}

impl Agreed {
    /// What would be left to be paid of such a total.
    fn owing(&self, total: Money) -> Money {
        let Balance { owed, held, given_back, given_away } = self.balance_with(total);
        let there = match self.basis {
            _ if self.is_on_credit() => owed,
            Some(Basis::Authorised) => less(less(self.authorised(), given_back), given_away),
            _ => held,
        };
        not_negative(less(owed, there))
    }

    /// How many units of a line are still to be reserved.
    fn lacks(&self, line: &Line) -> u64 {
        let reserved = self.reserved(line.line);
        line.stock.as_ref().map_or(0, |_| u64::from(line.quantity).saturating_sub(reserved))
    }
}

#[cfg(test)]
mod tests;
