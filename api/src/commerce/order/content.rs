//! Drafts and edits: what is in an order, as long as it can be changed.

use commands::commerce::order::{self, Change};
use domain::currency::CurrencyInUse;
use domain::ids::{CustomerId, LineId, OrderId};
use projections::commerce::order::{LineView, Orders};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::ORDERS;
use super::body::{DiscountBody, OrderLine, PlacingBody, ShippingBody};
use crate::answer::{Created, Done, Shown};
use crate::app::App;
use crate::extract::{Command, Creation, Id, NoBody, Path, Show};
use crate::fresh::MinPosition;
use crate::problem::Result;
use crate::read::Read;
use crate::schema::Price;
use crate::scope::{needs, needs_all};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(needs(order::PLACE, routes!(draft)))
        .routes(needs(order::PLACE, routes!(add_line)))
        .routes(needs(order::READ, routes!(show_line)))
        .routes(needs(order::PLACE, routes!(set_quantity, remove_line)))
        .routes(needs(order::PLACE, routes!(apply_discount)))
        .routes(needs(order::PLACE, routes!(set_shipping)))
        .routes(needs(order::PLACE, routes!(set_tax)))
        .routes(needs_all(&[order::PLACE], &[order::MANAGE, order::HISTORY], routes!(place)))
        .routes(needs(order::PLACE, routes!(begin_edit)))
        .routes(needs(order::PLACE, routes!(confirm_edit)))
        .routes(needs(order::PLACE, routes!(abandon_edit)))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct OfLine {
    id: OrderId,
    line: LineId,
}

/// An order to be put together.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewDraft {
    customer_id: CustomerId,
    currency: CurrencyInUse,
    /// Your own number for it.
    #[schema(min_length = 1, max_length = 200, pattern = r"\S")]
    reference: Option<String>,
}

/// How many of a line are wanted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct LineQuantity {
    #[schema(minimum = 1, maximum = 1_000_000)]
    quantity: u32,
    /// Of all units: from the unit price, if it is not said.
    total: Option<Price>,
    tax: Option<Price>,
}

/// Tax on one line, or on the order as a whole.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OrderTax {
    /// The order as a whole, if it is left out.
    line: Option<LineId>,
    amount: Price,
}

/// That an edit holds from now on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EditConfirmation {
    /// The totals that were agreed to: refused if they are others by now.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    totals_hash: Option<String>,
    /// The provider's token of a payment method, to pay with what the edit costs more.
    #[schema(min_length = 1, max_length = 64, pattern = "^[!-~]+$")]
    payment_method: Option<String>,
}

/// Open a draft.
#[utoipa::path(post, path = "/api/ecommerce/orders/drafts", tag = "order",
    request_body = NewDraft, responses(Created))]
async fn draft(Creation(cx, body): Creation<NewDraft>) -> Result<Created> {
    let outcome = order::draft(cx, body.customer_id, body.currency.into(), body.reference).await?;
    Ok(Created::at(ORDERS, outcome))
}

/// Put a line into a draft or an open edit.
#[utoipa::path(post, path = "/api/ecommerce/orders/{id}/lines", tag = "order",
    params(Id<OrderId>), request_body = OrderLine, responses(Created))]
async fn add_line(Path(of): Path<Id<OrderId>>, Creation(cx, body): Creation<OrderLine>) -> Result<Created> {
    Ok(Created::at(format!("{ORDERS}/{}/lines", of.id), order::add_line(cx, of.id, body.into()).await?))
}

/// Show a line: as it stands, and as a draft or an open edit has it.
#[utoipa::path(get, path = "/api/ecommerce/orders/{id}/lines/{line}", tag = "order",
    params(OfLine, MinPosition), responses((status = 200, body = LineView)))]
async fn show_line(read: Read, Path(of): Path<OfLine>, Show(fresh): Show) -> Result<Shown<LineView>> {
    read.one::<Orders>(of.id, &fresh).await?.part(|order| order.line(of.line))
}

/// Set how many of a line are wanted.
#[utoipa::path(put, path = "/api/ecommerce/orders/{id}/lines/{line}", tag = "order",
    params(OfLine), request_body = LineQuantity, responses(Done))]
