//! Acting on workspaces.

use std::collections::BTreeSet;

use domain::identity::membership::{Membership, MembershipCommand, MembershipRefusal};
pub use domain::identity::workspace::PLATFORM;
use domain::identity::workspace::{Settings, TwoFactorOf, Workspace, WorkspaceCommand, WorkspaceEvent};
use domain::ids::{AccountId, WorkspaceId};
use domain::kernel::{Decider, Unreadable};
use domain::locale::TimeZone;
use domain::permission::{OWNERS_ONLY, RoleKey};
use tracing::instrument;
use uuid::Uuid;

use crate::act::On;
use crate::context::Context;
use crate::error::{Error, Refused, Result};
use crate::facts::Facts;
use crate::store::{EventStore, Outcome};

/// Workspaces are the platform's to make and to suspend.
pub const OPERATE: &str = "platform:operate";
/// Its name, its settings, and whom it asks for a second factor.
pub const MANAGE: &str = "workspace:manage";
/// Looking at it.
pub const READ: &str = "workspace:read";
/// Handing it over to another member.
pub const HAND_OVER: &str = OWNERS_ONLY;
/// What has happened to a workspace and to who may act in it.
pub const AUDIT: &str = "audit:read";
/// Events of a workspace that are read at once.
const PAGE: i64 = 1_000;

/// Creates the context's workspace: its stream is its own first.
#[instrument(name = "workspace.create", skip_all, fields(workspace.id = %cx.workspace))]
pub async fn create(cx: Context, name: &str) -> Result<Outcome> {
    act(cx, WorkspaceCommand::Create { name: name.to_owned(), owner: None }).await
}

/// Makes a workspace that is the actor's own, who becomes its first member.
#[instrument(name = "workspace.found", skip_all)]
pub async fn found(cx: Context, name: &str) -> Result<Outcome> {
    let owner = cx.account()?;
    // Of the command's id, so that a repeat makes the same.
    let id = WorkspaceId::from_uuid(Uuid::new_v5(&cx.command_id, b"workspace"));
    let command = WorkspaceCommand::Create { name: name.to_owned(), owner: Some(owner) };
    cx.elsewhere(id)
        .execute_all(&[
            &On::<Workspace>::new(id, command).supposed_new(),
            &On::<Membership>::new(owner, MembershipCommand::Own).supposed_new(),
        ])
        .await
}

/// Calls the context's workspace by another name.
///
/// # Errors
/// Any of [`Error`].
#[instrument(name = "workspace.rename", skip_all, fields(workspace.id = %cx.workspace))]
pub async fn rename(cx: Context, name: &str) -> Result<Outcome> {
    manage(cx, WorkspaceCommand::Rename { name: name.to_owned() }).await
}

/// Settles how it reckons and reads.
///
/// # Errors
/// Any of [`Error`].
#[instrument(name = "workspace.settle", skip_all, fields(workspace.id = %cx.workspace))]
pub async fn settle(cx: Context, settings: Settings) -> Result<Outcome> {
    manage(cx, WorkspaceCommand::Settle(settings)).await
}

/// Asks for a second factor of these members.
///
/// # Errors
/// Any of [`Error`].
#[instrument(name = "workspace.require_two_factor", skip_all, fields(workspace.id = %cx.workspace))]
pub async fn require_two_factor(cx: Context, of: TwoFactorOf) -> Result<Outcome> {
    manage(cx, WorkspaceCommand::RequireTwoFactor { of }).await
}

async fn manage(cx: Context, command: WorkspaceCommand) -> Result<Outcome> {
    cx.must(MANAGE)?;
    let own = cx.workspace;
    cx.execute::<Workspace>(own, command).await
}

