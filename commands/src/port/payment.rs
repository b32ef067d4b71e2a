//! Payment: the port to whoever moves the money (a payment service provider).
//!
//! Every call is repeatable: its key of idempotency is made of our own ids, so asking again is never paying again.
//! An error says what is certain: nothing happened, nothing will, or it is not known.
//! Some providers answer at once whether an amount is held; others wait for the buyer, or for a person, and tell later.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::finance::payment::{Advice, DeclineClass, NextStep};
use domain::ids::{AttemptId, CaptureId, OrderId, PaymentId, RefundId, WorkspaceId};
use domain::money::Money;
use serde::{Deserialize, Serialize};

#[cfg(any(test, feature = "testing"))]
pub mod fake;
pub mod notice;
pub mod signature;

/// Moves money, or says why not.
#[async_trait]
pub trait PaymentGateway: Send + Sync + 'static {
    /// Asks to have an amount held.
    async fn authorise(&self, ask: &Authorise) -> Result<Authorisation, GatewayError>;

    /// Takes some of what is held.
    async fn capture(&self, ask: &Capture) -> Result<Captured, GatewayError>;

    /// Lets go of what is held, or stops waiting for what is to be held.
    async fn void(&self, ask: &Void) -> Result<(), GatewayError>;

    /// Gives back some of what was taken. Where the provider takes its time over it, that is no answer yet.
    async fn refund(&self, ask: &Refund) -> Result<Refunded, GatewayError>;

    /// What is known of a charge; `None` if it was never heard of.
    async fn find(&self, which: &Which) -> Result<Option<Charge>, GatewayError>;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorise {
    pub workspace: WorkspaceId,
    pub order: OrderId,
    pub payment: PaymentId,
    pub attempt: AttemptId,
    pub amount: Money,
    /// The provider's token of a payment method, or a word for how the buyer is to pay (`checkout`, `bank_transfer`).
    pub method: String,
    /// When it was asked for the first time: no provider remembers a key for ever.
    pub asked_at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capture {
    /// The provider's reference of the authorisation.
    pub charge: String,
    pub capture: CaptureId,
    pub amount: Money,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Void {
    /// The provider's reference of the authorisation.
    pub charge: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    /// The provider's reference of the charge.
    pub charge: String,
    pub refund: RefundId,
    /// Which try it is: another one than before where the provider had said no.
    pub attempt: u32,
    pub amount: Money,
}

impl Authorise {
    /// Its key of idempotency.
    #[must_use]
    pub fn key(&self) -> String {
        self.attempt.to_string()
    }
}

impl Capture {
    /// Its key of idempotency.
    #[must_use]
    pub fn key(&self) -> String {
        self.capture.to_string()
    }
}

impl Void {
    /// Its key of idempotency.
    #[must_use]
    pub fn key(&self) -> String {
        format!("void-{}", self.charge)
    }
}

impl Refund {
    /// Its key of idempotency.
    #[must_use]
    pub fn key(&self) -> String {
        match self.attempt {
            0 | 1 => self.refund.to_string(),
            attempt => format!("{}-{attempt}", self.refund),
        }
    }
}

/// What came of asking for an amount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authorisation {
    Authorised {
        psp_ref: String,
        amount: Money,
        valid_until: DateTime<Utc>,
    },
    Declined(Decline),
    /// Somebody has to do something first; `psp_ref` is the provider's reference of what is waited for.
    Awaiting {
        psp_ref: String,
        next: NextStep,
    },
}

/// Why an amount was not held, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decline {
    pub code: String,
    pub class: DeclineClass,
    pub advice: Advice,
}

/// Money that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Captured {
    pub capture: CaptureId,
    pub psp_ref: String,
    pub amount: Money,
    /// What the provider keeps of it.
    pub fee: Money,
}

/// Money that was given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refunded {
    pub refund: RefundId,
    pub psp_ref: String,
    pub amount: Money,
}

/// Which charge is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// The one that this attempt made, if it ever arrived.
    OfAttempt(AttemptId),
    /// The one of this reference.
    OfReference(String),
}

