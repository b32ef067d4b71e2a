//! `/api/financial/ledger/transactions`: what is posted, what is pending, what is reversed.

use chrono::TimeDelta;
use commands::finance::{ledger_account, ledger_transaction as transaction};
use domain::finance::ledger_transaction::{LedgerTransaction, Leg, Posting};
use domain::ids::{LedgerAccountId, LedgerTransactionId};
use projections::finance::ledger_transaction::{
    LedgerTransactionFilter, LedgerTransactionView, LedgerTransactions,
};
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
use crate::scope::needs;

const TRANSACTIONS: &str = "/api/financial/ledger/transactions";

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(needs(transaction::POST, routes!(post)))
        .routes(needs(ledger_account::READ, routes!(list)))
        .routes(needs(transaction::POST, routes!(reserve)))
        .routes(needs(ledger_account::READ, routes!(show)))
        .routes(needs(transaction::POST, routes!(post_pending)))
        .routes(needs(transaction::POST, routes!(void)))
        .routes(needs(transaction::REVERSE, routes!(reverse)))
        .routes(needs(ledger_account::READ, routes!(history)))
}

/// An amount that goes from one account to another, both of its currency.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewLedgerLeg {
    debit: LedgerAccountId,
    credit: LedgerAccountId,
    amount: Price,
    /// What it is for, in your words: `capture`, `fee`.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 64, pattern = r"\S")]
    code: Option<String>,
}

impl From<NewLedgerLeg> for Leg {
    fn from(NewLedgerLeg { debit, credit, amount, code }: NewLedgerLeg) -> Self {
        Self { debit, credit, amount: amount.into(), code }
    }
}

/// Legs that are posted together or not at all.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewLedgerTransaction {
    #[schema(min_items = 1, max_items = 100)]
    legs: Vec<NewLedgerLeg>,
    /// Your own number for it: there is never a second transaction of the same.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 200, pattern = r"\S")]
    reference: Option<String>,
    #[serde(default)]
    #[schema(min_length = 1, max_length = 500, pattern = r"\S")]
    description: Option<String>,
}

/// An amount that is set aside for a while.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewLedgerReservation {
    leg: NewLedgerLeg,
    /// For how long, in seconds; at most 90 days.
    #[schema(minimum = 1, maximum = 7_776_000)]
    seconds: i64,
    /// Your own number for it: there is never a second transaction of the same.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 200, pattern = r"\S")]
    reference: Option<String>,
    #[serde(default)]
    #[schema(min_length = 1, max_length = 500, pattern = r"\S")]
    description: Option<String>,
}

/// How much of what is pending is posted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct LedgerPendingPosting {
    /// In minor units; all of it, if it is not said.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 10_000_000_000_000_i64)]
    amount: Option<i64>,
}

/// Why a transaction is taken back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct LedgerReversal {
    #[schema(min_length = 1, max_length = 500, pattern = r"\S")]
    reason: String,
}

/// Post a transaction: all of its legs, or none.
#[utoipa::path(post, path = "/api/financial/ledger/transactions", tag = "ledger_transaction",
    request_body = NewLedgerTransaction, responses(Created))]
async fn post(Creation(cx, body): Creation<NewLedgerTransaction>) -> Result<Created> {
    let NewLedgerTransaction { legs, reference, description } = body;
    let legs = legs.into_iter().map(Leg::from).collect();
    let posting = Posting { legs, reference, description, source: None, reverses: None };
    Ok(Created::at(TRANSACTIONS, transaction::post(cx, posting).await?))
}

/// Set an amount aside: it is pending until it is posted, voided, or expires.
#[utoipa::path(post, path = "/api/financial/ledger/reservations", tag = "ledger_transaction",
    request_body = NewLedgerReservation, responses(Created))]
async fn reserve(Creation(cx, body): Creation<NewLedgerReservation>) -> Result<Created> {
    let NewLedgerReservation { leg, seconds, reference, description } = body;
    let term = TimeDelta::seconds(seconds);
    let outcome = transaction::reserve(cx, leg.into(), term, reference, description).await?;
    Ok(Created::at(TRANSACTIONS, outcome))
}

/// List transactions, the newest first.
#[utoipa::path(get, path = "/api/financial/ledger/transactions", tag = "ledger_transaction",
    params(LedgerTransactionFilter, Paging, MinPosition),
    responses((status = 200, body = Page<LedgerTransactionView>)))]
async fn list(
    read: Read,
    List(filter, paging, fresh): List<LedgerTransactionFilter>,
) -> Result<Shown<Page<LedgerTransactionView>>> {
    read.page(filter, &paging, &fresh).await
}

/// Show a transaction.
#[utoipa::path(get, path = "/api/financial/ledger/transactions/{id}", tag = "ledger_transaction",
    params(Id<LedgerTransactionId>, MinPosition), responses((status = 200, body = LedgerTransactionView)))]
async fn show(
    read: Read,
    Path(of): Path<Id<LedgerTransactionId>>,
    Show(fresh): Show,
) -> Result<Shown<LedgerTransactionView>> {
    read.one::<LedgerTransactions>(of.id, &fresh).await
}

/// Post of what is pending as much as is said, or all of it; the rest is free again.
#[utoipa::path(post, path = "/api/financial/ledger/transactions/{id}/post", tag = "ledger_transaction",
    params(Id<LedgerTransactionId>), request_body = LedgerPendingPosting, responses(Done))]
async fn post_pending(
    Path(of): Path<Id<LedgerTransactionId>>,
    Command(cx, body): Command<LedgerPendingPosting>,
) -> Result<Done> {
    Ok(Done(transaction::post_pending(cx, of.id, body.amount).await?))
}

/// Give up what is pending.
#[utoipa::path(
    post,
    path = "/api/financial/ledger/transactions/{id}/void",
    tag = "ledger_transaction",
    params(Id<LedgerTransactionId>),
    responses(Done)
)]
async fn void(Path(of): Path<Id<LedgerTransactionId>>, Command(cx, _): Command<NoBody>) -> Result<Done> {
    Ok(Done(transaction::void(cx, of.id).await?))
}

/// Take a transaction back, by another one with its legs turned round.
#[utoipa::path(post, path = "/api/financial/ledger/transactions/{id}/reverse", tag = "ledger_transaction",
    params(Id<LedgerTransactionId>, KeyRequired), request_body = LedgerReversal, responses(Created))]
async fn reverse(
    Path(of): Path<Id<LedgerTransactionId>>,
    Creation(cx, body): Creation<LedgerReversal>,
) -> Result<Created> {
    Ok(Created::at(TRANSACTIONS, transaction::reverse(cx, of.id, body.reason).await?))
}

/// Tell what has happened to a transaction.
#[utoipa::path(get, path = "/api/financial/ledger/transactions/{id}/history", tag = "ledger_transaction",
    params(Id<LedgerTransactionId>, Paging, MinPosition), responses((status = 200, body = Page<Happened>)))]
async fn history(
    read: Read,
    Path(of): Path<Id<LedgerTransactionId>>,
    Query(paging, _): Query<Paging>,
) -> Result<Shown<Page<Happened>>> {
    read.history::<LedgerTransaction>(of.id, &paging).await
}
