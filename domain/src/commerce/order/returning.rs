//! Returning: delivered goods are asked back, received in some condition, or not expected any more.
//!
//! A return may be asked for as long as anything is delivered, also after the order is completed. What comes
//! back is worth its share of the line, whatever its condition; damaged goods are written off.

use super::contents::quantity as check_quantity;
use super::refusal::optional;
use super::state::Returning;
use super::{Condition, Order, OrderEvent as E, OrderRefusal as No, Units};
use crate::ids::ReturnId;

/// How many returns one order takes.
const MOST_RETURNS: usize = 200;

type Decided = Result<Vec<E>, No>;

impl Order {
    pub(super) fn request_return(
        &self,
        return_id: ReturnId,
        lines: &[Units],
        reason: Option<String>,
    ) -> Decided {
        let agreed = self.confirmed()?;
        optional("the reason", reason.as_deref(), 500)?;
        let same = |there: &Vec<Returning>| {
            there.iter().map(|of| (of.line, of.requested)).eq(lines.iter().map(|of| (of.line, of.quantity)))
        };
        match agreed.returns.get(&return_id) {
            Some(there) if same(there) => return Ok(vec![]),
            Some(_) => return Err(No::ReturnExists(return_id)),
            None if agreed.returns.len() >= MOST_RETURNS => return Err(No::TooManyRecords),
            None => {}
        }
        agreed.within(lines, "returned", |counters| counters.returnable())?;
        Ok(vec![E::ReturnRequested { return_id, lines: lines.to_vec(), reason }])
    }

    pub(super) fn receive_return(
        &self,
        return_id: ReturnId,
        Units { line, quantity }: Units,
        condition: Condition,
        refund_shipping: bool,
    ) -> Decided {
        let agreed = self.confirmed()?;
        check_quantity(quantity)?;
        let returning = agreed.returns.get(&return_id).ok_or(No::UnknownReturn(return_id))?;
        let of = returning.iter().find(|of| of.line == line).ok_or(No::UnknownLine(line))?;
        if quantity > of.open {
            return Err(No::TooMany { line, open: u64::from(of.open), to: "received" });
        }
        let (sold, _) = agreed.line(line)?;
        let amount = agreed.worth(line, quantity)?;
        // What was sent for nothing costs nothing, where the shop has it so.
        let all = agreed.units();
        let whole = all.return_received + u64::from(quantity) == all.due();
        let shipping = Some(agreed.terms.shipping).filter(|cost| refund_shipping && whole && !cost.is_zero());
        let refund = agreed.refundable(shipping.map_or(Ok(amount), |cost| amount.plus(cost))?);
        Ok(vec![E::ReturnReceived {
            return_id,
            line,
            sku: sold.sku.clone(),
            stock: sold.stock.clone(),
            quantity,
            condition,
            amount,
            refund,
            shares: agreed.shares(refund),
            shipping,
        }])
    }

