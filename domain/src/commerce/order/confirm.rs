//! Confirming: what the order is told of stock and money, and the policy by which it then is confirmed.
//!
//! What it is told stays true after the order is closed: then it is kept as a late observation.

use super::contents::{quantity as check_quantity, told};
use super::state::Agreed;
use super::{Balance, Basis, Observed, Order, OrderEvent as E, OrderRefusal as No, Phase, Settlement};
use crate::ids::{LineId, PaymentId, RefundId, ReservationId};
use crate::money::Money;

/// How many facts of a kind one order keeps.
pub(super) const MOST_RECORDS: usize = 1_000;

type Decided = Result<Vec<E>, No>;

impl Order {
    pub(super) fn record_reservation(
        &self,
        line: LineId,
        reservation: ReservationId,
        quantity: u32,
    ) -> Decided {
        let (phase, agreed) = self.agreed()?;
        check_quantity(quantity)?;
        let added = self.contents.as_ref().and_then(|contents| contents.line(line));
        let known = agreed.reserved_for(line);
        if known.iter().any(|held| held.reservation == reservation) {
            return Ok(vec![]);
        }
        let stock = match (added, agreed.line(line)) {
            (Some(item), _) => item.stock.clone(),
            (None, line) => line?.0.stock.clone(),
        };
        let stock = stock.ok_or(No::NotStocked(line))?;
        match phase {
            _ if known.len() >= MOST_RECORDS => Err(No::TooManyRecords),
            Phase::Cancelled | Phase::Expired => {
                Ok(vec![late(Observed::Reserved { line, stock, reservation, quantity })])
            }
            _ => Ok(vec![E::StockReserved { line, stock, reservation, quantity }]),
        }
    }

    pub(super) fn record_payment(&self, payment: PaymentId, authorised: Money, captured: Money) -> Decided {
        let (phase, agreed) = self.agreed()?;
        let currency = agreed.terms.total.currency;
        told(authorised, currency)?;
        told(captured, currency)?;
        if captured.amount > authorised.amount {
            return Err(No::CapturedExceedsAuthorised);
        }
        let known = agreed.payments.get(&payment).copied();
        let before =
            known.map_or((agreed.nothing(), agreed.nothing()), |paid| (paid.authorised, paid.captured));
        if known.is_none() && agreed.payments.len() >= MOST_RECORDS {
            return Err(No::TooManyRecords);
        }
        // Captures only grow: less than is known was told before and comes late.
        if captured.amount < before.1.amount || known.is_some() && before == (authorised, captured) {
            return Ok(vec![]);
        }
        let others = agreed.payments.iter().filter(|(id, _)| **id != payment).map(|(_, paid)| *paid);
        let total_authorised =
            Money::sum(currency, others.clone().map(|paid| paid.authorised).chain([authorised]))?;
        let total_captured = Money::sum(currency, others.map(|paid| paid.captured).chain([captured]))?;
        let closed = matches!(phase, Phase::Cancelled | Phase::Expired);
        if closed && captured.amount > before.1.amount {
            let amount = captured.minus(before.1)?;
            return Ok(vec![late(Observed::Captured { payment, amount, authorised, captured })]);
        }
        if closed && authorised.amount > before.0.amount {
            return Ok(vec![late(Observed::Authorised { payment, authorised })]);
        }
        Ok(vec![E::PaymentCovered { payment, authorised, captured, total_authorised, total_captured }])
    }

    /// Of an order on credit, in parts, until nothing is owed.
    pub(super) fn mark_paid(&self, payment: PaymentId, amount: Money) -> Decided {
        let (phase, agreed) = self.agreed()?;
        match (phase, agreed.settlement) {
            (Phase::Cancelled, _) => return Err(No::Cancelled),
            (Phase::Expired, _) => return Err(No::Expired),
            (_, Settlement::Checkout | Settlement::Recorded) => return Err(No::OtherSettlement),
            (_, Settlement::CreditTerms) => {}
        }
        super::contents::price(amount, agreed.terms.total.currency)?;
        match agreed.payments.get(&payment) {
            Some(known) if known.captured == amount => return Ok(vec![]),
            Some(_) => return Err(No::PaymentExists(payment)),
            None => {}
        }
        let Balance { owed, held, .. } = agreed.balance();
        let left = super::balance::not_negative(super::state::less(owed, held));
        if amount.amount > left.amount {
            return Err(No::ExceedsOwed(left));
        }
        self.record_payment(payment, amount, amount)
    }

