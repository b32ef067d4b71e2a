//! Denial: what somebody tried and was not let do: to sign in, or something they lack the permission for.
//!
//! Its id is that of who tried ([`Who`]); sign-ins are recorded in the platform's workspace, permissions in the one
//! where they lack. Nothing follows from it but that it can be read.
//! A storm is a few events: each process records the first of a kind at once and counts the rest of the minute, which
//! are one event when it is over (`commands::identity::denial`). So an event has a count, and the time since when.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use strum::AsRefStr;

use crate::ids::{AccountId, ApiKeyId, NotAnId};
use crate::kernel::{Decider, Event, Kind, Refusal};
use crate::pii::Pii;
use crate::{personal, sourced};

personal! {
    /// The network address that an account was tried from.
    pub Origin = "identity.denial", "origin", Trace;
}

/// Who tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Who {
    Account(AccountId),
    Key(ApiKeyId),
    /// Who signs in to an account that there is not.
    Unknown,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(id) => id.fmt(f),
            Self::Key(id) => id.fmt(f),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

impl FromStr for Who {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        if text == "unknown" {
            return Ok(Self::Unknown);
        }
        text.parse().map(Self::Key).or_else(|_| text.parse().map(Self::Account))
    }
}

/// Why a sign-in was turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = DenialReason))]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// No such account, or none that may sign in.
    Account,
    Password,
    /// The code of the second factor.
    Code,
    /// Too many tries: the password was not looked at.
    Throttled,
}

/// What may be asked of denials.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum DenialCommand {
    Permission { scope: String, count: i64, since: DateTime<Utc> },
    SignIn { reason: Reason, count: i64, since: DateTime<Utc>, origin: Option<Pii<Origin>> },
}

/// What was denied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AsRefStr)]
#[serde(tag = "type")]
pub enum DenialEvent {
    PermissionDenied {
        scope: String,
        count: i64,
        since: DateTime<Utc>,
    },
    SignInDenied {
        reason: Reason,
        count: i64,
        since: DateTime<Utc>,
        /// Where the first of them came from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        origin: Option<Pii<Origin>>,
    },
}

/// Why a denial is not recorded.
#[derive(Debug, PartialEq, thiserror::Error, AsRefStr)]
#[strum(serialize_all = "snake_case")]
pub enum DenialRefusal {
    #[error("nothing was denied")]
    Nothing,
}

/// Denials: no rule needs to remember them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Denial {}

impl Decider for Denial {
    const NAME: &'static str = "identity.denial";
    type Id = Who;
    type Command = DenialCommand;
    type Event = DenialEvent;
    type Refusal = DenialRefusal;

    fn decide(&self, command: DenialCommand) -> Result<Vec<DenialEvent>, DenialRefusal> {
        use {DenialCommand as C, DenialEvent as E};
        match command {
            C::Permission { count, .. } | C::SignIn { count, .. } if count < 1 => Err(DenialRefusal::Nothing),
            C::Permission { scope, count, since } => Ok(vec![E::PermissionDenied { scope, count, since }]),
            C::SignIn { reason, count, since, origin } => {
                Ok(vec![E::SignInDenied { reason, count, since, origin }])
            }
        }
    }

    fn evolve(&mut self, _: DenialEvent) {}
}

impl Event for DenialEvent {}

impl Refusal for DenialRefusal {
    fn kind(&self) -> Kind {
        match self {
            Self::Nothing => Kind::Invalid,
        }
    }
}

sourced!(Denial, DenialEvent);

#[cfg(test)]
mod tests {
    use super::{DenialCommand as C, DenialEvent as E, *};
    use crate::kernel::given;

    const TEXT: &str = concat!(
        "pii1.kkkkkkkkkkkkkkkkkkkkkk.",
        "ccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    );

    fn since() -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000, 0).unwrap()
    }

    fn permission(count: i64) -> C {
        C::Permission { scope: "refund:approve".into(), count, since: since() }
    }

    fn sign_in(count: i64) -> C {
        C::SignIn { reason: Reason::Password, count, since: since(), origin: None }
    }

    #[test]
    fn is_recorded_with_how_often_it_was_tried() {
        let denied = E::PermissionDenied { scope: "refund:approve".into(), count: 3, since: since() };
        assert_eq!(given::<Denial>([]).when(permission(3)), Ok(vec![denied.clone()]));
        assert_eq!(given::<Denial>([denied.clone()]).when(permission(3)), Ok(vec![denied]));
        let denied = E::SignInDenied { reason: Reason::Password, count: 1, since: since(), origin: None };
        assert_eq!(given::<Denial>([]).when(sign_in(1)), Ok(vec![denied]));
    }

    #[test]
    fn what_did_not_happen_is_not_recorded() {
        for nothing in [permission(0), sign_in(0), sign_in(-1)] {
            assert_eq!(given::<Denial>([]).when(nothing), Err(DenialRefusal::Nothing));
        }
        assert_eq!(DenialRefusal::Nothing.kind(), Kind::Invalid);
        assert_eq!(DenialRefusal::Nothing.as_ref(), "nothing");
    }

    #[test]
    fn who_tried_is_known_by_its_text() {
        let id = uuid::Uuid::from_u128(7);
        let (account, key) = (AccountId::from_uuid(id), ApiKeyId::from_uuid(id));
        for who in [Who::Account(account), Who::Key(key), Who::Unknown] {
            assert_eq!(who.to_string().parse(), Ok(who));
        }
        assert!("ord_00000000000000000000000007".parse::<Who>().is_err());
    }

    #[test]
    fn its_events_on_disk() {
        let origin = Some(Pii::new(TEXT.parse().unwrap()));
        let tried = |reason, origin| E::SignInDenied { reason, count: 1, since: since(), origin };
        for (event, json) in [
            (
                E::PermissionDenied { scope: "refund:approve".into(), count: 3, since: since() },
                r#"{"type":"PermissionDenied","scope":"refund:approve","count":3,"since":"2023-11-14T22:13:20Z"}"#
                    .into(),
            ),
            (
                tried(Reason::Account, None),
                r#"{"type":"SignInDenied","reason":"account","count":1,"since":"2023-11-14T22:13:20Z"}"#.into(),
            ),
            (
                tried(Reason::Password, None),
                r#"{"type":"SignInDenied","reason":"password","count":1,"since":"2023-11-14T22:13:20Z"}"#.into(),
            ),
            (
                tried(Reason::Code, None),
                r#"{"type":"SignInDenied","reason":"code","count":1,"since":"2023-11-14T22:13:20Z"}"#.into(),
            ),
            (
                tried(Reason::Throttled, origin),
                format!(
                    r#"{{"type":"SignInDenied","reason":"throttled","count":1,"since":"2023-11-14T22:13:20Z","origin":"{TEXT}"}}"#
                ),
            ),
        ] {
            assert_eq!(serde_json::to_string(&event).unwrap(), json);
            assert_eq!(serde_json::from_str::<E>(&json).unwrap(), event);
        }
    }
}
