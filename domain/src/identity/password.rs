//! Password: that an account has one, and how it came to have another.
//!
//! Its id is the account's. What a password is checked by never stands in an event: a credential is kept in the vault
//! before the event that names it, and goes when another takes its place (docs/adr/0023).
//! A reset is asked by mail: a challenge that is good once and for ten minutes; a newer one replaces it. Asking again
//! and again is answered like asking once, at pauses that double.
//! Repeating a request that already took effect decides nothing.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use strum::AsRefStr;

use crate::ids::{AccountId, ChallengeId, CredentialId};
use crate::kernel::{Decider, Event, Kind, Refusal};
use crate::sourced;

/// How long one may take to set another password.
pub const RESET_WITHIN: TimeDelta = TimeDelta::minutes(10);
/// The pause before a second mail is sent; it doubles with each.
pub const PAUSE: TimeDelta = TimeDelta::minutes(1);

/// What may be asked of a password.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum PasswordCommand {
    /// Have a first one.
    Set { credential: CredentialId },
    /// Have another, known to who knew the last one.
    Change { credential: CredentialId },
    /// Send a link for setting another: the last one is forgotten.
    AskReset { challenge: ChallengeId, at: DateTime<Utc> },
    /// Have another: the link's token was shown.
    Reset { challenge: ChallengeId, credential: CredentialId, at: DateTime<Utc> },
}

/// What has happened to a password.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AsRefStr)]
#[serde(tag = "type")]
pub enum PasswordEvent {
    Set {
        credential: CredentialId,
    },
    Changed {
        credential: CredentialId,
        replaced: CredentialId,
    },
    ResetAsked {
        challenge: ChallengeId,
        expires_at: DateTime<Utc>,
    },
    Reset {
        challenge: ChallengeId,
        credential: CredentialId,
        /// None for an account that had none yet.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        replaced: Option<CredentialId>,
    },
}

/// Why a password says no.
#[derive(Debug, PartialEq, thiserror::Error, AsRefStr)]
#[strum(serialize_all = "snake_case")]
pub enum PasswordRefusal {
    #[error("the account has no password")]
    Unknown,
    #[error("the account has a password; change it")]
    AlreadySet,
    #[error("this link was used, replaced by a newer one or has expired; ask for a new one")]
    LinkSpent,
}

/// A password, as far as its rules need to remember it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Password {
    credential: Option<CredentialId>,
    asked: Option<Asked>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Asked {
    challenge: ChallengeId,
    expires_at: DateTime<Utc>,
    /// How often it was asked without an answer.
    nth: u32,
}

impl Password {
    /// What it is checked by.
    #[must_use]
    pub fn credential(&self) -> Option<CredentialId> {
        self.credential
    }

    /// Whether this token, shown now, would set another.
    #[must_use]
    pub fn awaits(&self, challenge: ChallengeId, at: DateTime<Utc>) -> bool {
        self.asked.as_ref().is_some_and(|asked| asked.challenge == challenge && at < asked.expires_at)
    }
}

impl Decider for Password {
    const NAME: &'static str = "identity.password";
    type Id = AccountId;
    type Command = PasswordCommand;
    type Event = PasswordEvent;
    type Refusal = PasswordRefusal;

    fn decide(&self, command: PasswordCommand) -> Result<Vec<PasswordEvent>, PasswordRefusal> {
        use {PasswordCommand as C, PasswordEvent as E, PasswordRefusal as No};
        match (self.credential, command) {
            (None, C::Set { credential }) => Ok(vec![E::Set { credential }]),
            (Some(present), C::Set { credential }) if present == credential => Ok(vec![]),
            (Some(_), C::Set { .. }) => Err(No::AlreadySet),

            (None, C::Change { .. }) => Err(No::Unknown),
            (Some(present), C::Change { credential }) if present == credential => Ok(vec![]),
            (Some(replaced), C::Change { credential }) => Ok(vec![E::Changed { credential, replaced }]),

            (_, C::AskReset { challenge, at }) => match &self.asked {
                Some(last) if last.is_pausing(at) => Ok(vec![]),
                _ => Ok(vec![E::ResetAsked { challenge, expires_at: at + RESET_WITHIN }]),
            },
            (replaced, C::Reset { challenge, credential, at }) if self.awaits(challenge, at) => {
                Ok(vec![E::Reset { challenge, credential, replaced }])
            }
            (_, C::Reset { .. }) => Err(No::LinkSpent),
        }
    }

