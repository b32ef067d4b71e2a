//! `/api/monitoring`: how far everything that reacts is behind the log.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::extract::Cx;
use crate::platform::OPERATE;
use crate::port::SubscriptionState;
use crate::problem::Result;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(subscriptions))
}

#[derive(Debug, Serialize, ToSchema)]
struct Monitoring {
    /// The log's last position.
    head: i64,
    subscriptions: Vec<SubscriptionState>,
}

/// How far every subscription is behind the log, and what is parked.
#[utoipa::path(get, path = "/api/monitoring/subscriptions", tag = "platform", responses((status = 200, body = Monitoring)))]
async fn subscriptions(State(app): State<App>, Cx(cx): Cx) -> Result<Json<Monitoring>> {
    cx.must(OPERATE)?;
    let subscriptions = app.subscriptions.all().await?;
    Ok(Json(Monitoring { head: app.store.head().await?, subscriptions }))
}
