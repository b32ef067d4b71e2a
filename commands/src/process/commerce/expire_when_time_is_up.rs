//! When the time of a checkout or of a reservation is up, it expires.
//!
//! An order that a checkout settles expires through it, so that no capture under way is overtaken.

use chrono::{DateTime, TimeDelta, Utc};
use domain::commerce::checkout::{Checkout, CheckoutCommand, CheckoutEvent};
use domain::commerce::stock::{Stock, StockCommand, StockEvent};
use domain::kernel::{Decider, Recorded, Unreadable};

use crate::act::Instruction;
use crate::process::Process;

/// Process `expire_when_time_is_up`.
pub struct ExpireWhenTimeIsUp;

impl Process for ExpireWhenTimeIsUp {
    fn name(&self) -> &'static str {
        "expire_when_time_is_up"
    }

    fn listens_to(&self) -> &'static [&'static str] {
        &[Checkout::NAME, Stock::NAME]
    }

    fn react(&self, event: &Recorded) -> Result<Vec<Instruction>, Unreadable> {
        if let Some(happened) = event.of::<Checkout>()? {
            return Ok(match happened {
                CheckoutEvent::Began(began) => vec![remind(event, &event.id, began.expires_at)],
                CheckoutEvent::Completed { .. } | CheckoutEvent::Closed { .. } => {
                    vec![Instruction::forget(&event.id)]
                }
                _ => vec![],
            });
        }
        Ok(match event.of::<Stock>()? {
            Some(StockEvent::Reserved(reserved)) => {
                vec![remind(event, reserved.reservation, reserved.expires_at)]
            }
            Some(
                StockEvent::Released { reservation, .. }
                | StockEvent::Expired { reservation, .. }
                | StockEvent::Committed { reservation, .. },
            ) => vec![Instruction::forget(reservation)],
            _ => vec![],
        })
    }

    fn due(
        &self,
        cause: &Recorded,
        _key: &str,
        due_at: DateTime<Utc>,
    ) -> Result<Vec<Instruction>, Unreadable> {
        if let Some((checkout, _)) = cause.happened_to::<Checkout>()? {
            return Ok(vec![Instruction::to::<Checkout>(checkout, CheckoutCommand::Expire { at: due_at })]);
        }
        Ok(match cause.happened_to::<Stock>()? {
            Some((stock, StockEvent::Reserved(reserved))) => {
                let expire = StockCommand::Expire { reservation: reserved.reservation, at: due_at };
                vec![Instruction::to::<Stock>(stock, expire)]
            }
            _ => vec![],
        })
    }
}

fn remind(event: &Recorded, key: impl ToString, at: DateTime<Utc>) -> Instruction {
    Instruction::remind(key, (at - event.recorded_at).max(TimeDelta::zero()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::commerce::stock::Reservation;
    use domain::ids::{LineId, OrderId, ReservationId};
    use uuid::Uuid;

    const POOL: &str = "LAMP@main";

    fn reserved() -> Recorded {
        let at = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let event = StockEvent::Reserved(Reservation {
            reservation: reservation(),
            order: OrderId::from_uuid(Uuid::from_u128(1)),
            line: LineId::from_uuid(Uuid::from_u128(2)),
            quantity: 1,
            expires_at: at + TimeDelta::minutes(30),
            backorder: false,
            at,
        });
        Recorded::example::<Stock>(POOL, &event)
    }

    fn reservation() -> ReservationId {
        ReservationId::from_uuid(Uuid::from_u128(3))
    }

    #[test]
    fn a_reservation_is_looked_at_again_when_its_time_is_up() {
        let set = vec![Instruction::remind(reservation(), TimeDelta::minutes(30))];
        assert_eq!(ExpireWhenTimeIsUp.react(&reserved()), Ok(set));
        let due_at = reserved().recorded_at + TimeDelta::minutes(30);
        let expire = StockCommand::Expire { reservation: reservation(), at: due_at };
        assert_eq!(
            ExpireWhenTimeIsUp.due(&reserved(), &reservation().to_string(), due_at),
            Ok(vec![Instruction::to::<Stock>(POOL.parse().unwrap(), expire)])
        );
    }

    #[test]
    fn a_reservation_that_has_ended_is_not() {
        let (order, line) = (OrderId::from_uuid(Uuid::from_u128(1)), LineId::from_uuid(Uuid::from_u128(2)));
        let committed = StockEvent::Committed { reservation: reservation(), order, line, quantity: 1 };
        let event = Recorded::example::<Stock>(POOL, &committed);
        assert_eq!(ExpireWhenTimeIsUp.react(&event), Ok(vec![Instruction::forget(reservation())]));
    }
}
