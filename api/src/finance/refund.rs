//! `/api/financial/refunds`: money given back.

use axum::extract::State;
use commands::finance::refund;
use domain::finance::refund::{Reason, Refund, RefundLine};
use domain::ids::{LineId, PaymentId, RefundId};
use domain::money::Money;
use projections::View;
use projections::finance::refund::{RefundFilter, RefundView, Refunds, find, list as rows};
use serde::Deserialize;
use utoipa::openapi::schema::Object;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::{Created, Done, Shown};
use crate::app::App;
use crate::extract::{Command, Creation, Cx, List, NoBody, Path, Query, Show};
use crate::fresh::MinPosition;
use crate::history::{self, Happened};
use crate::page::{ListId, Page, Paging, filtered_by};
use crate::problem::{Problem, Result};
use crate::schema;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(request, list))
        .routes(routes!(show))
        .routes(routes!(approve))
        .routes(routes!(cancel))
        .routes(routes!(reject))
        .routes(routes!(history))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct OfRefund {
    #[param(schema_with = schema::id::<RefundId>)]
    id: RefundId,
}

/// Money of a payment that is to be given back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewRefund {
    #[schema(schema_with = schema::id::<PaymentId>)]
    payment_id: PaymentId,
    #[schema(value_type = schema::Price)]
    amount: Money,
    #[schema(schema_with = reasons)]
    reason: Reason,
    /// What it is for, where it is for some lines.
    #[serde(default)]
    #[schema(max_items = 200)]
    lines: Vec<NewRefundLine>,
}

/// The part of a refund that is for one line.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewRefundLine {
    #[schema(schema_with = schema::id::<LineId>)]
    line: LineId,
    #[schema(value_type = schema::Price)]
    amount: Money,
}

/// Why a refund that was held for review is given up.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RefundRejection {
    #[schema(pattern = "^[a-z0-9_-]{1,64}$", example = "not_owed")]
    code: String,
}

fn reasons() -> Object {
    schema::one_of(&[
        "order_cancelled",
        "lines_cancelled",
        "returned",
        "late_capture",
        "duplicate",
        "goodwill",
        "other",
    ])
}

/// Ask for money to be given back. Who may approve refunds approves this one at once.
#[utoipa::path(post, path = "/api/financial/refunds", tag = "refund",
    request_body = NewRefund, responses(Created))]
async fn request(Creation(cx, body): Creation<NewRefund>) -> Result<Created> {
    let lines = body.lines.into_iter().map(|NewRefundLine { line, amount }| RefundLine { line, amount });
    let outcome = refund::request(&cx, body.payment_id, body.amount, body.reason, lines.collect()).await?;
    Ok(Created::at("/api/financial/refunds", outcome))
}

/// List refunds, the newest first.
#[utoipa::path(get, path = "/api/financial/refunds", tag = "refund",
    params(RefundFilter, Paging, MinPosition), responses((status = 200, body = Page<RefundView>)))]
async fn list(
    State(app): State<App>,
    Cx(cx): Cx,
    List(filter, paging, fresh): List<RefundFilter>,
) -> Result<Shown<Page<RefundView>>> {
    cx.must(refund::READ)?;
    fresh.reached(&app, Refunds::NAME).await?;
    let filtered = filtered_by(&filter);
    let list = ListId { workspace: cx.workspace, name: Refunds::NAME, filter: &filtered };
    let after = paging.after(&app.cursors, &list)?;
    let seen = rows(&app.reads, cx.workspace, filter, (after, paging.limit())).await?;
    Ok(Page::shown(seen, |after| app.cursors.seal(&list, after)))
}

/// Show a refund.
#[utoipa::path(get, path = "/api/financial/refunds/{id}", tag = "refund",
    params(OfRefund, MinPosition), responses((status = 200, body = RefundView)))]
async fn show(
    State(app): State<App>,
    Cx(cx): Cx,
    Path(of): Path<OfRefund>,
    Show(fresh): Show,
) -> Result<Shown<RefundView>> {
    cx.must(refund::READ)?;
    fresh.reached(&app, Refunds::NAME).await?;
    let seen = find(&app.reads, cx.workspace, of.id).await?;
    let body = seen.value.ok_or_else(Problem::not_found)?;
    Ok(Shown { position: seen.position, version: Some(body.version), body })
}

/// Approve a refund: its money is set aside and sent.
#[utoipa::path(
    post,
    path = "/api/financial/refunds/{id}/approve",
    tag = "refund",
    params(OfRefund),
    responses(Done)
)]
async fn approve(Path(of): Path<OfRefund>, Command(cx, _): Command<NoBody>) -> Result<Done> {
    Ok(Done(refund::approve(&cx, of.id).await?))
}

/// Take a refund back, as long as it was not sent.
#[utoipa::path(
    post,
    path = "/api/financial/refunds/{id}/cancel",
    tag = "refund",
    params(OfRefund),
    responses(Done)
)]
async fn cancel(Path(of): Path<OfRefund>, Command(cx, _): Command<NoBody>) -> Result<Done> {
    Ok(Done(refund::cancel(&cx, of.id).await?))
}

/// Settle a refund that was held for review as failed, after a person looked.
#[utoipa::path(post, path = "/api/financial/refunds/{id}/reject", tag = "refund",
    params(OfRefund), request_body = RefundRejection, responses(Done))]
async fn reject(Path(of): Path<OfRefund>, Command(cx, body): Command<RefundRejection>) -> Result<Done> {
    Ok(Done(refund::reject(&cx, of.id, body.code).await?))
}

/// Tell what has happened to a refund.
#[utoipa::path(get, path = "/api/financial/refunds/{id}/history", tag = "refund",
    params(OfRefund, Paging, MinPosition), responses((status = 200, body = Page<Happened>)))]
async fn history(
    State(app): State<App>,
    Cx(cx): Cx,
    Path(of): Path<OfRefund>,
    Query(paging, _): Query<Paging>,
) -> Result<Shown<Page<Happened>>> {
    cx.must(refund::READ)?;
    history::of::<Refund>(&app, &cx, of.id, &paging).await
}
