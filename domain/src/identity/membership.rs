//! Membership: what a person may do in a workspace.
//!
//! Its id is the account's, in the workspace. A member has roles, and may do what any of them allows. There is one
//! owner: they cannot leave, be removed or change their role, only hand the workspace over. Who left may join again.
//! Repeating a request that already took effect decides nothing.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use strum::AsRefStr;

use crate::ids::AccountId;
use crate::kernel::{Decider, Event, Kind, Refusal};
use crate::permission::RoleKey;
use crate::sourced;

/// How many roles a member may have.
pub const MAX_ROLES: usize = 10;

/// What may be asked of a membership.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum MembershipCommand {
    Join {
        roles: BTreeSet<RoleKey>,
    },
    ChangeRoles {
        roles: BTreeSet<RoleKey>,
    },
    /// Own the workspace: with its making, or by the last owner's will.
    Own,
    /// Own it no longer, since another does.
    HandOver {
        roles: BTreeSet<RoleKey>,
    },
    Leave,
    /// Be made to leave.
    Remove,
}

/// What has happened to a membership.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AsRefStr)]
#[serde(tag = "type")]
pub enum MembershipEvent {
    Joined { roles: BTreeSet<RoleKey> },
    RolesChanged { roles: BTreeSet<RoleKey> },
    Left,
    Removed,
}

/// Why a membership says no.
#[derive(Debug, PartialEq, thiserror::Error, AsRefStr)]
#[strum(serialize_all = "snake_case")]
pub enum MembershipRefusal {
    #[error("no such member")]
    Unknown,
    #[error("they are a member already, in other roles")]
    AlreadyJoined,
    #[error("the owner stays: hand the workspace over first")]
    Owner,
    #[error("only the owner hands the workspace over")]
    NotOwner,
    #[error("a member has 1 to {MAX_ROLES} roles")]
    BadRoles,
    #[error("there is one owner: hand the workspace over instead")]
    OneOwner,
}

/// A membership, as far as its rules need to remember it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Membership {
    roles: Option<BTreeSet<RoleKey>>,
}

impl Membership {
    /// The roles of a present member.
    #[must_use]
    pub fn roles(&self) -> Option<&BTreeSet<RoleKey>> {
        self.roles.as_ref()
    }

    #[must_use]
    pub fn is_owner(&self) -> bool {
        self.roles.as_ref().is_some_and(|roles| roles.contains(&RoleKey::OWNER))
    }
}

fn checked(roles: BTreeSet<RoleKey>) -> Result<BTreeSet<RoleKey>, MembershipRefusal> {
    match roles.len() {
        _ if roles.contains(&RoleKey::OWNER) => Err(MembershipRefusal::OneOwner),
        1..=MAX_ROLES => Ok(roles),
        _ => Err(MembershipRefusal::BadRoles),
    }
}

impl Decider for Membership {
    const NAME: &'static str = "identity.membership";
    type Id = AccountId;
    type Command = MembershipCommand;
    type Event = MembershipEvent;
    type Refusal = MembershipRefusal;

    fn decide(&self, command: MembershipCommand) -> Result<Vec<MembershipEvent>, MembershipRefusal> {
        use {MembershipCommand as C, MembershipEvent as E, MembershipRefusal as No};
        let owner = || BTreeSet::from([RoleKey::OWNER]);
        let Some(present) = &self.roles else {
            return match command {
                C::Join { roles } => Ok(vec![E::Joined { roles: checked(roles)? }]),
                C::Own => Ok(vec![E::Joined { roles: owner() }]),
                C::Leave | C::Remove => Ok(vec![]),
                C::ChangeRoles { .. } | C::HandOver { .. } => Err(No::Unknown),
            };
        };
        match command {
            C::Join { roles } if roles == *present => Ok(vec![]),
            C::Join { .. } => Err(No::AlreadyJoined),

            C::Own if self.is_owner() => Ok(vec![]),
            C::Own => Ok(vec![E::RolesChanged { roles: owner() }]),

            C::HandOver { .. } if !self.is_owner() => Err(No::NotOwner),
            C::HandOver { roles } => Ok(vec![E::RolesChanged { roles: checked(roles)? }]),

            C::ChangeRoles { roles } if roles == *present => Ok(vec![]),
            C::ChangeRoles { .. } | C::Leave | C::Remove if self.is_owner() => Err(No::Owner),
            C::ChangeRoles { roles } => Ok(vec![E::RolesChanged { roles: checked(roles)? }]),
            C::Leave => Ok(vec![E::Left]),
            C::Remove => Ok(vec![E::Removed]),
        }
    }

    fn evolve(&mut self, event: MembershipEvent) {
        match event {
            MembershipEvent::Joined { roles } | MembershipEvent::RolesChanged { roles } => {
                self.roles = Some(roles);
            }
            MembershipEvent::Left | MembershipEvent::Removed => self.roles = None,
        }
    }
}

impl Event for MembershipEvent {}

impl Refusal for MembershipRefusal {
    fn kind(&self) -> Kind {
        match self {
            Self::Unknown => Kind::Missing,
            Self::BadRoles | Self::OneOwner => Kind::Invalid,
            Self::AlreadyJoined | Self::Owner | Self::NotOwner => Kind::Conflict,
        }
    }
}

sourced!(Membership, MembershipEvent);

