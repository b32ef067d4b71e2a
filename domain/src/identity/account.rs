//! Account: a person who may sign in, known by an e-mail address that they have shown to be theirs.
//!
//! Its streams lie in the platform's workspace (docs/adr/0011), since a person may act in several. The address is
//! sealed; that no two accounts have one is for the address itself to say. What is asked by mail is a challenge: its
//! token is made of its id by a key that no event holds, it is good once and for a while, and a newer one replaces it.
//! Asking again and again is answered like asking once, at pauses that double.
//! Sessions begin in the account's present epoch; whatever ends them all raises it, and may keep one.
//! Repeating a request that already took effect decides nothing. Closed and erased are for good.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use strum::AsRefStr;

use crate::ids::{AccountId, ChallengeId, SessionId};
use crate::kernel::{Decider, Event, Kind, Refusal};
use crate::locale::Locale;
use crate::pii::Pii;
use crate::{personal, sourced};

mod refusal;
#[cfg(test)]
mod tests;

pub use refusal::AccountRefusal;

personal! {
    /// Where an account gets its mail.
    pub Address = "identity.account", "address", Contact;
}

/// How long one may take to show that an address is one's own.
pub const VERIFY_WITHIN: TimeDelta = TimeDelta::hours(24);
/// How long both mailboxes may take to agree to a change of address.
pub const CHANGE_WITHIN: TimeDelta = TimeDelta::hours(1);
/// The pause before a second mail is sent; it doubles with each.
pub const PAUSE: TimeDelta = TimeDelta::minutes(1);

/// What may be asked of an account.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum AccountCommand {
    /// Begin one; mail goes to its address, and until that is answered nobody can sign in.
    Register {
        address: Pii<Address>,
        locale: Locale,
        challenge: ChallengeId,
        at: DateTime<Utc>,
    },
    /// Somebody registers with an address that has an account: who it belongs to is told by mail.
    RegisterAgain {
        challenge: ChallengeId,
        at: DateTime<Utc>,
    },
    /// The token of the mail was shown.
    Verify {
        challenge: ChallengeId,
        at: DateTime<Utc>,
    },
    /// Ask the old mailbox and the new one whether the address shall be changed.
    AskAddressChange {
        address: Pii<Address>,
        old: ChallengeId,
        new: ChallengeId,
        at: DateTime<Utc>,
    },
    /// The token of one of the two mails was shown; once both were, the address is changed.
    ConfirmAddressChange {
        challenge: ChallengeId,
        at: DateTime<Utc>,
    },
    /// End every session but perhaps one.
    EndSessions {
        reason: SessionsEnd,
        kept: Option<SessionId>,
    },
    /// Let them in no more, until they are reinstated.
    Suspend {
        reason: Suspicion,
    },
    Reinstate,
    /// End it, by its owner's wish.
    Close,
    /// Say that what is known of the person was destroyed.
    Erase,
}

/// Why all sessions of an account end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionsEnd {
    /// Its owner wanted to be signed out everywhere.
    Asked,
    PasswordChanged,
    TwoFactorChanged,
}

/// Why an account is suspended. No free text: it would be about a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Suspicion {
    Abuse,
    Fraud,
    /// Somebody else may have it.
    Takeover,
    /// Its owner, or a court, wanted it.
    Asked,
}

/// What has happened to an account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AsRefStr)]
#[serde(tag = "type")]
pub enum AccountEvent {
    Registered {
        address: Pii<Address>,
        locale: Locale,
        challenge: ChallengeId,
        expires_at: DateTime<Utc>,
    },
    VerificationAsked {
        challenge: ChallengeId,
        expires_at: DateTime<Utc>,
    },
    /// Somebody registered with its address, which is verified.
    RegisteredAgain {
        at: DateTime<Utc>,
    },
    Verified {
        challenge: ChallengeId,
    },
    AddressChangeAsked {
        address: Pii<Address>,
        old: ChallengeId,
        new: ChallengeId,
        expires_at: DateTime<Utc>,
    },
    AddressChangeConfirmed {
        challenge: ChallengeId,
    },
    AddressChanged {
        address: Pii<Address>,
    },
    SessionsEnded {
        reason: SessionsEnd,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kept: Option<SessionId>,
    },
    Suspended {
        reason: Suspicion,
    },
    Reinstated,
    Closed,
    Erased,
}