    pub(super) fn record_refund(&self, refund: RefundId, payment: PaymentId, amount: Money) -> Decided {
        let (_, agreed) = self.agreed()?;
        told(amount, agreed.terms.total.currency)?;
        match agreed.refunds.len() {
            _ if agreed.refunds.contains_key(&refund) => Ok(vec![]),
            MOST_RECORDS.. => Err(No::TooManyRecords),
            _ => {
                let total_refunded = agreed.refunded().plus(amount)?;
                Ok(vec![E::RefundRecorded { refund, payment, amount, total_refunded }])
            }
        }
    }

    pub(super) fn confirm(&self, basis: Basis) -> Decided {
        let (phase, agreed) = self.agreed()?;
        match phase {
            Phase::Confirmed | Phase::Completed => return Ok(vec![]),
            Phase::Cancelled => return Err(No::Cancelled),
            Phase::Expired => return Err(No::Expired),
            Phase::Draft | Phase::Placed => {}
        }
        let Balance { owed, held, .. } = agreed.balance();
        match basis {
            Basis::Authorised if !agreed.is_promised(agreed.due()) => return Err(agreed.unpaid()),
            Basis::Captured if held.amount < owed.amount => return Err(agreed.unpaid()),
            Basis::Free if !agreed.due().is_zero() => return Err(No::NotFree),
            Basis::CreditTerms if agreed.settlement != Settlement::CreditTerms => {
                return Err(No::OtherSettlement);
            }
            Basis::Recorded if agreed.settlement != Settlement::Recorded => return Err(No::OtherSettlement),
            _ => {}
        }
        if basis != Basis::Recorded
            && let Some(line) = agreed.lacks_stock()
        {
            return Err(No::NotReserved(line));
        }
        let customer = self.customer.ok_or(No::Unknown)?;
        Ok(vec![E::Confirmed { basis, customer, total: agreed.terms.total }])
    }
}

impl Agreed {
    /// Whether the goods go out before they are paid.
    pub(super) fn is_on_credit(&self) -> bool {
        matches!(self.basis, Some(Basis::CreditTerms | Basis::Recorded))
    }

    /// The first line that takes more from stock than is reserved for it.
    fn lacks_stock(&self) -> Option<LineId> {
        let lacks = |line: &&super::Line| {
            let due = self.counters.get(&line.line).map_or(0, |counters| counters.due());
            line.stock.is_some() && self.reserved(line.line) < due
        };
        self.terms.lines.iter().find(lacks).map(|line| line.line)
    }

    /// Whether what is authorised, without what leaves of it, covers what would be owed of such a total.
    pub(super) fn is_promised(&self, due: Money) -> bool {
        let Balance { owed, given_back, given_away, .. } = self.balance_with(due);
        self.authorised().amount >= self.sum([owed, given_back, given_away]).amount
    }
}

pub(super) const fn late(observed: Observed) -> E {
    E::LateObservation { observed }
}

#[cfg(test)]
mod tests {
    use super::super::examples::*;
    use super::super::{CarrierFact, CarrierFactKind, OrderCommand as C, PaymentStatus};
    use super::*;
    use crate::kernel::given;

    fn pay(authorised: i64, captured: i64) -> C {
        C::RecordPayment { payment: payment_id(1), authorised: usd(authorised), captured: usd(captured) }
    }

    #[test]
    fn learns_what_is_set_aside_for_its_lines() {
        let order = given::<Order>([placed()]);
        let reserve = |line| C::RecordReservation { line, reservation: reservation_id(1), quantity: 3 };
        assert_eq!(order.when(reserve(line_id(1))), Ok(vec![reserved()]));
        assert_eq!(given::<Order>([placed(), reserved()]).when(reserve(line_id(1))), Ok(vec![]));
        assert_eq!(order.when(reserve(line_id(2))), Err(No::NotStocked(line_id(2))));
        assert_eq!(order.when(reserve(line_id(9))), Err(No::UnknownLine(line_id(9))));
        assert_eq!(given::<Order>([draft_created()]).when(reserve(line_id(1))), Err(No::NotPlaced));
        let nothing = C::RecordReservation { line: line_id(1), reservation: reservation_id(1), quantity: 0 };
        assert_eq!(order.when(nothing), Err(No::QuantityOutOfRange));
    }

    #[test]
    fn learns_what_its_payments_hold_and_took() {
        let order = given::<Order>([placed()]);
        assert_eq!(order.when(pay(4000, 0)), Ok(vec![covered(1, 4000, 0, 4000, 0)]));
        let authorised = order.and(pay(4000, 0));
        assert_eq!(authorised.when(pay(4000, 0)), Ok(vec![]));
        assert_eq!(authorised.0.payment_status(), PaymentStatus::Authorised);
        let part = authorised.and(pay(4000, 1500));
        assert_eq!(part.0.payment_status(), PaymentStatus::Partial);
        assert_eq!(part.when(pay(4000, 1000)), Ok(vec![]));
        let second = C::RecordPayment { payment: payment_id(2), authorised: usd(2500), captured: usd(2500) };
        assert_eq!(part.when(second.clone()), Ok(vec![covered(2, 2500, 2500, 6500, 4000)]));
        assert_eq!(part.and(second).0.payment_status(), PaymentStatus::Paid);
    }

