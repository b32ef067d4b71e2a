//! Fulfilments: what goes out together, and what carriers say of it.

use chrono::{DateTime, Utc};
use commands::commerce::order::{self, Step};
use domain::commerce::order::{CarrierFact, CarrierFactKind, Condition, Units};
use domain::ids::{FulfilmentId, LineId, OrderId};
use domain::kernel::microseconds;
use projections::commerce::order::{FulfilmentView, Orders};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::ORDERS;
use super::body::UnitsBody;
use crate::answer::{Created, Done, Shown};
use crate::app::App;
use crate::extract::{Command, Creation, Id, NoBody, Path, Show};
use crate::fresh::MinPosition;
use crate::openapi::KeyRequired;
use crate::problem::Result;
use crate::read::Read;
use crate::scope::needs;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(needs(order::MANAGE, routes!(fulfil)))
        .routes(needs(order::READ, routes!(show_fulfilment)))
        .routes(needs(order::MANAGE, routes!(ship)))
        .routes(needs(order::MANAGE, routes!(deliver)))
        .routes(needs(order::MANAGE, routes!(cancel_fulfilment)))
        .routes(needs(order::MANAGE, routes!(lose_parcel)))
        .routes(needs(order::MANAGE, routes!(take_parcel_back)))
        .routes(needs(order::MANAGE, routes!(reserve)))
        .routes(needs(order::MANAGE, routes!(record_carrier_fact)))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct OfFulfilment {
    id: OrderId,
    fulfilment: FulfilmentId,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct OfLine {
    id: OrderId,
    line: LineId,
}

/// How a parcel came back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ParcelBack {
    condition: Condition,
}

/// How many units are to leave once more.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct UnitsAgain {
    #[schema(minimum = 1, maximum = 1_000_000)]
    quantity: u32,
}

/// Units for one parcel.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewFulfilment {
    #[schema(min_items = 1, max_items = 200)]
    lines: Vec<UnitsBody>,
    /// Why it may go out although it is not paid.
    #[schema(min_length = 1, max_length = 500, pattern = r"\S")]
    override_unpaid: Option<String>,
}

/// With whom it goes out.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Shipment {
    #[schema(min_length = 1, max_length = 100, pattern = r"\S")]
    carrier: Option<String>,
    #[schema(min_length = 1, max_length = 200, pattern = r"\S")]
    tracking: Option<String>,
}

/// What a carrier says, in whatever order.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CarrierNews {
    kind: CarrierFactKind,
    /// When it happened.
    at: DateTime<Utc>,
    fulfilment: Option<FulfilmentId>,
    #[schema(min_length = 1, max_length = 200, pattern = r"\S")]
    tracking: Option<String>,
}

/// Set units together for one parcel.
#[utoipa::path(post, path = "/api/ecommerce/orders/{id}/fulfilments", tag = "order",
    params(Id<OrderId>), request_body = NewFulfilment, responses(Created))]
async fn fulfil(Path(of): Path<Id<OrderId>>, Creation(cx, body): Creation<NewFulfilment>) -> Result<Created> {
    let lines = body.lines.into_iter().map(Into::into).collect();
    let step = Step::Fulfil { lines, override_unpaid: body.override_unpaid };
    Ok(Created::at(format!("{ORDERS}/{}/fulfilments", of.id), order::handle(cx, of.id, step).await?))
}

/// Show a parcel.
#[utoipa::path(get, path = "/api/ecommerce/orders/{id}/fulfilments/{fulfilment}", tag = "order",
    params(OfFulfilment, MinPosition), responses((status = 200, body = FulfilmentView)))]
async fn show_fulfilment(
    read: Read,
    Path(of): Path<OfFulfilment>,
    Show(fresh): Show,
) -> Result<Shown<FulfilmentView>> {
    let order = read.one::<Orders>(of.id, &fresh).await?;
    order.part(|order| order.fulfilments.into_iter().find(|parcel| parcel.id == of.fulfilment))
}

