//! `/api/monitoring`: how far everything that reacts is behind the log, and whether what must hold of money does.

use axum::Json;
use projections::finance::invariant::{InvariantsView, watch};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::platform::OPERATE;
use crate::port::SubscriptionState;
use crate::problem::Result;
use crate::read::Read;
use crate::scope::needs;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(needs(OPERATE, routes!(subscriptions)))
        .routes(needs(OPERATE, routes!(invariants)))
}

#[derive(Debug, Serialize, ToSchema)]
struct Monitoring {
    /// The log's last position.
    head: i64,
    subscriptions: Vec<SubscriptionState>,
}

/// How far every subscription is behind the log, and what is parked.
#[utoipa::path(get, path = "/api/monitoring/subscriptions", tag = "platform", responses((status = 200, body = Monitoring)))]
async fn subscriptions(read: Read) -> Result<Json<Monitoring>> {
    let subscriptions = read.app.subscriptions.all().await?;
    Ok(Json(Monitoring { head: read.app.store.head().await?, subscriptions }))
}

/// Whether what must hold of the books and of money does, of all workspaces: what does not, and since which position.
#[utoipa::path(get, path = "/api/monitoring/invariants", tag = "platform", responses((status = 200, body = InvariantsView)))]
async fn invariants(read: Read) -> Result<Json<InvariantsView>> {
    Ok(Json(watch(&read.app.reads).await?))
}
