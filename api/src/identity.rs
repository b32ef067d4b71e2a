//! Identity: people, and where they act.

mod account;
mod email;
mod password;
mod session;
mod workspace;

use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(account::routes())
        .merge(email::routes())
        .merge(password::routes())
        .merge(session::routes())
        .merge(workspace::routes())
}
