//! `/api/workspaces`: where people act together.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use commands::Context;
use commands::identity::{session, workspace};
use domain::currency::CurrencyInUse;
use domain::identity::workspace::{Settings, TwoFactorOf, Workspace, WorkspaceCommand};
use domain::ids::{AccountId, WorkspaceId};
use domain::locale::{Locale, TimeZone};
use domain::permission::RoleKey;
use projections::days::zone;
use projections::identity::membership::{PlaceRow, PlacesOf};
use projections::identity::workspace::{WorkspaceView, Workspaces};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access_token::{self, Shown};
use crate::answer::{Created, Done, Shown as ShownRow};
use crate::app::App;
use crate::extract::{
    Command, Id, List, NoBody, NoFilter, Path, Person, PersonCommand, PersonCreation, Query, Show,
    SteppedUpCommand,
};
use crate::fresh::MinPosition;
use crate::history::Happened;
use crate::page::{Page, Paging};
use crate::problem::{FieldError, Problem, Result};
use crate::read::Read;
use crate::scope::needs;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create))
        .routes(routes!(list))
        .routes(routes!(switch))
        .routes(needs(workspace::READ, routes!(show)))
        .routes(needs(workspace::MANAGE, routes!(rename)))
        .routes(needs(workspace::MANAGE, routes!(settle)))
        .routes(needs(workspace::MANAGE, routes!(require_two_factor)))
        .routes(needs(workspace::HAND_OVER, routes!(hand_over)))
        .routes(needs(workspace::OPERATE, routes!(suspend)))
        .routes(needs(workspace::OPERATE, routes!(resume)))
        .routes(needs(workspace::AUDIT, routes!(history)))
}

/// Only what is of the workspace that somebody acts in is there.
///
/// # Errors
/// `not-found`.
pub(super) fn here(cx: &Context, id: WorkspaceId) -> Result<()> {
    if cx.workspace == id { Ok(()) } else { Err(Problem::not_found()) }
}

/// A workspace to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewWorkspace {
    /// What people call it.
    #[schema(min_length = 1, max_length = 100, pattern = r"\S")]
    name: String,
}

/// What a workspace is to be called.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WorkspaceName {
    #[schema(min_length = 1, max_length = 100, pattern = r"\S")]
    name: String,
}

/// How a workspace is to reckon and read, where nobody says otherwise.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewSettings {
    time_zone: TimeZone,
    locale: Locale,
    currency: CurrencyInUse,
}

/// Which members must have a second factor.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TwoFactorPolicy {
    of: TwoFactorOf,
}

/// Who is to own the workspace.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Heir {
    /// A member of it.
    account: AccountId,
}

/// Why a workspace takes no more commands.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Suspension {
    #[schema(min_length = 1, max_length = 500, pattern = r"\S")]
    reason: String,
}

/// A workspace that you are a member of.
#[derive(Debug, Serialize, ToSchema)]
struct OwnWorkspace {
    id: WorkspaceId,
    name: String,
    /// What you are there.
    roles: BTreeSet<RoleKey>,
    joined_at: DateTime<Utc>,
    /// Whether it takes no commands.
    suspended: bool,
}

/// What a person shows from now on, to act there.
#[derive(Serialize, ToSchema)]
struct AccessToken {
    workspace: WorkspaceId,
    /// `Authorization: Bearer` of each request.
    access_token: String,
    /// `Bearer`.
    token_type: &'static str,
    /// For how many seconds the access token is good.
    expires_in: i64,
}

/// Make a workspace of your own; switch to it to act there.
#[utoipa::path(post, path = "/api/workspaces", tag = "workspace", security(("access_token" = [])), request_body = NewWorkspace, responses(Created))]
async fn create(PersonCreation(cx, body): PersonCreation<NewWorkspace>) -> Result<Created> {
    Ok(Created::at("/api/workspaces", workspace::found(cx, &body.name).await?))
}

/// Act in a workspace that you are a member of, from now on.
#[utoipa::path(post, path = "/api/workspaces/{id}/switch", tag = "workspace", security(("access_token" = [])), params(Id<WorkspaceId>),
    responses((status = 200, body = AccessToken)))]
async fn switch(
    State(app): State<App>,
    Path(Id { id }): Path<Id<WorkspaceId>>,
    PersonCommand(cx, session, NoBody {}): PersonCommand<NoBody>,
) -> Result<Json<AccessToken>> {
    let shown = Shown { account: cx.account()?, session, workspace: Some(id) };
    session::switch(cx, session, id).await?;
    let access_token = app.people()?.signer.sign(shown, app.clock.now());
    let (token_type, expires_in) = ("Bearer", access_token::LASTS.num_seconds());
    Ok(Json(AccessToken { workspace: id, access_token, token_type, expires_in }))
}

/// List the workspaces that you are a member of.
#[utoipa::path(get, path = "/api/workspaces", tag = "workspace", security(("access_token" = [])),
    params(Paging, MinPosition), responses((status = 200, body = Page<OwnWorkspace>)))]
