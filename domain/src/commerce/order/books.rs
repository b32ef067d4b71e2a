//! Books: what an order tells whoever keeps the books.
//!
//! | figure | is |
//! |---|---|
//! | goods, tax | what the units are worth that the customer has: shipped, and neither lost nor come back |
//! | shipping | what sending costs, from the first parcel on, without what was given back of it |
//! | given away | gifts that were paid out, as far as something is still sold |
//! | owing | what of goods, tax and shipping was neither paid nor given away |
//! | unclear | what an order holds that came to nothing, and has not said to give back |
//!
//! They are figures of a state. What an event brings to the books is the difference of the figures after it and before
//! it, so all that was ever posted for an order adds up to what its figures are, whatever happened on the way.
//!
//! Of a line, k of the d units that are neither cancelled nor come back are worth their share of what is left of its
//! amount: the last unit takes the rest.

use super::balance::not_negative;
use super::state::{Agreed, less, more};
use super::{Giving, Line, Order, Phase};
use crate::money::Money;

/// The figures of an order for the books: see the module. None is below 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Books {
    pub goods: Money,
    pub shipping: Money,
    pub tax: Money,
    pub given_away: Money,
    pub owing: Money,
    pub unclear: Money,
}

impl Books {
    /// Of an order of which nothing has left and nothing was paid.
    #[must_use]
    pub const fn nothing(currency: crate::money::Currency) -> Self {
        let nothing = Money::zero(currency);
        Self {
            goods: nothing,
            shipping: nothing,
            tax: nothing,
            given_away: nothing,
            owing: nothing,
            unclear: nothing,
        }
    }
}

impl Order {
    /// What is to be in the books of it, once it is placed.
    #[must_use]
    pub fn books(&self) -> Option<Books> {
        let agreed = self.agreed.as_ref()?;
        let is_over = matches!(self.phase, Some(Phase::Cancelled | Phase::Expired));
        let unclear = if is_over { agreed.balance().held } else { agreed.nothing() };
        Some(Books { unclear, ..agreed.books() })
    }
}

impl Agreed {
    fn books(&self) -> Books {
        let earned = self.terms.lines.iter().map(|line| self.earned(line));
        let (worth, tax) = earned
            .fold((self.nothing(), self.nothing()), |sum, line| (more(sum.0, line.0), more(sum.1, line.1)));
        let (goods, shipping) = (less(worth, tax), self.sending());
        let given_away = self.given_away();
        // What was refunded and never captured, as far as the order knows, is nobody's debt.
        let paid = not_negative(less(self.captured(), self.refunded()));
        let owing = not_negative(less(less(more(worth, shipping), given_away), paid));
        Books { goods, shipping, tax, given_away, owing, unclear: self.nothing() }
    }

    /// What the units of a line are worth that the customer has, and the tax in it.
    fn earned(&self, line: &Line) -> (Money, Money) {
        let counters = self.counters.get(&line.line).copied().unwrap_or_default();
        let back = counters.cancelled + counters.return_received;
        let left = u64::from(line.quantity).saturating_sub(back);
        let kept = counters.shipped.saturating_sub(counters.return_received).min(left);
        let credited = self.credited.get(&line.line).copied().unwrap_or(self.nothing());
        let worth = not_negative(less(line.amount, credited));
        let tax = less(line.tax, part(line.tax, back, u64::from(line.quantity)));
        (part(worth, kept, left), part(tax, kept, left))
    }

    /// What sending costs, once something was sent.
    fn sending(&self) -> Money {
        if self.units().shipped == 0 {
            return self.nothing();
        }
        let of_lines = self.sum(self.credited.values().copied());
        not_negative(less(self.terms.shipping, not_negative(less(self.total_credited, of_lines))))
    }

    /// Of what is not sold any more nothing was given away: it is just given back.
    fn given_away(&self) -> Money {
        let gifts = self.by_hand.iter().filter(|(_, of)| of.giving == Giving::Away);
        let paid_out = self.sum(gifts.filter_map(|(id, _)| self.refunds.get(id)).map(|of| of.money));
        super::balance::at_most(paid_out, self.due())
    }
}

/// So many parts of an amount: all of them are the amount, none of none is nothing.
fn part(amount: Money, parts: u64, of: u64) -> Money {
    let share = i64::try_from(parts).ok().zip(i64::try_from(of).ok().filter(|of| *of > 0));
    // A share of an amount is no larger than the amount.
    share.and_then(|(parts, of)| amount.share(parts, of).ok()).unwrap_or(Money::zero(amount.currency))
}

#[cfg(test)]
mod tests {
    use super::super::examples::*;
    use super::super::{
        Basis, CancelReason, Condition, OrderCommand as C, Placing, Settlement, Shipping, Submission,
    };
    use super::*;
    use crate::kernel::{Given, given};

    fn figures(order: &Given<Order>) -> [i64; 6] {
        let Books { goods, shipping, tax, given_away, owing, unclear } = order.0.books().unwrap();
        [goods, shipping, tax, given_away, owing, unclear].map(|figure| figure.amount)
    }

