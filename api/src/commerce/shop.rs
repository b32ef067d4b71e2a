//! `/api/ecommerce/shop`: how the workspace sells.

use commands::commerce::shop;
use domain::commerce::shop::{Policy, Shop};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::{Done, Shown};
use crate::app::App;
use crate::extract::{Command, Query, Show};
use crate::fresh::MinPosition;
use crate::history::Happened;
use crate::page::{Page, Paging};
use crate::problem::Result;
use crate::read::Read;
use crate::scope::needs;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(needs(shop::READ, routes!(show)))
        .routes(needs(shop::MANAGE, routes!(settle)))
        .routes(needs(shop::READ, routes!(history)))
}

/// How a workspace is to sell. What is left out is as by default.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ShopPolicy)]
struct PolicyBody {
    /// What stands before the number of an order, perhaps nothing (`""`); without one, orders get no numbers.
    #[schema(max_length = 16, pattern = "^[!-~]*$", example = "W-")]
    order_prefix: Option<String>,
    /// No two orders made from now on have the same reference.
    #[serde(default)]
    unique_references: bool,
    /// What sending cost is given back along where everything came back.
    #[serde(default)]
    refund_shipping: bool,
}

/// Show how the workspace sells: as it is now, not as a read model has it.
#[utoipa::path(get, path = "/api/ecommerce/shop", tag = "shop",
    params(MinPosition), responses((status = 200, body = Policy)))]
async fn show(read: Read, Show(_fresh): Show) -> Result<Shown<Policy>> {
    let position = read.app.store.head().await?;
    let (body, version) = shop::show(read.cx).await?;
    Ok(Shown { position, version: Some(version), body })
}

/// Settle how the workspace sells. What is left out is as by default.
#[utoipa::path(put, path = "/api/ecommerce/shop", tag = "shop",
    request_body = PolicyBody, responses(Done))]
async fn settle(Command(cx, body): Command<PolicyBody>) -> Result<Done> {
    let PolicyBody { order_prefix, unique_references, refund_shipping } = body;
    let policy = Policy { order_prefix, unique_references, refund_shipping };
    Ok(Done(shop::settle(cx, policy).await?))
}

/// Tell how the workspace has sold over time.
#[utoipa::path(get, path = "/api/ecommerce/shop/history", tag = "shop",
    params(Paging, MinPosition), responses((status = 200, body = Page<Happened>)))]
async fn history(read: Read, Query(paging, _): Query<Paging>) -> Result<Shown<Page<Happened>>> {
    read.history::<Shop>(read.cx.workspace, &paging).await
}