    #[test]
    fn believes_no_payment_that_cannot_be() {
        let order = given::<Order>([placed()]);
        assert_eq!(order.when(pay(1, 2)), Err(No::CapturedExceedsAuthorised));
        assert_eq!(order.when(pay(-1, -1)), Err(No::NegativeAmount));
        let foreign = C::RecordPayment { payment: payment_id(1), authorised: eur(1), captured: eur(1) };
        assert_eq!(order.when(foreign), Err(No::OtherCurrency(crate::money::Currency::USD)));
        let more = given::<Order>([placed(), covered(2, i64::MAX, 0, i64::MAX, 0)]);
        assert_eq!(more.when(pay(1, 0)), Err(No::AmountOutOfRange));
    }

    #[test]
    fn counts_each_refund_once() {
        let order = given::<Order>([placed(), paid(4000)]);
        let refund =
            |n, amount| C::RecordRefund { refund: refund_id(n), payment: payment_id(1), amount: usd(amount) };
        assert_eq!(order.when(refund(1, 1000)), Ok(vec![refunded(1, 1000, 1000)]));
        let part = order.and(refund(1, 1000));
        assert_eq!(part.when(refund(1, 1000)), Ok(vec![]));
        assert_eq!(part.0.payment_status(), PaymentStatus::PartRefunded);
        assert_eq!(part.and(refund(2, 3000)).0.payment_status(), PaymentStatus::Refunded);
    }

    #[test]
    fn is_confirmed_when_stock_and_money_are_there() {
        let confirm = |basis| C::Confirm { basis };
        let ready = given::<Order>([placed(), reserved(), paid(4000)]);
        assert_eq!(ready.when(confirm(Basis::Captured)), Ok(vec![confirmation(Basis::Captured)]));
        assert_eq!(ready.when(confirm(Basis::Authorised)), Ok(vec![confirmation(Basis::Authorised)]));
        assert_eq!(ready.and(confirm(Basis::Captured)).when(confirm(Basis::Captured)), Ok(vec![]));

        let unreserved = given::<Order>([placed(), paid(4000)]);
        assert_eq!(unreserved.when(confirm(Basis::Captured)), Err(No::NotReserved(line_id(1))));
        let short = given::<Order>([placed(), reserved(), paid(3999)]);
        let unpaid = No::NotPaid { owed: usd(4000), held: usd(3999) };
        assert_eq!(short.when(confirm(Basis::Captured)), Err(unpaid.clone()));
        assert_eq!(short.when(confirm(Basis::Authorised)), Err(unpaid.clone()));
        assert_eq!(short.when(confirm(Basis::Free)), Err(No::NotFree));
        let taken_back = given::<Order>([placed(), reserved(), paid(4000), refunded(1, 1, 1)]);
        assert_eq!(taken_back.when(confirm(Basis::Captured)), Err(unpaid));
    }

    #[test]
    fn held_money_is_enough_only_where_it_is_the_basis() {
        let held = given::<Order>([placed(), reserved(), covered(1, 4000, 0, 4000, 0)]);
        assert_eq!(
            held.when(C::Confirm { basis: Basis::Authorised }),
            Ok(vec![confirmation(Basis::Authorised)])
        );
        let unpaid = No::NotPaid { owed: usd(4000), held: usd(0) };
        assert_eq!(held.when(C::Confirm { basis: Basis::Captured }), Err(unpaid));
    }

    #[test]
    fn credit_and_records_hold_only_for_orders_placed_so() {
        for basis in [Basis::CreditTerms, Basis::Recorded] {
            let order = given::<Order>([placed(), reserved()]);
            assert_eq!(order.when(C::Confirm { basis }), Err(No::OtherSettlement));
        }
        let record = given::<Order>([recorded()]);
        assert_eq!(
            record.when(C::Confirm { basis: Basis::Recorded }),
            Ok(vec![confirmation(Basis::Recorded)])
        );
        let credit = given::<Order>([on_credit()]);
        assert_eq!(credit.when(C::Confirm { basis: Basis::CreditTerms }), Err(No::NotReserved(line_id(1))));
        let credit = given::<Order>([on_credit(), reserved()]);
        assert_eq!(
            credit.when(C::Confirm { basis: Basis::CreditTerms }),
            Ok(vec![confirmation(Basis::CreditTerms)])
        );
    }

    fn mark(n: u128, amount: i64) -> C {
        C::MarkPaid { payment: payment_id(n), amount: usd(amount) }
    }

