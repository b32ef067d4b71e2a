//! Routes: all of them, in one list.

use axum::Router;
use axum::middleware::from_fn_with_state;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;
use crate::border::border;
use crate::{commerce, finance, identity, intelligence, openapi, platform};

/// Every context's routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(commerce::routes())
        .merge(finance::routes())
        .merge(identity::routes())
        .merge(intelligence::routes())
        .merge(platform::routes())
}

/// The whole API, and its document.
pub fn router(app: App) -> (Router, OpenApi) {
    router_of(routes(), app)
}

/// An API of these routes, within the border that every request passes.
pub fn router_of(routes: OpenApiRouter<App>, app: App) -> (Router, OpenApi) {
    let (router, document) = routes.split_for_parts();
    let document = openapi::completed(document);
    let router = router.merge(platform::docs::routes(&document));
    (router.layer(from_fn_with_state(app.clone(), border)).with_state(app), document)
}

/// The whole API's document.
#[must_use]
pub fn document() -> OpenApi {
    openapi::completed(routes().into_openapi())
}
