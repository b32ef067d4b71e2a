//! Permission: what there is to be allowed, and which of it each built-in role has.
//!
//! A permission is a scope, `capability:verb`; it is the same for people and for API keys. Each scope of the platform
//! has its line in `GRANTS`, so that nobody gets a new one unnoticed: what has no line, no role has.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use strum::{AsRefStr, EnumIter, EnumString, IntoEnumIterator, IntoStaticStr};

use crate::ids::RoleId;

/// The scope of everything that is not [`RESERVED`].
pub const ALL: &str = "*";
/// Scopes that [`ALL`] does not cover, and no role has.
pub const RESERVED: [&str; 2] = ["history:write", "platform:operate"];
/// What the owner alone may do.
pub const OWNERS_ONLY: &str = "workspace:transfer";

/// A role that every workspace has.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, AsRefStr, EnumIter, EnumString, IntoStaticStr,
)]
#[strum(serialize_all = "snake_case")]
pub enum BuiltIn {
    /// Everything. Who has it owns the workspace: there is exactly one.
    Owner,
    /// Everything but to give the workspace away.
    Admin,
    /// The daily business, but no money given back and nobody let in.
    Editor,
    /// Looks at the business, changes nothing.
    Viewer,
    /// Looks at everything, and at who did what; changes nothing.
    Auditor,
    /// Connects other systems.
    Integrator,
}

/// A role: a built-in by its name (`viewer`), or one that the workspace made (`role_…`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum RoleKey {
    BuiltIn(BuiltIn),
    Custom(RoleId),
}

/// A text that names no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a role is owner, admin, editor, viewer, auditor, integrator or the id of a role of the workspace (role_…)"
)]
pub struct NotARole;

use BuiltIn::{Admin, Auditor, Editor, Integrator, Viewer};

/// Who has which scope, beside the owner, who has each. In the order of the scopes.
const GRANTS: &[(&str, &[BuiltIn])] = &[
    ("api_key:manage", &[Admin, Integrator]),
    ("api_key:read", &[Admin, Auditor, Integrator]),
    ("audit:read", &[Admin, Auditor]),
    ("cart:manage", &[Admin, Editor, Integrator]),
    ("cart:read", &[Admin, Editor, Viewer, Auditor, Integrator]),
    ("dashboard:read", &[Admin, Editor, Viewer, Auditor]),
    ("invitation:manage", &[Admin]),
    ("invitation:read", &[Admin, Auditor]),
    ("ledger:manage", &[Admin]),
    ("ledger:post", &[Admin]),
    ("ledger:read", &[Admin, Editor, Viewer, Auditor, Integrator]),
    ("ledger:reverse", &[Admin]),
    ("member:manage", &[Admin]),
    ("member:read", &[Admin, Editor, Viewer, Auditor]),
    ("order:manage", &[Admin, Editor, Integrator]),
    ("order:place", &[Admin, Editor, Integrator]),
    ("order:read", &[Admin, Editor, Viewer, Auditor, Integrator]),
    ("party:manage", &[Admin, Editor]),
    ("party:read", &[Admin, Editor, Viewer, Auditor]),
    ("payment:pay", &[Admin, Editor, Integrator]),
    ("payment:read", &[Admin, Editor, Viewer, Auditor, Integrator]),
    ("payment:receive", &[Admin]),
    ("payment:record", &[Admin]),
    ("product:manage", &[Admin, Editor, Integrator]),
    ("product:read", &[Admin, Editor, Viewer, Auditor, Integrator]),
    ("refund:approve", &[Admin]),
    ("refund:read", &[Admin, Editor, Viewer, Auditor, Integrator]),
    ("refund:request", &[Admin, Editor]),
    ("role:manage", &[Admin]),
    ("role:read", &[Admin, Editor, Viewer, Auditor]),
    ("shop:manage", &[Admin]),
    ("shop:read", &[Admin, Editor, Viewer, Auditor, Integrator]),
    ("stock:manage", &[Admin, Editor, Integrator]),
    ("stock:read", &[Admin, Editor, Viewer, Auditor, Integrator]),
    ("subject:approve", &[Admin]),
    ("subject:erase", &[Admin]),
    ("subject:hold", &[Admin]),
    ("subject:read", &[Admin, Auditor]),
    ("workspace:manage", &[Admin]),
    ("workspace:read", &[Admin, Editor, Viewer, Auditor, Integrator]),
    (OWNERS_ONLY, &[]),
];

impl BuiltIn {
    /// What may be done with this role.
    pub fn scopes(self) -> impl Iterator<Item = &'static str> {
        let has = move |roles: &[BuiltIn]| self == Self::Owner || roles.contains(&self);
        GRANTS.iter().filter(move |(_, roles)| has(roles)).map(|(scope, _)| *scope)
    }

    /// Every built-in role.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::iter()
    }
}

