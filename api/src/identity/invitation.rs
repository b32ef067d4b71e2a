//! `/api/workspaces/{id}/invitations`: who is asked in; `/api/workspaces/invitations`: coming in.

use std::collections::BTreeSet;

use axum::extract::State;
use chrono::{DateTime, Utc};
use commands::identity::invitation::{self, whose};
use commands::identity::workspace;
use commands::port::vault::Ask;
use domain::identity::invitation::{Invitation, Offer};
use domain::ids::{AccountId, CustomerId, InvitationId, WorkspaceId};
use domain::locale::Locale;
use domain::permission::RoleKey;
use domain::pii::Opened;
use projections::Stem;
use projections::identity::invitation::{InvitationFilter, InvitationRow, InvitationStatus, Invitations};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::workspace::here;
use crate::answer::{Created, Done, Shown};
use crate::app::App;
use crate::extract::{Command, Id, List, NoBody, Path, PersonCommand, PersonalCreation, Query, Show, Visit};
use crate::fresh::MinPosition;
use crate::history::Happened;
use crate::page::{Page, Paging};
use crate::problem::{Problem, Result};
use crate::read::Read;
use crate::scope::needs;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(needs(invitation::MANAGE, routes!(send)))
        .routes(needs(invitation::READ, routes!(list)))
        .routes(needs(invitation::READ, routes!(show)))
        .routes(needs(invitation::MANAGE, routes!(revoke)))
        .routes(needs(workspace::AUDIT, routes!(history)))
        .routes(routes!(accept))
        .routes(routes!(decline))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct OfInvitation {
    id: WorkspaceId,
    invitation: InvitationId,
}

/// Somebody to be asked in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewInvitation {
    #[schema(min_length = 3, max_length = 254, example = "jane@example.com")]
    email: String,
    /// What they are to be: nothing that whoever asks may not do themselves.
    #[schema(min_items = 1, max_items = 10)]
    roles: BTreeSet<RoleKey>,
    /// What the mail is written in (English if it is not said or not known).
    locale: Option<Locale>,
}

/// What stands behind the `#` of an invitation's link.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct InvitationToken {
    #[schema(min_length = 1, max_length = 512)]
    token: String,
}

/// Somebody who was asked in.
#[derive(Debug, Serialize, ToSchema)]
struct InvitationView {
    #[serde(flatten)]
    #[schema(inline)]
    stem: Stem<InvitationId>,
    /// Where it went, unless that was erased.
    email: Option<String>,
    /// What they are to be, if they are to be a member.
    roles: BTreeSet<RoleKey>,
    /// Whose they are to see, if they are to be a counterpart.
    party: Option<CustomerId>,
    locale: Locale,
    expires_at: DateTime<Utc>,
    status: InvitationStatus,
    /// Who has accepted it.
    account: Option<AccountId>,
}

impl InvitationView {
    fn of(row: InvitationRow, email: Opened, now: DateTime<Utc>) -> Self {
        let (roles, party) = match row.offer {
            Offer::Member { roles } => (roles, None),
            Offer::Party { party } => (BTreeSet::new(), Some(party)),
        };
        let is_over = row.status == InvitationStatus::Open && now >= row.expires_at;
        Self {
            stem: row.stem,
            email: email.plain(),
            roles,
            party,
            locale: row.locale,
            expires_at: row.expires_at,
            status: if is_over { InvitationStatus::Expired } else { row.status },
            account: row.account,
        }
    }
}

/// Ask somebody in, by mail.
#[utoipa::path(post, path = "/api/workspaces/{id}/invitations", tag = "invitation",
    params(Id<WorkspaceId>), request_body = NewInvitation, responses(Created))]
async fn send(
    State(app): State<App>,
    Path(of): Path<Id<WorkspaceId>>,
    PersonalCreation(cx, body): PersonalCreation<NewInvitation>,
) -> Result<Created> {
    here(&cx, of.id)?;
    let NewInvitation { email, roles, locale } = body;
    let locale = locale.unwrap_or_default();
    let sent = invitation::send(cx, &app.people()?.door, &email, roles, locale).await?;
    Ok(Created::at(format!("/api/workspaces/{}/invitations", of.id), sent))
}

