//! Commerce: what is sold, over HTTP.

mod cart;
mod order;
mod product;
mod shop;
mod stock;

use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

/// All routes of commerce.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(cart::routes())
        .merge(order::routes())
        .merge(product::routes())
        .merge(shop::routes())
        .merge(stock::routes())
}
