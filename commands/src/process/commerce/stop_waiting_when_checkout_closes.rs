//! When a checkout comes to nothing, its buyer is no longer waited for.
//!
//! Only waiting ends: what the provider has not answered yet is still to be heard of, and then let go.

use domain::commerce::checkout::{Checkout, CheckoutEvent};
use domain::finance::payment::{Payment, PaymentCommand};
use domain::kernel::{Decider, Recorded, Unreadable};

use crate::act::Instruction;
use crate::ids::{edit_of, payment_of};
use crate::process::Process;

/// Process `stop_waiting_when_checkout_closes`.
pub struct StopWaitingWhenCheckoutCloses;

impl Process for StopWaitingWhenCheckoutCloses {
    fn name(&self) -> &'static str {
        "stop_waiting_when_checkout_closes"
    }

    fn listens_to(&self) -> &'static [&'static str] {
        &[Checkout::NAME]
    }

    fn react(&self, event: &Recorded) -> Result<Vec<Instruction>, Unreadable> {
        let Some((checkout, CheckoutEvent::Closing { order, .. })) = event.happened_to::<Checkout>()? else {
            return Ok(vec![]);
        };
        let payment = edit_of(*order, checkout).unwrap_or_else(|| payment_of(*order));
        Ok(vec![Instruction::to::<Payment>(payment, PaymentCommand::StopWaiting)])
    }
}

#[cfg(test)]
mod tests {
    use domain::commerce::checkout::ClosingReason;
    use domain::ids::OrderId;
    use uuid::Uuid;

    use super::*;
    use crate::ids::checkout_of;

    #[test]
    fn tells_the_payment_of_the_order_and_of_nothing_else_that_happens() {
        let order = OrderId::from_uuid(Uuid::from_u128(1));
        let told = |happened: CheckoutEvent| {
            let event = Recorded::example::<Checkout>(checkout_of(order), &happened);
            StopWaitingWhenCheckoutCloses.react(&event).unwrap()
        };
        let stop = Instruction::to::<Payment>(payment_of(order), PaymentCommand::StopWaiting);
        assert_eq!(told(CheckoutEvent::Closing { order, reason: ClosingReason::Expired }), vec![stop]);
        assert_eq!(told(CheckoutEvent::Completed { order }), vec![]);
    }
}
