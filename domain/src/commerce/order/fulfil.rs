//! Fulfilling: units set together, shipped and delivered; nothing goes out unpaid unless a person says why.
//!
//! What a carrier says is kept in whatever order it comes and moves nothing by itself: in real records one order
//! in seventy is handed over before its payment is approved.

use super::confirm::{MOST_RECORDS, late};
use super::refusal::{optional, text};
use super::state::{Agreed, Fulfilment, Reserved, Stage};
use super::{
    Basis, CarrierFact, FulfilledLine, Observed, Order, OrderEvent as E, OrderRefusal as No, Phase,
    ReservedUnits, Units,
};
use crate::ids::{FulfilmentId, LineId};

type Decided = Result<Vec<E>, No>;

impl Order {
    pub(super) fn fulfil(
        &self,
        fulfilment: FulfilmentId,
        units: &[Units],
        override_unpaid: Option<String>,
    ) -> Decided {
        let agreed = self.confirmed()?;
        let lines = agreed.named(units)?;
        optional("the reason", override_unpaid.as_deref(), 500)?;
        match agreed.fulfilments.get(&fulfilment) {
            Some(there) if there.lines == lines => return Ok(vec![]),
            Some(_) => return Err(No::FulfilmentExists(fulfilment)),
            None if self.is_being_edited() => return Err(No::Editing),
            None if agreed.fulfilments.len() >= MOST_RECORDS => return Err(No::TooManyRecords),
            None => {}
        }
        agreed.within(units, "packed", |counters| counters.open())?;
        if let Some(units) = units.iter().find(|units| !agreed.is_there(**units)) {
            return Err(No::NotReserved(units.line));
        }
        if override_unpaid.is_none() && !agreed.is_paid() {
            return Err(agreed.unpaid());
        }
        Ok(vec![E::Fulfilled { fulfilment, lines, override_unpaid }])
    }

    pub(super) fn cancel_fulfilment(&self, fulfilment: FulfilmentId) -> Decided {
        let there = self.confirmed()?.fulfilment(fulfilment)?;
        match there.stage {
            Stage::Cancelled => Ok(vec![]),
            Stage::Shipped | Stage::Delivered | Stage::Gone => Err(No::AlreadyShipped),
            Stage::Packed => {
                let units = |line: &FulfilledLine| Units { line: line.line, quantity: line.quantity };
                Ok(vec![E::FulfilmentCancelled {
                    fulfilment,
                    lines: there.lines.iter().map(units).collect(),
                }])
            }
        }
    }

    pub(super) fn ship(
        &self,
        fulfilment: FulfilmentId,
        carrier: Option<String>,
        tracking: Option<String>,
    ) -> Decided {
        let agreed = self.confirmed()?;
        optional("the carrier", carrier.as_deref(), 100)?;
        optional("the tracking number", tracking.as_deref(), 200)?;
        let there = agreed.fulfilment(fulfilment)?;
        match there.stage {
            Stage::Shipped | Stage::Delivered => return Ok(vec![]),
            Stage::Cancelled => return Err(No::UnknownFulfilment(fulfilment)),
            Stage::Gone => return Err(No::ParcelGone),
            Stage::Packed if !there.overridden && !agreed.is_paid() => return Err(agreed.unpaid()),
            Stage::Packed => {}
        }
        let lines = there.lines.clone();
        let stock = lines.iter().flat_map(|line| agreed.drawn(line.line, line.quantity)).collect();
        Ok(vec![E::Shipped { fulfilment, lines, stock, carrier, tracking }])
    }

    pub(super) fn deliver(&self, fulfilment: FulfilmentId) -> Decided {
        let there = self.confirmed()?.fulfilment(fulfilment)?;
        match there.stage {
            Stage::Delivered => Ok(vec![]),
            Stage::Cancelled => Err(No::UnknownFulfilment(fulfilment)),
            Stage::Packed => Err(No::NotShipped),
            Stage::Gone => Err(No::ParcelGone),
            Stage::Shipped => {
                Ok(self.and_completed(vec![E::Delivered { fulfilment, lines: there.lines.clone() }]))
            }
        }
    }

