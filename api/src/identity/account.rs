//! `/api/auth`: coming to have an account.

use axum::extract::State;
use commands::identity::account;
use domain::locale::Locale;
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::Done;
use crate::app::App;
use crate::beat::on_a_beat;
use crate::extract::{Peer, Visit};
use crate::problem::Result;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(register)).routes(routes!(verify))
}

/// Somebody who wants an account.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Registration {
    /// Where they get mail.
    #[schema(min_length = 3, max_length = 254, example = "jane@example.com")]
    email: String,
    /// How they read, as BCP 47 writes it; English if it is left out.
    #[schema(value_type = Option<String>, pattern = "^[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?$", example = "de-CH")]
    locale: Option<Locale>,
}

/// The token that came by mail, and the first password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Verification {
    /// What stands behind the `#` of the link.
    #[schema(min_length = 1, max_length = 512)]
    token: String,
    /// 12 to 128 characters, and none of the most used.
    #[schema(min_length = 12, max_length = 128)]
    password: String,
}

/// Ask for an account; a mail goes to the address, whether it has one or not.
#[utoipa::path(post, path = "/api/auth/register", tag = "auth", security(()),
    request_body = Registration, responses((status = 202, description = "A mail is on its way, if the address is one.")))]
async fn register(
    State(app): State<App>,
    Peer(peer): Peer,
    Visit(cx, body): Visit<Registration>,
) -> Result<StatusCode> {
    let people = app.people()?;
    let locale = body.locale.unwrap_or_default();
    on_a_beat(people.beat, account::register(cx, &people.door, &body.email, locale, peer)).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Show that the address is yours, and set a password; then sign in.
#[utoipa::path(post, path = "/api/auth/verify", tag = "auth", security(()),
    request_body = Verification, responses(Done))]
async fn verify(State(app): State<App>, Visit(cx, body): Visit<Verification>) -> Result<Done> {
    Ok(Done(account::verify(cx, &app.people()?.door, &body.token, &body.password).await?))
}
