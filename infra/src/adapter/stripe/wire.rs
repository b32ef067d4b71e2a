//! Wire: Stripe's objects, as far as they are looked at. What is unknown in them is let be.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A string, or the object it stands for.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Expandable<T> {
    Id(String),
    Object(Box<T>),
}

impl<T> Expandable<T> {
    pub fn object(&self) -> Option<&T> {
        if let Self::Object(object) = self { Some(object) } else { None }
    }
}

pub type Metadata = BTreeMap<String, String>;

#[derive(Debug, Clone, Deserialize)]
pub struct PaymentIntent {
    pub id: String,
    pub status: String,
    pub amount: i64,
    #[serde(default)]
    pub amount_capturable: i64,
    #[serde(default)]
    pub amount_received: i64,
    pub currency: String,
    #[serde(default)]
    pub metadata: Metadata,
    #[serde(default)]
    pub latest_charge: Option<Expandable<Charge>>,
    #[serde(default)]
    pub last_payment_error: Option<ErrorBody>,
    #[serde(default)]
    pub next_action: Option<NextAction>,
    pub created: i64,
}

#[derive(Debug, Clone, Deserialize)]
pub struct NextAction {
    #[serde(default)]
    pub redirect_to_url: Option<RedirectToUrl>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct RedirectToUrl {
    pub url: String,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Charge {
    pub id: String,
    #[serde(default)]
    pub status: String,
    #[serde(default)]
    pub amount_refunded: i64,
    #[serde(default)]
    pub disputed: bool,
    #[serde(default)]
    pub balance_transaction: Option<Expandable<BalanceTransaction>>,
    #[serde(default)]
    pub payment_method_details: Option<MethodDetails>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct BalanceTransaction {
    pub fee: i64,
    pub currency: String,
}

#[derive(Debug, Clone, Deserialize)]
pub struct MethodDetails {
    #[serde(default)]
    pub card: Option<CardDetails>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct CardDetails {
    #[serde(default)]
    pub capture_before: Option<i64>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Session {
    pub id: String,
    #[serde(default)]
    pub status: Option<String>,
    #[serde(default)]
    pub url: Option<String>,
    pub expires_at: i64,
    #[serde(default)]
    pub amount_total: Option<i64>,
    #[serde(default)]
    pub currency: Option<String>,
    #[serde(default)]
    pub payment_intent: Option<Expandable<PaymentIntent>>,
    #[serde(default)]
    pub metadata: Metadata,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Refund {
    pub id: String,
    #[serde(default)]
    pub status: Option<String>,
    pub amount: i64,
    pub currency: String,
    #[serde(default)]
    pub failure_reason: Option<String>,
    #[serde(default)]
    pub metadata: Metadata,
}

#[derive(Debug, Clone, Deserialize)]
pub struct List<T> {
    pub data: Vec<T>,
    #[serde(default)]
    pub has_more: bool,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Event {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub data: EventData,
}

#[derive(Debug, Clone, Deserialize)]
pub struct EventData {
    pub object: Subject,
}

/// The object that an event is about, as far as it says which payment it is of.
#[derive(Debug, Clone, Deserialize)]
pub struct Subject {
    #[serde(default)]
    pub id: Option<String>,
    #[serde(default)]
    pub object: String,
    #[serde(default)]
    pub payment_intent: Option<Expandable<Named>>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Named {
    pub id: String,
}

impl Expandable<Named> {
    pub fn name(&self) -> &str {
        match self {
            Self::Id(id) => id,
            Self::Object(of) => &of.id,
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
pub struct Failure {
    pub error: ErrorBody,
}

/// Why Stripe says no: of a request, or of a payment.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct ErrorBody {
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
    #[serde(default)]
    pub code: Option<String>,
    #[serde(default)]
    pub decline_code: Option<String>,
    #[serde(default)]
    pub advice_code: Option<String>,
    #[serde(default)]
    pub param: Option<String>,
}

impl ErrorBody {
    /// The most exact of its codes, as one word.
    #[must_use]
    pub fn best_code(&self) -> String {
        let given = self.decline_code.as_ref().or(self.code.as_ref()).or(self.kind.as_ref());
        let code = given.map_or("unnamed", String::as_str);
        let plain = |letter: &char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
        code.chars().filter(plain).take(64).collect()
    }

    pub fn is_of_card(&self) -> bool {
        self.kind.as_deref() == Some("card_error")
    }
}
