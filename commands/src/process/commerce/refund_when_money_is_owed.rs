//! When an order owes money back, or a payment was captured after it was over, a refund is requested.
//!
//! Refunds that nobody has to decide on are approved at once.

use domain::commerce::order::{Order, OrderEvent};
use domain::finance::payment::{Fact, Payment, PaymentEvent};
use domain::finance::refund::{Reason, Refund, RefundCommand, RefundLine};
use domain::ids::{OrderId, PaymentId, RefundId};
use domain::kernel::{Decider, Recorded, Unreadable};
use domain::money::Money;
use uuid::Uuid;

use crate::act::Instruction;
use crate::ids::payment_of;
use crate::process::Process;

/// Process `refund_when_money_is_owed`.
pub struct RefundWhenMoneyIsOwed;

impl Process for RefundWhenMoneyIsOwed {
    fn name(&self) -> &'static str {
        "refund_when_money_is_owed"
    }

    fn listens_to(&self) -> &'static [&'static str] {
        &[Order::NAME, Payment::NAME]
    }

    fn react(&self, event: &Recorded) -> Result<Vec<Instruction>, Unreadable> {
        if let Some((
            payment,
            PaymentEvent::LateObservation { order, fact: Fact::Captured, amount: Some(amount), .. },
        )) = event.happened_to::<Payment>()?
        {
            return Ok(request(event, payment, *order, *amount, Reason::LateCapture, vec![]));
        }
        let Some((order, happened)) = event.happened_to::<Order>()? else { return Ok(vec![]) };
        let payment = payment_of(order);
        Ok(match happened {
            OrderEvent::LinesCancelled { refund, .. } | OrderEvent::EditConfirmed { refund, .. } => {
                request(event, payment, order, *refund, Reason::LinesCancelled, vec![])
            }
            OrderEvent::Cancelled { refund, .. } | OrderEvent::Expired { refund, .. } => {
                request(event, payment, order, *refund, Reason::OrderCancelled, vec![])
            }
            // What a person had asked for stood in for it, and came to nothing.
            OrderEvent::RefundEnded { owed, .. } => {
                request(event, payment, order, *owed, Reason::Other, vec![])
            }
            OrderEvent::ReturnReceived { line, refund, .. } => {
                let lines = vec![RefundLine { line: *line, amount: *refund }];
                request(event, payment, order, *refund, Reason::Returned, lines)
            }
            _ => vec![],
        })
    }
}

fn request(
    event: &Recorded,
    payment: PaymentId,
    order: OrderId,
    amount: Money,
    reason: Reason,
    lines: Vec<RefundLine>,
) -> Vec<Instruction> {
    if amount.amount <= 0 {
        return vec![];
    }
    let refund = RefundId::from_uuid(Uuid::new_v5(&event.event_id, b"refund"));
    let request = RefundCommand::Request { payment, order, amount, reason, lines, approved: true };
    vec![Instruction::to::<Refund>(refund, request)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::commerce::order::CancelReason;
    use domain::money::Currency;

    fn cancelled(refund: i64) -> Recorded {
        let nothing = Money::zero(Currency::USD);
        let event = OrderEvent::Cancelled {
            reason: CancelReason::Customer,
            lines: vec![],
            shipping: nothing,
            refund: Money::new(refund, Currency::USD),
            released: vec![],
            cart: None,
        };
        Recorded::example::<Order>(order().to_string(), &event)
    }

    fn order() -> OrderId {
        OrderId::from_uuid(Uuid::from_u128(7))
    }

    #[test]
    fn what_an_order_owes_is_asked_for_once_however_often_it_is_heard() {
        let asked = RefundWhenMoneyIsOwed.react(&cancelled(250)).unwrap();
        assert_eq!(asked, RefundWhenMoneyIsOwed.react(&cancelled(250)).unwrap());
        let id = RefundId::from_uuid(Uuid::new_v5(&cancelled(250).event_id, b"refund"));
        let request = RefundCommand::Request {
            payment: payment_of(order()),
            order: order(),
            amount: Money::new(250, Currency::USD),
            reason: Reason::OrderCancelled,
            lines: vec![],
            approved: true,
        };
        assert_eq!(asked, [Instruction::to::<Refund>(id, request)]);
    }

    #[test]
    fn what_stood_in_for_it_and_came_to_nothing_is_asked_for_anew() {
        let ended = |owed| {
            let refund = RefundId::from_uuid(Uuid::from_u128(8));
            let (amount, owed) = (Money::new(500, Currency::USD), Money::new(owed, Currency::USD));
            let event = OrderEvent::RefundEnded { refund, amount, owed };
            RefundWhenMoneyIsOwed.react(&Recorded::example::<Order>(order().to_string(), &event)).unwrap()
        };
        let [Instruction::Act { act, .. }] = &ended(300)[..] else { panic!("{:?}", ended(300)) };
        assert_eq!(
            (act.aggregate(), &act.command()["Request"]["amount"]["amount"]),
            (Refund::NAME, &300.into())
        );
        assert_eq!(ended(0), []);
    }

    #[test]
    fn an_order_that_owes_nothing_asks_for_nothing() {
        assert_eq!(RefundWhenMoneyIsOwed.react(&cancelled(0)), Ok(vec![]));
    }
}
