//! `/api/ecommerce/orders`: what customers buy, from a draft to the last parcel and what comes back of it.

mod body;
mod content;
mod parcel;
mod returning;

use chrono::{DateTime, Utc};
use commands::commerce::checkout;
use commands::commerce::order::{self, Change, Step};
use domain::commerce::order::{Basis, CancelReason, Order};
use domain::ids::OrderId;
use projections::commerce::order::{OrderFilter, OrderView, Orders};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::{Created, Done, Reckoned, Shown};
use crate::app::App;
use crate::extract::{Command, Creation, Id, List, Path, Query, Show};
use crate::fresh::MinPosition;
use crate::history::Happened;
use crate::openapi::KeyRequired;
use crate::page::{Page, Paging};
use crate::problem::Result;
use crate::read::Read;
use crate::schema::Price;
use crate::scope::{needs, needs_all};
use body::{OrderContents, QuoteView, UnitsBody};

pub(super) use body::{DiscountBody, PlacingBody, ShippingBody};

const ORDERS: &str = "/api/ecommerce/orders";

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(needs_all(&[order::PLACE], &[order::MANAGE, order::HISTORY], routes!(submit)))
        .routes(needs(order::READ, routes!(list)))
        .routes(needs(order::PLACE, routes!(quote)))
        .routes(needs(order::READ, routes!(show)))
        .routes(needs(order::READ, routes!(history)))
        .routes(needs(order::PLACE, routes!(pay)))
        .routes(needs(order::MANAGE, routes!(confirm)))
        .routes(needs_all(&[order::MARK_PAID], &[order::HISTORY], routes!(mark_paid)))
        .routes(needs(order::PLACE, routes!(cancel)))
        .routes(needs(order::PLACE, routes!(cancel_lines)))
        .merge(content::routes())
        .merge(parcel::routes())
        .merge(returning::routes())
}

/// With which payment method to try once more.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PaymentRetry {
    /// The provider's token of it.
    #[schema(min_length = 1, max_length = 64, pattern = "^[!-~]+$")]
    payment_method: String,
}

/// What was paid of an order on credit.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PaymentMark {
    /// No more than is still owed.
    amount: Price,
    /// What it is found by elsewhere, as a bank's number.
    #[schema(min_length = 1, max_length = 200, pattern = r"\S")]
    reference: Option<String>,
    /// When it was paid, if it was earlier and is only written down now: needs the scope `history:write`.
    effective_at: Option<DateTime<Utc>>,
}

/// Why an order may be confirmed that no checkout confirms.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OrderConfirmation {
    basis: Basis,
}

/// Why an order is cancelled.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OrderCancellation {
    /// `customer`, if it is not said.
    #[serde(default = "body::by_customer")]
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
    reason: CancelReason,
}

/// Place a whole order at once.
#[utoipa::path(post, path = "/api/ecommerce/orders", tag = "order",
    request_body = body::NewOrder, responses(Created))]
async fn submit(Creation(mut cx, body): Creation<body::NewOrder>) -> Result<Created> {
    cx.effective_at = body::since(&cx, body.effective_at)?;
    let (contents, placing) = (body.contents().into(), body.placing().into());
    let outcome = order::submit(cx, body.customer_id, body.reference, contents, placing).await?;
    Ok(Created::at(ORDERS, outcome))
}

/// Say what an order would come to, and the hash that agrees to it. Nothing is recorded.
#[utoipa::path(post, path = "/api/ecommerce/orders/quote", tag = "order",
    request_body = OrderContents, responses((status = 200, body = QuoteView)))]
async fn quote(Command(cx, body): Command<OrderContents>) -> Result<Reckoned<QuoteView>> {
    Ok(Reckoned(order::quote(cx, body.into()).await?.into()))
}

/// List orders.
#[utoipa::path(get, path = "/api/ecommerce/orders", tag = "order",
    params(OrderFilter, Paging, MinPosition), responses((status = 200, body = Page<OrderView>)))]
