//! What holds of stock whatever is asked of it, counted from its events alone.

use std::collections::BTreeMap;

use super::{StockCommand as C, StockEvent as E, *};
use proptest::prelude::*;
use uuid::Uuid;

const RESERVATIONS: u8 = 10;

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
}

fn id(number: u8) -> ReservationId {
    ReservationId::from_uuid(Uuid::from_u128(number.into()))
}

/// Reservation n asks for the same whenever it asks; they expire 20 minutes apart, so early ones are forgotten.
fn terms(number: u8, early: i64) -> Reservation {
    let expires_at = 1200 * (i64::from(number) + 1);
    Reservation {
        reservation: id(number),
        order: OrderId::from_uuid(Uuid::from_u128(number.into())),
        line: LineId::from_uuid(Uuid::from_u128(number.into())),
        quantity: i64::from(number % 4) + 1,
        expires_at: at(expires_at),
        backorder: number.is_multiple_of(2),
        at: at(expires_at - early),
    }
}

fn commands() -> impl Strategy<Value = C> {
    let reservation = || (0..RESERVATIONS).prop_map(id);
    let time = |end: i64| (0..end).prop_map(at);
    let fulfilment = (0..3u128).prop_map(|number| FulfilmentId::from_uuid(Uuid::from_u128(number)));
    let condition = prop_oneof![Just(Condition::Good), Just(Condition::Damaged)];
    prop_oneof![
        1 => (1..8i64).prop_map(|quantity| C::Receive { quantity }),
        6 => (0..RESERVATIONS, 1..3000i64).prop_map(|(number, early)| C::Reserve(terms(number, early))),
        1 => reservation().prop_map(|reservation| C::Release { reservation }),
        1 => (reservation(), time(14_000)).prop_map(|(reservation, at)| C::Expire { reservation, at }),
        5 => (reservation(), time(2400)).prop_map(|(reservation, at)| C::Commit { reservation, at }),
        2 => (reservation(), 1..5i64)
            .prop_map(|(reservation, quantity)| C::ReleaseCommitted { reservation, quantity }),
        5 => (reservation(), fulfilment, 1..5i64)
            .prop_map(|(reservation, fulfilment, quantity)| C::Ship { reservation, fulfilment, quantity }),
        1 => (1..3i64, condition).prop_map(|(quantity, condition)| C::Return {
            order: terms(0, 1).order,
            line: terms(0, 1).line,
            return_id: ReturnId::from_uuid(Uuid::nil()),
            quantity,
            condition,
        }),
        1 => (-8..8i64).prop_map(|delta| C::Adjust { delta, reason: "counted".into() }),
    ]
}

/// One reservation, by the events that name it.
#[derive(Debug, Default)]
struct Fate {
    reserved: Vec<Reservation>,
    /// Committed, released or expired.
    ends: usize,
    committed: i64,
    given_up: i64,
    shipped: i64,
}

impl Fate {
    fn live(&self) -> i64 {
        if self.ends == 0 { self.reserved.iter().map(|terms| terms.quantity).sum() } else { 0 }
    }

    fn held(&self) -> i64 {
        self.live() + self.committed - self.given_up - self.shipped
    }

    fn is_firm(&self) -> bool {
        self.reserved.iter().any(|terms| !terms.backorder)
    }
}

#[derive(Debug, Default)]
struct Book {
    on_hand: i64,
    fates: BTreeMap<ReservationId, Fate>,
}

impl Book {
    fn enter(&mut self, event: &E) {
        match event {
            E::Received { quantity } | E::Returned { quantity, condition: Condition::Good, .. } => {
                self.on_hand += quantity;
            }
            E::Returned { .. } => {}
            E::Adjusted { delta, .. } => self.on_hand += delta,
            E::Reserved(terms) => self.of(terms.reservation).reserved.push(terms.clone()),
            E::Released { reservation, .. } | E::Expired { reservation, .. } => {
                self.of(*reservation).ends += 1
            }
            E::Committed { reservation, quantity, .. } => {
                self.of(*reservation).ends += 1;
                self.of(*reservation).committed += quantity;
            }
            E::CommitmentReleased { reservation, quantity, .. } => self.of(*reservation).given_up += quantity,
            E::Shipped { reservation, quantity, .. } => {
                self.on_hand -= quantity;
                self.of(*reservation).shipped += quantity;
            }
        }
    }

    fn of(&mut self, reservation: ReservationId) -> &mut Fate {
        self.fates.entry(reservation).or_default()
    }

    fn held(&self) -> i64 {
        self.fates.values().map(Fate::held).sum()
    }

    fn firm(&self) -> i64 {
        self.fates.values().filter(|fate| fate.is_firm()).map(Fate::held).sum()
    }
}

fn carries_an_id(command: &C) -> bool {
    matches!(
        command,
        C::Reserve(_) | C::Release { .. } | C::Expire { .. } | C::Commit { .. } | C::Ship { .. }
    )
}

proptest! {
    #[test]
    fn nothing_is_sold_twice_and_every_reservation_ends_once(
        commands in prop::collection::vec(commands(), 0..150),
    ) {
        let (mut stock, mut book) = (Stock::default(), Book::default());
        for command in commands {
            let Ok(events) = stock.decide(command.clone()) else { continue };
            for event in events {
                book.enter(&event);
                stock.evolve(event);
            }
            prop_assert!(book.on_hand >= 0);
            prop_assert!(book.firm() <= book.on_hand);
            prop_assert_eq!(stock.on_hand(), book.on_hand);
            prop_assert_eq!(stock.available(), book.on_hand - book.held());
            for fate in book.fates.values() {
                prop_assert_eq!(fate.reserved.len(), 1);
                prop_assert!(fate.ends <= 1);
                prop_assert!(fate.given_up + fate.shipped <= fate.committed);
            }
            if carries_an_id(&command) {
                prop_assert_eq!(stock.decide(command), Ok(vec![]));
            }
        }

        for number in 0..RESERVATIONS {
            for event in stock.decide(C::Expire { reservation: id(number), at: at(1_000_000) }).unwrap_or_default() {
                book.enter(&event);
                stock.evolve(event);
            }
        }
        prop_assert!(book.fates.values().all(|fate| fate.ends == 1));
    }

    #[test]
    fn is_the_same_after_it_was_put_by(commands in prop::collection::vec(commands(), 0..60)) {
        let mut stock = Stock::default();
        for command in commands {
            stock.decide(command).unwrap_or_default().into_iter().for_each(|event| stock.evolve(event));
        }
        let kept = serde_json::to_string(&stock).unwrap();
        prop_assert_eq!(serde_json::from_str::<Stock>(&kept).unwrap(), stock);
    }
}
