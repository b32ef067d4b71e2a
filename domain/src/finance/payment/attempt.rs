//! Attempts: asking the provider to authorise a payment, and what it answers.

use chrono::{DateTime, Utc};

use super::state::{Attempt, Payment, Standing, Terms};
use super::{
    Advice, Decision, DeclineClass, Fact, Operation, PaymentEvent as E, PaymentRefusal as No, words,
};
use crate::ids::{AttemptId, CaptureId};
use crate::money::Money;

impl Payment {
    pub(super) fn start(
        &self,
        terms: &Terms,
        attempt: AttemptId,
        method: Option<String>,
        at: DateTime<Utc>,
    ) -> Decision {
        let Some((_, first_method, expires_at)) = &terms.asked else { return Err(No::AlreadyPaid) };
        let method = method.or_else(|| self.last_method.clone()).unwrap_or_else(|| first_method.clone());
        let live = self.last().map(|(_, attempt)| attempt.standing);
        match live {
            _ if self.attempts.contains_key(&attempt) => Ok(vec![]),
            _ if self.closed.is_some() => Err(No::Closed),
            _ if self.captured() > 0 => Err(No::AlreadyPaid),
            Some(Standing::Started | Standing::Authorised | Standing::Voiding) => Err(No::LiveAttemptExists),
            _ if at >= *expires_at => Err(No::PastExpiry(*expires_at)),
            _ if !words::is_method(&method) => Err(No::InvalidMethod),
            _ if self.declined_methods.contains(&method) => Err(No::MethodDeclined),
            _ => Ok(vec![E::AttemptStarted {
                order: terms.order,
                attempt,
                number: u32::try_from(self.attempts.len()).unwrap_or(u32::MAX).saturating_add(1),
                amount: terms.amount,
                method,
            }]),
        }
    }

    pub(super) fn authorised(
        &self,
        terms: &Terms,
        attempt: AttemptId,
        psp_ref: String,
        amount: Money,
        valid_until: DateTime<Utc>,
    ) -> Decision {
        let known = self.attempt(attempt)?;
        let same_charge = known.charge.as_ref() == Some(&psp_ref);
        let capture = terms.asked.as_ref().map_or(super::CaptureMode::Auto, |(capture, ..)| *capture);
        let order = terms.order;
        if self.attempts.iter().any(|(id, other)| *id != attempt && other.charge.as_ref() == Some(&psp_ref)) {
            return Err(No::DuplicatePspRef);
        }
        match known.standing {
            Standing::Authorised if same_charge && known.conflict.is_some() && amount == terms.amount => {
                Ok(vec![E::Authorised { order, attempt, psp_ref, amount, valid_until, capture }])
            }
            _ if same_charge => Ok(vec![]),
            Standing::Started if self.closed.is_none() && amount == terms.amount => {
                Ok(vec![E::Authorised { order, attempt, psp_ref, amount, valid_until, capture }])
            }
            Standing::Started if self.closed.is_none() => Ok(vec![E::Conflicted {
                order,
                attempt,
                capture: None,
                psp_ref,
                expected: terms.amount,
                amount,
            }]),
            _ => self.late(terms, Fact::Authorised, psp_ref, Some(attempt), None, Some(amount)),
        }
    }

    pub(super) fn declined(
        &self,
        terms: &Terms,
        attempt: AttemptId,
        code: String,
        class: DeclineClass,
        advice: Advice,
    ) -> Decision {
        match self.attempt(attempt)?.standing {
            Standing::Declined => Ok(vec![]),
            Standing::Started if self.closed.is_none() => Ok(vec![E::Declined {
                order: terms.order,
                attempt,
                amount: terms.amount,
                code,
                class,
                advice,
            }]),
            _ => self.late(terms, Fact::Declined, attempt.to_string(), Some(attempt), None, None),
        }
    }

    /// Also of a closed payment: what the provider may hold must still be found out.
    pub(super) fn unknown(&self, terms: &Terms, attempt: AttemptId, operation: Operation) -> Decision {
        let known = self.attempt(attempt)?;
        let (unanswered, in_doubt, amount) = match operation {
            Operation::Authorise => (
                known.standing == Standing::Started
                    && known.charge.is_none()
                    && known.awaits.is_none()
                    && !self.was_told_declined(attempt),
                known.in_doubt == Some(operation),
                terms.amount,
            ),
            Operation::Void => (
                self.is_letting_go(known),
                known.in_doubt == Some(operation),
                known.conflict.unwrap_or(terms.amount),
            ),
            Operation::Capture { capture } => {
                let capture = self.captures.get(&capture).ok_or(No::NoSuchCapture)?;
                (capture.is_unanswered(), capture.in_doubt, capture.amount)
            }
        };
        if unanswered && !in_doubt {
            let (charge, method) = (known.charge.clone(), known.method.clone());
            Ok(vec![E::OutcomeUnknown { order: terms.order, attempt, operation, amount, charge, method }])
        } else {
            Ok(vec![])
        }
    }

