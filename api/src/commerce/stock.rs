//! `/api/ecommerce/stock`: how many of a SKU lie where.

use axum::extract::State;
use commands::commerce::stock;
use domain::commerce::stock::Stock;
use domain::ids::{Location, Sku, StockId};
use projections::View;
use projections::commerce::stock::{StockLevelFilter, StockLevelView, StockLevels, find, list as rows};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::{Done, Shown};
use crate::app::App;
use crate::extract::{Creation, Cx, List, Path, Query, Show};
use crate::fresh::MinPosition;
use crate::history::{self, Happened};
use crate::openapi::KeyRequired;
use crate::page::{ListId, Page, Paging, filtered_by};
use crate::problem::{Problem, Result};
use crate::schema;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(receive))
        .routes(routes!(adjust))
        .routes(routes!(history))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct OfStock {
    #[param(schema_with = schema::sku)]
    sku: Sku,
    #[param(schema_with = schema::location)]
    location: Location,
}

impl OfStock {
    fn id(self) -> StockId {
        StockId { sku: self.sku, location: self.location }
    }
}

/// Units that came in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct StockReceipt {
    #[schema(minimum = 1, maximum = 4_294_967_295_i64)]
    quantity: i64,
}

/// What a count, a loss or a find makes of what is on hand.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct StockAdjustment {
    /// How many more, or below 0 how many fewer; not 0.
    #[schema(minimum = -4_294_967_295_i64, maximum = 4_294_967_295_i64)]
    delta: i64,
    #[schema(min_length = 1, max_length = 500, pattern = r"\S")]
    reason: String,
}

/// List stock levels, in the order of their SKUs and locations.
#[utoipa::path(get, path = "/api/ecommerce/stock", tag = "stock",
    params(StockLevelFilter, Paging, MinPosition), responses((status = 200, body = Page<StockLevelView>)))]
async fn list(
    State(app): State<App>,
    Cx(cx): Cx,
    List(filter, paging, fresh): List<StockLevelFilter>,
) -> Result<Shown<Page<StockLevelView>>> {
    cx.must(stock::READ)?;
    fresh.reached(&app, StockLevels::NAME).await?;
    let filtered = filtered_by(&filter);
    let list = ListId { workspace: cx.workspace, name: StockLevels::NAME, filter: &filtered };
    let after = paging.after(&app.cursors, &list)?;
    let seen = rows(&app.reads, cx.workspace, filter, (after, paging.limit())).await?;
    Ok(Page::shown(seen, |after| app.cursors.seal(&list, after)))
}

/// Show how many of a SKU lie at a location, and how many of them can still be had.
#[utoipa::path(get, path = "/api/ecommerce/stock/{sku}/{location}", tag = "stock",
    params(OfStock, MinPosition), responses((status = 200, body = StockLevelView)))]
async fn show(
    State(app): State<App>,
    Cx(cx): Cx,
    Path(of): Path<OfStock>,
    Show(fresh): Show,
) -> Result<Shown<StockLevelView>> {
    cx.must(stock::READ)?;
    fresh.reached(&app, StockLevels::NAME).await?;
    let seen = find(&app.reads, cx.workspace, &of.id()).await?;
    let body = seen.value.ok_or_else(Problem::not_found)?;
    Ok(Shown { position: seen.position, version: Some(body.version), body })
}

/// Receive units.
#[utoipa::path(post, path = "/api/ecommerce/stock/{sku}/{location}/receive", tag = "stock",
    params(OfStock, KeyRequired), request_body = StockReceipt, responses(Done))]
async fn receive(Path(of): Path<OfStock>, Creation(cx, body): Creation<StockReceipt>) -> Result<Done> {
    Ok(Done(stock::receive(&cx, of.id(), body.quantity).await?))
}

/// Correct what is on hand after a count, a loss, a find.
#[utoipa::path(post, path = "/api/ecommerce/stock/{sku}/{location}/adjust", tag = "stock",
    params(OfStock, KeyRequired), request_body = StockAdjustment, responses(Done))]
async fn adjust(Path(of): Path<OfStock>, Creation(cx, body): Creation<StockAdjustment>) -> Result<Done> {
    Ok(Done(stock::adjust(&cx, of.id(), body.delta, body.reason).await?))
}

/// Tell what has happened to stock.
#[utoipa::path(get, path = "/api/ecommerce/stock/{sku}/{location}/history", tag = "stock",
    params(OfStock, Paging, MinPosition), responses((status = 200, body = Page<Happened>)))]
async fn history(
    State(app): State<App>,
    Cx(cx): Cx,
    Path(of): Path<OfStock>,
    Query(paging, _): Query<Paging>,
) -> Result<Shown<Page<Happened>>> {
    cx.must(stock::READ)?;
    history::of::<Stock>(&app, &cx, of.id(), &paging).await
}
