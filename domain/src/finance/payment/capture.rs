//! Captures: taking what is authorised, at once or in parts.

use chrono::{DateTime, Utc};

use super::state::{Capture, CaptureStanding, Payment, Standing, Terms};
use super::{Decision, Fact, PaymentEvent as E, PaymentRefusal as No};
use crate::ids::CaptureId;
use crate::money::Money;

impl Payment {
    pub(super) fn capture(
        &self,
        terms: &Terms,
        capture: CaptureId,
        amount: Money,
        at: DateTime<Utc>,
    ) -> Decision {
        let order = terms.order;
        match self.captures.get(&capture) {
            Some(known) if known.amount == amount => return Ok(vec![]),
            Some(_) => return Err(No::CaptureReused),
            None => {}
        }
        let Some((attempt, live)) = self.last() else { return Err(No::NotAuthorised) };
        match (live.standing, &live.charge, live.valid_until) {
            _ if amount.currency != terms.amount.currency => Err(No::CurrencyMismatch(terms.amount.currency)),
            _ if amount.amount <= 0 => Err(No::InvalidAmount),
            _ if self.closed.is_some() => Err(No::Closed),
            _ if self.is_conflicted() => Err(No::Conflicted),
            (Standing::Voiding, ..) => Err(No::VoidInFlight),
            (Standing::Authorised, Some(_), Some(until)) if at >= until => {
                Err(No::AuthorisationExpired(until))
            }
            (Standing::Authorised, Some(charge), _) if self.has_room_for(terms, amount) => {
                let charge = charge.clone();
                Ok(vec![E::CaptureRequested { order, attempt, charge, capture, amount }])
            }
            (Standing::Authorised, ..) => Err(No::ExceedsAuthorised(self.uncaptured(terms))),
            _ => Err(No::NotAuthorised),
        }
    }

    pub(super) fn record_captured(
        &self,
        terms: &Terms,
        capture: CaptureId,
        amount: Money,
        fee: Money,
        psp_ref: String,
    ) -> Decision {
        let order = terms.order;
        let attempt = self.captures.get(&capture).map(|known| known.attempt);
        match self.captures.get(&capture) {
            _ if self.late_captures.contains_key(&psp_ref) => Ok(vec![]),
            Some(known) if known.is_told_as(&psp_ref, amount) => Ok(vec![]),
            Some(Capture { attempt, standing, amount: expected, .. })
                if self.takes(*standing, terms, *expected) =>
            {
                let (attempt, expected) = (*attempt, *expected);
                Ok(vec![if amount == expected {
                    E::Captured { order, attempt, capture, amount, fee, psp_ref }
                } else {
                    E::Conflicted { order, attempt, capture: Some(capture), psp_ref, expected, amount }
                }])
            }
            _ if amount.currency != terms.amount.currency => Err(No::CurrencyMismatch(terms.amount.currency)),
            _ => self.late(terms, Fact::Captured, psp_ref, attempt, Some(capture), Some(amount)),
        }
    }

    pub(super) fn capture_failed(&self, terms: &Terms, capture: CaptureId, code: String) -> Decision {
        let known = self.captures.get(&capture).ok_or(No::NoSuchCapture)?;
        let (order, attempt, amount) = (terms.order, known.attempt, known.amount);
        match known.standing {
            CaptureStanding::Failed => Ok(vec![]),
            CaptureStanding::Requested => {
                Ok(vec![E::CaptureFailed { order, attempt, capture, amount, code }])
            }
            CaptureStanding::Captured => self.late(
                terms,
                Fact::CaptureFailed,
                capture.to_string(),
                Some(attempt),
                Some(capture),
                Some(amount),
            ),
        }
    }

    /// Whether a capture may still be taken in as asked for: it was asked for, or is known as failed and has not
    /// been made up for by another.
    fn takes(&self, standing: CaptureStanding, terms: &Terms, amount: Money) -> bool {
        self.closed.is_none()
            && match standing {
                CaptureStanding::Requested => true,
                CaptureStanding::Failed => self.has_room_for(terms, amount),
                CaptureStanding::Captured => false,
            }
    }

    fn has_room_for(&self, terms: &Terms, amount: Money) -> bool {
        self.captured_as_asked() + self.capturing() + i128::from(amount.amount)
            <= i128::from(terms.amount.amount)
    }

