//! Refusals: why a payment says no.

use chrono::{DateTime, Utc};
use strum::AsRefStr;

use crate::kernel::{Kind, Refusal};
use crate::money::{Currency, Money};

/// Why a payment says no.
#[derive(Debug, PartialEq, thiserror::Error, AsRefStr)]
#[strum(serialize_all = "snake_case")]
pub enum PaymentRefusal {
    #[error("no such payment")]
    Unknown,
    #[error("no such attempt at this payment")]
    NoSuchAttempt,
    #[error("no such charge in this payment")]
    NoSuchCharge,
    #[error("no such capture in this payment")]
    NoSuchCapture,
    #[error("no such refund in this payment")]
    NoSuchRefund,
    #[error("the payment exists already, with other terms")]
    AlreadyCreated,
    #[error("an amount must be above 0")]
    InvalidAmount,
    #[error("an amount is out of range: {} minor units is the most", Money::MOST)]
    AmountOutOfRange,
    #[error("a payment method is 1 to 64 visible ASCII characters")]
    InvalidMethod,
    #[error("a reference is 1 to 200 characters and not blank")]
    InvalidReference,
    #[error("the payment is not in {0}")]
    CurrencyMismatch(Currency),
    #[error("the payment is closed")]
    Closed,
    #[error("the payment is paid already")]
    AlreadyPaid,
    #[error("the payment ran out on {0}")]
    PastExpiry(DateTime<Utc>),
    #[error("the payment's time has not run out")]
    NotDue,
    #[error("another attempt is under way")]
    LiveAttemptExists,
    #[error("this method was declined for good")]
    MethodDeclined,
    #[error("the provider's reference belongs to another attempt")]
    DuplicatePspRef,
    #[error("no transfer is waited for")]
    NotAwaited,
    #[error("nothing is authorised")]
    NotAuthorised,
    #[error("the amount is authorised")]
    StillAuthorised,
    #[error("the authorisation ran out on {0}")]
    AuthorisationExpired(DateTime<Utc>),
    #[error("only {0} of the authorised amount is left")]
    ExceedsAuthorised(Money),
    #[error("this capture was asked for with another amount")]
    CaptureReused,
    #[error("a capture is under way")]
    CaptureInFlight,
    #[error("the authorisation is being let go")]
    VoidInFlight,
    #[error("money was captured")]
    Captured,
    #[error("nothing was captured")]
    NotCaptured,
    #[error("the provider tells of another amount")]
    Conflicted,
    #[error("only {0} can be refunded")]
    ExceedsRefundable(Money),
    #[error("this refund was asked for with another amount")]
    RefundReused,
    #[error("this refund has come to nothing")]
    RefundReleased,
    #[error("this refund was paid out")]
    RefundSettled,
    #[error("this refund was not paid out")]
    RefundNotSettled,
}

impl Refusal for PaymentRefusal {
    fn kind(&self) -> Kind {
        match self {
            Self::Unknown
            | Self::NoSuchAttempt
            | Self::NoSuchCharge
            | Self::NoSuchCapture
            | Self::NoSuchRefund => Kind::Missing,
            Self::InvalidAmount
            | Self::AmountOutOfRange
            | Self::InvalidMethod
            | Self::InvalidReference
            | Self::CurrencyMismatch(_) => Kind::Invalid,
            _ => Kind::Conflict,
        }
    }
}
