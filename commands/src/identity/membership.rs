//! Acting on memberships. Who is managed by others may do no more than they may.

use std::collections::BTreeSet;

use domain::identity::membership::{Membership, MembershipCommand, MembershipRefusal};
use domain::identity::workspace::{Workspace, WorkspaceRefusal};
use domain::ids::{AccountId, WorkspaceId};
use domain::kernel::Decider;
use domain::permission::RoleKey;
use tracing::instrument;

use crate::act::On;
use crate::context::Context;
use crate::error::{Error, Refused, Result};
use crate::facts::Facts;
use crate::identity::role;
use crate::identity::workspace::must_be_active;
use crate::store::Outcome;

/// Changing members' roles, and removing members.
pub const MANAGE: &str = "member:manage";
/// Looking at members.
pub const READ: &str = "member:read";

/// Gives a member these roles and no others.
///
/// # Errors
/// Any of [`Error`].
#[instrument(name = "membership.change_roles", skip_all, fields(account.id = %account))]
pub async fn change_roles(cx: Context, account: AccountId, roles: BTreeSet<RoleKey>) -> Result<Outcome> {
    cx.must(MANAGE)?;
    cx.execute_from(|facts| {
        let roles = roles.clone();
        async move {
            let version = may_be_managed(&facts, account).await?;
            role::may_be_given(&facts, &roles).await?;
            let change = MembershipCommand::ChangeRoles { roles };
            Ok(vec![On::<Membership>::new(account, change).at(version).boxed()])
        }
    })
    .await
}

/// Makes a member leave. They may do nothing there any more.
///
/// # Errors
/// Any of [`Error`].
#[instrument(name = "membership.remove", skip_all, fields(account.id = %account))]
pub async fn remove(cx: Context, account: AccountId) -> Result<Outcome> {
    cx.must(MANAGE)?;
    cx.execute_from(|facts| async move {
        let version = may_be_managed(&facts, account).await?;
        Ok(vec![On::<Membership>::new(account, MembershipCommand::Remove).at(version).boxed()])
    })
    .await
}

/// The actor leaves a workspace. One that they are no member of is not there.
///
/// # Errors
/// Any of [`Error`].
#[instrument(name = "membership.leave", skip_all, fields(workspace.id = %workspace))]
pub async fn leave(cx: Context, workspace: WorkspaceId) -> Result<Outcome> {
    let account = cx.account()?;
    cx.elsewhere(workspace)
        .execute_from(|facts| async move {
            if facts.load::<Membership>(&account).await?.state.roles().is_none() {
                return Err(Error::Refused(Refused::by(Workspace::NAME, &WorkspaceRefusal::Unknown)));
            }
            must_be_active(&facts).await?;
            Ok(vec![On::<Membership>::new(account, MembershipCommand::Leave).boxed()])
        })
        .await
}

/// Lets who may do all that a member may manage them; answers at which version they are.
async fn may_be_managed(facts: &Facts, account: AccountId) -> Result<i64> {
    let known = facts.load::<Membership>(&account).await?;
    if known.version == 0 {
        return Err(Error::Refused(Refused::by(Membership::NAME, &MembershipRefusal::Unknown)));
    }
    if let Some(roles) = known.state.roles() {
        role::may_be_taken(facts, roles).await?;
    }
    Ok(known.version)
}
