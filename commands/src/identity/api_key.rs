//! Acting on API keys.

use chrono::{DateTime, Utc};
use domain::identity::api_key::{ApiKey, ApiKeyCommand, ApiKeyEvent, Terms};
use domain::ids::{ApiKeyId, WorkspaceId};
use domain::kernel::{Decider, Unreadable};
use tracing::instrument;

use crate::act::On;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::identity::workspace::{OPERATE, PLATFORM};
use crate::port::vault::Vault;
use crate::store::{EventStore, Outcome};

/// Issuing, rotating and revoking keys.
pub const MANAGE: &str = "api_key:manage";
/// Looking at keys, without their secrets.
pub const READ: &str = "api_key:read";
/// Events of a key that are read at once.
const PAGE: i64 = 100;

/// Issues a key; whoever asks has made its secret, and keeps it. Nobody hands out what they do not have: `*` neither,
/// unless they act with it.
///
/// # Errors
/// Any of [`Error`].
#[instrument(name = "api_key.issue", skip_all, fields(api_key.id = %id))]
pub async fn issue(cx: Context, id: ApiKeyId, terms: Terms) -> Result<Outcome> {
    cx.must(MANAGE)?;
    // Only keys of the platform's own workspace operate it.
    if terms.scopes.contains(OPERATE) && cx.workspace != PLATFORM {
        return Err(Error::Forbidden(OPERATE.to_owned()));
    }
    cx.must_hold(&terms.scopes)?;
    cx.execute_all(&[&On::<ApiKey>::new(id, ApiKeyCommand::Issue(terms)).supposed_new()]).await
}

/// Gives a key another secret; the present one is good until then. Whoever has the secret may do what the key may, so
/// that only who may do as much gets it.
///
/// # Errors
/// Any of [`Error`].
#[instrument(name = "api_key.rotate", skip_all, fields(api_key.id = %id))]
pub async fn rotate(
    cx: Context,
    id: ApiKeyId,
    secret_hash: &str,
    keep_until: DateTime<Utc>,
) -> Result<Outcome> {
    cx.must(MANAGE)?;
    let at = cx.now();
    cx.execute_from(|facts| {
        let secret_hash = secret_hash.to_owned();
        async move {
            let known = facts.load::<ApiKey>(&id).await?;
            facts.must_hold(known.state.terms().into_iter().flat_map(|terms| &terms.scopes))?;
            let rotate = ApiKeyCommand::Rotate { secret_hash, keep_until, at };
            Ok(vec![On::<ApiKey>::new(id, rotate).at(known.version).boxed()])
        }
    })
    .await
}

/// What the secret of the key is made of that this command issues or rotates: 64 characters. A repeat of the command
/// gets the same, and nobody else, since nothing of it is stored.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn secret(cx: &Context, vault: &dyn Vault) -> Result<String> {
    Ok(vault.lookup(cx.workspace, "api_key", &cx.command_id.to_string()).await?.into())
}

/// Takes a key away, for good.
///
/// # Errors
/// Any of [`Error`].
#[instrument(name = "api_key.revoke", skip_all, fields(api_key.id = %id))]
pub async fn revoke(cx: Context, id: ApiKeyId) -> Result<Outcome> {
    cx.must(MANAGE)?;
    cx.execute::<ApiKey>(id, ApiKeyCommand::Revoke).await
}

/// A key, as its stream says.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    pub id: ApiKeyId,
    pub terms: Terms,
    pub revoked: bool,
    /// What it may be used with, and when.
    pub key: ApiKey,
}

/// A key as it is now: from the log and not from the cache of aggregates, which learns of a revocation elsewhere
/// only when it appends.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn find(store: &EventStore, workspace: WorkspaceId, id: ApiKeyId) -> Result<Option<Known>> {
    let mut key = ApiKey::default();
    let (mut revoked, mut after) = (false, 0);
    loop {
        let events = store.history::<ApiKey>(workspace, &id, after, PAGE).await?;
        let Some(last) = events.last() else { break };
        after = last.sequence;
        for event in &events {
            let Some(event) = event.of::<ApiKey>().map_err(|error: Unreadable| Error::failed(error))? else {
                continue;
            };
            revoked |= matches!(event, ApiKeyEvent::Revoked);
            key.evolve(event.clone());
        }
    }
    Ok(key.terms().cloned().map(|terms| Known { id, terms, revoked, key }))
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