async fn list(read: Read, List(filter, paging, fresh): List<OrderFilter>) -> Result<Shown<Page<OrderView>>> {
    read.page(filter, &paging, &fresh).await
}

/// Show an order.
#[utoipa::path(get, path = "/api/ecommerce/orders/{id}", tag = "order",
    params(Id<OrderId>, MinPosition), responses((status = 200, body = OrderView)))]
async fn show(read: Read, Path(of): Path<Id<OrderId>>, Show(fresh): Show) -> Result<Shown<OrderView>> {
    read.one::<Orders>(of.id, &fresh).await
}

/// Tell what has happened to an order.
#[utoipa::path(get, path = "/api/ecommerce/orders/{id}/history", tag = "order",
    params(Id<OrderId>, Paging, MinPosition), responses((status = 200, body = Page<Happened>)))]
async fn history(
    read: Read,
    Path(of): Path<Id<OrderId>>,
    Query(paging, _): Query<Paging>,
) -> Result<Shown<Page<Happened>>> {
    read.history::<Order>(of.id, &paging).await
}

/// Try to pay once more after a decline, after a final one with another method.
#[utoipa::path(post, path = "/api/ecommerce/orders/{id}/pay", tag = "order",
    params(Id<OrderId>, KeyRequired), request_body = PaymentRetry, responses(Done))]
async fn pay(Path(of): Path<Id<OrderId>>, Creation(cx, body): Creation<PaymentRetry>) -> Result<Done> {
    Ok(Done(checkout::retry_payment(cx, of.id, body.payment_method).await?))
}

/// Confirm an order that no checkout confirms: on credit, or settled elsewhere.
#[utoipa::path(post, path = "/api/ecommerce/orders/{id}/confirm", tag = "order",
    params(Id<OrderId>), request_body = OrderConfirmation, responses(Done))]
async fn confirm(Path(of): Path<Id<OrderId>>, Command(cx, body): Command<OrderConfirmation>) -> Result<Done> {
    Ok(Done(order::handle(cx, of.id, Step::Confirm { basis: body.basis }).await?))
}

/// Mark some of what an order on credit owes as paid: a payment of its own, that can be given back.
#[utoipa::path(post, path = "/api/ecommerce/orders/{id}/mark-paid", tag = "order",
    params(Id<OrderId>), request_body = PaymentMark, responses(Created))]
async fn mark_paid(
    Path(of): Path<Id<OrderId>>,
    Creation(mut cx, body): Creation<PaymentMark>,
) -> Result<Created> {
    cx.effective_at = body::since(&cx, body.effective_at)?;
    let outcome = order::mark_paid(cx, of.id, body.amount.into(), body.reference).await?;
    Ok(Created::at("/api/financial/payments", outcome))
}

/// Cancel an order of which nothing is packed yet: what was paid is given back.
#[utoipa::path(post, path = "/api/ecommerce/orders/{id}/cancel", tag = "order",
    params(Id<OrderId>), request_body = OrderCancellation, responses(Done))]
async fn cancel(Path(of): Path<Id<OrderId>>, Command(cx, body): Command<OrderCancellation>) -> Result<Done> {
    Ok(Done(order::change(cx, of.id, Change::Cancel { reason: body.reason }).await?))
}

/// Cancel units that are not packed yet: what was paid for them is given back.
#[utoipa::path(post, path = "/api/ecommerce/orders/{id}/cancel-lines", tag = "order",
    params(Id<OrderId>, KeyRequired), request_body = LinesCancellation, responses(Done))]
async fn cancel_lines(
    Path(of): Path<Id<OrderId>>,
    Creation(cx, body): Creation<LinesCancellation>,
) -> Result<Done> {
    let (lines, reason) = (body.lines.into_iter().map(Into::into).collect(), body.reason);
    Ok(Done(order::change(cx, of.id, Change::CancelLines { lines, reason }).await?))
}