    pub(super) fn dismiss_return(&self, return_id: ReturnId, reason: Option<String>) -> Decided {
        let agreed = self.confirmed()?;
        optional("the reason", reason.as_deref(), 500)?;
        let returning = agreed.returns.get(&return_id).ok_or(No::UnknownReturn(return_id))?;
        let open = returning.iter().filter(|of| of.open > 0);
        let lines: Vec<Units> = open.map(|of| Units { line: of.line, quantity: of.open }).collect();
        if lines.is_empty() { Ok(vec![]) } else { Ok(vec![E::ReturnDismissed { return_id, lines, reason }]) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::examples::*;
    use super::super::{OrderCommand as C, Phase, ReturnStatus};
    use super::*;
    use crate::kernel::given;

    fn request(n: u128, lines: &[(u128, u32)]) -> C {
        C::RequestReturn { return_id: return_id(n), lines: units(lines), reason: Some("too big".into()) }
    }

    fn receive(n: u128, line: u128, quantity: u32, condition: Condition) -> C {
        C::ReceiveReturn {
            return_id: return_id(n),
            line: line_id(line),
            quantity,
            condition,
            refund_shipping: false,
        }
    }

    fn dismiss(n: u128) -> C {
        C::DismissReturn { return_id: return_id(n), reason: None }
    }

    #[test]
    fn what_was_delivered_may_come_back() {
        let order = given::<Order>(completed());
        assert_eq!(
            order.when(request(1, &[(1, 2)])),
            Ok(vec![E::ReturnRequested {
                return_id: return_id(1),
                lines: units(&[(1, 2)]),
                reason: Some("too big".into()),
            }])
        );
        let order = order.and(request(1, &[(1, 2)]));
        assert_eq!(order.when(request(1, &[(1, 2)])), Ok(vec![]));
        assert_eq!(order.when(request(1, &[(1, 1)])), Err(No::ReturnExists(return_id(1))));
        assert_eq!(
            order.when(request(2, &[(1, 2)])),
            Err(No::TooMany { line: line_id(1), open: 1, to: "returned" })
        );
        assert_eq!(order.0.return_status(), ReturnStatus::Requested);
        assert_eq!(order.0.phase(), Some(Phase::Completed));
    }

    #[test]
    fn what_comes_back_is_worth_its_share() {
        let order = given::<Order>(completed()).and(request(1, &[(1, 2)]));
        let received = |quantity, condition, amount| E::ReturnReceived {
            shares: vec![],
            shipping: None,
            return_id: return_id(1),
            line: line_id(1),
            sku: tea().sku,
            stock: tea().stock,
            quantity,
            condition,
            amount: usd(amount),
            refund: usd(amount),
        };
        assert_eq!(
            order.when(receive(1, 1, 1, Condition::Damaged)),
            Ok(vec![received(1, Condition::Damaged, 1000)])
        );
        let order = order.and(receive(1, 1, 1, Condition::Damaged));
        assert_eq!(order.0.counters(line_id(1)).unwrap().written_off, 1);
        assert_eq!(order.0.return_status(), ReturnStatus::PartlyReturned);
        assert_eq!(
            order.when(receive(1, 1, 2, Condition::Good)),
            Err(No::TooMany { line: line_id(1), open: 1, to: "received" })
        );
        assert_eq!(
            order.when(receive(1, 1, 1, Condition::Good)),
            Ok(vec![received(1, Condition::Good, 1000)])
        );
    }

    #[test]
    fn what_does_not_come_back_is_dismissed_and_may_be_asked_for_again() {
        let order =
            given::<Order>(completed()).and(request(1, &[(1, 3)])).and(receive(1, 1, 1, Condition::Good));
        assert_eq!(
            order.when(dismiss(1)),
            Ok(vec![E::ReturnDismissed { return_id: return_id(1), lines: units(&[(1, 2)]), reason: None }])
        );
        let order = order.and(dismiss(1));
        assert_eq!(order.when(dismiss(1)), Ok(vec![]));
        assert_eq!(
            order.when(receive(1, 1, 1, Condition::Good)),
            Err(No::TooMany { line: line_id(1), open: 0, to: "received" })
        );
        assert!(order.when(request(2, &[(1, 2)])).is_ok());
        assert_eq!(
            order.when(request(2, &[(1, 3)])),
            Err(No::TooMany { line: line_id(1), open: 2, to: "returned" })
        );
    }

    #[test]
    fn only_what_was_asked_back_is_received() {
        let order = given::<Order>(completed()).and(request(1, &[(1, 1)]));
        assert_eq!(order.when(receive(2, 1, 1, Condition::Good)), Err(No::UnknownReturn(return_id(2))));
        assert_eq!(order.when(receive(1, 2, 1, Condition::Good)), Err(No::UnknownLine(line_id(2))));
        assert_eq!(order.when(receive(1, 1, 0, Condition::Good)), Err(No::QuantityOutOfRange));
        assert_eq!(order.when(dismiss(2)), Err(No::UnknownReturn(return_id(2))));
    }

    #[test]
    fn what_was_not_delivered_does_not_come_back() {
        let shipped = given::<Order>(confirmed()).and(fulfil(1, &[(1, 3)])).and(ship(1));
        assert_eq!(
            shipped.when(request(1, &[(1, 1)])),
            Err(No::TooMany { line: line_id(1), open: 0, to: "returned" })
        );
        assert_eq!(given::<Order>([placed()]).when(request(1, &[(1, 1)])), Err(No::NotConfirmed));
    }

    #[test]
    fn what_sending_cost_is_given_back_with_the_last_of_it_where_the_shop_has_it_so() {
        let order = given::<Order>(confirmed_with_shipping())
            .and(fulfil(1, &[(1, 3), (2, 1)]))
            .and(ship(1))
            .and(deliver(1))
            .and(C::RequestReturn { return_id: return_id(1), lines: units(&[(1, 3), (2, 1)]), reason: None });
        let back = |line: u128, quantity, refund_shipping| C::ReceiveReturn {
            return_id: return_id(1),
            line: line_id(line),
            quantity,
            condition: Condition::Good,
            refund_shipping,
        };
        let told = |order: &crate::kernel::Given<Order>, command| match &order.when(command).unwrap()[..] {
            [E::ReturnReceived { refund, shipping, .. }] => (*refund, *shipping),
            other => panic!("{other:?}"),
        };
        assert_eq!(told(&order, back(1, 3, true)), (usd(3000), None), "the cup is still there");
        let order = order.and(back(1, 3, true));
        assert_eq!(told(&order, back(2, 1, false)), (usd(1000), None));
        assert_eq!(told(&order, back(2, 1, true)), (usd(1500), Some(usd(500))));
        let all = order.and(back(2, 1, true)).0.balance().unwrap();
        assert_eq!((all.owed, all.held), (usd(0), usd(0)));
    }
}
