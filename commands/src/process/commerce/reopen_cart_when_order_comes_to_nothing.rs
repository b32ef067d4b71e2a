//! When an order comes to nothing by itself, sold out or not paid, the cart it was made of can be had again.

use domain::commerce::cart::{Cart, CartCommand};
use domain::commerce::order::{CancelReason, Order, OrderEvent};
use domain::kernel::{Decider, Recorded, Unreadable};

use crate::act::Instruction;
use crate::process::Process;

/// Process `reopen_cart_when_order_comes_to_nothing`.
pub struct ReopenCartWhenOrderComesToNothing;

impl Process for ReopenCartWhenOrderComesToNothing {
    fn name(&self) -> &'static str {
        "reopen_cart_when_order_comes_to_nothing"
    }

    fn listens_to(&self) -> &'static [&'static str] {
        &[Order::NAME]
    }

    fn react(&self, event: &Recorded) -> Result<Vec<Instruction>, Unreadable> {
        use CancelReason::{OutOfStock, PaymentFailed};
        // What a person cancelled is not wanted any more.
        let Some((
            order,
            OrderEvent::Cancelled { cart: Some(cart), reason: OutOfStock | PaymentFailed, .. }
            | OrderEvent::Expired { cart: Some(cart), .. },
        )) = event.happened_to::<Order>()?
        else {
            return Ok(vec![]);
        };
        Ok(vec![Instruction::to::<Cart>(*cart, CartCommand::Reopen { order })])
    }
}

#[cfg(test)]
mod tests {
    use domain::ids::{CartId, OrderId};
    use domain::money::{Currency, Money};
    use uuid::Uuid;

    use super::*;

    fn of(event: &OrderEvent) -> Vec<Instruction> {
        let order = OrderId::from_uuid(Uuid::from_u128(1)).to_string();
        ReopenCartWhenOrderComesToNothing.react(&Recorded::example::<Order>(order, event)).unwrap()
    }

    #[test]
    fn what_was_wanted_and_not_had_is_in_the_cart_again() {
        let (cart, nothing) = (CartId::from_uuid(Uuid::from_u128(2)), Money::zero(Currency::USD));
        let cancelled = |reason, cart| OrderEvent::Cancelled {
            shares: vec![],
            reason,
            lines: vec![],
            shipping: nothing,
            refund: nothing,
            released: vec![],
            cart,
        };
        let order = OrderId::from_uuid(Uuid::from_u128(1));
        let reopen = [Instruction::to::<Cart>(cart, CartCommand::Reopen { order })];
        assert_eq!(of(&cancelled(CancelReason::OutOfStock, Some(cart))), reopen);
        assert_eq!(
            of(&OrderEvent::Expired { refund: nothing, shares: vec![], released: vec![], cart: Some(cart) }),
            reopen
        );
        assert_eq!(of(&cancelled(CancelReason::Customer, Some(cart))), []);
        assert_eq!(of(&cancelled(CancelReason::OutOfStock, None)), []);
    }
}
