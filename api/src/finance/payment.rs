//! `/api/financial/payments`: money asked for, held and taken.

use axum::extract::State;
use commands::finance::payment;
use domain::finance::payment::Payment;
use domain::ids::PaymentId;
use projections::View;
use projections::finance::payment::{PaymentFilter, PaymentView, Payments, find, list as rows};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::{Done, Shown};
use crate::app::App;
use crate::extract::{Command, Cx, List, NoBody, Path, Query, Show};
use crate::fresh::MinPosition;
use crate::history::{self, Happened};
use crate::page::{ListId, Page, Paging, filtered_by};
use crate::problem::{Problem, Result};
use crate::schema;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(cancel))
        .routes(routes!(history))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct OfPayment {
    #[param(schema_with = schema::id::<PaymentId>)]
    id: PaymentId,
}

/// List payments, the newest first.
#[utoipa::path(get, path = "/api/financial/payments", tag = "payment",
    params(PaymentFilter, Paging, MinPosition), responses((status = 200, body = Page<PaymentView>)))]
async fn list(
    State(app): State<App>,
    Cx(cx): Cx,
    List(filter, paging, fresh): List<PaymentFilter>,
) -> Result<Shown<Page<PaymentView>>> {
    cx.must(payment::READ)?;
    fresh.reached(&app, Payments::NAME).await?;
    let filtered = filtered_by(&filter);
    let list = ListId { workspace: cx.workspace, name: Payments::NAME, filter: &filtered };
    let after = paging.after(&app.cursors, &list)?;
    let seen = rows(&app.reads, cx.workspace, filter, (after, paging.limit())).await?;
    Ok(Page::shown(seen, |after| app.cursors.seal(&list, after)))
}

/// Show a payment.
#[utoipa::path(get, path = "/api/financial/payments/{id}", tag = "payment",
    params(OfPayment, MinPosition), responses((status = 200, body = PaymentView)))]
async fn show(
    State(app): State<App>,
    Cx(cx): Cx,
    Path(of): Path<OfPayment>,
    Show(fresh): Show,
) -> Result<Shown<PaymentView>> {
    cx.must(payment::READ)?;
    fresh.reached(&app, Payments::NAME).await?;
    let seen = find(&app.reads, cx.workspace, of.id).await?;
    let body = seen.value.ok_or_else(Problem::not_found)?;
    Ok(Shown { position: seen.position, version: Some(body.version), body })
}

/// Give a payment up, as long as nothing was captured.
#[utoipa::path(
    post,
    path = "/api/financial/payments/{id}/cancel",
    tag = "payment",
    params(OfPayment),
    responses(Done)
)]
async fn cancel(Path(of): Path<OfPayment>, Command(cx, _): Command<NoBody>) -> Result<Done> {
    Ok(Done(payment::cancel(&cx, of.id).await?))
}

/// Tell what has happened to a payment.
#[utoipa::path(get, path = "/api/financial/payments/{id}/history", tag = "payment",
    params(OfPayment, Paging, MinPosition), responses((status = 200, body = Page<Happened>)))]
async fn history(
    State(app): State<App>,
    Cx(cx): Cx,
    Path(of): Path<OfPayment>,
    Query(paging, _): Query<Paging>,
) -> Result<Shown<Page<Happened>>> {
    cx.must(payment::READ)?;
    history::of::<Payment>(&app, &cx, of.id, &paging).await
}
