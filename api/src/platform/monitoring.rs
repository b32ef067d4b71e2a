//! `/api/monitoring`: how far everything that reacts is behind the log.

use async_trait::async_trait;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::extract::Cx;
use crate::platform::OPERATE;
use crate::problem::Result;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(subscriptions))
}

/// Knows the subscriptions.
#[async_trait]
pub trait Subscriptions: Send + Sync + 'static {
    /// All of them, by name.
    async fn all(&self) -> commands::Result<Vec<SubscriptionState>>;
}

/// One read model, process, effect or relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SubscriptionState {
    pub name: String,
    /// The last position it has taken in.
    pub position: i64,
    /// How many events it is behind the log.
    pub lag: i64,
    /// How many keys or streams wait for a person, after an event that could not be taken in.
    pub parked: i64,
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
