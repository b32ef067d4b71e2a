//! From an approved refund to money given back: its amount is set aside on the payment, then it is sent, and what
//! the provider says is written down on the payment and the order.

use domain::commerce::order::{Order, OrderCommand};
use domain::finance::payment::{Payment, PaymentCommand, PaymentEvent};
use domain::finance::refund::{Refund, RefundCommand, RefundEvent, RefundFact};
use domain::ids::RefundId;
use domain::kernel::{Decider, Recorded, Unreadable};

use crate::act::Instruction;
use crate::process::Process;

/// Process `pay_refund_out`.
pub struct PayRefundOut;

impl Process for PayRefundOut {
    fn name(&self) -> &'static str {
        "pay_refund_out"
    }

    fn listens_to(&self) -> &'static [&'static str] {
        &[Refund::NAME, Payment::NAME]
    }

    fn react(&self, event: &Recorded) -> Result<Vec<Instruction>, Unreadable> {
        if let Some(PaymentEvent::RefundAllotted { refund, charge, .. }) = event.of::<Payment>()? {
            return Ok(vec![Instruction::to::<Refund>(
                refund,
                RefundCommand::Send { charge: charge.clone() },
            )]);
        }
        let (Some(happened), Ok(refund)) = (event.of::<Refund>()?, event.id.parse::<RefundId>()) else {
            return Ok(vec![]);
        };
        Ok(match happened {
            RefundEvent::Approved { payment, amount, .. } => {
                let allot = PaymentCommand::AllotRefund { refund, amount: *amount };
                vec![Instruction::to::<Payment>(payment, allot).or(move |refused| {
                    let code = refused.code.clone();
                    Instruction::to::<Refund>(refund, RefundCommand::RecordFailed { code, review: true })
                })]
            }
            RefundEvent::Succeeded { payment, order, amount, .. } => {
                let record = OrderCommand::RecordRefund { refund, payment: *payment, amount: *amount };
                vec![
                    Instruction::to::<Payment>(payment, PaymentCommand::SettleRefund { refund }),
                    Instruction::to::<Order>(order, record),
                ]
            }
            // It was taken for failed, and its money has left all the same.
            RefundEvent::LateObservation { payment, fact: RefundFact::Succeeded, .. } => {
                vec![Instruction::to::<Payment>(payment, PaymentCommand::SettleRefund { refund })]
            }
            RefundEvent::Failed { payment, .. } | RefundEvent::Cancelled { payment, .. } => {
                vec![Instruction::to::<Payment>(payment, PaymentCommand::ReleaseRefund { refund })]
            }
            RefundEvent::Reversed { payment, .. } => {
                vec![Instruction::to::<Payment>(payment, PaymentCommand::ReverseRefund { refund })]
            }
            _ => vec![],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Refused;
    use domain::ids::{OrderId, PaymentId};
    use domain::kernel::Kind;
    use domain::money::{Currency, Money};
    use uuid::Uuid;

    fn ids() -> (RefundId, PaymentId, OrderId) {
        let id = Uuid::from_u128;
        (RefundId::from_uuid(id(1)), PaymentId::from_uuid(id(2)), OrderId::from_uuid(id(3)))
    }

    fn five() -> Money {
        Money::new(500, Currency::USD)
    }

    #[test]
    fn money_is_set_aside_before_it_is_sent() {
        let (refund, payment, order) = ids();
        let approved = RefundEvent::Approved { payment, order, amount: five() };
        let asked = PayRefundOut.react(&Recorded::example::<Refund>(refund.to_string(), &approved)).unwrap();
        let allot = PaymentCommand::AllotRefund { refund, amount: five() };
        assert_eq!(asked, [Instruction::to::<Payment>(payment, allot)]);

        let allotted = PaymentEvent::RefundAllotted { order, refund, amount: five(), charge: "ch_1".into() };
        let event = Recorded::example::<Payment>(payment.to_string(), &allotted);
        let send = RefundCommand::Send { charge: "ch_1".into() };
        assert_eq!(PayRefundOut.react(&event), Ok(vec![Instruction::to::<Refund>(refund, send)]));
    }

    #[test]
    fn a_refund_that_the_payment_does_not_cover_is_for_a_person() {
        let (refund, payment, order) = ids();
        let approved = RefundEvent::Approved { payment, order, amount: five() };
        let asked = PayRefundOut.react(&Recorded::example::<Refund>(refund.to_string(), &approved)).unwrap();
        let [Instruction::Act { fallback: Some(fallback), .. }] = asked.as_slice() else {
            panic!("{asked:?}")
        };
        let code = "payment/exceeds_refundable".to_owned();
        let refused =
            Refused { kind: Kind::Conflict, code: code.clone(), message: String::new(), replayed: false };
        let failed = RefundCommand::RecordFailed { code, review: true };
        assert_eq!(fallback(&refused), Instruction::to::<Refund>(refund, failed));
    }

    #[test]
    fn what_has_left_is_written_on_the_payment_and_the_order() {
        let (refund, payment, order) = ids();
        let succeeded = RefundEvent::Succeeded { payment, order, amount: five(), psp_ref: "re_1".into() };
        let event = Recorded::example::<Refund>(refund.to_string(), &succeeded);
        let record = OrderCommand::RecordRefund { refund, payment, amount: five() };
        assert_eq!(
            PayRefundOut.react(&event),
            Ok(vec![
                Instruction::to::<Payment>(payment, PaymentCommand::SettleRefund { refund }),
                Instruction::to::<Order>(order, record),
            ])
        );
    }
}
