//! Evolving: how an order takes in what has happened to it.

use std::collections::{BTreeMap, BTreeSet};

use super::balance::ByHand;
use super::state::{Agreed, Fulfilment, Paid, PaidOut, Reserved, Returning, Stage, less, more};
use super::{
    CarrierFact, Condition, Contents, Counters, Line, Observed, Order, OrderEvent, Phase, Placed,
    ReservedUnits, Share, Terms, Units,
};
use crate::ids::{FulfilmentId, LineId, PaymentId};
use crate::money::Money;

impl Order {
    pub(super) fn take_in(&mut self, event: OrderEvent) {
        use OrderEvent as E;
        match event {
            E::DraftCreated { customer, currency, reference } => {
                self.phase = Some(Phase::Draft);
                (self.customer, self.reference) = (Some(customer), reference);
                self.contents = Some(Contents::new(currency));
            }
            E::Placed(placed) => self.take_in_placed(*placed),
            E::Confirmed { basis, .. } => {
                self.phase = Some(Phase::Confirmed);
                if let Some(agreed) = &mut self.agreed {
                    agreed.basis = Some(basis);
                }
            }
            E::Completed => self.phase = Some(Phase::Completed),
            E::Cancelled { lines, refund, shares, released, .. } => {
                (self.phase, self.contents, self.settling) = (Some(Phase::Cancelled), None, None);
                if let Some(agreed) = &mut self.agreed {
                    let units = lines.into_iter().map(|line| (line.line, line.quantity, line.amount));
                    agreed.cancelled(units, (refund, &shares), &released);
                    agreed.total_credited = agreed.terms.total;
                }
            }
            E::Expired { refund, shares, released, .. } => {
                self.phase = Some(Phase::Expired);
                if let Some(agreed) = &mut self.agreed {
                    agreed.cancelled(std::iter::empty(), (refund, &shares), &released);
                    agreed.total_credited = agreed.terms.total;
                }
            }
            E::EditBegun => self.contents = self.agreed.as_ref().map(|agreed| agreed.terms.contents()),
            E::EditSettlementBegun { payment, .. } => self.settling = Some(payment),
            E::EditSettlementEnded { .. } => self.settling = None,
            E::EditConfirmed { refund, shares, released, terms, .. } => {
                (self.contents, self.settling) = (None, None);
                if let Some(agreed) = &mut self.agreed {
                    agreed.edited(*terms, (refund, &shares), &released);
                }
            }
            E::EditAbandoned { released } => {
                self.contents = None;
                if let Some(agreed) = &mut self.agreed {
                    agreed.take(&released);
                }
            }
            E::LineAdded(_)
            | E::QuantitySet { .. }
            | E::LineRemoved { .. }
            | E::DiscountApplied(_)
            | E::ShippingSet(_)
            | E::TaxSet { .. } => {
                if let Some(contents) = &mut self.contents {
                    contents.take_in(event);
                }
            }
            event => {
                if let Some(agreed) = &mut self.agreed {
                    agreed.take_in(event);
                }
            }
        }
    }

    fn take_in_placed(&mut self, placed: Placed) {
        let Placed { customer, reference, cart, settlement, expires_at, terms, .. } = placed;
        self.phase = Some(Phase::Placed);
        (self.customer, self.reference) = (Some(customer), reference);
        self.contents = None;
        let nothing = Money::zero(terms.total.currency);
        self.agreed = Some(Agreed {
            settlement,
            number: None,
            cart,
            expires_at,
            basis: None,
            counters: counters_of(&terms),
            terms,
            credited: BTreeMap::new(),
            total_credited: nothing,
            given_back: nothing,
            given_back_of: BTreeMap::new(),
            reservations: BTreeMap::new(),
            payments: BTreeMap::new(),
            refunds: BTreeMap::new(),
            undone: BTreeSet::new(),
            by_hand: BTreeMap::new(),
            fulfilments: BTreeMap::new(),
            returns: BTreeMap::new(),
            carrier: Vec::new(),
        });
    }
}

