//! Figures: what the dashboard says of a range of days.

use chrono::{DateTime, NaiveDate, Utc};
use domain::ids::WorkspaceId;
use domain::money::{Currency, Money};
use serde::Serialize;
use sqlx::{PgConnection, PgPool};
use utoipa::ToSchema;

use crate::days::{Period, Range};
use crate::reading::Seen;

/// Figures of one period in one currency.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Figures {
    pub currency: Currency,
    /// Captured.
    pub revenue: Money,
    pub refunds: Money,
    /// Revenue less refunds.
    pub net: Money,
    /// Orders placed and neither cancelled nor expired.
    pub orders: i64,
    /// What those orders come to, paid or not, without what was cancelled.
    pub sold: Money,
    /// Units sold.
    pub units: i64,
    /// Units that came back, whenever they were sold.
    pub returned_units: i64,
    /// What an order comes to: `sold` by `orders`, half away from zero; none without orders.
    pub average: Option<Money>,
}

/// The same of each day or month.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PeriodFigures {
    /// Its first day.
    pub from: NaiveDate,
    #[serde(flatten)]
    #[schema(inline)]
    pub figures: Figures,
}

/// Orders in one status.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct StatusFigure {
    pub status: String,
    pub currency: String,
    pub orders: i64,
}

/// What sold best: by its amount without what came back meanwhile.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct TopProduct {
    pub sku: String,
    /// Sold.
    pub units: i64,
    pub amount: Money,
    /// Come back, whenever they were sold.
    pub returned_units: i64,
    pub returned_amount: Money,
}

/// Who bought most.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct TopCustomer {
    pub customer_id: String,
    pub orders: i64,
    pub amount: Money,
}

/// The answer to `GET /api/dashboard`: whole days of the time zone, from `from` (inclusive) to `to` (exclusive).
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DashboardView {
    pub from: NaiveDate,
    pub to: NaiveDate,
    /// By which clock its days begin and end: the workspace's, by its name in the IANA database.
    pub time_zone: String,
    /// One entry a currency.
    pub figures: Vec<Figures>,
    /// By day or month, where asked for.
    pub periods: Vec<PeriodFigures>,
    pub orders_by_status: Vec<StatusFigure>,
    /// Best first, per currency.
    pub top_products: Vec<TopProduct>,
    /// Best first, per currency.
    pub top_customers: Vec<TopCustomer>,
}

/// The figures of a workspace over a range of days.
///
/// # Errors
/// If the database does not answer, or if a sum leaves the range of amounts ([`are_out_of_range`]).
pub async fn figures(
    db: &PgPool,
    workspace: WorkspaceId,
    range: Range,
) -> Result<Seen<DashboardView>, sqlx::Error> {
    let workspace = workspace.to_string();
    // Several statements, one snapshot. The tables are locked before it is taken: a rebuild could put new ones in
    // their place, and of what was written to these before they were there an older snapshot shows a part.
    let mut transaction = db
        .begin_with(
            "begin isolation level repeatable read read only;
             lock table read.dashboard_sales, read.dashboard_status, read.dashboard_product, read.dashboard_customer
                 in access share mode",
        )
        .await?;
    let connection = &mut *transaction;
    let position = sqlx::query_scalar!("select position from subscriptions where name = 'dashboard'")
        .fetch_optional(&mut *connection)
        .await?;
    let whole = range.whole();
    let all = periods(connection, &workspace, &[whole]).await?;
    let periods = match range.group_by {
        Some(by) => periods(connection, &workspace, &range.periods(by)).await?,
        None => Vec::new(),
    };
    let Parts { grains, starts, ends, .. } = Parts::of(&[whole]);
    let orders_by_status = sqlx::query_as!(
        StatusFigure,
        r#"select status, currency, sum(orders)::bigint as "orders!"
           from unnest($2::smallint[], $3::timestamptz[], $4::timestamptz[]) as p (grain, starts, ends)
           join read.dashboard_status t
             on t.workspace_id = $1 and t.grain = p.grain and t.at >= p.starts and t.at < p.ends
           group by status, currency order by status, currency"#,
        workspace,
        &grains,
        &starts,
        &ends
    )
    .fetch_all(&mut *connection)
    .await?;
    let products = sqlx::query!(
        r#"select currency, sku, units as "units!", amount as "amount!", returned_units as "returned_units!",
                  returned_amount as "returned_amount!" from (
               select currency, sku, sum(units)::bigint as units, sum(amount)::bigint as amount,
                      sum(returned_units)::bigint as returned_units, sum(returned_amount)::bigint as returned_amount,
                      row_number() over (partition by currency order by sum(amount - returned_amount) desc, sku) as place
               from unnest($2::smallint[], $3::timestamptz[], $4::timestamptz[]) as p (grain, starts, ends)
               join read.dashboard_product t
                 on t.workspace_id = $1 and t.grain = p.grain and t.at >= p.starts and t.at < p.ends
               group by currency, sku) best
           where place <= $5 order by currency, place"#,
        workspace,
        &grains,
        &starts,
        &ends,
        range.top
    )
    .fetch_all(&mut *connection)
    .await?;
    let customers = sqlx::query!(
        r#"select currency, customer_id, orders as "orders!", amount as "amount!" from (
               select currency, customer_id, sum(orders)::bigint as orders, sum(amount)::bigint as amount,
                      row_number() over (partition by currency order by sum(amount) desc, customer_id) as place
               from unnest($2::smallint[], $3::timestamptz[], $4::timestamptz[]) as p (grain, starts, ends)
               join read.dashboard_customer t
                 on t.workspace_id = $1 and t.grain = p.grain and t.at >= p.starts and t.at < p.ends
               group by currency, customer_id) best
           where place <= $5 order by currency, place"#,
        workspace,
        &grains,
        &starts,
        &ends,
        range.top
    )
    .fetch_all(&mut *connection)
    .await?;
    transaction.commit().await?;
    let value = DashboardView {
        from: range.from,
        to: range.to,
        time_zone: range.zone.name().to_owned(),
        figures: all.into_iter().map(|period| period.figures).collect(),
        periods,
        orders_by_status,
        top_products: products
            .into_iter()
            .map(|row| {
                Ok(TopProduct {
                    sku: row.sku,
                    units: row.units,
                    amount: money(row.amount, &row.currency)?,
                    returned_units: row.returned_units,
                    returned_amount: money(row.returned_amount, &row.currency)?,
                })
            })
            .collect::<Result<_, sqlx::Error>>()?,
        top_customers: customers
            .into_iter()
            .map(|row| {
                let amount = money(row.amount, &row.currency)?;
                Ok(TopCustomer { customer_id: row.customer_id, orders: row.orders, amount })
            })
            .collect::<Result<_, sqlx::Error>>()?,
    };
    Ok(Seen { position: position.unwrap_or(0), value })
}

