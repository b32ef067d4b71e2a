//! `/api/financial/refunds`: money given back.

use commands::finance::refund;
use domain::finance::refund::{Reason, Refund, RefundLine};
use domain::ids::{LineId, PaymentId, RefundId};
use projections::finance::refund::{RefundFilter, RefundView, Refunds};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::{Created, Done, Shown};
use crate::app::App;
use crate::extract::{Command, Creation, Id, List, NoBody, Path, Query, Show};
use crate::fresh::MinPosition;
use crate::history::Happened;
use crate::openapi::KeyRequired;
use crate::page::{Page, Paging};
use crate::problem::Result;
use crate::read::Read;
use crate::schema::Price;
use crate::scope::{needs, needs_all};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(needs_all(&[refund::REQUEST], &[refund::APPROVE], routes!(request)))
        .routes(needs(refund::READ, routes!(list)))
        .routes(needs(refund::READ, routes!(show)))
        .routes(needs(refund::APPROVE, routes!(approve)))
        .routes(needs(refund::APPROVE, routes!(cancel)))
        .routes(needs(refund::APPROVE, routes!(reject)))
        .routes(needs(refund::APPROVE, routes!(retry)))
        .routes(needs(refund::APPROVE, routes!(pay_out)))
        .routes(needs(refund::READ, routes!(history)))
}

/// Money of a payment that is to be given back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewRefund {
    payment_id: PaymentId,
    amount: Price,
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
    line: LineId,
    amount: Price,
}

/// Why a refund is given up.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RefundRejection {
    #[schema(pattern = "^[a-z0-9_-]{1,64}$", example = "not_owed")]
    code: String,
}

/// How a refund was paid out that no provider could pay.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RefundPayout {
    /// What it is found by there, as a bank's number.
    #[schema(min_length = 1, max_length = 200, pattern = r"\S")]
    reference: String,
}

/// Ask for money to be given back. Who may approve refunds approves this one at once.
#[utoipa::path(post, path = "/api/financial/refunds", tag = "refund",
    request_body = NewRefund, responses(Created))]
async fn request(Creation(cx, body): Creation<NewRefund>) -> Result<Created> {
    let lines = body.lines.into_iter().map(|of| RefundLine { line: of.line, amount: of.amount.into() });
    let outcome =
        refund::request(cx, body.payment_id, body.amount.into(), body.reason, lines.collect()).await?;
    Ok(Created::at("/api/financial/refunds", outcome))
}

/// List refunds, the newest first.
#[utoipa::path(get, path = "/api/financial/refunds", tag = "refund",
    params(RefundFilter, Paging, MinPosition), responses((status = 200, body = Page<RefundView>)))]
async fn list(
    read: Read,
    List(filter, paging, fresh): List<RefundFilter>,
) -> Result<Shown<Page<RefundView>>> {
    read.page(filter, &paging, &fresh).await
}

/// Show a refund.
#[utoipa::path(get, path = "/api/financial/refunds/{id}", tag = "refund",
    params(Id<RefundId>, MinPosition), responses((status = 200, body = RefundView)))]
async fn show(read: Read, Path(of): Path<Id<RefundId>>, Show(fresh): Show) -> Result<Shown<RefundView>> {
    read.one::<Refunds>(of.id, &fresh).await
}

/// Approve a refund: its money is set aside and sent.
#[utoipa::path(
    post,
    path = "/api/financial/refunds/{id}/approve",
    tag = "refund",
    params(Id<RefundId>),
    responses(Done)
)]
async fn approve(Path(of): Path<Id<RefundId>>, Command(cx, _): Command<NoBody>) -> Result<Done> {
    Ok(Done(refund::approve(cx, of.id).await?))
}

/// Take a refund back, as long as it was not sent.
#[utoipa::path(
    post,
    path = "/api/financial/refunds/{id}/cancel",
    tag = "refund",
    params(Id<RefundId>),
    responses(Done)
)]
async fn cancel(Path(of): Path<Id<RefundId>>, Command(cx, _): Command<NoBody>) -> Result<Done> {
    Ok(Done(refund::cancel(cx, of.id).await?))
}

/// Send a refund again that waits for a person.
#[utoipa::path(
    post,
    path = "/api/financial/refunds/{id}/retry",
    tag = "refund",
    params(Id<RefundId>, KeyRequired),
    responses(Done)
)]
async fn retry(Path(of): Path<Id<RefundId>>, Creation(cx, _): Creation<NoBody>) -> Result<Done> {
    Ok(Done(refund::retry(cx, of.id).await?))
}

/// Mark a refund that waits for a person as paid out in another way: by bank transfer, say.
#[utoipa::path(post, path = "/api/financial/refunds/{id}/pay-out", tag = "refund",
    params(Id<RefundId>), request_body = RefundPayout, responses(Done))]
async fn pay_out(Path(of): Path<Id<RefundId>>, Command(cx, body): Command<RefundPayout>) -> Result<Done> {
    Ok(Done(refund::pay_out(cx, of.id, body.reference).await?))
}

/// Give a refund up, before it is sent or after a person looked at why it was refused.
#[utoipa::path(post, path = "/api/financial/refunds/{id}/reject", tag = "refund",
    params(Id<RefundId>), request_body = RefundRejection, responses(Done))]
async fn reject(Path(of): Path<Id<RefundId>>, Command(cx, body): Command<RefundRejection>) -> Result<Done> {
    Ok(Done(refund::reject(cx, of.id, body.code).await?))
}

/// Tell what has happened to a refund.
#[utoipa::path(get, path = "/api/financial/refunds/{id}/history", tag = "refund",
    params(Id<RefundId>, Paging, MinPosition), responses((status = 200, body = Page<Happened>)))]
async fn history(
    read: Read,
    Path(of): Path<Id<RefundId>>,
    Query(paging, _): Query<Paging>,
) -> Result<Shown<Page<Happened>>> {
    read.history::<Refund>(of.id, &paging).await
}
