//! What happens to a checkout's payment, order and reservations, the checkout is told.

use domain::commerce::checkout::{self, Checkout, CheckoutCommand, OrderClosure};
use domain::commerce::order::{Order, OrderEvent};
use domain::commerce::stock::{Stock, StockEvent};
use domain::finance::payment::{DeclineClass, Payment, PaymentEvent};
use domain::finance::refund::{Refund, RefundEvent};
use domain::ids::{CheckoutId, OrderId, PaymentId, RefundId};
use domain::kernel::{Decider, Recorded, Unreadable};

use crate::act::Instruction;
use crate::ids::{checkout_of, checkout_of_payment, undoing_refund_of};
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
            Some(happened) => of_payment(event.id_of::<Payment>()?, happened),
            None => {
                match (event.happened_to::<Refund>()?, event.happened_to::<Order>()?, event.of::<Stock>()?) {
                    (Some((refund, happened)), ..) => of_refund(refund, happened),
                    (_, Some((order, happened)), _) => of_order(order, happened),
                    (.., Some(StockEvent::Expired { order, line, .. })) => {
                        // An edit's checkout learns of it when it commits: its own time is up before that of its
                        // goods.
                        Some((checkout_of(*order), CheckoutCommand::RecordReservationExpired { line: *line }))
                    }
                    _ => None,
                }
            }
        };
        Ok(told.into_iter().map(|(checkout, fact)| Instruction::to::<Checkout>(checkout, fact)).collect())
    }
}

type Told = Option<(CheckoutId, CheckoutCommand)>;

fn of_payment(payment: PaymentId, happened: &PaymentEvent) -> Told {
    use {CheckoutCommand as C, PaymentEvent as E};
    let (order, fact) = match happened {
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
    };
    Some((checkout_of_payment(order, payment), fact))
}

fn of_refund(refund: RefundId, happened: &RefundEvent) -> Told {
    use {CheckoutCommand as C, RefundEvent as E};
    let (order, payment, fact) = match happened {
        E::Succeeded { order, payment, .. } => (*order, *payment, C::RecordRefunded),
        E::Failed { order, payment, code, .. } | E::HeldForReview { order, payment, code, .. } => {
            (*order, *payment, C::RecordRefundFailed { code: code.clone() })
        }
        _ => return None,
    };
    let checkout = checkout_of_payment(order, payment);
    // Other refunds of the order are none of the checkout's business.
    (refund == undoing_refund_of(checkout)).then_some((checkout, fact))
}

fn of_order(order: OrderId, happened: &OrderEvent) -> Told {
    let how = match happened {
        OrderEvent::EditSettlementEnded { payment, .. } => {
            let checkout = checkout_of_payment(order, *payment);
            return Some((checkout, CheckoutCommand::RecordOrderClosed { how: OrderClosure::Cancelled }));
        }
        OrderEvent::Cancelled { .. } => OrderClosure::Cancelled,
        OrderEvent::Expired { .. } => OrderClosure::Expired,
        OrderEvent::Confirmed { .. } => {
            return Some((checkout_of(order), CheckoutCommand::RecordConfirmed));
        }
        _ => return None,
    };
    Some((checkout_of(order), CheckoutCommand::RecordOrderClosed { how }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::payment_of;
    use domain::ids::AttemptId;
    use domain::money::{Currency, Money};
    use uuid::Uuid;

    fn order() -> OrderId {
        OrderId::from_uuid(Uuid::from_u128(7))
    }

    fn payment() -> PaymentId {
        payment_of(order())
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
    fn what_the_payment_of_an_edit_holds_its_own_checkout_is_told() {
        let (amount, edit) = (Money::new(100, Currency::USD), PaymentId::from_uuid(Uuid::from_u128(8)));
        let voided = PaymentEvent::Cancelled { order: order(), amount };
        let event = Recorded::example::<Payment>(edit.to_string(), &voided);
        let checkout = CheckoutId::from_uuid(edit.uuid());
        assert_eq!(told(&event), [Instruction::to::<Checkout>(checkout, CheckoutCommand::RecordVoided)]);
    }

    #[test]
    fn only_the_refund_of_the_checkout_itself_is_told() {
        let amount = Money::new(100, Currency::USD);
        let (payment, order) = (payment(), order());
        let succeeded = RefundEvent::Succeeded { payment, order, amount, psp_ref: "re_1".into() };
        let another = RefundId::from_uuid(Uuid::from_u128(9)).to_string();
        assert_eq!(told(&Recorded::example::<Refund>(another, &succeeded)), []);
        let own = undoing_refund_of(checkout_of(order)).to_string();
        let fact = Instruction::to::<Checkout>(checkout_of(order), CheckoutCommand::RecordRefunded);
        assert_eq!(told(&Recorded::example::<Refund>(own, &succeeded)), [fact]);
    }
}
