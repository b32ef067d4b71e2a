//! `/api/workspaces/{id}/members`: who acts in the workspace, and as what.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use commands::identity::account::whose;
use commands::identity::membership;
use commands::identity::workspace::{self, PLATFORM};
use commands::port::vault::Ask;
use domain::identity::account::Account;
use domain::identity::membership::Membership;
use domain::ids::{AccountId, WorkspaceId};
use domain::permission::RoleKey;
use domain::pii::Opened;
use projections::Stem;
use projections::identity::membership::{MemberFilter, MemberRow, Members};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::workspace::here;
use crate::answer::{Done, Shown};
use crate::app::App;
use crate::extract::{Command, Id, List, NoBody, Path, PersonCommand, Query, Show};
use crate::fresh::MinPosition;
use crate::history::Happened;
use crate::page::{Page, Paging};
use crate::problem::{Problem, Result};
use crate::read::Read;
use crate::scope::{needs, needs_all};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(needs_all(&[membership::READ], &[membership::MANAGE], routes!(list)))
        .routes(needs_all(&[membership::READ], &[membership::MANAGE], routes!(show)))
        .routes(needs(membership::MANAGE, routes!(change_roles)))
        .routes(needs(membership::MANAGE, routes!(remove)))
        .routes(needs(workspace::AUDIT, routes!(history)))
        .routes(routes!(leave))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct OfMember {
    id: WorkspaceId,
    account: AccountId,
}

/// What a member is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MemberRoles {
    /// All of their roles from now on: nothing that whoever asks may not do themselves.
    #[schema(min_items = 1, max_items = 10)]
    roles: BTreeSet<RoleKey>,
}

/// Somebody who acts in the workspace.
#[derive(Debug, Serialize, ToSchema)]
struct MemberView {
    #[serde(flatten)]
    #[schema(inline)]
    stem: Stem<AccountId>,
    roles: BTreeSet<RoleKey>,
    /// When they joined, last.
    joined_at: DateTime<Utc>,
    /// Their address, for who manages members.
    email: Option<String>,
}

/// List the members of the workspace, in the order of their joining.
#[utoipa::path(get, path = "/api/workspaces/{id}/members", tag = "member",
    params(Id<WorkspaceId>, MemberFilter, Paging, MinPosition),
    responses((status = 200, body = Page<MemberView>)))]
async fn list(
    read: Read,
    Path(of): Path<Id<WorkspaceId>>,
    List(filter, paging, fresh): List<MemberFilter>,
) -> Result<Shown<Page<MemberView>>> {
    here(&read.cx, of.id)?;
    let Shown { position, version, body } = read.page(filter, &paging, &fresh).await?;
    let items = named(&read, body.items).await?;
    Ok(Shown { position, version, body: Page { items, next_cursor: body.next_cursor } })
}

/// Show a member.
#[utoipa::path(get, path = "/api/workspaces/{id}/members/{account}", tag = "member",
    params(OfMember, MinPosition), responses((status = 200, body = MemberView)))]
async fn show(read: Read, Path(of): Path<OfMember>, Show(fresh): Show) -> Result<Shown<MemberView>> {
    here(&read.cx, of.id)?;
    let Shown { position, version, body } = read.one::<Members>(of.account, &fresh).await?;
    let present = Some(body).filter(|row| row.present).into_iter().collect();
    let body = named(&read, present).await?.pop().ok_or_else(Problem::not_found)?;
    Ok(Shown { position, version, body })
}

/// Members, with their addresses for who manages them.
async fn named(read: &Read, rows: Vec<MemberRow>) -> Result<Vec<MemberView>> {
    let mut emails = vec![None; rows.len()];
    if read.cx.may(membership::MANAGE) {
        emails = addresses(read, &rows).await?;
    }
    let shown = rows.into_iter().zip(emails).map(|(row, email)| MemberView {
        stem: row.stem,
        roles: row.roles,
        joined_at: row.joined_at,
        email,
    });
    Ok(shown.collect())
}

async fn addresses(read: &Read, rows: &[MemberRow]) -> Result<Vec<Option<String>>> {
    let mut asks = Vec::with_capacity(rows.len());
    for row in rows {
        let holder = read.app.store.load::<Account>(PLATFORM, &row.stem.id).await?.state;
        asks.push(holder.address().map(|address| Ask::of(&whose(row.stem.id), address)));
    }
    let known: Vec<Ask> = asks.iter().flatten().cloned().collect();
    let told = read.app.people()?.door.vault.open(&known).await;
    if told.contains(&Opened::Unavailable) {
        return Err(Problem::unavailable());
    }
    let mut told = told.into_iter();
    Ok(asks.iter().map(|ask| ask.as_ref().and_then(|_| told.next()?.plain())).collect())
}

/// Give a member these roles and no others.
#[utoipa::path(put, path = "/api/workspaces/{id}/members/{account}/roles", tag = "member",
    params(OfMember), request_body = MemberRoles, responses(Done))]
async fn change_roles(Path(of): Path<OfMember>, Command(cx, body): Command<MemberRoles>) -> Result<Done> {
    here(&cx, of.id)?;
    Ok(Done(membership::change_roles(cx, of.account, body.roles).await?))
}

/// Make a member leave: a moment later they may do nothing here.
#[utoipa::path(
    delete,
    path = "/api/workspaces/{id}/members/{account}",
    tag = "member",
    params(OfMember),
    responses(Done)
)]
async fn remove(Path(of): Path<OfMember>, Command(cx, _): Command<NoBody>) -> Result<Done> {
    here(&cx, of.id)?;
    Ok(Done(membership::remove(cx, of.account).await?))
}

/// Tell what has happened to a membership.
#[utoipa::path(get, path = "/api/workspaces/{id}/members/{account}/history", tag = "member",
    params(OfMember, Paging, MinPosition), responses((status = 200, body = Page<Happened>)))]
async fn history(
    read: Read,
    Path(of): Path<OfMember>,
    Query(paging, _): Query<Paging>,
) -> Result<Shown<Page<Happened>>> {
    here(&read.cx, of.id)?;
    read.history::<Membership>(of.account, &paging).await
}

/// Leave a workspace.
#[utoipa::path(post, path = "/api/workspaces/{id}/leave", tag = "member",
    security(("access_token" = [])), params(Id<WorkspaceId>), responses(Done))]
async fn leave(
    Path(of): Path<Id<WorkspaceId>>,
    PersonCommand(cx, _, NoBody {}): PersonCommand<NoBody>,
) -> Result<Done> {
    Ok(Done(membership::leave(cx, of.id).await?))
}
