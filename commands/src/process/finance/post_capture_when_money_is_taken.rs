//! When money is taken for an order, it goes into the books: from where it was taken to what the customer has not got
//! yet, and the provider's fee apart. What was taken when the payment was over waits in suspense for its refund.
//!
//! What a past order brought is posted with its goods (`post_revenue_when_goods_are_handed_over`). What the provider
//! took otherwise than asked for is a case for a person, and not in the books before it is decided.

use domain::finance::ledger_account::chart::Chart;
use domain::finance::payment::{Fact, Payment, PaymentEvent as E};
use domain::kernel::{Decider, Recorded, Unreadable};

use crate::act::Instruction;
use crate::commerce::order::record_past;
use crate::finance::ledger_transaction::booking::{Booking, Entry};
use crate::process::Process;

/// Process `post_capture_when_money_is_taken`.
pub struct PostCaptureWhenMoneyIsTaken;

impl Process for PostCaptureWhenMoneyIsTaken {
    fn name(&self) -> &'static str {
        "post_capture_when_money_is_taken"
    }

    fn listens_to(&self) -> &'static [&'static str] {
        &[Payment::NAME]
    }

    fn react(&self, event: &Recorded) -> Result<Vec<Instruction>, Unreadable> {
        let Some((_, happened)) = event.happened_to::<Payment>()? else { return Ok(vec![]) };
        Ok(match happened {
            E::Captured { order, amount, fee, .. } => {
                let (debit, credit) = (Chart::Clearing, Chart::Unearned(*order));
                let taken = Entry { debit, credit, amount: *amount, code: "capture" };
                let (debit, credit) = (Chart::ProviderFees, Chart::Clearing);
                let kept = Entry { debit, credit, amount: *fee, code: "fee" };
                Booking::of(event, [taken, kept])
            }
            E::Recorded { .. } if event.meta()?.command == record_past::NAME => vec![],
            E::Recorded { order, amount, .. } => {
                let (debit, credit) = (Chart::Bank, Chart::Unearned(*order));
                Booking::of(event, [Entry { debit, credit, amount: *amount, code: "payment" }])
            }
            E::LateObservation { fact: Fact::Captured, amount: Some(amount), .. } => {
                let (debit, credit) = (Chart::Clearing, Chart::Suspense);
                Booking::of(event, [Entry { debit, credit, amount: *amount, code: "late_capture" }])
            }
            _ => vec![],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::ids::{AttemptId, CaptureId, OrderId};
    use domain::kernel::Metadata;
    use domain::money::{Currency, Money};
    use uuid::Uuid;

    const ORDER: OrderId = OrderId::from_uuid(Uuid::from_u128(7));

    fn usd(amount: i64) -> Money {
        Money::new(amount, Currency::USD)
    }

    fn heard(event: &E) -> Recorded {
        Recorded::example::<Payment>(crate::ids::payment_of(ORDER).to_string(), event)
    }

    fn entry(debit: Chart, credit: Chart, amount: i64, code: &'static str) -> Entry {
        Entry { debit, credit, amount: usd(amount), code }
    }

    #[test]
    fn what_is_captured_is_the_customers_until_they_have_the_goods() {
        let attempt = AttemptId::from_uuid(Uuid::from_u128(1));
        let capture = CaptureId::from_uuid(Uuid::from_u128(2));
        let of = |fee| {
            let psp_ref = "cp_1".into();
            heard(&E::Captured { order: ORDER, attempt, capture, amount: usd(500), fee: usd(fee), psp_ref })
        };
        let taken = entry(Chart::Clearing, Chart::Unearned(ORDER), 500, "capture");
        let fee = entry(Chart::ProviderFees, Chart::Clearing, 20, "fee");
        let react = |event: &Recorded| PostCaptureWhenMoneyIsTaken.react(event).unwrap();
        assert_eq!(react(&of(20)), Booking::of(&of(20), [taken, fee]));
        assert_eq!(react(&of(0)), Booking::of(&of(0), [taken]));
        assert_eq!(react(&of(0)).len(), 1);
    }

    #[test]
    fn what_comes_too_late_is_in_suspense() {
        let event = heard(&E::LateObservation {
            order: ORDER,
            fact: Fact::Captured,
            attempt: None,
            capture: None,
            reference: "cp_1".into(),
            amount: Some(usd(500)),
        });
        let late = entry(Chart::Clearing, Chart::Suspense, 500, "late_capture");
        assert_eq!(PostCaptureWhenMoneyIsTaken.react(&event), Ok(Booking::of(&event, [late])));
    }

    #[test]
    fn what_was_paid_elsewhere_is_in_the_bank_unless_it_comes_with_a_past_order() {
        let mut event = heard(&E::Recorded {
            order: ORDER,
            amount: usd(500),
            at: chrono::DateTime::from_timestamp(0, 0).unwrap(),
            reference: None,
        });
        let paid = entry(Chart::Bank, Chart::Unearned(ORDER), 500, "payment");
        assert_eq!(PostCaptureWhenMoneyIsTaken.react(&event), Ok(Booking::of(&event, [paid])));
        let metadata = Metadata { command: record_past::NAME.into(), ..event.meta().unwrap() };
        event.metadata = serde_json::to_string(&metadata).unwrap();
        assert_eq!(PostCaptureWhenMoneyIsTaken.react(&event), Ok(vec![]));
    }
}