/// An account, as far as its rules need to remember it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Account {
    address: Option<Pii<Address>>,
    locale: Option<Locale>,
    verified: bool,
    verification: Option<Asked>,
    change: Option<Change>,
    /// When its owner was last told of somebody registering with the address, and how often.
    told: Option<(DateTime<Utc>, u32)>,
    epoch: i64,
    kept: Option<SessionId>,
    suspended: Option<Suspicion>,
    end: Option<End>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Asked {
    challenge: ChallengeId,
    expires_at: DateTime<Utc>,
    /// How often it was asked without an answer.
    nth: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Change {
    address: Pii<Address>,
    old: ChallengeId,
    new: ChallengeId,
    expires_at: DateTime<Utc>,
    nth: u32,
    confirmed: Option<ChallengeId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum End {
    Closed,
    Erased,
}

impl Account {
    /// Where it gets its mail, once it is registered.
    #[must_use]
    pub fn address(&self) -> Option<&Pii<Address>> {
        self.address.as_ref()
    }

    /// How its owner read when they registered.
    #[must_use]
    pub fn locale(&self) -> Option<&Locale> {
        self.locale.as_ref()
    }

    /// The address that this token, shown now, would complete a change to.
    #[must_use]
    pub fn changes_to(&self, challenge: ChallengeId) -> Option<&Pii<Address>> {
        let change = self.change.as_ref()?;
        let other = change.other(challenge)?;
        (change.confirmed == Some(other)).then_some(&change.address)
    }

    /// Whether this token, shown now, would show the address to be its owner's.
    #[must_use]
    pub fn awaits(&self, challenge: ChallengeId, at: DateTime<Utc>) -> bool {
        self.verification.as_ref().is_some_and(|asked| asked.challenge == challenge && at < asked.expires_at)
    }

    /// Whether its owner has shown the address to be theirs.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.verified
    }

    /// Whether one may sign in to it and act with it.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.verified && self.suspended.is_none() && self.end.is_none()
    }

    /// The epoch that sessions begin in.
    #[must_use]
    pub fn epoch(&self) -> i64 {
        self.epoch
    }

    /// The session that went on when the epoch began.
    #[must_use]
    pub fn kept(&self) -> Option<SessionId> {
        self.kept
    }

    /// Whether a session that began in this epoch goes on, as far as the account has a say in it.
    #[must_use]
    pub fn carries(&self, session: SessionId, epoch: i64) -> bool {
        self.is_active() && (self.epoch == epoch || self.kept == Some(session))
    }
}

/// Whether the `nth` mail of a sort was sent too short a while ago for another.
fn is_pausing(nth: u32, sent_at: DateTime<Utc>, at: DateTime<Utc>) -> bool {
    at < sent_at + PAUSE * 2i32.pow(nth.saturating_sub(1).min(10))
}

impl Change {
    fn other(&self, challenge: ChallengeId) -> Option<ChallengeId> {
        match challenge {
            one if one == self.old => Some(self.new),
            one if one == self.new => Some(self.old),
            _ => None,
        }
    }
}

impl Decider for Account {
    const NAME: &'static str = "identity.account";
    type Id = AccountId;
    type Command = AccountCommand;
    type Event = AccountEvent;
    type Refusal = AccountRefusal;

    fn decide(&self, command: AccountCommand) -> Result<Vec<AccountEvent>, AccountRefusal> {
        use {AccountCommand as C, AccountEvent as E, AccountRefusal as No};
        if self.address.is_none() {
            return match command {
                C::Register { address, locale, challenge, at } => {
                    Ok(vec![E::Registered { address, locale, challenge, expires_at: at + VERIFY_WITHIN }])
                }
                _ => Err(No::Unknown),
            };
        }
        match (self.end, command) {
            (_, C::Register { .. }) => Err(No::AlreadyRegistered),

            (Some(End::Erased), C::Erase) | (Some(End::Closed), C::Close) => Ok(vec![]),
            (_, C::Erase) => Ok(vec![E::Erased]),
            (Some(_), _) => Err(No::Closed),
            (None, C::Close) => Ok(vec![E::Closed]),

            (None, C::Suspend { reason }) if self.suspended == Some(reason) => Ok(vec![]),
            (None, C::Suspend { .. }) if self.suspended.is_some() => Err(No::AlreadySuspended),
            (None, C::Suspend { reason }) => Ok(vec![E::Suspended { reason }]),
            (None, C::Reinstate) if self.suspended.is_none() => Ok(vec![]),
            (None, C::Reinstate) => Ok(vec![E::Reinstated]),

            (None, C::RegisterAgain { challenge, at }) => Ok(self.register_again(challenge, at)),
            (None, C::EndSessions { reason, kept }) => Ok(vec![E::SessionsEnded { reason, kept }]),

            (None, _) if self.suspended.is_some() => Err(No::Suspended),

            (None, C::Verify { challenge, at }) if self.awaits(challenge, at) => {
                Ok(vec![E::Verified { challenge }])
            }
            (None, C::Verify { .. }) => Err(No::LinkSpent),

            (None, C::AskAddressChange { .. }) if !self.verified => Err(No::NotVerified),
            (None, C::AskAddressChange { address, old, new, at }) => match &self.change {
                Some(last) if is_pausing(last.nth, last.expires_at - CHANGE_WITHIN, at) => Err(No::TooSoon),
                _ => Ok(vec![E::AddressChangeAsked { address, old, new, expires_at: at + CHANGE_WITHIN }]),
            },
            (None, C::ConfirmAddressChange { challenge, at }) => self.confirm(challenge, at),
        }
    }

