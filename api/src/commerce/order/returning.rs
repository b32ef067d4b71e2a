//! Returns: what comes back.

use commands::commerce::order::{self, Change, Step};
use domain::commerce::order::{Condition, Units};
use domain::ids::{LineId, OrderId, ReturnId};
use projections::commerce::order::{Orders, ReturnView};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::ORDERS;
use super::body::UnitsBody;
use crate::answer::{Created, Done, Shown};
use crate::app::App;
use crate::extract::{Command, Creation, Id, Path, Show};
use crate::fresh::MinPosition;
use crate::openapi::KeyRequired;
use crate::problem::Result;
use crate::read::Read;
use crate::scope::needs;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(needs(order::PLACE, routes!(request_return)))
        .routes(needs(order::READ, routes!(show_return)))
        .routes(needs(order::MANAGE, routes!(receive_return)))
        .routes(needs(order::MANAGE, routes!(dismiss_return)))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct OfReturn {
    id: OrderId,
    #[param(rename = "return")]
    #[serde(rename = "return")]
    return_id: ReturnId,
}

/// Delivered units that are to come back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewReturn {
    #[schema(min_items = 1, max_items = 200)]
    lines: Vec<UnitsBody>,
    #[schema(min_length = 1, max_length = 500, pattern = r"\S")]
    reason: Option<String>,
}

/// Units that came back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReturnReceipt {
    line: LineId,
    #[schema(minimum = 1, maximum = 1_000_000)]
    quantity: u32,
    condition: Condition,
    /// Whether what sending cost is given back along, if everything came back with this: the shop's policy, if it is
    /// not said.
    refund_shipping: Option<bool>,
}

/// Why the rest of a return is not expected any more.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReturnDismissal {
    #[schema(min_length = 1, max_length = 500, pattern = r"\S")]
    reason: Option<String>,
}

/// Ask to give delivered units back.
#[utoipa::path(post, path = "/api/ecommerce/orders/{id}/returns", tag = "order",
    params(Id<OrderId>), request_body = NewReturn, responses(Created))]
async fn request_return(
    Path(of): Path<Id<OrderId>>,
    Creation(cx, body): Creation<NewReturn>,
) -> Result<Created> {
    let lines = body.lines.into_iter().map(Into::into).collect();
    let change = Change::RequestReturn { lines, reason: body.reason };
    Ok(Created::at(format!("{ORDERS}/{}/returns", of.id), order::change(cx, of.id, change).await?))
}

/// Show what comes back together.
#[utoipa::path(get, path = "/api/ecommerce/orders/{id}/returns/{return}", tag = "order",
    params(OfReturn, MinPosition), responses((status = 200, body = ReturnView)))]
async fn show_return(read: Read, Path(of): Path<OfReturn>, Show(fresh): Show) -> Result<Shown<ReturnView>> {
    let order = read.one::<Orders>(of.id, &fresh).await?;
    order.part(|order| order.returns.into_iter().find(|back| back.id == of.return_id))
}

/// Receive returned units: what they cost is given back.
#[utoipa::path(post, path = "/api/ecommerce/orders/{id}/returns/{return}/receive", tag = "order",
    params(OfReturn, KeyRequired), request_body = ReturnReceipt, responses(Done))]
async fn receive_return(
    Path(of): Path<OfReturn>,
    Creation(cx, body): Creation<ReturnReceipt>,
) -> Result<Done> {
    let ReturnReceipt { line, quantity, condition, refund_shipping } = body;
    let units = Units { line, quantity };
    Ok(Done(order::receive_return(cx, of.id, of.return_id, units, condition, refund_shipping).await?))
}

/// Expect no more of a return.
#[utoipa::path(post, path = "/api/ecommerce/orders/{id}/returns/{return}/dismiss", tag = "order",
    params(OfReturn), request_body = ReturnDismissal, responses(Done))]
async fn dismiss_return(
    Path(of): Path<OfReturn>,
    Command(cx, body): Command<ReturnDismissal>,
) -> Result<Done> {
    let step = Step::DismissReturn { return_id: of.return_id, reason: body.reason };
    Ok(Done(order::handle(cx, of.id, step).await?))
}
