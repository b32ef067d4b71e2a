//! Parcels that do not arrive: lost on their way, or come back without having been delivered.
//!
//! Their units are open again, as if they had never been packed: they are sent once more, for which they are set aside
//! anew, or cancelled, which gives their money back. What came back good goes into stock and can be set aside there.

use super::confirm::MOST_RECORDS;
use super::state::Stage;
use super::{BackLine, Condition, Order, OrderEvent as E, OrderRefusal as No};
use crate::ids::{FulfilmentId, LineId, ReservationId};

type Decided = Result<Vec<E>, No>;

impl Order {
    pub(super) fn lose_parcel(&self, fulfilment: FulfilmentId) -> Decided {
        let there = self.confirmed()?.fulfilment(fulfilment)?;
        match there.stage {
            Stage::Gone => Ok(vec![]),
            Stage::Shipped => Ok(vec![E::ParcelLost { fulfilment, lines: there.lines.clone() }]),
            stage => Err(not_on_its_way(stage, fulfilment)),
        }
    }

    pub(super) fn take_parcel_back(&self, fulfilment: FulfilmentId, condition: Condition) -> Decided {
        let agreed = self.confirmed()?;
        let there = agreed.fulfilment(fulfilment)?;
        match there.stage {
            Stage::Gone => return Ok(vec![]),
            Stage::Shipped => {}
            stage => return Err(not_on_its_way(stage, fulfilment)),
        }
        let back = there.lines.iter().map(|of| {
            let stock = agreed.line(of.line)?.0.stock.clone();
            Ok(BackLine { line: of.line, sku: of.sku.clone(), stock, quantity: of.quantity })
        });
        let lines = back.collect::<Result<_, No>>()?;
        Ok(vec![E::ParcelCameBack { fulfilment, lines, condition }])
    }

    /// Only for what is to leave once more: all else is set aside by its checkout.
    pub(super) fn reserve_again(&self, line: LineId, reservation: ReservationId, quantity: u32) -> Decided {
        let agreed = self.confirmed()?;
        super::contents::quantity(quantity)?;
        let (of, _) = agreed.line(line)?;
        let stock = of.stock.clone().ok_or(No::NotStocked(line))?;
        let known = agreed.reserved_for(line);
        if known.iter().any(|held| held.reservation == reservation) {
            return Ok(vec![]);
        }
        if self.is_being_edited() {
            return Err(No::Editing);
        }
        if known.len() >= MOST_RECORDS {
            return Err(No::TooManyRecords);
        }
        let open = agreed.unshipped(line).saturating_sub(agreed.reserved(line));
        if u64::from(quantity) > open {
            return Err(No::TooMany { line, open, to: "set aside again" });
        }
        Ok(vec![E::StockReserved { line, stock, reservation, quantity }])
    }
}

fn not_on_its_way(stage: Stage, fulfilment: FulfilmentId) -> No {
    match stage {
        Stage::Packed => No::NotShipped,
        Stage::Cancelled => No::UnknownFulfilment(fulfilment),
        Stage::Shipped | Stage::Delivered | Stage::Gone => No::AlreadyDelivered,
    }
}

#[cfg(test)]
mod tests {
    use super::super::examples::*;
    use super::super::{CancelReason, OrderCommand as C, Phase};
    use super::*;
    use crate::kernel::{Given, given};

    /// Three teas on their way.
    fn sent() -> Given<Order> {
        given::<Order>(confirmed()).and(fulfil(1, &[(1, 3)])).and(ship(1))
    }

    fn lose() -> C {
        C::LoseParcel { fulfilment: fulfilment_id(1) }
    }

    fn back(condition: Condition) -> C {
        C::TakeParcelBack { fulfilment: fulfilment_id(1), condition }
    }

    fn reserve(n: u128, quantity: u32) -> C {
        C::Reserve { line: line_id(1), reservation: reservation_id(n), quantity }
    }

    #[test]
    fn what_is_lost_is_cancelled_with_its_money() {
        let E::Fulfilled { lines, .. } = fulfilled(1, &[(1, 3)]) else { unreachable!() };
        assert_eq!(sent().when(lose()), Ok(vec![E::ParcelLost { fulfilment: fulfilment_id(1), lines }]));
        let order = sent().and(lose());
        assert_eq!(order.when(lose()), Ok(vec![]));
        let units_of_tea = order.0.counters(line_id(1)).unwrap();
        assert_eq!((units_of_tea.fulfilled, units_of_tea.shipped, units_of_tea.lost), (0, 0, 3));
        let less = C::CancelLines { lines: units(&[(1, 3)]), reason: CancelReason::Seller };
        let events = order.when(less.clone()).unwrap();
        assert!(
            matches!(&events[..], [E::LinesCancelled { refund, released, .. }] if *refund == usd(3000) && released.is_empty()),
            "{events:?}"
        );
        let rest = order.and(less).and(fulfil(2, &[(2, 1)])).and(ship(2)).and(deliver(2));
        assert_eq!(rest.0.phase(), Some(Phase::Completed));
    }

    #[test]
    fn what_is_lost_is_sent_again_once_it_is_set_aside_anew() {
        let order = sent().and(lose());
        assert_eq!(order.when(fulfil(2, &[(1, 3)])), Err(No::NotReserved(line_id(1))));
        let open = No::TooMany { line: line_id(1), open: 3, to: "set aside again" };
        assert_eq!(order.when(reserve(2, 4)), Err(open));
        let order = order.and(reserve(2, 3));
        assert_eq!(order.when(reserve(2, 3)), Ok(vec![]));
        assert!(matches!(order.when(reserve(3, 1)), Err(No::TooMany { open: 0, .. })));
        let order = order.and(fulfil(2, &[(1, 3)]));
        let events = order.when(ship(2)).unwrap();
        assert!(
            matches!(&events[..], [E::Shipped { stock, .. }] if stock[..] == [units_of_stock(2, 3)]),
            "{events:?}"
        );
    }

    #[test]
    fn what_came_back_goes_where_it_came_from() {
        let events = sent().when(back(Condition::Good)).unwrap();
        let [E::ParcelCameBack { lines, condition: Condition::Good, .. }] = &events[..] else {
            panic!("{events:?}")
        };
        assert_eq!((lines[0].stock.clone(), lines[0].quantity), (Some(stock()), 3));
        let order = sent().and(back(Condition::Damaged));
        assert_eq!(order.when(back(Condition::Good)), Ok(vec![]));
        assert_eq!(order.when(lose()), Ok(vec![]));
        assert_eq!(order.when(deliver(1)), Err(No::ParcelGone));
        assert_eq!(order.when(C::BeginEdit), Err(No::AlreadyFulfilled));
    }

    #[test]
    fn only_what_is_on_its_way_is_lost() {
        let packed = given::<Order>(confirmed()).and(fulfil(1, &[(1, 3)]));
        assert_eq!(packed.when(lose()), Err(No::NotShipped));
        assert_eq!(sent().and(deliver(1)).when(back(Condition::Good)), Err(No::AlreadyDelivered));
        assert_eq!(given::<Order>(confirmed()).when(lose()), Err(No::UnknownFulfilment(fulfilment_id(1))));
        assert!(matches!(sent().when(reserve(2, 1)), Err(No::TooMany { open: 0, .. })));
    }
}
