//! When a refund is sent, the gateway is asked to give the money back.
//!
//! The refund's id is the key of the call, so asking again never refunds again; where the gateway said no and a person
//! tries once more, it is a call of its own. Where it says nothing for long, a person is to look.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use domain::finance::refund::{Refund, RefundCommand, RefundEvent};
use domain::ids::RefundId;
use domain::kernel::{Decider, Recorded, Unreadable};
use domain::money::Money;

use crate::act::Instruction;
use crate::effect::Effect;
use crate::effect::next_poll;
use crate::port::payment::{self, GatewayError, PaymentGateway};

/// Effect `ask_gateway_when_refund_is_sent`.
pub struct AskGatewayWhenRefundIsSent {
    pub gateway: Arc<dyn PaymentGateway>,
}

#[async_trait]
impl Effect for AskGatewayWhenRefundIsSent {
    fn name(&self) -> &'static str {
        "ask_gateway_when_refund_is_sent"
    }

    fn listens_to(&self) -> &'static [&'static str] {
        &[Refund::NAME]
    }

    async fn perform(&self, event: &Recorded) -> Result<Vec<Instruction>, Unreadable> {
        let (Some(happened), Ok(refund)) = (event.of::<Refund>()?, event.id.parse()) else {
            return Ok(vec![]);
        };
        Ok(match happened {
            RefundEvent::Sent { amount, charge, .. } => {
                vec![Instruction::to::<Refund>(refund, self.ask(refund, charge, 1, *amount).await)]
            }
            RefundEvent::Resent { amount, charge, attempt, .. } => {
                vec![Instruction::to::<Refund>(refund, self.ask(refund, charge, *attempt, *amount).await)]
            }
            RefundEvent::OutcomeUnknown { .. } => next_poll(TimeDelta::zero())
                .map(|after| Instruction::remind(refund, after))
                .into_iter()
                .collect(),
            _ => vec![],
        })
    }

    async fn due(
        &self,
        cause: &Recorded,
        key: &str,
        due_at: DateTime<Utc>,
    ) -> Result<Vec<Instruction>, Unreadable> {
        let (Some(RefundEvent::OutcomeUnknown { amount, charge, attempt, .. }), Ok(refund)) =
            (cause.of::<Refund>()?, cause.id.parse())
        else {
            return Ok(vec![]);
        };
        match self.ask(refund, charge, *attempt, *amount).await {
            RefundCommand::RecordUnknown => match next_poll(due_at - cause.recorded_at) {
                Some(after) => Ok(vec![Instruction::remind(key, after)]),
                None => {
                    tracing::error!(refund.id = %refund, "the gateway does not say what became of this; ask it");
                    Ok(vec![Instruction::to::<Refund>(refund, RefundCommand::RecordUnresolved)])
                }
            },
            command => Ok(vec![Instruction::to::<Refund>(refund, command)]),
        }
    }
}

impl AskGatewayWhenRefundIsSent {
    async fn ask(&self, refund: RefundId, charge: &str, attempt: u32, amount: Money) -> RefundCommand {
        let ask = payment::Refund { charge: charge.to_owned(), refund, attempt, amount };
        match self.gateway.refund(&ask).await {
            Ok(refunded) => RefundCommand::RecordSucceeded { psp_ref: refunded.psp_ref },
            Err(GatewayError::Rejected(code)) => RefundCommand::RecordFailed { code, review: true },
            Err(GatewayError::Unknown(_) | GatewayError::Unavailable(_)) => RefundCommand::RecordUnknown,
        }
    }
}
