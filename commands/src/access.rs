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
use domain::identity::two_factor::TwoFactor;
use domain::identity::workspace::Workspace;
use domain::ids::{AccountId, SessionId, WorkspaceId};
use domain::kernel::Decider;
use domain::permission::{BuiltIn, RoleKey, allow};

use crate::error::Result;
use crate::identity::workspace::PLATFORM;
use crate::store::EventStore;

/// The aggregates that coming in and access follow from.
pub const FOLLOWS_FROM: [&str; 10] = [
    Account::NAME,
    ApiKey::NAME,
    Email::NAME,
    Membership::NAME,
    Party::NAME,
    Password::NAME,
    Role::NAME,
    Session::NAME,
    TwoFactor::NAME,
    Workspace::NAME,
];

/// What a person may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    pub scopes: Arc<BTreeSet<String>>,
    /// Whether the workspace takes no commands.
    pub suspended: bool,
    /// Whether the workspace asks for a second factor that was not shown: until it is, nothing may be done there.
    pub lacks_second_factor: bool,
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
    let own =
        Access { scopes: Arc::default(), suspended: false, lacks_second_factor: false, authenticated_at };
    let Some(workspace) = workspace else { return Ok(Some(own)) };
    let place = store.load::<Workspace>(workspace, &workspace).await?.state;
    let suspended = !place.is_active();
    let member = store.load::<Membership>(workspace, &account).await?.state;
    let Some(roles) = member.roles() else { return Ok(Some(Access { suspended, ..own })) };
    let lacks_second_factor =
        place.two_factor().includes(roles) && !has_second_factor(store, account, &open).await?;
    let scopes = scopes(store, workspace, roles).await?;
    Ok(Some(Access { scopes, suspended, lacks_second_factor, authenticated_at }))
}

/// Whether a member may do something in a workspace, if they come in at all.
pub(crate) async fn may(
    store: &EventStore,
    workspace: WorkspaceId,
    account: AccountId,
    scope: &str,
) -> Result<bool> {
    let member = store.load::<Membership>(workspace, &account).await?.state;
    let Some(roles) = member.roles() else { return Ok(false) };
    let holder = store.load::<Account>(PLATFORM, &account).await?.state;
    Ok(holder.is_active() && allow(&*scopes(store, workspace, roles).await?, scope))
}

/// Whether a person has a second factor, and has shown it in this session.
async fn has_second_factor(store: &EventStore, account: AccountId, session: &Session) -> Result<bool> {
    let known = store.load::<TwoFactor>(PLATFORM, &account).await?.state;
    Ok(known.confirmed().is_some() && session.has_second_factor())
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
