//! When an order is placed that a checkout is to settle, its checkout begins.

use chrono::TimeDelta;
use domain::commerce::checkout::{Beginning, Checkout, CheckoutCommand, CheckoutLine};
use domain::commerce::order::{Order, OrderEvent, Settlement};
use domain::ids::ReservationId;
use domain::kernel::{Decider, Recorded, Unreadable};
use uuid::Uuid;

use crate::act::Instruction;
use crate::commerce::order::WAITS;
use crate::ids::{checkout_of, payment_of, undoing_refund_of};
use crate::process::Process;

/// How much longer than the order its goods are reserved: time for a payment that is under way when the order's time
/// is up, and no race between the two clocks.
const KEPT_LONGER: TimeDelta = TimeDelta::minutes(15);

/// Process `start_checkout_when_order_is_placed`.
pub struct StartCheckoutWhenOrderIsPlaced;

impl Process for StartCheckoutWhenOrderIsPlaced {
    fn name(&self) -> &'static str {
        "start_checkout_when_order_is_placed"
    }

    fn listens_to(&self) -> &'static [&'static str] {
        &[Order::NAME]
    }

    fn react(&self, event: &Recorded) -> Result<Vec<Instruction>, Unreadable> {
        let Some((order, OrderEvent::Placed(placed))) = event.happened_to::<Order>()? else {
            return Ok(vec![]);
        };
        if placed.settlement != Settlement::Checkout {
            return Ok(vec![]);
        }
        let lines = placed.terms.lines.iter().map(|line| CheckoutLine {
            line: line.line,
            stock: line.stock.clone(),
            quantity: line.quantity,
            reservation: ReservationId::from_uuid(Uuid::new_v5(&order.uuid(), line.line.uuid().as_bytes())),
        });
        let expires_at = placed.expires_at.unwrap_or(event.recorded_at + WAITS);
        let beginning = Beginning {
            order,
            customer: placed.customer,
            lines: lines.collect(),
            total: placed.terms.total,
            payment: payment_of(order),
            payment_method: placed.payment_method.clone().unwrap_or_default(),
            refund: undoing_refund_of(order),
            reservation_expires_at: expires_at + KEPT_LONGER,
            expires_at,
        };
        let begin = CheckoutCommand::Begin(Box::new(beginning));
        Ok(vec![Instruction::to::<Checkout>(checkout_of(order), begin)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{DateTime, Utc};
    use domain::commerce::order::{Contents, Item, Placed};
    use domain::ids::{CustomerId, LineId, OrderId};
    use domain::money::{Currency, Money};

    fn placed(settlement: Settlement) -> Recorded {
        let contents = Contents {
            lines: vec![Item {
                line: LineId::from_uuid(Uuid::from_u128(1)),
                stock: "LAMP@main".parse().ok(),
                sku: "LAMP".parse().unwrap(),
                title: "Lamp".into(),
                quantity: 2,
                unit_price: None,
                total: Money::new(999, Currency::USD),
                tax: None,
            }],
            ..Contents::new(Currency::USD)
        };
        let event = OrderEvent::Placed(Box::new(Placed {
            customer: CustomerId::from_uuid(Uuid::from_u128(2)),
            reference: None,
            cart: None,
            settlement,
            payment_method: Some("ok".into()),
            expires_at: None,
            terms: contents.terms().unwrap(),
        }));
        Recorded::example::<Order>(OrderId::from_uuid(Uuid::from_u128(3)).to_string(), &event)
    }

    #[test]
    fn an_order_for_a_checkout_gets_one() {
        let asked = StartCheckoutWhenOrderIsPlaced.react(&placed(Settlement::Checkout)).unwrap();
        let [Instruction::Act { act, .. }] = asked.as_slice() else { panic!("{asked:?}") };
        assert_eq!((act.aggregate(), act.name()), ("commerce.checkout", "checkout.begin".to_owned()));
        let begin = &act.command()["Begin"];
        assert_eq!(begin["total"]["amount"], 999);
        assert_eq!(begin["lines"][0]["quantity"], 2);
        assert_eq!(begin["payment_method"], "ok");
        let time = |name: &str| begin[name].as_str().unwrap().parse::<DateTime<Utc>>().unwrap();
        assert_eq!(time("reservation_expires_at") - time("expires_at"), KEPT_LONGER);
    }

    #[test]
    fn what_was_settled_elsewhere_gets_none() {
        assert_eq!(StartCheckoutWhenOrderIsPlaced.react(&placed(Settlement::Recorded)), Ok(vec![]));
        assert_eq!(StartCheckoutWhenOrderIsPlaced.react(&placed(Settlement::CreditTerms)), Ok(vec![]));
    }
}
