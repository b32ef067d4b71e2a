//! When an order owes money back, or a payment was captured after it was over, a refund is requested.
//!
//! Refunds that nobody has to decide on are approved at once.

use domain::commerce::order::{Order, OrderCommand, OrderEvent, Share};
use domain::finance::payment::{Fact, Payment, PaymentEvent};
use domain::finance::refund::{Reason, Refund, RefundCommand, RefundLine};
use domain::ids::{LineId, OrderId, PaymentId, RefundId};
use domain::kernel::{Decider, Recorded, Unreadable};
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
            return Ok(captured_late(event, *order, Share { payment, amount: *amount }));
        }
        let Some((order, happened)) = event.happened_to::<Order>()? else { return Ok(vec![]) };
        let ((refund, shares), reason, line) = match happened {
            OrderEvent::LinesCancelled { refund, shares, .. }
            | OrderEvent::EditConfirmed { refund, shares, .. } => {
                ((refund, shares), Reason::LinesCancelled, None)
            }
            OrderEvent::Cancelled { refund, shares, .. } | OrderEvent::Expired { refund, shares, .. } => {
                ((refund, shares), Reason::OrderCancelled, None)
            }
            // What a person had asked for stood in for it, and came to nothing.
            OrderEvent::RefundEnded { owed, shares, .. } => ((owed, shares), Reason::Other, None),
            OrderEvent::ReturnReceived { line, refund, shares, shipping, .. } => {
                // Where what sending cost goes along, it is not for the line alone.
                ((refund, shares), Reason::Returned, shipping.is_none().then_some(*line))
            }
            _ => return Ok(vec![]),
        };
        let first = [Share { payment: payment_of(order), amount: *refund }];
        let shares = if shares.is_empty() { &first[..] } else { shares };
        Ok(shares.iter().flat_map(|share| request(event, order, *share, reason, line)).collect())
    }
}

/// Of an order that goes on, it learns of such money and of its going at once.
fn captured_late(event: &Recorded, order: OrderId, of: Share) -> Vec<Instruction> {
    let Share { payment, amount } = of;
    let refund = refund_of(event, order, payment);
    let undo = OrderCommand::UndoPayment { payment, refund, amount };
    let undo = (payment != payment_of(order)).then(|| Instruction::to::<Order>(order, undo));
    undo.into_iter().chain(request(event, order, of, Reason::LateCapture, None)).collect()
}

fn request(
    event: &Recorded,
    order: OrderId,
    Share { payment, amount }: Share,
    reason: Reason,
    line: Option<LineId>,
) -> Option<Instruction> {
    let lines = line.map(|line| RefundLine { line, amount }).into_iter().collect();
    let request = RefundCommand::Request { payment, order, amount, reason, lines, approved: true };
    (amount.amount > 0).then(|| Instruction::to::<Refund>(refund_of(event, order, payment), request))
}

/// One event asks for one refund of each payment.
fn refund_of(event: &Recorded, order: OrderId, payment: PaymentId) -> RefundId {
    let name = if payment == payment_of(order) { "refund".to_owned() } else { format!("refund{payment}") };
    RefundId::from_uuid(Uuid::new_v5(&event.event_id, name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::commerce::order::CancelReason;
    use domain::money::{Currency, Money};

    fn cancelled(refund: i64) -> Recorded {
        let nothing = Money::zero(Currency::USD);
        let event = OrderEvent::Cancelled {
            shares: vec![],
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
            let event = OrderEvent::RefundEnded { refund, amount, owed, shares: vec![] };
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
    fn an_order_paid_in_parts_is_paid_back_by_those_parts() {
        let usd = |amount| Money::new(amount, Currency::USD);
        let other = PaymentId::from_uuid(Uuid::from_u128(8));
        let shares = vec![
            Share { payment: payment_of(order()), amount: usd(200) },
            Share { payment: other, amount: usd(50) },
        ];
        let back = OrderEvent::Expired { refund: usd(250), shares, released: vec![], cart: None };
        let event = Recorded::example::<Order>(order().to_string(), &back);
        let asked = RefundWhenMoneyIsOwed.react(&event).unwrap();
        let of = |instruction: &Instruction| match instruction {
            Instruction::Act { act, .. } => {
                let request = &act.command()["Request"];
                (request["payment"].clone(), request["amount"]["amount"].clone())
            }
            other => panic!("{other:?}"),
        };
        let expected =
            [(payment_of(order()).to_string().into(), 200.into()), (other.to_string().into(), 50.into())];
        assert_eq!(asked.iter().map(of).collect::<Vec<_>>(), expected);
        assert_ne!(refund_of(&event, order(), other), refund_of(&event, order(), payment_of(order())));
    }

    #[test]
    fn an_order_that_owes_nothing_asks_for_nothing() {
        assert_eq!(RefundWhenMoneyIsOwed.react(&cancelled(0)), Ok(vec![]));
    }
}
