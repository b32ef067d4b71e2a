//! Cancelling: some lines or the whole order, with what is to be given back for them.
//!
//! Of a line's n units, k are worth round(amount · k / n) − what was already taken back of it: the last one takes
//! the rest, and a line never gives back more than it cost. What was not paid is not given back.

use super::state::{Agreed, more};
use super::{
    CancelReason, CancelledLine, Order, OrderEvent as E, OrderRefusal as No, Phase, Settlement, Units,
};
use crate::ids::LineId;
use crate::money::Money;

type Decided = Result<Vec<E>, No>;

impl Order {
    pub(super) fn cancel_lines(&self, units: &[Units], reason: CancelReason) -> Decided {
        let (phase, agreed) = self.agreed()?;
        match phase {
            Phase::Cancelled => return Err(No::Cancelled),
            Phase::Expired => return Err(No::Expired),
            Phase::Completed => return Err(No::Completed),
            // Its checkout is at work on the whole of it.
            Phase::Placed if agreed.settlement == Settlement::Checkout => return Err(No::NotConfirmed),
            _ if self.is_being_edited() => return Err(No::Editing),
            _ => {}
        }
        agreed.within(units, "cancelled", |counters| counters.open())?;
        let lines =
            units.iter().map(|units| agreed.cancelled_line(*units)).collect::<Result<Vec<_>, No>>()?;
        let worth = lines.iter().fold(agreed.nothing(), |sum, line| more(sum, line.amount));
        let released = lines.iter().flat_map(|line| {
            let needed = agreed.unshipped(line.line).saturating_sub(u64::from(line.quantity));
            agreed.released(line.line, needed)
        });
        let refund = agreed.refundable(worth);
        let shares = agreed.shares(refund);
        let cancelled = E::LinesCancelled { reason, released: released.collect(), lines, refund, shares };
        let mut then = self.clone();
        then.take_in(cancelled.clone());
        if then.units().due() == 0 {
            let rest = then.cancel(reason)?;
            return Ok([vec![cancelled], rest].concat());
        }
        Ok(self.and_completed(vec![cancelled]))
    }

    pub(super) fn cancel(&self, reason: CancelReason) -> Decided {
        let Some(agreed) = &self.agreed else {
            return match (self.phase, &self.contents) {
                (None, _) => Err(No::Unknown),
                (Some(Phase::Draft), Some(contents)) => {
                    let nothing = Money::zero(contents.currency);
                    let (lines, released) = (vec![], vec![]);
                    let (shipping, refund) = (nothing, nothing);
                    let cancelled = E::Cancelled {
                        reason,
                        lines,
                        shipping,
                        refund,
                        shares: vec![],
                        released,
                        cart: None,
                    };
                    Ok(vec![cancelled])
                }
                _ => Ok(vec![]),
            };
        };
        match self.phase {
            Some(Phase::Cancelled) => return Ok(vec![]),
            Some(Phase::Expired) => return Err(No::Expired),
            Some(Phase::Completed) => return Err(No::Completed),
            _ if agreed.units().fulfilled > 0 => return Err(No::AlreadyFulfilled),
            _ => {}
        }
        let left = agreed.counters.iter().filter(|(_, counters)| counters.due() > 0);
        let left = left.map(|(&line, counters)| Units {
            line,
            quantity: u32::try_from(counters.due()).unwrap_or(u32::MAX),
        });
        let lines = left.map(|units| agreed.cancelled_line(units)).collect::<Result<Vec<_>, No>>()?;
        let (refund, released) = agreed.undone();
        let (shipping, cart, shares) = (agreed.terms.shipping, agreed.cart, agreed.shares(refund));
        let cancelled = E::Cancelled { reason, lines, shipping, refund, shares, released, cart };
        Ok(self.settlement_withdrawn().into_iter().chain([cancelled]).collect())
    }
}

impl Agreed {
    /// What some more units of a line were sold for: the share of all that came back, less what already did.
    pub(super) fn worth(&self, line: LineId, quantity: u32) -> Result<Money, No> {
        let (of, counters) = self.line(line)?;
        let back = counters.cancelled + counters.return_received + u64::from(quantity);
        let back = i64::try_from(back).map_err(|_| No::AmountOutOfRange)?;
        let before = self.credited.get(&line).copied().unwrap_or(self.nothing());
        Ok(of.amount.share(back, i64::from(of.quantity))?.minus(before)?)
    }

    /// Units that still have to leave.
    pub(super) fn unshipped(&self, line: LineId) -> u64 {
        self.counters.get(&line).map_or(0, |counters| counters.due() - counters.shipped)
    }

    fn cancelled_line(&self, Units { line, quantity }: Units) -> Result<CancelledLine, No> {
        let sku = self.line(line)?.0.sku.clone();
        Ok(CancelledLine { line, sku, quantity, amount: self.worth(line, quantity)? })
    }
}

#[cfg(test)]
mod tests {
    use super::super::examples::*;
    use super::super::{OrderCommand as C, PaymentStatus};
    use super::*;
    use crate::kernel::{Given, given};

    fn cancel_lines(lines: &[(u128, u32)]) -> C {
        C::CancelLines { lines: units(lines), reason: CancelReason::Customer }
    }

    const CANCEL: C = C::Cancel { reason: CancelReason::Customer };