/// Whether figures could not be told because they leave the range of amounts.
#[must_use]
pub fn are_out_of_range(error: &sqlx::Error) -> bool {
    const NUMERIC_VALUE_OUT_OF_RANGE: &str = "22003";
    match error {
        sqlx::Error::Database(error) => error.code().as_deref() == Some(NUMERIC_VALUE_OUT_OF_RANGE),
        sqlx::Error::Decode(error) => error.is::<domain::money::Unreckonable>(),
        _ => false,
    }
}

/// The parts of all periods, as columns.
#[derive(Default)]
struct Parts {
    froms: Vec<NaiveDate>,
    grains: Vec<i16>,
    starts: Vec<DateTime<Utc>>,
    ends: Vec<DateTime<Utc>>,
}

impl Parts {
    fn of(periods: &[Period]) -> Self {
        let mut all = Self::default();
        for period in periods {
            for part in period.parts() {
                all.froms.push(period.from);
                all.grains.push(part.grain);
                all.starts.push(part.starts);
                all.ends.push(part.ends);
            }
        }
        all
    }
}

/// The sums of each period that has any.
async fn periods(
    connection: &mut PgConnection,
    workspace: &str,
    periods: &[Period],
) -> Result<Vec<PeriodFigures>, sqlx::Error> {
    let Parts { froms, grains, starts, ends } = Parts::of(periods);
    let rows = sqlx::query!(
        r#"with p as (
               select * from unnest($2::date[], $3::smallint[], $4::timestamptz[], $5::timestamptz[])
                          as p (first, grain, starts, ends)),
           counted as (
               select p.first, currency, orders, captured, refunded,
                      0::numeric as units, 0::numeric as returned, 0::numeric as sold
               from p join read.dashboard_sales t
                 on t.workspace_id = $1 and t.grain = p.grain and t.at >= p.starts and t.at < p.ends
               union all
               select p.first, currency, 0, 0, 0, units, returned_units, 0
               from p join read.dashboard_product t
                 on t.workspace_id = $1 and t.grain = p.grain and t.at >= p.starts and t.at < p.ends
               union all
               select p.first, currency, 0, 0, 0, 0, 0, amount
               from p join read.dashboard_customer t
                 on t.workspace_id = $1 and t.grain = p.grain and t.at >= p.starts and t.at < p.ends)
           select first as "from!", currency as "currency!", sum(orders)::bigint as "orders!",
                  sum(captured)::bigint as "captured!", sum(refunded)::bigint as "refunded!",
                  sum(units)::bigint as "units!", sum(returned)::bigint as "returned!", sum(sold)::bigint as "sold!"
           from counted group by 1, 2 order by 1, 2"#,
        workspace,
        &froms,
        &grains,
        &starts,
        &ends
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| {
            let (revenue, refunds) =
                (money(row.captured, &row.currency)?, money(row.refunded, &row.currency)?);
            let sold = money(row.sold, &row.currency)?;
            let decode = |e: domain::money::Unreckonable| sqlx::Error::Decode(e.into());
            Ok(PeriodFigures {
                from: row.from,
                figures: Figures {
                    currency: revenue.currency,
                    revenue,
                    refunds,
                    net: revenue.minus(refunds).map_err(decode)?,
                    orders: row.orders,
                    sold,
                    units: row.units,
                    returned_units: row.returned,
                    average: (row.orders > 0)
                        .then(|| sold.share(1, row.orders))
                        .transpose()
                        .map_err(decode)?,
                },
            })
        })
        .collect()
}

fn money(amount: i64, currency: &str) -> Result<Money, sqlx::Error> {
    let currency =
        currency.parse().map_err(|e: domain::money::NotACurrency| sqlx::Error::Decode(e.into()))?;
    Ok(Money::new(amount, currency))
}
