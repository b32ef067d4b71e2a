//! `/api/auth/email`: having an account under another address.

use axum::extract::State;
use commands::identity::email;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::Done;
use crate::app::App;
use crate::extract::{SteppedUp, Visit};
use crate::problem::Result;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(change_email)).routes(routes!(confirm_email))
}

/// Another address.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EmailChange {
    #[schema(min_length = 3, max_length = 254, example = "jane@example.com")]
    email: String,
}

/// The token that came by mail.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EmailConfirmation {
    /// What stands behind the `#` of the link.
    #[schema(min_length = 1, max_length = 512)]
    token: String,
}

/// Ask for another address; both mailboxes get a link, and must agree within an hour.
#[utoipa::path(post, path = "/api/auth/email", tag = "auth", security(("access_token" = [])),
    request_body = EmailChange, responses(Done))]
async fn change_email(
    State(app): State<App>,
    SteppedUp(cx, _, body): SteppedUp<EmailChange>,
) -> Result<Done> {
    Ok(Done(email::ask_change(cx, &app.people()?.door, &body.email).await?))
}

/// Agree to another address; the second of both mailboxes changes it.
#[utoipa::path(post, path = "/api/auth/email/confirm", tag = "auth", security(()),
    request_body = EmailConfirmation, responses(Done))]
async fn confirm_email(State(app): State<App>, Visit(cx, body): Visit<EmailConfirmation>) -> Result<Done> {
    Ok(Done(email::confirm_change(cx, &app.people()?.door, &body.token).await?))
}
