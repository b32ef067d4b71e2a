//! Vault: the port to the keys of personal data (docs/adr/0017).
//!
//! Commands seal before they decide; whoever shows something to a person opens what stands in read models. Nothing
//! else touches the vault, and an event without personal data never does.

use std::collections::BTreeSet;

use async_trait::async_trait;
use domain::identity::subject::{Subject, SubjectRefusal};
use domain::ids::WorkspaceId;
use domain::kernel::{Decider, Kind};
use domain::pii::{Class, Field, LONGEST, Lookup, Opened, Pii, Place, Sealed, Whose};

use crate::context::Context;
use crate::error::{Error, Refused, Result};

#[cfg(any(test, feature = "testing"))]
pub mod fake;

/// Keeps the keys: seals with them, opens with them, and destroys them.
#[async_trait]
pub trait Vault: Send + Sync + 'static {
    /// Encrypts a text for one place. A person who has no key of that class gets one.
    async fn seal(&self, whose: &Whose, place: Place, text: &str) -> Result<Sealed, VaultError>;

    /// Opens many at once; the answers are in the order of the asks.
    async fn open(&self, asks: &[Ask]) -> Vec<Opened>;

    /// A keyed hash of a text: the same for the same text, index and workspace. Without the vault's key nobody can
    /// make it, so it may also serve as a secret that is known again, and to hash what must not be guessed.
    async fn lookup(&self, workspace: WorkspaceId, index: &str, text: &str) -> Result<Lookup, VaultError>;

    /// Destroys a person's keys of these classes, and remembers that it did. Repeatable; from then on nothing of theirs
    /// opens, and nothing new is sealed.
    async fn destroy(&self, whose: &Whose, classes: &BTreeSet<Class>) -> Result<(), VaultError>;
}

/// Something to be opened: whose it must be, and for which place it must have been sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    pub whose: Whose,
    pub place: Place,
    pub sealed: Sealed,
}

impl Ask {
    #[must_use]
    pub fn of<F: Field>(whose: &Whose, value: &Pii<F>) -> Self {
        Self { whose: whose.clone(), place: Place::of::<F>(), sealed: value.sealed().clone() }
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// This person's data was erased; nothing more is written about them.
    #[error("this person's data was erased")]
    Erased,
    #[error("what is sealed has at most {LONGEST} bytes")]
    TooLong,
    #[error("the vault does not answer: {0}")]
    Unavailable(String),
}

impl From<VaultError> for Error {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Erased => Self::Refused(Refused::by(Subject::NAME, &SubjectRefusal::Erased)),
            VaultError::TooLong => Self::Refused(Refused {
                kind: Kind::Invalid,
                code: "personal-data-too-long".to_owned(),
                message: error.to_string(),
                replayed: false,
            }),
            VaultError::Unavailable(_) => Self::unavailable(error),
        }
    }
}

/// Seals a text for a field: what a command does before it decides.
///
/// # Errors
/// [`Error::Refused`] if the person's data was erased, [`Error::Unavailable`].
pub async fn seal<F: Field>(vault: &dyn Vault, whose: &Whose, text: &str) -> Result<Pii<F>> {
    Ok(Pii::new(vault.seal(whose, Place::of::<F>(), text).await?))
}

/// Opens for whoever asks, if they have the scope; to all others it is [`Opened::Denied`], and the vault is not asked.
pub async fn open(cx: &Context, vault: &dyn Vault, scope: &str, asks: &[Ask]) -> Vec<Opened> {
    if asks.is_empty() || !cx.may(scope) {
        return vec![Opened::Denied; asks.len()];
    }
    vault.open(asks).await
}