/// List who was asked in, the latest first.
#[utoipa::path(get, path = "/api/workspaces/{id}/invitations", tag = "invitation",
    params(Id<WorkspaceId>, InvitationFilter, Paging, MinPosition),
    responses((status = 200, body = Page<InvitationView>)))]
async fn list(
    read: Read,
    Path(of): Path<Id<WorkspaceId>>,
    List(filter, paging, fresh): List<InvitationFilter>,
) -> Result<Shown<Page<InvitationView>>> {
    here(&read.cx, of.id)?;
    let Shown { position, version, body } = read.page(filter, &paging, &fresh).await?;
    let items = opened(&read, body.items).await?;
    Ok(Shown { position, version, body: Page { items, next_cursor: body.next_cursor } })
}

/// Show an invitation.
#[utoipa::path(get, path = "/api/workspaces/{id}/invitations/{invitation}", tag = "invitation",
    params(OfInvitation, MinPosition), responses((status = 200, body = InvitationView)))]
async fn show(read: Read, Path(of): Path<OfInvitation>, Show(fresh): Show) -> Result<Shown<InvitationView>> {
    here(&read.cx, of.id)?;
    let Shown { position, version, body } = read.one::<Invitations>(of.invitation, &fresh).await?;
    let body = opened(&read, vec![body]).await?.pop().ok_or_else(Problem::not_found)?;
    Ok(Shown { position, version, body })
}

/// Invitations as whoever may look at them reads them.
async fn opened(read: &Read, rows: Vec<InvitationRow>) -> Result<Vec<InvitationView>> {
    let ask = |row: &InvitationRow| Ask::of(&whose(read.cx.workspace, row.stem.id), &row.address);
    let asks: Vec<Ask> = rows.iter().map(ask).collect();
    let told = read.app.people()?.door.vault.open(&asks).await;
    if told.contains(&Opened::Unavailable) {
        return Err(Problem::unavailable());
    }
    let now = read.cx.now();
    Ok(rows.into_iter().zip(told).map(|(row, email)| InvitationView::of(row, email, now)).collect())
}

/// Take an invitation back, as long as it was not accepted.
#[utoipa::path(
    delete,
    path = "/api/workspaces/{id}/invitations/{invitation}",
    tag = "invitation",
    params(OfInvitation),
    responses(Done)
)]
async fn revoke(Path(of): Path<OfInvitation>, Command(cx, _): Command<NoBody>) -> Result<Done> {
    here(&cx, of.id)?;
    Ok(Done(invitation::revoke(cx, of.invitation).await?))
}

/// Tell what has happened to an invitation.
#[utoipa::path(get, path = "/api/workspaces/{id}/invitations/{invitation}/history", tag = "invitation",
    params(OfInvitation, Paging, MinPosition), responses((status = 200, body = Page<Happened>)))]
async fn history(
    read: Read,
    Path(of): Path<OfInvitation>,
    Query(paging, _): Query<Paging>,
) -> Result<Shown<Page<Happened>>> {
    here(&read.cx, of.id)?;
    read.history::<Invitation>(of.invitation, &paging).await
}

/// Accept an invitation: your account's address is the one that it went to. Switch to the workspace to act there.
#[utoipa::path(post, path = "/api/workspaces/invitations/accept", tag = "invitation",
    security(("access_token" = [])), request_body = InvitationToken, responses(Done))]
async fn accept(
    State(app): State<App>,
    PersonCommand(cx, _, body): PersonCommand<InvitationToken>,
) -> Result<Done> {
    Ok(Done(invitation::accept(cx, &app.people()?.door, &body.token).await?))
}

/// Turn an invitation down.
#[utoipa::path(post, path = "/api/workspaces/invitations/decline", tag = "invitation",
    security(()), request_body = InvitationToken, responses(Done))]
async fn decline(State(app): State<App>, Visit(cx, body): Visit<InvitationToken>) -> Result<Done> {
    Ok(Done(invitation::decline(cx, &app.people()?.door, &body.token).await?))
}
