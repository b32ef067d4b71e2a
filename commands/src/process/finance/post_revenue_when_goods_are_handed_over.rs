//! When goods are handed over, they are sold: what they, their tax and their sending come to goes out of what the
//! customer has paid and not got yet; what comes back or is lost goes back there. What was given away lessens what was
//! sold. What the customer has got and not paid is owed, and what is held for an order that came to nothing is in
//! suspense, until it is given back.
//!
//! Posted is the difference of the order's books after the event and before it ([`Books`]).
//!
//! A past order that is written down whole was paid elsewhere: its money goes from there to what was sold at once, in
//! one transaction (docs/adr/0012).

use domain::commerce::order::{Books, Order};
use domain::finance::ledger_account::chart::Chart;
use domain::ids::OrderId;
use domain::kernel::{Recorded, Unreadable};
use domain::money::Money;

use crate::act::Instruction;
use crate::commerce::order::record_past;
use crate::finance::ledger_transaction::booking::{Booking, Entry};
use crate::follow::Follow;

/// Process `post_revenue_when_goods_are_handed_over`.
pub struct PostRevenueWhenGoodsAreHandedOver;

impl Follow for PostRevenueWhenGoodsAreHandedOver {
    type Of = Order;

    fn name(&self) -> &'static str {
        "post_revenue_when_goods_are_handed_over"
    }

    fn react(&self, before: &Order, after: &Order, event: &Recorded) -> Result<Vec<Instruction>, Unreadable> {
        let Some(now) = after.books() else { return Ok(vec![]) };
        let then = before.books().unwrap_or(Books::nothing(now.goods.currency));
        if then == now {
            return Ok(vec![]);
        }
        let order: OrderId = event.id_of::<Order>()?;
        let is_past = event.meta()?.command == record_past::NAME;
        let paid = if is_past { Chart::Bank } else { Chart::Unearned(order) };
        Ok(Booking::of(event, entries(order, paid, &then, &now)))
    }
}

/// From one state of an order's books to the next.
fn entries(order: OrderId, paid: Chart, then: &Books, now: &Books) -> Vec<Entry> {
    let from_paid = [
        (Chart::Sales, then.goods, now.goods, "goods"),
        (Chart::Shipping, then.shipping, now.shipping, "shipping"),
        (Chart::SalesTax, then.tax, now.tax, "tax"),
        (Chart::Suspense, then.unclear, now.unclear, "unclear"),
    ];
    let to_paid = [
        (Chart::Sales, then.given_away, now.given_away, "gift"),
        (Chart::Receivable(order), then.owing, now.owing, "owing"),
    ];
    let from_paid = from_paid.map(|(to, then, now, code)| moved((paid, to), then, now, code));
    let to_paid = to_paid.map(|(from, then, now, code)| moved((from, paid), then, now, code));
    from_paid.into_iter().chain(to_paid).collect()
}

/// What makes a figure what it is now.
fn moved((debit, credit): (Chart, Chart), then: Money, now: Money, code: &'static str) -> Entry {
    let change = now.amount.saturating_sub(then.amount);
    let amount = Money { amount: change.saturating_abs(), ..now };
    let more = Entry { debit, credit, amount, code };
    if change < 0 { more.reversed() } else { more }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::money::Currency;
    use uuid::Uuid;

    const ORDER: OrderId = OrderId::from_uuid(Uuid::from_u128(7));

    /// Goods, shipping, tax, gifts, owing and unclear.
    fn books([goods, shipping, tax, given_away, owing, unclear]: [i64; 6]) -> Books {
        let [goods, shipping, tax, given_away, owing, unclear] =
            [goods, shipping, tax, given_away, owing, unclear]
                .map(|amount| Money::new(amount, Currency::USD));
        Books { goods, shipping, tax, given_away, owing, unclear }
    }

    /// Debit, credit and amount of what is posted between two states.
    fn posted(paid: Chart, then: [i64; 6], now: [i64; 6]) -> Vec<(Chart, Chart, i64)> {
        let entries = entries(ORDER, paid, &books(then), &books(now));
        let all = entries.into_iter().map(|entry| (entry.debit, entry.credit, entry.amount.amount));
        all.filter(|(.., amount)| *amount > 0).collect()
    }

    #[test]
    fn each_figure_goes_to_its_account_and_back() {
        let (unearned, owing) = (Chart::Unearned(ORDER), Chart::Receivable(ORDER));
        let there = [
            (unearned, Chart::Sales, 1),
            (unearned, Chart::Shipping, 2),
            (unearned, Chart::SalesTax, 3),
            (unearned, Chart::Suspense, 6),
            (Chart::Sales, unearned, 4),
            (owing, unearned, 5),
        ];
        assert_eq!(posted(unearned, [0; 6], [1, 2, 3, 4, 5, 6]), there);
        let back = there.map(|(debit, credit, amount)| (credit, debit, amount));
        assert_eq!(posted(unearned, [1, 2, 3, 4, 5, 6], [0; 6]), back);
        assert_eq!(posted(unearned, [7; 6], [7; 6]), []);
        assert_eq!(posted(Chart::Bank, [0; 6], [9, 0, 0, 0, 0, 0]), [(Chart::Bank, Chart::Sales, 9)]);
    }
}
