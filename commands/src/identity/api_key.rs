//! Acting on API keys.

use domain::identity::api_key::{ApiKey, ApiKeyCommand, ApiKeyEvent, Terms};
use domain::ids::{ApiKeyId, WorkspaceId};
use domain::kernel::Unreadable;
use tracing::instrument;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::identity::workspace::{OPERATE, PLATFORM};
use crate::store::{EventStore, Outcome};

const MANAGE: &str = "api_key:manage";
/// A key is issued and revoked: a history has two events.
const EVENTS: i64 = 100;

/// Issues a key; whoever asks has made its secret, and keeps it.
#[instrument(name = "api_key.issue", skip_all, fields(api_key.id = %id))]
pub async fn issue(cx: Context, id: ApiKeyId, terms: Terms) -> Result<Outcome> {
    cx.must(MANAGE)?;
    // Nobody hands out what they do not have, and only keys of the platform's own workspace operate it.
    if terms.scopes.contains(OPERATE) && cx.workspace != PLATFORM {
        return Err(Error::Forbidden(OPERATE.to_owned()));
    }
    terms.scopes.iter().filter(|scope| *scope != "*").try_for_each(|scope| cx.must(scope))?;
    cx.execute::<ApiKey>(id, ApiKeyCommand::Issue(terms)).await
}

/// Takes a key away, for good.
#[instrument(name = "api_key.revoke", skip_all, fields(api_key.id = %id))]
pub async fn revoke(cx: Context, id: ApiKeyId) -> Result<Outcome> {
    cx.must(MANAGE)?;
    cx.execute::<ApiKey>(id, ApiKeyCommand::Revoke).await
}

/// A key, as its stream says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    pub id: ApiKeyId,
    pub terms: Terms,
    pub revoked: bool,
}

/// A key as it is now: from the log and not from the cache of aggregates, which learns of a revocation elsewhere
/// only when it appends.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn find(store: &EventStore, workspace: WorkspaceId, id: ApiKeyId) -> Result<Option<Known>> {
    let (mut issued, mut revoked) = (None::<Terms>, false);
    for event in store.history::<ApiKey>(workspace, &id, 0, EVENTS).await? {
        match event.of::<ApiKey>().map_err(|error: Unreadable| Error::failed(error))? {
            Some(ApiKeyEvent::Issued(terms)) => issued = Some(terms.clone()),
            Some(ApiKeyEvent::Rotated { secret_hash, .. }) => {
                issued.iter_mut().for_each(|terms| terms.secret_hash.clone_from(secret_hash));
            }
            Some(ApiKeyEvent::Revoked) => revoked = true,
            None => {}
        }
    }
    Ok(issued.map(|terms| Known { id, terms, revoked }))
}

/// All keys of a workspace, in the order of their making.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn all(store: &EventStore, workspace: WorkspaceId) -> Result<Vec<Known>> {
    let mut keys = Vec::new();
    for id in store.beginning_with::<ApiKey>(workspace, ApiKeyId::PREFIX).await? {
        keys.extend(find(store, workspace, id).await?);
    }
    Ok(keys)
}