    fn evolve(&mut self, event: PasswordEvent) {
        match event {
            PasswordEvent::Set { credential } => self.credential = Some(credential),
            // Whoever asked for a link before the change shall not undo it.
            PasswordEvent::Changed { credential, .. } | PasswordEvent::Reset { credential, .. } => {
                (self.credential, self.asked) = (Some(credential), None);
            }
            PasswordEvent::ResetAsked { challenge, expires_at } => {
                let nth = self.asked.as_ref().map_or(0, |last| last.nth) + 1;
                self.asked = Some(Asked { challenge, expires_at, nth });
            }
        }
    }
}

impl Asked {
    fn is_pausing(&self, at: DateTime<Utc>) -> bool {
        at < self.expires_at - RESET_WITHIN + PAUSE * 2i32.pow(self.nth.saturating_sub(1).min(10))
    }
}

impl Event for PasswordEvent {}

impl Refusal for PasswordRefusal {
    fn kind(&self) -> Kind {
        match self {
            Self::Unknown => Kind::Missing,
            Self::AlreadySet => Kind::Conflict,
            Self::LinkSpent => Kind::Gone,
        }
    }
}

sourced!(Password, PasswordEvent);

#[cfg(test)]
mod tests {
    use super::{PasswordCommand as C, PasswordEvent as E, PasswordRefusal as No, *};
    use crate::kernel::{Given, given};
    use uuid::Uuid;

