//! When money was given back, it goes out of the books where it came into them: through the provider, or past it where
//! a person has paid it out. What comes back from there is the customer's again.

use domain::finance::ledger_account::chart::Chart;
use domain::finance::refund::{Reason, Refund, RefundEvent as E, RefundFact};
use domain::ids::{OrderId, PaymentId, RefundId};
use domain::kernel::{Recorded, Unreadable};

use crate::act::Instruction;
use crate::finance::ledger_transaction::booking::{Booking, Entry};
use crate::follow::Follow;
use crate::ids::{checkout_of_payment, undoing_refund_of};

/// What a refund's event was asked for by, where a person had paid it out.
const PAID_OUT: &str = "refund.pay_out";

/// Process `post_refund_when_money_is_given_back`.
pub struct PostRefundWhenMoneyIsGivenBack;

impl Follow for PostRefundWhenMoneyIsGivenBack {
    type Of = Refund;

    fn name(&self) -> &'static str {
        "post_refund_when_money_is_given_back"
    }

    fn react(
        &self,
        before: &Refund,
        _after: &Refund,
        event: &Recorded,
    ) -> Result<Vec<Instruction>, Unreadable> {
        let Some((refund, happened)) = event.happened_to::<Refund>()? else { return Ok(vec![]) };
        let by_hand = before.is_by_hand() || event.meta()?.command == PAID_OUT;
        let from = |order, payment| match is_of_suspense(before, refund, order, payment) {
            true => Chart::Suspense,
            false => Chart::Unearned(order),
        };
        let to = if by_hand { Chart::Bank } else { Chart::Clearing };
        Ok(match happened {
            E::Succeeded { payment, order, amount, .. }
            | E::LateObservation { payment, order, amount, fact: RefundFact::Succeeded, .. } => {
                let debit = from(*order, *payment);
                Booking::of(event, [Entry { debit, credit: to, amount: *amount, code: "refund" }])
            }
            E::Reversed { payment, order, amount, .. } => {
                let debit = from(*order, *payment);
                let left = Entry { debit, credit: to, amount: *amount, code: "refund_reversed" };
                Booking::of(event, [left.reversed()])
            }
            _ => vec![],
        })
    }
}

/// What was taken when its payment was over. A checkout undoes what it took in time.
fn is_of_suspense(of: &Refund, refund: RefundId, order: OrderId, payment: PaymentId) -> bool {
    of.reason() == Some(Reason::LateCapture)
        && refund != undoing_refund_of(checkout_of_payment(order, payment))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::payment_of;
    use domain::finance::refund::PAY_OUT_BY_HAND;
    use domain::kernel::{Decider, Metadata, given};
    use domain::money::{Currency, Money};
    use uuid::Uuid;

    const ORDER: OrderId = OrderId::from_uuid(Uuid::from_u128(7));

    fn refund() -> RefundId {
        RefundId::from_uuid(Uuid::from_u128(8))
    }

    fn usd(amount: i64) -> Money {
        Money::new(amount, Currency::USD)
    }

    fn requested(reason: Reason) -> E {
        E::Requested { payment: payment_of(ORDER), order: ORDER, amount: usd(500), reason, lines: vec![] }
    }

    fn held() -> E {
        let code = PAY_OUT_BY_HAND.to_owned();
        E::HeldForReview { payment: payment_of(ORDER), order: ORDER, amount: usd(500), code }
    }

    fn succeeded() -> E {
        E::Succeeded { payment: payment_of(ORDER), order: ORDER, amount: usd(500), psp_ref: "re_1".into() }
    }

    /// What follows from the last of these events.
    fn told(id: RefundId, mut history: Vec<E>, command: &str) -> (Recorded, Vec<Instruction>) {
        let last = history.pop().unwrap();
        let before = given::<Refund>(history).0;
        let mut after = before.clone();
        after.evolve(last.clone());
        let mut event = Recorded::example::<Refund>(id.to_string(), &last);
        let metadata = Metadata { command: command.into(), ..event.meta().unwrap() };
        event.metadata = serde_json::to_string(&metadata).unwrap();
        let told = PostRefundWhenMoneyIsGivenBack.react(&before, &after, &event).unwrap();
        (event, told)
    }

    fn left(debit: Chart, credit: Chart) -> Entry {
        Entry { debit, credit, amount: usd(500), code: "refund" }
    }

    #[test]
    fn what_left_goes_out_where_it_had_come_in() {
        let (event, done) =
            told(refund(), vec![requested(Reason::Returned), succeeded()], "refund.record_succeeded");
        assert_eq!(done, Booking::of(&event, [left(Chart::Unearned(ORDER), Chart::Clearing)]));
        let by_hand = vec![requested(Reason::Returned), held(), succeeded()];
        let (event, done) = told(refund(), by_hand, "refund.pay_out");
        assert_eq!(done, Booking::of(&event, [left(Chart::Unearned(ORDER), Chart::Bank)]));
        let (event, done) = told(refund(), vec![requested(Reason::Returned), succeeded()], "refund.pay_out");
        assert_eq!(
            done,
            Booking::of(&event, [left(Chart::Unearned(ORDER), Chart::Bank)]),
            "the provider said no"
        );
    }

    #[test]
    fn what_was_taken_too_late_leaves_suspense_unless_its_checkout_undoes_it() {
        let late = || vec![requested(Reason::LateCapture), succeeded()];
        let (event, done) = told(refund(), late(), "refund.record_succeeded");
        assert_eq!(done, Booking::of(&event, [left(Chart::Suspense, Chart::Clearing)]));
        let undoing = undoing_refund_of(checkout_of_payment(ORDER, payment_of(ORDER)));
        let (event, done) = told(undoing, late(), "refund.record_succeeded");
        assert_eq!(done, Booking::of(&event, [left(Chart::Unearned(ORDER), Chart::Clearing)]));
    }

    #[test]
    fn what_comes_back_is_the_customers_again() {
        let reversed = E::Reversed {
            payment: payment_of(ORDER),
            order: ORDER,
            amount: usd(500),
            psp_ref: "re_1".into(),
        };
        let history = vec![requested(Reason::Returned), succeeded(), reversed];
        let (event, done) = told(refund(), history, "refund.record_reversed");
        let back = Entry { code: "refund_reversed", ..left(Chart::Clearing, Chart::Unearned(ORDER)) };
        assert_eq!(done, Booking::of(&event, [back]));
    }

    #[test]
    fn what_is_only_asked_for_is_in_no_book() {
        assert_eq!(told(refund(), vec![requested(Reason::Returned)], "refund.request").1, []);
        assert_eq!(told(refund(), vec![requested(Reason::Returned), held()], "refund.record_failed").1, []);
    }
}
