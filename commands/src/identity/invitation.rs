//! Acting on invitations: a mail asks somebody in, and whoever shows its token and has its address may come.

use std::collections::BTreeSet;

use domain::identity::account::Account;
use domain::identity::invitation::{Address, Invitation, InvitationCommand, InvitationRefusal, Offer};
use domain::identity::membership::{Membership, MembershipCommand};
use domain::identity::party::{Party, PartyCommand};
use domain::ids::{AccountId, InvitationId, WorkspaceId};
use domain::kernel::Decider;
use domain::locale::Locale;
use domain::permission::RoleKey;
use domain::pii::{Pii, Whose};
use tracing::instrument;

use crate::act::{Act, On};
use crate::context::Context;
use crate::door::{self, Door};
use crate::error::{Error, Refused, Result};
use crate::facts::Facts;
use crate::identity::workspace::{PLATFORM, must_be_active};
use crate::identity::{account, role};
use crate::port::vault::seal;
use crate::store::Outcome;
use crate::token;

/// Inviting, and taking invitations back.
pub const MANAGE: &str = "invitation:manage";
/// Looking at invitations.
pub const READ: &str = "invitation:read";
/// What the tokens of inviting mails are made for.
pub(crate) const INVITE: &str = "invite";

/// Whose personal data an invitation's is: there need be no account yet.
#[must_use]
pub fn whose(workspace: WorkspaceId, invitation: InvitationId) -> Whose {
    Whose::new(workspace, invitation)
}

/// Asks whoever has an address to be a member in these roles.
///
/// # Errors
/// Any of [`Error`].
#[instrument(name = "invitation.send", skip_all)]
pub async fn send(
    cx: Context,
    door: &Door,
    address: &str,
    roles: BTreeSet<RoleKey>,
    locale: Locale,
) -> Result<Outcome> {
    cx.must(MANAGE)?;
    // A repeat sends no mail, and counts as none.
    if let Some(outcome) = cx.answered().await? {
        return Ok(outcome);
    }
    let address = door::address(address)?;
    door.guesses.invitation(cx.workspace, cx.now())?;
    let (id, at) = (cx.new_id::<InvitationId>(), cx.now());
    let address: Pii<Address> = seal(&*door.vault, &whose(cx.workspace, id), &address).await?;
    cx.execute_from(|facts| {
        let (address, locale) = (address.clone(), locale.clone());
        let roles = roles.clone();
        async move {
            role::may_be_given(&facts, &roles).await?;
            let offer = Offer::Member { roles };
            let send = InvitationCommand::Send { address, offer, locale, at };
            Ok(vec![On::<Invitation>::new(id, send).supposed_new().boxed()])
        }
    })
    .await
}

/// The actor takes what they were offered: the token is shown, and their account's address is the one that it went to.
///
/// # Errors
/// Any of [`Error`].
#[instrument(name = "invitation.accept", skip_all)]
pub async fn accept(cx: Context, door: &Door, shown: &str) -> Result<Outcome> {
    let account = cx.account()?;
    let (workspace, id) = invited(door, shown).await?;
    cx.elsewhere(workspace)
        .execute_from(|facts| async move {
            must_be_active(&facts).await?;
            let known = facts.load::<Invitation>(&id).await?;
            let (state, at) = (&known.state, facts.now());
            let addressed = has_address(&facts, door, account, id, state).await?;
            let accept = InvitationCommand::Accept { account, addressed, at };
            let mut acts: Vec<Box<dyn Act>> =
                vec![On::<Invitation>::new(id, accept).at(known.version).boxed()];
            // What was taken once is not taken again: who was removed since stays so.
            if let Some(offer) = state.offer().filter(|_| state.is_open(at)) {
                acts.push(taken(offer, account));
            }
            Ok(acts)
        })
        .await
}

fn taken(offer: &Offer, account: AccountId) -> Box<dyn Act> {
    match offer {
        Offer::Member { roles } => {
            On::<Membership>::new(account, MembershipCommand::Join { roles: roles.clone() }).boxed()
        }
        Offer::Party { party } => On::<Party>::new(*party, PartyCommand::Link { account }).boxed(),
    }
}

async fn has_address(
    facts: &Facts,
    door: &Door,
    account: AccountId,
    id: InvitationId,
    invitation: &Invitation,
) -> Result<bool> {
    let holder = facts.store().load::<Account>(PLATFORM, &account).await?.state;
    let (Some(went_to), Some(own)) = (invitation.address(), holder.address()) else { return Ok(false) };
    let went_to = door.open(&whose(facts.workspace, id), went_to).await?;
    let own = door.open(&account::whose(account), own).await?;
    Ok(went_to.is_some() && went_to == own)
}

/// Turns it down; whoever shows the token may.
///
/// # Errors
/// Any of [`Error`].
#[instrument(name = "invitation.decline", skip_all)]
pub async fn decline(cx: Context, door: &Door, shown: &str) -> Result<Outcome> {
    let (workspace, id) = invited(door, shown).await?;
    let at = cx.now();
    cx.elsewhere(workspace).execute::<Invitation>(id, InvitationCommand::Decline { at }).await
}

/// Takes an invitation back.
///
/// # Errors
/// Any of [`Error`].
#[instrument(name = "invitation.revoke", skip_all, fields(invitation.id = %id))]
pub async fn revoke(cx: Context, id: InvitationId) -> Result<Outcome> {
    cx.must(MANAGE)?;
    cx.execute::<Invitation>(id, InvitationCommand::Revoke).await
}

/// The token of an invitation's mail.
///
/// # Errors
/// [`Error::Unavailable`].
pub(crate) async fn token(door: &Door, workspace: WorkspaceId, id: InvitationId) -> Result<String> {
    token::mint(&*door.vault, INVITE, &[&workspace.to_string(), &id.to_string()]).await
}

/// Which invitation a token is of. What was made by nobody is gone like what was answered.
async fn invited(door: &Door, shown: &str) -> Result<(WorkspaceId, InvitationId)> {
    let words = token::read::<2>(&*door.vault, INVITE, shown).await?;
    words
        .and_then(|[workspace, id]| Some((workspace.parse().ok()?, id.parse().ok()?)))
        .ok_or_else(|| Error::Refused(Refused::by(Invitation::NAME, &InvitationRefusal::Gone)))
}