async fn set_quantity(Path(of): Path<OfLine>, Command(cx, body): Command<LineQuantity>) -> Result<Done> {
    let [total, tax] = [body.total, body.tax].map(|price| price.map(Into::into));
    let change = Change::SetQuantity { line: of.line, quantity: body.quantity, total, tax };
    Ok(Done(order::change(cx, of.id, change).await?))
}

/// Take a line out of a draft or an open edit.
#[utoipa::path(
    delete,
    path = "/api/ecommerce/orders/{id}/lines/{line}",
    tag = "order",
    params(OfLine),
    responses(Done)
)]
async fn remove_line(Path(of): Path<OfLine>, Command(cx, _): Command<NoBody>) -> Result<Done> {
    Ok(Done(order::change(cx, of.id, Change::RemoveLine { line: of.line }).await?))
}

/// Take an amount off the whole order; 0 takes the discount away.
#[utoipa::path(post, path = "/api/ecommerce/orders/{id}/discount", tag = "order",
    params(Id<OrderId>), request_body = DiscountBody, responses(Done))]
async fn apply_discount(
    Path(of): Path<Id<OrderId>>,
    Command(cx, body): Command<DiscountBody>,
) -> Result<Done> {
    Ok(Done(order::change(cx, of.id, Change::Discount(body.into())).await?))
}

/// Set how the order is sent, and what that costs.
#[utoipa::path(post, path = "/api/ecommerce/orders/{id}/shipping", tag = "order",
    params(Id<OrderId>), request_body = ShippingBody, responses(Done))]
async fn set_shipping(Path(of): Path<Id<OrderId>>, Command(cx, body): Command<ShippingBody>) -> Result<Done> {
    Ok(Done(order::change(cx, of.id, Change::Shipping(body.into())).await?))
}

/// Set the tax on a line or on the whole order.
#[utoipa::path(post, path = "/api/ecommerce/orders/{id}/tax", tag = "order",
    params(Id<OrderId>), request_body = OrderTax, responses(Done))]
async fn set_tax(Path(of): Path<Id<OrderId>>, Command(cx, body): Command<OrderTax>) -> Result<Done> {
    let change = Change::Tax { line: body.line, amount: body.amount.into() };
    Ok(Done(order::change(cx, of.id, change).await?))
}

/// Place a draft.
#[utoipa::path(post, path = "/api/ecommerce/orders/{id}/place", tag = "order",
    params(Id<OrderId>), request_body = PlacingBody, responses(Done))]
async fn place(Path(of): Path<Id<OrderId>>, Command(cx, body): Command<PlacingBody>) -> Result<Done> {
    Ok(Done(order::place(cx, of.id, body.into()).await?))
}

/// Begin to change an order that is placed.
#[utoipa::path(
    post,
    path = "/api/ecommerce/orders/{id}/edit",
    tag = "order",
    params(Id<OrderId>),
    responses(Done)
)]
async fn begin_edit(Path(of): Path<Id<OrderId>>, Command(cx, _): Command<NoBody>) -> Result<Done> {
    Ok(Done(order::change(cx, of.id, Change::BeginEdit).await?))
}

/// Let an edit hold: at once, or as soon as what it costs more is paid and what it takes more is reserved.
///
/// Until then the order shows its `draft.settlement`. What fails leaves the order as it was and the edit open, and
/// `draft.unsettled` says why.
#[utoipa::path(post, path = "/api/ecommerce/orders/{id}/edit/confirm", tag = "order",
    params(Id<OrderId>), request_body = EditConfirmation, responses(Done))]
async fn confirm_edit(
    Path(of): Path<Id<OrderId>>,
    Command(cx, body): Command<EditConfirmation>,
) -> Result<Done> {
    let EditConfirmation { totals_hash, payment_method } = body;
    let change = Change::ConfirmEdit { totals_hash, payment_method };
    Ok(Done(order::change(cx, of.id, change).await?))
}

/// Leave the order as it was before the edit.
#[utoipa::path(
    post,
    path = "/api/ecommerce/orders/{id}/edit/abandon",
    tag = "order",
    params(Id<OrderId>),
    responses(Done)
)]
async fn abandon_edit(Path(of): Path<Id<OrderId>>, Command(cx, _): Command<NoBody>) -> Result<Done> {
    Ok(Done(order::change(cx, of.id, Change::AbandonEdit).await?))
}
