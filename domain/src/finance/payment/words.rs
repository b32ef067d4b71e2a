//! Words: the small vocabularies that payments are told in.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use strum::{AsRefStr, EnumString};

use crate::ids::CaptureId;

/// What a payment is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    Order,
}

/// Who decides when authorised money is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CaptureMode {
    /// As soon as the goods are sure.
    Auto,
    /// When someone asks for it.
    Manual,
}

/// How final a decline is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, AsRefStr, EnumString)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum DeclineClass {
    /// It may pass another time.
    Soft,
    /// Never with this method.
    Hard,
    /// Not at all: the payment is over.
    Fraud,
    /// The merchant's set-up is at fault, not the customer.
    Config,
}

/// What to do about a decline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, AsRefStr, EnumString)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = DeclineAdvice))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Advice {
    RetryLater,
    UseAnotherMethod,
    DoNotRetry,
    FixConfiguration,
}

/// What was asked of the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "operation", rename_all = "snake_case")]
pub enum Operation {
    Authorise,
    Capture { capture: CaptureId },
    Void,
}

/// What an attempt waits for, outside of the platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = PaymentNextStep))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum NextStep {
    /// The buyer pays at this address, as long as it is open.
    Redirect {
        url: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at: Option<DateTime<Utc>>,
    },
    /// The buyer transfers the money under this reference, and a person marks it as received.
    Transfer { reference: String },
    /// The provider is still at it: nobody has to do anything.
    Wait,
}

/// What the provider tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, AsRefStr)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = PaymentFact))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Fact {
    Authorised,
    Declined,
    Captured,
    CaptureFailed,
    Voided,
    Refunded,
}

/// How a payment stands, seen as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, AsRefStr, EnumString)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum PaymentStatus {
    /// The last method was declined for good.
    RequiresPaymentMethod,
    RequiresConfirmation,
    Processing,
    /// The buyer has something to do: `next_step` says what.
    RequiresAction,
    RequiresCapture,
    PartiallyCaptured,
    Succeeded,
    Conflicted,
    Failed,
    Cancelled,
    Expired,
}

/// What a payment is found by elsewhere.
pub(super) fn is_reference(text: &str) -> bool {
    !crate::text::is_blank(text) && text.chars().count() <= 200
}

/// The provider's token of a method: never a card's number.
pub(super) fn is_method(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}
