//! When a refund is sent, the gateway is asked to give the money back.
//!
//! Where the gateway said no and a person tries once more, it is a call of its own. Where it says nothing for long, a person is to look.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use domain::finance::refund::{Refund, RefundCommand, RefundEvent};
use domain::ids::RefundId;
use domain::kernel::{Decider, Recorded, Unreadable};
use domain::money::Money;

use crate::act::Instruction;
use crate::effect::Effect;
use crate::effect::finance::{ask_again, asked_again, said};
use crate::port::payment::{self, PaymentGateway};

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
        let Some((refund, happened)) = event.happened_to::<Refund>()? else { return Ok(vec![]) };
        Ok(match happened {
            RefundEvent::Sent { amount, charge, .. } => {
                vec![self.ask(refund, charge, 1, *amount).await]
            }
            RefundEvent::Resent { amount, charge, attempt, .. } => {
                vec![self.ask(refund, charge, *attempt, *amount).await]
            }
            RefundEvent::OutcomeUnknown { .. } => ask_again(refund, TimeDelta::zero()).into_iter().collect(),
            _ => vec![],
        })
    }

    async fn due(
        &self,
        cause: &Recorded,
        key: &str,
        due_at: DateTime<Utc>,
    ) -> Result<Vec<Instruction>, Unreadable> {
        let Some((refund, RefundEvent::OutcomeUnknown { amount, charge, attempt, .. })) =
            cause.happened_to::<Refund>()?
        else {
            return Ok(vec![]);
        };
        let answer = self.ask(refund, charge, *attempt, *amount).await;
        let unknown = Instruction::to::<Refund>(refund, RefundCommand::RecordUnknown);
        let unresolved = Instruction::to::<Refund>(refund, RefundCommand::RecordUnresolved);
        Ok(asked_again(answer, &unknown, (key, due_at - cause.recorded_at), unresolved))
    }
}

impl AskGatewayWhenRefundIsSent {
    async fn ask(&self, refund: RefundId, charge: &str, attempt: u32, amount: Money) -> Instruction {
        let ask = payment::Refund { charge: charge.to_owned(), refund, attempt, amount };
        let command = match said(self.gateway.refund(&ask).await) {
            Some(Ok(refunded)) => RefundCommand::RecordSucceeded { psp_ref: refunded.psp_ref },
            Some(Err(code)) => RefundCommand::RecordFailed { code, review: true },
            None => RefundCommand::RecordUnknown,
        };
        Instruction::to::<Refund>(refund, command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effect::finance::POLLS;
    use crate::port::payment::fake::{FakeGateway, Fault};
    use domain::ids::{OrderId, PaymentId};
    use domain::money::Currency;
    use uuid::Uuid;

    fn ids() -> (RefundId, PaymentId, OrderId) {
        let id = Uuid::from_u128;
        (RefundId::from_uuid(id(1)), PaymentId::from_uuid(id(2)), OrderId::from_uuid(id(3)))
    }

    fn unknown() -> Recorded {
        let (refund, payment, order) = ids();
        let amount = Money::new(500, Currency::USD);
        let event = RefundEvent::OutcomeUnknown { payment, order, amount, charge: "ch_1".into(), attempt: 1 };
        Recorded::example::<Refund>(refund.to_string(), &event)
    }

    #[tokio::test]
    async fn what_is_unknown_is_asked_for_soon_then_for_a_week_and_then_for_a_person() {
        let (gateway, (refund, ..)) = (Arc::new(FakeGateway::default()), ids());
        // The faults of a gateway that is killed, and comes back without having heard anything.
        let faults = [Fault::Down, Fault::LoseRequest].into_iter().cycle().take(POLLS.len());
        gateway.script(faults.map(Some));
        let effect = AskGatewayWhenRefundIsSent { gateway: gateway.clone() };
        let (event, key) = (unknown(), refund.to_string());
        let mut next = effect.perform(&event).await.unwrap();
        for (n, after) in POLLS.into_iter().enumerate() {
            assert_eq!(next, [Instruction::remind(refund, after)], "question {n}");
            next = effect.due(&event, &key, event.recorded_at + after).await.unwrap();
        }
        assert_eq!(next, [Instruction::to::<Refund>(refund, RefundCommand::RecordUnresolved)]);
        assert_eq!(gateway.calls().len(), POLLS.len());
        assert!(gateway.calls().iter().all(|call| call.contains(&key)), "one key for all");
    }
}
