//! What is held of stock, for which orders, and what may be forgotten of it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{REMEMBERED, StockRefusal};
use crate::ids::{FulfilmentId, LineId, OrderId, ReservationId};

/// Units to be set aside for a line of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    pub reservation: ReservationId,
    pub order: OrderId,
    pub line: LineId,
    pub quantity: i64,
    pub expires_at: DateTime<Utc>,
    /// Whether they may be promised before they are on hand.
    pub backorder: bool,
    /// When they are set aside.
    pub at: DateTime<Utc>,
}

impl Reservation {
    /// Whether it asks for the same, whenever it asks.
    pub(super) fn same_as(&self, other: &Self) -> bool {
        Self { at: other.at, ..self.clone() } == *other
    }

    pub(super) fn term(&self) -> TimeDelta {
        self.expires_at - self.at
    }
}

/// All reservations that are not over, and those that were until lately.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Holdings {
    reserved: i64,
    committed: i64,
    firm: i64,
    reservations: BTreeMap<ReservationId, Held>,
    /// What is over, by the time from which it need not be remembered.
    fading: BTreeSet<(DateTime<Utc>, ReservationId)>,
    /// The latest time that a reservation was made at.
    latest: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Held {
    pub terms: Reservation,
    pub stage: Stage,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stage {
    Reserved,
    Committed { outstanding: i64, shipped: BTreeMap<FulfilmentId, i64> },
    Released,
    Expired,
}

impl Holdings {
    /// Reserved and committed.
    pub fn total(&self) -> i64 {
        self.reserved + self.committed
    }

    /// What of it was promised from what is on hand.
    pub fn firm(&self) -> i64 {
        self.firm
    }

    /// Whether a time is past, as far as is known here.
    pub fn is_past(&self, time: DateTime<Utc>) -> bool {
        time <= self.latest
    }

    pub fn get(&self, reservation: ReservationId) -> Result<&Held, StockRefusal> {
        self.reservations.get(&reservation).ok_or(StockRefusal::UnknownReservation)
    }

    pub fn reserve(&mut self, terms: Reservation) {
        self.latest = self.latest.max(terms.at);
        self.forget();
        self.reserved += terms.quantity;
        if !terms.backorder {
            self.firm += terms.quantity;
        }
        self.reservations.insert(terms.reservation, Held { terms, stage: Stage::Reserved });
    }

    pub fn commit(&mut self, reservation: ReservationId) {
        if let Some(held) = self.reservations.get_mut(&reservation) {
            let quantity = held.terms.quantity;
            held.stage = Stage::Committed { outstanding: quantity, shipped: BTreeMap::new() };
            self.reserved -= quantity;
            self.committed += quantity;
        }
    }

    /// A reservation ended without being committed.
    pub fn end(&mut self, reservation: ReservationId, stage: Stage) {
        if let Some(held) = self.reservations.get_mut(&reservation) {
            held.stage = stage;
            self.reserved -= held.terms.quantity;
            if !held.terms.backorder {
                self.firm -= held.terms.quantity;
            }
            self.fade(reservation);
        }
    }

    /// Committed units are held no more: shipped, or given up.
    pub fn settle(&mut self, reservation: ReservationId, quantity: i64, shipped_by: Option<FulfilmentId>) {
        if let Some(Held { terms, stage: Stage::Committed { outstanding, shipped } }) =
            self.reservations.get_mut(&reservation)
        {
            *outstanding -= quantity;
            shipped.extend(shipped_by.map(|fulfilment| (fulfilment, quantity)));
            self.committed -= quantity;
            if !terms.backorder {
                self.firm -= quantity;
            }
            if *outstanding == 0 {
                self.fade(reservation);
            }
        }
    }

    fn fade(&mut self, reservation: ReservationId) {
        if let Some(held) = self.reservations.get(&reservation) {
            let over = held.terms.expires_at.max(self.latest);
            let until = over.checked_add_signed(REMEMBERED).unwrap_or(DateTime::<Utc>::MAX_UTC);
            self.fading.insert((until, reservation));
        }
    }

    fn forget(&mut self) {
        while let Some(&(until, reservation)) = self.fading.first()
            && until <= self.latest
        {
            self.fading.pop_first();
            self.reservations.remove(&reservation);
        }
    }
}

impl Stage {
    /// What is committed and not shipped, and which fulfilments shipped the rest.
    pub fn committed(&self) -> Result<(i64, &BTreeMap<FulfilmentId, i64>), StockRefusal> {
        match self {
            Self::Committed { outstanding, shipped } => Ok((*outstanding, shipped)),
            Self::Reserved => Err(StockRefusal::NotCommitted),
            Self::Released => Err(StockRefusal::ReservationReleased),
            Self::Expired => Err(StockRefusal::ReservationExpired),
        }
    }
}