/// The owner hands it over to another member, and is an admin from then on.
///
/// # Errors
/// Any of [`Error`].
#[instrument(name = "workspace.hand_over", skip_all, fields(workspace.id = %cx.workspace, account.id = %to))]
pub async fn hand_over(cx: Context, to: AccountId) -> Result<Outcome> {
    cx.must(HAND_OVER)?;
    let from = cx.account()?;
    cx.execute_from(|facts| async move {
        let refused = |no: MembershipRefusal| Err(Error::Refused(Refused::by(Membership::NAME, &no)));
        let heir = facts.load::<Membership>(&to).await?;
        if !facts.load::<Membership>(&from).await?.state.is_owner() {
            return refused(MembershipRefusal::NotOwner);
        }
        if heir.state.roles().is_none() {
            return refused(MembershipRefusal::Unknown);
        }
        let own = On::<Workspace>::new(facts.workspace, WorkspaceCommand::HandOver { to }).boxed();
        if to == from {
            return Ok(vec![own]);
        }
        let admin = MembershipCommand::HandOver { roles: BTreeSet::from([RoleKey::ADMIN]) };
        Ok(vec![
            own,
            On::<Membership>::new(from, admin).boxed(),
            On::<Membership>::new(to, MembershipCommand::Own).at(heir.version).boxed(),
        ])
    })
    .await
}

/// Takes no more commands for a workspace, or takes them again: what the platform's own keys may.
///
/// # Errors
/// Any of [`Error`].
#[instrument(name = "workspace.operate", skip_all, fields(workspace.id = %workspace))]
pub async fn operate(cx: Context, workspace: WorkspaceId, command: WorkspaceCommand) -> Result<Outcome> {
    if cx.workspace != PLATFORM {
        return Err(Error::Forbidden(OPERATE.to_owned()));
    }
    act(cx.elsewhere(workspace), command).await
}

/// While it is suspended it takes no commands, whoever asks.
///
/// # Errors
/// [`Error::Suspended`].
pub(crate) async fn must_be_active(facts: &Facts) -> Result<()> {
    let own = facts.load::<Workspace>(&facts.workspace).await?;
    if own.state.is_suspended() { Err(Error::Suspended) } else { Ok(()) }
}

/// Takes no more commands for the context's workspace.
#[instrument(name = "workspace.suspend", skip_all, fields(workspace.id = %cx.workspace))]
pub async fn suspend(cx: Context, reason: &str) -> Result<Outcome> {
    act(cx, WorkspaceCommand::Suspend { reason: reason.to_owned() }).await
}

/// Takes commands for it again.
#[instrument(name = "workspace.resume", skip_all, fields(workspace.id = %cx.workspace))]
pub async fn resume(cx: Context) -> Result<Outcome> {
    act(cx, WorkspaceCommand::Resume).await
}

/// By which clock the context's workspace reckons: as it is now, not as a cache has it.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn time_zone(cx: Context) -> Result<TimeZone> {
    cx.know(|facts| async move {
        let workspace = facts.load::<Workspace>(&facts.workspace).await?;
        Ok(workspace.state.settings().map(|settings| settings.time_zone.clone()).unwrap_or_default())
    })
    .await
}

async fn act(cx: Context, command: WorkspaceCommand) -> Result<Outcome> {
    cx.must(OPERATE)?;
    let own = cx.workspace;
    cx.execute::<Workspace>(own, command).await
}

/// A workspace, as its stream says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    pub id: WorkspaceId,
    pub name: String,
    /// Why it takes no commands, if it does not.
    pub suspended: Option<String>,
}

/// Every workspace, by name. There is no read model of them, since what belongs to a workspace is read within it.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn all(store: &EventStore) -> Result<Vec<Known>> {
    let mut known = Vec::new();
    for id in store.workspaces().await? {
        known.extend(find(store, id).await?);
    }
    known.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
    Ok(known)
}

/// A workspace, if it was created.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn find(store: &EventStore, id: WorkspaceId) -> Result<Option<Known>> {
    let (mut name, mut suspended, mut after) = (None, None, 0);
    loop {
        let events = store.history::<Workspace>(id, &id, after, PAGE).await?;
        let Some(last) = events.last() else { break };
        after = last.sequence;
        for event in &events {
            let unreadable = |error: Unreadable| Error::failed(error);
            match event.of::<Workspace>().map_err(unreadable)? {
                Some(WorkspaceEvent::Created { name: new, .. } | WorkspaceEvent::Renamed { name: new }) => {
                    name = Some(new.clone());
                }
                Some(WorkspaceEvent::Suspended { reason }) => suspended = Some(reason.clone()),
                Some(WorkspaceEvent::Resumed) => suspended = None,
                Some(_) | None => {}
            }
        }
    }
    Ok(name.map(|name| Known { id, name, suspended }))
}
