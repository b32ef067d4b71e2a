//! Errors: the ways a command comes to nothing.

use domain::kernel::{Kind, Refusal};
use serde::{Deserialize, Serialize};

use crate::fault::Fault;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a command came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The capability said no. Remembered with the command: a repeat gets the same no.
    #[error("{0}")]
    Refused(Refused),
    /// Others changed the same streams again and again; asking once more may do.
    #[error("the {what} was changed meanwhile (it is at version {current}); load it again and repeat")]
    Conflict { what: &'static str, current: i64 },
    /// The version the client expected (`If-Match`) is not the present one.
    #[error("the {what} is at version {current}, not {expected}")]
    Stale { what: &'static str, expected: i64, current: i64 },
    /// The command's id was used before, with another request.
    #[error("this idempotency key was used before with another request")]
    KeyReused,
    /// The actor may not do this.
    #[error("this needs the scope {0}")]
    Forbidden(String),
    /// Only a person may do this.
    #[error("only a person who is signed in may do this, and no program")]
    PeopleOnly,
    /// Its operator has suspended the workspace.
    #[error("the workspace is suspended: it can be read, and takes no commands until it is resumed")]
    Suspended,
    /// Who asks has not shown who they are.
    #[error("{0}")]
    Unauthenticated(#[from] NotYou),
    /// What was shown is not enough: there is a second factor.
    #[error("a code of your authenticator app, or a recovery code, is needed as well")]
    SecondFactorRequired,
    /// Who asks was wrong too often.
    #[error("this was tried too often; wait a while")]
    TooMany { wait: chrono::TimeDelta },
    /// More wait for the same already than are let wait. Nothing was done.
    #[error("too many ask for this at the moment")]
    Busy,
    /// What it depends on does not answer. Nothing is known to have been done; repeat with the same key.
    #[error("the event store does not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The same again would fail again: what was decided cannot be stored, or what is stored cannot be read.
    #[error("a mistake of ours: what is stored cannot be read, or what was decided not be stored")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Why somebody is not taken for who they say they are. What exactly was wrong is nobody's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotYou {
    #[error("address and password do not belong together, or the account cannot be used")]
    SignIn,
    #[error("the session is over; sign in again")]
    Session,
    #[error("this is not the present password")]
    Password,
    #[error("this is no code that is good now")]
    Code,
}

impl Error {
    pub fn unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unavailable(source.into())
    }

    pub fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(source.into())
    }

    /// [`Error::Internal`] or [`Error::Unavailable`], as the failure's class says.
    pub fn failed(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let source = source.into();
        if Fault::of(&*source).is_permanent() { Self::Internal(source) } else { Self::Unavailable(source) }
    }

    /// Others have changed an aggregate of this type (`commerce.order`).
    pub(crate) fn conflict(aggregate_type: &'static str, current: i64) -> Self {
        Self::Conflict { what: capability(aggregate_type), current }
    }
}

/// The second half of an aggregate's type: `order` of `commerce.order`.
pub(crate) fn capability(aggregate_type: &str) -> &str {
    aggregate_type.split_once('.').map_or(aggregate_type, |(_, capability)| capability)
}

impl From<sqlx::Error> for Error {
    fn from(source: sqlx::Error) -> Self {
        Self::failed(source)
    }
}

/// A refusal as it leaves the domain, and as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refused {
    pub kind: Kind,
    /// `<capability>/<snake_case>`, e.g. `order/not_paid`.
    pub code: String,
    pub message: String,
    /// Whether this is the stored answer to an earlier request with the same key.
    #[serde(skip)]
    pub replayed: bool,
}

impl Refused {
    /// A refusal of the capability `name` (`commerce.order`).
    pub fn by(name: &str, refusal: &impl Refusal) -> Self {
        Self {
            kind: refusal.kind(),
            code: format!("{}/{}", capability(name), refusal.as_ref()),
            message: refusal.to_string(),
            replayed: false,
        }
    }
}
