//! Stock: how many of a SKU lie at a location, and for which orders they are set aside.
//!
//! One stream per SKU and location, so one writer: two buyers of the last unit cannot both have it. Stock that was
//! never received is stock of 0.
//!
//! What is held (reserved or committed) without `backorder` never exceeds what is on hand, and what is held with
//! it is shipped only from what nobody else holds. A reservation ends in exactly one of committed, released and
//! expired; from the moment it expires it can no longer be committed, even if nobody has recorded the expiry yet.
//!
//! Repeats: a reservation, what ends it and what is shipped of it carry ids, so asking again decides nothing. What
//! is over (ended, shipped, given up) is forgotten [`REMEMBERED`] after it and its expiry, by the times of later
//! reservations, lest a popular SKU carry every reservation it ever had. From then on it is unknown, and to
//! reserve it again is refused since its time is past: no reservation lives twice. Receiving, adjusting, returning
//! and releasing committed units have no ids here: a repeat of those is known by its command's id alone.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use strum::AsRefStr;

use crate::ids::{FulfilmentId, LineId, OrderId, ReservationId, ReturnId, StockId};
use crate::kernel::{Decider, Event, Kind, Refusal};
use crate::sourced;
use crate::text::is_blank;
use holdings::{Holdings, Stage};

pub use holdings::Reservation;

mod holdings;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

/// The most that one command may move.
pub const MAX_QUANTITY: i64 = u32::MAX as i64;
/// The longest time a reservation may run.
pub const MAX_TERM: TimeDelta = TimeDelta::days(90);
/// For how long a reservation that is over is still answered for.
pub const REMEMBERED: TimeDelta = TimeDelta::hours(1);
/// The longest reason, in characters.
pub const MAX_REASON: usize = 500;

/// What a unit that came back is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// It can be sold again.
    Good,
    /// It cannot: it is recorded, and does not count as on hand.
    Damaged,
}

/// What may be asked of stock.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum StockCommand {
    Receive {
        quantity: i64,
    },
    Reserve(Reservation),
    /// Reserve and commit at once.
    Allocate(Reservation),
    /// Give up a reservation that was not committed.
    Release {
        reservation: ReservationId,
    },
    /// End a reservation whose time is past.
    Expire {
        reservation: ReservationId,
        at: DateTime<Utc>,
    },
    /// Promise the reserved units for good.
    Commit {
        reservation: ReservationId,
        at: DateTime<Utc>,
    },
    /// Give up committed units that were not shipped: their lines were cancelled.
    ReleaseCommitted {
        reservation: ReservationId,
        quantity: i64,
    },
    /// Hand committed units over.
    Ship {
        reservation: ReservationId,
        fulfilment: FulfilmentId,
        quantity: i64,
    },
    /// Take units back; how many may come back is for their order to say.
    Return {
        order: OrderId,
        line: LineId,
        return_id: ReturnId,
        quantity: i64,
        condition: Condition,
    },
    /// Correct what is on hand after a count, a loss, a find.
    Adjust {
        delta: i64,
        reason: String,
    },
}

/// What has happened to stock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AsRefStr)]
#[serde(tag = "type")]
pub enum StockEvent {
    Received {
        quantity: i64,
    },
    Reserved(Reservation),
    Released {
        reservation: ReservationId,
        order: OrderId,
        line: LineId,
        quantity: i64,
    },
    Expired {
        reservation: ReservationId,
        order: OrderId,
        line: LineId,
        quantity: i64,
    },
    Committed {
        reservation: ReservationId,
        order: OrderId,
        line: LineId,
        quantity: i64,
    },
    CommitmentReleased {
        reservation: ReservationId,
        order: OrderId,
        line: LineId,
        quantity: i64,
    },
    Shipped {
        reservation: ReservationId,
        order: OrderId,
        line: LineId,
        fulfilment: FulfilmentId,
        quantity: i64,
    },
    Returned {
        order: OrderId,
        line: LineId,
        return_id: ReturnId,
        quantity: i64,
        condition: Condition,
    },
    Adjusted {
        delta: i64,
        reason: String,
    },
}

