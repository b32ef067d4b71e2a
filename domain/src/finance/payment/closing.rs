//! Closing: letting an authorisation go, giving a payment up, running out of time. Never once money is captured.

use chrono::{DateTime, Utc};

use super::state::{CaptureStanding, Payment, Standing, Terms};
use super::{Decision, Fact, PaymentEvent as E, PaymentRefusal as No};

impl Payment {
    pub(super) fn void(&self, terms: &Terms) -> Decision {
        match self.last() {
            Some((_, live)) if live.standing == Standing::Voided => Ok(vec![]),
            _ if self.closed.is_some() => Err(No::Closed),
            Some((_, live)) if matches!(live.standing, Standing::Authorised | Standing::Voiding) => {
                self.cancel(terms)
            }
            _ => Err(No::NotAuthorised),
        }
    }

    /// What is authorised must be voided first; what is only asked for may still be authorised, too late.
    pub(super) fn cancel(&self, terms: &Terms) -> Decision {
        let (order, amount) = (terms.order, terms.amount);
        if self.closed.is_some() {
            return Ok(vec![]);
        }
        self.must_have_taken_nothing()?;
        match self.last() {
            Some((_, live)) if live.standing == Standing::Voiding => Ok(vec![]),
            Some((attempt, live)) if live.standing == Standing::Authorised => {
                let charge = live.charge.clone().unwrap_or_default();
                let amount = live.conflict.unwrap_or(amount);
                Ok(vec![E::VoidRequested { order, attempt, charge, amount }])
            }
            _ => Ok(self.calling_off(terms, E::Cancelled { order, amount })),
        }
    }

    pub(super) fn voided(&self, terms: &Terms, psp_ref: String) -> Decision {
        let order = terms.order;
        let charged = self.attempts.iter().find(|(_, known)| known.charge.as_ref() == Some(&psp_ref));
        let Some((&attempt, known)) = charged else {
            return if self.observed.contains(&(Fact::Authorised, psp_ref.clone())) {
                self.late(terms, Fact::Voided, psp_ref, None, None, None)
            } else {
                Err(No::NoSuchCharge)
            };
        };
        match known.standing {
            Standing::Voided => Ok(vec![]),
            Standing::Authorised | Standing::Voiding if self.closed.is_none() && self.captured() == 0 => {
                let amount = known.conflict.unwrap_or(terms.amount);
                Ok(vec![E::Voided { order, attempt, psp_ref, amount }])
            }
            _ => self.late(terms, Fact::Voided, psp_ref, Some(attempt), None, None),
        }
    }

    pub(super) fn void_failed(&self, terms: &Terms, psp_ref: String, code: String) -> Decision {
        let charged = self.attempts.iter().find(|(_, known)| known.charge.as_ref() == Some(&psp_ref));
        match charged {
            None => Err(No::NoSuchCharge),
            Some((&attempt, known)) if known.standing == Standing::Voiding => {
                Ok(vec![E::VoidFailed { order: terms.order, attempt, psp_ref, code }])
            }
            Some(_) => Ok(vec![]),
        }
    }

    pub(super) fn expire(&self, terms: &Terms, at: DateTime<Utc>) -> Decision {
        let expired = E::Expired { order: terms.order, amount: terms.amount, at };
        if self.closed.is_some() {
            return Ok(vec![]);
        }
        self.must_have_taken_nothing()?;
        let expires_at = terms.asked.as_ref().map(|(.., expires_at)| *expires_at);
        match self.last().map(|(_, live)| (live.standing, live.valid_until)) {
            _ if self.is_conflicted() => Err(No::Conflicted),
            Some((Standing::Voiding, _)) => Err(No::VoidInFlight),
            Some((Standing::Authorised, Some(until))) if at >= until => Ok(vec![expired]),
            Some((Standing::Authorised, _)) => Err(No::StillAuthorised),
            _ if expires_at.is_some_and(|expires_at| at >= expires_at) => {
                Ok(self.calling_off(terms, expired))
            }
            _ => Err(No::NotDue),
        }
    }

