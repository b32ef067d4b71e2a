//! From an approved refund to money given back: its amount is set aside on the payment, then it is sent, and what
//! the provider says is written down on the payment and the order. What comes to nothing is free again on both. What
//! was not paid through a provider waits for a person to pay it out.

use domain::commerce::order::{Order, OrderCommand};
use domain::finance::payment::{Payment, PaymentCommand, PaymentEvent};
use domain::finance::refund::{PAY_OUT_BY_HAND, Refund, RefundCommand, RefundEvent, RefundFact};
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
            let send = RefundCommand::Send { charge: charge.clone() };
            return Ok(vec![Instruction::to::<Refund>(*refund, send)]);
        }
        if let Some(PaymentEvent::RefundSetAside { refund, .. }) = event.of::<Payment>()? {
            let code = PAY_OUT_BY_HAND.to_owned();
            let wait = RefundCommand::RecordFailed { code, review: true };
            return Ok(vec![Instruction::to::<Refund>(*refund, wait)]);
        }
        let Some((refund, happened)) = event.happened_to::<Refund>()? else { return Ok(vec![]) };
        Ok(match happened {
            RefundEvent::Approved { payment, amount, .. } => {
                let allot = PaymentCommand::AllotRefund { refund, amount: *amount };
                vec![Instruction::to::<Payment>(*payment, allot).or(move |refused| {
                    let code = refused.code.clone();
                    Instruction::to::<Refund>(refund, RefundCommand::RecordFailed { code, review: true })
                })]
            }
            // Also if it was taken for failed, and its money has left all the same.
            RefundEvent::Succeeded { payment, order, amount, .. }
            | RefundEvent::LateObservation { payment, order, amount, fact: RefundFact::Succeeded, .. } => {
                let record = OrderCommand::RecordRefund { refund, payment: *payment, amount: *amount };
                vec![
                    Instruction::to::<Payment>(*payment, PaymentCommand::SettleRefund { refund }),
                    Instruction::to::<Order>(*order, record),
                ]
            }
            // The payment first: what the order asks for next finds its money there.
            RefundEvent::Failed { payment, order, .. } | RefundEvent::Cancelled { payment, order, .. } => {
                vec![
                    Instruction::to::<Payment>(*payment, PaymentCommand::ReleaseRefund { refund }),
                    Instruction::to::<Order>(*order, OrderCommand::EndRefund { refund }),
                ]
            }
            RefundEvent::Reversed { payment, order, .. } => {
                vec![
                    Instruction::to::<Payment>(*payment, PaymentCommand::ReverseRefund { refund }),
                    Instruction::to::<Order>(*order, OrderCommand::ReverseRefund { refund }),
                ]
            }
            _ => vec![],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Refused;
    use domain::ids::{OrderId, PaymentId, RefundId};
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
    fn what_comes_to_nothing_is_free_again_on_the_payment_and_then_on_the_order() {
        let (refund, payment, order) = ids();
        let failed = RefundEvent::Failed { payment, order, amount: five(), code: "not_owed".into() };
        for event in [failed, RefundEvent::Cancelled { payment, order, amount: five() }] {
            assert_eq!(
                PayRefundOut.react(&Recorded::example::<Refund>(refund.to_string(), &event)),
                Ok(vec![
                    Instruction::to::<Payment>(payment, PaymentCommand::ReleaseRefund { refund }),
                    Instruction::to::<Order>(order, OrderCommand::EndRefund { refund }),
                ])
            );
        }
        let reversed = RefundEvent::Reversed { payment, order, amount: five(), psp_ref: "re_1".into() };
        assert_eq!(
            PayRefundOut.react(&Recorded::example::<Refund>(refund.to_string(), &reversed)),
            Ok(vec![
                Instruction::to::<Payment>(payment, PaymentCommand::ReverseRefund { refund }),
                Instruction::to::<Order>(order, OrderCommand::ReverseRefund { refund }),
            ])
        );
    }

    #[test]
    fn what_has_left_is_written_on_the_payment_and_the_order() {
        let (refund, payment, order) = ids();
        let succeeded = RefundEvent::Succeeded { payment, order, amount: five(), psp_ref: "re_1".into() };
        let (fact, reference) = (RefundFact::Succeeded, "re_1".to_owned());
        let late = RefundEvent::LateObservation { payment, order, amount: five(), fact, reference };
        for event in [succeeded, late] {
            let record = OrderCommand::RecordRefund { refund, payment, amount: five() };
            assert_eq!(
                PayRefundOut.react(&Recorded::example::<Refund>(refund.to_string(), &event)),
                Ok(vec![
                    Instruction::to::<Payment>(payment, PaymentCommand::SettleRefund { refund }),
                    Instruction::to::<Order>(order, record),
                ])
            );
        }
    }
}
