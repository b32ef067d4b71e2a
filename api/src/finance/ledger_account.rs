//! `/api/financial/ledger/accounts`: the chart of accounts, and what is in each.

use commands::finance::ledger_account as account;
use domain::finance::ledger_account::{Class, LedgerAccount};
use domain::ids::LedgerAccountId;
use projections::finance::ledger_account::{LedgerAccountFilter, LedgerAccountView, LedgerAccounts};
use projections::{View, find};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::{Created, Done, Shown};
use crate::app::App;
use crate::extract::{Command, Creation, Id, List, NoBody, Path, Query, Show};
use crate::fresh::MinPosition;
use crate::history::Happened;
use crate::page::{Page, Paging};
use crate::problem::{Problem, Result};
use crate::read::Read;
use crate::scope::needs;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(needs(account::MANAGE, routes!(open)))
        .routes(needs(account::READ, routes!(list)))
        .routes(needs(account::READ, routes!(show)))
        .routes(needs(account::MANAGE, routes!(freeze)))
        .routes(needs(account::MANAGE, routes!(unfreeze)))
        .routes(needs(account::MANAGE, routes!(close)))
        .routes(needs(account::READ, routes!(history)))
}

/// An account of the chart.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewLedgerAccount {
    id: LedgerAccountId,
    class: Class,
    /// Whether what is posted and reserved can take away no more than is there.
    #[serde(default)]
    no_overdraft: bool,
    /// Whether it takes part in many transactions at once, as a gateway's clearing does: then it can be frozen, but
    /// neither forbid overdrafts nor be closed.
    #[serde(default)]
    shared: bool,
}

/// Why an account is frozen.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct LedgerAccountFreeze {
    #[schema(min_length = 1, max_length = 500, pattern = r"\S")]
    reason: String,
}

/// Open an account.
#[utoipa::path(post, path = "/api/financial/ledger/accounts", tag = "ledger_account",
    request_body = NewLedgerAccount, responses(Created))]
async fn open(Creation(cx, body): Creation<NewLedgerAccount>) -> Result<Created> {
    let outcome = account::open(cx, body.id, body.class, body.no_overdraft, body.shared).await?;
    Ok(Created::at("/api/financial/ledger/accounts", outcome))
}

/// List accounts with what is in them, in the order of their names.
#[utoipa::path(get, path = "/api/financial/ledger/accounts", tag = "ledger_account",
    params(LedgerAccountFilter, Paging, MinPosition), responses((status = 200, body = Page<LedgerAccountView>)))]
async fn list(
    read: Read,
    List(filter, paging, fresh): List<LedgerAccountFilter>,
) -> Result<Shown<Page<LedgerAccountView>>> {
    read.page(filter, &paging, &fresh).await
}

/// Show an account: what is posted and what is pending.
#[utoipa::path(get, path = "/api/financial/ledger/accounts/{id}", tag = "ledger_account",
    params(Id<LedgerAccountId>, MinPosition), responses((status = 200, body = LedgerAccountView)))]
async fn show(
    read: Read,
    Path(of): Path<Id<LedgerAccountId>>,
    Show(fresh): Show,
) -> Result<Shown<LedgerAccountView>> {
    one(&read, &of.id, &fresh).await
}

/// An account as it is shown.
pub(super) async fn one(
    read: &Read,
    id: &LedgerAccountId,
    fresh: &MinPosition,
) -> Result<Shown<LedgerAccountView>> {
    fresh.reached(&read.app, LedgerAccounts::NAME).await?;
    let seen = fresh.seen(find::<LedgerAccounts>(&read.app.reads, read.cx.workspace, id).await?)?;
    let body = seen.value.ok_or_else(Problem::not_found)?;
    Ok(Shown { position: seen.position, version: Some(body.stem.version), body })
}

/// Freeze an account: nothing is posted or reserved in it for now.
#[utoipa::path(post, path = "/api/financial/ledger/accounts/{id}/freeze", tag = "ledger_account",
    params(Id<LedgerAccountId>), request_body = LedgerAccountFreeze, responses(Done))]
async fn freeze(
    Path(of): Path<Id<LedgerAccountId>>,
    Command(cx, body): Command<LedgerAccountFreeze>,
) -> Result<Done> {
    Ok(Done(account::freeze(cx, of.id, body.reason).await?))
}

/// Let a frozen account take part again.
#[utoipa::path(
    post,
    path = "/api/financial/ledger/accounts/{id}/unfreeze",
    tag = "ledger_account",
    params(Id<LedgerAccountId>),
    responses(Done)
)]
async fn unfreeze(Path(of): Path<Id<LedgerAccountId>>, Command(cx, _): Command<NoBody>) -> Result<Done> {
    Ok(Done(account::unfreeze(cx, of.id).await?))
}

/// Close an account for good, if there is nothing in it and nothing pending.
#[utoipa::path(
    post,
    path = "/api/financial/ledger/accounts/{id}/close",
    tag = "ledger_account",
    params(Id<LedgerAccountId>),
    responses(Done)
)]
async fn close(Path(of): Path<Id<LedgerAccountId>>, Command(cx, _): Command<NoBody>) -> Result<Done> {
    Ok(Done(account::close(cx, of.id).await?))
}

/// Tell what has happened to an account.
#[utoipa::path(get, path = "/api/financial/ledger/accounts/{id}/history", tag = "ledger_account",
    params(Id<LedgerAccountId>, Paging, MinPosition), responses((status = 200, body = Page<Happened>)))]
async fn history(
    read: Read,
    Path(of): Path<Id<LedgerAccountId>>,
    Query(paging, _): Query<Paging>,
) -> Result<Shown<Page<Happened>>> {
    read.history::<LedgerAccount>(of.id, &paging).await
}
