//! What happens to a checkout's payment, order and reservations, the checkout is told.

use domain::commerce::checkout::{self, Checkout, CheckoutCommand, OrderClosure};
use domain::commerce::order::{Order, OrderEvent};
use domain::commerce::stock::{Stock, StockEvent};
use domain::finance::payment::{DeclineClass, Payment, PaymentEvent};
use domain::finance::refund::{Refund, RefundEvent};
use domain::ids::{OrderId, RefundId};
use domain::kernel::{Decider, Recorded, Unreadable};

use crate::act::Instruction;
use crate::ids::{checkout_of, undoing_refund_of};
use crate::process::Process;

/// Process `tell_checkout_what_happened`. Of orders without a checkout nothing comes of it.
pub struct TellCheckoutWhatHappened;

impl Process for TellCheckoutWhatHappened {
    fn name(&self) -> &'static str {
        "tell_checkout_what_happened"
    }

    fn listens_to(&self) -> &'static [&'static str] {
        &[Order::NAME, Payment::NAME, Refund::NAME, Stock::NAME]
    }

    fn react(&self, event: &Recorded) -> Result<Vec<Instruction>, Unreadable> {
        let told = match event.of::<Payment>()? {
            Some(happened) => of_payment(happened),
            None => {
                match (event.happened_to::<Refund>()?, event.happened_to::<Order>()?, event.of::<Stock>()?) {
                    (Some((refund, happened)), ..) => of_refund(refund, happened),
                    (_, Some((order, happened)), _) => of_order(happened).map(|fact| (order, fact)),
                    (.., Some(StockEvent::Expired { order, line, .. })) => {
                        Some((*order, CheckoutCommand::RecordReservationExpired { line: *line }))
                    }
                    _ => None,
                }
            }
        };
        Ok(told
            .into_iter()
            .map(|(order, fact)| Instruction::to::<Checkout>(checkout_of(order), fact))
            .collect())
    }
}

type Told = Option<(OrderId, CheckoutCommand)>;

fn of_payment(happened: &PaymentEvent) -> Told {
    use {CheckoutCommand as C, PaymentEvent as E};
    Some(match happened {
        E::Authorised { order, amount, .. } => (*order, C::RecordAuthorised { amount: *amount }),
        E::Declined { order, attempt, class, code, .. } => {
            let class = match class {
                DeclineClass::Soft => checkout::DeclineClass::Soft,
                DeclineClass::Hard => checkout::DeclineClass::Hard,
                DeclineClass::Fraud => checkout::DeclineClass::Fraud,
                DeclineClass::Config => checkout::DeclineClass::Config,
            };
            (*order, C::RecordDeclined { attempt: *attempt, class, code: code.clone() })
        }
        E::Captured { order, amount, .. } => (*order, C::RecordCaptured { amount: *amount }),
        E::CaptureFailed { order, code, .. } => (*order, C::RecordCaptureFailed { code: code.clone() }),
        E::Voided { order, .. } | E::Cancelled { order, .. } | E::Expired { order, .. } => {
            (*order, C::RecordVoided)
        }
        E::VoidFailed { order, code, .. } => (*order, C::RecordVoidFailed { code: code.clone() }),
        // The provider holds another amount than was asked for: whether to go on is for a person.
        E::Conflicted { order, .. } => (*order, C::RecordPaymentUnresolved),
        _ => return None,
    })
}

fn of_refund(refund: RefundId, happened: &RefundEvent) -> Told {
    use {CheckoutCommand as C, RefundEvent as E};
    let (order, fact) = match happened {
        E::Succeeded { order, .. } => (*order, C::RecordRefunded),
        E::Failed { order, code, .. } | E::HeldForReview { order, code, .. } => {
            (*order, C::RecordRefundFailed { code: code.clone() })
        }
        _ => return None,
    };
    // Other refunds of the order are none of the checkout's business.
    (refund == undoing_refund_of(order)).then_some((order, fact))
}

fn of_order(happened: &OrderEvent) -> Option<CheckoutCommand> {
    let how = match happened {
        OrderEvent::Cancelled { .. } => OrderClosure::Cancelled,
        OrderEvent::Expired { .. } => OrderClosure::Expired,
        OrderEvent::Confirmed { .. } => return Some(CheckoutCommand::RecordConfirmed),
        _ => return None,
    };
    Some(CheckoutCommand::RecordOrderClosed { how })
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::ids::{AttemptId, PaymentId};
    use domain::money::{Currency, Money};
    use uuid::Uuid;

    fn order() -> OrderId {
        OrderId::from_uuid(Uuid::from_u128(7))
    }

    fn payment() -> PaymentId {
        PaymentId::from_uuid(Uuid::from_u128(8))
    }

    fn told(event: &Recorded) -> Vec<Instruction> {
        TellCheckoutWhatHappened.react(event).unwrap()
    }

    #[test]
    fn what_the_payment_holds_is_told() {
        let amount = Money::new(100, Currency::USD);
        let authorised = PaymentEvent::Authorised {
            order: order(),
            attempt: AttemptId::from_uuid(Uuid::nil()),
            psp_ref: "ch_1".into(),
            amount,
            valid_until: chrono::DateTime::UNIX_EPOCH,
            capture: domain::finance::payment::CaptureMode::Auto,
        };
        let event = Recorded::example::<Payment>(payment().to_string(), &authorised);
        let fact = CheckoutCommand::RecordAuthorised { amount };
        assert_eq!(told(&event), [Instruction::to::<Checkout>(checkout_of(order()), fact)]);
    }

    #[test]
    fn only_the_refund_of_the_checkout_itself_is_told() {
        let amount = Money::new(100, Currency::USD);
        let (payment, order) = (payment(), order());
        let succeeded = RefundEvent::Succeeded { payment, order, amount, psp_ref: "re_1".into() };
        let another = RefundId::from_uuid(Uuid::from_u128(9)).to_string();
        assert_eq!(told(&Recorded::example::<Refund>(another, &succeeded)), []);
        let own = undoing_refund_of(order).to_string();
        let fact = Instruction::to::<Checkout>(checkout_of(order), CheckoutCommand::RecordRefunded);
        assert_eq!(told(&Recorded::example::<Refund>(own, &succeeded)), [fact]);
    }
}