    fn refund_of(events: &[E]) -> Money {
        match events {
            [E::LinesCancelled { refund, .. }, ..] | [E::Cancelled { refund, .. }] => *refund,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_draft_is_given_up() {
        let nothing = E::Cancelled {
            shares: vec![],
            reason: CancelReason::Customer,
            lines: vec![],
            shipping: usd(0),
            refund: usd(0),
            released: vec![],
            cart: None,
        };
        let draft = given::<Order>([draft_created(), E::LineAdded(tea())]);
        assert_eq!(draft.when(CANCEL), Ok(vec![nothing]));
        assert_eq!(Given(draft.0.clone()).and(CANCEL).when(CANCEL), Ok(vec![]));
        assert_eq!(draft.and(CANCEL).when(C::AddLine(cup())), Err(No::Cancelled));
    }

    #[test]
    fn before_it_is_confirmed_its_checkout_gives_back_by_itself() {
        let order = given::<Order>([placed(), reserved(), paid(4000)]);
        assert_eq!(order.when(CANCEL), Ok(vec![cancelled()]));
        assert_eq!(order.when(cancel_lines(&[(1, 1)])), Err(No::NotConfirmed));
    }

    #[test]
    fn once_confirmed_it_gives_back_money_and_stock() {
        let order = given::<Order>(confirmed());
        let E::Cancelled { lines, shipping, .. } = cancelled() else { unreachable!() };
        let event = E::Cancelled {
            shares: vec![],
            reason: CancelReason::Customer,
            lines,
            shipping,
            refund: usd(4000),
            released: vec![units_of_stock(1, 3)],
            cart: None,
        };
        assert_eq!(order.when(CANCEL), Ok(vec![event]));
        assert_eq!(order.and(CANCEL).when(CANCEL), Ok(vec![]));
    }

    #[test]
    fn units_are_cancelled_with_their_worth() {
        let order = given::<Order>(confirmed());
        let event = E::LinesCancelled {
            shares: vec![],
            reason: CancelReason::Customer,
            lines: vec![CancelledLine { line: line_id(1), sku: tea().sku, quantity: 2, amount: usd(2000) }],
            refund: usd(2000),
            released: vec![units_of_stock(1, 2)],
        };
        assert_eq!(order.when(cancel_lines(&[(1, 2)])), Ok(vec![event]));
        let order = order.and(cancel_lines(&[(1, 2)]));
        assert_eq!(order.0.payment_status(), PaymentStatus::Over);
        assert_eq!(
            order.when(cancel_lines(&[(1, 2)])),
            Err(No::TooMany { line: line_id(1), open: 1, to: "cancelled" })
        );
    }

    #[test]
    fn the_last_unit_takes_what_rounding_left() {
        let order = odd_line(1000, 3);
        let worth = |order: &Given<Order>| refund_of(&order.when(cancel_lines(&[(1, 1)])).unwrap());
        assert_eq!(worth(&order), usd(333));
        let order = order.and(cancel_lines(&[(1, 1)]));
        assert_eq!(worth(&order), usd(334));
        let order = order.and(cancel_lines(&[(1, 1)]));
        assert_eq!(worth(&order), usd(333));
    }

    #[test]
    fn cancelling_all_lines_cancels_the_order_and_gives_back_the_shipping() {
        let order = given::<Order>(confirmed_with_shipping());
        let events = order.when(cancel_lines(&[(1, 3), (2, 1)])).unwrap();
        assert_eq!(refund_of(&events[..1]), usd(4000));
        assert_eq!(
            events[1],
            E::Cancelled {
                shares: vec![],
                reason: CancelReason::Customer,
                lines: vec![],
                shipping: usd(500),
                refund: usd(500),
                released: vec![],
                cart: None,
            }
        );
        assert_eq!(order.and(cancel_lines(&[(1, 3), (2, 1)])).0.phase(), Some(Phase::Cancelled));
    }

    #[test]
    fn what_was_not_paid_is_not_given_back() {
        let unpaid =
            given::<Order>([on_credit(), reserved(), confirmation(super::super::Basis::CreditTerms)]);
        assert_eq!(refund_of(&unpaid.when(cancel_lines(&[(1, 1)])).unwrap()), usd(0));
        let part = given::<Order>([
            on_credit(),
            reserved(),
            paid(3500),
            confirmation(super::super::Basis::CreditTerms),
        ]);
        assert_eq!(refund_of(&part.when(cancel_lines(&[(1, 1)])).unwrap()), usd(500));
        assert_eq!(refund_of(&part.and(cancel_lines(&[(1, 1)])).when(CANCEL).unwrap()), usd(3000));
    }

    #[test]
    fn cancelling_what_is_left_completes_what_was_delivered() {
        let order = given::<Order>(confirmed()).and(fulfil(1, &[(1, 3)])).and(ship(1)).and(deliver(1));
        let events = order.when(cancel_lines(&[(2, 1)])).unwrap();
        assert_eq!(events[1], E::Completed);
        let completed = order.and(cancel_lines(&[(2, 1)]));
        assert_eq!(completed.when(cancel_lines(&[(1, 1)])), Err(No::Completed));
        assert_eq!(completed.when(CANCEL), Err(No::Completed));
    }

    #[test]
    fn what_is_fulfilled_is_not_cancelled() {
        let order = given::<Order>(confirmed()).and(fulfil(1, &[(1, 3)]));
        assert_eq!(order.when(CANCEL), Err(No::AlreadyFulfilled));
        assert_eq!(
            order.when(cancel_lines(&[(1, 1)])),
            Err(No::TooMany { line: line_id(1), open: 0, to: "cancelled" })
        );
        assert!(order.when(cancel_lines(&[(2, 1)])).is_ok());
    }

    #[test]
    fn a_closed_order_is_not_cancelled_again() {
        let order = given::<Order>([placed(), expired()]);
        assert_eq!(order.when(CANCEL), Err(No::Expired));
        assert_eq!(order.when(cancel_lines(&[(1, 1)])), Err(No::Expired));
        let order = given::<Order>([placed(), cancelled()]);
        assert_eq!(order.when(cancel_lines(&[(1, 1)])), Err(No::Cancelled));
    }
}
