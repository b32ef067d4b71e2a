//! `/api/ecommerce/carts`: what a buyer means to order.

use commands::commerce::cart::{self, CheckOutAsked};
use commands::commerce::order;
use domain::commerce::cart::Cart;
use domain::currency::CurrencyInUse;
use domain::ids::{CartId, CustomerId, Location, Sku};
use projections::commerce::cart::{CartView, Carts};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::order::{DiscountBody, PlacingBody, ShippingBody};
use crate::answer::{Created, Done, Shown};
use crate::app::App;
use crate::extract::{Command, Creation, Id, NoBody, Path, Query, Show};
use crate::fresh::MinPosition;
use crate::history::Happened;
use crate::page::{Page, Paging};
use crate::problem::Result;
use crate::read::Read;
use crate::schema::Price;
use crate::scope::{needs, needs_all};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(needs(cart::MANAGE, routes!(open)))
        .routes(needs(cart::READ, routes!(show)))
        .routes(needs(cart::MANAGE, routes!(set_line)))
        .routes(needs(cart::MANAGE, routes!(assign)))
        .routes(needs(cart::MANAGE, routes!(abandon)))
        .routes(needs_all(
            &[cart::MANAGE, order::PLACE],
            &[order::MANAGE, order::HISTORY],
            routes!(check_out),
        ))
        .routes(needs(cart::READ, routes!(history)))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct OfLine {
    id: CartId,
    sku: Sku,
}

/// A cart to be filled.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewCart {
    /// Nobody's, if it is left out: the buyer is a guest.
    customer: Option<CustomerId>,
    currency: CurrencyInUse,
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
    customer: CustomerId,
}

/// How a cart becomes an order.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CartCheckout {
    /// Whose order it is, if the cart is a guest's.
    customer_id: Option<CustomerId>,
    /// Your own number for it.
    #[schema(min_length = 1, max_length = 200, pattern = r"\S")]
    reference: Option<String>,
    /// Where the goods are taken from; left out for what needs no stock.
    location: Option<Location>,
    discount: Option<DiscountBody>,
    shipping: Option<ShippingBody>,
    /// Tax on the order as a whole.
    tax: Option<Price>,
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
            tax: body.tax.map(Into::into),
            placing: body.placing.into(),
        }
    }
}

/// Open a cart in a currency, for a guest or a known customer.
#[utoipa::path(post, path = "/api/ecommerce/carts", tag = "cart", request_body = NewCart, responses(Created))]
async fn open(Creation(cx, body): Creation<NewCart>) -> Result<Created> {
    Ok(Created::at("/api/ecommerce/carts", cart::open(cx, body.customer, body.currency.into()).await?))
}

/// Show a cart.
#[utoipa::path(get, path = "/api/ecommerce/carts/{id}", tag = "cart",
    params(Id<CartId>, MinPosition), responses((status = 200, body = CartView)))]
async fn show(read: Read, Path(of): Path<Id<CartId>>, Show(fresh): Show) -> Result<Shown<CartView>> {
    read.one::<Carts>(of.id, &fresh).await
}

/// Set how many of a SKU are in a cart.
#[utoipa::path(put, path = "/api/ecommerce/carts/{id}/lines/{sku}", tag = "cart",
    params(OfLine), request_body = CartQuantity, responses(Done))]
async fn set_line(Path(of): Path<OfLine>, Command(cx, body): Command<CartQuantity>) -> Result<Done> {
    Ok(Done(cart::set_line(cx, of.id, of.sku, body.quantity).await?))
}

/// Say whose a guest's cart is.
#[utoipa::path(post, path = "/api/ecommerce/carts/{id}/assign", tag = "cart",
    params(Id<CartId>), request_body = CartOwner, responses(Done))]
async fn assign(Path(of): Path<Id<CartId>>, Command(cx, body): Command<CartOwner>) -> Result<Done> {
    Ok(Done(cart::assign(cx, of.id, body.customer).await?))
}

/// Leave a cart for good.
#[utoipa::path(
    post,
    path = "/api/ecommerce/carts/{id}/abandon",
    tag = "cart",
    params(Id<CartId>),
    responses(Done)
)]
async fn abandon(Path(of): Path<Id<CartId>>, Command(cx, _): Command<NoBody>) -> Result<Done> {
    Ok(Done(cart::abandon(cx, of.id).await?))
}

/// Make a cart an order, and place it: both or neither. The answer is the order's.
#[utoipa::path(post, path = "/api/ecommerce/carts/{id}/checkout", tag = "cart",
    params(Id<CartId>), request_body = CartCheckout, responses(Created))]
async fn check_out(
    Path(of): Path<Id<CartId>>,
    Creation(cx, body): Creation<CartCheckout>,
) -> Result<Created> {
    Ok(Created::at("/api/ecommerce/orders", cart::check_out(cx, of.id, body.into()).await?))
}

/// Tell what has happened to a cart.
#[utoipa::path(get, path = "/api/ecommerce/carts/{id}/history", tag = "cart",
    params(Id<CartId>, Paging, MinPosition), responses((status = 200, body = Page<Happened>)))]
async fn history(
    read: Read,
    Path(of): Path<Id<CartId>>,
    Query(paging, _): Query<Paging>,
) -> Result<Shown<Page<Happened>>> {
    read.history::<Cart>(of.id, &paging).await
}
