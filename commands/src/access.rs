//! Access: what a person may do somewhere, now.
//!
//! It follows from their session, their account, their membership and its roles, and the workspace. All of these are
//! aggregates that stay in memory; who follows the log keeps them true ([`EventStore::heard`]), so that a warm request
//! asks the database for nothing, and what was revoked anywhere stops working here a moment later.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use chrono::{DateTime, Utc};
use domain::identity::account::Account;
use domain::identity::api_key::ApiKey;
use domain::identity::email::Email;
use domain::identity::membership::Membership;
use domain::identity::party::Party;
use domain::identity::password::Password;
use domain::identity::role::Role;
use domain::identity::session::Session;
use domain::identity::workspace::Workspace;
use domain::ids::{AccountId, SessionId, WorkspaceId};
use domain::kernel::Decider;
use domain::permission::{BuiltIn, RoleKey};

use crate::error::Result;
use crate::identity::workspace::PLATFORM;
use crate::store::EventStore;

/// The aggregates that coming in and access follow from.
pub const FOLLOWS_FROM: [&str; 9] = [
    Account::NAME,
    ApiKey::NAME,
    Email::NAME,
    Membership::NAME,
    Party::NAME,
    Password::NAME,
    Role::NAME,
    Session::NAME,
    Workspace::NAME,
];

/// What a person may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    pub scopes: Arc<BTreeSet<String>>,
    /// Whether the workspace takes no commands.
    pub suspended: bool,
    /// When they last showed who they are.
    pub authenticated_at: DateTime<Utc>,
}

/// What each built-in role allows.
static BUILT_IN: LazyLock<BTreeMap<BuiltIn, Arc<BTreeSet<String>>>> = LazyLock::new(|| {
    let scopes = |role: BuiltIn| role.scopes().map(str::to_owned).collect();
    BuiltIn::all().map(|role| (role, Arc::new(scopes(role)))).collect()
});

/// What an account may do in a workspace by this session; none if the session is over.
///
/// Who is no member there may do nothing. Without a workspace there is only what is one's own.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn find(
    store: &EventStore,
    (account, session): (AccountId, SessionId),
    workspace: Option<WorkspaceId>,
    now: DateTime<Utc>,
) -> Result<Option<Access>> {
    let open = store.load::<Session>(PLATFORM, &session).await?.state;
    let Some(begun) = open.begun().filter(|begun| begun.account == account) else { return Ok(None) };
    let lasts = open.ends_at().is_some_and(|end| now < end);
    let holder = store.load::<Account>(PLATFORM, &account).await?.state;
    let Some((_, authenticated_at)) =
        open.authenticated().filter(|_| lasts && holder.carries(session, begun.epoch))
    else {
        return Ok(None);
    };
    let Some(workspace) = workspace else {
        return Ok(Some(Access { scopes: Arc::default(), suspended: false, authenticated_at }));
    };
    let member = store.load::<Membership>(workspace, &account).await?.state;
    let scopes = match member.roles() {
        Some(roles) => scopes(store, workspace, roles).await?,
        None => Arc::default(),
    };
    let place = store.load::<Workspace>(workspace, &workspace).await?.state;
    Ok(Some(Access { scopes, suspended: !place.is_active(), authenticated_at }))
}

/// What any of these roles allows. One that is retired allows nothing.
pub(crate) async fn scopes(
    store: &EventStore,
    workspace: WorkspaceId,
    roles: &BTreeSet<RoleKey>,
) -> Result<Arc<BTreeSet<String>>> {
    let mut all: Option<Arc<BTreeSet<String>>> = None;
    for role in roles {
        let of_role = match role {
            RoleKey::BuiltIn(role) => BUILT_IN.get(role).cloned().unwrap_or_default(),
            RoleKey::Custom(id) => {
                let role = store.load::<Role>(workspace, id).await?.state;
                Arc::new(role.terms().map(|terms| terms.scopes.clone()).unwrap_or_default())
            }
        };
        all = Some(match all {
            None => of_role,
            Some(all) => Arc::new(all.union(&of_role).cloned().collect()),
        });
    }
    Ok(all.unwrap_or_default())
}
