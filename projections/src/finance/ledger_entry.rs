//! Ledger entries: each side of each posted leg, the sums of entries by day and by position, and what is read from
//! them: statements, balances of the past, the trial balance.
//!
//! A balance of the past is a sum over days, or over blocks of positions and what is recorded of one block before the
//! asked position: it costs no more the longer the account has been in use than there are days and blocks.

use chrono::{DateTime, NaiveDate, Utc};
use domain::finance::ledger_account::Side;
use domain::finance::ledger_transaction::{LedgerTransaction, LedgerTransactionEvent as E, Leg};
use domain::ids::{LedgerAccountId, LedgerTransactionId, WorkspaceId};
use domain::kernel::{Decider, Recorded, Unreadable};
use domain::money::{Currency, Money};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use sqlx::types::Json;
use utoipa::ToSchema;

use crate::reading::Seen;
use crate::view::{Contribution, RowKey, Total, Touches, Unfoldable, View};

/// How many positions of the log a block has.
const BLOCK: i64 = 4096;

/// One row of `read.ledger_entry`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LedgerEntry {
    pub workspace_id: WorkspaceId,
    pub id: String,
    pub account_id: LedgerAccountId,
    pub contra_id: LedgerAccountId,
    pub transaction_id: LedgerTransactionId,
    pub code: Option<String>,
    pub debit: i64,
    pub credit: i64,
    pub position: i64,
    pub day: NaiveDate,
    pub effective_at: DateTime<Utc>,
    pub recorded_at: DateTime<Utc>,
}

/// Read model `ledger_entry`.
pub struct LedgerEntries;

/// What an event posts.
fn posted(happened: &E) -> &[Leg] {
    match happened {
        E::Posted(posting) => &posting.legs,
        E::PendingPosted { leg, .. } => std::slice::from_ref(leg),
        E::Reserved(_) | E::Voided { .. } | E::Expired { .. } | E::Reversed { .. } => &[],
    }
}

/// In the order of positions, then of legs.
fn key(event: &Recorded, leg: usize, side: Side) -> String {
    format!("{:016x}.{leg:03}.{}", event.position, if side == Side::Debit { 'd' } else { 'k' })
}

impl View for LedgerEntries {
    const NAME: &'static str = "ledger_entry";
    const LISTENS_TO: &'static [&'static str] = &[LedgerTransaction::NAME];
    const BY_STREAM: bool = false;
    type Row = LedgerEntry;

    fn touches(event: &Recorded) -> Result<Touches, Unreadable> {
        let legs = event.of::<LedgerTransaction>()?.map_or(0, |happened| posted(happened).len());
        let both = |leg| [Side::Debit, Side::Credit].map(|side| key(event, leg, side));
        let row = |key| RowKey { workspace: event.workspace, key };
        Ok(Touches((0..legs).flat_map(both).map(row).collect()))
    }

    fn fold(
        of: &RowKey,
        _: Option<LedgerEntry>,
        event: &Recorded,
    ) -> Result<Option<LedgerEntry>, Unfoldable> {
        let Some((transaction_id, happened)) = event.happened_to::<LedgerTransaction>()? else {
            return Ok(None);
        };
        let entry = |leg: &Leg, side| {
            let amount = leg.amount.amount;
            let (account, contra, debit, credit) = match side {
                Side::Debit => (&leg.debit, &leg.credit, amount, 0),
                Side::Credit => (&leg.credit, &leg.debit, 0, amount),
            };
            LedgerEntry {
                workspace_id: event.workspace,
                id: of.key.clone(),
                account_id: account.clone(),
                contra_id: contra.clone(),
                transaction_id,
                code: leg.code.clone(),
                debit,
                credit,
                position: event.position,
                day: event.effective_at.date_naive(),
                effective_at: event.effective_at,
                recorded_at: event.recorded_at,
            }
        };
        let sides = [Side::Debit, Side::Credit];
        let mut all = posted(happened).iter().enumerate().flat_map(|leg| sides.map(|side| (leg, side)));
        Ok(all
            .find(|((n, _), side)| key(event, *n, *side) == of.key)
            .map(|((_, leg), side)| entry(leg, side)))
    }

    fn totals() -> Vec<Total<LedgerEntry>> {
        fn group(row: &LedgerEntry, by: String) -> Vec<Contribution> {
            let group = vec![row.account_id.to_string(), by];
            vec![Contribution { group, amounts: vec![row.debit, row.credit] }]
        }
        let amounts = &["debit", "credit"];
        vec![
            Total {
                table: "ledger_day",
                group: &["account_id", "day"],
                amounts,
                contributes: |row| group(row, row.day.to_string()),
            },
            Total {
                table: "ledger_block",
                group: &["account_id", "block"],
                amounts,
                contributes: |row| group(row, (row.position / BLOCK).to_string()),
            },
        ]
    }
}