    /// A fact that cannot be taken in any more: written down once.
    pub(super) fn late(
        &self,
        terms: &Terms,
        fact: Fact,
        reference: String,
        attempt: Option<AttemptId>,
        capture: Option<CaptureId>,
        amount: Option<Money>,
    ) -> Decision {
        let seen = (fact, reference);
        if self.observed.contains(&seen) {
            return Ok(vec![]);
        }
        let (fact, reference) = seen;
        Ok(vec![E::LateObservation { order: terms.order, fact, attempt, capture, reference, amount }])
    }

    pub(super) fn attempt(&self, attempt: AttemptId) -> Result<&Attempt, No> {
        self.attempts.get(&attempt).ok_or(No::NoSuchAttempt)
    }

    fn was_told_declined(&self, attempt: AttemptId) -> bool {
        self.observed.contains(&(Fact::Declined, attempt.to_string()))
    }

    /// An authorisation is being voided, or must be since it came too late.
    fn is_letting_go(&self, known: &Attempt) -> bool {
        let came_late = known.charge.as_ref().is_some_and(|charge| {
            self.observed.contains(&(Fact::Authorised, charge.clone()))
                && !self.observed.contains(&(Fact::Voided, charge.clone()))
        });
        known.standing == Standing::Voiding || came_late
    }
}

#[cfg(test)]
mod tests {
    use super::super::example::*;
    use super::super::{Payment, PaymentCommand as C};
    use super::*;
    use crate::kernel::given;

    #[test]
    fn is_attempted_once_however_often_it_is_asked() {
        assert_eq!(given::<Payment>([created()]).when(start(A1)), Ok(vec![started(A1, 1)]));
        assert_eq!(given::<Payment>([created(), started(A1, 1)]).when(start(A1)), Ok(vec![]));
    }

    #[test]
    fn has_one_live_attempt_at_most() {
        for history in [
            vec![created(), started(A1, 1)],
            vec![created(), started(A1, 1), unknown(A1, Operation::Authorise)],
            authorised_payment(),
            vec![created(), started(A1, 1), authorised(A1), void_requested()],
        ] {
            assert_eq!(given::<Payment>(history).when(start(A2)), Err(No::LiveAttemptExists));
        }
    }

    #[test]
    fn is_not_attempted_when_paid_closed_or_out_of_time() {
        assert_eq!(given::<Payment>([recorded()]).when(start(A1)), Err(No::AlreadyPaid));
        assert_eq!(given::<Payment>(captured_payment()).when(start(A2)), Err(No::AlreadyPaid));
        assert_eq!(given::<Payment>([created(), cancelled()]).when(start(A1)), Err(No::Closed));
        let late = C::StartAttempt { attempt: A1, method: None, at: at(EXPIRY) };
        assert_eq!(given::<Payment>([created()]).when(late), Err(No::PastExpiry(at(EXPIRY))));
    }

    #[test]
    fn may_be_tried_again_after_a_soft_decline() {
        for class in [DeclineClass::Soft, DeclineClass::Config] {
            let history = [created(), started(A1, 1), declined(A1, class)];
            assert_eq!(given::<Payment>(history).when(start(A2)), Ok(vec![started(A2, 2)]));
        }
    }

    #[test]
    fn needs_another_method_after_a_hard_decline() {
        let payment = given::<Payment>([created(), started(A1, 1), declined(A1, DeclineClass::Hard)]);
        assert_eq!(payment.0.status(), Some(super::super::PaymentStatus::RequiresPaymentMethod));
        assert_eq!(payment.when(start(A2)), Err(No::MethodDeclined));
        let other = |method: &str| C::StartAttempt { attempt: A2, method: Some(method.into()), at: at(0) };
        assert_eq!(payment.when(other("a b")), Err(No::InvalidMethod));
        assert!(matches!(&payment.when(other("tok_other")).unwrap()[..],
            [E::AttemptStarted { method, number: 2, .. }] if method == "tok_other"));
    }

    #[test]
    fn is_over_after_a_decline_for_fraud() {
        let payment = given::<Payment>([created(), started(A1, 1), declined(A1, DeclineClass::Fraud)]);
        assert_eq!(payment.when(start(A2)), Err(No::Closed));
        assert_eq!(payment.0.status(), Some(super::super::PaymentStatus::Failed));
    }

