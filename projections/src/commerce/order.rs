//! Orders, as the back office and the customer see them.
//!
//! A draft, and an order whose edit is open, also show what is being changed. What happened to a line's units is
//! counted here as in the domain; statuses are derived by the domain's own functions.

mod list;
mod row;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::commerce::order::{
    Condition, Contents, Counters, FulfilledLine, FulfilmentStatus, Line, Observed, Order, OrderEvent,
    PaymentStatus, Phase, Placed, ReservedUnits, ReturnStatus, Terms, Units, Unsettled,
};
use domain::ids::{FulfilmentId, LineId, OrderId, ReturnId};
use domain::kernel::Recorded;
use domain::money::Money;

pub use self::list::{OrderFilter, OrderSort, OrdersOf};
pub use self::row::{
    DraftView, EditSettlementView, FulfilmentStage, FulfilmentView, LineView, OrderLineView, OrderView,
    Received, ReturnView,
};
use crate::stream::{Stem, StreamView};
use crate::view::Unfoldable;

/// Read model `order`.
pub struct Orders;

impl StreamView for Orders {
    const NAME: &'static str = "order";
    type Of = Order;
    type Row = OrderView;

    fn stem(row: &mut OrderView) -> &mut Stem<OrderId> {
        &mut row.stem
    }

    fn begun(stem: Stem<OrderId>, happened: &OrderEvent, first: &Recorded) -> Option<OrderView> {
        OrderView::begun(stem, happened, first)
    }

    fn apply(row: &mut OrderView, happened: &OrderEvent, event: &Recorded) -> Result<(), Unfoldable> {
        row.take_in(happened, event)?;
        row.derive();
        Ok(())
    }
}

impl OrderView {
    fn begun(stem: Stem<OrderId>, happened: &OrderEvent, first: &Recorded) -> Option<Self> {
        let (customer_id, currency, reference) = match happened {
            OrderEvent::DraftCreated { customer, currency, reference } => {
                (*customer, *currency, reference.clone())
            }
            OrderEvent::Placed(placed) => {
                (placed.customer, placed.terms.total.currency, placed.reference.clone())
            }
            _ => return None,
        };
        let nothing = Money::zero(currency);
        Some(Self {
            stem,
            effective_at: first.effective_at,
            customer_id,
            number: None,
            reference,
            currency,
            status: Phase::Draft,
            payment_status: PaymentStatus::None,
            fulfilment_status: FulfilmentStatus::None,
            return_status: ReturnStatus::None,
            settlement: None,
            basis: None,
            cancel_reason: None,
            lines: Vec::new(),
            discount_code: None,
            shipping_method: None,
            net: nothing,
            discount: nothing,
            tax: nothing,
            shipping: nothing,
            total: nothing,
            amount: 0,
            credited: nothing,
            authorised: nothing,
            captured: nothing,
            refunded: nothing,
            totals_hash: None,
            payments: Vec::new(),
            refunds: Vec::new(),
            fulfilments: Vec::new(),
            returns: Vec::new(),
            carrier_facts: Vec::new(),
            late_observations: Vec::new(),
            draft: Some(Contents::new(currency).into()),
            expires_at: None,
            placed_at: None,
            confirmed_at: None,
            closed_at: None,
        })
    }

