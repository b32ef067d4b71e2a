//! Notices: what providers tell unasked, how each is read, and where all are kept as they came.
//!
//! A notice is kept before it is looked at. It is believed by its signature, and only as a hint: it says which charge
//! to ask the provider about.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use strum::{AsRefStr, EnumString};
use uuid::Uuid;

use super::Charge;
use super::signature::SignatureError;

/// Reads the notices of one provider.
pub trait Listener: Send + Sync + 'static {
    /// What the provider is called in paths and in what is kept.
    fn provider(&self) -> &'static str;

    /// The header that carries its signature.
    fn signature_header(&self) -> &'static str;

    /// Whether the provider signed these bytes, and lately.
    ///
    /// # Errors
    /// [`SignatureError`] if not.
    fn check(&self, signature: &str, body: &[u8], now: DateTime<Utc>) -> Result<(), SignatureError>;

    /// What it is about; `None` if it is no notice of this provider.
    fn read(&self, body: &[u8]) -> Option<Hint>;
}

/// What a notice is about.
#[derive(Debug, Clone, PartialEq)]
pub struct Hint {
    /// The same in every copy and every attempt to deliver it.
    pub id: String,
    pub about: About,
}

#[derive(Debug, Clone, PartialEq)]
pub enum About {
    /// A charge, by the provider's reference.
    Reference(String),
    /// A charge as it was then: where all of it is known, the provider need not be asked.
    Charge(Box<Charge>),
    /// Nothing that moves money here.
    Nothing,
}

/// A notice as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub id: Uuid,
    pub provider: String,
    pub body: Vec<u8>,
    pub received_at: DateTime<Utc>,
}

/// How a notice stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, AsRefStr, EnumString)]
#[strum(serialize_all = "snake_case")]
pub enum Standing {
    /// It came, and nothing is known of it: a crash came in between, or it is being looked at.
    Received,
    /// Its signature does not hold.
    Refused,
    /// The same notice came before.
    Copy,
    /// It cannot be taken in yet: it is tried again.
    Waiting,
    /// All that follows from it is recorded.
    Taken,
    /// It is signed, and nothing here: a person may look.
    SetAside,
}

/// The notices could not be written or read.
#[derive(Debug, thiserror::Error)]
#[error("the notices cannot be written or read: {0}")]
pub struct NoBook(pub String);

/// Where notices are kept.
#[async_trait]
pub trait Notices: Send + Sync + 'static {
    /// Keeps one as it came.
    async fn keep(&self, notice: &Kept, signature: Option<&str>) -> Result<(), NoBook>;

    /// Says that it is signed, and what its provider calls it. Answers with how the first one of that name stands, if
    /// this is a copy.
    async fn name(&self, id: Uuid, name: &str) -> Result<Option<(Uuid, Standing)>, NoBook>;

    /// Says how it stands, why, and when it is to be tried again.
    async fn stand(
        &self,
        id: Uuid,
        standing: Standing,
        why: &str,
        again_at: Option<DateTime<Utc>>,
    ) -> Result<(), NoBook>;

    /// Those that are signed and to be tried again by now, the oldest first.
    async fn due(&self, now: DateTime<Utc>) -> Result<Vec<Kept>, NoBook>;

    /// Removes what needs no keeping any more: what was refused before `refused`, and what was taken before `taken`.
    async fn forget(&self, refused: DateTime<Utc>, taken: DateTime<Utc>) -> Result<(), NoBook>;
}
