//! `/api/auth`: passwords that were forgotten, or shall be others.

use axum::extract::State;
use commands::identity::password;
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::Done;
use crate::app::App;
use crate::beat::on_a_beat;
use crate::extract::{Peer, PersonCommand, Visit};
use crate::problem::Result;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(forgotten)).routes(routes!(reset)).routes(routes!(change))
}

/// Somebody who has forgotten a password.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Forgotten {
    #[schema(min_length = 3, max_length = 254, example = "jane@example.com")]
    email: String,
}

/// The token that came by mail, and another password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PasswordReset {
    /// What stands behind the `#` of the link.
    #[schema(min_length = 1, max_length = 512)]
    token: String,
    /// 12 to 128 characters, and none of the most used.
    #[schema(min_length = 12, max_length = 128)]
    password: String,
}

/// The present password, and another.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PasswordChange {
    #[schema(min_length = 1, max_length = 128)]
    present: String,
    /// 12 to 128 characters, and none of the most used.
    #[schema(min_length = 12, max_length = 128)]
    password: String,
}

/// Ask for a link to set another password; a mail goes to the address, if it has an account.
#[utoipa::path(post, path = "/api/auth/forgotten", tag = "auth", security(()),
    request_body = Forgotten, responses((status = 202, description = "A mail is on its way, if the address has an account.")))]
async fn forgotten(
    State(app): State<App>,
    Peer(peer): Peer,
    Visit(cx, body): Visit<Forgotten>,
) -> Result<StatusCode> {
    let people = app.people()?;
    on_a_beat(people.beat, password::ask_reset(cx, &people.door, &body.email, peer)).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Set another password; every session ends.
#[utoipa::path(post, path = "/api/auth/reset", tag = "auth", security(()),
    request_body = PasswordReset, responses(Done))]
async fn reset(
    State(app): State<App>,
    Peer(peer): Peer,
    Visit(cx, body): Visit<PasswordReset>,
) -> Result<Done> {
    Ok(Done(password::reset(cx, &app.people()?.door, &body.token, &body.password, peer).await?))
}

/// Change your password; every other session ends.
#[utoipa::path(post, path = "/api/auth/password", tag = "auth", security(("access_token" = [])), request_body = PasswordChange, responses(Done))]
async fn change(
    State(app): State<App>,
    Peer(peer): Peer,
    PersonCommand(cx, session, body): PersonCommand<PasswordChange>,
) -> Result<Done> {
    let words = (body.present.as_str(), body.password.as_str());
    Ok(Done(password::change(cx, &app.people()?.door, words, session, peer).await?))
}
