//! Sales dashboard: what was sold, taken and given back, by UTC day.
//!
//! One row an order; every figure is a sum over rows, so any figure is explained by its orders. Orders count on
//! the day they were placed, money on the day it moved (`effective_at`). Cancelled and expired orders count by
//! status only; what was captured or refunded for them still moved. Currencies are never added up.

use chrono::NaiveDate;
use domain::commerce::order::{Order, OrderEvent, Phase, Placed};
use domain::finance::payment::{Payment, PaymentEvent};
use domain::finance::refund::{Refund, RefundEvent};
use domain::ids::{CustomerId, LineId, OrderId, Sku, WorkspaceId};
use domain::kernel::{Decider, Recorded, Unreadable};
use domain::money::{Currency, Money};
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgPool};
use utoipa::ToSchema;

use crate::reading::Seen;
use crate::view::{Contribution, RowKey, Total, Touches, Unfoldable, View};

/// One row of `read.dashboard`: an order as far as the figures need it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DashboardRow {
    pub workspace_id: WorkspaceId,
    pub id: OrderId,
    pub customer_id: CustomerId,
    pub currency: Currency,
    pub placed_day: NaiveDate,
    pub status: Phase,
    /// What was sold, without what was cancelled.
    pub amount: Money,
    pub lines: Vec<SoldLine>,
    pub captures: Vec<Moved>,
    pub refunds: Vec<Moved>,
}

/// Units of a line that were sold and not cancelled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SoldLine {
    pub line: LineId,
    pub sku: Sku,
    pub units: i64,
    pub amount: Money,
}

/// Money that moved.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Moved {
    pub day: NaiveDate,
    pub money: Money,
}

/// Read model `dashboard`.
pub struct Dashboard;

impl View for Dashboard {
    const NAME: &'static str = "dashboard";
    const LISTENS_TO: &'static [&'static str] = &[Order::NAME, Payment::NAME, Refund::NAME];
    const BY_STREAM: bool = false;
    type Row = DashboardRow;

    fn touches(event: &Recorded) -> Result<Touches, Unreadable> {
        if let Some(captured) = event.of::<Payment>()? {
            return Ok(match captured {
                PaymentEvent::Captured { order, .. } | PaymentEvent::Recorded { order, .. } => {
                    Touches::row(event, order)
                }
                _ => Touches::nothing(),
            });
        }
        if let Some(refunded) = event.of::<Refund>()? {
            return Ok(match refunded {
                RefundEvent::Succeeded { order, .. } | RefundEvent::Reversed { order, .. } => {
                    Touches::row(event, order)
                }
                _ => Touches::nothing(),
            });
        }
        Ok(match event.of::<Order>()? {
            Some(
                OrderEvent::Placed(_)
                | OrderEvent::Confirmed { .. }
                | OrderEvent::Completed
                | OrderEvent::Cancelled { .. }
                | OrderEvent::Expired { .. }
                | OrderEvent::LinesCancelled { .. }
                | OrderEvent::EditConfirmed { .. },
            ) => Touches::stream_of::<Order>(event),
            _ => Touches::nothing(),
        })
    }

    fn fold(
        _: &RowKey,
        row: Option<DashboardRow>,
        event: &Recorded,
    ) -> Result<Option<DashboardRow>, Unfoldable> {
        let day = event.effective_at.date_naive();
        if let Some(OrderEvent::Placed(placed)) = event.of::<Order>()? {
            return DashboardRow::placed(event, placed, day).map(Some).map_err(Into::into);
        }
        let Some(mut row) = row else { return Ok(None) };
        if let Some(PaymentEvent::Captured { amount, .. } | PaymentEvent::Recorded { amount, .. }) =
            event.of::<Payment>()?
        {
            row.captures.push(Moved { day, money: *amount });
        }
        match event.of::<Refund>()? {
            Some(RefundEvent::Succeeded { amount, .. }) => row.refunds.push(Moved { day, money: *amount }),
            Some(RefundEvent::Reversed { amount, .. }) => {
                row.refunds.push(Moved { day, money: Money::zero(amount.currency).minus(*amount)? });
            }
            _ => {}
        }
        if let Some(happened) = event.of::<Order>()? {
            row.take_in(happened)?;
        }
        Ok(Some(row))
    }

    fn totals() -> Vec<Total<DashboardRow>> {
        vec![
            Total {
                table: "dashboard_sales",
                group: &["day", "currency"],
                amounts: &["orders", "captured", "refunded"],
                contributes: DashboardRow::sales,
            },
            Total {
                table: "dashboard_status",
                group: &["day", "currency", "status"],
                amounts: &["orders"],
                contributes: |row| {
                    vec![Contribution {
                        group: row.group(row.placed_day, row.status.as_ref()),
                        amounts: vec![1],
                    }]
                },
            },
            Total {
                table: "dashboard_product",
                group: &["day", "currency", "sku"],
                amounts: &["units", "amount"],
                contributes: |row| {
                    row.sold()
                        .flat_map(|row| &row.lines)
                        .map(|line| Contribution {
                            group: row.group(row.placed_day, line.sku.as_str()),
                            amounts: vec![line.units, line.amount.amount],
                        })
                        .collect()
                },
            },
            Total {
                table: "dashboard_customer",
                group: &["day", "currency", "customer_id"],
                amounts: &["orders", "amount"],
                contributes: |row| {
                    row.sold()
                        .map(|row| Contribution {
                            group: row.group(row.placed_day, &row.customer_id.to_string()),
                            amounts: vec![1, row.amount.amount],
                        })
                        .collect()
                },
            },
        ]
    }
}

