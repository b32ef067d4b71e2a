//! Balance: the four figures that every decision about an order's money asks for.
//!
//! | figure | is |
//! |---|---|
//! | owed | what the customer is still to have paid: the total without what was cancelled or came back, and without what was given away |
//! | held | what was captured and neither left nor is on its way out |
//! | given back | what leaves because it is not owed any more, or ahead of that: asked for and under way, or paid out |
//! | given away | what leaves although it is owed: a gift, which is no debt of the customer |
//!
//! So held is captured − given back − given away. An order is paid where held covers owed, and what is held beyond
//! owed may be given back. Refunds count from the moment they are asked for until they come to nothing, so that two
//! of them never count on the same money. What the order itself asks for counts from the event that asks.

use serde::{Deserialize, Serialize};
use strum::AsRefStr;

use super::state::{Agreed, less};
use super::{Order, OrderEvent as E, OrderRefusal as No, Phase, RefundedLine, Settlement};
use crate::ids::{PaymentId, RefundId};
use crate::money::Money;

/// How many refunds one order takes that were asked for by hand.
const MOST_REFUNDS: usize = 200;

type Decided = Result<Vec<E>, No>;

/// What a refund that a person asks for means to its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, AsRefStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Giving {
    /// What is not owed, or will not be once its lines are cancelled or returned.
    Back,
    /// A gift: nothing more is owed for it.
    Away,
}

/// A refund that a person asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ByHand {
    pub payment: PaymentId,
    pub amount: Money,
    pub giving: Giving,
    pub lines: Vec<RefundedLine>,
    /// It came to nothing, or its money came back.
    pub ended: bool,
}

/// The four figures: see the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    pub owed: Money,
    pub held: Money,
    pub given_back: Money,
    pub given_away: Money,
}

impl Balance {
    /// What is held beyond what is owed.
    pub(super) fn over(self) -> Money {
        not_negative(less(self.held, self.owed))
    }
}

impl Order {
    /// How its money stands, once it is placed.
    #[must_use]
    pub fn balance(&self) -> Option<Balance> {
        self.agreed.as_ref().map(Agreed::balance)
    }

    pub(super) fn ask_refund(
        &self,
        refund: RefundId,
        payment: PaymentId,
        amount: Money,
        giving: Giving,
        lines: Vec<RefundedLine>,
    ) -> Decided {
        let (phase, agreed) = self.agreed()?;
        // Its checkout is at work on the whole of it.
        if phase == Phase::Placed && agreed.settlement == Settlement::Checkout {
            return Err(No::NotConfirmed);
        }
        super::contents::price(amount, agreed.terms.total.currency)?;
        if let Some(known) = agreed.by_hand.get(&refund) {
            return if known.amount == amount { Ok(vec![]) } else { Err(No::RefundExists(refund)) };
        }
        if agreed.by_hand.len() >= MOST_REFUNDS {
            return Err(No::TooManyRecords);
        }
        for of in &lines {
            let (line, _) = agreed.line(of.line).map_err(|_| No::RefundOfUnknownLine(of.line))?;
            let left = not_negative(less(line.amount, agreed.refunded_by_hand(of.line)));
            if of.amount.amount > left.amount {
                return Err(No::ExceedsLine { line: of.line, left });
            }
        }
        let left = at_most(agreed.balance().held, agreed.left_of(payment));
        if amount.amount > left.amount {
            return Err(No::ExceedsHeld(left));
        }
        Ok(vec![E::RefundAsked { refund, payment, amount, giving, lines }])
    }

    /// What the order itself asked for stays asked for: who gives that up has settled it in another way.
    pub(super) fn end_refund(&self, refund: RefundId) -> Decided {
        let (_, agreed) = self.agreed()?;
        let Some(&ByHand { amount, .. }) = agreed.by_hand.get(&refund).filter(|of| !of.ended) else {
            return Ok(vec![]);
        };
        if agreed.refunds.contains_key(&refund) {
            return Ok(vec![]);
        }
        // What the order would have given back already, had this not been on its way.
        let mut then = agreed.clone();
        then.end(refund);
        let owed = not_negative(less(then.balance().over(), agreed.balance().over()));
        Ok(vec![E::RefundEnded { refund, amount, owed, shares: then.shares(owed) }])
    }

