//! When a payment asks for money to be held, taken or let go, the gateway is asked.
//!
//! A buyer waits at first, so the first questions for what is not known come soon. What waits for the buyer is heard of
//! by a notice of the provider; should none come, it is asked about too, less often.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use domain::commerce::checkout::{Checkout, CheckoutCommand};
use domain::finance::payment::{
    Advice, DeclineClass, Fact, NextStep, Operation, Payment, PaymentCommand, PaymentEvent,
};
use domain::ids::{AttemptId, CaptureId, OrderId, PaymentId};
use domain::kernel::{Decider, Recorded, Unreadable};
use domain::money::Money;

use crate::act::Instruction;
use crate::effect::Effect;
use crate::effect::finance::{ask_again, asked_again, said};
use crate::ids::checkout_of_payment;
use crate::port::payment::{
    Authorisation, Authorise, Capture, ChargeStatus, GatewayError, PaymentGateway, Void, Which,
};

/// Effect `ask_gateway_when_payment_asks`.
pub struct AskGatewayWhenPaymentAsks {
    pub gateway: Arc<dyn PaymentGateway>,
}

#[async_trait]
impl Effect for AskGatewayWhenPaymentAsks {
    fn name(&self) -> &'static str {
        "ask_gateway_when_payment_asks"
    }

    fn listens_to(&self) -> &'static [&'static str] {
        &[Payment::NAME]
    }

    async fn perform(&self, event: &Recorded) -> Result<Vec<Instruction>, Unreadable> {
        use PaymentEvent as E;
        let Some((payment, happened)) = event.happened_to::<Payment>()? else { return Ok(vec![]) };
        Ok(match happened {
            E::AttemptStarted { order, attempt, amount, method, .. } => {
                vec![self.authorise(event, payment, (*order, *attempt), *amount, method).await]
            }
            E::CaptureRequested { attempt, charge, capture, amount, .. } => {
                vec![self.capture(payment, *attempt, charge, *capture, *amount).await]
            }
            E::VoidRequested { attempt, charge, .. } => vec![self.void(payment, *attempt, charge).await],
            // Held although the payment was over: it is let go at once.
            E::LateObservation { fact: Fact::Authorised, attempt: Some(attempt), reference, .. } => {
                vec![self.void(payment, *attempt, reference).await]
            }
            E::ActionRequired { attempt, next, .. } => {
                let asked = !matches!(next, NextStep::Transfer { .. });
                asked.then(|| look_again(*attempt, TimeDelta::zero())).flatten().into_iter().collect()
            }
            E::ActionCalledOff { attempt, psp_ref, .. } => {
                self.call_off(payment, *attempt, psp_ref, TimeDelta::zero()).await
            }
            E::OutcomeUnknown { attempt, operation, .. } => {
                ask_again(key(*attempt, *operation), TimeDelta::zero()).into_iter().collect()
            }
            _ => vec![],
        })
    }

    async fn due(
        &self,
        cause: &Recorded,
        key: &str,
        due_at: DateTime<Utc>,
    ) -> Result<Vec<Instruction>, Unreadable> {
        let asked_after = due_at - cause.recorded_at;
        let (payment, order, attempt, operation, amount, charge, method) =
            match cause.happened_to::<Payment>()? {
                Some((
                    payment,
                    PaymentEvent::OutcomeUnknown { order, attempt, operation, amount, charge, method },
                )) => (payment, order, attempt, operation, amount, charge, method),
                Some((payment, PaymentEvent::ActionRequired { order, attempt, psp_ref, next })) => {
                    return Ok(self.look(payment, (*order, *attempt), psp_ref, next, asked_after).await);
                }
                Some((payment, PaymentEvent::ActionCalledOff { attempt, psp_ref, .. })) => {
                    return Ok(self.call_off(payment, *attempt, psp_ref, asked_after).await);
                }
                _ => return Ok(vec![]),
            };
        let charge = charge.as_deref().unwrap_or_default();
        let answer = match operation {
            Operation::Authorise => self.authorise(cause, payment, (*order, *attempt), *amount, method).await,
            Operation::Capture { capture } => {
                self.capture(payment, *attempt, charge, *capture, *amount).await
            }
            Operation::Void => self.void(payment, *attempt, charge).await,
        };
        let unknown = PaymentCommand::RecordUnknown { attempt: *attempt, operation: *operation };
        let unknown = Instruction::to::<Payment>(payment, unknown);
        let unresolved = CheckoutCommand::RecordPaymentUnresolved;
        let unresolved = Instruction::to::<Checkout>(checkout_of_payment(*order, payment), unresolved);
        Ok(asked_again(answer, &unknown, (key, asked_after), unresolved))
    }
}

/// When what waits for the buyer is asked about, in case no notice of it comes.
const LOOKS: [TimeDelta; 11] = [
    TimeDelta::minutes(5),
    TimeDelta::minutes(15),
    TimeDelta::minutes(40),
    TimeDelta::hours(1),
    TimeDelta::days(1),
    TimeDelta::days(2),
    TimeDelta::days(3),
    TimeDelta::days(4),
    TimeDelta::days(5),
    TimeDelta::days(6),
    TimeDelta::days(7),
];

fn look_again(attempt: AttemptId, asked_after: TimeDelta) -> Option<Instruction> {
    let next = LOOKS.into_iter().find(|&after| after > asked_after);
    next.map(|after| Instruction::remind(format!("awaited-{attempt}"), after))
}

