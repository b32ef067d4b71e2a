//! App: what all handlers share, and the list of all routes.

use std::ops::Deref;
use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use commands::EventStore;
use commands::clock::Clock;
use commands::port::payment::PaymentGateway;
use sqlx::PgPool;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::border::border;
use crate::fresh::Freshness;
use crate::key::KeyRing;
use crate::limits::Limits;
use crate::page::Cursors;
use crate::platform::health::Dependency;
use crate::platform::metrics::Exposition;
use crate::platform::monitoring::Subscriptions;
use crate::turns::Turns;
use crate::{commerce, finance, intelligence, openapi, platform};

/// What the API is put together from.
pub struct Parts {
    pub store: EventStore,
    /// Where read models are read.
    pub reads: PgPool,
    pub clock: Arc<dyn Clock>,
    pub keys: Arc<dyn KeyRing>,
    pub freshness: Arc<dyn Freshness>,
    pub subscriptions: Arc<dyn Subscriptions>,
    /// What `/api/status` asks.
    pub dependencies: Vec<Arc<dyn Dependency>>,
    pub exposition: Exposition,
    pub cursors: Cursors,
    /// Who moves the money: asked what became of a charge that its webhook tells of.
    pub gateway: Arc<dyn PaymentGateway>,
    /// What the gateway signs its webhooks with.
    pub webhook_secret: String,
    pub limits: Limits,
}

/// What all handlers share. Cheap to clone.
#[derive(Clone)]
pub struct App {
    parts: Arc<Parts>,
    pub(crate) turns: Turns,
}

impl App {
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self { parts: Arc::new(parts), turns: Turns::default() }
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

/// Every context's routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(commerce::routes())
        .merge(finance::routes())
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
