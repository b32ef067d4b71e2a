//! Session: a sign-in that is kept alive by refresh tokens, each good once.
//!
//! A refresh token names its session and its generation and is signed: nothing of it is stored. Showing the present
//! one makes the next; showing the last one again within ten seconds gives the same next one, since its answer may
//! have been lost. Showing an older one means that two hold it, and ends the session for both.
//! It ends after thirty days, or seven without a refresh. What ends all sessions of an account is the account's to say.
//! Its streams lie in the platform's workspace. Repeating a request that already took effect decides nothing.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use strum::AsRefStr;

use crate::ids::{AccountId, SessionId, WorkspaceId};
use crate::kernel::{Decider, Event, Kind, Refusal};
use crate::pii::Pii;
use crate::{personal, sourced};

#[cfg(test)]
mod tests;

personal! {
    /// What a person signed in with, as it calls itself.
    pub Device = "identity.session", "device", Trace;
    /// The network address that a person signed in from.
    pub Origin = "identity.session", "origin", Trace;
}

/// How long a session may last.
pub const LASTS: TimeDelta = TimeDelta::days(30);
/// How long a session lasts without being refreshed.
pub const IDLES: TimeDelta = TimeDelta::days(7);
/// How long the last token may be shown again, for an answer that was lost.
pub const REPEATS: TimeDelta = TimeDelta::seconds(10);

/// How a person has shown who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = SignInMethod))]
#[serde(rename_all = "snake_case")]
pub enum Method {
    Password,
    Totp,
    RecoveryCode,
}

/// What a session begins with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Beginning {
    pub account: AccountId,
    /// The account's epoch.
    pub epoch: i64,
    pub methods: BTreeSet<Method>,
    pub at: DateTime<Utc>,
    /// Where the person means to act.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<WorkspaceId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Pii<Device>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Pii<Origin>>,
}

/// What may be asked of a session.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum SessionCommand {
    Start(Beginning),
    /// The refresh token of this generation was shown.
    Refresh {
        generation: i64,
        at: DateTime<Utc>,
    },
    /// Who they are was shown once more.
    StepUp {
        methods: BTreeSet<Method>,
        at: DateTime<Utc>,
    },
    /// Act in another workspace from now on.
    Switch {
        workspace: WorkspaceId,
    },
    SignOut,
    /// End it from elsewhere.
    Revoke,
}

/// What has happened to a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AsRefStr)]
#[serde(tag = "type")]
pub enum SessionEvent {
    Started(Beginning),
    Refreshed {
        account: AccountId,
        /// Of the token that is good from now on.
        generation: i64,
        at: DateTime<Utc>,
    },
    SteppedUp {
        account: AccountId,
        methods: BTreeSet<Method>,
        at: DateTime<Utc>,
    },
    Switched {
        account: AccountId,
        workspace: WorkspaceId,
    },
    /// A token was shown that had been replaced: the session is over.
    ReuseDetected {
        account: AccountId,
        generation: i64,
    },
    SignedOut {
        account: AccountId,
    },
    Revoked {
        account: AccountId,
    },
}

/// Why a session says no.
#[derive(Debug, PartialEq, thiserror::Error, AsRefStr)]
#[strum(serialize_all = "snake_case")]
pub enum SessionRefusal {
    #[error("no such session")]
    Unknown,
    #[error("this session was started otherwise")]
    AlreadyStarted,
    #[error("the session is over; sign in again")]
    Ended,
}

/// A session, as far as its rules need to remember it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Session {
    begun: Option<Beginning>,
    generation: i64,
    refreshed_at: DateTime<Utc>,
    /// The last step up.
    stepped_up: Option<(BTreeSet<Method>, DateTime<Utc>)>,
    /// The last switch.
    workspace: Option<WorkspaceId>,
    ended: bool,
}

impl Session {
    /// What it began with.
    #[must_use]
    pub fn begun(&self) -> Option<&Beginning> {
        self.begun.as_ref()
    }

    /// The generation of the refresh token that is good now.
    #[must_use]
    pub fn generation(&self) -> i64 {
        self.generation
    }

    /// Where the person acts.
    #[must_use]
    pub fn workspace(&self) -> Option<WorkspaceId> {
        self.workspace.or(self.begun.as_ref()?.workspace)
    }