impl DashboardRow {
    fn placed(event: &Recorded, placed: &Placed, day: NaiveDate) -> Result<Self, Unreadable> {
        let terms = &placed.terms;
        Ok(Self {
            workspace_id: event.workspace,
            id: event.id_of::<Order>()?,
            customer_id: placed.customer,
            currency: terms.total.currency,
            placed_day: day,
            status: Phase::Placed,
            amount: terms.total,
            lines: sold(&terms.lines),
            captures: Vec::new(),
            refunds: Vec::new(),
        })
    }

    fn take_in(&mut self, happened: &OrderEvent) -> Result<(), Unfoldable> {
        match happened {
            OrderEvent::Confirmed { .. } => self.status = Phase::Confirmed,
            OrderEvent::Completed => self.status = Phase::Completed,
            OrderEvent::Cancelled { .. } => self.status = Phase::Cancelled,
            OrderEvent::Expired { .. } => self.status = Phase::Expired,
            OrderEvent::LinesCancelled { lines, .. } => {
                for cancelled in lines {
                    self.amount = self.amount.minus(cancelled.amount)?;
                    if let Some(line) = self.lines.iter_mut().find(|line| line.line == cancelled.line) {
                        line.units -= i64::from(cancelled.quantity);
                        line.amount = line.amount.minus(cancelled.amount)?;
                    }
                }
                self.lines.retain(|line| line.units > 0);
            }
            OrderEvent::EditConfirmed { terms, .. } => {
                self.amount = terms.total;
                self.lines = sold(&terms.lines);
            }
            _ => {}
        }
        Ok(())
    }

    /// Itself, if it counts as sold.
    fn sold(&self) -> std::option::IntoIter<&Self> {
        Some(self).filter(|row| !matches!(row.status, Phase::Cancelled | Phase::Expired)).into_iter()
    }

    fn group(&self, day: NaiveDate, last: &str) -> Vec<String> {
        vec![day.to_string(), self.currency.to_string(), last.to_owned()]
    }

    fn sales(&self) -> Vec<Contribution> {
        let on = |day: NaiveDate, amounts: [i64; 3]| Contribution {
            group: vec![day.to_string(), self.currency.to_string()],
            amounts: amounts.to_vec(),
        };
        let orders = self.sold().map(|row| on(row.placed_day, [1, 0, 0]));
        let captured = self.captures.iter().map(|moved| on(moved.day, [0, moved.money.amount, 0]));
        let refunded = self.refunds.iter().map(|moved| on(moved.day, [0, 0, moved.money.amount]));
        orders.chain(captured).chain(refunded).collect()
    }
}

fn sold(lines: &[domain::commerce::order::Line]) -> Vec<SoldLine> {
    lines
        .iter()
        .map(|line| SoldLine {
            line: line.line,
            sku: line.sku.clone(),
            units: i64::from(line.quantity),
            amount: line.amount,
        })
        .collect()
}

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

