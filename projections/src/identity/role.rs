//! Roles that a workspace has made for itself.

use std::collections::BTreeSet;

use domain::identity::role::{Role, RoleEvent as E};
use domain::ids::RoleId;
use domain::kernel::Recorded;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::reading::{Filter, Listing, Order};
use crate::stream::{Stem, StreamView};
use crate::view::Unfoldable;

/// One row of `read.role`, and the answer to `GET /api/workspaces/{id}/roles/{role}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RoleView {
    #[serde(flatten)]
    #[schema(inline)]
    pub stem: Stem<RoleId>,
    pub name: String,
    /// What it allows, unless it is retired.
    pub scopes: BTreeSet<String>,
    /// Whether whoever has it may do nothing by it.
    pub retired: bool,
}

/// Read model `role`.
pub struct Roles;

impl StreamView for Roles {
    const NAME: &'static str = "role";
    type Of = Role;
    type Row = RoleView;

    fn stem(row: &mut RoleView) -> &mut Stem<RoleId> {
        &mut row.stem
    }

    fn begun(stem: Stem<RoleId>, happened: &E, _: &Recorded) -> Option<RoleView> {
        let E::Defined(terms) = happened else { return None };
        Some(RoleView { stem, name: terms.name.clone(), scopes: terms.scopes.clone(), retired: false })
    }

    fn apply(row: &mut RoleView, happened: &E, _: &Recorded) -> Result<(), Unfoldable> {
        match happened {
            E::Defined(_) => {}
            E::Changed(terms) => (row.name, row.scopes) = (terms.name.clone(), terms.scopes.clone()),
            E::Retired => row.retired = true,
        }
        Ok(())
    }
}

/// Which roles a list is of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RoleFilter {
    /// Only those that are retired, or only all others.
    #[param(required = false, nullable = false)]
    pub retired: Option<bool>,
}

impl Filter for RoleFilter {
    type Of = Roles;

    fn order(&self) -> Order {
        Order::by("created_at", "timestamptz")
    }

    fn narrow(self, list: Listing<Roles>) -> Listing<Roles> {
        list.only("t.retired = ", self.retired, "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;
    use domain::identity::role::Terms;

    const ID: &str = "role_00000000000000000000000001";

    fn terms(name: &str, scope: &str) -> Terms {
        Terms { name: name.into(), scopes: [scope.to_owned()].into() }
    }

    #[test]
    fn shows_what_it_allows_until_it_is_retired() {
        let row = |events: &[E]| {
            let events = events.iter().map(|event| Recorded::example::<Role>(ID, event));
            example::row::<Roles>(ID, events).unwrap()
        };
        let (defined, changed) =
            (E::Defined(terms("Packer", "order:read")), E::Changed(terms("Picker", "stock:read")));
        let first = row(std::slice::from_ref(&defined));
        assert_eq!(
            (&*first.name, first.scopes, first.retired),
            ("Packer", ["order:read".into()].into(), false)
        );
        let last = row(&[defined, changed, E::Retired]);
        assert_eq!((&*last.name, last.scopes, last.retired), ("Picker", ["stock:read".into()].into(), true));
    }
}