/// One line of a statement.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct StatementEntry {
    pub transaction_id: LedgerTransactionId,
    /// The account on the other side.
    pub contra_id: LedgerAccountId,
    pub code: Option<String>,
    /// 0 if it is a credit.
    pub debit: Money,
    /// 0 if it is a debit.
    pub credit: Money,
    /// What is in the account after it, by since when entries hold.
    pub balance: Money,
    /// Since when it holds.
    pub effective_at: DateTime<Utc>,
    pub recorded_at: DateTime<Utc>,
}

/// Where a page of a statement begins: after this entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AfterEntry {
    effective_at: DateTime<Utc>,
    id: String,
}

/// Which entries a statement is of.
#[derive(Debug, Clone)]
pub struct Asked {
    pub account: LedgerAccountId,
    /// The side that makes it more.
    pub normal: Side,
    /// Since when the first and the one after the last hold.
    pub between: (Option<DateTime<Utc>>, Option<DateTime<Utc>>),
    pub after: Option<AfterEntry>,
    pub rows: i64,
}

fn decode(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(error.into())
}

const fn signed(normal: Side, debits_less_credits: i64) -> i64 {
    match normal {
        Side::Debit => debits_less_credits,
        Side::Credit => debits_less_credits.saturating_neg(),
    }
}

/// Entries in the order of since when they hold, each with the balance after it, and where the next ones begin.
///
/// What was in the account before the first is the sum of the days before, and of what came before it on its day.
///
/// # Errors
/// If the database does not answer, or a balance leaves the range of amounts.
pub async fn statement(
    db: &PgPool,
    workspace: WorkspaceId,
    asked: Asked,
) -> Result<Seen<Vec<(AfterEntry, StatementEntry)>>, sqlx::Error> {
    const SQL: &str = "
        with page as materialized (
            select * from read.ledger_entry
            where workspace_id = $1 and account_id = $2
              and effective_at >= coalesce($3, '-infinity'::timestamptz)
              and effective_at < coalesce($4, 'infinity'::timestamptz)
              and (effective_at, id) > (coalesce($5, '-infinity'::timestamptz), coalesce($6, ''))
            order by effective_at, id limit $7),
        first as (select day, effective_at, id from page order by effective_at, id limit 1),
        opening as (
            select (select coalesce(sum(d.debit - d.credit), 0) from read.ledger_day d
                    where d.workspace_id = $1 and d.account_id = $2 and d.day < (select day from first))
                 + (select coalesce(sum(e.debit - e.credit), 0) from read.ledger_entry e, first f
                    where e.workspace_id = $1 and e.account_id = $2
                      and e.effective_at >= f.day::timestamp at time zone 'UTC'
                      and (e.effective_at, e.id) < (f.effective_at, f.id)) as amount)
        select s.position, to_jsonb(p), p.balance::bigint from subscriptions s
        left join (select page.*, (select amount from opening) + sum(debit - credit) over (order by effective_at, id)
                          as balance from page) p on true
        where s.name = 'ledger_entry' order by p.effective_at, p.id";
    let Asked { account, normal, between, after, rows } = asked;
    let (at, id) = after.map(|after| (after.effective_at, after.id)).unzip();
    let found: Vec<(i64, Option<Json<LedgerEntry>>, Option<i64>)> = sqlx::query_as(SQL)
        .bind(workspace.to_string())
        .bind(account.to_string())
        .bind(between.0)
        .bind(between.1)
        .bind(at)
        .bind(id)
        .bind(rows)
        .fetch_all(db)
        .await?;
    let position = found.first().map_or(0, |(position, ..)| *position);
    let money = |amount| Money::new(amount, account.currency());
    let entries = found.into_iter().filter_map(|(_, row, balance)| {
        let (Json(row), balance) = (row?, balance?);
        let place = AfterEntry { effective_at: row.effective_at, id: row.id };
        let entry = StatementEntry {
            transaction_id: row.transaction_id,
            contra_id: row.contra_id,
            code: row.code,
            debit: money(row.debit),
            credit: money(row.credit),
            balance: money(signed(normal, balance)),
            effective_at: row.effective_at,
            recorded_at: row.recorded_at,
        };
        Some((place, entry))
    });
    Ok(Seen { position, value: entries.collect() })
}

