//! When an order is placed, its checkout begins, unless it happened elsewhere: it takes the money, and sets the goods
//! aside also where the money follows later. So does that of an edit, for what it
//! costs more and takes more from stock.

use chrono::TimeDelta;
use domain::commerce::checkout::{Beginning, Checkout, CheckoutCommand, CheckoutLine};
use domain::commerce::order::{Order, OrderEvent, Placed, Settlement};
use domain::ids::{CheckoutId, LineId, OrderId, ReservationId};
use domain::kernel::{Decider, Recorded, Unreadable};
use domain::money::Money;
use uuid::Uuid;

use crate::act::Instruction;
use crate::commerce::order::WAITS;
use crate::ids::{checkout_of, checkout_of_payment, payment_of, undoing_refund_of};
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
        let Some((order, happened)) = event.happened_to::<Order>()? else {
            return Ok(vec![]);
        };
        let (checkout, beginning) = match happened {
            OrderEvent::Placed(placed) if placed.settlement != Settlement::Recorded => {
                (checkout_of(order), of_order(order, placed, event))
            }
            OrderEvent::EditSettlementBegun { payment, .. } => {
                let checkout = checkout_of_payment(order, *payment);
                let Some(beginning) = of_edit(order, checkout, happened) else { return Ok(vec![]) };
                (checkout, beginning)
            }
            _ => return Ok(vec![]),
        };
        let begin = CheckoutCommand::Begin(Box::new(beginning));
        Ok(vec![Instruction::to::<Checkout>(checkout, begin)])
    }
}

fn of_order(order: OrderId, placed: &Placed, event: &Recorded) -> Beginning {
    let checkout = checkout_of(order);
    let lines = placed.terms.lines.iter().map(|line| CheckoutLine {
        line: line.line,
        stock: line.stock.clone(),
        quantity: line.quantity,
        reservation: reservation(checkout, line.line),
    });
    let expires_at = placed.expires_at.unwrap_or(event.recorded_at + WAITS);
    let (total, on_credit) = (placed.terms.total, placed.settlement == Settlement::CreditTerms);
    Beginning {
        order,
        customer: placed.customer,
        lines: lines.collect(),
        total: if on_credit { Money::zero(total.currency) } else { total },
        payment: payment_of(order),
        payment_method: placed.payment_method.clone().unwrap_or_default(),
        refund: undoing_refund_of(checkout),
        reservation_expires_at: expires_at + KEPT_LONGER,
        expires_at,
        on_credit,
    }
}

fn of_edit(order: OrderId, checkout: CheckoutId, happened: &OrderEvent) -> Option<Beginning> {
    let OrderEvent::EditSettlementBegun {
        payment, customer, amount, payment_method, lines, expires_at, ..
    } = happened
    else {
        return None;
    };
    let lines = lines.iter().map(|wanted| CheckoutLine {
        line: wanted.line,
        stock: wanted.stock.clone(),
        quantity: wanted.quantity,
        reservation: reservation(checkout, wanted.line),
    });
    Some(Beginning {
        order,
        customer: *customer,
        lines: lines.collect(),
        total: *amount,
        payment: *payment,
        payment_method: payment_method.clone().unwrap_or_default(),
        refund: undoing_refund_of(checkout),
        reservation_expires_at: *expires_at + KEPT_LONGER,
        expires_at: *expires_at,
        on_credit: false,
    })
}

fn reservation(checkout: CheckoutId, line: LineId) -> ReservationId {
    ReservationId::from_uuid(Uuid::new_v5(&checkout.uuid(), line.uuid().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{DateTime, Utc};
    use domain::commerce::order::{Contents, Item, Placed};
    use domain::ids::{CustomerId, LineId};
    use domain::money::Currency;

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
            number_prefix: None,
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
    fn an_order_on_credit_gets_one_that_takes_no_money() {
        let asked = StartCheckoutWhenOrderIsPlaced.react(&placed(Settlement::CreditTerms)).unwrap();
        let [Instruction::Act { act, .. }] = asked.as_slice() else { panic!("{asked:?}") };
        let begin = &act.command()["Begin"];
        assert_eq!((&begin["total"]["amount"], &begin["on_credit"]), (&0.into(), &true.into()));
        assert_eq!(begin["lines"][0]["stock"], "LAMP@main");
    }

    #[test]
    fn what_was_settled_elsewhere_gets_none() {
        assert_eq!(StartCheckoutWhenOrderIsPlaced.react(&placed(Settlement::Recorded)), Ok(vec![]));
    }
}