/// Hand a parcel to its carrier.
#[utoipa::path(post, path = "/api/ecommerce/orders/{id}/fulfilments/{fulfilment}/ship", tag = "order",
    params(OfFulfilment), request_body = Shipment, responses(Done))]
async fn ship(Path(of): Path<OfFulfilment>, Command(cx, body): Command<Shipment>) -> Result<Done> {
    let Shipment { carrier, tracking } = body;
    let step = Step::Ship { fulfilment: of.fulfilment, carrier, tracking };
    Ok(Done(order::handle(cx, of.id, step).await?))
}

/// Say that a parcel has arrived.
#[utoipa::path(
    post,
    path = "/api/ecommerce/orders/{id}/fulfilments/{fulfilment}/deliver",
    tag = "order",
    params(OfFulfilment),
    responses(Done)
)]
async fn deliver(Path(of): Path<OfFulfilment>, Command(cx, _): Command<NoBody>) -> Result<Done> {
    let step = Step::Deliver { fulfilment: of.fulfilment };
    Ok(Done(order::handle(cx, of.id, step).await?))
}

/// Unpack a parcel that was not shipped.
#[utoipa::path(
    post,
    path = "/api/ecommerce/orders/{id}/fulfilments/{fulfilment}/cancel",
    tag = "order",
    params(OfFulfilment),
    responses(Done)
)]
async fn cancel_fulfilment(Path(of): Path<OfFulfilment>, Command(cx, _): Command<NoBody>) -> Result<Done> {
    let step = Step::CancelFulfilment { fulfilment: of.fulfilment };
    Ok(Done(order::handle(cx, of.id, step).await?))
}

/// Say that a parcel will never arrive: its units can be cancelled, which gives their money back, or sent again.
#[utoipa::path(
    post,
    path = "/api/ecommerce/orders/{id}/fulfilments/{fulfilment}/lost",
    tag = "order",
    params(OfFulfilment),
    responses(Done)
)]
async fn lose_parcel(Path(of): Path<OfFulfilment>, Command(cx, _): Command<NoBody>) -> Result<Done> {
    let step = Step::LoseParcel { fulfilment: of.fulfilment };
    Ok(Done(order::handle(cx, of.id, step).await?))
}

/// Take a parcel back that was not delivered: what is good goes into stock, and its units can be cancelled or sent
/// again.
#[utoipa::path(post, path = "/api/ecommerce/orders/{id}/fulfilments/{fulfilment}/came-back", tag = "order",
    params(OfFulfilment), request_body = ParcelBack, responses(Done))]
async fn take_parcel_back(
    Path(of): Path<OfFulfilment>,
    Command(cx, body): Command<ParcelBack>,
) -> Result<Done> {
    let step = Step::TakeParcelBack { fulfilment: of.fulfilment, condition: body.condition };
    Ok(Done(order::handle(cx, of.id, step).await?))
}

/// Set units of a line aside that have to leave once more, since their parcel was lost or came back.
#[utoipa::path(post, path = "/api/ecommerce/orders/{id}/lines/{line}/reserve", tag = "order",
    params(OfLine, KeyRequired), request_body = UnitsAgain, responses(Done))]
async fn reserve(Path(of): Path<OfLine>, Creation(cx, body): Creation<UnitsAgain>) -> Result<Done> {
    let units = Units { line: of.line, quantity: body.quantity };
    Ok(Done(order::reserve(cx, of.id, units).await?))
}

/// Record what a carrier says.
#[utoipa::path(post, path = "/api/ecommerce/orders/{id}/carrier-facts", tag = "order",
    params(Id<OrderId>), request_body = CarrierNews, responses(Done))]
async fn record_carrier_fact(
    Path(of): Path<Id<OrderId>>,
    Command(cx, body): Command<CarrierNews>,
) -> Result<Done> {
    let CarrierNews { kind, at, fulfilment, tracking } = body;
    let fact = CarrierFact { kind, at: microseconds(at), fulfilment, tracking };
    Ok(Done(order::handle(cx, of.id, Step::CarrierFact(fact)).await?))
}