    fn must_have_taken_nothing(&self) -> Result<(), No> {
        if self.captured() > 0 {
            Err(No::Captured)
        } else if self.captures.values().any(|capture| capture.conflict.is_some()) {
            Err(No::Conflicted)
        } else if self.captures.values().any(|capture| capture.standing == CaptureStanding::Requested) {
            Err(No::CaptureInFlight)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::example::*;
    use super::super::{Operation, Payment, PaymentCommand as C, PaymentStatus};
    use super::*;
    use crate::kernel::given;

    const TOLD: fn() -> C = || C::RecordVoided { psp_ref: CHARGE.into() };

    #[test]
    fn is_simply_cancelled_before_anything_is_authorised() {
        for history in [vec![created()], vec![created(), started(A1, 1)]] {
            let payment = given::<Payment>(history);
            assert_eq!(payment.when(C::Cancel), Ok(vec![cancelled()]));
            assert_eq!(payment.when(C::Void), Err(No::NotAuthorised));
            let payment = payment.and(C::Cancel);
            assert_eq!(payment.when(C::Cancel), Ok(vec![]));
            assert_eq!(payment.when(C::Void), Err(No::Closed));
        }
    }

    #[test]
    fn lets_an_authorisation_go_before_it_is_over() {
        for ask in [C::Cancel, C::Void] {
            let payment = given::<Payment>(authorised_payment());
            assert_eq!(payment.when(ask.clone()), Ok(vec![void_requested()]));
            let payment = payment.and(ask.clone());
            assert_eq!(payment.when(ask.clone()), Ok(vec![]));
            assert_eq!(payment.when(TOLD()), Ok(vec![voided()]));
            let payment = payment.and(TOLD());
            assert_eq!(payment.when(TOLD()), Ok(vec![]));
            assert_eq!(payment.when(ask), Ok(vec![]));
            assert_eq!(payment.0.status(), Some(PaymentStatus::Cancelled));
        }
    }

    #[test]
    fn is_over_when_the_provider_lets_the_authorisation_go_by_itself() {
        assert_eq!(given::<Payment>(authorised_payment()).when(TOLD()), Ok(vec![voided()]));
        assert_eq!(given::<Payment>([created(), started(A1, 1)]).when(TOLD()), Err(No::NoSuchCharge));
    }

    #[test]
    fn is_not_given_up_once_money_is_taken_or_being_taken() {
        for ask in [C::Cancel, C::Void, C::Expire { at: at(VALID) }] {
            assert_eq!(given::<Payment>(captured_payment()).when(ask.clone()), Err(No::Captured));
            let capturing = given::<Payment>(authorised_payment()).and(capture(K1, 1));
            assert_eq!(capturing.when(ask), Err(No::CaptureInFlight));
        }
        assert_eq!(given::<Payment>([recorded()]).when(C::Cancel), Err(No::Captured));
    }

    #[test]
    fn keeps_a_void_that_contradicts_a_capture_or_follows_a_late_authorisation() {
        let told = given::<Payment>(captured_payment()).when(TOLD()).unwrap();
        assert!(matches!(&told[..], [E::LateObservation { fact: Fact::Voided, attempt: Some(A1), .. }]));
        let late = given::<Payment>([created(), started(A1, 1), cancelled()]).and(authorise(A1));
        let told = late.when(TOLD()).unwrap();
        assert!(matches!(&told[..], [E::LateObservation { fact: Fact::Voided, .. }]));
        assert_eq!(late.and(TOLD()).when(TOLD()), Ok(vec![]));
        let second = C::RecordAuthorised {
            attempt: A1,
            psp_ref: "ch_2".into(),
            amount: usd(1000),
            valid_until: at(VALID),
        };
        let told = given::<Payment>(authorised_payment())
            .and(second)
            .when(C::RecordVoided { psp_ref: "ch_2".into() })
            .unwrap();
        assert!(matches!(&told[..], [E::LateObservation { fact: Fact::Voided, attempt: None, .. }]));
    }

    #[test]
    fn stays_authorised_when_the_void_fails() {
        let failed = C::RecordVoidFailed { psp_ref: CHARGE.into(), code: "too_late".into() };
        let voiding = given::<Payment>(authorised_payment()).and(C::Void);
        assert_eq!(voiding.when(failed.clone()), Ok(vec![void_failed()]));
        let authorised = voiding.and(failed.clone());
        assert_eq!(authorised.when(failed.clone()), Ok(vec![]));
        assert_eq!(authorised.0.status(), Some(PaymentStatus::RequiresCapture));
        assert_eq!(given::<Payment>([created()]).when(failed), Err(No::NoSuchCharge));
    }

    #[test]
    fn is_in_doubt_about_a_void_until_it_is_answered() {
        let voiding = given::<Payment>(authorised_payment()).and(C::Void);
        assert_eq!(voiding.when(doubt(A1, Operation::Void)), Ok(vec![unknown(A1, Operation::Void)]));
        let voiding = voiding.and(doubt(A1, Operation::Void));
        assert_eq!(voiding.when(doubt(A1, Operation::Void)), Ok(vec![]));
        assert_eq!(voiding.and(TOLD()).when(doubt(A1, Operation::Void)), Ok(vec![]));
    }

    #[test]
    fn runs_out_when_its_time_has_come_and_not_before() {
        let expire = |seconds| C::Expire { at: at(seconds) };
        for history in [vec![created()], vec![created(), started(A1, 1)]] {
            let payment = given::<Payment>(history);
            assert_eq!(payment.when(expire(EXPIRY - 1)), Err(No::NotDue));
            assert_eq!(payment.when(expire(EXPIRY)), Ok(vec![expired(EXPIRY)]));
            assert_eq!(payment.and(expire(EXPIRY)).when(expire(EXPIRY)), Ok(vec![]));
        }
        let authorised = given::<Payment>(authorised_payment());
        assert_eq!(authorised.when(expire(EXPIRY)), Err(No::StillAuthorised));
        assert_eq!(authorised.when(expire(VALID)), Ok(vec![expired(VALID)]));
        assert_eq!(authorised.and(C::Void).when(expire(VALID)), Err(No::VoidInFlight));
    }

    #[test]
    fn lets_go_of_an_authorisation_of_the_wrong_amount() {
        let wrong = C::RecordAuthorised {
            attempt: A1,
            psp_ref: CHARGE.into(),
            amount: usd(999),
            valid_until: at(VALID),
        };
        let conflicted = given::<Payment>([created(), started(A1, 1)]).and(wrong);
        assert_eq!(conflicted.when(C::Expire { at: at(VALID) }), Err(No::Conflicted));
        let told = conflicted.when(C::Cancel).unwrap();
        assert!(matches!(&told[..], [E::VoidRequested { amount, .. }] if *amount == usd(999)));
    }
}
