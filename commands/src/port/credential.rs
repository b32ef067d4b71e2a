//! Credentials: the port to what people are checked by, which lies apart from the log (docs/adr/0023).
//!
//! What is kept is sealed. It is kept before the event that names it; a crash between the two leaves what nothing names.

use async_trait::async_trait;
use domain::ids::{AccountId, CredentialId};
use domain::pii::Sealed;

use crate::error::Error;

#[cfg(any(test, feature = "testing"))]
pub mod fake;

/// Keeps what people are checked by.
#[async_trait]
pub trait Credentials: Send + Sync + 'static {
    /// Keeps one, of this person. A repeat changes nothing.
    async fn keep(&self, id: CredentialId, of: AccountId, sealed: &Sealed) -> Result<(), NotKept>;

    async fn find(&self, id: CredentialId) -> Result<Option<Sealed>, NotKept>;

    /// Drops one, if it is there.
    async fn discard(&self, id: CredentialId) -> Result<(), NotKept>;

    /// Drops all of a person's.
    async fn discard_all(&self, of: AccountId) -> Result<(), NotKept>;
}

/// Credentials can be neither kept nor read now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("credentials cannot be had now: {0}")]
pub struct NotKept(pub String);

impl From<NotKept> for Error {
    fn from(error: NotKept) -> Self {
        Self::unavailable(error)
    }
}
