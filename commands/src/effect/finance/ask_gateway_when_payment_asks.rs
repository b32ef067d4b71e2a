//! When a payment asks for money to be held, taken or let go, the gateway is asked.
//!
//! A buyer waits at first, so the first questions for what is not known come soon.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use domain::commerce::checkout::{Checkout, CheckoutCommand};
use domain::finance::payment::{
    Advice, DeclineClass, Fact, Operation, Payment, PaymentCommand, PaymentEvent,
};
use domain::ids::{AttemptId, CaptureId, PaymentId};
use domain::kernel::{Decider, Recorded, Unreadable};
use domain::money::Money;

use crate::act::Instruction;
use crate::effect::Effect;
use crate::effect::finance::{ask_again, asked_again, said};
use crate::ids::checkout_of_payment;
use crate::port::payment::{Authorisation, Authorise, Capture, PaymentGateway, Void};

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
            E::AttemptStarted { attempt, amount, method, .. } => {
                vec![self.authorise(event, payment, *attempt, *amount, method).await]
            }
            E::CaptureRequested { attempt, charge, capture, amount, .. } => {
                vec![self.capture(payment, *attempt, charge, *capture, *amount).await]
            }
            E::VoidRequested { attempt, charge, .. } => vec![self.void(payment, *attempt, charge).await],
            // Held although the payment was over: it is let go at once.
            E::LateObservation { fact: Fact::Authorised, attempt: Some(attempt), reference, .. } => {
                vec![self.void(payment, *attempt, reference).await]
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
        let Some((
            payment,
            PaymentEvent::OutcomeUnknown { order, attempt, operation, amount, charge, method },
        )) = cause.happened_to::<Payment>()?
        else {
            return Ok(vec![]);
        };
        let charge = charge.as_deref().unwrap_or_default();
        let answer = match operation {
            Operation::Authorise => self.authorise(cause, payment, *attempt, *amount, method).await,
            Operation::Capture { capture } => {
                self.capture(payment, *attempt, charge, *capture, *amount).await
            }
            Operation::Void => self.void(payment, *attempt, charge).await,
        };
        let unknown = PaymentCommand::RecordUnknown { attempt: *attempt, operation: *operation };
        let unknown = Instruction::to::<Payment>(payment, unknown);
        let unresolved = CheckoutCommand::RecordPaymentUnresolved;
        let unresolved = Instruction::to::<Checkout>(checkout_of_payment(*order, payment), unresolved);
        Ok(asked_again(answer, &unknown, (key, due_at - cause.recorded_at), unresolved))
    }
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
        attempt: AttemptId,
        amount: Money,
        method: &str,
    ) -> Instruction {
        let ask =
            Authorise { workspace: event.workspace, payment, attempt, amount, method: method.to_owned() };
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
        Authorisation::Declined(decline) => PaymentCommand::RecordDeclined {
            attempt,
            code: decline.code,
            class: decline.class,
            advice: decline.advice,
        },
    }
}