    #[test]
    fn an_order_on_credit_is_marked_as_paid_in_parts_until_nothing_is_owed() {
        let order = given::<Order>([on_credit(), reserved(), confirmation(Basis::CreditTerms)]);
        assert_eq!(order.when(mark(1, 1500)), Ok(vec![covered(1, 1500, 1500, 1500, 1500)]));
        let order = order.and(mark(1, 1500));
        assert_eq!(order.0.payment_status(), PaymentStatus::Partial);
        assert_eq!(order.when(mark(1, 1500)), Ok(vec![]));
        assert_eq!(order.when(mark(1, 1000)), Err(No::PaymentExists(payment_id(1))));
        assert_eq!(order.when(mark(2, 2501)), Err(No::ExceedsOwed(usd(2500))));
        let order = order.and(mark(2, 2500));
        assert_eq!(order.0.payment_status(), PaymentStatus::Paid);
        assert_eq!(order.when(mark(3, 1)), Err(No::ExceedsOwed(usd(0))));
        // What was paid is given back as it was paid.
        let cancel = C::Cancel { reason: super::super::CancelReason::Seller };
        let events = order.when(cancel).unwrap();
        let [E::Cancelled { refund, shares, .. }] = &events[..] else { panic!("{events:?}") };
        let shares: Vec<_> = shares.iter().map(|of| (of.payment, of.amount)).collect();
        assert_eq!(
            (*refund, shares),
            (usd(4000), vec![(payment_id(1), usd(1500)), (payment_id(2), usd(2500))])
        );
    }

    #[test]
    fn only_what_is_on_credit_is_marked_as_paid() {
        assert_eq!(given::<Order>(confirmed()).when(mark(2, 1)), Err(No::OtherSettlement));
        assert_eq!(given::<Order>([recorded()]).when(mark(2, 1)), Err(No::OtherSettlement));
        assert_eq!(given::<Order>([on_credit(), cancelled()]).when(mark(2, 1)), Err(No::Cancelled));
        assert_eq!(
            given::<Order>([on_credit()]).when(C::MarkPaid { payment: payment_id(2), amount: eur(1) }),
            Err(No::OtherCurrency(crate::money::Currency::USD))
        );
    }

    #[test]
    fn a_free_order_needs_no_money() {
        assert_eq!(
            given::<Order>([free()]).when(C::Confirm { basis: Basis::Free }).map(|events| events.len()),
            Ok(1)
        );
    }

    #[test]
    fn a_closed_order_is_not_confirmed() {
        let confirm = C::Confirm { basis: Basis::Captured };
        assert_eq!(given::<Order>([placed(), expired()]).when(confirm.clone()), Err(No::Expired));
        assert_eq!(given::<Order>([placed(), cancelled()]).when(confirm.clone()), Err(No::Cancelled));
        assert_eq!(given::<Order>([draft_created()]).when(confirm), Err(No::NotPlaced));
    }

    #[test]
    fn what_a_closed_order_learns_is_kept_and_reopens_nothing() {
        for closing in [expired(), cancelled()] {
            let order = given::<Order>([placed(), closing]);
            let phase = order.0.phase();
            let captured = Observed::Captured {
                payment: payment_id(1),
                amount: usd(4000),
                authorised: usd(4000),
                captured: usd(4000),
            };
            assert_eq!(order.when(pay(4000, 4000)), Ok(vec![late(captured)]));
            let authorised = late(Observed::Authorised { payment: payment_id(1), authorised: usd(4000) });
            assert_eq!(order.when(pay(4000, 0)), Ok(vec![authorised]));
            let order = order.and(pay(4000, 0));
            assert_eq!(order.when(pay(0, 0)), Ok(vec![covered(1, 0, 0, 0, 0)]), "a void is no surprise");
            let order = order.and(pay(4000, 4000));
            assert_eq!(order.when(pay(4000, 4000)), Ok(vec![]));

            let reservation =
                C::RecordReservation { line: line_id(1), reservation: reservation_id(1), quantity: 3 };
            let observed = Observed::Reserved {
                line: line_id(1),
                stock: stock(),
                reservation: reservation_id(1),
                quantity: 3,
            };
            assert_eq!(order.when(reservation.clone()), Ok(vec![late(observed)]));
            let order = order.and(reservation.clone());
            assert_eq!(order.when(reservation), Ok(vec![]));

            let (kind, when) = (CarrierFactKind::Delivered, at(7));
            let fact = CarrierFact { kind, at: when, fulfilment: None, tracking: None };
            let observed = Observed::Carrier { fact: kind, at: when, fulfilment: None, tracking: None };
            assert_eq!(order.when(C::RecordCarrierFact(fact)), Ok(vec![late(observed)]));
            assert_eq!(order.0.phase(), phase);
        }
    }
}
