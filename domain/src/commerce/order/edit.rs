//! Editing: a confirmed order's contents are changed before anything of it is fulfilled or cancelled.
//!
//! While the edit is open the order is drafted again and nothing is fulfilled. It holds once what it costs more
//! is paid and what it takes more from stock is reserved; what it costs less is given back.

use super::state::less;
use super::{Order, OrderEvent as E, OrderRefusal as No, Phase, ReservedUnits, Terms};
use crate::money::Money;

type Decided = Result<Vec<E>, No>;

impl Order {
    pub(super) fn begin_edit(&self) -> Decided {
        let agreed = self.confirmed()?;
        let all = agreed.units();
        match self.phase {
            Some(Phase::Completed) => Err(No::Completed),
            _ if self.contents.is_some() => Ok(vec![]),
            _ if all.fulfilled > 0 => Err(No::AlreadyFulfilled),
            _ if all.cancelled > 0 => Err(No::LinesCancelled),
            _ => Ok(vec![E::EditBegun]),
        }
    }

    pub(super) fn confirm_edit(&self, totals_hash: Option<&str>) -> Decided {
        let agreed = self.confirmed()?;
        let Some(contents) = &self.contents else { return Err(No::NotEditing) };
        let terms = contents.terms()?;
        if totals_hash.is_some_and(|theirs| theirs != terms.totals_hash) {
            return Err(No::TotalsChanged(terms.totals_hash));
        }
        let delta = terms.total.minus(agreed.terms.total)?;
        if !agreed.promises(terms.total) {
            return Err(No::EditDifferenceUnpaid);
        }
        let reserved = |line: &&super::Line| {
            line.stock.is_none() || agreed.reserved(line.line) >= u64::from(line.quantity)
        };
        if let Some(line) = terms.lines.iter().find(|line| !reserved(line)) {
            return Err(No::NotReserved(line.line));
        }
        let over = less(agreed.held(), terms.total);
        let refund = Money { amount: over.amount.clamp(0, delta.amount.saturating_neg().max(0)), ..over };
        let released = self.surplus(&terms);
        Ok(vec![E::EditConfirmed { delta, refund, released, terms: Box::new(terms) }])
    }

    pub(super) fn abandon_edit(&self) -> Decided {
        let agreed = self.confirmed()?;
        if self.contents.is_none() {
            return Ok(vec![]);
        }
        Ok(vec![E::EditAbandoned { released: self.surplus(&agreed.terms) }])
    }