    /// The money of a refund came back from where it was sent.
    pub(super) fn reverse_refund(&self, refund: RefundId) -> Decided {
        let (_, agreed) = self.agreed()?;
        let Some(amount) = agreed.refunds.get(&refund).map(|of| of.money) else { return Ok(vec![]) };
        let total_refunded = less(agreed.refunded(), amount);
        Ok(vec![E::RefundReversed { refund, amount, total_refunded }])
    }
}

impl Agreed {
    pub(super) fn balance(&self) -> Balance {
        self.balance_with(self.due())
    }

    /// How it would stand with such a total, less what was cancelled or came back.
    pub(super) fn balance_with(&self, due: Money) -> Balance {
        let by_hand = |giving: Giving| {
            let alive = self.by_hand.values().filter(move |of| !of.ended && of.giving == giving);
            self.sum(alive.map(|of| of.amount))
        };
        let given_back = self.sum([self.own_refunds(), by_hand(Giving::Back)]);
        let given_away = by_hand(Giving::Away);
        let held = less(less(self.captured(), given_back), given_away);
        Balance {
            owed: not_negative(less(due, given_away)),
            held: not_negative(held),
            given_back,
            given_away,
        }
    }

    /// Whether what is owed is paid, or need not be before the goods go out.
    pub(super) fn is_paid(&self) -> bool {
        let Balance { owed, held, .. } = self.balance();
        self.is_on_credit() || held.amount >= owed.amount
    }

    /// Why goods do not go out.
    pub(super) fn unpaid(&self) -> No {
        let Balance { owed, held, .. } = self.balance();
        No::NotPaid { owed, held }
    }

    /// What is to be given back for units that were sold for so much: as far as more is held than is then owed.
    pub(super) fn refundable(&self, worth: Money) -> Money {
        at_most(self.balance_with(less(self.due(), worth)).over(), worth)
    }

    /// A refund by hand leaves the reckoning: it came to nothing, or its money came back.
    pub(super) fn end(&mut self, refund: RefundId) {
        if let Some(of) = self.by_hand.get_mut(&refund) {
            of.ended = true;
        }
    }

    fn refunded_by_hand(&self, line: crate::ids::LineId) -> Money {
        let alive = self.by_hand.values().filter(|of| !of.ended).flat_map(|of| &of.lines);
        self.sum(alive.filter(|of| of.line == line).map(|of| of.amount))
    }
}

pub(super) fn not_negative(money: Money) -> Money {
    Money { amount: money.amount.max(0), ..money }
}

pub(super) fn at_most(money: Money, most: Money) -> Money {
    Money { amount: money.amount.min(most.amount).max(0), ..money }
}

#[cfg(test)]
mod tests {
    use super::super::examples::*;
    use super::super::{CancelReason, Condition, OrderCommand as C, PaymentStatus};
    use super::*;
    use crate::kernel::{Given, given};

    const CANCEL: C = C::Cancel { reason: CancelReason::Customer };

    fn ask(n: u128, amount: i64, giving: Giving) -> C {
        C::AskRefund {
            refund: refund_id(n),
            payment: payment_id(1),
            amount: usd(amount),
            giving,
            lines: vec![],
        }
    }

    fn asked(n: u128, amount: i64, giving: Giving) -> E {
        let (refund, payment, amount) = (refund_id(n), payment_id(1), usd(amount));
        E::RefundAsked { refund, payment, amount, giving, lines: vec![] }
    }

    fn record(n: u128, amount: i64) -> C {
        C::RecordRefund { refund: refund_id(n), payment: payment_id(1), amount: usd(amount) }
    }

    fn end(n: u128) -> C {
        C::EndRefund { refund: refund_id(n) }
    }

    fn balance(order: &Given<Order>) -> [i64; 4] {
        let Balance { owed, held, given_back, given_away } = order.0.balance().unwrap();
        [owed, held, given_back, given_away].map(|figure| figure.amount)
    }

    /// What the order asks to be given back itself, for all that was delivered and now comes back.
    fn refund_of_all(order: &Given<Order>) -> i64 {
        let mut order = Given(order.0.clone());
        let mut sum = 0;
        order = order.and(C::RequestReturn {
            return_id: return_id(1),
            lines: units(&[(1, 3), (2, 1)]),
            reason: None,
        });
        for (line, quantity) in [(1, 3), (2, 1)] {
            let receive = C::ReceiveReturn {
                return_id: return_id(1),
                line: line_id(line),
                quantity,
                condition: Condition::Good,
                refund_shipping: false,
            };
            let events = order.when(receive.clone()).unwrap();
            let [E::ReturnReceived { refund, .. }] = &events[..] else { panic!("{events:?}") };
            sum += refund.amount;
            order = order.and(receive);
        }
        sum
    }