    fn take_in(&mut self, happened: &OrderEvent, event: &Recorded) -> Result<(), Unfoldable> {
        use OrderEvent as E;
        let at = event.effective_at;
        match happened {
            E::DraftCreated { .. } | E::EditBegun => {
                if self.status != Phase::Draft {
                    self.draft = Some(self.agreed().contents().into());
                }
            }
            E::LineAdded(_)
            | E::QuantitySet { .. }
            | E::LineRemoved { .. }
            | E::DiscountApplied(_)
            | E::ShippingSet(_)
            | E::TaxSet { .. } => self.change_draft(happened),
            E::Placed(placed) => self.take_in_placed(placed, at),
            E::Numbered { number } => self.number = Some(number.clone()),
            E::StockReserved { line, quantity, .. }
            | E::LateObservation { observed: Observed::Reserved { line, quantity, .. } } => {
                self.allocate(*line, u64::from(*quantity));
                if let E::LateObservation { observed } = happened {
                    self.late_observations.push(observed.clone());
                }
            }
            E::PaymentCovered { payment, total_authorised, total_captured, .. } => {
                (self.authorised, self.captured) = (*total_authorised, *total_captured);
                once(&mut self.payments, *payment);
            }
            E::RefundRecorded { refund, total_refunded, .. } => {
                self.refunded = *total_refunded;
                once(&mut self.refunds, *refund);
            }
            E::RefundAsked { refund, .. } => once(&mut self.refunds, *refund),
            E::RefundEnded { .. } | E::PaymentUndone { .. } => {}
            E::RefundReversed { total_refunded, .. } => self.refunded = *total_refunded,
            E::Confirmed { basis, .. } => {
                (self.status, self.basis, self.confirmed_at) = (Phase::Confirmed, Some(*basis), Some(at));
            }
            E::Fulfilled { fulfilment, lines, override_unpaid } => {
                self.count(of(lines), |units, n| units.fulfilled += n);
                self.fulfilments.push(FulfilmentView {
                    id: *fulfilment,
                    status: FulfilmentStage::Packed,
                    lines: lines.clone(),
                    override_unpaid: override_unpaid.clone(),
                    carrier: None,
                    tracking: None,
                    shipped_at: None,
                    delivered_at: None,
                });
            }
            E::FulfilmentCancelled { fulfilment, lines } => {
                self.count(lines.iter().map(|u| (u.line, u.quantity)), |units, n| units.fulfilled -= n);
                self.fulfilment(*fulfilment, |f| f.status = FulfilmentStage::Cancelled);
            }
            E::Shipped { fulfilment, lines, carrier, tracking, .. } => {
                self.count(of(lines), |units, n| units.shipped += n);
                self.fulfilment(*fulfilment, |f| {
                    (f.status, f.shipped_at) = (FulfilmentStage::Shipped, Some(at));
                    (f.carrier, f.tracking) = (carrier.clone(), tracking.clone());
                });
            }
            E::Delivered { fulfilment, lines } => {
                self.count(of(lines), |units, n| units.delivered += n);
                self.fulfilment(*fulfilment, |f| {
                    (f.status, f.delivered_at) = (FulfilmentStage::Delivered, Some(at));
                });
            }
            E::ParcelLost { fulfilment, lines } => {
                self.count(of(lines), |units, n| units.gone(n, |units| &mut units.lost));
                self.fulfilment(*fulfilment, |f| f.status = FulfilmentStage::Lost);
            }
            E::ParcelCameBack { fulfilment, lines, .. } => {
                let lines = lines.iter().map(|line| (line.line, line.quantity));
                self.count(lines, |units, n| units.gone(n, |units| &mut units.came_back));
                self.fulfilment(*fulfilment, |f| f.status = FulfilmentStage::CameBack);
            }
            E::CarrierFactObserved(fact) => self.carrier_facts.push(fact.clone()),
            E::LinesCancelled { lines, released, .. } => {
                self.release(released);
                self.count(lines.iter().map(|l| (l.line, l.quantity)), |units, n| units.cancelled += n);
                for line in lines {
                    self.credited = self.credited.plus(line.amount)?;
                }
            }
            E::Cancelled { reason, lines, released, .. } => {
                self.release(released);
                self.count(lines.iter().map(|l| (l.line, l.quantity)), |units, n| units.cancelled += n);
                self.close(Phase::Cancelled, at);
                self.cancel_reason = Some(*reason);
            }
            E::Expired { released, .. } => {
                self.release(released);
                self.close(Phase::Expired, at);
            }
            E::Completed => self.status = Phase::Completed,
            E::EditSettlementBegun { payment, amount, expires_at, .. } => {
                let (payment_id, amount, expires_at) = (*payment, *amount, *expires_at);
                self.settlement(Some(EditSettlementView { payment_id, amount, expires_at }), None);
            }
            E::EditSettlementEnded { reason, .. } => self.settlement(None, Some(*reason)),
            E::EditConfirmed { terms, released, .. } => {
                self.release(released);
                self.agree(terms);
                self.draft = None;
            }
            E::EditAbandoned { released } => {
                self.release(released);
                self.draft = None;
            }
            E::ReturnRequested { return_id, lines, reason } => {
                self.count(lines.iter().map(|u| (u.line, u.quantity)), |units, n| {
                    units.return_requested += n
                });
                self.returns.push(ReturnView {
                    id: *return_id,
                    requested: lines.clone(),
                    received: Vec::new(),
                    dismissed: Vec::new(),
                    reason: reason.clone(),
                });
            }
            E::ReturnReceived { return_id, line, quantity, condition, amount, shipping, .. } => {
                let damaged = *condition == Condition::Damaged;
                self.count([(*line, *quantity)], |units, n| {
                    units.return_received += n;
                    units.written_off += if damaged { n } else { 0 };
                });
                self.credited = self.credited.plus(*amount)?;
                if let Some(shipping) = shipping {
                    self.credited = self.credited.plus(*shipping)?;
                }
                let units = Units { line: *line, quantity: *quantity };
                let received = Received { units, condition: *condition, amount: *amount };
                self.returned(*return_id, |r| r.received.push(received));
            }
            E::ReturnDismissed { return_id, lines, .. } => {
                self.count(lines.iter().map(|u| (u.line, u.quantity)), |units, n| {
                    units.return_dismissed += n
                });
                self.returned(*return_id, |r| r.dismissed.extend(lines.iter().copied()));
            }
            E::LateObservation { observed } => {
                if let Observed::Captured { payment, amount, .. } = observed {
                    self.captured = self.captured.plus(*amount)?;
                    once(&mut self.payments, *payment);
                }
                self.late_observations.push(observed.clone());
            }
        }
        Ok(())
    }

