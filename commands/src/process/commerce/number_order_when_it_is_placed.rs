//! When an order is placed in a shop that numbers its orders, it is given the next number.
//!
//! Right after it is placed and not with it: orders that are placed at once would have to wait for each other.

use domain::commerce::order::{Order, OrderCommand, OrderEvent};
use domain::commerce::order_number::{OrderNumberCommand, OrderNumberEvent, OrderNumbers};
use domain::kernel::{Decider, Recorded, Unreadable};

use crate::act::Instruction;
use crate::process::Process;

/// Process `number_order_when_it_is_placed`.
pub struct NumberOrderWhenItIsPlaced;

impl Process for NumberOrderWhenItIsPlaced {
    fn name(&self) -> &'static str {
        "number_order_when_it_is_placed"
    }

    fn listens_to(&self) -> &'static [&'static str] {
        &[Order::NAME, OrderNumbers::NAME]
    }

    fn react(&self, event: &Recorded) -> Result<Vec<Instruction>, Unreadable> {
        if let Some(OrderNumberEvent::Taken { order, text, .. }) = event.of::<OrderNumbers>()? {
            let number = OrderCommand::Number { number: text.clone() };
            return Ok(vec![Instruction::to::<Order>(*order, number)]);
        }
        let Some((order, OrderEvent::Placed(placed))) = event.happened_to::<Order>()? else {
            return Ok(vec![]);
        };
        let Some(prefix) = placed.number_prefix.clone() else { return Ok(vec![]) };
        let take = OrderNumberCommand::Take { order, prefix };
        Ok(vec![Instruction::to::<OrderNumbers>(event.workspace, take)])
    }
}
