//! When an order's goods leave, come back or are not sold after all, stock says so.

use domain::commerce::order::{Condition, Order, OrderEvent, ReservedUnits};
use domain::commerce::stock::{self, Stock, StockCommand};
use domain::ids::ReturnId;
use domain::kernel::{Decider, Recorded, Unreadable};

use crate::act::Instruction;
use crate::process::Process;

/// Process `move_stock_when_goods_move`.
pub struct MoveStockWhenGoodsMove;

impl Process for MoveStockWhenGoodsMove {
    fn name(&self) -> &'static str {
        "move_stock_when_goods_move"
    }

    fn listens_to(&self) -> &'static [&'static str] {
        &[Order::NAME]
    }

    fn react(&self, event: &Recorded) -> Result<Vec<Instruction>, Unreadable> {
        let Some((order, happened)) = event.happened_to::<Order>()? else { return Ok(vec![]) };
        Ok(match happened {
            OrderEvent::Shipped { fulfilment, stock, .. } => stock
                .iter()
                .map(|units| {
                    let (reservation, quantity) = (units.reservation, i64::from(units.quantity));
                    let ship = StockCommand::Ship { reservation, fulfilment: *fulfilment, quantity };
                    Instruction::to::<Stock>(units.stock.clone(), ship)
                })
                .collect(),
            OrderEvent::LinesCancelled { released, .. }
            | OrderEvent::Cancelled { released, .. }
            | OrderEvent::Expired { released, .. }
            | OrderEvent::EditConfirmed { released, .. }
            | OrderEvent::EditAbandoned { released } => released.iter().map(release).collect(),
            OrderEvent::ReturnReceived {
                return_id, line, stock: Some(pool), quantity, condition, ..
            } => {
                let back = StockCommand::Return {
                    order,
                    line: *line,
                    return_id: *return_id,
                    quantity: i64::from(*quantity),
                    condition: condition_of(*condition),
                };
                vec![Instruction::to::<Stock>(pool.clone(), back)]
            }
            OrderEvent::ParcelCameBack { fulfilment, lines, condition } => {
                // A parcel comes back once: it is its own return.
                let return_id = ReturnId::from_uuid(fulfilment.uuid());
                let from_stock = lines.iter().filter_map(|of| Some((of.stock.as_ref()?, of)));
                from_stock
                    .map(|(pool, of)| {
                        let quantity = i64::from(of.quantity);
                        let (line, condition) = (of.line, condition_of(*condition));
                        let back = StockCommand::Return { order, line, return_id, quantity, condition };
                        Instruction::to::<Stock>(pool.clone(), back)
                    })
                    .collect()
            }
            _ => vec![],
        })
    }
}

fn condition_of(condition: Condition) -> stock::Condition {
    match condition {
        Condition::Good => stock::Condition::Good,
        Condition::Damaged => stock::Condition::Damaged,
    }
}

/// Committed units are given up; a reservation that was not committed yet is released whole.
fn release(units: &ReservedUnits) -> Instruction {
    let (pool, reservation) = (units.stock.clone(), units.reservation);
    let give_up = StockCommand::ReleaseCommitted { reservation, quantity: i64::from(units.quantity) };
    Instruction::to::<Stock>(pool.clone(), give_up)
        .or(move |_| Instruction::to::<Stock>(pool.clone(), StockCommand::Release { reservation }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::ids::{FulfilmentId, LineId, OrderId, ReservationId, ReturnId, StockId};
    use domain::money::{Currency, Money};
    use uuid::Uuid;

    fn pool() -> StockId {
        "LAMP@main".parse().unwrap()
    }

    fn order() -> OrderId {
        OrderId::from_uuid(Uuid::from_u128(1))
    }

    #[test]
    fn what_is_shipped_leaves_the_stock_it_was_reserved_in() {
        let (line, reservation) = (LineId::from_uuid(Uuid::nil()), ReservationId::from_uuid(Uuid::nil()));
        let fulfilment = FulfilmentId::from_uuid(Uuid::nil());
        let shipped = OrderEvent::Shipped {
            fulfilment,
            lines: vec![],
            stock: vec![ReservedUnits { line, stock: pool(), reservation, quantity: 2 }],
            carrier: None,
            tracking: None,
        };
        let ship = StockCommand::Ship { reservation, fulfilment, quantity: 2 };
        assert_eq!(
            MoveStockWhenGoodsMove.react(&Recorded::example::<Order>(order().to_string(), &shipped)),
            Ok(vec![Instruction::to::<Stock>(pool(), ship)])
        );
    }

    #[test]
    fn what_comes_back_goes_where_it_came_from() {
        let (line, return_id) = (LineId::from_uuid(Uuid::nil()), ReturnId::from_uuid(Uuid::nil()));
        let received = OrderEvent::ReturnReceived {
            shares: vec![],
            shipping: None,
            return_id,
            line,
            sku: "LAMP".parse().unwrap(),
            stock: Some(pool()),
            quantity: 1,
            condition: Condition::Damaged,
            amount: Money::zero(Currency::USD),
            refund: Money::zero(Currency::USD),
        };
        let back = StockCommand::Return {
            order: order(),
            line,
            return_id,
            quantity: 1,
            condition: stock::Condition::Damaged,
        };
        assert_eq!(
            MoveStockWhenGoodsMove.react(&Recorded::example::<Order>(order().to_string(), &received)),
            Ok(vec![Instruction::to::<Stock>(pool(), back)])
        );
    }
}
