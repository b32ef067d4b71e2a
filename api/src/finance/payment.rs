//! `/api/financial/payments`: money asked for, held and taken.

mod session;

use commands::finance::payment;
use domain::finance::payment::Payment;
use domain::ids::PaymentId;
use projections::finance::payment::{PaymentFilter, PaymentView, Payments};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::{Done, Shown};
use crate::app::App;
use crate::extract::{Command, Id, List, NoBody, Path, Query, Show};
use crate::fresh::MinPosition;
use crate::history::Happened;
use crate::page::{Page, Paging};
use crate::problem::Result;
use crate::read::Read;
use crate::schema::Price;
use crate::scope::needs;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(needs(payment::READ, routes!(list)))
        .routes(needs(payment::READ, routes!(show)))
        .routes(needs(payment::PAY, routes!(cancel)))
        .routes(needs(payment::RECEIVE, routes!(receive)))
        .routes(needs(payment::READ, routes!(history)))
        .merge(session::routes())
}

/// List payments, the newest first.
#[utoipa::path(get, path = "/api/financial/payments", tag = "payment",
    params(PaymentFilter, Paging, MinPosition), responses((status = 200, body = Page<PaymentView>)))]
async fn list(
    read: Read,
    List(filter, paging, fresh): List<PaymentFilter>,
) -> Result<Shown<Page<PaymentView>>> {
    read.page(filter, &paging, &fresh).await
}

/// Show a payment.
#[utoipa::path(get, path = "/api/financial/payments/{id}", tag = "payment",
    params(Id<PaymentId>, MinPosition), responses((status = 200, body = PaymentView)))]
async fn show(read: Read, Path(of): Path<Id<PaymentId>>, Show(fresh): Show) -> Result<Shown<PaymentView>> {
    read.one::<Payments>(of.id, &fresh).await
}

/// Give a payment up, as long as nothing was captured.
#[utoipa::path(
    post,
    path = "/api/financial/payments/{id}/cancel",
    tag = "payment",
    params(Id<PaymentId>),
    responses(Done)
)]
async fn cancel(Path(of): Path<Id<PaymentId>>, Command(cx, _): Command<NoBody>) -> Result<Done> {
    Ok(Done(payment::cancel(cx, of.id).await?))
}

/// A transfer that has come.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReceivedTransfer {
    /// What it is found by at the bank; the same again is the same transfer.
    #[schema(min_length = 1, max_length = 180, pattern = r"\S")]
    reference: String,
    /// What came, whatever was asked for.
    amount: Price,
}

/// Mark the transfer that a payment waits for as received. Another amount than was asked for is a case for a person;
/// what comes too late is owed back.
#[utoipa::path(post, path = "/api/financial/payments/{id}/receive", tag = "payment",
    params(Id<PaymentId>), request_body = ReceivedTransfer, responses(Done))]
async fn receive(
    Path(of): Path<Id<PaymentId>>,
    Command(cx, body): Command<ReceivedTransfer>,
) -> Result<Done> {
    Ok(Done(payment::receive(cx, of.id, &body.reference, body.amount.into()).await?))
}

/// Tell what has happened to a payment.
#[utoipa::path(get, path = "/api/financial/payments/{id}/history", tag = "payment",
    params(Id<PaymentId>, Paging, MinPosition), responses((status = 200, body = Page<Happened>)))]
async fn history(
    read: Read,
    Path(of): Path<Id<PaymentId>>,
    Query(paging, _): Query<Paging>,
) -> Result<Shown<Page<Happened>>> {
    read.history::<Payment>(of.id, &paging).await
}
