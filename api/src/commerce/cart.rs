//! `/api/ecommerce/carts`: what a buyer means to order.

use axum::extract::State;
use commands::commerce::cart::{self, CheckOutAsked};
use domain::commerce::cart::Cart;
use domain::ids::{CartId, CustomerId, Location, Sku};
use domain::money::{Currency, Money};
use projections::View;
use projections::commerce::cart::{CartView, Carts, find};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::order::{DiscountBody, PlacingBody, ShippingBody};
use crate::answer::{Created, Done, Shown};
use crate::app::App;
use crate::extract::{Command, Creation, Cx, NoBody, Path, Query, Show};
use crate::fresh::MinPosition;
use crate::history::{self, Happened};
use crate::page::{Page, Paging};
use crate::problem::{Problem, Result};
use crate::schema;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(open))
        .routes(routes!(show))
        .routes(routes!(set_line))
        .routes(routes!(assign))
        .routes(routes!(abandon))
        .routes(routes!(check_out))
        .routes(routes!(history))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct OfCart {
    #[param(schema_with = schema::id::<CartId>)]
    id: CartId,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct OfLine {
    #[param(schema_with = schema::id::<CartId>)]
    id: CartId,
    #[param(schema_with = schema::sku)]
    sku: Sku,
}

/// A cart to be filled.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewCart {
    /// Nobody's, if it is left out: the buyer is a guest.
    #[schema(schema_with = schema::id_if_any::<CustomerId>)]
    customer: Option<CustomerId>,
    #[schema(schema_with = schema::currency)]
    currency: Currency,
}

/// So many of a SKU.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CartQuantity {
    /// 0 removes it from the cart.
    #[schema(minimum = 0, maximum = 10_000)]
    quantity: i64,
}

/// Whose a cart is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CartOwner {
    #[schema(schema_with = schema::id::<CustomerId>)]
    customer: CustomerId,
}

/// How a cart becomes an order.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CartCheckout {
    /// Whose order it is, if the cart is a guest's.
    #[schema(schema_with = schema::id_if_any::<CustomerId>)]
    customer_id: Option<CustomerId>,
    /// Your own number for it.
    #[schema(min_length = 1, max_length = 200, pattern = r"\S")]
    reference: Option<String>,
    /// Where the goods are taken from; left out for what needs no stock.
    #[schema(value_type = Option<String>, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", example = "MAIN")]
    location: Option<Location>,
    discount: Option<DiscountBody>,
    shipping: Option<ShippingBody>,
    /// Tax on the order as a whole.
    #[schema(value_type = Option<schema::Price>)]
    tax: Option<Money>,
    placing: PlacingBody,
}

impl From<CartCheckout> for CheckOutAsked {
    fn from(body: CartCheckout) -> Self {
        Self {
            customer: body.customer_id,
            reference: body.reference,
            location: body.location,
            discount: body.discount.map(Into::into),
            shipping: body.shipping.map(Into::into),
            tax: body.tax,
            placing: body.placing.into(),
        }
    }
}

/// Open a cart in a currency, for a guest or a known customer.
#[utoipa::path(post, path = "/api/ecommerce/carts", tag = "cart", request_body = NewCart, responses(Created))]
async fn open(Creation(cx, body): Creation<NewCart>) -> Result<Created> {
    Ok(Created::at("/api/ecommerce/carts", cart::open(&cx, body.customer, body.currency).await?))
}

/// Show a cart.
#[utoipa::path(get, path = "/api/ecommerce/carts/{id}", tag = "cart",
    params(OfCart, MinPosition), responses((status = 200, body = CartView)))]
async fn show(
    State(app): State<App>,
    Cx(cx): Cx,
    Path(of): Path<OfCart>,
    Show(fresh): Show,
) -> Result<Shown<CartView>> {
    cx.must(cart::READ)?;
    fresh.reached(&app, Carts::NAME).await?;
    let seen = find(&app.reads, cx.workspace, of.id).await?;
    let body = seen.value.ok_or_else(Problem::not_found)?;
    Ok(Shown { position: seen.position, version: Some(body.version), body })
}

/// Set how many of a SKU are in a cart.
#[utoipa::path(put, path = "/api/ecommerce/carts/{id}/lines/{sku}", tag = "cart",
    params(OfLine), request_body = CartQuantity, responses(Done))]
async fn set_line(Path(of): Path<OfLine>, Command(cx, body): Command<CartQuantity>) -> Result<Done> {
    Ok(Done(cart::set_line(&cx, of.id, of.sku, body.quantity).await?))
}

/// Say whose a guest's cart is.
#[utoipa::path(post, path = "/api/ecommerce/carts/{id}/assign", tag = "cart",
    params(OfCart), request_body = CartOwner, responses(Done))]
async fn assign(Path(of): Path<OfCart>, Command(cx, body): Command<CartOwner>) -> Result<Done> {
    Ok(Done(cart::assign(&cx, of.id, body.customer).await?))
}

/// Leave a cart for good.
#[utoipa::path(
    post,
    path = "/api/ecommerce/carts/{id}/abandon",
    tag = "cart",
    params(OfCart),
    responses(Done)
)]
async fn abandon(Path(of): Path<OfCart>, Command(cx, _): Command<NoBody>) -> Result<Done> {
    Ok(Done(cart::abandon(&cx, of.id).await?))
}

/// Make a cart an order, and place it: both or neither. The answer is the order's.
#[utoipa::path(post, path = "/api/ecommerce/carts/{id}/checkout", tag = "cart",
    params(OfCart), request_body = CartCheckout, responses(Created))]
async fn check_out(Path(of): Path<OfCart>, Creation(cx, body): Creation<CartCheckout>) -> Result<Created> {
    Ok(Created::at("/api/ecommerce/orders", cart::check_out(&cx, of.id, body.into()).await?))
}

/// Tell what has happened to a cart.
#[utoipa::path(get, path = "/api/ecommerce/carts/{id}/history", tag = "cart",
    params(OfCart, Paging, MinPosition), responses((status = 200, body = Page<Happened>)))]
async fn history(
    State(app): State<App>,
    Cx(cx): Cx,
    Path(of): Path<OfCart>,
    Query(paging, _): Query<Paging>,
) -> Result<Shown<Page<Happened>>> {
    cx.must(cart::READ)?;
    history::of::<Cart>(&app, &cx, of.id, &paging).await
}
