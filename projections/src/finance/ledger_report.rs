//! Reports on the books: profit and loss, tax.
//!
//! They are of whole days of a time zone: of the sums of UTC days, and of the entries of what is left at both ends. Each
//! figure is one account's, and is explained by that account's statement of the same days.
//!
//! What kind of account one is never changes after it is opened, so it is looked up when it is asked for.

use chrono::{DateTime, NaiveDate, Utc};
use domain::finance::ledger_account::Class;
use domain::ids::{LedgerAccountId, WorkspaceId};
use domain::money::{Currency, Money, Unreckonable};
use serde::Serialize;
use sqlx::PgPool;
use utoipa::ToSchema;

use crate::days::Range;
use crate::reading::Seen;

/// What one account earned or cost.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ProfitLine {
    pub account_id: LedgerAccountId,
    /// `income` or `expense`.
    pub class: Class,
    pub amount: Money,
}

/// What all accounts of one currency came to.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ProfitSum {
    pub income: Money,
    pub expenses: Money,
    /// Income less expenses.
    pub profit: Money,
}

/// Profit and loss: what was earned and spent in whole days of the time zone, from `from` (inclusive) to `to`
/// (exclusive).
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ProfitAndLoss {
    pub from: NaiveDate,
    pub to: NaiveDate,
    /// By which clock its days begin and end: the workspace's, by its name in the IANA database.
    pub time_zone: String,
    /// One for each currency.
    pub sums: Vec<ProfitSum>,
    /// In the order of the accounts' names.
    pub items: Vec<ProfitLine>,
}

/// The tax that went into one account, and out of it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct TaxLine {
    pub account_id: LedgerAccountId,
    /// On what was sold.
    pub charged: Money,
    /// On what came back.
    pub taken_back: Money,
    /// Charged less taken back.
    pub due: Money,
    /// What else was debited less credited: paid to whom it is due.
    pub paid: Money,
}

/// The tax on what was sold in whole days of the time zone, from `from` (inclusive) to `to` (exclusive).
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct TaxSummary {
    pub from: NaiveDate,
    pub to: NaiveDate,
    /// By which clock its days begin and end: the workspace's, by its name in the IANA database.
    pub time_zone: String,
    pub items: Vec<TaxLine>,
}

fn decode(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(error.into())
}

/// What was earned and spent.
///
/// # Errors
/// If the database does not answer, or a sum leaves the range of amounts.
pub async fn profit_and_loss(
    db: &PgPool,
    workspace: WorkspaceId,
    range: Range,
) -> Result<Seen<ProfitAndLoss>, sqlx::Error> {
    const SQL: &str = "
        with part as materialized (
            select * from unnest($2::smallint[], $3::timestamptz[], $4::timestamptz[]) as p (grain, starts, ends)),
        account as materialized (
            select id, class from read.ledger_account
            where workspace_id = $1 and class in ('income', 'expense')),
        line as (
            select a.id, a.class, sum(m.credit - m.debit) as amount from account a
            cross join lateral (
                select d.debit, d.credit from part p join read.ledger_day d
                  on d.workspace_id = $1 and d.account_id = a.id
                 and d.day >= (p.starts at time zone 'UTC')::date and d.day < (p.ends at time zone 'UTC')::date
                where p.grain = $5
                union all
                select e.debit, e.credit from part p join read.ledger_entry e
                  on e.workspace_id = $1 and e.account_id = a.id
                 and e.effective_at >= p.starts and e.effective_at < p.ends
                where p.grain <> $5) m
            group by a.id, a.class)
        select (select min(position) from subscriptions where name in ('ledger_entry', 'ledger_account')),
               l.id, l.class, l.amount::bigint
        from (select) one left join line l on true order by l.id";
    let parts = range.whole().parts();
    let grains: Vec<i16> = parts.iter().map(|part| part.grain).collect();
    let starts: Vec<DateTime<Utc>> = parts.iter().map(|part| part.starts).collect();
    let ends: Vec<DateTime<Utc>> = parts.iter().map(|part| part.ends).collect();
    type Line = (Option<i64>, Option<String>, Option<String>, Option<i64>);
    let found: Vec<Line> = sqlx::query_as(SQL)
        .bind(workspace.to_string())
        .bind(grains)
        .bind(starts)
        .bind(ends)
        .bind(crate::days::DAY)
        .fetch_all(db)
        .await?;
    let position = found.first().and_then(|line| line.0).unwrap_or_default();
    let mut items = Vec::new();
    for (_, account, class, amount) in found {
        let (Some(account), Some(class), Some(amount)) = (account, class, amount) else { continue };
        let account_id: LedgerAccountId = account.parse().map_err(decode)?;
        let class: Class = class.parse().map_err(decode)?;
        // Credits less debits; an expense is more by its debits.
        let amount = if class == Class::Expense { amount.saturating_neg() } else { amount };
        let amount = Money::new(amount, account_id.currency());
        items.push(ProfitLine { account_id, class, amount });
    }
    let sums = sums(&items).map_err(decode)?;
    let Range { from, to, zone, .. } = range;
    Ok(Seen { position, value: ProfitAndLoss { from, to, time_zone: zone.name().to_owned(), sums, items } })
}

