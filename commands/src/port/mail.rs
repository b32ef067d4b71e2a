//! Mail: the port to whoever carries messages to people.
//!
//! A message cannot be taken back and its carrier knows no key of idempotency, so a note is made before it is handed
//! over and after ([`HandOvers`]), and what stands between the two notes is never sent again: it may have arrived.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use strum::{AsRefStr, EnumString};
use uuid::Uuid;

#[cfg(any(test, feature = "testing"))]
pub mod fake;
pub mod template;

/// Carries messages.
#[async_trait]
pub trait Mailer: Send + Sync + 'static {
    /// Hands one message over: once this is done it is the carrier's to deliver.
    async fn hand_over(&self, message: &Message) -> Result<(), MailError>;
}

/// What a person reads mail in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, AsRefStr, EnumString)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Language {
    #[default]
    En,
    De,
}

/// A message to one person.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Its id, also in its header `Message-ID`: made of the event that it follows from.
    pub id: Uuid,
    pub to: String,
    pub language: Language,
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// Never what it says, or to whom.
impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Message")
            .field("id", &self.id)
            .field("language", &self.language)
            .finish_non_exhaustive()
    }
}

/// Why a message was not handed over, by what is certain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// It was begun and no answer came: it may be on its way.
    #[error("the mail server gave no answer: {0}")]
    Unknown(String),
    /// It was not taken, and may be later.
    #[error("the mail server does not take it now: {0}")]
    Unavailable(String),
    /// It was not taken, and never will be.
    #[error("the mail server refuses it: {0}")]
    Rejected(String),
}

/// Remembers which messages were handed over.
#[async_trait]
pub trait HandOvers: Send + Sync + 'static {
    /// Notes that this message is about to be handed over; or says what was noted before.
    async fn begin(&self, message: Uuid) -> Result<Noted, NoNote>;

    /// Notes what came of it.
    async fn end(&self, message: Uuid, came: Delivery) -> Result<(), NoNote>;

    /// Nothing came of it: it may begin again.
    async fn forget(&self, message: Uuid) -> Result<(), NoNote>;
}

/// What is noted of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noted {
    /// Nothing before: it has begun now.
    Begun,
    /// It had begun before, and nobody knows how it went.
    Interrupted,
    Ended(Delivery),
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, AsRefStr, EnumString)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Delivery {
    /// The carrier has it.
    HandedOver,
    /// The carrier does not want it.
    Rejected,
    /// It may have arrived. It is not sent again.
    Unknown,
}

/// Notes can be neither made nor read now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("what was handed over cannot be noted: {0}")]
pub struct NoNote(pub String);

/// It was not handed over, for certain, and may be tried again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the message waits: {0}")]
pub struct NotYet(pub String);

/// Hands a message over, at most once however often this is called with its id: what an effect does.
///
/// # Errors
/// [`NotYet`]: call again later.
pub async fn hand_over_once(
    mailer: &dyn Mailer,
    notes: &dyn HandOvers,
    message: &Message,
) -> Result<Delivery, NotYet> {
    let not_yet = |no_note: NoNote| NotYet(no_note.to_string());
    match notes.begin(message.id).await.map_err(not_yet)? {
        Noted::Begun => {}
        Noted::Ended(came) => return Ok(came),
        Noted::Interrupted => {
            tracing::warn!(message.id = %message.id, "nobody knows whether this message was sent; it is not sent again");
            notes.end(message.id, Delivery::Unknown).await.map_err(not_yet)?;
            return Ok(Delivery::Unknown);
        }
    }
    failpoint::failpoint!("mail.before_hand_over");
    let came = match mailer.hand_over(message).await {
        Ok(()) => Delivery::HandedOver,
        Err(MailError::Unavailable(why)) => {
            notes.forget(message.id).await.map_err(not_yet)?;
            return Err(NotYet(why));
        }
        Err(MailError::Rejected(why)) => {
            tracing::warn!(message.id = %message.id, why, "the mail server refuses a message");
            Delivery::Rejected
        }
        Err(MailError::Unknown(why)) => {
            tracing::warn!(message.id = %message.id, why, "nobody knows whether this message was sent; it is not sent again");
            Delivery::Unknown
        }
    };
    failpoint::failpoint!("mail.after_hand_over");
    // It is out: if that cannot be noted now, the next call finds it interrupted.
    if let Err(no_note) = notes.end(message.id, came).await {
        tracing::warn!(message.id = %message.id, error = %no_note, "what became of a message is not noted");
    }
    Ok(came)
}

#[cfg(test)]
mod tests;