/// A charge, as the provider knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// The provider's reference.
    pub id: String,
    pub status: ChargeStatus,
    /// What was held; what was asked for, if it was declined.
    pub amount: Money,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decline: Option<Decline>,
    /// What it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<NextStep>,
    pub valid_until: DateTime<Utc>,
    /// Ours, given back as it was sent.
    pub metadata: ChargeMetadata,
    pub captures: Vec<Captured>,
    pub refunds: Vec<Refunded>,
}

/// What a charge is for: in the provider's books and in all that it tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChargeMetadata {
    pub workspace: WorkspaceId,
    pub payment: PaymentId,
    pub attempt: AttemptId,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChargeStatus {
    Awaiting,
    Authorised,
    Declined,
    Voided,
}

impl Charge {
    /// The charge as the answer to the attempt that made it, also where it was voided since.
    #[must_use]
    pub fn authorisation(&self) -> Authorisation {
        match (&self.decline, &self.next) {
            (Some(decline), _) => Authorisation::Declined(decline.clone()),
            (None, Some(next)) => Authorisation::Awaiting { psp_ref: self.id.clone(), next: next.clone() },
            (None, None) => Authorisation::Authorised {
                psp_ref: self.id.clone(),
                amount: self.amount,
                valid_until: self.valid_until,
            },
        }
    }

    /// What was taken for this capture, if anything.
    #[must_use]
    pub fn captured(&self, capture: CaptureId) -> Option<&Captured> {
        self.captures.iter().find(|captured| captured.capture == capture)
    }

    /// What was given back for this refund, if anything.
    #[must_use]
    pub fn refunded(&self, refund: RefundId) -> Option<&Refunded> {
        self.refunds.iter().find(|refunded| refunded.refund == refund)
    }
}

/// What the provider tells unasked, in a webhook: something happened to a charge, and how it is since.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// The same in every copy and every attempt to deliver it.
    pub id: String,
    #[serde(rename = "type")]
    pub kind: NoticeKind,
    pub charge: Charge,
    pub created: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum NoticeKind {
    #[serde(rename = "charge.authorised")]
    Authorised,
    #[serde(rename = "charge.declined")]
    Declined,
    #[serde(rename = "charge.captured")]
    Captured,
    #[serde(rename = "charge.voided")]
    Voided,
    #[serde(rename = "charge.refunded")]
    Refunded,
}

/// Why there is no answer, by what is certain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GatewayError {
    /// No reply, or none that says anything: it may have happened.
    #[error("the payment gateway gave no answer: {0}")]
    Unknown(String),
    /// It was refused before it began: nothing happened.
    #[error("the payment gateway cannot be reached: {0}")]
    Unavailable(String),
    /// It was heard and refused: nothing happened, and asking again changes nothing.
    #[error("the payment gateway refuses: {0}")]
    Rejected(String),
}

/// What the reference of a transfer begins with that a person has marked as received. It is of no provider: no money can
/// be moved by it.
pub const RECEIVED: &str = "transfer:";

/// The reference of money that a person has found at the bank by this.
#[must_use]
pub fn received(reference: &str) -> String {
    format!("{RECEIVED}{}", reference.trim())
}

/// What the method tokens of a gateway without real money stand for; any other is good.
///
/// `wrong_amount`, `capture_fails`, `refund_fails` and `needs_time` are good too, until they are not.
#[must_use]
pub fn decline_of(method: &str) -> Option<Decline> {
    use {Advice as A, DeclineClass as D};
    let (code, class, advice) = match method {
        "decline_soft" => ("insufficient_funds", D::Soft, A::RetryLater),
        "decline_hard" => ("stolen_card", D::Hard, A::UseAnotherMethod),
        "fraud" => ("suspected_fraud", D::Fraud, A::DoNotRetry),
        "decline_config" => ("merchant_not_enabled", D::Config, A::FixConfiguration),
        _ => return None,
    };
    Some(Decline { code: code.into(), class, advice })
}

/// What the gateways without real money keep of a capture: 2.9 % and 30 minor units, but never more than all.
#[must_use]
pub fn fee_of(amount: Money) -> Money {
    let share = amount.share(29, 1000).map_or(amount.amount, |share| share.amount.saturating_add(30));
    Money::new(share.min(amount.amount), amount.currency)
}
