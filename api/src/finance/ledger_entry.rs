//! What is read from the ledger's entries: statements, balances of the past, the trial balance.

use chrono::{DateTime, NaiveDate, Utc};
use commands::Position;
use commands::finance::ledger_account::READ;
use commands::identity::workspace;
use domain::ids::LedgerAccountId;
use domain::money::Money;
use http::StatusCode;
use projections::View;
use projections::days::{begins, zone as zone_of};
use projections::finance::ledger_entry::{
    AfterEntry, Asked, LedgerEntries, Moment, StatementEntry, TrialBalance, TrialBalanceLine,
    TrialBalanceSum, balance, statement, trial_balance,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::ledger_account::one;
use crate::answer::Shown;
use crate::app::App;
use crate::extract::{Id, List, Path, Query};
use crate::fresh::MinPosition;
use crate::page::{ListId, Page, Paging};
use crate::problem::{FieldError, Problem, Result};
use crate::read::Read;
use crate::scope::needs;
use crate::spreadsheet::{Cell, Report, ReportFormat, Spreadsheet};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(needs(READ, routes!(entries)))
        .routes(needs(READ, routes!(balance_of)))
        .routes(needs(READ, routes!(trial)))
}

/// Which days a statement is of, by since when entries hold.
#[derive(Debug, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct StatementDays {
    /// The first day (of the workspace's time zone).
    #[param(required = false, nullable = false)]
    from: Option<NaiveDate>,
    /// The day after the last.
    #[param(required = false, nullable = false)]
    to: Option<NaiveDate>,
    /// As JSON, a page at a time, if it is not said. A spreadsheet has all entries from where it begins, at most 50,000.
    #[param(required = false, nullable = false, inline)]
    format: Option<ReportFormat>,
}

/// As of when a balance is asked for: a day or a position, not both. Now, if neither is said.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct BalanceMoment {
    /// The end of this day (UTC), by since when entries hold, whenever they were recorded.
    #[param(required = false, nullable = false)]
    day: Option<NaiveDate>,
    /// A `position` that a command answered: what was recorded until then.
    #[param(required = false, nullable = false, pattern = "^p[0-7]?[0-9a-f]{1,15}$")]
    position: Option<String>,
}

/// As of which day a trial balance is asked for.
#[derive(Debug, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct TrialBalanceDay {
    /// The end of this day (UTC); of all that is recorded, if it is not said.
    #[param(required = false, nullable = false)]
    day: Option<NaiveDate>,
    /// As JSON, a page at a time, if it is not said. A spreadsheet has all accounts from where it begins, at most 50,000.
    #[param(required = false, nullable = false, inline)]
    format: Option<ReportFormat>,
}

/// What was in an account.
#[derive(Debug, Serialize, ToSchema)]
struct LedgerBalance {
    account_id: LedgerAccountId,
    balance: Money,
}

/// What was debited and credited to accounts, and the sums of all of them: the books balance if those are the same.
#[derive(Debug, Serialize, ToSchema)]
struct TrialBalancePage {
    /// One for each currency, of all accounts.
    sums: Vec<TrialBalanceSum>,
    items: Vec<TrialBalanceLine>,
    /// What to ask the next page with; not there on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Show the statement of an account: its entries, each with the balance after it.
#[utoipa::path(get, path = "/api/financial/ledger/accounts/{id}/entries", tag = "ledger",
    params(Id<LedgerAccountId>, StatementDays, Paging, MinPosition),
    responses((status = 200, content((Page<StatementEntry> = "application/json"), (String = "text/csv")))))]
async fn entries(
    read: Read,
    Path(of): Path<Id<LedgerAccountId>>,
    List(days, paging, fresh): List<StatementDays>,
) -> Result<Report<Page<StatementEntry>>> {
    let normal = one(&read, &of.id, &fresh).await?.body.class.normal();
    let between = days.between(&read).await?;
    let filter = format!("{} {:?} {:?}", of.id, days.from, days.to);
    let list = ListId { workspace: read.cx.workspace, name: LedgerEntries::NAME, filter: &filter };
    let after: Option<AfterEntry> = paging.after(&read.app.cursors, &list)?;
    fresh.reached(&read.app, LedgerEntries::NAME).await?;
    let rows = rows(days.format, &paging);
    let asked = Asked { account: of.id, normal, between, after, rows };
    let seen = fresh.seen(statement(&read.app.reads, read.cx.workspace, asked).await?)?;
    Report::either(days.format, seen, statement_sheet, |found| {
        let page = Page::cut(found, &paging, |(place, _)| read.app.cursors.seal(&list, place));
        let items = page.items.into_iter().map(|(_, entry)| entry).collect();
        Page { items, next_cursor: page.next_cursor }
    })
}

impl StatementDays {
    async fn between(&self, read: &Read) -> Result<(Option<DateTime<Utc>>, Option<DateTime<Utc>>)> {
        let zone = workspace::time_zone(read.cx.identified(read.cx.command_id)).await?;
        let zone = zone_of(zone.as_str());
        Ok((self.from.map(|day| begins(day, zone)), self.to.map(|day| begins(day, zone))))
    }
}

/// One row more than a page has, or than a spreadsheet may have.
fn rows(format: Option<ReportFormat>, paging: &Paging) -> i64 {
    if format == Some(ReportFormat::Csv) { MOST_ROWS + 1 } else { paging.rows() }
}

