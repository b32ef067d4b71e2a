//! Payments: the money of one order, asked of a payment provider in attempts, captured, and given back.
//!
//! A payment's id is its own; it is paid by at most one live attempt at a time. Captured never exceeds authorised,
//! refunds (in flight and done) never exceed captured. A closed payment stays closed: what the provider tells
//! later is kept as a late observation, so that money held or taken too late can be given back.
//! A fact told twice decides nothing.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use strum::AsRefStr;

use crate::ids::{AttemptId, CaptureId, OrderId, PaymentId, RefundId};
use crate::kernel::{Decider, Event};
use crate::money::Money;
use crate::sourced;

mod attempt;
mod awaiting;
mod capture;
mod closing;
#[cfg(test)]
mod example;
mod refunding;
mod refusal;
mod state;
#[cfg(test)]
mod tests;
mod words;

pub use refusal::PaymentRefusal;
pub use state::Payment;
pub use words::{Advice, CaptureMode, DeclineClass, Fact, NextStep, Operation, PaymentStatus, Subject};

/// What may be asked of a payment, and what the provider may tell of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum PaymentCommand {
    /// Open it: nothing is asked of the provider yet.
    Create {
        order: OrderId,
        amount: Money,
        capture: CaptureMode,
        /// The provider's token of a payment method.
        method: String,
        expires_at: DateTime<Utc>,
    },
    /// Write down money that was taken elsewhere.
    Record {
        order: OrderId,
        amount: Money,
        at: DateTime<Utc>,
        /// What it is found by elsewhere.
        reference: Option<String>,
    },
    /// Ask the provider to authorise the amount; the attempt's id is the key of idempotency there.
    StartAttempt {
        attempt: AttemptId,
        /// Another method than the last one.
        method: Option<String>,
        at: DateTime<Utc>,
    },
    RecordAuthorised {
        attempt: AttemptId,
        psp_ref: String,
        amount: Money,
        valid_until: DateTime<Utc>,
    },
    /// The provider has taken it in hand, and waits for somebody. `psp_ref` is its reference of what is waited for.
    RecordAwaiting {
        attempt: AttemptId,
        psp_ref: String,
        next: NextStep,
    },
    /// A person says that the money which a transfer was asked for is there.
    Receive {
        /// What the money is found by: the reference of an authorisation from now on.
        psp_ref: String,
        amount: Money,
        at: DateTime<Utc>,
    },
    RecordDeclined {
        attempt: AttemptId,
        code: String,
        class: DeclineClass,
        advice: Advice,
    },
    /// No answer came: what the provider did is not known until it is asked again.
    RecordUnknown {
        attempt: AttemptId,
        operation: Operation,
    },
    /// Take some of what is authorised.
    Capture {
        capture: CaptureId,
        amount: Money,
        at: DateTime<Utc>,
    },
    RecordCaptured {
        capture: CaptureId,
        amount: Money,
        /// What the provider keeps of it.
        fee: Money,
        psp_ref: String,
    },
    RecordCaptureFailed {
        capture: CaptureId,
        code: String,
    },
    /// Let an authorisation go.
    Void,
    /// `psp_ref` is the reference of the authorisation.
    RecordVoided {
        psp_ref: String,
    },
    RecordVoidFailed {
        psp_ref: String,
        code: String,
    },
    /// Give it up if all that it does is wait for somebody.
    StopWaiting,
    /// Give the payment up at whatever stage, as long as nothing is captured.
    Cancel,
    /// Give it up because its time has run out.
    Expire {
        at: DateTime<Utc>,
    },
    /// Set some of the captured money aside for a refund.
    AllotRefund {
        refund: RefundId,
        amount: Money,
    },
    /// The refund came to nothing: its money can be refunded again.
    ReleaseRefund {
        refund: RefundId,
    },
    /// The refund's money has left.
    SettleRefund {
        refund: RefundId,
    },
    /// The refund's money has come back.
    ReverseRefund {
        refund: RefundId,
    },
}

