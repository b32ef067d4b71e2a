//! Role: a set of permissions that a workspace made for itself.
//!
//! It allows nothing that no built-in role allows (`permission::GRANTS`), and never to give the workspace away. Once
//! it is retired, whoever has it may do nothing by it. Repeating a request that already took effect decides nothing.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use strum::AsRefStr;

use crate::ids::RoleId;
use crate::kernel::{Decider, Event, Kind, Refusal};
use crate::permission::is_grantable;
use crate::sourced;
use crate::text::is_blank;

/// The longest name, in characters.
pub const MAX_NAME: usize = 100;

/// What a role is called, and what it allows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    pub name: String,
    pub scopes: BTreeSet<String>,
}

/// What may be asked of a role.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum RoleCommand {
    Define(Terms),
    Change(Terms),
    /// Take it away from all who have it, for good.
    Retire,
}

/// What has happened to a role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AsRefStr)]
#[serde(tag = "type")]
pub enum RoleEvent {
    Defined(Terms),
    Changed(Terms),
    Retired,
}

/// Why a role says no.
#[derive(Debug, PartialEq, thiserror::Error, AsRefStr)]
#[strum(serialize_all = "snake_case")]
pub enum RoleRefusal {
    #[error("no such role")]
    Unknown,
    #[error("this role was defined otherwise; change it")]
    AlreadyDefined,
    #[error("the role was retired")]
    Retired,
    #[error("a name has 1 to {MAX_NAME} characters and is not blank")]
    BadName,
    #[error("a role allows at least one thing")]
    Empty,
    #[error("`{0}` is nothing that a role can allow")]
    BadScope(String),
}

/// A role, as far as its rules need to remember it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Role {
    terms: Option<Terms>,
    retired: bool,
}

impl Role {
    /// What it is called and allows, while it is there.
    #[must_use]
    pub fn terms(&self) -> Option<&Terms> {
        self.terms.as_ref().filter(|_| !self.retired)
    }
}

impl Terms {
    fn checked(self) -> Result<Self, RoleRefusal> {
        use RoleRefusal as No;
        if is_blank(&self.name) || self.name.chars().count() > MAX_NAME {
            return Err(No::BadName);
        }
        if self.scopes.is_empty() {
            return Err(No::Empty);
        }
        match self.scopes.iter().find(|scope| !is_grantable(scope)) {
            Some(bad) => Err(No::BadScope(bad.clone())),
            None => Ok(self),
        }
    }
}

impl Decider for Role {
    const NAME: &'static str = "identity.role";
    type Id = RoleId;
    type Command = RoleCommand;
    type Event = RoleEvent;
    type Refusal = RoleRefusal;

    fn decide(&self, command: RoleCommand) -> Result<Vec<RoleEvent>, RoleRefusal> {
        use {RoleCommand as C, RoleEvent as E, RoleRefusal as No};
        let Some(present) = &self.terms else {
            return match command {
                C::Define(terms) => Ok(vec![E::Defined(terms.checked()?)]),
                C::Change(_) | C::Retire => Err(No::Unknown),
            };
        };
        match command {
            C::Define(terms) if terms == *present && !self.retired => Ok(vec![]),
            C::Define(_) => Err(No::AlreadyDefined),

            C::Retire if self.retired => Ok(vec![]),
            C::Retire => Ok(vec![E::Retired]),

            C::Change(_) if self.retired => Err(No::Retired),
            C::Change(terms) if terms == *present => Ok(vec![]),
            C::Change(terms) => Ok(vec![E::Changed(terms.checked()?)]),
        }
    }

    fn evolve(&mut self, event: RoleEvent) {
        match event {
            RoleEvent::Defined(terms) | RoleEvent::Changed(terms) => self.terms = Some(terms),
            RoleEvent::Retired => self.retired = true,
        }
    }
}

impl Event for RoleEvent {}

impl Refusal for RoleRefusal {
    fn kind(&self) -> Kind {
        match self {
            Self::Unknown => Kind::Missing,
            Self::AlreadyDefined | Self::Retired => Kind::Conflict,
            Self::BadName | Self::Empty | Self::BadScope(_) => Kind::Invalid,
        }
    }
}

