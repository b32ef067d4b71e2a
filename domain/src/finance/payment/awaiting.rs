//! Awaiting: attempts that the provider has taken in hand, and that wait for somebody outside.
//!
//! What is waited for has a reference of its own at the provider, beside that of the authorisation which may follow.
//! Where the payment is over before it follows, whoever waits is told to stop; what comes all the same comes late.

use chrono::{DateTime, TimeDelta, Utc};

use super::state::{Payment, Standing, Terms};
use super::{CaptureMode, Decision, Fact, NextStep, PaymentEvent as E, PaymentRefusal as No, words};
use crate::ids::AttemptId;
use crate::money::Money;

/// Money that is there does not lapse: long enough for whatever is to be done with it.
const KEPT: TimeDelta = TimeDelta::days(3_650);

impl Payment {
    pub(super) fn awaiting(
        &self,
        terms: &Terms,
        attempt: AttemptId,
        psp_ref: String,
        next: NextStep,
    ) -> Decision {
        let (order, known) = (terms.order, self.attempt(attempt)?);
        let told = (psp_ref, next);
        match known.standing {
            Standing::Started if known.awaits.as_ref() == Some(&told) => Ok(vec![]),
            Standing::Started if self.closed.is_none() => {
                let (psp_ref, next) = told;
                Ok(vec![E::ActionRequired { order, attempt, psp_ref, next }])
            }
            Standing::Started if known.awaits.is_none() => {
                Ok(vec![E::ActionCalledOff { order, attempt, psp_ref: told.0 }])
            }
            // It was waited for before what came of it.
            _ => Ok(vec![]),
        }
    }

    /// Money that comes when it is not waited for any more was taken too late, and is owed back.
    pub(super) fn receive(
        &self,
        terms: &Terms,
        psp_ref: String,
        amount: Money,
        at: DateTime<Utc>,
    ) -> Decision {
        let order = terms.order;
        let known = self.attempts.values().any(|known| known.charge.as_ref() == Some(&psp_ref));
        let Some((attempt, last)) = self.last() else { return Err(No::NotAwaited) };
        let is_awaited = matches!(last.awaits, Some((_, NextStep::Transfer { .. }))) && self.closed.is_none();
        match () {
            () if !words::is_reference(&psp_ref) => Err(No::InvalidReference),
            () if amount.amount <= 0 => Err(No::InvalidAmount),
            () if amount.currency != terms.amount.currency => {
                Err(No::CurrencyMismatch(terms.amount.currency))
            }
            () if known || self.late_captures.contains_key(&psp_ref) => Ok(vec![]),
            () if is_awaited && amount == terms.amount => Ok(vec![E::Authorised {
                order,
                attempt,
                psp_ref,
                amount,
                valid_until: at + KEPT,
                capture: terms.asked.as_ref().map_or(CaptureMode::Auto, |(capture, ..)| *capture),
            }]),
            () if is_awaited => Ok(vec![E::Conflicted {
                order,
                attempt,
                capture: None,
                psp_ref,
                expected: terms.amount,
                amount,
            }]),
            () if self.awaited_a_transfer => {
                self.late(terms, Fact::Captured, psp_ref, Some(attempt), None, Some(amount))
            }
            () => Err(No::NotAwaited),
        }
    }

    /// What is not known, held or taken goes on.
    pub(super) fn stop_waiting(&self, terms: &Terms) -> Decision {
        let live = self.last().filter(|(_, live)| live.standing == Standing::Started);
        if self.closed.is_some() || live.is_none_or(|(_, live)| live.awaits.is_none()) {
            return Ok(vec![]);
        }
        let end = E::Cancelled { order: terms.order, amount: terms.amount };
        Ok(self.calling_off(terms, end))
    }