/// What has happened to a payment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AsRefStr)]
#[serde(tag = "type")]
pub enum PaymentEvent {
    Created {
        subject: Subject,
        order: OrderId,
        amount: Money,
        capture: CaptureMode,
        method: String,
        expires_at: DateTime<Utc>,
    },
    /// Paid outside, and only written down here.
    Recorded {
        order: OrderId,
        amount: Money,
        at: DateTime<Utc>,
        /// What it is found by elsewhere, as a bank's number.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reference: Option<String>,
    },
    AttemptStarted {
        order: OrderId,
        attempt: AttemptId,
        number: u32,
        amount: Money,
        method: String,
    },
    Authorised {
        order: OrderId,
        attempt: AttemptId,
        psp_ref: String,
        amount: Money,
        valid_until: DateTime<Utc>,
        capture: CaptureMode,
    },
    Declined {
        order: OrderId,
        attempt: AttemptId,
        amount: Money,
        code: String,
        class: DeclineClass,
        advice: Advice,
    },
    /// The provider waits for somebody: what is held is not known before that.
    ActionRequired {
        order: OrderId,
        attempt: AttemptId,
        psp_ref: String,
        next: NextStep,
    },
    /// The payment is over while somebody is waited for: whoever waits is to stop.
    ActionCalledOff {
        order: OrderId,
        attempt: AttemptId,
        psp_ref: String,
    },
    /// With all that is needed to ask again.
    OutcomeUnknown {
        order: OrderId,
        attempt: AttemptId,
        #[serde(flatten)]
        operation: Operation,
        amount: Money,
        /// The provider's reference of the authorisation, where there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        charge: Option<String>,
        method: String,
    },
    CaptureRequested {
        order: OrderId,
        attempt: AttemptId,
        /// The provider's reference of the authorisation.
        charge: String,
        capture: CaptureId,
        amount: Money,
    },
    Captured {
        order: OrderId,
        attempt: AttemptId,
        capture: CaptureId,
        amount: Money,
        fee: Money,
        psp_ref: String,
    },
    CaptureFailed {
        order: OrderId,
        attempt: AttemptId,
        capture: CaptureId,
        amount: Money,
        code: String,
    },
    VoidRequested {
        order: OrderId,
        attempt: AttemptId,
        charge: String,
        amount: Money,
    },
    Voided {
        order: OrderId,
        attempt: AttemptId,
        psp_ref: String,
        amount: Money,
    },
    VoidFailed {
        order: OrderId,
        attempt: AttemptId,
        psp_ref: String,
        code: String,
    },
    Cancelled {
        order: OrderId,
        amount: Money,
    },
    Expired {
        order: OrderId,
        amount: Money,
        at: DateTime<Utc>,
    },
    /// The provider tells of another amount than was asked for: someone must look.
    Conflicted {
        order: OrderId,
        attempt: AttemptId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        capture: Option<CaptureId>,
        psp_ref: String,
        expected: Money,
        amount: Money,
    },
    /// A fact that came when it could no longer be taken in.
    LateObservation {
        order: OrderId,
        fact: Fact,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        attempt: Option<AttemptId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        capture: Option<CaptureId>,
        /// The provider's reference of what happened, or our own where it gave none.
        reference: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        amount: Option<Money>,
    },
    RefundAllotted {
        order: OrderId,
        refund: RefundId,
        amount: Money,
        /// The provider's reference of the charge to refund.
        charge: String,
    },
    /// It is to be given back where it was taken: no provider can.
    RefundSetAside {
        order: OrderId,
        refund: RefundId,
        amount: Money,
    },
    RefundReleased {
        order: OrderId,
        refund: RefundId,
        amount: Money,
    },
    RefundSettled {
        order: OrderId,
        refund: RefundId,
        amount: Money,
    },
    RefundReversed {
        order: OrderId,
        refund: RefundId,
        amount: Money,
    },
}

type Decision = Result<Vec<PaymentEvent>, PaymentRefusal>;

impl Decider for Payment {
    const NAME: &'static str = "finance.payment";
    type Id = PaymentId;
    type Command = PaymentCommand;
    type Event = PaymentEvent;
    type Refusal = PaymentRefusal;

    fn decide(&self, command: PaymentCommand) -> Decision {
        use PaymentCommand as C;
        let Some(terms) = &self.terms else { return open(command) };
        match command {
            C::Create { .. } | C::Record { .. } if terms.are_those_of(&command) => Ok(vec![]),
            C::Create { .. } | C::Record { .. } => Err(PaymentRefusal::AlreadyCreated),

            C::StartAttempt { attempt, method, at } => self.start(terms, attempt, method, at),
            C::RecordAuthorised { attempt, psp_ref, amount, valid_until } => {
                self.authorised(terms, attempt, psp_ref, amount, valid_until)
            }
            C::RecordDeclined { attempt, code, class, advice } => {
                self.declined(terms, attempt, code, class, advice)
            }
            C::RecordAwaiting { attempt, psp_ref, next } => self.awaiting(terms, attempt, psp_ref, next),
            C::Receive { psp_ref, amount, at } => self.receive(terms, psp_ref, amount, at),
            C::RecordUnknown { attempt, operation } => self.unknown(terms, attempt, operation),

            C::Capture { capture, amount, at } => self.capture(terms, capture, amount, at),
            C::RecordCaptured { capture, amount, fee, psp_ref } => {
                self.record_captured(terms, capture, amount, fee, psp_ref)
            }
            C::RecordCaptureFailed { capture, code } => self.capture_failed(terms, capture, code),

            C::Void => self.void(terms),
            C::RecordVoided { psp_ref } => self.voided(terms, psp_ref),
            C::RecordVoidFailed { psp_ref, code } => self.void_failed(terms, psp_ref, code),
            C::StopWaiting => self.stop_waiting(terms),
            C::Cancel => self.cancel(terms),
            C::Expire { at } => self.expire(terms, at),

            C::AllotRefund { refund, amount } => self.allot(terms, refund, amount),
            C::ReleaseRefund { refund } => self.release(terms, refund),
            C::SettleRefund { refund } => self.settle(terms, refund),
            C::ReverseRefund { refund } => self.reverse(terms, refund),
        }
    }

    fn evolve(&mut self, event: PaymentEvent) {
        self.take_in(event);
    }
}

/// What may be asked of a payment that does not exist yet.
fn open(command: PaymentCommand) -> Decision {
    use {PaymentCommand as C, PaymentEvent as E, PaymentRefusal as No};
    match command {
        C::Create { amount, .. } | C::Record { amount, .. } if amount.amount <= 0 => Err(No::InvalidAmount),
        C::Record { amount, .. } if !amount.is_in_range() => Err(No::AmountOutOfRange),
        C::Create { method, .. } if !words::is_method(&method) => Err(No::InvalidMethod),
        C::Create { order, amount, capture, method, expires_at } => {
            Ok(vec![E::Created { subject: Subject::Order, order, amount, capture, method, expires_at }])
        }
        C::Record { reference: Some(ref reference), .. } if !words::is_reference(reference) => {
            Err(No::InvalidReference)
        }
        C::Record { order, amount, at, reference } => Ok(vec![E::Recorded { order, amount, at, reference }]),
        _ => Err(No::Unknown),
    }
}

impl Event for PaymentEvent {}
sourced!(Payment, PaymentEvent);