/// In the order of the currencies' names.
fn sums(items: &[ProfitLine]) -> Result<Vec<ProfitSum>, Unreckonable> {
    let mut currencies: Vec<Currency> = items.iter().map(|line| line.amount.currency).collect();
    currencies.sort_by_key(ToString::to_string);
    currencies.dedup();
    let sum = |currency: Currency, class: Class| {
        let of = items.iter().filter(|line| line.class == class && line.amount.currency == currency);
        Money::sum(currency, of.map(|line| line.amount))
    };
    let one = |currency| {
        let (income, expenses) = (sum(currency, Class::Income)?, sum(currency, Class::Expense)?);
        Ok(ProfitSum { income, expenses, profit: income.minus(expenses)? })
    };
    currencies.into_iter().map(one).collect()
}

/// The tax on what was sold: of accounts whose path begins with `tax:`.
///
/// # Errors
/// If the database does not answer, or a sum leaves the range of amounts.
pub async fn tax_summary(
    db: &PgPool,
    workspace: WorkspaceId,
    range: Range,
) -> Result<Seen<TaxSummary>, sqlx::Error> {
    const SQL: &str = "
        with line as (
            select e.account_id as id,
                   coalesce(sum(e.credit) filter (where e.code = 'tax'), 0) as charged,
                   coalesce(sum(e.debit) filter (where e.code = 'tax'), 0) as taken_back,
                   coalesce(sum(e.debit - e.credit) filter (where e.code is distinct from 'tax'), 0) as paid
            from read.ledger_account a
            join read.ledger_entry e on e.workspace_id = $1 and e.account_id = a.id
             and e.effective_at >= $2 and e.effective_at < $3
            where a.workspace_id = $1 and a.id >= 'tax:' and a.id < 'tax;'
            group by e.account_id)
        select (select min(position) from subscriptions where name in ('ledger_entry', 'ledger_account')),
               l.id, l.charged::bigint, l.taken_back::bigint, l.paid::bigint
        from (select) one left join line l on true order by l.id";
    let whole = range.whole();
    type Line = (Option<i64>, Option<String>, Option<i64>, Option<i64>, Option<i64>);
    let found: Vec<Line> = sqlx::query_as(SQL)
        .bind(workspace.to_string())
        .bind(whole.starts)
        .bind(whole.ends)
        .fetch_all(db)
        .await?;
    let position = found.first().and_then(|line| line.0).unwrap_or_default();
    let mut items = Vec::new();
    for (_, account, charged, taken_back, paid) in found {
        let (Some(account), Some(charged), Some(taken_back), Some(paid)) =
            (account, charged, taken_back, paid)
        else {
            continue;
        };
        let account_id: LedgerAccountId = account.parse().map_err(decode)?;
        let money = |amount| Money::new(amount, account_id.currency());
        let (charged, taken_back, paid) = (money(charged), money(taken_back), money(paid));
        let due = charged.minus(taken_back).map_err(decode)?;
        items.push(TaxLine { account_id, charged, taken_back, due, paid });
    }
    let Range { from, to, zone, .. } = range;
    Ok(Seen { position, value: TaxSummary { from, to, time_zone: zone.name().to_owned(), items } })
}
