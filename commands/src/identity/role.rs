//! Acting on roles. Nobody hands out what they do not have themselves, nor takes away what they could not have given.

use std::collections::BTreeSet;

use domain::identity::role::{Role, RoleCommand, RoleRefusal, Terms};
use domain::ids::RoleId;
use domain::kernel::Decider;
use domain::permission::{RoleKey, is_grantable};
use tracing::instrument;

use crate::access;
use crate::act::On;
use crate::context::Context;
use crate::error::{Error, Refused, Result};
use crate::facts::Facts;
use crate::store::Outcome;

/// Defining, changing and retiring roles.
pub const MANAGE: &str = "role:manage";
/// Looking at roles.
pub const READ: &str = "role:read";

/// Defines a role of the workspace's own.
///
/// # Errors
/// Any of [`Error`].
#[instrument(name = "role.define", skip_all)]
pub async fn define(cx: Context, terms: Terms) -> Result<Outcome> {
    cx.must(MANAGE)?;
    must_hold(&cx, &terms)?;
    cx.create::<Role>(RoleCommand::Define(terms)).await
}

/// Changes what a role is called or allows, for all who have it.
///
/// # Errors
/// Any of [`Error`].
#[instrument(name = "role.change", skip_all, fields(role.id = %id))]
pub async fn change(cx: Context, id: RoleId, terms: Terms) -> Result<Outcome> {
    cx.must(MANAGE)?;
    must_hold(&cx, &terms)?;
    act(cx, id, RoleCommand::Change(terms)).await
}

/// Takes a role away from all who have it, for good.
///
/// # Errors
/// Any of [`Error`].
#[instrument(name = "role.retire", skip_all, fields(role.id = %id))]
pub async fn retire(cx: Context, id: RoleId) -> Result<Outcome> {
    cx.must(MANAGE)?;
    act(cx, id, RoleCommand::Retire).await
}

/// Whether the actor may do as much as the role now allows is looked at as well.
async fn act(cx: Context, id: RoleId, command: RoleCommand) -> Result<Outcome> {
    cx.execute_from(|facts| {
        let command = command.clone();
        async move {
            let known = facts.load::<Role>(&id).await?;
            facts.must_hold(known.state.terms().into_iter().flat_map(|terms| &terms.scopes))?;
            Ok(vec![On::<Role>::new(id, command).at(known.version).boxed()])
        }
    })
    .await
}

/// What no role can allow, the role itself refuses.
fn must_hold(cx: &Context, terms: &Terms) -> Result<()> {
    cx.must_hold(terms.scopes.iter().filter(|scope| is_grantable(scope)))
}

/// Lets who has all that these roles allow hand them out. Each must be there.
///
/// # Errors
/// [`Error::Forbidden`]; [`Error::Refused`] if the workspace has no such role.
pub(crate) async fn may_be_given(facts: &Facts, roles: &BTreeSet<RoleKey>) -> Result<()> {
    for role in roles {
        if let RoleKey::Custom(id) = role
            && facts.load::<Role>(id).await?.state.terms().is_none()
        {
            return Err(Error::Refused(Refused::by(Role::NAME, &RoleRefusal::Unknown)));
        }
    }
    may_be_taken(facts, roles).await
}

/// Lets who has all that these roles allow take them away, also such as are retired.
///
/// # Errors
/// [`Error::Forbidden`].
pub(crate) async fn may_be_taken(facts: &Facts, roles: &BTreeSet<RoleKey>) -> Result<()> {
    facts.must_hold(&*access::scopes(facts.store(), facts.workspace, roles).await?)
}