fn counters_of(terms: &Terms) -> BTreeMap<LineId, Counters> {
    let ordered =
        |line: &Line| (line.line, Counters { ordered: u64::from(line.quantity), ..Counters::default() });
    terms.lines.iter().map(ordered).collect()
}

impl Agreed {
    fn take_in(&mut self, event: OrderEvent) {
        use OrderEvent as E;
        match event {
            E::Numbered { number } => self.number = Some(number),
            E::StockReserved { line, stock, reservation, quantity }
            | E::LateObservation { observed: Observed::Reserved { line, stock, reservation, quantity } } => {
                self.reservations.entry(line).or_default().push(Reserved { stock, reservation, quantity });
                self.count(line, |counters| counters.allocated += u64::from(quantity));
            }
            E::PaymentCovered { payment, authorised, captured, .. }
            | E::LateObservation { observed: Observed::Captured { payment, authorised, captured, .. } } => {
                let paid = self.payment(payment);
                (paid.authorised, paid.captured) = (authorised, captured);
            }
            E::LateObservation { observed: Observed::Authorised { payment, authorised } } => {
                self.payment(payment).authorised = authorised;
            }
            E::PaymentUndone { payment, refund, amount } => {
                self.undone.insert(refund);
                self.give_back(amount, &[Share { payment, amount }]);
            }
            E::RefundAsked { refund, payment, amount, giving, lines } => {
                self.by_hand.insert(refund, ByHand { payment, amount, giving, lines, ended: false });
            }
            E::RefundEnded { refund, owed, shares, .. } => {
                self.end(refund);
                self.give_back(owed, &shares);
            }
            // Also of one that was taken for ended: its money has left all the same.
            E::RefundRecorded { refund, payment, amount, .. } => {
                self.refunds.insert(refund, PaidOut { payment, money: amount });
                if let Some(of) = self.by_hand.get_mut(&refund) {
                    of.ended = false;
                }
            }
            E::RefundReversed { refund, amount, .. } => {
                let paid_out = self.refunds.remove(&refund);
                if self.by_hand.contains_key(&refund) {
                    self.end(refund);
                } else {
                    self.given_back = less(self.given_back, amount);
                    if let Some(of) = paid_out.and_then(|of| self.given_back_of.get_mut(&of.payment)) {
                        *of = less(*of, amount);
                    }
                }
            }
            E::Fulfilled { fulfilment, lines, override_unpaid } => {
                lines
                    .iter()
                    .for_each(|line| self.count(line.line, |c| c.fulfilled += u64::from(line.quantity)));
                let overridden = override_unpaid.is_some();
                self.fulfilments.insert(fulfilment, Fulfilment { lines, overridden, stage: Stage::Packed });
            }
            E::FulfilmentCancelled { fulfilment, lines } => {
                lines
                    .iter()
                    .for_each(|line| self.count(line.line, |c| c.fulfilled -= u64::from(line.quantity)));
                self.stage(fulfilment, Stage::Cancelled);
            }
            E::Shipped { fulfilment, lines, stock, .. } => {
                lines
                    .iter()
                    .for_each(|line| self.count(line.line, |c| c.shipped += u64::from(line.quantity)));
                self.stage(fulfilment, Stage::Shipped);
                self.draw(&stock);
            }
            E::Delivered { fulfilment, lines } => {
                lines
                    .iter()
                    .for_each(|line| self.count(line.line, |c| c.delivered += u64::from(line.quantity)));
                self.stage(fulfilment, Stage::Delivered);
            }
            E::ParcelLost { fulfilment, lines } => {
                lines.iter().for_each(|line| {
                    self.count(line.line, |c| c.gone(u64::from(line.quantity), |c| &mut c.lost));
                });
                self.stage(fulfilment, Stage::Gone);
            }
            E::ParcelCameBack { fulfilment, lines, .. } => {
                lines.iter().for_each(|line| {
                    self.count(line.line, |c| c.gone(u64::from(line.quantity), |c| &mut c.came_back));
                });
                self.stage(fulfilment, Stage::Gone);
            }
            E::CarrierFactObserved(fact) => self.carrier.push(fact),
            E::LateObservation { observed: Observed::Carrier { fact, at, fulfilment, tracking } } => {
                self.carrier.push(CarrierFact { kind: fact, at, fulfilment, tracking });
            }
            E::LinesCancelled { lines, refund, shares, released, .. } => {
                let units = lines.into_iter().map(|line| (line.line, line.quantity, line.amount));
                self.cancelled(units, (refund, &shares), &released);
            }
            E::ReturnRequested { return_id, lines, .. } => {
                lines.iter().for_each(|line| {
                    self.count(line.line, |c| c.return_requested += u64::from(line.quantity))
                });
                let returning =
                    |Units { line, quantity }| Returning { line, requested: quantity, open: quantity };
                self.returns.insert(return_id, lines.into_iter().map(returning).collect());
            }
            E::ReturnReceived {
                return_id,
                line,
                quantity,
                condition,
                amount,
                refund,
                shares,
                shipping,
                ..
            } => {
                self.count(line, |counters| {
                    counters.return_received += u64::from(quantity);
                    if condition == Condition::Damaged {
                        counters.written_off += u64::from(quantity);
                    }
                });
                let lines = self.returns.entry(return_id).or_default();
                lines.iter_mut().filter(|of| of.line == line).for_each(|of| of.open -= quantity);
                self.credit(line, amount);
                shipping.into_iter().for_each(|shipping| add(&mut self.total_credited, shipping));
                self.give_back(refund, &shares);
            }
            E::ReturnDismissed { return_id, lines, .. } => {
                lines.iter().for_each(|line| {
                    self.count(line.line, |c| c.return_dismissed += u64::from(line.quantity))
                });
                self.returns.entry(return_id).or_default().iter_mut().for_each(|line| line.open = 0);
            }
            _ => {}
        }
    }