fn key(attempt: AttemptId, operation: Operation) -> String {
    match operation {
        Operation::Authorise => attempt.to_string(),
        Operation::Capture { capture } => capture.to_string(),
        Operation::Void => format!("void-{attempt}"),
    }
}

impl AskGatewayWhenPaymentAsks {
    async fn authorise(
        &self,
        event: &Recorded,
        payment: PaymentId,
        (order, attempt): (OrderId, AttemptId),
        amount: Money,
        method: &str,
    ) -> Instruction {
        let (workspace, asked_at, method) = (event.workspace, event.recorded_at, method.to_owned());
        let ask = Authorise { workspace, order, payment, attempt, amount, method, asked_at };
        let command = match said(self.gateway.authorise(&ask).await) {
            Some(Ok(answer)) => answered(attempt, answer),
            Some(Err(code)) => PaymentCommand::RecordDeclined {
                attempt,
                code,
                class: DeclineClass::Config,
                advice: Advice::FixConfiguration,
            },
            None => PaymentCommand::RecordUnknown { attempt, operation: Operation::Authorise },
        };
        Instruction::to::<Payment>(payment, command)
    }

    /// Looks how something stands that waits for somebody.
    async fn look(
        &self,
        payment: PaymentId,
        (order, attempt): (OrderId, AttemptId),
        psp_ref: &str,
        next: &NextStep,
        asked_after: TimeDelta,
    ) -> Vec<Instruction> {
        let found = self.gateway.find(&Which::OfReference(psp_ref.to_owned())).await;
        let answer = match found {
            Ok(Some(charge)) if charge.status != ChargeStatus::Awaiting => charge.authorisation(),
            _ => {
                let again = look_again(attempt, asked_after);
                let unresolved = || {
                    let checkout = checkout_of_payment(order, payment);
                    Instruction::to::<Checkout>(checkout, CheckoutCommand::RecordPaymentUnresolved)
                };
                let in_the_end = (*next == NextStep::Wait).then(unresolved);
                return again.or(in_the_end).into_iter().collect();
            }
        };
        vec![Instruction::to::<Payment>(payment, answered(attempt, answer))]
    }

    /// Stops waiting. What came of it before it could be stopped is taken in, too late.
    async fn call_off(
        &self,
        payment: PaymentId,
        attempt: AttemptId,
        psp_ref: &str,
        asked_after: TimeDelta,
    ) -> Vec<Instruction> {
        let again = || ask_again(format!("called-off-{attempt}"), asked_after).into_iter().collect();
        match self.gateway.void(&Void { charge: psp_ref.to_owned() }).await {
            Ok(()) => vec![],
            Err(GatewayError::Unknown(_) | GatewayError::Unavailable(_)) => again(),
            Err(GatewayError::Rejected(_)) => {
                match self.gateway.find(&Which::OfReference(psp_ref.to_owned())).await {
                    Ok(Some(charge)) if charge.status == ChargeStatus::Awaiting => again(),
                    Ok(Some(charge)) => {
                        let answer = answered(attempt, charge.authorisation());
                        vec![Instruction::to::<Payment>(payment, answer)]
                    }
                    Ok(None) | Err(GatewayError::Rejected(_)) => vec![],
                    Err(_) => again(),
                }
            }
        }
    }

    async fn capture(
        &self,
        payment: PaymentId,
        attempt: AttemptId,
        charge: &str,
        capture: CaptureId,
        amount: Money,
    ) -> Instruction {
        let ask = Capture { charge: charge.to_owned(), capture, amount };
        let command = match said(self.gateway.capture(&ask).await) {
            Some(Ok(captured)) => PaymentCommand::RecordCaptured {
                capture,
                amount: captured.amount,
                fee: captured.fee,
                psp_ref: captured.psp_ref,
            },
            Some(Err(code)) => PaymentCommand::RecordCaptureFailed { capture, code },
            None => PaymentCommand::RecordUnknown { attempt, operation: Operation::Capture { capture } },
        };
        Instruction::to::<Payment>(payment, command)
    }

    async fn void(&self, payment: PaymentId, attempt: AttemptId, charge: &str) -> Instruction {
        let psp_ref = charge.to_owned();
        let command = match said(self.gateway.void(&Void { charge: psp_ref.clone() }).await) {
            Some(Ok(())) => PaymentCommand::RecordVoided { psp_ref },
            Some(Err(code)) => PaymentCommand::RecordVoidFailed { psp_ref, code },
            None => PaymentCommand::RecordUnknown { attempt, operation: Operation::Void },
        };
        Instruction::to::<Payment>(payment, command)
    }
}

/// The command that records what the gateway said of an authorisation.
#[must_use]
pub fn answered(attempt: AttemptId, answer: Authorisation) -> PaymentCommand {
    match answer {
        Authorisation::Authorised { psp_ref, amount, valid_until } => {
            PaymentCommand::RecordAuthorised { attempt, psp_ref, amount, valid_until }
        }
        Authorisation::Awaiting { psp_ref, next } => {
            PaymentCommand::RecordAwaiting { attempt, psp_ref, next }
        }
        Authorisation::Declined(decline) => PaymentCommand::RecordDeclined {
            attempt,
            code: decline.code,
            class: decline.class,
            advice: decline.advice,
        },
    }
}