/// Why stock says no.
#[derive(Debug, PartialEq, thiserror::Error, AsRefStr)]
#[strum(serialize_all = "snake_case")]
pub enum StockRefusal {
    #[error("no such reservation")]
    UnknownReservation,
    #[error("this reservation exists on other terms")]
    ReservationTaken,
    #[error("only {available} are available")]
    InsufficientStock { available: i64 },
    #[error("the reservation runs until {0}")]
    NotYetDue(DateTime<Utc>),
    #[error("the reservation expired")]
    ReservationExpired,
    #[error("the reservation was released")]
    ReservationReleased,
    #[error("the reservation is not committed yet")]
    NotCommitted,
    #[error("the reservation is committed")]
    AlreadyCommitted,
    #[error("only {outstanding} of the reservation are committed and not shipped")]
    MoreThanCommitted { outstanding: i64 },
    #[error("{0} shipped another quantity of this reservation")]
    AlreadyShipped(FulfilmentId),
    #[error("{held} are held for orders")]
    BelowCommitted { held: i64 },
    #[error("a quantity is 1 to {MAX_QUANTITY}, a correction that much up or down")]
    BadQuantity,
    #[error("a reservation runs for some time, and at most {} days", MAX_TERM.num_days())]
    BadExpiry,
    #[error("a reason has 1 to {MAX_REASON} characters and is not blank")]
    BadReason,
    #[error("the quantity is out of range")]
    Overflow,
}

/// Stock, as far as its rules need to remember it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Stock {
    on_hand: i64,
    holdings: Holdings,
}

impl Stock {
    /// How many lie there, held or not.
    #[must_use]
    pub fn on_hand(&self) -> i64 {
        self.on_hand
    }

    /// How many can be reserved; below 0 where more is promised on backorder than is on hand.
    #[must_use]
    pub fn available(&self) -> i64 {
        self.on_hand - self.holdings.total()
    }

    fn reserve(&self, asked: Reservation) -> Result<Vec<StockEvent>, StockRefusal> {
        use StockRefusal as No;
        check(asked.quantity)?;
        if let Ok(present) = self.holdings.get(asked.reservation) {
            return if asked.same_as(&present.terms) { Ok(vec![]) } else { Err(No::ReservationTaken) };
        }
        if asked.term() <= TimeDelta::zero() || asked.term() > MAX_TERM {
            return Err(No::BadExpiry);
        }
        if self.holdings.is_past(asked.expires_at) {
            return Err(No::ReservationExpired);
        }
        self.holdings.total().checked_add(asked.quantity).ok_or(No::Overflow)?;
        if !asked.backorder && asked.quantity > self.available() {
            return Err(No::InsufficientStock { available: self.available().max(0) });
        }
        Ok(vec![StockEvent::Reserved(asked)])
    }

    fn allocate(&self, asked: Reservation) -> Result<Vec<StockEvent>, StockRefusal> {
        let commit = StockCommand::Commit { reservation: asked.reservation, at: asked.at };
        let mut events = self.reserve(asked)?;
        let mut then = self.clone();
        events.iter().cloned().for_each(|event| then.evolve(event));
        events.extend(then.decide(commit)?);
        Ok(events)
    }

    fn ship(
        &self,
        reservation: ReservationId,
        fulfilment: FulfilmentId,
        quantity: i64,
    ) -> Result<Vec<StockEvent>, StockRefusal> {
        use StockRefusal as No;
        check(quantity)?;
        let held = self.holdings.get(reservation)?;
        let (outstanding, shipped) = held.stage.committed()?;
        match shipped.get(&fulfilment) {
            Some(&before) if before == quantity => return Ok(vec![]),
            Some(_) => return Err(No::AlreadyShipped(fulfilment)),
            None if quantity > outstanding => return Err(No::MoreThanCommitted { outstanding }),
            None => {}
        }
        let available = if held.terms.backorder { self.on_hand - self.holdings.firm() } else { self.on_hand };
        if quantity > available {
            return Err(No::InsufficientStock { available });
        }
        let Reservation { order, line, .. } = held.terms;
        Ok(vec![StockEvent::Shipped { reservation, order, line, fulfilment, quantity }])
    }

    fn adjust(&self, delta: i64, reason: String) -> Result<Vec<StockEvent>, StockRefusal> {
        use StockRefusal as No;
        check(delta.saturating_abs())?;
        if is_blank(&reason) || reason.chars().count() > MAX_REASON {
            return Err(No::BadReason);
        }
        let on_hand = self.on_hand.checked_add(delta).ok_or(No::Overflow)?;
        let held = self.holdings.firm();
        if on_hand < held {
            Err(No::BelowCommitted { held })
        } else {
            Ok(vec![StockEvent::Adjusted { delta, reason }])
        }
    }
}

fn check(quantity: i64) -> Result<(), StockRefusal> {
    if (1..=MAX_QUANTITY).contains(&quantity) { Ok(()) } else { Err(StockRefusal::BadQuantity) }
}

impl Decider for Stock {
    const NAME: &'static str = "commerce.stock";
    type Id = StockId;
    type Command = StockCommand;
    type Event = StockEvent;
    type Refusal = StockRefusal;