    fn gift(n: u128, amount: i64) -> [C; 2] {
        let (refund, payment, amount) = (refund_id(n), payment_id(1), usd(amount));
        let ask = C::AskRefund { refund, payment, amount, giving: Giving::Away, lines: vec![] };
        [ask, C::RecordRefund { refund, payment, amount }]
    }

    fn come_back(order: Given<Order>, line: u128, quantity: u32) -> Given<Order> {
        let return_id = return_id(line);
        order.and(C::RequestReturn { return_id, lines: units(&[(line, quantity)]), reason: None }).and(
            C::ReceiveReturn {
                return_id,
                line: line_id(line),
                quantity,
                condition: Condition::Good,
                refund_shipping: false,
            },
        )
    }

    #[test]
    fn nothing_is_earned_before_something_has_left() {
        assert_eq!(given::<Order>([draft_created()]).0.books(), None);
        let order = given::<Order>(confirmed());
        assert_eq!(figures(&order), [0; 6]);
        let order = order.and(fulfil(1, &[(1, 2)]));
        assert_eq!(figures(&order), [0; 6], "what is packed can be unpacked");
        let order = order.and(ship(1));
        assert_eq!(figures(&order), [2000, 0, 0, 0, 0, 0]);
        let order = order.and(fulfil(2, &[(1, 1), (2, 1)])).and(ship(2));
        assert_eq!(figures(&order), [4000, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn what_is_lost_or_comes_back_is_not_earned_any_more() {
        let sent = given::<Order>(confirmed()).and(fulfil(1, &[(1, 3)])).and(ship(1));
        let lost = sent.and(C::LoseParcel { fulfilment: fulfilment_id(1) });
        assert_eq!(figures(&lost), [0; 6]);
        let order = come_back(given::<Order>(completed()), 1, 2);
        assert_eq!(figures(&order), [2000, 0, 0, 0, 0, 0]);
        assert_eq!(figures(&come_back(order, 2, 1)), [1000, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn tax_and_shipping_are_apart() {
        let mut contents = two_lines();
        contents.tax = Some(usd(401));
        contents.shipping = Some(Shipping { method: None, amount: usd(500) });
        let placing = Placing { settlement: Settlement::CreditTerms, ..placing() };
        let submit = C::Submit(Box::new(Submission { contents, placing, ..submission() }));
        let (line, reservation) = (line_id(1), reservation_id(1));
        let order = given::<Order>([])
            .and(submit)
            .and(C::RecordReservation { line, reservation, quantity: 3 })
            .and(C::Confirm { basis: Basis::CreditTerms });
        // A tax of 3.01 on the teas, and of 1.00 on the cup.
        let order = order.and(fulfil(1, &[(1, 1)])).and(ship(1));
        assert_eq!(figures(&order), [1000, 500, 100, 0, 1600, 0]);
        let order = order.and(C::MarkPaid { payment: payment_id(9), amount: usd(1000) });
        assert_eq!(figures(&order), [1000, 500, 100, 0, 600, 0]);
        let order = order.and(fulfil(2, &[(1, 2), (2, 1)])).and(ship(2));
        assert_eq!(figures(&order), [4000, 500, 401, 0, 3901, 0]);
    }

    #[test]
    fn a_gift_lessens_what_was_sold_as_long_as_it_is() {
        let [ask, record] = gift(1, 1000);
        let order = given::<Order>(completed()).and(ask);
        assert_eq!(figures(&order), [4000, 0, 0, 0, 0, 0], "it has not left yet");
        let order = order.and(record);
        assert_eq!(figures(&order), [4000, 0, 0, 1000, 0, 0]);
        let order = come_back(come_back(order, 1, 3), 2, 1);
        assert_eq!(figures(&order), [0; 6]);
    }

    #[test]
    fn what_an_order_holds_that_came_to_nothing_is_unclear() {
        let pay = C::RecordPayment { payment: payment_id(1), authorised: usd(4000), captured: usd(4000) };
        let cancel = C::Cancel { reason: CancelReason::Customer };
        let late = given::<Order>([placed(), reserved()]).and(cancel.clone()).and(pay);
        assert_eq!(figures(&late), [0, 0, 0, 0, 0, 4000]);
        let (refund, payment, amount) = (refund_id(1), payment_id(1), usd(4000));
        assert_eq!(figures(&late.and(C::RecordRefund { refund, payment, amount })), [0; 6]);
        assert_eq!(figures(&given::<Order>(confirmed()).and(cancel)), [0; 6], "it says to give it back");
    }

    #[test]
    fn what_leaves_unpaid_is_owed() {
        let ahead = C::AskRefund {
            refund: refund_id(1),
            payment: payment_id(1),
            amount: usd(1000),
            giving: Giving::Back,
            lines: vec![],
        };
        let record = C::RecordRefund { refund: refund_id(1), payment: payment_id(1), amount: usd(1000) };
        let order = given::<Order>(completed()).and(ahead).and(record);
        assert_eq!(figures(&order), [4000, 0, 0, 0, 1000, 0]);
        assert_eq!(figures(&come_back(order, 2, 1)), [3000, 0, 0, 0, 0, 0]);
    }
}
