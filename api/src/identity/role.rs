//! `/api/roles` and `/api/workspaces/{id}/roles`: what members may do.

use std::collections::BTreeSet;

use commands::identity::{role, workspace};
use domain::identity::role::{Role, Terms};
use domain::ids::{RoleId, WorkspaceId};
use domain::permission::{BuiltIn, all_scopes, is_grantable};
use projections::identity::role::{RoleFilter, RoleView, Roles};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::api_key::ScopeName;
use super::workspace::here;
use crate::answer::{Created, Done, Reckoned, Shown};
use crate::app::App;
use crate::extract::{Command, Creation, Id, List, NoBody, Path, Query, Show};
use crate::fresh::MinPosition;
use crate::history::Happened;
use crate::page::{Page, Paging};
use crate::problem::Result;
use crate::read::Read;
use crate::scope::needs;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(needs(role::READ, routes!(built_in)))
        .routes(needs(role::MANAGE, routes!(define)))
        .routes(needs(role::READ, routes!(list)))
        .routes(needs(role::READ, routes!(show)))
        .routes(needs(role::MANAGE, routes!(change)))
        .routes(needs(role::MANAGE, routes!(retire)))
        .routes(needs(workspace::AUDIT, routes!(history)))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct OfRole {
    id: WorkspaceId,
    role: RoleId,
}

/// A role as it is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RoleTerms {
    /// What people call it.
    #[schema(min_length = 1, max_length = 100, pattern = r"\S", example = "Packer")]
    name: String,
    /// What it allows: nothing that whoever defines it may not do.
    #[schema(min_items = 1, max_items = 100)]
    scopes: BTreeSet<ScopeName>,
}

impl From<RoleTerms> for Terms {
    fn from(RoleTerms { name, scopes }: RoleTerms) -> Self {
        Self { name, scopes: scopes.into_iter().map(|ScopeName(scope)| scope).collect() }
    }
}

/// The roles that every workspace has, and what one's own can be made of.
#[derive(Debug, Serialize, ToSchema)]
struct BuiltInRoles {
    roles: Vec<BuiltInRole>,
    /// What a role of the workspace's own can allow.
    scopes: Vec<&'static str>,
}

/// A role that every workspace has.
#[derive(Debug, Serialize, ToSchema)]
struct BuiltInRole {
    name: &'static str,
    scopes: Vec<&'static str>,
}

/// Show the roles that every workspace has, with what each allows.
#[utoipa::path(get, path = "/api/roles", tag = "role", responses((status = 200, body = BuiltInRoles)))]
async fn built_in(_: Read) -> Reckoned<BuiltInRoles> {
    let of = |role: BuiltIn| BuiltInRole { name: role.into(), scopes: role.scopes().collect() };
    let scopes = all_scopes().filter(|scope| is_grantable(scope)).collect();
    Reckoned(BuiltInRoles { roles: BuiltIn::all().map(of).collect(), scopes })
}

/// Define a role of the workspace's own.
#[utoipa::path(post, path = "/api/workspaces/{id}/roles", tag = "role",
    params(Id<WorkspaceId>), request_body = RoleTerms, responses(Created))]
async fn define(Path(of): Path<Id<WorkspaceId>>, Creation(cx, body): Creation<RoleTerms>) -> Result<Created> {
    here(&cx, of.id)?;
    Ok(Created::at(format!("/api/workspaces/{}/roles", of.id), role::define(cx, body.into()).await?))
}

/// List the roles of the workspace's own.
#[utoipa::path(get, path = "/api/workspaces/{id}/roles", tag = "role",
    params(Id<WorkspaceId>, RoleFilter, Paging, MinPosition), responses((status = 200, body = Page<RoleView>)))]
async fn list(
    read: Read,
    Path(of): Path<Id<WorkspaceId>>,
    List(filter, paging, fresh): List<RoleFilter>,
) -> Result<Shown<Page<RoleView>>> {
    here(&read.cx, of.id)?;
    read.page(filter, &paging, &fresh).await
}

/// Show a role of the workspace's own.
#[utoipa::path(get, path = "/api/workspaces/{id}/roles/{role}", tag = "role",
    params(OfRole, MinPosition), responses((status = 200, body = RoleView)))]
async fn show(read: Read, Path(of): Path<OfRole>, Show(fresh): Show) -> Result<Shown<RoleView>> {
    here(&read.cx, of.id)?;
    read.one::<Roles>(of.role, &fresh).await
}

/// Change what a role is called or allows, for all who have it.
#[utoipa::path(put, path = "/api/workspaces/{id}/roles/{role}", tag = "role",
    params(OfRole), request_body = RoleTerms, responses(Done))]
async fn change(Path(of): Path<OfRole>, Command(cx, body): Command<RoleTerms>) -> Result<Done> {
    here(&cx, of.id)?;
    Ok(Done(role::change(cx, of.role, body.into()).await?))
}

/// Retire a role, for good: whoever has it may do nothing by it.
#[utoipa::path(
    delete,
    path = "/api/workspaces/{id}/roles/{role}",
    tag = "role",
    params(OfRole),
    responses(Done)
)]
async fn retire(Path(of): Path<OfRole>, Command(cx, _): Command<NoBody>) -> Result<Done> {
    here(&cx, of.id)?;
    Ok(Done(role::retire(cx, of.role).await?))
}

/// Tell what has happened to a role.
#[utoipa::path(get, path = "/api/workspaces/{id}/roles/{role}/history", tag = "role",
    params(OfRole, Paging, MinPosition), responses((status = 200, body = Page<Happened>)))]
async fn history(
    read: Read,
    Path(of): Path<OfRole>,
    Query(paging, _): Query<Paging>,
) -> Result<Shown<Page<Happened>>> {
    here(&read.cx, of.id)?;
    read.history::<Role>(of.role, &paging).await
}
