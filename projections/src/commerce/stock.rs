//! Stock levels: how many of a SKU lie at a location, and how many of them can still be had.
//!
//! What a reader sees is what a checkout sees: an expired reservation counts until its expiry is recorded.

use domain::commerce::stock::{Condition, Reservation, Stock, StockEvent as E};
use domain::ids::{Location, Sku, StockId};
use domain::kernel::Recorded;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::reading::{Filter, Listing, Order};
use crate::stream::{Stem, StreamView};
use crate::view::Unfoldable;

/// How many of a SKU lie at a location.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StockLevelView {
    #[serde(flatten)]
    #[schema(inline)]
    pub stem: Stem<StockId>,
    pub sku: Sku,
    pub location: Location,
    /// How many lie there, held or not.
    pub on_hand: i64,
    /// How many are set aside for a while.
    pub reserved: i64,
    /// How many are promised to orders and not shipped.
    pub committed: i64,
    /// How many can be reserved; below 0 where more is promised on backorder than is on hand.
    pub available: i64,
}

/// Stock levels by SKU and location.
pub struct StockLevels;

impl StreamView for StockLevels {
    const NAME: &'static str = "stock_level";
    type Of = Stock;
    type Row = StockLevelView;

    fn stem(row: &mut StockLevelView) -> &mut Stem<StockId> {
        &mut row.stem
    }

    fn begun(stem: Stem<StockId>, _: &E, _: &Recorded) -> Option<StockLevelView> {
        let StockId { sku, location } = stem.id.clone();
        Some(StockLevelView { stem, sku, location, on_hand: 0, reserved: 0, committed: 0, available: 0 })
    }

    fn apply(row: &mut StockLevelView, happened: &E, _: &Recorded) -> Result<(), Unfoldable> {
        let moved = match *happened {
            E::Received { quantity } => row.moved(quantity, 0, 0),
            E::Adjusted { delta, .. } => row.moved(delta, 0, 0),
            E::Returned { quantity, condition: Condition::Good, .. } => row.moved(quantity, 0, 0),
            E::Returned { condition: Condition::Damaged, .. } => Some(()),
            E::Reserved(Reservation { quantity, .. }) => row.moved(0, quantity, 0),
            E::Released { quantity, .. } | E::Expired { quantity, .. } => row.moved(0, -quantity, 0),
            E::Committed { quantity, .. } => row.moved(0, -quantity, quantity),
            E::CommitmentReleased { quantity, .. } => row.moved(0, 0, -quantity),
            E::Shipped { quantity, .. } => row.moved(-quantity, 0, -quantity),
        };
        moved.ok_or(Unfoldable::OutOfRange)
    }
}

impl StockLevelView {
    fn moved(&mut self, on_hand: i64, reserved: i64, committed: i64) -> Option<()> {
        self.on_hand = self.on_hand.checked_add(on_hand)?;
        self.reserved = self.reserved.checked_add(reserved)?;
        self.committed = self.committed.checked_add(committed)?;
        self.available = self.on_hand.checked_sub(self.reserved)?.checked_sub(self.committed)?;
        Some(())
    }
}

/// Which stock levels are asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct StockLevelFilter {
    /// Only those of this SKU.
    #[param(inline, nullable = false)]
    pub sku: Option<Sku>,
    /// Only those at this location.
    #[param(inline, nullable = false)]
    pub location: Option<Location>,
}

impl Filter for StockLevelFilter {
    type Of = StockLevels;

    fn order(&self) -> Order {
        Order::by("id", "text")
    }