    fn change_draft(&mut self, happened: &OrderEvent) {
        let Some(draft) = &mut self.draft else { return };
        draft.contents.take_in(happened.clone());
        let terms = draft.contents.terms();
        draft.comes_to(terms.as_ref().ok());
        if self.status == Phase::Draft
            && let Ok(terms) = terms
        {
            self.agree(&terms);
        }
    }

    fn settlement(&mut self, settlement: Option<EditSettlementView>, unsettled: Option<Unsettled>) {
        if let Some(draft) = &mut self.draft {
            (draft.settlement, draft.unsettled) = (settlement, unsettled);
        }
    }

    /// Units that are set aside: for a line, or for one that the open edit adds.
    fn allocate(&mut self, line: LineId, quantity: u64) {
        if let Some(of) = self.lines.iter_mut().find(|of| of.line.line == line) {
            of.units.allocated += quantity;
        } else if let Some(draft) = &mut self.draft {
            *draft.allocated.entry(line).or_default() += quantity;
        }
    }

    /// Units that are not set aside any more.
    fn release(&mut self, released: &[ReservedUnits]) {
        for ReservedUnits { line, quantity, .. } in released {
            let quantity = u64::from(*quantity);
            if let Some(of) = self.lines.iter_mut().find(|of| of.line.line == *line) {
                of.units.allocated = of.units.allocated.saturating_sub(quantity);
            } else if let Some(allocated) =
                self.draft.as_mut().and_then(|draft| draft.allocated.get_mut(line))
            {
                *allocated = allocated.saturating_sub(quantity);
            }
        }
    }

    fn take_in_placed(&mut self, placed: &Placed, at: DateTime<Utc>) {
        self.status = Phase::Placed;
        (self.customer_id, self.reference) = (placed.customer, placed.reference.clone());
        (self.settlement, self.expires_at) = (Some(placed.settlement), placed.expires_at);
        (self.draft, self.placed_at) = (None, Some(at));
        self.agree(&placed.terms);
    }

