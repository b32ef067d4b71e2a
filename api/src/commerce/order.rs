//! `/api/ecommerce/orders`: what customers buy, from a draft to the last parcel and what comes back of it.

mod body;
mod content;
mod parcel;
mod returning;

use axum::extract::State;
use commands::commerce::checkout;
use commands::commerce::order::{self, Change, Step};
use domain::commerce::order::{Basis, CancelReason, Order};
use domain::ids::OrderId;
use projections::View;
use projections::commerce::order::{OrderFilter, OrderView, Orders, find, list as rows};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::{Created, Done, Shown};
use crate::app::App;
use crate::extract::{Command, Creation, Cx, List, Path, Query, Show};
use crate::fresh::MinPosition;
use crate::history::{self, Happened};
use crate::page::{ListId, Page, Paging, filtered_by};
use crate::problem::{Problem, Result};
use crate::schema;
use body::{OrderContents, QuoteView, UnitsBody};

pub(super) use body::{DiscountBody, PlacingBody, ShippingBody};

const ORDERS: &str = "/api/ecommerce/orders";

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(submit, list))
        .routes(routes!(quote))
        .routes(routes!(show))
        .routes(routes!(history))
        .routes(routes!(pay))
        .routes(routes!(confirm))
        .routes(routes!(cancel))
        .routes(routes!(cancel_lines))
        .merge(content::routes())
        .merge(parcel::routes())
        .merge(returning::routes())
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct OfOrder {
    #[param(schema_with = schema::id::<OrderId>)]
    id: OrderId,
}

/// With which payment method to try once more.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PaymentRetry {
    /// The provider's token of it.
    #[schema(min_length = 1, max_length = 64, pattern = "^[!-~]+$")]
    payment_method: String,
}

/// Why an order may be confirmed that no checkout confirms.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OrderConfirmation {
    #[schema(schema_with = body::basis)]
    basis: Basis,
}

/// Why an order is cancelled.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OrderCancellation {
    /// `customer`, if it is not said.
    #[serde(default = "body::by_customer")]
    #[schema(schema_with = body::cancel_reason)]
    reason: CancelReason,
}

/// What of an order is cancelled, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct LinesCancellation {
    #[schema(min_items = 1, max_items = 200)]
    lines: Vec<UnitsBody>,
    /// `customer`, if it is not said.
    #[serde(default = "body::by_customer")]
    #[schema(schema_with = body::cancel_reason)]
    reason: CancelReason,
}

/// Place a whole order at once.
#[utoipa::path(post, path = "/api/ecommerce/orders", tag = "order",
    request_body = body::NewOrder, responses(Created))]
async fn submit(Creation(mut cx, body): Creation<body::NewOrder>) -> Result<Created> {
    cx.effective_at = body::since(&cx, body.effective_at)?;
    let (contents, placing) = (body.contents().into(), body.placing().into());
    let outcome = order::submit(&cx, body.customer_id, body.reference, contents, placing).await?;
    Ok(Created::at(ORDERS, outcome))
}

/// Say what an order would come to, and the hash that agrees to it. Nothing is recorded.
#[utoipa::path(post, path = "/api/ecommerce/orders/quote", tag = "order",
    request_body = OrderContents, responses((status = 200, body = QuoteView)))]
async fn quote(Command(cx, body): Command<OrderContents>) -> Result<axum::Json<QuoteView>> {
    Ok(axum::Json(order::quote(&cx, body.into()).await?.into()))
}

/// List orders.
#[utoipa::path(get, path = "/api/ecommerce/orders", tag = "order",
    params(OrderFilter, Paging, MinPosition), responses((status = 200, body = Page<OrderView>)))]
async fn list(
    State(app): State<App>,
    Cx(cx): Cx,
    List(filter, paging, fresh): List<OrderFilter>,
) -> Result<Shown<Page<OrderView>>> {
    cx.must(order::READ)?;
    fresh.reached(&app, Orders::NAME).await?;
    let filtered = filtered_by(&filter);
    let list = ListId { workspace: cx.workspace, name: Orders::NAME, filter: &filtered };
    let after = paging.after(&app.cursors, &list)?;
    let seen = rows(&app.reads, cx.workspace, filter, (after, paging.limit())).await?;
    Ok(Page::shown(seen, |after| app.cursors.seal(&list, after)))
}

/// Show an order.
#[utoipa::path(get, path = "/api/ecommerce/orders/{id}", tag = "order",
    params(OfOrder, MinPosition), responses((status = 200, body = OrderView)))]
async fn show(
    State(app): State<App>,
    Cx(cx): Cx,
    Path(of): Path<OfOrder>,
    Show(fresh): Show,
) -> Result<Shown<OrderView>> {
    cx.must(order::READ)?;
    fresh.reached(&app, Orders::NAME).await?;
    let seen = find(&app.reads, cx.workspace, of.id).await?;
    let body = seen.value.ok_or_else(Problem::not_found)?;
    Ok(Shown { position: seen.position, version: Some(body.version), body })
}

/// Tell what has happened to an order.
#[utoipa::path(get, path = "/api/ecommerce/orders/{id}/history", tag = "order",
    params(OfOrder, Paging, MinPosition), responses((status = 200, body = Page<Happened>)))]
async fn history(
    State(app): State<App>,
    Cx(cx): Cx,
    Path(of): Path<OfOrder>,
    Query(paging, _): Query<Paging>,
) -> Result<Shown<Page<Happened>>> {
    cx.must(order::READ)?;
    history::of::<Order>(&app, &cx, of.id, &paging).await
}

/// Try to pay once more, after a decline that was not final.
#[utoipa::path(post, path = "/api/ecommerce/orders/{id}/pay", tag = "order",
    params(OfOrder), request_body = PaymentRetry, responses(Done))]
async fn pay(Path(of): Path<OfOrder>, Command(cx, body): Command<PaymentRetry>) -> Result<Done> {
    Ok(Done(checkout::retry_payment(&cx, of.id, body.payment_method).await?))
}

/// Confirm an order that no checkout confirms: on credit, or settled elsewhere.
#[utoipa::path(post, path = "/api/ecommerce/orders/{id}/confirm", tag = "order",
    params(OfOrder), request_body = OrderConfirmation, responses(Done))]
async fn confirm(Path(of): Path<OfOrder>, Command(cx, body): Command<OrderConfirmation>) -> Result<Done> {
    Ok(Done(order::handle(&cx, of.id, Step::Confirm { basis: body.basis }).await?))
}

/// Cancel an order of which nothing is packed yet: what was paid is given back.
#[utoipa::path(post, path = "/api/ecommerce/orders/{id}/cancel", tag = "order",
    params(OfOrder), request_body = OrderCancellation, responses(Done))]
async fn cancel(Path(of): Path<OfOrder>, Command(cx, body): Command<OrderCancellation>) -> Result<Done> {
    Ok(Done(order::change(&cx, of.id, Change::Cancel { reason: body.reason }).await?))
}

/// Cancel units that are not packed yet: what was paid for them is given back.
#[utoipa::path(post, path = "/api/ecommerce/orders/{id}/cancel-lines", tag = "order",
    params(OfOrder), request_body = LinesCancellation, responses(Done))]
async fn cancel_lines(
    Path(of): Path<OfOrder>,
    Command(cx, body): Command<LinesCancellation>,
) -> Result<Done> {
    let (lines, reason) = (body.lines.into_iter().map(Into::into).collect(), body.reason);
    Ok(Done(order::change(&cx, of.id, Change::CancelLines { lines, reason }).await?))
}