sourced!(Role, RoleEvent);

#[cfg(test)]
mod tests {
    use super::{RoleCommand as C, RoleEvent as E, RoleRefusal as No, *};
    use crate::kernel::given;

    fn terms<const N: usize>(name: &str, scopes: [&str; N]) -> Terms {
        Terms { name: name.into(), scopes: scopes.map(str::to_owned).into() }
    }

    fn packer() -> Terms {
        terms("Packer", ["order:read", "stock:manage"])
    }

    #[test]
    fn is_defined_once_however_often_it_is_asked() {
        assert_eq!(given::<Role>([]).when(C::Define(packer())), Ok(vec![E::Defined(packer())]));
        let known = given::<Role>([E::Defined(packer())]);
        assert_eq!(known.0.terms(), Some(&packer()));
        assert_eq!(known.when(C::Define(packer())), Ok(vec![]));
        assert_eq!(known.when(C::Define(terms("Packer", ["order:read"]))), Err(No::AlreadyDefined));
    }

    #[test]
    fn allows_only_what_there_is_to_allow() {
        let known = given::<Role>([E::Defined(packer())]);
        for bad in ["*", "history:write", "platform:operate", "workspace:transfer", "order:burn", ""] {
            let no = No::BadScope(bad.into());
            assert_eq!(given::<Role>([]).when(C::Define(terms("x", ["order:read", bad]))).as_ref(), Err(&no));
            assert_eq!(known.when(C::Change(terms("x", [bad]))), Err(no));
        }
        assert_eq!(known.when(C::Change(terms("x", []))), Err(No::Empty));
        for bad in ["", " ", &"x".repeat(101)] {
            assert_eq!(known.when(C::Change(terms(bad, ["order:read"]))), Err(No::BadName));
        }
    }

    #[test]
    fn is_changed_until_it_is_retired() {
        let known = given::<Role>([E::Defined(packer())]);
        let other = terms("Packer", ["order:read"]);
        assert_eq!(known.when(C::Change(packer())), Ok(vec![]));
        assert_eq!(known.when(C::Change(other.clone())), Ok(vec![E::Changed(other.clone())]));
        assert_eq!(known.when(C::Retire), Ok(vec![E::Retired]));
        let changed = known.and(C::Change(other.clone()));
        assert_eq!(changed.0.terms(), Some(&other));
        let retired = changed.and(C::Retire);
        assert_eq!(retired.0.terms(), None);
        assert_eq!(retired.when(C::Retire), Ok(vec![]));
        assert_eq!(retired.when(C::Change(packer())), Err(No::Retired));
        assert_eq!(retired.when(C::Define(other)), Err(No::AlreadyDefined));
        assert_eq!(given::<Role>([]).when(C::Retire), Err(No::Unknown));
        assert_eq!(given::<Role>([]).when(C::Change(packer())), Err(No::Unknown));
    }

    #[test]
    fn says_what_sort_of_no_it_is() {
        assert_eq!(No::Unknown.kind(), Kind::Missing);
        assert_eq!((No::AlreadyDefined.kind(), No::Retired.kind()), (Kind::Conflict, Kind::Conflict));
        for invalid in [No::BadName, No::Empty, No::BadScope("x".into())] {
            assert_eq!(invalid.kind(), Kind::Invalid);
        }
        assert_eq!(No::BadScope("x".into()).as_ref(), "bad_scope");
    }

    #[test]
    fn its_events_on_disk() {
        for (event, json) in [
            (
                E::Defined(packer()),
                r#"{"type":"Defined","name":"Packer","scopes":["order:read","stock:manage"]}"#,
            ),
            (
                E::Changed(terms("Packer", ["order:read"])),
                r#"{"type":"Changed","name":"Packer","scopes":["order:read"]}"#,
            ),
            (E::Retired, r#"{"type":"Retired"}"#),
        ] {
            assert_eq!(serde_json::to_string(&event).unwrap(), json);
            assert_eq!(serde_json::from_str::<E>(json).unwrap(), event);
        }
    }
}