/// Every scope that roles can be made of.
pub fn all_scopes() -> impl Iterator<Item = &'static str> {
    GRANTS.iter().map(|(scope, _)| *scope)
}

/// Whether these scopes allow what needs that one.
#[must_use]
pub fn allow(scopes: &BTreeSet<String>, needed: &str) -> bool {
    scopes.contains(needed) || (scopes.contains(ALL) && !RESERVED.contains(&needed))
}

/// Whether it is what a role can be made of.
#[must_use]
pub fn is_grantable(scope: &str) -> bool {
    scope != OWNERS_ONLY && all_scopes().any(|known| known == scope)
}

/// Whether a text has the form of a scope.
#[must_use]
pub fn is_scope(text: &str) -> bool {
    let is_word = |word: &str| {
        (1..=32).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    text == ALL || text.split_once(':').is_some_and(|(capability, verb)| is_word(capability) && is_word(verb))
}

impl RoleKey {
    pub const OWNER: Self = Self::BuiltIn(BuiltIn::Owner);
    pub const ADMIN: Self = Self::BuiltIn(BuiltIn::Admin);
}

impl fmt::Display for RoleKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn(role) => f.write_str(role.as_ref()),
            Self::Custom(id) => id.fmt(f),
        }
    }
}

impl FromStr for RoleKey {
    type Err = NotARole;
    fn from_str(text: &str) -> Result<Self, NotARole> {
        let custom = || text.parse().map(Self::Custom).map_err(|_| NotARole);
        text.parse().map(Self::BuiltIn).or_else(|_| custom())
    }
}

impl TryFrom<String> for RoleKey {
    type Error = NotARole;
    fn try_from(text: String) -> Result<Self, NotARole> {
        text.parse()
    }
}

impl From<RoleKey> for String {
    fn from(role: RoleKey) -> String {
        role.to_string()
    }
}

#[cfg(feature = "schema")]
crate::schema::published!(RoleKey, crate::schema::role());

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn scopes<const N: usize>(all: [&str; N]) -> BTreeSet<String> {
        all.map(str::to_owned).into()
    }

    fn has(role: BuiltIn, scope: &str) -> bool {
        role.scopes().any(|has| has == scope)
    }

    #[test]
    fn a_star_is_all_of_the_workspace_but_not_what_must_be_named() {
        let all = scopes(["*"]);
        assert!(allow(&all, "order:place"));
        assert!(!allow(&all, "platform:operate"));
        assert!(!allow(&all, "history:write"));
        assert!(allow(&scopes(["*", "history:write"]), "history:write"));
        assert!(allow(&scopes(["order:place"]), "order:place"));
        assert!(!allow(&scopes(["order:place"]), "order:cancel"));
    }

    #[test]
    fn each_scope_has_one_line_in_order_and_none_is_reserved() {
        let all: Vec<&str> = all_scopes().collect();
        assert!(all.windows(2).all(|two| two[0] < two[1]));
        assert!(all.iter().all(|scope| is_scope(scope) && *scope != ALL && !RESERVED.contains(scope)));
    }

    #[test]
    fn the_owner_may_do_everything_and_nobody_else_gives_the_workspace_away() {
        assert_eq!(BuiltIn::Owner.scopes().count(), GRANTS.len());
        for role in BuiltIn::all().filter(|role| *role != BuiltIn::Owner) {
            assert!(!has(role, OWNERS_ONLY), "{role:?}");
        }
    }

    #[test]
    fn who_only_looks_changes_nothing() {
        for role in [BuiltIn::Viewer, BuiltIn::Auditor] {
            assert!(role.scopes().all(|scope| scope.ends_with(":read")), "{role:?}");
        }
        let read = all_scopes().filter(|scope| scope.ends_with(":read"));
        assert_eq!(BuiltIn::Auditor.scopes().count(), read.count());
    }

    #[test]
    fn only_an_admin_lets_others_in() {
        for scope in ["member:manage", "invitation:manage", "role:manage"] {
            for role in BuiltIn::all().filter(|role| !matches!(role, BuiltIn::Owner | BuiltIn::Admin)) {
                assert!(!has(role, scope), "{role:?} {scope}");
            }
        }
    }

    #[test]
    fn a_role_is_named_by_a_built_ins_name_or_by_its_id() {
        let custom = RoleKey::Custom(RoleId::from_uuid(Uuid::from_u128(7)));
        for (text, role) in [
            ("owner", RoleKey::OWNER),
            ("integrator", RoleKey::BuiltIn(BuiltIn::Integrator)),
            ("role_00000000000000000000000007", custom),
        ] {
            assert_eq!(text.parse(), Ok(role));
            assert_eq!(role.to_string(), text);
        }
        for bad in ["", "Owner", "root", "role_", "acc_00000000000000000000000007"] {
            assert_eq!(bad.parse::<RoleKey>(), Err(NotARole), "{bad}");
        }
    }
}
