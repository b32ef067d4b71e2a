//! Finance: what is asked of the payment gateway.
//!
//! Every call carries our own id as its key, so asking again is never doing again. No answer is recorded as unknown;
//! then the same question is asked again at the times of `POLLS`, until there is an answer.

pub(crate) mod ask_gateway_when_payment_asks;
mod ask_gateway_when_refund_is_sent;

use chrono::TimeDelta;

use crate::act::Instruction;
use crate::effect::Effect;
use crate::port::Ports;
use crate::port::payment::GatewayError;

pub(super) fn effects(ports: &Ports) -> Vec<Box<dyn Effect>> {
    let gateway = &ports.payment;
    vec![
        Box::new(ask_gateway_when_payment_asks::AskGatewayWhenPaymentAsks { gateway: gateway.clone() }),
        Box::new(ask_gateway_when_refund_is_sent::AskGatewayWhenRefundIsSent { gateway: gateway.clone() }),
    ]
}

/// When an outcome that is not known is asked for again, counted from the moment it was not known. A buyer waits
/// at first, and whoever is owed a refund for longer, so the first questions come soon.
const POLLS: [TimeDelta; 14] = [
    TimeDelta::seconds(2),
    TimeDelta::seconds(10),
    TimeDelta::minutes(1),
    TimeDelta::minutes(5),
    TimeDelta::minutes(15),
    TimeDelta::minutes(30),
    TimeDelta::hours(1),
    TimeDelta::days(1),
    TimeDelta::days(2),
    TimeDelta::days(3),
    TimeDelta::days(4),
    TimeDelta::days(5),
    TimeDelta::days(6),
    TimeDelta::days(7),
];

/// What the gateway says: it is done, or refused with a code; none if what became of it is not known.
fn said<T>(answer: Result<T, GatewayError>) -> Option<Result<T, String>> {
    match answer {
        Ok(done) => Some(Ok(done)),
        Err(GatewayError::Rejected(code)) => Some(Err(code)),
        Err(GatewayError::Unknown(_) | GatewayError::Unavailable(_)) => None,
    }
}

/// When to ask again for what is not known, after so long: not at all once it has been asked often enough.
fn ask_again(key: impl ToString, asked_after: TimeDelta) -> Option<Instruction> {
    let next = POLLS.into_iter().find(|&after| after > asked_after);
    next.map(|after| Instruction::remind(key, after))
}

/// What follows from having asked again: the answer, if it is another than `unknown`; else when to ask next, and in the
/// end what a person is left with.
fn asked_again(
    answer: Instruction,
    unknown: &Instruction,
    (key, asked_after): (&str, TimeDelta),
    in_the_end: Instruction,
) -> Vec<Instruction> {
    if answer != *unknown {
        return vec![answer];
    }
    vec![ask_again(key, asked_after).unwrap_or_else(|| {
        tracing::error!(key, "the gateway does not say what became of this; ask it");
        in_the_end
    })]
}