    fn agree(&mut self, terms: &Terms) {
        let added = |line: &Line| {
            self.draft.as_ref().and_then(|draft| draft.allocated.get(&line.line)).copied().unwrap_or(0)
        };
        let allocated = |line: &Line| {
            let old = self.lines.iter().find(|old| old.line.line == line.line);
            old.map_or_else(|| added(line), |old| old.units.allocated)
        };
        self.lines = terms
            .lines
            .iter()
            .map(|line| OrderLineView {
                line: line.clone(),
                units: Counters {
                    ordered: u64::from(line.quantity),
                    allocated: allocated(line),
                    ..Counters::default()
                },
            })
            .collect();
        (self.discount_code, self.shipping_method) =
            (terms.discount_code.clone(), terms.shipping_method.clone());
        (self.net, self.discount, self.tax) = (terms.net, terms.discount, terms.tax);
        (self.shipping, self.total) = (terms.shipping, terms.total);
        self.totals_hash = Some(terms.totals_hash.clone());
    }

    fn agreed(&self) -> Terms {
        Terms {
            lines: self.lines.iter().map(|line| line.line.clone()).collect(),
            discount_code: self.discount_code.clone(),
            shipping_method: self.shipping_method.clone(),
            net: self.net,
            discount: self.discount,
            tax: self.tax,
            shipping: self.shipping,
            total: self.total,
            totals_hash: self.totals_hash.clone().unwrap_or_default(),
        }
    }

    fn close(&mut self, status: Phase, at: DateTime<Utc>) {
        (self.status, self.closed_at, self.draft) = (status, Some(at), None);
        self.credited = self.total;
    }

    fn derive(&mut self) {
        let units = self.lines.iter().map(|line| line.units).fold(Counters::default(), Counters::plus);
        let due = Money { amount: self.total.amount.saturating_sub(self.credited.amount), ..self.total };
        self.payment_status = PaymentStatus::of(due, self.authorised, self.captured, self.refunded);
        self.fulfilment_status = FulfilmentStatus::of(units);
        self.return_status = ReturnStatus::of(units);
        self.amount = self.total.amount;
    }

    fn count(
        &mut self,
        counted: impl IntoIterator<Item = (LineId, u32)>,
        change: impl Fn(&mut Counters, u64),
    ) {
        for (line, quantity) in counted {
            if let Some(line) = self.lines.iter_mut().find(|of| of.line.line == line) {
                change(&mut line.units, u64::from(quantity));
            }
        }
    }

    fn fulfilment(&mut self, id: FulfilmentId, change: impl FnOnce(&mut FulfilmentView)) {
        if let Some(fulfilment) = self.fulfilments.iter_mut().find(|fulfilment| fulfilment.id == id) {
            change(fulfilment);
        }
    }

    fn returned(&mut self, id: ReturnId, change: impl FnOnce(&mut ReturnView)) {
        if let Some(returned) = self.returns.iter_mut().find(|returned| returned.id == id) {
            change(returned);
        }
    }
}

impl From<Contents> for DraftView {
    fn from(contents: Contents) -> Self {
        let terms = contents.terms().ok();
        let allocated = BTreeMap::new();
        let mut draft =
            Self { contents, total: None, totals_hash: None, settlement: None, unsettled: None, allocated };
        draft.comes_to(terms.as_ref());
        draft
    }
}

impl DraftView {
    fn comes_to(&mut self, terms: Option<&Terms>) {
        self.total = terms.map(|terms| terms.total);
        self.totals_hash = terms.map(|terms| terms.totals_hash.clone());
    }
}

fn of(lines: &[FulfilledLine]) -> impl Iterator<Item = (LineId, u32)> + '_ {
    lines.iter().map(|line| (line.line, line.quantity))
}

fn once<T: PartialEq>(all: &mut Vec<T>, one: T) {
    if !all.contains(&one) {
        all.push(one);
    }
}