#[cfg(test)]
mod tests {
    use super::{MembershipCommand as C, MembershipEvent as E, MembershipRefusal as No, *};
    use crate::ids::RoleId;
    use crate::kernel::{Given, given};
    use uuid::Uuid;

    fn roles<const N: usize>(all: [&str; N]) -> BTreeSet<RoleKey> {
        all.map(|role| role.parse().unwrap()).into()
    }

    fn joined(roles: BTreeSet<RoleKey>) -> E {
        E::Joined { roles }
    }

    fn editor() -> Given<Membership> {
        given([joined(roles(["editor"]))])
    }

    fn owner() -> Given<Membership> {
        given([joined(roles(["owner"]))])
    }

    fn change(roles: BTreeSet<RoleKey>) -> C {
        C::ChangeRoles { roles }
    }

    #[test]
    fn is_joined_once_however_often_it_is_asked() {
        let join = |roles| C::Join { roles };
        let nobody = given::<Membership>([]);
        assert_eq!(nobody.when(join(roles(["editor"]))), Ok(vec![joined(roles(["editor"]))]));
        assert_eq!(editor().when(join(roles(["editor"]))), Ok(vec![]));
        assert_eq!(editor().when(join(roles(["viewer"]))), Err(No::AlreadyJoined));
        assert_eq!(nobody.0.roles(), None);
        assert_eq!(editor().0.roles(), Some(&roles(["editor"])));
    }

    #[test]
    fn has_one_to_ten_roles_and_becomes_no_owner_by_them() {
        let custom = |n| RoleKey::Custom(RoleId::from_uuid(Uuid::from_u128(n)));
        let eleven: BTreeSet<RoleKey> = (0..11).map(custom).collect();
        for (bad, no) in
            [(roles([]), No::BadRoles), (eleven, No::BadRoles), (roles(["owner", "viewer"]), No::OneOwner)]
        {
            assert_eq!(given::<Membership>([]).when(C::Join { roles: bad.clone() }).as_ref(), Err(&no));
            assert_eq!(editor().when(change(bad.clone())).as_ref(), Err(&no));
            assert_eq!(owner().when(C::HandOver { roles: bad }), Err(no));
        }
        let ten: BTreeSet<RoleKey> = (0..10).map(custom).collect();
        assert_eq!(editor().when(change(ten.clone())), Ok(vec![E::RolesChanged { roles: ten }]));
        assert_eq!(editor().when(change(roles(["editor"]))), Ok(vec![]));
    }

    #[test]
    fn the_owner_cannot_leave_or_be_made_less() {
        for command in [C::Leave, C::Remove, change(roles(["admin"]))] {
            assert_eq!(owner().when(command), Err(No::Owner));
        }
    }

    #[test]
    fn the_owner_hands_the_workspace_over() {
        let to = |role| vec![E::RolesChanged { roles: roles([role]) }];
        assert_eq!(owner().when(C::HandOver { roles: roles(["admin"]) }), Ok(to("admin")));
        assert_eq!(editor().when(C::HandOver { roles: roles(["admin"]) }), Err(No::NotOwner));
        assert_eq!(editor().when(C::Own), Ok(to("owner")));
        assert_eq!(owner().when(C::Own), Ok(vec![]));
        assert_eq!(given::<Membership>([]).when(C::Own), Ok(vec![joined(roles(["owner"]))]));
        assert!(owner().0.is_owner() && !editor().0.is_owner());
    }

    #[test]
    fn who_is_gone_may_do_nothing_and_may_join_again() {
        assert_eq!(editor().when(C::Leave), Ok(vec![E::Left]));
        assert_eq!(editor().when(C::Remove), Ok(vec![E::Removed]));
        for end in [C::Leave, C::Remove] {
            let gone = editor().and(end);
            assert_eq!(gone.0.roles(), None);
            assert_eq!(gone.when(C::Leave), Ok(vec![]));
            assert_eq!(gone.when(C::Remove), Ok(vec![]));
            assert_eq!(gone.when(change(roles(["viewer"]))), Err(No::Unknown));
            assert_eq!(gone.when(C::HandOver { roles: roles(["viewer"]) }), Err(No::Unknown));
            assert!(gone.when(C::Join { roles: roles(["viewer"]) }).is_ok());
        }
    }

    #[test]
    fn says_what_sort_of_no_it_is() {
        assert_eq!((No::Unknown.kind(), No::OneOwner.as_ref()), (Kind::Missing, "one_owner"));
        assert_eq!((No::BadRoles.kind(), No::OneOwner.kind()), (Kind::Invalid, Kind::Invalid));
        for no in [No::AlreadyJoined, No::Owner, No::NotOwner] {
            assert_eq!(no.kind(), Kind::Conflict);
        }
    }

    #[test]
    fn its_events_on_disk() {
        for (event, json) in [
            (
                joined(roles(["viewer", "role_00000000000000000000000007"])),
                r#"{"type":"Joined","roles":["viewer","role_00000000000000000000000007"]}"#,
            ),
            (E::RolesChanged { roles: roles(["owner"]) }, r#"{"type":"RolesChanged","roles":["owner"]}"#),
            (E::Left, r#"{"type":"Left"}"#),
            (E::Removed, r#"{"type":"Removed"}"#),
        ] {
            assert_eq!(serde_json::to_string(&event).unwrap(), json);
            assert_eq!(serde_json::from_str::<E>(json).unwrap(), event);
        }
    }
}
