//! Workspace: a tenant, to whom every stream and every row belongs.
//!
//! While it is suspended the border takes no commands for it; what it holds stays readable.
//! A person who makes one owns it, and may hand it over; one made by the platform has no owner until it is given one.
//! Repeating a request that already took effect decides nothing.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use strum::AsRefStr;
use uuid::Uuid;

use crate::ids::{AccountId, WorkspaceId};
use crate::kernel::{Decider, Event, Kind, Refusal};
use crate::locale::{Locale, TimeZone};
use crate::money::Currency;
use crate::permission::{BuiltIn, RoleKey};
use crate::sourced;
use crate::text::is_blank;

#[cfg(test)]
mod tests;

/// The workspace of the platform itself: keys of it may operate the platform.
pub const PLATFORM: WorkspaceId = WorkspaceId::from_uuid(Uuid::from_u128(1));

/// The longest name, in characters.
pub const MAX_NAME: usize = 100;
/// The longest reason, in characters.
pub const MAX_REASON: usize = 500;

/// What may be asked of a workspace.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum WorkspaceCommand {
    Create {
        name: String,
        owner: Option<AccountId>,
    },
    Rename {
        name: String,
    },
    /// Take no more commands for it.
    Suspend {
        reason: String,
    },
    Resume,
    /// Have these settings, all of them.
    Settle(Settings),
    /// Ask for a second factor of these members.
    RequireTwoFactor {
        of: TwoFactorOf,
    },
    /// Belong to this person from now on.
    HandOver {
        to: AccountId,
    },
}

/// How a workspace reckons and reads, where nobody says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = WorkspaceSettings))]
pub struct Settings {
    pub time_zone: TimeZone,
    pub locale: Locale,
    pub currency: Currency,
}

/// Which members must have a second factor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum TwoFactorOf {
    #[default]
    Nobody,
    /// Owner, admins and auditors.
    Privileged,
    Everyone,
}

impl TwoFactorOf {
    /// Whether somebody in these roles must have one.
    #[must_use]
    pub fn includes(self, roles: &BTreeSet<RoleKey>) -> bool {
        const PRIVILEGED: [BuiltIn; 3] = [BuiltIn::Owner, BuiltIn::Admin, BuiltIn::Auditor];
        match self {
            Self::Nobody => false,
            Self::Privileged => PRIVILEGED.iter().any(|role| roles.contains(&RoleKey::BuiltIn(*role))),
            Self::Everyone => true,
        }
    }
}

/// What has happened to a workspace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AsRefStr)]
#[serde(tag = "type")]
pub enum WorkspaceEvent {
    Created {
        name: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owner: Option<AccountId>,
    },
    Renamed {
        name: String,
    },
    Suspended {
        reason: String,
    },
    Resumed,
    Settled(Settings),
    TwoFactorRequired {
        of: TwoFactorOf,
    },
    HandedOver {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<AccountId>,
        to: AccountId,
    },
}

/// Why a workspace says no.
#[derive(Debug, PartialEq, thiserror::Error, AsRefStr)]
#[strum(serialize_all = "snake_case")]
pub enum WorkspaceRefusal {
    #[error("no such workspace")]
    Unknown,
    #[error("this workspace exists under another name or owner")]
    AlreadyCreated,
    #[error("the workspace is already suspended for another reason")]
    AlreadySuspended,
    #[error("a name has 1 to {MAX_NAME} characters and is not blank")]
    BadName,
    #[error("a reason has 1 to {MAX_REASON} characters and is not blank")]
    BadReason,
}

/// A workspace, as far as its rules need to remember it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Workspace {
    name: Option<String>,
    owner: Option<AccountId>,
    suspended: Option<String>,
    settings: Option<Settings>,
    two_factor: TwoFactorOf,
}