    fn evolve(&mut self, event: AccountEvent) {
        match event {
            AccountEvent::Registered { address, locale, challenge, expires_at } => {
                (self.address, self.locale) = (Some(address), Some(locale));
                self.verification = Some(Asked { challenge, expires_at, nth: 1 });
            }
            AccountEvent::VerificationAsked { challenge, expires_at } => {
                let nth = self.verification.as_ref().map_or(0, |last| last.nth) + 1;
                self.verification = Some(Asked { challenge, expires_at, nth });
            }
            AccountEvent::RegisteredAgain { at } => {
                self.told = Some((at, self.told.map_or(0, |(_, nth)| nth) + 1));
            }
            AccountEvent::Verified { .. } => (self.verified, self.verification) = (true, None),
            AccountEvent::AddressChangeAsked { address, old, new, expires_at } => {
                let nth = self.change.as_ref().map_or(0, |last| last.nth) + 1;
                self.change = Some(Change { address, old, new, expires_at, nth, confirmed: None });
            }
            AccountEvent::AddressChangeConfirmed { challenge } => {
                self.change.iter_mut().for_each(|change| change.confirmed = Some(challenge));
            }
            AccountEvent::AddressChanged { address } => {
                (self.address, self.change) = (Some(address), None);
            }
            AccountEvent::SessionsEnded { kept, .. } => self.end_sessions(kept),
            AccountEvent::Suspended { reason } => {
                self.suspended = Some(reason);
                self.end_sessions(None);
            }
            AccountEvent::Reinstated => self.suspended = None,
            AccountEvent::Closed => {
                self.end = Some(End::Closed);
                self.end_sessions(None);
            }
            AccountEvent::Erased => {
                self.end = Some(End::Erased);
                self.end_sessions(None);
            }
        }
    }
}

impl Account {
    fn register_again(&self, challenge: ChallengeId, at: DateTime<Utc>) -> Vec<AccountEvent> {
        match (&self.verification, self.told) {
            (Some(last), _) if is_pausing(last.nth, last.expires_at - VERIFY_WITHIN, at) => vec![],
            (Some(_), _) => {
                vec![AccountEvent::VerificationAsked { challenge, expires_at: at + VERIFY_WITHIN }]
            }
            (None, Some((last, nth))) if is_pausing(nth, last, at) => vec![],
            (None, _) => vec![AccountEvent::RegisteredAgain { at }],
        }
    }

    fn confirm(
        &self,
        challenge: ChallengeId,
        at: DateTime<Utc>,
    ) -> Result<Vec<AccountEvent>, AccountRefusal> {
        let spent = AccountRefusal::LinkSpent;
        let Some(change) = self.change.as_ref().filter(|change| at < change.expires_at) else {
            return Err(spent);
        };
        let other = change.other(challenge).ok_or(spent)?;
        let confirmed = AccountEvent::AddressChangeConfirmed { challenge };
        match change.confirmed {
            Some(before) if before == challenge => Ok(vec![]),
            Some(before) if before == other => {
                Ok(vec![confirmed, AccountEvent::AddressChanged { address: change.address.clone() }])
            }
            _ => Ok(vec![confirmed]),
        }
    }

    fn end_sessions(&mut self, kept: Option<SessionId>) {
        self.epoch += 1;
        self.kept = kept;
    }
}

impl Event for AccountEvent {}

sourced!(Account, AccountEvent);
