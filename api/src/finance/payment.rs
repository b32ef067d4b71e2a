//! `/api/financial/payments`: money asked for, held and taken.

use commands::finance::payment;
use domain::finance::payment::Payment;
use domain::ids::PaymentId;
use projections::finance::payment::{PaymentFilter, PaymentView, Payments};
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
use crate::scope::needs;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(needs(payment::READ, routes!(list)))
        .routes(needs(payment::READ, routes!(show)))
        .routes(needs(payment::PAY, routes!(cancel)))
        .routes(needs(payment::READ, routes!(history)))
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