    fn cancelled(
        &mut self,
        units: impl Iterator<Item = (LineId, u32, Money)>,
        (refund, shares): (Money, &[Share]),
        released: &[ReservedUnits],
    ) {
        for (line, quantity, amount) in units {
            self.count(line, |counters| counters.cancelled += u64::from(quantity));
            self.credit(line, amount);
        }
        self.give_back(refund, shares);
        self.take(released);
    }

    fn edited(&mut self, terms: Terms, (refund, shares): (Money, &[Share]), released: &[ReservedUnits]) {
        self.take(released);
        let mut counters = counters_of(&terms);
        for (line, counters) in &mut counters {
            counters.allocated = self.reserved(*line);
        }
        self.counters = counters;
        self.terms = terms;
        self.give_back(refund, shares);
    }

    fn payment(&mut self, payment: PaymentId) -> &mut Paid {
        let (nothing, after) = (self.nothing(), self.payments.len());
        self.payments.entry(payment).or_insert(Paid { authorised: nothing, captured: nothing, after })
    }

    fn credit(&mut self, line: LineId, amount: Money) {
        add(self.credited.entry(line).or_insert(Money::zero(amount.currency)), amount);
        add(&mut self.total_credited, amount);
    }

    /// Reserved units that are set free: they are not allocated any more.
    fn take(&mut self, released: &[ReservedUnits]) {
        self.draw(released);
        for units in released {
            self.count(units.line, |counters| {
                counters.allocated = counters.allocated.saturating_sub(u64::from(units.quantity));
            });
        }
    }

    /// Reserved units that leave their reservation.
    fn draw(&mut self, drawn: &[ReservedUnits]) {
        for units in drawn {
            let reservations = self.reservations.entry(units.line).or_default();
            for held in reservations.iter_mut().filter(|held| held.reservation == units.reservation) {
                held.quantity = held.quantity.saturating_sub(units.quantity);
            }
        }
    }

    fn count(&mut self, line: LineId, change: impl FnOnce(&mut Counters)) {
        if let Some(counters) = self.counters.get_mut(&line) {
            change(counters);
        }
    }

    fn stage(&mut self, fulfilment: FulfilmentId, stage: Stage) {
        if let Some(fulfilment) = self.fulfilments.get_mut(&fulfilment) {
            fulfilment.stage = stage;
        }
    }
}

fn add(sum: &mut Money, amount: Money) {
    *sum = more(*sum, amount);
}
