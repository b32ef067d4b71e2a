//! Acting on parties: letting counterparts see what is theirs.
//!
//! A workspace does not say which account it is: it makes a token for a customer, gets it to them, and whoever shows it
//! while they are signed in is it. A token is good once: it names how far the party was.

use chrono::{DateTime, TimeDelta, Utc};
use domain::identity::party::{Party, PartyCommand, PartyRefusal};
use domain::ids::{AccountId, CustomerId, WorkspaceId};
use domain::kernel::Decider;
use tracing::instrument;

use crate::act::On;
use crate::context::Context;
use crate::error::{Error, Refused, Result};
use crate::port::vault::Vault;
use crate::store::{EventStore, Outcome};
use crate::token;

/// Seeing who sees what is theirs.
pub const READ: &str = "party:read";
/// Letting them, and no longer.
pub const MANAGE: &str = "party:manage";
/// What the tokens are made for.
const CLAIM: &str = "party";
/// How long one is good.
pub const CLAIM_WITHIN: TimeDelta = TimeDelta::days(7);

/// Makes a token by which somebody shows that they are this customer.
#[instrument(name = "party.invite", skip_all, fields(customer.id = %customer))]
pub async fn invite(cx: Context, vault: &dyn Vault, customer: CustomerId) -> Result<String> {
    cx.must(MANAGE)?;
    let (workspace, at) = (cx.workspace, cx.now());
    let known = cx.know(|facts| async move { facts.load::<Party>(&customer).await }).await?;
    if known.state.account().is_some() {
        return Err(refused(&PartyRefusal::LinkedToAnother));
    }
    let words =
        [workspace.to_string(), customer.to_string(), known.version.to_string(), at.timestamp().to_string()];
    token::mint(vault, CLAIM, &words.each_ref().map(String::as_str)).await
}

/// Shows a token: the actor is the customer that it was made for, and sees what is theirs.
#[instrument(name = "party.claim", skip_all)]
pub async fn claim(cx: Context, vault: &dyn Vault, shown: &str) -> Result<Outcome> {
    let account = cx.account()?;
    let spent = || refused(&PartyRefusal::LinkSpent);
    let words = token::read::<4>(vault, CLAIM, shown).await?.ok_or_else(spent)?;
    let (workspace, customer, version) = read(&words, cx.now()).ok_or_else(spent)?;
    cx.elsewhere(workspace)
        .execute_from(|facts| async move {
            let known = facts.load::<Party>(&customer).await?;
            if known.version != version && known.state.account() != Some(account) {
                return Err(refused(&PartyRefusal::LinkSpent));
            }
            let link = On::<Party>::new(customer, PartyCommand::Link { account });
            Ok(vec![link.at(known.version).boxed()])
        })
        .await
}

/// What a token says, if it is good still.
fn read(
    [workspace, customer, version, at]: &[String; 4],
    now: DateTime<Utc>,
) -> Option<(WorkspaceId, CustomerId, i64)> {
    let made = DateTime::from_timestamp(at.parse().ok()?, 0)?;
    let said = (workspace.parse().ok()?, customer.parse().ok()?, version.parse().ok()?);
    (now < made + CLAIM_WITHIN).then_some(said)
}

/// Whoever sees what is this customer's sees it no longer.
#[instrument(name = "party.unlink", skip_all, fields(customer.id = %customer))]
pub async fn unlink(cx: Context, customer: CustomerId) -> Result<Outcome> {
    cx.must(MANAGE)?;
    cx.execute_from(|facts| async move {
        let known = facts.load::<Party>(&customer).await?;
        let account = known.state.account().ok_or_else(|| refused(&PartyRefusal::Unknown))?;
        let unlink = On::<Party>::new(customer, PartyCommand::Unlink { account });
        Ok(vec![unlink.at(known.version).boxed()])
    })
    .await
}

/// The actor is this customer no longer.
#[instrument(name = "party.leave", skip_all, fields(workspace.id = %workspace, customer.id = %customer))]
pub async fn leave(cx: Context, workspace: WorkspaceId, customer: CustomerId) -> Result<Outcome> {
    let account = cx.account()?;
    if !is(cx.store(), workspace, customer, account).await? {
        return Err(refused(&PartyRefusal::Unknown));
    }
    cx.elsewhere(workspace).execute::<Party>(customer, PartyCommand::Unlink { account }).await
}

/// Whether an account is a customer of a workspace, now.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn is(
    store: &EventStore,
    workspace: WorkspaceId,
    customer: CustomerId,
    account: AccountId,
) -> Result<bool> {
    Ok(store.load::<Party>(workspace, &customer).await?.state.account() == Some(account))
}

fn refused(no: &PartyRefusal) -> Error {
    Error::Refused(Refused::by(Party::NAME, no))
}
