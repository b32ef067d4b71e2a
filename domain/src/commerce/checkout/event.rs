//! Events: what a checkout was told, what it requests, and how it ends.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use strum::AsRefStr;

use super::{Basis, Beginning, Case, ClosingReason, DeclineClass, OrderClosure, Units};
use crate::ids::{AttemptId, CustomerId, LineId, OrderId, PaymentId, RefundId, ReservationId};
use crate::kernel::Event;
use crate::money::Money;

/// What a checkout was told, what it requests, and how it ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AsRefStr)]
#[serde(tag = "type")]
pub enum CheckoutEvent {
    Began(Box<Beginning>),
    ReservationRequested {
        order: OrderId,
        #[serde(flatten)]
        units: Units,
        expires_at: DateTime<Utc>,
    },
    Reserved {
        order: OrderId,
        line: LineId,
        reservation: ReservationId,
    },
    ReservationRefused {
        order: OrderId,
        line: LineId,
        reservation: ReservationId,
        reason: String,
    },
    /// It was there and is no more.
    ReservationLost {
        order: OrderId,
        line: LineId,
        reservation: ReservationId,
        reason: String,
    },
    AuthorisationRequested {
        order: OrderId,
        customer: CustomerId,
        payment: PaymentId,
        amount: Money,
        method: String,
        /// 1 for the first.
        attempt: u32,
        /// When the order expires.
        expires_at: DateTime<Utc>,
    },
    Authorised {
        order: OrderId,
        payment: PaymentId,
        amount: Money,
    },
    Declined {
        order: OrderId,
        payment: PaymentId,
        attempt: AttemptId,
        class: DeclineClass,
        code: String,
    },
    PaymentRetried {
        order: OrderId,
        method: String,
    },
    CommitRequested {
        order: OrderId,
        #[serde(flatten)]
        units: Units,
    },
    Committed {
        order: OrderId,
        line: LineId,
        reservation: ReservationId,
    },
    CaptureRequested {
        order: OrderId,
        payment: PaymentId,
        amount: Money,
    },
    Captured {
        order: OrderId,
        payment: PaymentId,
        amount: Money,
    },
    CaptureFailed {
        order: OrderId,
        payment: PaymentId,
        code: String,
    },
    /// With all the order has to be told before.
    ConfirmRequested {
        order: OrderId,
        basis: Basis,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        payment: Option<PaymentId>,
        captured: Money,
        reserved: Vec<Units>,
    },
    ConfirmRefused {
        order: OrderId,
        reason: String,
    },
    /// The order is confirmed: done.
    Completed {
        order: OrderId,
    },
    /// From here on all is undone.
    Closing {
        order: OrderId,
        reason: ClosingReason,
    },
    CancelRequested {
        order: OrderId,
        reason: ClosingReason,
    },
    ExpireRequested {
        order: OrderId,
        at: DateTime<Utc>,
    },
    OrderClosed {
        order: OrderId,
        how: OrderClosure,
    },
    ReleaseRequested {
        order: OrderId,
        #[serde(flatten)]
        units: Units,
        /// Whether the reservation had been committed.
        committed: bool,
    },
    Released {
        order: OrderId,
        line: LineId,
        reservation: ReservationId,
    },
    VoidRequested {
        order: OrderId,
        payment: PaymentId,
        amount: Money,
    },
    Voided {
        order: OrderId,
        payment: PaymentId,
    },
    RefundRequested {
        order: OrderId,
        payment: PaymentId,
        refund: RefundId,
        amount: Money,
        reason: ClosingReason,
    },
    Refunded {
        order: OrderId,
        payment: PaymentId,
        refund: RefundId,
    },
    CaseOpened {
        order: OrderId,
        case: Case,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        line: Option<LineId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// Nothing is reserved and no money is held any more.
    Closed {
        order: OrderId,
        reason: ClosingReason,
    },
}

impl Event for CheckoutEvent {}