/// As of when a balance is asked for.
#[derive(Debug, Clone, Copy)]
pub enum Moment {
    /// The end of a day (UTC), by since when entries hold: also by what was recorded later.
    Day(NaiveDate),
    /// A position of the log: what was known then.
    Position(i64),
}

/// What was in an account.
///
/// # Errors
/// If the database does not answer, or the balance leaves the range of amounts.
pub async fn balance(
    db: &PgPool,
    workspace: WorkspaceId,
    (account, normal): (&LedgerAccountId, Side),
    moment: Moment,
) -> Result<Seen<Money>, sqlx::Error> {
    const BY_DAY: &str = "
        select s.position, (select coalesce(sum(debit - credit), 0)::bigint from read.ledger_day
                            where workspace_id = $1 and account_id = $2 and day <= $3)
        from subscriptions s where s.name = 'ledger_entry'";
    const BY_POSITION: &str = "
        select s.position,
               ((select coalesce(sum(debit - credit), 0) from read.ledger_block
                 where workspace_id = $1 and account_id = $2 and block < $3 / $4)
              + (select coalesce(sum(debit - credit), 0) from read.ledger_entry
                 where workspace_id = $1 and account_id = $2 and position >= $3 / $4 * $4 and position <= $3))::bigint
        from subscriptions s where s.name = 'ledger_entry'";
    let (workspace, name) = (workspace.to_string(), account.to_string());
    let asked = match moment {
        Moment::Day(day) => sqlx::query_as(BY_DAY).bind(workspace).bind(name).bind(day),
        Moment::Position(at) => sqlx::query_as(BY_POSITION).bind(workspace).bind(name).bind(at).bind(BLOCK),
    };
    let (position, amount): (i64, i64) = asked.fetch_optional(db).await?.unwrap_or_default();
    Ok(Seen { position, value: Money::new(signed(normal, amount), account.currency()) })
}

/// What was debited and credited to one account, all in all.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct TrialBalanceLine {
    pub account_id: LedgerAccountId,
    pub debits: Money,
    pub credits: Money,
}

/// The sums of all accounts of one currency: the books balance if they are the same.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct TrialBalanceSum {
    pub debits: Money,
    pub credits: Money,
}

/// Accounts with what was debited and credited to them until the end of a day, in the order of their names, and the
/// sums of all of them.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct TrialBalance {
    /// One for each currency.
    pub sums: Vec<TrialBalanceSum>,
    pub lines: Vec<TrialBalanceLine>,
}

/// The trial balance at the end of a day, of at most so many accounts after one.
///
/// # Errors
/// If the database does not answer, or a sum leaves the range of amounts.
pub async fn trial_balance(
    db: &PgPool,
    workspace: WorkspaceId,
    day: NaiveDate,
    (after, rows): (Option<String>, i64),
) -> Result<Seen<TrialBalance>, sqlx::Error> {
    // A line without an account is a currency's sum. One statement, one snapshot.
    const SQL: &str = "
        with account as materialized (
            select account_id, sum(debit) as debits, sum(credit) as credits from read.ledger_day
            where workspace_id = $1 and day <= $2 group by account_id),
        line as (
            (select account_id, split_part(account_id, '@', 2) as currency, debits, credits from account
             where account_id > coalesce($3, '') order by account_id limit $4)
            union all
            select null, split_part(account_id, '@', 2), sum(debits), sum(credits) from account group by 2)
        select s.position, l.account_id, l.currency, l.debits::bigint, l.credits::bigint from subscriptions s
        left join line l on true where s.name = 'ledger_entry' order by l.account_id nulls first, l.currency";
    type Line = (i64, Option<String>, Option<String>, Option<i64>, Option<i64>);
    let found: Vec<Line> = sqlx::query_as(SQL)
        .bind(workspace.to_string())
        .bind(day)
        .bind(after)
        .bind(rows)
        .fetch_all(db)
        .await?;
    let position = found.first().map_or(0, |line| line.0);
    let mut value = TrialBalance { sums: Vec::new(), lines: Vec::new() };
    for (_, account, currency, debits, credits) in found {
        let (Some(currency), Some(debits), Some(credits)) = (currency, debits, credits) else { continue };
        let currency: Currency = currency.parse().map_err(decode)?;
        let (debits, credits) = (Money::new(debits, currency), Money::new(credits, currency));
        match account {
            None => value.sums.push(TrialBalanceSum { debits, credits }),
            Some(account) => {
                let account_id = account.parse().map_err(decode)?;
                value.lines.push(TrialBalanceLine { account_id, debits, credits });
            }
        }
    }
    Ok(Seen { position, value })
}
