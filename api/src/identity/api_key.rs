//! `/api/api-keys`: what programs show to act in the workspace.

use std::collections::BTreeSet;

use axum::extract::State;
use chrono::{DateTime, TimeDelta, Utc};
use commands::Outcome;
use commands::identity::{api_key, workspace};
use domain::identity::api_key::{ApiKey, Network, Terms};
use domain::ids::{ApiKeyId, WorkspaceId};
use domain::kernel::microseconds;
use projections::identity::api_key::{ApiKeyFilter, ApiKeyView, ApiKeys};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::issued::{Issued, KeyCreated, KeyRotated};
use crate::answer::{Done, Shown};
use crate::app::App;
use crate::extract::{Command, Id, List, NoBody, Path, Query, Show, SteppedUpCreation};
use crate::fresh::MinPosition;
use crate::history::Happened;
use crate::key::ShownKey;
use crate::openapi::KeyRequired;
use crate::page::{Page, Paging};
use crate::problem::Result;
use crate::read::Read;
use crate::scope::needs;

const LIST: &str = "/api/api-keys";
/// How long the last secret is kept if nothing is said, in hours.
const USUALLY_KEPT: i64 = 24;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(needs(api_key::MANAGE, routes!(issue)))
        .routes(needs(api_key::READ, routes!(list)))
        .routes(needs(api_key::READ, routes!(show)))
        .routes(needs(api_key::MANAGE, routes!(rotate)))
        .routes(needs(api_key::MANAGE, routes!(revoke)))
        .routes(needs(workspace::AUDIT, routes!(history)))
}

/// A key to be issued.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewApiKey {
    /// What people call it.
    #[schema(min_length = 1, max_length = 100, pattern = r"\S", example = "shop")]
    name: String,
    /// What may be done with it: nothing that whoever issues it may not do.
    #[schema(min_items = 1, max_items = 100)]
    scopes: BTreeSet<ScopeName>,
    /// From when on it cannot be used; it does not end by itself if this is left out.
    expires_at: Option<DateTime<Utc>>,
    /// Where it may be used from; anywhere if this is left out.
    #[serde(default)]
    #[schema(max_items = 50)]
    networks: BTreeSet<Network>,
}

/// What may be done: `capability:verb`, or `*`.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(pattern = r"^(\*|[a-z_]{1,32}:[a-z_]{1,32})$", example = "order:read")]
pub(super) struct ScopeName(pub String);

/// How a key gets another secret.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Rotation {
    /// For how many hours the present secret may be used beside the new one (24 if it is not said).
    #[schema(minimum = 0, maximum = 168)]
    keep_hours: Option<i64>,
}

/// Issue a key. It is shown in the answer to this very request, and never again.
#[utoipa::path(post, path = "/api/api-keys", tag = "api_key", request_body = NewApiKey, responses(KeyCreated))]
async fn issue(
    State(app): State<App>,
    SteppedUpCreation(cx, body): SteppedUpCreation<NewApiKey>,
) -> Result<Issued> {
    let (workspace, id) = (cx.workspace, cx.new_id::<ApiKeyId>());
    let secret = api_key::secret(&cx, &*app.vault).await?;
    let secret_hash = ShownKey::made_of(workspace, id, &secret).secret_hash();
    let scopes = body.scopes.into_iter().map(|ScopeName(scope)| scope).collect();
    let expires_at = body.expires_at.map(microseconds);
    let terms = Terms { name: body.name, scopes, secret_hash, expires_at, networks: body.networks };
    shown(Some(LIST), workspace, api_key::issue(cx, id, terms).await?, &secret)
}

/// The key that a command is about, with the secret that it was given.
fn shown(
    list: Option<&'static str>,
    workspace: WorkspaceId,
    outcome: Outcome,
    secret: &str,
) -> Result<Issued> {
    // A repeat is about the key that was issued first.
    let id = outcome.id.parse().map_err(commands::Error::internal)?;
    let key = ShownKey::made_of(workspace, id, secret).reveal();
    Ok(Issued { list, outcome, key })
}

/// List the keys of the workspace, the newest first; their secrets are known to nobody.
#[utoipa::path(get, path = "/api/api-keys", tag = "api_key",
    params(ApiKeyFilter, Paging, MinPosition), responses((status = 200, body = Page<ApiKeyView>)))]
async fn list(
    read: Read,
    List(filter, paging, fresh): List<ApiKeyFilter>,
) -> Result<Shown<Page<ApiKeyView>>> {
    read.page(filter, &paging, &fresh).await
}

/// Show a key, without its secret.
#[utoipa::path(get, path = "/api/api-keys/{id}", tag = "api_key",
    params(Id<ApiKeyId>, MinPosition), responses((status = 200, body = ApiKeyView)))]
async fn show(read: Read, Path(of): Path<Id<ApiKeyId>>, Show(fresh): Show) -> Result<Shown<ApiKeyView>> {
    read.one::<ApiKeys>(of.id, &fresh).await
}

/// Give a key another secret: whoever asks may do all that it may. The present one is good for a while.
#[utoipa::path(post, path = "/api/api-keys/{id}/rotate", tag = "api_key",
    params(Id<ApiKeyId>, KeyRequired), request_body = Rotation, responses(KeyRotated))]
async fn rotate(
    State(app): State<App>,
    Path(Id { id }): Path<Id<ApiKeyId>>,
    SteppedUpCreation(cx, body): SteppedUpCreation<Rotation>,
) -> Result<Issued> {
    let workspace = cx.workspace;
    let secret = api_key::secret(&cx, &*app.vault).await?;
    let secret_hash = ShownKey::made_of(workspace, id, &secret).secret_hash();
    let keep_until = microseconds(cx.now() + TimeDelta::hours(body.keep_hours.unwrap_or(USUALLY_KEPT)));
    shown(None, workspace, api_key::rotate(cx, id, &secret_hash, keep_until).await?, &secret)
}

/// Revoke a key, for good: a moment later it works nowhere.
#[utoipa::path(delete, path = "/api/api-keys/{id}", tag = "api_key", params(Id<ApiKeyId>), responses(Done))]
async fn revoke(Path(of): Path<Id<ApiKeyId>>, Command(cx, _): Command<NoBody>) -> Result<Done> {
    Ok(Done(api_key::revoke(cx, of.id).await?))
}

/// Tell what has happened to a key.
#[utoipa::path(get, path = "/api/api-keys/{id}/history", tag = "api_key",
    params(Id<ApiKeyId>, Paging, MinPosition), responses((status = 200, body = Page<Happened>)))]
async fn history(
    read: Read,
    Path(of): Path<Id<ApiKeyId>>,
    Query(paging, _): Query<Paging>,
) -> Result<Shown<Page<Happened>>> {
    read.history::<ApiKey>(of.id, &paging).await
}