    fn decide(&self, command: StockCommand) -> Result<Vec<StockEvent>, StockRefusal> {
        use {StockCommand as C, StockEvent as E, StockRefusal as No};
        match command {
            C::Receive { quantity } => {
                check(quantity)?;
                self.on_hand.checked_add(quantity).ok_or(No::Overflow)?;
                Ok(vec![E::Received { quantity }])
            }

            C::Reserve(asked) => self.reserve(asked),
            C::Allocate(asked) => self.allocate(asked),

            C::Release { reservation } => {
                let held = self.holdings.get(reservation)?;
                let Reservation { order, line, quantity, .. } = held.terms;
                match held.stage {
                    Stage::Reserved => Ok(vec![E::Released { reservation, order, line, quantity }]),
                    Stage::Released | Stage::Expired => Ok(vec![]),
                    Stage::Committed { .. } => Err(No::AlreadyCommitted),
                }
            }

            C::Expire { reservation, at } => {
                let held = self.holdings.get(reservation)?;
                let Reservation { order, line, quantity, expires_at, .. } = held.terms;
                match held.stage {
                    Stage::Reserved if at < expires_at => Err(No::NotYetDue(expires_at)),
                    Stage::Reserved => Ok(vec![E::Expired { reservation, order, line, quantity }]),
                    Stage::Released | Stage::Expired => Ok(vec![]),
                    Stage::Committed { .. } => Err(No::AlreadyCommitted),
                }
            }

            C::Commit { reservation, at } => {
                let held = self.holdings.get(reservation)?;
                let Reservation { order, line, quantity, expires_at, .. } = held.terms;
                match held.stage {
                    Stage::Reserved if at >= expires_at => Err(No::ReservationExpired),
                    Stage::Reserved => Ok(vec![E::Committed { reservation, order, line, quantity }]),
                    Stage::Committed { .. } => Ok(vec![]),
                    Stage::Released => Err(No::ReservationReleased),
                    Stage::Expired => Err(No::ReservationExpired),
                }
            }

            C::ReleaseCommitted { reservation, quantity } => {
                check(quantity)?;
                let held = self.holdings.get(reservation)?;
                let Reservation { order, line, .. } = held.terms;
                match held.stage.committed()? {
                    (outstanding, _) if quantity > outstanding => Err(No::MoreThanCommitted { outstanding }),
                    _ => Ok(vec![E::CommitmentReleased { reservation, order, line, quantity }]),
                }
            }

            C::Ship { reservation, fulfilment, quantity } => self.ship(reservation, fulfilment, quantity),

            C::Return { order, line, return_id, quantity, condition } => {
                check(quantity)?;
                if condition == Condition::Good {
                    self.on_hand.checked_add(quantity).ok_or(No::Overflow)?;
                }
                Ok(vec![E::Returned { order, line, return_id, quantity, condition }])
            }

            C::Adjust { delta, reason } => self.adjust(delta, reason),
        }
    }

    fn evolve(&mut self, event: StockEvent) {
        use StockEvent as E;
        match event {
            E::Received { quantity } => self.on_hand += quantity,
            E::Adjusted { delta, .. } => self.on_hand += delta,
            E::Returned { quantity, condition: Condition::Good, .. } => self.on_hand += quantity,
            E::Returned { condition: Condition::Damaged, .. } => {}

            E::Reserved(terms) => self.holdings.reserve(terms),
            E::Released { reservation, .. } => self.holdings.end(reservation, Stage::Released),
            E::Expired { reservation, .. } => self.holdings.end(reservation, Stage::Expired),
            E::Committed { reservation, .. } => self.holdings.commit(reservation),
            E::CommitmentReleased { reservation, quantity, .. } => {
                self.holdings.settle(reservation, quantity, None);
            }
            E::Shipped { reservation, fulfilment, quantity, .. } => {
                self.on_hand -= quantity;
                self.holdings.settle(reservation, quantity, Some(fulfilment));
            }
        }
    }
}

impl Event for StockEvent {}

impl Refusal for StockRefusal {
    fn kind(&self) -> Kind {
        match self {
            Self::UnknownReservation => Kind::Missing,
            Self::ReservationTaken
            | Self::InsufficientStock { .. }
            | Self::NotYetDue(_)
            | Self::ReservationExpired
            | Self::ReservationReleased
            | Self::NotCommitted
            | Self::AlreadyCommitted
            | Self::MoreThanCommitted { .. }
            | Self::AlreadyShipped(_)
            | Self::BelowCommitted { .. } => Kind::Conflict,
            Self::BadQuantity | Self::BadExpiry | Self::BadReason | Self::Overflow => Kind::Invalid,
        }
    }
}

sourced!(Stock, StockEvent);