    fn refund_of_cancelling(order: &Given<Order>) -> i64 {
        let events = order.when(CANCEL).unwrap();
        let [E::Cancelled { refund, .. }] = &events[..] else { panic!("{events:?}") };
        refund.amount
    }

    #[test]
    fn two_refunds_never_count_on_the_same_money() {
        // Asked for, and nothing recorded yet: what comes next gives back the rest, and not nothing.
        let order = given::<Order>(completed()).and(ask(1, 500, Giving::Away));
        assert_eq!(refund_of_all(&order), 3500);
        let order = given::<Order>(confirmed()).and(ask(1, 1500, Giving::Away));
        assert_eq!(refund_of_cancelling(&order), 2500);
        assert_eq!(refund_of_cancelling(&order.and(record(1, 1500))), 2500, "paid out it counts the same");
    }

    #[test]
    fn what_is_asked_for_is_left_or_refused_with_what_is() {
        let order = given::<Order>(confirmed());
        assert_eq!(order.when(ask(1, 4001, Giving::Away)), Err(No::ExceedsHeld(usd(4000))));
        assert_eq!(order.when(ask(1, 500, Giving::Away)), Ok(vec![asked(1, 500, Giving::Away)]));
        let order = order.and(ask(1, 500, Giving::Away));
        assert_eq!(order.when(ask(1, 500, Giving::Away)), Ok(vec![]));
        assert_eq!(order.when(ask(1, 501, Giving::Away)), Err(No::RefundExists(refund_id(1))));
        assert_eq!(order.when(ask(2, 3501, Giving::Back)), Err(No::ExceedsHeld(usd(3500))));
        assert_eq!(order.and(CANCEL).when(ask(2, 1, Giving::Back)), Err(No::ExceedsHeld(usd(0))));
        let euros = C::AskRefund {
            refund: refund_id(2),
            payment: payment_id(1),
            amount: eur(1),
            giving: Giving::Away,
            lines: vec![],
        };
        let order = given::<Order>(confirmed());
        assert_eq!(order.when(euros), Err(No::OtherCurrency(crate::money::Currency::USD)));
        let busy = given::<Order>([placed(), reserved(), paid(4000)]);
        assert_eq!(busy.when(ask(1, 1, Giving::Away)), Err(No::NotConfirmed), "its checkout is at work");
    }

    #[test]
    fn a_refund_of_lines_is_of_the_orders_own_and_of_no_more_than_they_cost() {
        let of = |n: u128, line: u128, amount: i64| C::AskRefund {
            refund: refund_id(n),
            payment: payment_id(1),
            amount: usd(amount),
            giving: Giving::Away,
            lines: vec![RefundedLine { line: line_id(line), amount: usd(amount) }],
        };
        let order = given::<Order>(confirmed());
        assert_eq!(order.when(of(1, 9, 1)), Err(No::RefundOfUnknownLine(line_id(9))));
        let exceeds = |left| Err(No::ExceedsLine { line: line_id(2), left: usd(left) });
        assert_eq!(order.when(of(1, 2, 1001)), exceeds(1000));
        let order = order.and(of(1, 2, 600));
        assert_eq!(order.when(of(2, 2, 401)), exceeds(400));
        assert!(order.and(end(1)).when(of(2, 2, 1000)).is_ok());
    }

    #[test]
    fn a_gift_is_no_debt_of_the_customer() {
        let packed = || given::<Order>(confirmed()).and(fulfil(1, &[(1, 3)]));
        let gift = packed().and(ask(1, 1, Giving::Away)).and(record(1, 1));
        assert_eq!(balance(&gift), [3999, 3999, 0, 1]);
        assert!(gift.when(ship(1)).is_ok(), "what was packed goes out");
        assert!(gift.when(fulfil(2, &[(2, 1)])).is_ok());
        assert_eq!(gift.0.payment_status(), PaymentStatus::PartRefunded);
        // What is given back ahead of its lines is owed until they are cancelled.
        let ahead = packed().and(ask(1, 1000, Giving::Back));
        assert_eq!(balance(&ahead), [4000, 3000, 1000, 0]);
        assert_eq!(ahead.when(ship(1)), Err(No::NotPaid { owed: usd(4000), held: usd(3000) }));
        let less = C::CancelLines { lines: units(&[(2, 1)]), reason: CancelReason::Seller };
        assert!(ahead.and(less).when(ship(1)).is_ok());
    }

