//! Identity: people, and where they act.

mod account;
mod api_key;
mod email;
mod invitation;
mod membership;
mod party;
mod password;
mod profile;
mod role;
mod session;
mod subject;
mod two_factor;
mod workspace;

use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(account::routes())
        .merge(api_key::routes())
        .merge(email::routes())
        .merge(invitation::routes())
        .merge(membership::routes())
        .merge(party::routes())
        .merge(password::routes())
        .merge(profile::routes())
        .merge(role::routes())
        .merge(session::routes())
        .merge(subject::routes())
        .merge(two_factor::routes())
        .merge(workspace::routes())
}
