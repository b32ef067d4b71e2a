//! `/api/workspaces`: where people act together.

use axum::Json;
use axum::extract::State;
use commands::identity::{session, workspace};
use domain::ids::WorkspaceId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access_token::{self, Shown};
use crate::answer::Created;
use crate::app::App;
use crate::extract::{Id, NoBody, Path, PersonCommand, PersonCreation};
use crate::problem::Result;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create)).routes(routes!(switch))
}

/// A workspace to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewWorkspace {
    /// What people call it.
    #[schema(min_length = 1, max_length = 100, pattern = r"\S")]
    name: String,
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
