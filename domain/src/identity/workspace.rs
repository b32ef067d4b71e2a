//! Workspace: a tenant, to whom every stream and every row belongs.
//!
//! While it is suspended the border takes no commands for it; what it holds stays readable.
//! Repeating a request that already took effect decides nothing.

use serde::{Deserialize, Serialize};
use strum::AsRefStr;

use crate::kernel::{Decider, Event, Kind, Refusal};
use crate::sourced;

/// The longest name, in characters.
pub const MAX_NAME: usize = 100;
/// The longest reason, in characters.
pub const MAX_REASON: usize = 500;

/// What may be asked of a workspace.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum WorkspaceCommand {
    Create {
        name: String,
    },
    Rename {
        name: String,
    },
    /// Take no more commands for it.
    Suspend {
        reason: String,
    },
    Resume,
}

/// What has happened to a workspace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AsRefStr)]
#[serde(tag = "type")]
pub enum WorkspaceEvent {
    Created { name: String },
    Renamed { name: String },
    Suspended { reason: String },
    Resumed,
}

/// Why a workspace says no.
#[derive(Debug, PartialEq, thiserror::Error, AsRefStr)]
#[strum(serialize_all = "snake_case")]
pub enum WorkspaceRefusal {
    #[error("no such workspace")]
    Unknown,
    #[error("this workspace exists under another name")]
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
    suspended: Option<String>,
}

impl Workspace {
    /// Whether it exists and is not suspended.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.name.is_some() && self.suspended.is_none()
    }
}

impl Decider for Workspace {
    const NAME: &'static str = "identity.workspace";
    type Command = WorkspaceCommand;
    type Event = WorkspaceEvent;
    type Refusal = WorkspaceRefusal;

    fn decide(&self, command: WorkspaceCommand) -> Result<Vec<WorkspaceEvent>, WorkspaceRefusal> {
        use {WorkspaceCommand as C, WorkspaceEvent as E, WorkspaceRefusal as No};
        let Some(present) = &self.name else {
            return match command {
                C::Create { name } if !is_text(&name, MAX_NAME) => Err(No::BadName),
                C::Create { name } => Ok(vec![E::Created { name }]),
                _ => Err(No::Unknown),
            };
        };
        match command {
            C::Create { name } if name == *present => Ok(vec![]),
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
        }
    }

    fn evolve(&mut self, event: WorkspaceEvent) {
        match event {
            WorkspaceEvent::Created { name } | WorkspaceEvent::Renamed { name } => self.name = Some(name),
            WorkspaceEvent::Suspended { reason } => self.suspended = Some(reason),
            WorkspaceEvent::Resumed => self.suspended = None,
        }
    }
}

fn is_text(text: &str, longest: usize) -> bool {
    !text.trim().is_empty() && text.chars().count() <= longest
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

#[cfg(test)]
mod tests {
    use super::{WorkspaceCommand as C, WorkspaceEvent as E, WorkspaceRefusal as No, *};
    use crate::kernel::given;

    fn created() -> E {
        E::Created { name: "Acme".into() }
    }

    fn suspended() -> E {
        E::Suspended { reason: "unpaid".into() }
    }

    fn create(name: &str) -> C {
        C::Create { name: name.into() }
    }

    fn rename(name: &str) -> C {
        C::Rename { name: name.into() }
    }

    fn suspend(reason: &str) -> C {
        C::Suspend { reason: reason.into() }
    }

    #[test]
    fn is_created_once_however_often_it_is_asked() {
        assert_eq!(given::<Workspace>([]).when(create("Acme")), Ok(vec![created()]));
        assert_eq!(given::<Workspace>([created()]).when(create("Acme")), Ok(vec![]));
        assert_eq!(given::<Workspace>([created()]).when(create("Other")), Err(No::AlreadyCreated));
    }

    #[test]
    fn has_a_name_of_one_to_a_hundred_characters() {
        for bad in ["", "  ", &"é".repeat(101)] {
            assert_eq!(given::<Workspace>([]).when(create(bad)), Err(No::BadName), "{bad}");
            assert_eq!(given::<Workspace>([created()]).when(rename(bad)), Err(No::BadName), "{bad}");
        }
        let longest = "é".repeat(100);
        assert_eq!(
            given::<Workspace>([created()]).when(rename(&longest)),
            Ok(vec![E::Renamed { name: longest }])
        );
    }

    #[test]
    fn is_renamed_to_another_name_only() {
        assert_eq!(given::<Workspace>([created()]).when(rename("Acme")), Ok(vec![]));
        let renamed = given::<Workspace>([created()]).and(rename("Zenith"));
        assert_eq!(renamed.when(rename("Zenith")), Ok(vec![]));
    }

    #[test]
    fn is_suspended_for_a_reason_until_it_is_resumed() {
        let active = given::<Workspace>([created()]);
        assert!(active.0.is_active());
        assert_eq!(active.when(suspend("unpaid")), Ok(vec![suspended()]));
        assert_eq!(active.when(suspend("")), Err(No::BadReason));
        assert_eq!(active.when(suspend(&"x".repeat(501))), Err(No::BadReason));
        assert_eq!(active.when(C::Resume), Ok(vec![]));

        let asleep = given::<Workspace>([created(), suspended()]);
        assert!(!asleep.0.is_active());
        assert_eq!(asleep.when(suspend("unpaid")), Ok(vec![]));
        assert_eq!(asleep.when(suspend("fraud")), Err(No::AlreadySuspended));
        assert_eq!(asleep.when(C::Resume), Ok(vec![E::Resumed]));
        assert!(asleep.and(C::Resume).0.is_active());
    }

    #[test]
    fn does_nothing_before_it_exists() {
        assert!(!Workspace::default().is_active());
        for command in [rename("Acme"), suspend("unpaid"), C::Resume] {
            assert_eq!(given::<Workspace>([]).when(command), Err(No::Unknown));
        }
    }

    #[test]
    fn says_what_sort_of_no_it_is() {
        assert_eq!((No::Unknown.kind(), No::Unknown.as_ref()), (Kind::Missing, "unknown"));
        assert_eq!(No::AlreadyCreated.kind(), Kind::Conflict);
        assert_eq!(No::AlreadySuspended.kind(), Kind::Conflict);
        assert_eq!(No::BadName.kind(), Kind::Invalid);
        assert_eq!(No::BadReason.kind(), Kind::Invalid);
    }

    #[test]
    fn its_events_on_disk() {
        for (event, json) in [
            (created(), r#"{"type":"Created","name":"Acme"}"#),
            (E::Renamed { name: "Zenith".into() }, r#"{"type":"Renamed","name":"Zenith"}"#),
            (suspended(), r#"{"type":"Suspended","reason":"unpaid"}"#),
            (E::Resumed, r#"{"type":"Resumed"}"#),
        ] {
            assert_eq!(serde_json::to_string(&event).unwrap(), json);
            assert_eq!(serde_json::from_str::<E>(json).unwrap(), event);
        }
    }
}