async fn list(
    State(app): State<App>,
    Person(cx, _): Person,
    List(NoFilter {}, paging, fresh): List<NoFilter>,
) -> Result<ShownRow<Page<OwnWorkspace>>> {
    let own = PlacesOf { account: cx.account()? };
    let read = Read { app: app.clone(), cx };
    let ShownRow { position, version, body } = read.page(own, &paging, &fresh).await?;
    let items = named(&app, body.items).await?;
    Ok(ShownRow { position, version, body: Page { items, next_cursor: body.next_cursor } })
}

/// Workspaces as they are called now.
async fn named(app: &App, rows: Vec<PlaceRow>) -> Result<Vec<OwnWorkspace>> {
    let mut own = Vec::with_capacity(rows.len());
    for PlaceRow { place: id, roles, joined_at, .. } in rows {
        let known = app.store.load::<Workspace>(id, &id).await?.state;
        let (name, suspended) = (known.name().unwrap_or_default().to_owned(), known.is_suspended());
        own.push(OwnWorkspace { id, name, roles, joined_at, suspended });
    }
    Ok(own)
}

/// Show the workspace.
#[utoipa::path(get, path = "/api/workspaces/{id}", tag = "workspace",
    params(Id<WorkspaceId>, MinPosition), responses((status = 200, body = WorkspaceView)))]
async fn show(
    read: Read,
    Path(of): Path<Id<WorkspaceId>>,
    Show(fresh): Show,
) -> Result<ShownRow<WorkspaceView>> {
    here(&read.cx, of.id)?;
    read.one::<Workspaces>(of.id, &fresh).await
}

/// Call the workspace by another name.
#[utoipa::path(post, path = "/api/workspaces/{id}/rename", tag = "workspace",
    params(Id<WorkspaceId>), request_body = WorkspaceName, responses(Done))]
async fn rename(Path(of): Path<Id<WorkspaceId>>, Command(cx, body): Command<WorkspaceName>) -> Result<Done> {
    here(&cx, of.id)?;
    Ok(Done(workspace::rename(cx, &body.name).await?))
}

/// Settle how the workspace reckons and reads.
#[utoipa::path(put, path = "/api/workspaces/{id}/settings", tag = "workspace",
    params(Id<WorkspaceId>), request_body = NewSettings, responses(Done))]
async fn settle(Path(of): Path<Id<WorkspaceId>>, Command(cx, body): Command<NewSettings>) -> Result<Done> {
    here(&cx, of.id)?;
    let NewSettings { time_zone, locale, currency } = body;
    if zone(time_zone.as_str()).name() != time_zone.as_str() {
        let detail = "is no zone of the IANA database";
        return Err(Problem::validation(vec![FieldError::at("/time_zone".into(), "unknown", detail)]));
    }
    let settings = Settings { time_zone, locale, currency: currency.into() };
    Ok(Done(workspace::settle(cx, settings).await?))
}

/// Ask for a second factor of some members, or of all.
#[utoipa::path(put, path = "/api/workspaces/{id}/two-factor", tag = "workspace",
    params(Id<WorkspaceId>), request_body = TwoFactorPolicy, responses(Done))]
async fn require_two_factor(
    Path(of): Path<Id<WorkspaceId>>,
    Command(cx, body): Command<TwoFactorPolicy>,
) -> Result<Done> {
    here(&cx, of.id)?;
    Ok(Done(workspace::require_two_factor(cx, body.of).await?))
}

/// Hand the workspace over to another member: a person who owns it may, and is an admin from then on.
#[utoipa::path(post, path = "/api/workspaces/{id}/transfer", tag = "workspace",
    params(Id<WorkspaceId>), request_body = Heir, responses(Done))]
async fn hand_over(
    Path(of): Path<Id<WorkspaceId>>,
    SteppedUpCommand(cx, body): SteppedUpCommand<Heir>,
) -> Result<Done> {
    here(&cx, of.id)?;
    Ok(Done(workspace::hand_over(cx, body.account).await?))
}

/// Take no more commands for a workspace: what a key of the platform's own workspace may.
#[utoipa::path(post, path = "/api/workspaces/{id}/suspend", tag = "workspace",
    params(Id<WorkspaceId>), request_body = Suspension, responses(Done))]
async fn suspend(Path(of): Path<Id<WorkspaceId>>, Command(cx, body): Command<Suspension>) -> Result<Done> {
    let suspend = WorkspaceCommand::Suspend { reason: body.reason };
    Ok(Done(workspace::operate(cx, of.id, suspend).await?))
}

/// Take commands for it again.
#[utoipa::path(post, path = "/api/workspaces/{id}/resume", tag = "workspace",
    params(Id<WorkspaceId>), responses(Done))]
async fn resume(Path(of): Path<Id<WorkspaceId>>, Command(cx, _): Command<NoBody>) -> Result<Done> {
    Ok(Done(workspace::operate(cx, of.id, WorkspaceCommand::Resume).await?))
}

/// Tell what has happened to the workspace.
#[utoipa::path(get, path = "/api/workspaces/{id}/history", tag = "workspace",
    params(Id<WorkspaceId>, Paging, MinPosition), responses((status = 200, body = Page<Happened>)))]
async fn history(
    read: Read,
    Path(of): Path<Id<WorkspaceId>>,
    Query(paging, _): Query<Paging>,
) -> Result<ShownRow<Page<Happened>>> {
    here(&read.cx, of.id)?;
    read.history::<Workspace>(of.id, &paging).await
}