    #[test]
    fn what_comes_back_after_a_gift_is_paid_back_whole() {
        let order = given::<Order>(completed()).and(ask(1, 1000, Giving::Away)).and(record(1, 1000));
        let order =
            order.and(C::RequestReturn { return_id: return_id(1), lines: units(&[(2, 1)]), reason: None });
        let receive = C::ReceiveReturn {
            return_id: return_id(1),
            line: line_id(2),
            quantity: 1,
            condition: Condition::Good,
            refund_shipping: false,
        };
        let events = order.when(receive).unwrap();
        assert!(
            matches!(&events[..], [E::ReturnReceived { refund, .. }] if *refund == usd(1000)),
            "{events:?}"
        );
    }

    #[test]
    fn what_comes_to_nothing_is_held_again_and_given_back_where_it_was_owed() {
        let ended = |amount, owed| {
            Ok(vec![E::RefundEnded {
                refund: refund_id(1),
                amount: usd(amount),
                owed: usd(owed),
                shares: vec![],
            }])
        };
        let order = given::<Order>(confirmed()).and(ask(1, 1500, Giving::Away));
        assert_eq!(order.when(end(1)), ended(1500, 0));
        let cancelled = order.and(CANCEL);
        assert_eq!(cancelled.when(end(1)), ended(1500, 1500));
        let cancelled = cancelled.and(end(1));
        assert_eq!(balance(&cancelled), [0, 0, 4000, 0]);
        assert_eq!(cancelled.when(end(1)), Ok(vec![]));
        assert_eq!(cancelled.when(end(2)), Ok(vec![]), "what the order asks for itself stays asked for");
        // A person cancelled the lines by hand, too: the order gave back nothing for them.
        let ahead = given::<Order>(confirmed())
            .and(ask(1, 1000, Giving::Back))
            .and(C::CancelLines { lines: units(&[(2, 1)]), reason: CancelReason::Seller });
        assert_eq!(balance(&ahead), [3000, 3000, 1000, 0]);
        assert_eq!(ahead.when(end(1)), ended(1000, 1000));
        let paid_out = ahead.and(record(1, 1000));
        assert_eq!(paid_out.when(end(1)), Ok(vec![]), "its money has left");
    }

    #[test]
    fn what_was_taken_for_ended_and_left_all_the_same_counts_again() {
        let order = given::<Order>(confirmed()).and(ask(1, 1500, Giving::Away)).and(end(1));
        assert_eq!(balance(&order), [4000, 4000, 0, 0]);
        assert_eq!(balance(&order.and(record(1, 1500))), [2500, 2500, 0, 1500]);
    }

    #[test]
    fn money_that_came_back_is_held_again() {
        let reverse = |n| C::ReverseRefund { refund: refund_id(n) };
        let gift = given::<Order>(confirmed()).and(ask(1, 1500, Giving::Away)).and(record(1, 1500));
        let reversed = E::RefundReversed { refund: refund_id(1), amount: usd(1500), total_refunded: usd(0) };
        assert_eq!(gift.when(reverse(1)), Ok(vec![reversed]));
        let gift = gift.and(reverse(1));
        assert_eq!((balance(&gift), gift.when(reverse(1))), ([4000, 4000, 0, 0], Ok(vec![])));
        let less = C::CancelLines { lines: units(&[(2, 1)]), reason: CancelReason::Seller };
        let own = given::<Order>(confirmed()).and(less).and(record(7, 1000));
        assert_eq!(balance(&own), [3000, 3000, 1000, 0]);
        let own = own.and(reverse(7));
        assert_eq!(balance(&own), [3000, 4000, 0, 0]);
        assert!(own.when(ask(8, 1000, Giving::Back)).is_ok(), "it can be given back by hand");
    }

    #[test]
    fn refunds_from_before_they_were_asked_for_here_mean_what_they_meant() {
        let order = given::<Order>(confirmed().into_iter().chain([refunded(1, 500, 500)]));
        assert_eq!(balance(&order), [4000, 3500, 500, 0]);
        assert_eq!(refund_of_cancelling(&order), 3500);
        // Of the order's own asking, recorded or not: it counts once.
        let less = C::CancelLines { lines: units(&[(2, 1)]), reason: CancelReason::Seller };
        let order = given::<Order>(confirmed()).and(less);
        assert_eq!(balance(&order), [3000, 3000, 1000, 0]);
        assert_eq!(balance(&order.and(record(1, 1000))), [3000, 3000, 1000, 0]);
    }
}
