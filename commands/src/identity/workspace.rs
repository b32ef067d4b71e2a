//! Acting on workspaces.

use domain::identity::membership::{Membership, MembershipCommand};
use domain::identity::workspace::{Workspace, WorkspaceCommand, WorkspaceEvent};
use domain::ids::WorkspaceId;
use domain::kernel::Unreadable;
use domain::locale::TimeZone;
use tracing::instrument;
use uuid::Uuid;

use crate::act::On;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::store::{EventStore, Outcome};

/// Workspaces are the platform's to make and to suspend.
pub(crate) const OPERATE: &str = "platform:operate";
/// Events of a workspace that are read at once.
const PAGE: i64 = 1_000;

/// The workspace of the platform itself: keys of it may operate the platform.
pub const PLATFORM: WorkspaceId = WorkspaceId::from_uuid(Uuid::from_u128(1));

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
