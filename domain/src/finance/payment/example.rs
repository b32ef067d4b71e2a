//! Examples: the payment that the tests of payments tell of.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::*;
use crate::kernel::Given;
use crate::money::Currency;

pub(super) const ORDER: OrderId = OrderId::from_uuid(Uuid::from_u128(1));
pub(super) const A1: AttemptId = AttemptId::from_uuid(Uuid::from_u128(0xa1));
pub(super) const A2: AttemptId = AttemptId::from_uuid(Uuid::from_u128(0xa2));
pub(super) const K1: CaptureId = CaptureId::from_uuid(Uuid::from_u128(0xc1));
pub(super) const K2: CaptureId = CaptureId::from_uuid(Uuid::from_u128(0xc2));
pub(super) const R1: RefundId = RefundId::from_uuid(Uuid::from_u128(0xf1));
pub(super) const R2: RefundId = RefundId::from_uuid(Uuid::from_u128(0xf2));
pub(super) const CHARGE: &str = "ch_1";
/// Seconds after the payment was opened.
pub(super) const EXPIRY: i64 = 1_800;
pub(super) const VALID: i64 = 604_800;

pub(super) fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
}

pub(super) fn usd(amount: i64) -> Money {
    Money::new(amount, Currency::USD)
}

pub(super) fn create() -> PaymentCommand {
    PaymentCommand::Create {
        order: ORDER,
        amount: usd(1000),
        capture: CaptureMode::Auto,
        method: "ok".into(),
        expires_at: at(EXPIRY),
    }
}

pub(super) fn created() -> PaymentEvent {
    PaymentEvent::Created {
        subject: Subject::Order,
        order: ORDER,
        amount: usd(1000),
        capture: CaptureMode::Auto,
        method: "ok".into(),
        expires_at: at(EXPIRY),
    }
}

pub(super) fn recorded() -> PaymentEvent {
    PaymentEvent::Recorded { order: ORDER, amount: usd(1000), at: at(0), reference: None }
}

pub(super) fn start(attempt: AttemptId) -> PaymentCommand {
    PaymentCommand::StartAttempt { attempt, method: None, at: at(0) }
}

pub(super) fn started(attempt: AttemptId, number: u32) -> PaymentEvent {
    PaymentEvent::AttemptStarted { order: ORDER, attempt, number, amount: usd(1000), method: "ok".into() }
}

pub(super) fn authorise(attempt: AttemptId) -> PaymentCommand {
    let (psp_ref, amount, valid_until) = (CHARGE.into(), usd(1000), at(VALID));
    PaymentCommand::RecordAuthorised { attempt, psp_ref, amount, valid_until }
}

pub(super) fn authorised(attempt: AttemptId) -> PaymentEvent {
    PaymentEvent::Authorised {
        order: ORDER,
        attempt,
        psp_ref: CHARGE.into(),
        amount: usd(1000),
        valid_until: at(VALID),
        capture: CaptureMode::Auto,
    }
}

pub(super) fn authorised_payment() -> Vec<PaymentEvent> {
    vec![created(), started(A1, 1), authorised(A1)]
}

pub(super) fn declined(attempt: AttemptId, class: DeclineClass) -> PaymentEvent {
    PaymentEvent::Declined {
        order: ORDER,
        attempt,
        amount: usd(1000),
        code: "insufficient_funds".into(),
        class,
        advice: Advice::RetryLater,
    }
}

pub(super) fn doubt(attempt: AttemptId, operation: Operation) -> PaymentCommand {
    PaymentCommand::RecordUnknown { attempt, operation }
}

pub(super) fn unknown(attempt: AttemptId, operation: Operation) -> PaymentEvent {
    let charge = (operation != Operation::Authorise).then(|| CHARGE.into());
    PaymentEvent::OutcomeUnknown {
        order: ORDER,
        attempt,
        operation,
        amount: usd(1000),
        charge,
        method: "ok".into(),
    }
}

pub(super) fn capture(capture: CaptureId, amount: i64) -> PaymentCommand {
    PaymentCommand::Capture { capture, amount: usd(amount), at: at(0) }
}

pub(super) fn capture_requested(capture: CaptureId, amount: i64) -> PaymentEvent {
    let (charge, amount) = (CHARGE.into(), usd(amount));
    PaymentEvent::CaptureRequested { order: ORDER, attempt: A1, charge, capture, amount }
}

pub(super) fn record_captured(capture: CaptureId, amount: i64, psp_ref: &str) -> PaymentCommand {
    PaymentCommand::RecordCaptured { capture, amount: usd(amount), fee: usd(30), psp_ref: psp_ref.into() }
}

pub(super) fn captured(capture: CaptureId, amount: i64, psp_ref: &str) -> PaymentEvent {
    let (amount, fee, psp_ref) = (usd(amount), usd(30), psp_ref.into());
    PaymentEvent::Captured { order: ORDER, attempt: A1, capture, amount, fee, psp_ref }
}

pub(super) fn captured_payment() -> Vec<PaymentEvent> {
    let mut history = authorised_payment();
    history.extend([capture_requested(K1, 1000), captured(K1, 1000, "cp_1")]);
    history
}

pub(super) fn capture_failed(capture: CaptureId, amount: i64) -> PaymentEvent {
    let code = "processor_down".into();
    PaymentEvent::CaptureFailed { order: ORDER, attempt: A1, capture, amount: usd(amount), code }
}

pub(super) fn void_requested() -> PaymentEvent {
    PaymentEvent::VoidRequested { order: ORDER, attempt: A1, charge: CHARGE.into(), amount: usd(1000) }
}

pub(super) fn voided() -> PaymentEvent {
    PaymentEvent::Voided { order: ORDER, attempt: A1, psp_ref: CHARGE.into(), amount: usd(1000) }
}

pub(super) fn void_failed() -> PaymentEvent {
    let (psp_ref, code) = (CHARGE.into(), "too_late".into());
    PaymentEvent::VoidFailed { order: ORDER, attempt: A1, psp_ref, code }
}

pub(super) fn cancelled() -> PaymentEvent {
    PaymentEvent::Cancelled { order: ORDER, amount: usd(1000) }
}

pub(super) fn expired(seconds: i64) -> PaymentEvent {
    PaymentEvent::Expired { order: ORDER, amount: usd(1000), at: at(seconds) }
}

pub(super) fn allotted(refund: RefundId, amount: i64) -> PaymentEvent {
    PaymentEvent::RefundAllotted { order: ORDER, refund, amount: usd(amount), charge: CHARGE.into() }
}

pub(super) fn released(refund: RefundId, amount: i64) -> PaymentEvent {
    PaymentEvent::RefundReleased { order: ORDER, refund, amount: usd(amount) }
}

pub(super) fn settled(refund: RefundId, amount: i64) -> PaymentEvent {
    PaymentEvent::RefundSettled { order: ORDER, refund, amount: usd(amount) }
}

pub(super) fn reversed(refund: RefundId, amount: i64) -> PaymentEvent {
    PaymentEvent::RefundReversed { order: ORDER, refund, amount: usd(amount) }
}

impl Given<Payment> {
    /// The same history and what followed, leaving this one as it was.
    pub(super) fn clone_with(&self, command: PaymentCommand) -> Self {
        Self(self.0.clone()).and(command)
    }
}
