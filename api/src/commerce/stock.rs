//! `/api/ecommerce/stock`: how many of a SKU lie where.

use commands::commerce::stock;
use domain::commerce::stock::Stock;
use domain::ids::{Location, Sku, StockId};
use projections::commerce::stock::{StockLevelFilter, StockLevelView, StockLevels};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::{Done, Shown};
use crate::app::App;
use crate::extract::{Creation, List, Path, Query, Show};
use crate::fresh::MinPosition;
use crate::history::Happened;
use crate::openapi::KeyRequired;
use crate::page::{Page, Paging};
use crate::problem::Result;
use crate::read::Read;
use crate::scope::needs;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(needs(stock::READ, routes!(list)))
        .routes(needs(stock::READ, routes!(show)))
        .routes(needs(stock::MANAGE, routes!(receive)))
        .routes(needs(stock::MANAGE, routes!(adjust)))
        .routes(needs(stock::READ, routes!(history)))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct OfStock {
    sku: Sku,
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
    read: Read,
    List(filter, paging, fresh): List<StockLevelFilter>,
) -> Result<Shown<Page<StockLevelView>>> {
    read.page(filter, &paging, &fresh).await
}

/// Show how many of a SKU lie at a location, and how many of them can still be had.
#[utoipa::path(get, path = "/api/ecommerce/stock/{sku}/{location}", tag = "stock",
    params(OfStock, MinPosition), responses((status = 200, body = StockLevelView)))]
async fn show(read: Read, Path(of): Path<OfStock>, Show(fresh): Show) -> Result<Shown<StockLevelView>> {
    read.one::<StockLevels>(of.id(), &fresh).await
}

/// Receive units.
#[utoipa::path(post, path = "/api/ecommerce/stock/{sku}/{location}/receive", tag = "stock",
    params(OfStock, KeyRequired), request_body = StockReceipt, responses(Done))]
async fn receive(Path(of): Path<OfStock>, Creation(cx, body): Creation<StockReceipt>) -> Result<Done> {
    Ok(Done(stock::receive(cx, of.id(), body.quantity).await?))
}

/// Correct what is on hand after a count, a loss, a find.
#[utoipa::path(post, path = "/api/ecommerce/stock/{sku}/{location}/adjust", tag = "stock",
    params(OfStock, KeyRequired), request_body = StockAdjustment, responses(Done))]
async fn adjust(Path(of): Path<OfStock>, Creation(cx, body): Creation<StockAdjustment>) -> Result<Done> {
    Ok(Done(stock::adjust(cx, of.id(), body.delta, body.reason).await?))
}

/// Tell what has happened to stock.
#[utoipa::path(get, path = "/api/ecommerce/stock/{sku}/{location}/history", tag = "stock",
    params(OfStock, Paging, MinPosition), responses((status = 200, body = Page<Happened>)))]
async fn history(
    read: Read,
    Path(of): Path<OfStock>,
    Query(paging, _): Query<Paging>,
) -> Result<Shown<Page<Happened>>> {
    read.history::<Stock>(of.id(), &paging).await
}
