//! `/api/monitoring`: how far everything that reacts is behind the log.

use axum::Json;
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
    OpenApiRouter::new().routes(needs(OPERATE, routes!(subscriptions)))
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