    fn narrow(self, list: Listing<StockLevels>) -> Listing<StockLevels> {
        list.only("t.sku = ", self.sku.map(String::from), "").only(
            "t.location = ",
            self.location.map(String::from),
            "",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;
    use chrono::{DateTime, TimeDelta};
    use domain::ids::{FulfilmentId, LineId, OrderId, ReservationId, ReturnId};
    use domain::kernel::given;
    use uuid::Uuid;

    const ORDER: OrderId = OrderId::from_uuid(Uuid::from_u128(1));
    const LINE: LineId = LineId::from_uuid(Uuid::from_u128(2));
    const FIRST: ReservationId = ReservationId::from_uuid(Uuid::from_u128(3));
    const SECOND: ReservationId = ReservationId::from_uuid(Uuid::from_u128(4));

    fn received(quantity: i64) -> E {
        E::Received { quantity }
    }

    fn reserved(reservation: ReservationId, quantity: i64) -> E {
        let at = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let expires_at = at + TimeDelta::hours(1);
        E::Reserved(Reservation {
            reservation,
            order: ORDER,
            line: LINE,
            quantity,
            expires_at,
            backorder: false,
            at,
        })
    }

    fn committed(reservation: ReservationId, quantity: i64) -> E {
        E::Committed { reservation, order: ORDER, line: LINE, quantity }
    }

    fn shipped(reservation: ReservationId, quantity: i64) -> E {
        let fulfilment = FulfilmentId::from_uuid(Uuid::from_u128(5));
        E::Shipped { reservation, order: ORDER, line: LINE, fulfilment, quantity }
    }

    fn returned(quantity: i64, condition: Condition) -> E {
        let return_id = ReturnId::from_uuid(Uuid::from_u128(6));
        E::Returned { order: ORDER, line: LINE, return_id, quantity, condition }
    }

    /// `(on hand, reserved, committed, available)` of a pool after these events of two, and its version.
    fn level(id: &str, events: &[(&str, E)]) -> ([i64; 4], i64) {
        let events = events.iter().map(|(of, event)| Recorded::example::<Stock>(*of, event));
        let row = example::row::<StockLevels>(id, events).unwrap();
        assert_eq!(format!("{}@{}", row.sku, row.location), id);
        ([row.on_hand, row.reserved, row.committed, row.available], row.stem.version)
    }

    #[test]
    fn is_kept_for_each_location() {
        let events = [
            ("lamp@main", received(5)),
            ("lamp@shop", received(7)),
            ("lamp@main", E::Adjusted { delta: -2, reason: "broken".into() }),
        ];
        assert_eq!(level("lamp@main", &events), ([3, 0, 0, 3], 2));
        assert_eq!(level("lamp@shop", &events), ([7, 0, 0, 7], 1));
    }

    #[test]
    fn what_is_held_cannot_be_had_until_it_is_given_up() {
        let released = |reservation| E::Released { reservation, order: ORDER, line: LINE, quantity: 2 };
        let mut events = vec![
            ("lamp@main", received(10)),
            ("lamp@main", reserved(FIRST, 2)),
            ("lamp@main", reserved(SECOND, 3)),
        ];
        assert_eq!(level("lamp@main", &events).0, [10, 5, 0, 5]);
        events.push(("lamp@main", released(FIRST)));
        assert_eq!(level("lamp@main", &events).0, [10, 3, 0, 7]);
        events.push(("lamp@main", committed(SECOND, 3)));
        assert_eq!(level("lamp@main", &events).0, [10, 0, 3, 7]);
        let given_up = E::CommitmentReleased { reservation: SECOND, order: ORDER, line: LINE, quantity: 1 };
        events.push(("lamp@main", given_up));
        assert_eq!(level("lamp@main", &events).0, [10, 0, 2, 8]);
        events.push(("lamp@main", shipped(SECOND, 2)));
        assert_eq!(level("lamp@main", &events).0, [8, 0, 0, 8]);
    }

    #[test]
    fn an_expired_reservation_can_be_had_again() {
        let expired = E::Expired { reservation: FIRST, order: ORDER, line: LINE, quantity: 2 };
        let events = [("lamp@main", received(2)), ("lamp@main", reserved(FIRST, 2)), ("lamp@main", expired)];
        assert_eq!(level("lamp@main", &events).0, [2, 0, 0, 2]);
    }

    #[test]
    fn only_good_units_come_back() {
        let events = [
            ("lamp@main", received(2)),
            ("lamp@main", returned(1, Condition::Good)),
            ("lamp@main", returned(1, Condition::Damaged)),
        ];
        assert_eq!(level("lamp@main", &events), ([3, 0, 0, 3], 3));
    }

    #[test]
    fn shows_what_a_checkout_sees() {
        let history =
            [received(10), reserved(FIRST, 4), reserved(SECOND, 3), committed(SECOND, 3), shipped(SECOND, 1)];
        let stock = given::<Stock>(history.clone()).0;
        let ([on_hand, .., available], _) = level("lamp@main", &history.map(|event| ("lamp@main", event)));
        assert_eq!((on_hand, available), (stock.on_hand(), stock.available()));
    }
}
