//! Why an account says no.

use super::{AsRefStr, Kind, Refusal};

/// Why an account says no.
#[derive(Debug, PartialEq, thiserror::Error, AsRefStr)]
#[strum(serialize_all = "snake_case")]
pub enum AccountRefusal {
    #[error("no such account")]
    Unknown,
    #[error("this account was registered before")]
    AlreadyRegistered,
    #[error("the account's address is not verified")]
    NotVerified,
    #[error("this link was used, replaced by a newer one or has expired; ask for a new one")]
    LinkSpent,
    #[error("mail was sent a moment ago; look for it, or ask again later")]
    TooSoon,
    #[error("the account is suspended")]
    Suspended,
    #[error("the account is already suspended for another reason")]
    AlreadySuspended,
    #[error("the account was closed")]
    Closed,
}

impl Refusal for AccountRefusal {
    fn kind(&self) -> Kind {
        match self {
            Self::Unknown => Kind::Missing,
            Self::LinkSpent => Kind::Gone,
            Self::AlreadyRegistered
            | Self::NotVerified
            | Self::TooSoon
            | Self::Suspended
            | Self::AlreadySuspended
            | Self::Closed => Kind::Conflict,
        }
    }
}