    /// What is reserved beyond what such terms need.
    fn surplus(&self, terms: &Terms) -> Vec<ReservedUnits> {
        let Some(agreed) = &self.agreed else { return vec![] };
        let needed = |line| {
            let of = terms.lines.iter().find(|of| of.line == line);
            of.map_or(0, |of| u64::from(of.quantity))
        };
        agreed.reservations.keys().flat_map(|&line| agreed.released(line, needed(line))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::examples::*;
    use super::super::{CancelReason, Contents, Discount, Item, OrderCommand as C};
    use super::*;
    use crate::kernel::{Given, given};

    const CONFIRM: C = C::ConfirmEdit { totals_hash: None };

    fn editing() -> Given<Order> {
        given::<Order>(confirmed()).and(C::BeginEdit)
    }

    fn set(line: u128, quantity: u32) -> C {
        C::SetQuantity { line: line_id(line), quantity, total: None, tax: None }
    }

    fn reserve(line: u128, n: u128, quantity: u32) -> C {
        C::RecordReservation { line: line_id(line), reservation: reservation_id(n), quantity }
    }

    fn pay(amount: i64) -> C {
        C::RecordPayment { payment: payment_id(2), authorised: usd(amount), captured: usd(amount) }
    }

    fn edited(contents: &Contents, delta: i64, refund: i64, released: Vec<ReservedUnits>) -> E {
        let terms = Box::new(contents.terms().unwrap());
        E::EditConfirmed { delta: usd(delta), refund: usd(refund), released, terms }
    }

    #[test]
    fn begins_with_what_was_agreed() {
        assert_eq!(given::<Order>(confirmed()).when(C::BeginEdit), Ok(vec![E::EditBegun]));
        assert_eq!(editing().when(C::BeginEdit), Ok(vec![]));
        assert_eq!(editing().0.contents(), Some(&two_lines()));
        let costly = given::<Order>(confirmed_with_shipping()).and(C::BeginEdit).0;
        assert_eq!(costly.contents().unwrap().terms().as_ref(), Ok(costly.terms().unwrap()));
    }

    #[test]
    fn fewer_units_give_back_money_and_stock() {
        let order = editing().and(set(1, 1));
        let lines = vec![Item { quantity: 1, total: usd(1000), ..tea() }, cup()];
        let contents = Contents { lines, ..two_lines() };
        let event = edited(&contents, -2000, 2000, vec![units_of_stock(1, 2)]);
        assert_eq!(order.when(CONFIRM), Ok(vec![event]));
        let order = order.and(CONFIRM);
        assert_eq!(order.0.counters(line_id(1)).unwrap().ordered, 1);
        assert_eq!(order.0.counters(line_id(1)).unwrap().allocated, 1);
        assert_eq!(order.when(CONFIRM), Err(No::NotEditing));
        assert!(order.and(fulfil(1, &[(1, 1), (2, 1)])).when(ship(1)).is_ok(), "it is still paid");
    }

    #[test]
    fn more_units_need_stock_and_money_first() {
        let order = editing().and(set(1, 5));
        assert_eq!(order.when(CONFIRM), Err(No::EditDifferenceUnpaid));
        let order = order.and(pay(2000));
        assert_eq!(order.when(CONFIRM), Err(No::NotReserved(line_id(1))));
        let order = order.and(reserve(1, 2, 2));
        let lines = vec![Item { quantity: 5, total: usd(5000), ..tea() }, cup()];
        assert_eq!(
            order.when(CONFIRM),
            Ok(vec![edited(&Contents { lines, ..two_lines() }, 2000, 0, vec![])])
        );
    }

    #[test]
    fn money_about_to_be_given_back_pays_for_no_edit() {
        let order =
            editing().and(set(1, 2)).and(CONFIRM).and(C::BeginEdit).and(set(1, 3)).and(reserve(1, 2, 1));
        assert_eq!(order.when(CONFIRM), Err(No::EditDifferenceUnpaid));
        assert!(order.and(pay(1000)).when(CONFIRM).is_ok());
    }

    #[test]
    fn a_line_comes_and_a_line_goes() {
        let new = Item { stock: Some(stock()), ..item(3, "POT-1", 1, 1000) };
        let order = editing().and(C::RemoveLine { line: line_id(2) }).and(C::AddLine(new.clone()));
        assert_eq!(order.when(CONFIRM), Err(No::NotReserved(line_id(3))));
        let order = order.and(reserve(3, 2, 1));
        let contents = Contents { lines: vec![tea(), new], ..two_lines() };
        assert_eq!(order.when(CONFIRM), Ok(vec![edited(&contents, 0, 0, vec![])]));
        assert_eq!(order.when(C::AddLine(cup())), Err(No::LineExists(line_id(2))), "ids are not used again");
    }

    #[test]
    fn abandoned_it_leaves_all_as_it_was() {
        let before = given::<Order>(confirmed()).0;
        let order = editing().and(set(1, 5)).and(reserve(1, 2, 2));
        let released = vec![units_of_stock(2, 2)];
        assert_eq!(order.when(C::AbandonEdit), Ok(vec![E::EditAbandoned { released }]));
        let order = order.and(C::AbandonEdit);
        assert_eq!(order.when(C::AbandonEdit), Ok(vec![]));
        assert_eq!(order.0.terms(), before.terms());
        assert_eq!(order.0.units(), before.units());
        assert_eq!(order.when(set(1, 5)), Err(No::NotOpen));
    }

    #[test]
    fn nothing_is_fulfilled_or_partly_cancelled_meanwhile() {
        assert_eq!(editing().when(fulfil(1, &[(1, 1)])), Err(No::Editing));
        let lines = C::CancelLines { lines: units(&[(1, 1)]), reason: CancelReason::Seller };
        assert_eq!(editing().when(lines), Err(No::Editing));
    }

    #[test]
    fn the_order_may_still_be_cancelled_with_all_that_was_reserved() {
        let order = editing().and(set(1, 5)).and(reserve(1, 2, 2));
        let events = order.when(C::Cancel { reason: CancelReason::Customer }).unwrap();
        let [E::Cancelled { released, refund, .. }] = &events[..] else { panic!("{events:?}") };
        assert_eq!(released, &[units_of_stock(2, 2), units_of_stock(1, 3)]);
        assert_eq!(*refund, usd(4000));
        assert_eq!(order.and(C::Cancel { reason: CancelReason::Customer }).when(CONFIRM), Err(No::Cancelled));
    }

    #[test]
    fn totals_the_customer_did_not_see_do_not_hold() {
        let hash = Some("0".repeat(64));
        let refused = editing().when(C::ConfirmEdit { totals_hash: hash });
        assert_eq!(refused, Err(No::TotalsChanged(two_lines().terms().unwrap().totals_hash)));
        let costs_less_than_nothing = C::ApplyDiscount(Discount { code: None, amount: usd(4001) });
        assert_eq!(editing().and(costs_less_than_nothing).when(CONFIRM), Err(No::DiscountTooLarge));
    }

    #[test]
    fn is_for_confirmed_orders_of_which_nothing_is_gone() {
        assert_eq!(given::<Order>([placed()]).when(C::BeginEdit), Err(No::NotConfirmed));
        let packed = given::<Order>(confirmed()).and(fulfil(1, &[(1, 1)]));
        assert_eq!(packed.when(C::BeginEdit), Err(No::AlreadyFulfilled));
        let less = C::CancelLines { lines: units(&[(1, 1)]), reason: CancelReason::Seller };
        assert_eq!(given::<Order>(confirmed()).and(less).when(C::BeginEdit), Err(No::LinesCancelled));
        let done = given::<Order>(completed());
        assert_eq!(done.when(C::BeginEdit), Err(No::Completed));
    }
}