    /// How and when the person last showed who they are.
    #[must_use]
    pub fn authenticated(&self) -> Option<(&BTreeSet<Method>, DateTime<Utc>)> {
        let begun = self.begun.as_ref().map(|begun| (&begun.methods, begun.at));
        self.stepped_up.as_ref().map(|(methods, at)| (methods, *at)).or(begun)
    }

    /// Whether the person has shown a second factor in it.
    #[must_use]
    pub fn has_second_factor(&self) -> bool {
        let stepped_up = self.stepped_up.iter().flat_map(|(methods, _)| methods);
        let begun = self.begun.iter().flat_map(|begun| &begun.methods);
        begun.chain(stepped_up).any(|method| *method != Method::Password)
    }

    /// When it ends, if it is not refreshed before; none if it is over or never was.
    #[must_use]
    pub fn ends_at(&self) -> Option<DateTime<Utc>> {
        let begun = self.begun.as_ref().filter(|_| !self.ended)?;
        Some((self.refreshed_at + IDLES).min(begun.at + LASTS))
    }

    fn is_repeat(&self, generation: i64, at: DateTime<Utc>) -> bool {
        generation >= 0 && generation == self.generation - 1 && at < self.refreshed_at + REPEATS
    }
}

impl Decider for Session {
    const NAME: &'static str = "identity.session";
    type Id = SessionId;
    type Command = SessionCommand;
    type Event = SessionEvent;
    type Refusal = SessionRefusal;

    fn decide(&self, command: SessionCommand) -> Result<Vec<SessionEvent>, SessionRefusal> {
        use {SessionCommand as C, SessionEvent as E, SessionRefusal as No};
        let Some(begun) = &self.begun else {
            return match command {
                C::Start(beginning) => Ok(vec![E::Started(beginning)]),
                _ => Err(No::Unknown),
            };
        };
        let account = begun.account;
        match command {
            C::Start(beginning) if beginning == *begun => Ok(vec![]),
            C::Start(_) => Err(No::AlreadyStarted),

            C::SignOut | C::Revoke if self.ended => Ok(vec![]),
            C::SignOut => Ok(vec![E::SignedOut { account }]),
            C::Revoke => Ok(vec![E::Revoked { account }]),

            _ if self.ended => Err(No::Ended),

            C::Refresh { at, .. } if self.ends_at().is_none_or(|end| at >= end) => Err(No::Ended),
            C::Refresh { generation, at } if generation == self.generation => {
                Ok(vec![E::Refreshed { account, generation: generation + 1, at }])
            }
            C::Refresh { generation, at } if self.is_repeat(generation, at) => Ok(vec![]),
            // One that was never given out: whoever signed it, it is none of this session's.
            C::Refresh { generation, .. } if !(0..self.generation).contains(&generation) => Err(No::Unknown),
            C::Refresh { generation, .. } => Ok(vec![E::ReuseDetected { account, generation }]),

            C::StepUp { methods, at } => Ok(vec![E::SteppedUp { account, methods, at }]),

            C::Switch { workspace } if self.workspace() == Some(workspace) => Ok(vec![]),
            C::Switch { workspace } => Ok(vec![E::Switched { account, workspace }]),
        }
    }

    fn evolve(&mut self, event: SessionEvent) {
        match event {
            SessionEvent::Started(beginning) => {
                self.refreshed_at = beginning.at;
                self.begun = Some(beginning);
            }
            SessionEvent::Refreshed { generation, at, .. } => {
                (self.generation, self.refreshed_at) = (generation, at);
            }
            SessionEvent::SteppedUp { methods, at, .. } => self.stepped_up = Some((methods, at)),
            SessionEvent::Switched { workspace, .. } => self.workspace = Some(workspace),
            SessionEvent::ReuseDetected { .. }
            | SessionEvent::SignedOut { .. }
            | SessionEvent::Revoked { .. } => self.ended = true,
        }
    }
}

impl Event for SessionEvent {}

impl Refusal for SessionRefusal {
    fn kind(&self) -> Kind {
        match self {
            Self::Unknown => Kind::Missing,
            Self::AlreadyStarted | Self::Ended => Kind::Conflict,
        }
    }
}

sourced!(Session, SessionEvent);
