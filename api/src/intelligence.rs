//! Intelligence: figures, over HTTP.

mod dashboard;

use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

/// All routes of intelligence.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().merge(dashboard::routes())
}