    fn uncaptured(&self, terms: &Terms) -> Money {
        let left = i128::from(terms.amount.amount) - self.captured_as_asked() - self.capturing();
        Money::new(i64::try_from(left).unwrap_or(0), terms.amount.currency)
    }
}

impl Capture {
    pub(super) fn is_unanswered(&self) -> bool {
        self.standing == CaptureStanding::Requested && self.conflict.is_none()
    }

    fn is_told_as(&self, psp_ref: &str, amount: Money) -> bool {
        self.psp_ref.as_deref() == Some(psp_ref) && self.conflict.is_none_or(|told| told == amount)
    }
}

#[cfg(test)]
mod tests {
    use super::super::example::*;
    use super::super::{Operation, Payment, PaymentCommand as C, PaymentStatus};
    use super::*;
    use crate::kernel::given;
    use crate::money::Currency;

    #[test]
    fn takes_no_more_than_was_authorised() {
        let payment = given::<Payment>(authorised_payment());
        assert_eq!(payment.when(capture(K1, 1001)), Err(No::ExceedsAuthorised(usd(1000))));
        let payment = payment.and(capture(K1, 600));
        assert_eq!(payment.when(capture(K2, 401)), Err(No::ExceedsAuthorised(usd(400))));
        let payment = payment.and(record_captured(K1, 600, "cp_1"));
        assert_eq!(payment.0.status(), Some(PaymentStatus::PartiallyCaptured));
        assert_eq!(payment.when(capture(K2, 401)), Err(No::ExceedsAuthorised(usd(400))));
        assert_eq!(payment.when(capture(K2, 400)), Ok(vec![capture_requested(K2, 400)]));
    }

    #[test]
    fn is_asked_for_once() {
        let payment = given::<Payment>(authorised_payment()).and(capture(K1, 600));
        assert_eq!(payment.when(capture(K1, 600)), Ok(vec![]));
        assert_eq!(payment.when(capture(K1, 601)), Err(No::CaptureReused));
    }

    #[test]
    fn needs_a_live_authorisation_and_an_amount_in_its_currency() {
        let euros = C::Capture { capture: K1, amount: Money::new(1, Currency::EUR), at: at(0) };
        let payment = given::<Payment>(authorised_payment());
        assert_eq!(payment.when(euros), Err(No::CurrencyMismatch(Currency::USD)));
        assert_eq!(payment.when(capture(K1, 0)), Err(No::InvalidAmount));
        let late = C::Capture { capture: K1, amount: usd(1), at: at(VALID) };
        assert_eq!(payment.when(late), Err(No::AuthorisationExpired(at(VALID))));
        assert_eq!(payment.and(C::Void).when(capture(K1, 1)), Err(No::VoidInFlight));
        assert_eq!(given::<Payment>([created()]).when(capture(K1, 1)), Err(No::NotAuthorised));
        let attempted = [created(), started(A1, 1)];
        assert_eq!(given::<Payment>(attempted.clone()).when(capture(K1, 1)), Err(No::NotAuthorised));
        let closed = given::<Payment>(attempted).and(C::Cancel);
        assert_eq!(closed.when(capture(K1, 1)), Err(No::Closed));
    }

    #[test]
    fn is_captured_once_however_often_the_provider_tells() {
        let asked = given::<Payment>(authorised_payment()).and(capture(K1, 1000));
        assert_eq!(asked.when(record_captured(K1, 1000, "cp_1")), Ok(vec![captured(K1, 1000, "cp_1")]));
        let paid = asked.and(record_captured(K1, 1000, "cp_1"));
        assert_eq!(paid.when(record_captured(K1, 1000, "cp_1")), Ok(vec![]));
        assert_eq!(paid.0.status(), Some(PaymentStatus::Succeeded));
    }

    #[test]
    fn keeps_money_that_was_captured_too_late_so_that_it_can_be_given_back() {
        let late = vec![E::LateObservation {
            order: ORDER,
            fact: Fact::Captured,
            attempt: Some(A1),
            capture: Some(K1),
            reference: "cp_1".into(),
            amount: Some(usd(1000)),
        }];
        let mut voided_meanwhile = authorised_payment();
        voided_meanwhile.extend([capture_requested(K1, 1000), voided()]);
        let payment = given::<Payment>(voided_meanwhile);
        assert_eq!(payment.when(record_captured(K1, 1000, "cp_1")), Ok(late));
        let payment = payment.and(record_captured(K1, 1000, "cp_1"));
        assert_eq!(payment.when(record_captured(K1, 1000, "cp_1")), Ok(vec![]));
        assert_eq!(payment.0.status(), Some(PaymentStatus::Cancelled));
        let back = C::AllotRefund { refund: R1, amount: usd(1000) };
        assert_eq!(payment.when(back), Ok(vec![allotted(R1, 1000)]));
    }