    #[test]
    fn is_authorised_once_however_often_the_provider_tells() {
        let attempted = given::<Payment>([created(), started(A1, 1)]);
        assert_eq!(attempted.when(authorise(A1)), Ok(vec![authorised(A1)]));
        assert_eq!(given::<Payment>(authorised_payment()).when(authorise(A1)), Ok(vec![]));
        let doubted = given::<Payment>([created(), started(A1, 1), unknown(A1, Operation::Authorise)]);
        assert_eq!(doubted.when(authorise(A1)), Ok(vec![authorised(A1)]));
        assert_eq!(attempted.when(authorise(A2)), Err(No::NoSuchAttempt));
    }

    #[test]
    fn knows_a_charge_by_one_attempt_only() {
        let mut history = authorised_payment();
        history.extend([started(A2, 2)]);
        assert_eq!(given::<Payment>(history).when(authorise(A2)), Err(No::DuplicatePspRef));
    }

    #[test]
    fn is_conflicted_by_another_amount_until_it_is_put_right() {
        let wrong = C::RecordAuthorised {
            attempt: A1,
            psp_ref: CHARGE.into(),
            amount: usd(999),
            valid_until: at(VALID),
        };
        let payment = given::<Payment>([created(), started(A1, 1)]);
        let told = payment.when(wrong.clone()).unwrap();
        assert!(matches!(&told[..], [E::Conflicted { amount, .. }] if *amount == usd(999)));
        let payment = payment.and(wrong.clone());
        assert_eq!(payment.0.status(), Some(super::super::PaymentStatus::Conflicted));
        assert_eq!(payment.when(wrong), Ok(vec![]));
        assert_eq!(payment.when(capture(K1, 1000)), Err(No::Conflicted));
        assert_eq!(payment.when(authorise(A1)), Ok(vec![authorised(A1)]));
    }

    #[test]
    fn keeps_an_authorisation_that_came_too_late() {
        let declined_first = given::<Payment>([created(), started(A1, 1), declined(A1, DeclineClass::Soft)]);
        let expected = vec![E::LateObservation {
            order: ORDER,
            fact: Fact::Authorised,
            attempt: Some(A1),
            capture: None,
            reference: CHARGE.into(),
            amount: Some(usd(1000)),
        }];
        assert_eq!(declined_first.when(authorise(A1)), Ok(expected.clone()));
        let closed = given::<Payment>([created(), started(A1, 1), cancelled()]);
        assert_eq!(closed.when(authorise(A1)), Ok(expected));
        let closed = closed.and(authorise(A1));
        assert_eq!(closed.when(authorise(A1)), Ok(vec![]));
        assert_eq!(closed.when(doubt(A1, Operation::Void)), Ok(vec![unknown(A1, Operation::Void)]));
        let let_go = closed.and(C::RecordVoided { psp_ref: CHARGE.into() });
        assert_eq!(let_go.when(doubt(A1, Operation::Void)), Ok(vec![]));
    }

    #[test]
    fn keeps_a_second_authorisation_of_one_attempt() {
        let second = C::RecordAuthorised {
            attempt: A1,
            psp_ref: "ch_2".into(),
            amount: usd(1000),
            valid_until: at(VALID),
        };
        let told = given::<Payment>(authorised_payment()).when(second).unwrap();
        assert!(matches!(&told[..], [E::LateObservation { reference, .. }] if reference == "ch_2"));
    }

    #[test]
    fn is_declined_once_and_never_against_an_authorisation() {
        let decline = |class| C::RecordDeclined {
            attempt: A1,
            code: "insufficient_funds".into(),
            class,
            advice: Advice::RetryLater,
        };
        let soft = decline(DeclineClass::Soft);
        let attempted = given::<Payment>([created(), started(A1, 1)]);
        assert_eq!(attempted.when(soft.clone()), Ok(vec![declined(A1, DeclineClass::Soft)]));
        assert_eq!(attempted.clone_with(soft.clone()).when(soft.clone()), Ok(vec![]));
        let authorised = given::<Payment>(authorised_payment());
        let late = authorised.when(soft.clone()).unwrap();
        assert!(matches!(&late[..], [E::LateObservation { fact: Fact::Declined, .. }]));
        assert_eq!(authorised.and(soft.clone()).when(soft), Ok(vec![]));
    }

    #[test]
    fn is_in_doubt_once_and_only_while_unanswered() {
        let doubt_it = doubt(A1, Operation::Authorise);
        let attempted = given::<Payment>([created(), started(A1, 1)]);
        assert_eq!(attempted.when(doubt_it.clone()), Ok(vec![unknown(A1, Operation::Authorise)]));
        assert_eq!(attempted.clone_with(doubt_it.clone()).when(doubt_it.clone()), Ok(vec![]));
        assert_eq!(given::<Payment>(authorised_payment()).when(doubt_it.clone()), Ok(vec![]));
        let closed = given::<Payment>([created(), started(A1, 1), cancelled()]);
        assert_eq!(closed.when(doubt_it), Ok(vec![unknown(A1, Operation::Authorise)]));
    }
}