    /// The end of a payment, and that nobody is to be waited for any more.
    pub(super) fn calling_off(&self, terms: &Terms, end: E) -> Vec<E> {
        let live = self.last().filter(|(_, live)| live.standing == Standing::Started);
        let waits = live.and_then(|(attempt, live)| Some((attempt, live.awaits.as_ref()?)));
        let off = waits.map(|(attempt, (psp_ref, _))| E::ActionCalledOff {
            order: terms.order,
            attempt,
            psp_ref: psp_ref.clone(),
        });
        [end].into_iter().chain(off).collect()
    }

    /// Whether it goes on once the buyer has done something.
    pub(super) fn buyer_is_waited_for(&self) -> bool {
        let live = self.last().filter(|(_, live)| live.standing == Standing::Started);
        live.is_some_and(|(_, live)| {
            matches!(live.awaits, Some((_, NextStep::Redirect { .. } | NextStep::Transfer { .. })))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::example::*;
    use super::super::{PaymentCommand as C, PaymentStatus};
    use super::*;
    use crate::kernel::given;

    const SESSION: &str = "cs_1";

    fn redirect() -> NextStep {
        NextStep::Redirect { url: "https://pay.example/cs_1".into(), expires_at: Some(at(EXPIRY)) }
    }

    fn transfer() -> NextStep {
        NextStep::Transfer { reference: "RF18".into() }
    }

    fn awaits(next: NextStep) -> C {
        C::RecordAwaiting { attempt: A1, psp_ref: SESSION.into(), next }
    }

    fn action_required(next: NextStep) -> E {
        E::ActionRequired { order: ORDER, attempt: A1, psp_ref: SESSION.into(), next }
    }

    fn called_off() -> E {
        E::ActionCalledOff { order: ORDER, attempt: A1, psp_ref: SESSION.into() }
    }

    fn receive(reference: &str, amount: i64) -> C {
        C::Receive { psp_ref: reference.into(), amount: usd(amount), at: at(9) }
    }

    fn waiting(next: NextStep) -> crate::kernel::Given<Payment> {
        given::<Payment>([created(), started(A1, 1)]).and(awaits(next))
    }

    #[test]
    fn waits_for_the_buyer_and_goes_on_with_what_is_held() {
        let payment = given::<Payment>([created(), started(A1, 1)]);
        assert_eq!(payment.when(awaits(redirect())), Ok(vec![action_required(redirect())]));
        let payment = payment.and(awaits(redirect()));
        assert_eq!(payment.0.status(), Some(PaymentStatus::RequiresAction));
        assert_eq!(payment.when(awaits(redirect())), Ok(vec![]), "told twice");
        assert_eq!(payment.when(awaits(NextStep::Wait)), Ok(vec![action_required(NextStep::Wait)]));
        assert_eq!(payment.when(authorise(A1)), Ok(vec![authorised(A1)]));
        let payment = payment.and(authorise(A1));
        assert_eq!(payment.when(awaits(redirect())), Ok(vec![]), "told out of order");
        assert_eq!(payment.0.status(), Some(PaymentStatus::RequiresCapture));
    }

    #[test]
    fn is_not_in_doubt_while_it_is_known_who_is_waited_for() {
        let payment = waiting(redirect());
        let doubt = C::RecordUnknown { attempt: A1, operation: super::super::Operation::Authorise };
        assert_eq!(payment.when(doubt), Ok(vec![]));
        assert_eq!(
            payment.when(start(A2)),
            Err(No::LiveAttemptExists),
            "one live attempt at a time, also while the buyer is away"
        );
    }

    #[test]
    fn whoever_waits_is_told_to_stop_when_the_payment_is_over() {
        let payment = waiting(redirect());
        assert_eq!(payment.when(C::Cancel), Ok(vec![cancelled(), called_off()]));
        let expire = C::Expire { at: at(EXPIRY) };
        assert_eq!(payment.when(expire), Ok(vec![expired(EXPIRY), called_off()]));
        // Held all the same: late, and let go.
        let payment = payment.and(C::Cancel);
        let late = payment.when(authorise(A1)).unwrap();
        assert!(matches!(&late[..], [E::LateObservation { fact: Fact::Authorised, .. }]), "{late:?}");
    }

    #[test]
    fn only_waiting_is_stopped() {
        let payment = waiting(redirect());
        assert_eq!(payment.when(C::StopWaiting), Ok(vec![cancelled(), called_off()]));
        assert_eq!(payment.and(C::StopWaiting).when(C::StopWaiting), Ok(vec![]));
        for history in [vec![created()], vec![created(), started(A1, 1)], authorised_payment()] {
            assert_eq!(given::<Payment>(history).when(C::StopWaiting), Ok(vec![]));
        }
    }

    #[test]
    fn what_is_taken_in_hand_too_late_is_called_off_once() {
        let payment = given::<Payment>([created(), started(A1, 1)]).and(C::Cancel);
        assert_eq!(payment.when(awaits(redirect())), Ok(vec![called_off()]));
        assert_eq!(payment.and(awaits(redirect())).when(awaits(redirect())), Ok(vec![]));
    }

    #[test]
    fn a_transfer_is_received_once_and_in_full_or_somebody_must_look() {
        let payment = waiting(transfer());
        let received = payment.when(receive("transfer:77", 1000)).unwrap();
        assert!(
            matches!(&received[..], [E::Authorised { psp_ref, valid_until, .. }]
                if psp_ref == "transfer:77" && *valid_until > at(86_400 * 365)),
            "{received:?}"
        );
        assert_eq!(payment.when(receive("transfer:77", 0)), Err(No::InvalidAmount));
        assert_eq!(payment.when(receive(" ", 1000)), Err(No::InvalidReference));
        let less = payment.when(receive("transfer:77", 999)).unwrap();
        assert!(matches!(&less[..], [E::Conflicted { amount, .. }] if *amount == usd(999)), "{less:?}");
        let paid = payment.and(receive("transfer:77", 1000));
        assert_eq!(paid.when(receive("transfer:77", 1000)), Ok(vec![]), "said twice");
        let twice = paid.when(receive("transfer:78", 1000)).unwrap();
        assert!(matches!(&twice[..], [E::LateObservation { fact: Fact::Captured, .. }]), "{twice:?}");
    }

    #[test]
    fn a_transfer_that_comes_too_late_is_money_taken_too_late() {
        let payment = waiting(transfer()).and(C::Cancel);
        let late = payment.when(receive("transfer:77", 1000)).unwrap();
        assert!(
            matches!(&late[..], [E::LateObservation { fact: Fact::Captured, amount: Some(amount), .. }]
                if *amount == usd(1000)),
            "{late:?}"
        );
        assert_eq!(payment.and(receive("transfer:77", 1000)).when(receive("transfer:77", 1000)), Ok(vec![]));
        assert_eq!(waiting(redirect()).when(receive("transfer:77", 1000)), Err(No::NotAwaited));
        assert_eq!(given::<Payment>([created()]).when(receive("transfer:77", 1)), Err(No::NotAwaited));
    }

    #[test]
    fn is_pinned_as_json() {
        let order = serde_json::to_value(ORDER).unwrap();
        let attempt = serde_json::to_value(A1).unwrap();
        let json = serde_json::to_value(action_required(redirect())).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "type": "ActionRequired", "order": order, "attempt": attempt, "psp_ref": "cs_1",
                "next": {"kind": "redirect", "url": "https://pay.example/cs_1", "expires_at": at(EXPIRY)},
            })
        );
        let json = serde_json::to_value(action_required(transfer())).unwrap();
        assert_eq!(json["next"], serde_json::json!({"kind": "transfer", "reference": "RF18"}));
        let json = serde_json::to_value(action_required(NextStep::Wait)).unwrap();
        assert_eq!(json["next"], serde_json::json!({"kind": "wait"}));
        let json = serde_json::to_value(called_off()).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"type": "ActionCalledOff", "order": order, "attempt": attempt, "psp_ref": "cs_1"})
        );
    }
}
