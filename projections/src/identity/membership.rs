//! Members, as their workspace sees them; and the workspaces of a person, as they see them.
//!
//! The second is kept in the platform's workspace: nothing of one workspace is read from another.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use domain::identity::membership::{Membership, MembershipEvent as E};
use domain::identity::workspace::PLATFORM;
use domain::ids::{AccountId, WorkspaceId};
use domain::kernel::{Decider, Recorded, Unreadable};
use domain::permission::RoleKey;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use crate::reading::{Filter, Listing, Order};
use crate::stream::{Stem, StreamView};
use crate::view::{RowKey, Touches, Unfoldable, View};

/// One row of `read.membership`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemberRow {
    #[serde(flatten)]
    pub stem: Stem<AccountId>,
    /// Empty once they are no member any more.
    pub roles: BTreeSet<RoleKey>,
    /// When they joined, last.
    pub joined_at: DateTime<Utc>,
    pub present: bool,
}

/// Read model `membership`.
pub struct Members;

impl StreamView for Members {
    const NAME: &'static str = "membership";
    type Of = Membership;
    type Row = MemberRow;

    fn stem(row: &mut MemberRow) -> &mut Stem<AccountId> {
        &mut row.stem
    }

    fn begun(stem: Stem<AccountId>, _: &E, first: &Recorded) -> Option<MemberRow> {
        Some(MemberRow { stem, roles: BTreeSet::new(), joined_at: first.recorded_at, present: false })
    }

    fn apply(row: &mut MemberRow, happened: &E, event: &Recorded) -> Result<(), Unfoldable> {
        match happened {
            E::Joined { roles } => {
                (row.roles, row.joined_at, row.present) = (roles.clone(), event.recorded_at, true);
            }
            E::RolesChanged { roles } => row.roles.clone_from(roles),
            E::Left | E::Removed => (row.roles, row.present) = (BTreeSet::new(), false),
        }
        Ok(())
    }
}

/// Which members a list is of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct MemberFilter {
    /// Only those with this role.
    #[param(required = false, nullable = false, inline)]
    pub role: Option<RoleKey>,
}

impl Filter for MemberFilter {
    type Of = Members;

    fn order(&self) -> Order {
        Order::by("joined_at", "timestamptz")
    }

    fn narrow(self, list: Listing<Members>) -> Listing<Members> {
        list.only("t.present = ", Some(true), "").only("t.roles ? ", self.role.map(String::from), "")
    }
}

/// One row of `read.place`: a person's membership in a workspace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlaceRow {
    pub workspace_id: WorkspaceId,
    /// `<workspace>/<account>`.
    pub id: String,
    pub account: AccountId,
    /// Where they are a member.
    pub place: WorkspaceId,
    pub roles: BTreeSet<RoleKey>,
    pub joined_at: DateTime<Utc>,
}

/// Read model `place`.
pub struct Places;

impl View for Places {
    const NAME: &'static str = "place";
    const LISTENS_TO: &'static [&'static str] = &[Membership::NAME];
    const BY_STREAM: bool = true;
    type Row = PlaceRow;

    fn touches(event: &Recorded) -> Result<Touches, Unreadable> {
        if event.aggregate_type != Membership::NAME {
            return Ok(Touches::nothing());
        }
        Ok(Touches(vec![RowKey { workspace: PLATFORM, key: format!("{}/{}", event.workspace, event.id) }]))
    }

    fn fold(key: &RowKey, row: Option<PlaceRow>, event: &Recorded) -> Result<Option<PlaceRow>, Unfoldable> {
        let Some((account, happened)) = event.happened_to::<Membership>()? else { return Ok(row) };
        Ok(match (happened, row) {
            (E::Joined { roles }, _) => Some(PlaceRow {
                workspace_id: key.workspace,
                id: key.key.clone(),
                account,
                place: event.workspace,
                roles: roles.clone(),
                joined_at: event.recorded_at,
            }),
            (E::RolesChanged { roles }, Some(row)) => Some(PlaceRow { roles: roles.clone(), ..row }),
            (E::RolesChanged { .. } | E::Left | E::Removed, _) => None,
        })
    }
}

/// The workspaces that an account is a member of.
#[derive(Debug, Clone, Serialize)]
pub struct PlacesOf {
    pub account: AccountId,
}

impl Filter for PlacesOf {
    type Of = Places;

    fn order(&self) -> Order {
        Order::by("joined_at", "timestamptz")
    }

    fn narrow(self, list: Listing<Places>) -> Listing<Places> {
        list.only("t.account = ", Some(String::from(self.account)), "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;
    use uuid::Uuid;

    const ANN: &str = "acc_00000000000000000000000001";
    const BEN: &str = "acc_00000000000000000000000002";
    const SHOP: WorkspaceId = WorkspaceId::from_uuid(Uuid::from_u128(7));

    fn roles<const N: usize>(all: [&str; N]) -> BTreeSet<RoleKey> {
        all.map(|role| role.parse().unwrap()).into()
    }

    fn joined(role: &str) -> E {
        E::Joined { roles: roles([role]) }
    }

    fn changed(role: &str) -> E {
        E::RolesChanged { roles: roles([role]) }
    }

    fn events(events: &[(&str, E)]) -> Vec<Recorded> {
        events.iter().map(|(of, event)| Recorded::example::<Membership>(*of, event)).collect()
    }

    fn member(happened: &[(&str, E)]) -> MemberRow {
        example::row::<Members>(ANN, events(happened)).unwrap()
    }

    fn place(happened: &[(&str, E)]) -> Option<PlaceRow> {
        let mut all = events(happened);
        all.iter_mut().for_each(|event| event.workspace = SHOP);
        example::row::<Places>(&format!("{SHOP}/{ANN}"), all)
    }

    #[test]
    fn a_member_has_their_roles_until_they_leave_or_are_removed() {
        let both = [(ANN, joined("editor")), (BEN, joined("viewer")), (ANN, changed("admin"))];
        let now = member(&both);
        assert_eq!((now.roles, now.present, now.stem.version), (roles(["admin"]), true, 2));
        for end in [E::Left, E::Removed] {
            let gone = member(&[(ANN, joined("editor")), (ANN, end.clone())]);
            assert_eq!((gone.roles, gone.present), (roles([]), false));
            let back = member(&[(ANN, joined("editor")), (ANN, end), (ANN, joined("viewer"))]);
            assert_eq!((back.roles, back.present), (roles(["viewer"]), true));
        }
    }

    #[test]
    fn a_person_sees_where_they_are_a_member_and_nothing_of_where_they_were() {
        let both = [(ANN, joined("editor")), (BEN, joined("viewer")), (ANN, changed("admin"))];
        let now = place(&both).unwrap();
        assert_eq!((now.account.to_string(), now.roles), (ANN.to_owned(), roles(["admin"])));
        assert_eq!(now.workspace_id, PLATFORM);
        assert_eq!(now.place, SHOP);
        for end in [E::Left, E::Removed] {
            assert_eq!(place(&[(ANN, joined("editor")), (ANN, end)]), None);
        }
    }

    #[test]
    fn their_rows_lie_in_the_platforms_workspace() {
        let event = &events(&[(ANN, joined("editor"))])[0];
        let Touches(keys) = Places::touches(event).unwrap();
        assert_eq!(keys, [RowKey { workspace: PLATFORM, key: format!("{}/{ANN}", event.workspace) }]);
    }
}
