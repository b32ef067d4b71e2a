//! `/health` and `/api/status`: whether the process lives, and whether it can work.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures::future::join_all;
use http::StatusCode;
use serde::Serialize;
use sqlx::PgPool;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::port::{Dependency, Subscriptions};

/// How long a dependency has to say that it is there.
const PATIENCE: Duration = Duration::from_secs(2);

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(health)).routes(routes!(status))
}

/// The database, and whether it is at the version this build was made for.
#[derive(Debug)]
pub struct Database(pub PgPool);

#[async_trait]
impl Dependency for Database {
    fn name(&self) -> &'static str {
        "database"
    }

    async fn check(&self) -> Result<String, String> {
        let position = sqlx::query_scalar!("select position from head").fetch_one(&self.0).await;
        position.map(|position| format!("at position {position}")).map_err(|error| {
            tracing::warn!(error = %error, "the database does not answer");
            "does not answer".to_owned()
        })
    }
}

/// The migrations that have run, of those this build knows.
#[derive(Debug)]
pub struct Migrations(pub PgPool);

/// All migrations, in their order.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../migrations");

#[async_trait]
impl Dependency for Migrations {
    fn name(&self) -> &'static str {
        "migrations"
    }

    async fn check(&self) -> Result<String, String> {
        // The table is the migrator's own and in no migration, so this cannot be checked at compile time.
        let run = sqlx::query_scalar::<_, i64>("select version from _sqlx_migrations where success")
            .fetch_all(&self.0)
            .await
            .map_err(|_| "not to be read: run `mewayz migrate`".to_owned())?;
        let missing = MIGRATIONS.iter().filter(|known| !run.contains(&known.version)).count();
        match (missing, run.iter().max()) {
            (0, Some(newest)) => Ok(format!("at {newest}")),
            _ => Err(format!("{missing} have not run: run `mewayz migrate`")),
        }
    }
}

/// Whether everything that follows the log moves, and nothing waits for a person.
pub struct Movement(pub Arc<dyn Subscriptions>);

#[async_trait]
impl Dependency for Movement {
    fn name(&self) -> &'static str {
        "subscriptions"
    }

    fn is_optional(&self) -> bool {
        true
    }

    async fn check(&self) -> Result<String, String> {
        let all = self.0.all().await.map_err(|_| "not to be read".to_owned())?;
        let still = all.iter().filter_map(|one| {
            let stuck = one.stuck.as_ref()?;
            Some(format!("{} does not move since {}", one.name, stuck.since.format("%FT%TZ")))
        });
        let parked = all.iter().filter(|one| one.parked > 0);
        let parked = parked.map(|one| format!("{} events of {} are parked", one.parked, one.name));
        let wrong: Vec<String> = still.chain(parked).collect();
        if wrong.is_empty() { Ok("all move".to_owned()) } else { Err(wrong.join("; ")) }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct Health {
    /// Always `ok`: who can answer lives.
    status: &'static str,
}

#[derive(Debug, Serialize, ToSchema)]
struct Status {
    /// `ok`, `degraded` (something optional is missing) or `failing`.
    status: &'static str,
    /// The build's version.
    version: &'static str,
    dependencies: Vec<DependencyStatus>,
}

#[derive(Debug, Serialize, ToSchema)]
struct DependencyStatus {
    name: &'static str,
    ok: bool,
    optional: bool,
    /// A word on its state.
    detail: String,
}

/// Whether the process lives.
#[utoipa::path(get, path = "/health", tag = "platform", security(()), responses((status = 200, body = Health)))]
async fn health() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Whether everything is there that it needs to work.
#[utoipa::path(get, path = "/api/status", tag = "platform", security(()),
    responses((status = 200, body = Status), (status = 503, description = "Something it needs is missing.", body = Status)))]
async fn status(State(app): State<App>) -> Response {
    let dependencies = join_all(app.dependencies.iter().map(asked)).await;
    let status = match () {
        () if dependencies.iter().all(|one| one.ok) => "ok",
        () if dependencies.iter().all(|one| one.ok || one.optional) => "degraded",
        () => "failing",
    };
    let code = if status == "failing" { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (code, Json(Status { status, version: env!("CARGO_PKG_VERSION"), dependencies })).into_response()
}

async fn asked(dependency: &Arc<dyn Dependency>) -> DependencyStatus {
    let checked = tokio::time::timeout(PATIENCE, dependency.check()).await;
    let (ok, detail) = match checked.unwrap_or_else(|_| Err("does not answer".into())) {
        Ok(detail) => (true, detail),
        Err(detail) => (false, detail),
    };
    DependencyStatus { name: dependency.name(), ok, optional: dependency.is_optional(), detail }
}