fn statement_sheet(entries: &Vec<(AfterEntry, StatementEntry)>) -> Result<Spreadsheet> {
    let columns =
        ["date", "transaction", "contra", "code", "currency", "debit", "credit", "balance", "recorded"];
    let mut sheet = Spreadsheet::new("statement", &columns)?;
    must_fit(entries.len())?;
    for (_, entry) in entries {
        let code = entry.code.as_deref().unwrap_or_default();
        let contra = Cell::text(entry.contra_id.path());
        sheet.row(&[
            Cell::text(entry.effective_at.to_rfc3339()),
            Cell::text(entry.transaction_id),
            contra,
            Cell::text(code),
            Cell::text(entry.balance.currency),
            Cell::Amount(entry.debit),
            Cell::Amount(entry.credit),
            Cell::Amount(entry.balance),
            Cell::text(entry.recorded_at.to_rfc3339()),
        ])?;
    }
    Ok(sheet)
}

fn trial_sheet(balance: &TrialBalance) -> Result<Spreadsheet> {
    let mut sheet = Spreadsheet::new("trial-balance", &["account", "currency", "debits", "credits"])?;
    must_fit(balance.lines.len())?;
    for line in &balance.lines {
        let (account, currency) = (Cell::text(line.account_id.path()), Cell::text(line.debits.currency));
        sheet.row(&[account, currency, Cell::Amount(line.debits), Cell::Amount(line.credits)])?;
    }
    Ok(sheet)
}

/// A spreadsheet that leaves something out is a wrong one.
fn must_fit(rows: usize) -> Result<()> {
    if i64::try_from(rows).is_ok_and(|rows| rows <= MOST_ROWS) {
        return Ok(());
    }
    let too_many = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "too-many-rows");
    Err(too_many.saying("a spreadsheet has at most 50,000 rows: ask for fewer days, or for pages of JSON"))
}

/// The most rows of a spreadsheet.
const MOST_ROWS: i64 = 50_000;

/// Tell what was in an account at the end of a day, or as of a position.
#[utoipa::path(get, path = "/api/financial/ledger/accounts/{id}/balance", tag = "ledger",
    params(Id<LedgerAccountId>, BalanceMoment, MinPosition), responses((status = 200, body = LedgerBalance)))]
async fn balance_of(
    read: Read,
    Path(of): Path<Id<LedgerAccountId>>,
    Query(asked, fresh): Query<BalanceMoment>,
) -> Result<Shown<LedgerBalance>> {
    let moment = asked.moment()?;
    let normal = one(&read, &of.id, &fresh).await?.body.class.normal();
    fresh.reached(&read.app, LedgerEntries::NAME).await?;
    let seen = balance(&read.app.reads, read.cx.workspace, (&of.id, normal), moment).await?;
    let seen = fresh.seen(seen)?;
    if asked.position.is_some() && matches!(moment, Moment::Position(at) if at > seen.position) {
        return Err(Problem::projection_behind());
    }
    let body = LedgerBalance { account_id: of.id, balance: seen.value };
    Ok(Shown { position: seen.position, version: None, body })
}

/// Show the trial balance: what was debited and credited to each account, in the order of their names.
#[utoipa::path(get, path = "/api/financial/ledger/trial-balance", tag = "ledger",
    params(TrialBalanceDay, Paging, MinPosition),
    responses((status = 200, content((TrialBalancePage = "application/json"), (String = "text/csv")))))]
async fn trial(
    read: Read,
    List(asked, paging, fresh): List<TrialBalanceDay>,
) -> Result<Report<TrialBalancePage>> {
    let filter = format!("{:?}", asked.day);
    let list = ListId { workspace: read.cx.workspace, name: "trial_balance", filter: &filter };
    let after: Option<String> = paging.after(&read.app.cursors, &list)?;
    fresh.reached(&read.app, LedgerEntries::NAME).await?;
    let day = asked.day.unwrap_or(LAST_DAY);
    let of = (after, rows(asked.format, &paging));
    let seen = fresh.seen(trial_balance(&read.app.reads, read.cx.workspace, day, of).await?)?;
    Report::either(asked.format, seen, trial_sheet, |balance| {
        let cursor = |line: &TrialBalanceLine| read.app.cursors.seal(&list, &line.account_id);
        let Page { items, next_cursor } = Page::cut(balance.lines, &paging, cursor);
        TrialBalancePage { sums: balance.sums, items, next_cursor }
    })
}

/// Later than any day that something holds from.
const LAST_DAY: NaiveDate = NaiveDate::from_ymd_opt(9999, 12, 31).expect("a day");

impl BalanceMoment {
    fn moment(&self) -> Result<Moment> {
        let wrong = |detail: &str| {
            let error = FieldError::at("/position".into(), "out-of-range", detail);
            Problem::validation(vec![error.of_query()])
        };
        match (self.day, &self.position) {
            (Some(_), Some(_)) => Err(wrong("is asked for beside a day")),
            (day, None) => Ok(Moment::Day(day.unwrap_or(LAST_DAY))),
            (None, Some(text)) => {
                let at: Result<Position, _> = text.parse();
                at.map(|Position(at)| Moment::Position(at)).map_err(|_| wrong("is a position of no command"))
            }
        }
    }
}
