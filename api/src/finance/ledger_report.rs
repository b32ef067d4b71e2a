//! Reports on the books: profit and loss, tax.

use chrono::NaiveDate;
use commands::finance::ledger_account::READ;
use commands::identity::workspace;
use projections::View;
use projections::days::Range;
use projections::finance::ledger_account::LedgerAccounts;
use projections::finance::ledger_entry::LedgerEntries;
use projections::finance::ledger_report::{ProfitAndLoss, TaxSummary, profit_and_loss, tax_summary};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::days;
use crate::extract::Query;
use crate::fresh::MinPosition;
use crate::problem::Result;
use crate::read::Read;
use crate::scope::needs;
use crate::spreadsheet::{Cell, Report, ReportFormat, Spreadsheet};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(needs(READ, routes!(profit))).routes(needs(READ, routes!(tax)))
}

/// Which days a report is of, and how it is written.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ReportDays {
    /// The first day (of the workspace's time zone): 30 days before `to`, if it is not said.
    #[param(required = false, nullable = false)]
    from: Option<NaiveDate>,
    /// The day after the last, at most 3,660 days later: tomorrow, if it is not said.
    #[param(required = false, nullable = false)]
    to: Option<NaiveDate>,
    /// As JSON, if it is not said.
    #[param(required = false, nullable = false, inline)]
    format: Option<ReportFormat>,
}

/// The days that are asked for, once the accounts and their entries are as new as is asked for.
async fn range(read: &Read, asked: &ReportDays, fresh: &MinPosition) -> Result<Range> {
    for view in [LedgerEntries::NAME, LedgerAccounts::NAME] {
        fresh.reached(&read.app, view).await?;
    }
    let zone = workspace::time_zone(read.cx.identified(read.cx.command_id)).await?;
    days::range(asked.from, asked.to, read.cx.now(), &zone)
}

/// Show profit and loss: what each account of income and expenses came to in a range of days of the workspace's time zone.
#[utoipa::path(get, path = "/api/financial/ledger/profit-and-loss", tag = "ledger", params(ReportDays, MinPosition),
    responses((status = 200, content((ProfitAndLoss = "application/json"), (String = "text/csv")))))]
async fn profit(read: Read, Query(asked, fresh): Query<ReportDays>) -> Result<Report<ProfitAndLoss>> {
    let range = range(&read, &asked, &fresh).await?;
    let seen = profit_and_loss(&read.app.reads, read.cx.workspace, range).await?;
    Report::either(asked.format, fresh.seen(seen)?, profit_sheet, |of| of)
}

fn profit_sheet(of: &ProfitAndLoss) -> Result<Spreadsheet> {
    let mut sheet = Spreadsheet::new("profit-and-loss", &["account", "class", "currency", "amount"])?;
    for line in &of.items {
        let (account, currency) = (Cell::text(line.account_id.path()), Cell::text(line.amount.currency));
        sheet.row(&[account, Cell::text(line.class.as_ref()), currency, Cell::Amount(line.amount)])?;
    }
    Ok(sheet)
}

/// Show the tax on what was sold in a range of days of the workspace's time zone, and what of it was paid.
#[utoipa::path(get, path = "/api/financial/ledger/tax-summary", tag = "ledger", params(ReportDays, MinPosition),
    responses((status = 200, content((TaxSummary = "application/json"), (String = "text/csv")))))]
async fn tax(read: Read, Query(asked, fresh): Query<ReportDays>) -> Result<Report<TaxSummary>> {
    let range = range(&read, &asked, &fresh).await?;
    let seen = tax_summary(&read.app.reads, read.cx.workspace, range).await?;
    Report::either(asked.format, fresh.seen(seen)?, tax_sheet, |of| of)
}

fn tax_sheet(of: &TaxSummary) -> Result<Spreadsheet> {
    let columns = ["account", "currency", "charged", "taken_back", "due", "paid"];
    let mut sheet = Spreadsheet::new("tax-summary", &columns)?;
    for line in &of.items {
        let (account, currency) = (Cell::text(line.account_id.path()), Cell::text(line.due.currency));
        let amounts = [line.charged, line.taken_back, line.due, line.paid].map(Cell::Amount);
        sheet.row(&[vec![account, currency], amounts.into()].concat())?;
    }
    Ok(sheet)
}