    const FIRST: CredentialId = CredentialId::from_uuid(Uuid::from_u128(1));
    const SECOND: CredentialId = CredentialId::from_uuid(Uuid::from_u128(2));
    const LINK: ChallengeId = ChallengeId::from_uuid(Uuid::from_u128(3));
    const NEWER: ChallengeId = ChallengeId::from_uuid(Uuid::from_u128(4));

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
    }

    fn set() -> E {
        E::Set { credential: FIRST }
    }

    fn asked() -> E {
        E::ResetAsked { challenge: LINK, expires_at: at(600) }
    }

    fn forgotten() -> Given<Password> {
        given([set(), asked()])
    }

    fn ask(challenge: ChallengeId, second: i64) -> C {
        C::AskReset { challenge, at: at(second) }
    }

    fn reset(challenge: ChallengeId, second: i64) -> C {
        C::Reset { challenge, credential: SECOND, at: at(second) }
    }

    fn change(credential: CredentialId) -> C {
        C::Change { credential }
    }

    #[test]
    fn is_set_once() {
        assert_eq!(given::<Password>([]).when(C::Set { credential: FIRST }), Ok(vec![set()]));
        let first = given::<Password>([set()]);
        assert_eq!(first.0.credential(), Some(FIRST));
        assert_eq!(first.when(C::Set { credential: FIRST }), Ok(vec![]));
        assert_eq!(first.when(C::Set { credential: SECOND }), Err(No::AlreadySet));
    }

    #[test]
    fn is_changed_to_another_and_says_what_it_replaces() {
        let changed = E::Changed { credential: SECOND, replaced: FIRST };
        assert_eq!(given::<Password>([set()]).when(change(SECOND)), Ok(vec![changed]));
        assert_eq!(given::<Password>([set()]).when(change(FIRST)), Ok(vec![]));
        assert_eq!(given::<Password>([]).when(change(FIRST)), Err(No::Unknown));
        assert_eq!(given::<Password>([set()]).and(change(SECOND)).0.credential(), Some(SECOND));
    }

    #[test]
    fn a_link_sets_another_once_and_within_ten_minutes() {
        let reset_to = E::Reset { challenge: LINK, credential: SECOND, replaced: Some(FIRST) };
        assert_eq!(forgotten().when(reset(LINK, 599)), Ok(vec![reset_to]));
        assert_eq!(forgotten().when(reset(LINK, 600)), Err(No::LinkSpent));
        assert_eq!(forgotten().when(reset(NEWER, 1)), Err(No::LinkSpent));
        let done = forgotten().and(reset(LINK, 1));
        assert_eq!(done.0.credential(), Some(SECOND));
        assert_eq!(done.when(reset(LINK, 2)), Err(No::LinkSpent));
        assert_eq!(given::<Password>([set()]).when(reset(LINK, 1)), Err(No::LinkSpent));
    }

    #[test]
    fn an_account_without_a_password_gets_one_the_same_way() {
        let first = given::<Password>([asked()]);
        let reset_to = E::Reset { challenge: LINK, credential: SECOND, replaced: None };
        assert_eq!(first.when(reset(LINK, 1)), Ok(vec![reset_to]));
    }

    #[test]
    fn a_change_spends_the_link_that_was_asked_before() {
        assert_eq!(forgotten().and(change(SECOND)).when(reset(LINK, 1)), Err(No::LinkSpent));
    }

    #[test]
    fn links_are_sent_at_pauses_that_double() {
        assert_eq!(given::<Password>([set()]).when(ask(LINK, 0)), Ok(vec![asked()]));
        assert_eq!(forgotten().when(ask(NEWER, 59)), Ok(vec![]));
        let newer = E::ResetAsked { challenge: NEWER, expires_at: at(660) };
        assert_eq!(forgotten().when(ask(NEWER, 60)), Ok(vec![newer]));
        let twice = forgotten().and(ask(NEWER, 60));
        assert_eq!(twice.when(reset(LINK, 61)), Err(No::LinkSpent));
        assert_eq!(twice.when(ask(LINK, 179)), Ok(vec![]));
        assert_eq!(twice.when(ask(LINK, 180)).map(|events| events.len()), Ok(1));
        let often = (0..50).map(|n| E::ResetAsked { challenge: LINK, expires_at: at(600 + n) });
        assert_eq!(given::<Password>(often.chain([])).when(ask(NEWER, 49 + 61_440)).map(|e| e.len()), Ok(1));
    }

    #[test]
    fn says_what_sort_of_no_it_is() {
        assert_eq!((No::Unknown.kind(), No::Unknown.as_ref()), (Kind::Missing, "unknown"));
        assert_eq!((No::AlreadySet.kind(), No::LinkSpent.kind()), (Kind::Conflict, Kind::Gone));
    }

    #[test]
    fn its_events_on_disk() {
        for (event, json) in [
            (set(), r#"{"type":"Set","credential":"cred_00000000000000000000000001"}"#),
            (
                E::Changed { credential: SECOND, replaced: FIRST },
                r#"{"type":"Changed","credential":"cred_00000000000000000000000002","replaced":"cred_00000000000000000000000001"}"#,
            ),
            (
                asked(),
                r#"{"type":"ResetAsked","challenge":"chl_00000000000000000000000003","expires_at":"2023-11-14T22:23:20Z"}"#,
            ),
            (
                E::Reset { challenge: LINK, credential: SECOND, replaced: Some(FIRST) },
                r#"{"type":"Reset","challenge":"chl_00000000000000000000000003","credential":"cred_00000000000000000000000002","replaced":"cred_00000000000000000000000001"}"#,
            ),
            (
                E::Reset { challenge: LINK, credential: SECOND, replaced: None },
                r#"{"type":"Reset","challenge":"chl_00000000000000000000000003","credential":"cred_00000000000000000000000002"}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&event).unwrap(), json);
            assert_eq!(serde_json::from_str::<E>(json).unwrap(), event);
        }
    }
}
