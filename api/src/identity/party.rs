//! `/api/parties`: counterparts of a workspace who see what is theirs.

mod mine;

use axum::Json;
use axum::extract::State;
use commands::identity::party;
use domain::ids::CustomerId;
use projections::identity::party::{Parties, PartyFilter, PartyView};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::{Done, Shown};
use crate::app::App;
use crate::extract::{Command, Id, List, NoBody, Path, Show};
use crate::fresh::MinPosition;
use crate::page::{Page, Paging};
use crate::problem::Result;
use crate::read::Read;
use crate::scope::needs;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(needs(party::READ, routes!(list)))
        .routes(needs(party::READ, routes!(show)))
        .routes(needs(party::MANAGE, routes!(invite)))
        .routes(needs(party::MANAGE, routes!(unlink)))
        .merge(mine::routes())
}

/// A token for a customer, to be got to them and to nobody else.
#[derive(Serialize, ToSchema)]
struct PartyInvitation {
    customer: CustomerId,
    /// Whoever shows it while they are signed in sees what is the customer's: `POST /api/mine/link`. It is good once.
    token: String,
    /// For how many seconds.
    expires_in: i64,
}

/// List the customers of whom somebody has seen what is theirs, the newest first.
#[utoipa::path(get, path = "/api/parties", tag = "party",
    params(PartyFilter, Paging, MinPosition), responses((status = 200, body = Page<PartyView>)))]
async fn list(read: Read, List(filter, paging, fresh): List<PartyFilter>) -> Result<Shown<Page<PartyView>>> {
    read.page(filter, &paging, &fresh).await
}

/// Show who sees what is a customer's.
#[utoipa::path(get, path = "/api/parties/{id}", tag = "party",
    params(Id<CustomerId>, MinPosition), responses((status = 200, body = PartyView)))]
async fn show(read: Read, Path(of): Path<Id<CustomerId>>, Show(fresh): Show) -> Result<Shown<PartyView>> {
    read.one::<Parties>(of.id, &fresh).await
}

/// Make a token for a customer, by which they see what is theirs.
#[utoipa::path(post, path = "/api/parties/{id}/invitation", tag = "party",
    params(Id<CustomerId>), responses((status = 200, body = PartyInvitation)))]
async fn invite(
    State(app): State<App>,
    Path(of): Path<Id<CustomerId>>,
    Command(cx, NoBody {}): Command<NoBody>,
) -> Result<Json<PartyInvitation>> {
    let token = party::invite(cx, &*app.people()?.door.vault, of.id).await?;
    let expires_in = party::CLAIM_WITHIN.num_seconds();
    Ok(Json(PartyInvitation { customer: of.id, token, expires_in }))
}

/// Let whoever sees what is a customer's see it no longer.
#[utoipa::path(delete, path = "/api/parties/{id}", tag = "party", params(Id<CustomerId>), responses(Done))]
async fn unlink(Path(of): Path<Id<CustomerId>>, Command(cx, NoBody {}): Command<NoBody>) -> Result<Done> {
    Ok(Done(party::unlink(cx, of.id).await?))
}