impl Workspace {
    /// Whether it exists and is not suspended.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.name.is_some() && self.suspended.is_none()
    }

    /// What people call it, if it exists.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Whether it takes no commands.
    #[must_use]
    pub const fn is_suspended(&self) -> bool {
        self.suspended.is_some()
    }

    /// Which members must have a second factor.
    #[must_use]
    pub const fn two_factor(&self) -> TwoFactorOf {
        self.two_factor
    }

    /// How it reckons and reads, if that was settled.
    #[must_use]
    pub const fn settings(&self) -> Option<&Settings> {
        self.settings.as_ref()
    }

    /// Whose it is, if it is a person's.
    #[must_use]
    pub fn owner(&self) -> Option<AccountId> {
        self.owner
    }
}

impl Decider for Workspace {
    const NAME: &'static str = "identity.workspace";
    type Id = WorkspaceId;
    type Command = WorkspaceCommand;
    type Event = WorkspaceEvent;
    type Refusal = WorkspaceRefusal;

    fn decide(&self, command: WorkspaceCommand) -> Result<Vec<WorkspaceEvent>, WorkspaceRefusal> {
        use {WorkspaceCommand as C, WorkspaceEvent as E, WorkspaceRefusal as No};
        let Some(present) = &self.name else {
            return match command {
                C::Create { name, .. } if !is_text(&name, MAX_NAME) => Err(No::BadName),
                C::Create { name, owner } => Ok(vec![E::Created { name, owner }]),
                _ => Err(No::Unknown),
            };
        };
        match command {
            C::Create { name, owner } if name == *present && owner == self.owner => Ok(vec![]),
            C::Create { .. } => Err(No::AlreadyCreated),

            C::Rename { name } if name == *present => Ok(vec![]),
            C::Rename { name } if !is_text(&name, MAX_NAME) => Err(No::BadName),
            C::Rename { name } => Ok(vec![E::Renamed { name }]),

            C::Suspend { reason } if self.suspended.as_ref() == Some(&reason) => Ok(vec![]),
            C::Suspend { reason } if !is_text(&reason, MAX_REASON) => Err(No::BadReason),
            C::Suspend { .. } if self.suspended.is_some() => Err(No::AlreadySuspended),
            C::Suspend { reason } => Ok(vec![E::Suspended { reason }]),

            C::Resume if self.suspended.is_none() => Ok(vec![]),
            C::Resume => Ok(vec![E::Resumed]),

            C::Settle(settings) if self.settings.as_ref() == Some(&settings) => Ok(vec![]),
            C::Settle(settings) => Ok(vec![E::Settled(settings)]),

            C::RequireTwoFactor { of } if of == self.two_factor => Ok(vec![]),
            C::RequireTwoFactor { of } => Ok(vec![E::TwoFactorRequired { of }]),

            C::HandOver { to } if self.owner == Some(to) => Ok(vec![]),
            C::HandOver { to } => Ok(vec![E::HandedOver { from: self.owner, to }]),
        }
    }

    fn evolve(&mut self, event: WorkspaceEvent) {
        match event {
            WorkspaceEvent::Created { name, owner } => (self.name, self.owner) = (Some(name), owner),
            WorkspaceEvent::Renamed { name } => self.name = Some(name),
            WorkspaceEvent::Suspended { reason } => self.suspended = Some(reason),
            WorkspaceEvent::Resumed => self.suspended = None,
            WorkspaceEvent::Settled(settings) => self.settings = Some(settings),
            WorkspaceEvent::TwoFactorRequired { of } => self.two_factor = of,
            WorkspaceEvent::HandedOver { to, .. } => self.owner = Some(to),
        }
    }
}

fn is_text(text: &str, longest: usize) -> bool {
    !is_blank(text) && text.chars().count() <= longest
}

impl Event for WorkspaceEvent {}

impl Refusal for WorkspaceRefusal {
    fn kind(&self) -> Kind {
        match self {
            Self::Unknown => Kind::Missing,
            Self::AlreadyCreated | Self::AlreadySuspended => Kind::Conflict,
            Self::BadName | Self::BadReason => Kind::Invalid,
        }
    }
}

sourced!(Workspace, WorkspaceEvent);