/// What sold best.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct TopProduct {
    pub sku: String,
    pub units: i64,
    pub amount: Money,
}

/// Who bought most.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct TopCustomer {
    pub customer_id: String,
    pub orders: i64,
    pub amount: Money,
}

/// The answer to `GET /api/dashboard`: whole UTC days from `from` (inclusive) to `to` (exclusive).
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DashboardView {
    pub from: NaiveDate,
    pub to: NaiveDate,
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

/// How periods are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Grouping {
    Day,
    Month,
}

/// What a dashboard is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Range {
    pub from: NaiveDate,
    pub to: NaiveDate,
    pub group_by: Option<Grouping>,
    /// How many of the best.
    pub top: i64,
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
    let all = periods(connection, &workspace, range, "all").await?;
    let periods = match range.group_by {
        Some(Grouping::Day) => periods(connection, &workspace, range, "day").await?,
        Some(Grouping::Month) => periods(connection, &workspace, range, "month").await?,
        None => Vec::new(),
    };
    let orders_by_status = sqlx::query_as!(
        StatusFigure,
        r#"select status, currency, sum(orders)::bigint as "orders!" from read.dashboard_status
           where workspace_id = $1 and day >= $2 and day < $3 group by status, currency order by status, currency"#,
        workspace,
        range.from,
        range.to
    )
    .fetch_all(&mut *connection)
    .await?;
    let products = sqlx::query!(
        r#"select currency, sku, units as "units!", amount as "amount!" from (
               select currency, sku, sum(units)::bigint as units, sum(amount)::bigint as amount,
                      row_number() over (partition by currency order by sum(amount) desc, sku) as place
               from read.dashboard_product where workspace_id = $1 and day >= $2 and day < $3
               group by currency, sku) best
           where place <= $4 order by currency, place"#,
        workspace,
        range.from,
        range.to,
        range.top
    )
    .fetch_all(&mut *connection)
    .await?;
    let customers = sqlx::query!(
        r#"select currency, customer_id, orders as "orders!", amount as "amount!" from (
               select currency, customer_id, sum(orders)::bigint as orders, sum(amount)::bigint as amount,
                      row_number() over (partition by currency order by sum(amount) desc, customer_id) as place
               from read.dashboard_customer where workspace_id = $1 and day >= $2 and day < $3
               group by currency, customer_id) best
           where place <= $4 order by currency, place"#,
        workspace,
        range.from,
        range.to,
        range.top
    )
    .fetch_all(&mut *connection)
    .await?;
    transaction.commit().await?;
    let value = DashboardView {
        from: range.from,
        to: range.to,
        figures: all.into_iter().map(|period| period.figures).collect(),
        periods,
        orders_by_status,
        top_products: products
            .into_iter()
            .map(|row| {
                Ok(TopProduct { sku: row.sku, units: row.units, amount: money(row.amount, &row.currency)? })
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

/// Sums by day (`day`), month (`month`) or over the whole range (`all`).
async fn periods(
    connection: &mut PgConnection,
    workspace: &str,
    range: Range,
    by: &str,
) -> Result<Vec<PeriodFigures>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"with day as (
               select day, currency, orders, captured, refunded, 0::bigint as units, 0::bigint as sold
               from read.dashboard_sales where workspace_id = $1 and day >= $2 and day < $3
               union all
               select day, currency, 0, 0, 0, units, 0 from read.dashboard_product
               where workspace_id = $1 and day >= $2 and day < $3
               union all
               select day, currency, 0, 0, 0, 0, amount from read.dashboard_customer
               where workspace_id = $1 and day >= $2 and day < $3)
           select case $4 when 'day' then day when 'month' then date_trunc('month', day)::date else $2 end as "from!",
                  currency as "currency!", sum(orders)::bigint as "orders!", sum(captured)::bigint as "captured!",
                  sum(refunded)::bigint as "refunded!", sum(units)::bigint as "units!", sum(sold)::bigint as "sold!"
           from day group by 1, 2 order by 1, 2"#,
        workspace,
        range.from,
        range.to,
        by
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