    #[test]
    fn keeps_a_capture_that_nobody_asked_for_and_a_second_one_of_the_same() {
        let unasked = given::<Payment>(authorised_payment()).when(record_captured(K2, 5, "cp_9")).unwrap();
        assert!(matches!(&unasked[..], [E::LateObservation { attempt: None, .. }]));
        let twice = given::<Payment>(captured_payment()).when(record_captured(K1, 1000, "cp_9")).unwrap();
        assert!(matches!(&twice[..], [E::LateObservation { fact: Fact::Captured, .. }]));
        let foreign = C::RecordCaptured {
            capture: K2,
            amount: Money::new(5, Currency::EUR),
            fee: Money::new(0, Currency::EUR),
            psp_ref: "cp_9".into(),
        };
        assert_eq!(
            given::<Payment>(authorised_payment()).when(foreign),
            Err(No::CurrencyMismatch(Currency::USD))
        );
    }

    #[test]
    fn is_conflicted_by_another_amount_until_it_is_put_right() {
        let asked = given::<Payment>(authorised_payment()).and(capture(K1, 1000));
        let told = asked.when(record_captured(K1, 900, "cp_1")).unwrap();
        assert!(matches!(&told[..], [E::Conflicted { capture: Some(K1), .. }]));
        let conflicted = asked.and(record_captured(K1, 900, "cp_1"));
        assert_eq!(conflicted.0.status(), Some(PaymentStatus::Conflicted));
        assert_eq!(conflicted.when(record_captured(K1, 900, "cp_1")), Ok(vec![]));
        assert_eq!(conflicted.when(C::Cancel), Err(No::Conflicted));
        assert_eq!(conflicted.when(record_captured(K1, 1000, "cp_1")), Ok(vec![captured(K1, 1000, "cp_1")]));
    }

    #[test]
    fn fails_once_and_may_be_asked_for_again() {
        let failed = C::RecordCaptureFailed { capture: K1, code: "processor_down".into() };
        let asked = given::<Payment>(authorised_payment()).and(capture(K1, 1000));
        assert_eq!(asked.when(failed.clone()), Ok(vec![capture_failed(K1, 1000)]));
        let asked = asked.and(failed.clone());
        assert_eq!(asked.when(failed.clone()), Ok(vec![]));
        assert_eq!(asked.when(capture(K2, 1000)), Ok(vec![capture_requested(K2, 1000)]));
        // The provider was wrong about the failure: taken in while there is room, else kept to be given back.
        assert_eq!(asked.when(record_captured(K1, 1000, "cp_1")), Ok(vec![captured(K1, 1000, "cp_1")]));
        let made_up_for = asked.and(capture(K2, 1000)).when(record_captured(K1, 1000, "cp_1")).unwrap();
        assert!(matches!(&made_up_for[..], [E::LateObservation { .. }]));
        let unknown = C::RecordCaptureFailed { capture: K2, code: "processor_down".into() };
        assert_eq!(given::<Payment>(captured_payment()).when(unknown), Err(No::NoSuchCapture));
        let late = given::<Payment>(captured_payment()).when(failed).unwrap();
        assert!(matches!(&late[..], [E::LateObservation { fact: Fact::CaptureFailed, .. }]));
    }

    #[test]
    fn is_in_doubt_once_and_only_while_unanswered() {
        let operation = Operation::Capture { capture: K1 };
        let asked = given::<Payment>(authorised_payment()).and(capture(K1, 1000));
        assert_eq!(asked.when(doubt(A1, operation)), Ok(vec![unknown(A1, operation)]));
        let asked = asked.and(doubt(A1, operation));
        assert_eq!(asked.when(doubt(A1, operation)), Ok(vec![]));
        assert_eq!(given::<Payment>(captured_payment()).when(doubt(A1, operation)), Ok(vec![]));
        let other = doubt(A1, Operation::Capture { capture: K2 });
        assert_eq!(asked.when(other), Err(No::NoSuchCapture));
    }
}