    pub(super) fn record_carrier_fact(&self, fact: CarrierFact) -> Decided {
        let (phase, agreed) = self.agreed()?;
        fact.tracking.as_deref().map_or(Ok(()), |tracking| text("the tracking number", tracking, 200))?;
        match phase {
            _ if agreed.carrier.contains(&fact) => Ok(vec![]),
            _ if agreed.carrier.len() >= MOST_RECORDS => Err(No::TooManyRecords),
            Phase::Cancelled | Phase::Expired => {
                let CarrierFact { kind, at, fulfilment, tracking } = fact;
                Ok(vec![late(Observed::Carrier { fact: kind, at, fulfilment, tracking })])
            }
            _ => Ok(vec![E::CarrierFactObserved(fact)]),
        }
    }

    /// The events, and the order's completion if they bring it.
    pub(super) fn and_completed(&self, mut events: Vec<E>) -> Vec<E> {
        let mut then = self.clone();
        events.iter().cloned().for_each(|event| then.take_in(event));
        let all = then.units();
        if then.phase == Some(Phase::Confirmed) && all.due() > 0 && all.delivered == all.due() {
            events.push(E::Completed);
        }
        events
    }
}

impl Agreed {
    pub(super) fn fulfilment(&self, id: FulfilmentId) -> Result<&Fulfilment, No> {
        self.fulfilments.get(&id).ok_or(No::UnknownFulfilment(id))
    }

    /// Whether units are reserved that leave their stock, beside those that are packed.
    fn is_there(&self, Units { line, quantity }: Units) -> bool {
        let Ok((of, counters)) = self.line(line) else { return false };
        let packed = counters.fulfilled - counters.shipped;
        of.stock.is_none()
            || self.basis == Some(Basis::Recorded)
            || self.reserved(line) >= packed + u64::from(quantity)
    }

    /// The lines that are named, each once.
    fn named(&self, units: &[Units]) -> Result<Vec<FulfilledLine>, No> {
        each_once(units)?;
        let named = |&Units { line, quantity }: &Units| {
            let (of, _) = self.line(line)?;
            Ok(FulfilledLine { line, sku: of.sku.clone(), quantity })
        };
        units.iter().map(named).collect()
    }

    /// Refuses more units of a line than are there for it.
    pub(super) fn within(
        &self,
        units: &[Units],
        to: &'static str,
        there: impl Fn(super::Counters) -> u64,
    ) -> Result<(), No> {
        each_once(units)?;
        for &Units { line, quantity } in units {
            let open = there(self.line(line)?.1);
            if u64::from(quantity) > open {
                return Err(No::TooMany { line, open, to });
            }
        }
        Ok(())
    }

    /// The reservations that units leave from: the oldest first.
    fn drawn(&self, line: LineId, quantity: u32) -> Vec<ReservedUnits> {
        taken(line, u64::from(quantity), self.reserved_for(line).iter())
    }

    /// The reservations that are not needed any more if only so many units are: the youngest go first.
    pub(super) fn released(&self, line: LineId, needed: u64) -> Vec<ReservedUnits> {
        let surplus = self.reserved(line).saturating_sub(needed);
        taken(line, surplus, self.reserved_for(line).iter().rev())
    }

    /// All that is reserved and has not left.
    pub(super) fn release_all(&self) -> Vec<ReservedUnits> {
        self.reservations.keys().flat_map(|&line| self.released(line, 0)).collect()
    }
}

fn taken<'a>(line: LineId, units: u64, from: impl Iterator<Item = &'a Reserved>) -> Vec<ReservedUnits> {
    let mut left = units;
    let take = |held: &Reserved| {
        let quantity = held.quantity.min(u32::try_from(left).unwrap_or(u32::MAX));
        left -= u64::from(quantity);
        let (stock, reservation) = (held.stock.clone(), held.reservation);
        (quantity > 0).then_some(ReservedUnits { line, stock, reservation, quantity })
    };
    from.filter_map(take).collect()
}

/// At least one line, each named once, with a quantity.
pub(super) fn each_once(units: &[Units]) -> Result<(), No> {
    if units.is_empty() {
        return Err(No::Empty);
    }
    if units.len() > super::contents::MOST_LINES {
        return Err(No::TooManyLines(super::contents::MOST_LINES));
    }
    let mut seen = std::collections::BTreeSet::new();
    for units in units {
        super::contents::quantity(units.quantity)?;
        if !seen.insert(units.line) {
            return Err(No::NamedTwice(units.line));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::examples::*;
    use super::super::{CarrierFactKind, FulfilmentStatus, OrderCommand as C};
    use super::*;
    use crate::kernel::{Given, given};

    fn fulfil(n: u128, lines: &[(u128, u32)], reason: Option<&str>) -> C {
        C::Fulfil {
            fulfilment: fulfilment_id(n),
            lines: units(lines),
            override_unpaid: reason.map(Into::into),
        }
    }

    fn ship(n: u128) -> C {
        C::Ship { fulfilment: fulfilment_id(n), carrier: None, tracking: Some("T-1".into()) }
    }

    fn deliver(n: u128) -> C {
        C::Deliver { fulfilment: fulfilment_id(n) }
    }

    #[test]
    fn goes_out_in_parcels_until_it_is_complete() {
        let order = given::<Order>(confirmed());
        assert_eq!(order.when(fulfil(1, &[(1, 2)], None)), Ok(vec![fulfilled(1, &[(1, 2)])]));
        let order = order.and(fulfil(1, &[(1, 2)], None));
        assert_eq!(order.when(fulfil(1, &[(1, 2)], None)), Ok(vec![]));
        assert_eq!(order.0.fulfilment_status(), FulfilmentStatus::PartlyFulfilled);
        assert_eq!(order.when(ship(1)), Ok(vec![shipped(1, &[(1, 2)], &[(1, 2)])]));
        let order = order.and(ship(1));
        assert_eq!(order.when(ship(1)), Ok(vec![]));
        assert_eq!(order.when(deliver(1)), Ok(vec![delivered(1, &[(1, 2)])]));
        let order = order.and(deliver(1));
        assert_eq!(order.when(deliver(1)), Ok(vec![]));
        assert_eq!(order.0.fulfilment_status(), FulfilmentStatus::PartlyDelivered);

        let order = order.and(fulfil(2, &[(1, 1), (2, 1)], None)).and(ship(2));
        assert_eq!(order.when(deliver(2)), Ok(vec![delivered(2, &[(1, 1), (2, 1)]), E::Completed]));
        assert_eq!(order.and(deliver(2)).0.phase(), Some(Phase::Completed));
    }

    #[test]
    fn no_unit_goes_out_twice() {
        let order = given::<Order>(confirmed()).and(fulfil(1, &[(1, 2)], None));
        assert_eq!(
            order.when(fulfil(2, &[(1, 2)], None)),
            Err(No::TooMany { line: line_id(1), open: 1, to: "packed" })
        );
        assert_eq!(order.when(fulfil(1, &[(1, 1)], None)), Err(No::FulfilmentExists(fulfilment_id(1))));
        assert_eq!(order.when(fulfil(2, &[(2, 1), (2, 1)], None)), Err(No::NamedTwice(line_id(2))));
        assert_eq!(order.when(fulfil(2, &[(9, 1)], None)), Err(No::UnknownLine(line_id(9))));
        assert_eq!(order.when(fulfil(2, &[(2, 0)], None)), Err(No::QuantityOutOfRange));
        assert_eq!(order.when(fulfil(2, &[], None)), Err(No::Empty));
    }

    #[test]
    fn nothing_goes_out_before_it_is_confirmed() {
        let paid = given::<Order>([placed(), reserved(), paid(4000)]);
        assert_eq!(paid.when(fulfil(1, &[(1, 1)], None)), Err(No::NotConfirmed));
        let closed = given::<Order>([placed(), cancelled()]);
        assert_eq!(closed.when(fulfil(1, &[(1, 1)], None)), Err(No::Cancelled));
        assert_eq!(closed.when(ship(1)), Err(No::Cancelled));
    }

    #[test]
    fn nothing_goes_out_unpaid_unless_a_person_says_why() {
        let order = given::<Order>(held());
        let unpaid = No::NotPaid { owed: usd(4000), held: usd(0) };
        assert_eq!(order.when(fulfil(1, &[(1, 3)], None)), Err(unpaid.clone()));
        assert_eq!(order.when(fulfil(1, &[(1, 3)], Some(" "))), Err(No::Blank("the reason")));
        let order = order.and(fulfil(1, &[(1, 3)], Some("a good customer")));
        assert!(order.when(ship(1)).is_ok());
        assert_eq!(order.when(fulfil(2, &[(2, 1)], None)), Err(unpaid));

        let refunded = given::<Order>(confirmed()).and(fulfil(1, &[(1, 3)], None)).and(C::RecordRefund {
            refund: refund_id(1),
            payment: payment_id(1),
            amount: usd(1),
        });
        assert_eq!(refunded.when(ship(1)), Err(No::NotPaid { owed: usd(4000), held: usd(3999) }));
    }

    #[test]
    fn on_credit_it_goes_out_first() {
        let credit = confirmation(super::super::Basis::CreditTerms);
        let order = given::<Order>([on_credit(), reserved(), credit]);
        assert!(order.when(fulfil(1, &[(1, 3)], None)).is_ok());
    }

    #[test]
    fn a_parcel_is_opened_again_before_it_leaves() {
        let cancel = |n| C::CancelFulfilment { fulfilment: fulfilment_id(n) };
        let order = given::<Order>(confirmed()).and(fulfil(1, &[(1, 3)], None));
        let event = E::FulfilmentCancelled { fulfilment: fulfilment_id(1), lines: units(&[(1, 3)]) };
        assert_eq!(order.when(cancel(1)), Ok(vec![event]));
        let opened = Given(order.0.clone()).and(cancel(1));
        assert_eq!(opened.when(cancel(1)), Ok(vec![]));
        assert_eq!(opened.when(ship(1)), Err(No::UnknownFulfilment(fulfilment_id(1))));
        assert_eq!(opened.when(deliver(1)), Err(No::UnknownFulfilment(fulfilment_id(1))));
        assert!(opened.when(fulfil(2, &[(1, 3)], None)).is_ok());
        assert_eq!(order.and(ship(1)).when(cancel(1)), Err(No::AlreadyShipped));
        assert_eq!(opened.when(cancel(7)), Err(No::UnknownFulfilment(fulfilment_id(7))));
    }

    #[test]
    fn what_is_not_shipped_is_not_delivered() {
        let order = given::<Order>(confirmed()).and(fulfil(1, &[(1, 3)], None));
        assert_eq!(order.when(deliver(1)), Err(No::NotShipped));
        assert_eq!(order.when(deliver(2)), Err(No::UnknownFulfilment(fulfilment_id(2))));
    }

    #[test]
    fn carriers_are_heard_in_any_order_and_before_anything_is_paid() {
        let fact = |kind, n| CarrierFact { kind, at: at(n), fulfilment: None, tracking: Some("T-1".into()) };
        let (delivered, handed) = (fact(CarrierFactKind::Delivered, 9), fact(CarrierFactKind::HandedOver, 3));
        let order = given::<Order>([placed()]);
        assert_eq!(
            order.when(C::RecordCarrierFact(delivered.clone())),
            Ok(vec![E::CarrierFactObserved(delivered.clone())])
        );
        let order = order.and(C::RecordCarrierFact(delivered.clone()));
        assert_eq!(order.when(C::RecordCarrierFact(delivered)), Ok(vec![]));
        assert_eq!(
            order.when(C::RecordCarrierFact(handed.clone())),
            Ok(vec![E::CarrierFactObserved(handed.clone())])
        );
        assert_eq!(order.0.phase(), Some(Phase::Placed));
        assert_eq!(order.0.fulfilment_status(), FulfilmentStatus::None);
        let draft = given::<Order>([draft_created()]);
        assert_eq!(draft.when(C::RecordCarrierFact(handed)), Err(No::NotPlaced));
    }

    #[test]
    fn the_oldest_reservation_leaves_first() {
        let (line, stock) = (line_id(1), stock());
        let reserve = |n, quantity| E::StockReserved {
            line,
            stock: stock.clone(),
            reservation: reservation_id(n),
            quantity,
        };
        let order = given::<Order>([
            placed(),
            reserve(1, 1),
            reserve(2, 2),
            paid(4000),
            confirmation(super::super::Basis::Captured),
        ]);
        let order = order.and(fulfil(1, &[(1, 2)], None));
        assert_eq!(order.when(ship(1)), Ok(vec![shipped(1, &[(1, 2)], &[(1, 1), (2, 1)])]));
    }
}
