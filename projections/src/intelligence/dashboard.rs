//! Sales dashboard: what was sold, taken, given back and returned, by time.
//!
//! One row an order; every figure is a sum over rows, so any figure is explained by its orders. Orders count when
//! they were placed, money when it moved, goods when they came back (`effective_at`). Cancelled and expired orders
//! count by status only; what was captured or refunded for them still moved. Currencies are never added up.
//!
//! Sums are kept by quarter of an hour and by UTC day. A day of any time zone is made of them when it is asked for
//! (`days`): whoever changes the zone sees all days cut anew at once, and nothing is reckoned again.

mod figures;

use chrono::{DateTime, Utc};
use domain::commerce::order::{Order, OrderEvent, Phase, Placed};
use domain::finance::payment::{Payment, PaymentEvent};
use domain::finance::refund::{Refund, RefundEvent};
use domain::ids::{CustomerId, LineId, OrderId, Sku, WorkspaceId};
use domain::kernel::{Decider, Recorded, Unreadable};
use domain::money::{Currency, Money};
use serde::{Deserialize, Serialize};

pub use self::figures::{DashboardView, are_out_of_range, figures};
use crate::days;
use crate::view::{Contribution, RowKey, Total, Touches, Unfoldable, View};

/// One row of `read.dashboard`: an order as far as the figures need it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DashboardRow {
    pub workspace_id: WorkspaceId,
    pub id: OrderId,
    pub customer_id: CustomerId,
    pub currency: Currency,
    pub placed_at: DateTime<Utc>,
    pub status: Phase,
    /// What was sold, without what was cancelled.
    pub amount: Money,
    pub lines: Vec<SoldLine>,
    pub captures: Vec<Moved>,
    pub refunds: Vec<Moved>,
    pub returns: Vec<Returned>,
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
    pub at: DateTime<Utc>,
    pub money: Money,
}

/// Units that came back after they were delivered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Returned {
    pub at: DateTime<Utc>,
    pub sku: Sku,
    pub units: i64,
    /// What they were sold for.
    pub amount: Money,
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
                | OrderEvent::ReturnReceived { .. }
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
        let at = event.effective_at;
        if let Some(OrderEvent::Placed(placed)) = event.of::<Order>()? {
            return DashboardRow::placed(event, placed).map(Some).map_err(Into::into);
        }
        let Some(mut row) = row else { return Ok(None) };
        if let Some(PaymentEvent::Captured { amount, .. } | PaymentEvent::Recorded { amount, .. }) =
            event.of::<Payment>()?
        {
            row.captures.push(Moved { at, money: *amount });
        }
        match event.of::<Refund>()? {
            Some(RefundEvent::Succeeded { amount, .. }) => row.refunds.push(Moved { at, money: *amount }),
            Some(RefundEvent::Reversed { amount, .. }) => {
                row.refunds.push(Moved { at, money: Money::zero(amount.currency).minus(*amount)? });
            }
            _ => {}
        }
        if let Some(happened) = event.of::<Order>()? {
            row.take_in(happened, at)?;
        }
        Ok(Some(row))
    }

    fn totals() -> Vec<Total<DashboardRow>> {
        vec![
            Total {
                table: "dashboard_sales",
                group: &["grain", "at", "currency"],
                amounts: &["orders", "captured", "refunded"],
                contributes: DashboardRow::sales,
            },
            Total {
                table: "dashboard_status",
                group: &["grain", "at", "currency", "status"],
                amounts: &["orders"],
                contributes: |row| row.count(row.placed_at, Some(row.status.as_ref()), &[1]).into(),
            },
            Total {
                table: "dashboard_product",
                group: &["grain", "at", "currency", "sku"],
                amounts: &["units", "amount", "returned_units", "returned_amount"],
                contributes: DashboardRow::products,
            },
            Total {
                table: "dashboard_customer",
                group: &["grain", "at", "currency", "customer_id"],
                amounts: &["orders", "amount"],
                contributes: |row| {
                    let customer = row.customer_id.to_string();
                    row.sold()
                        .flat_map(|row| row.count(row.placed_at, Some(&customer), &[1, row.amount.amount]))
                        .collect()
                },
            },
        ]
    }
}

impl DashboardRow {
    fn placed(event: &Recorded, placed: &Placed) -> Result<Self, Unreadable> {
        let terms = &placed.terms;
        Ok(Self {
            workspace_id: event.workspace,
            id: event.id_of::<Order>()?,
            customer_id: placed.customer,
            currency: terms.total.currency,
            placed_at: event.effective_at,
            status: Phase::Placed,
            amount: terms.total,
            lines: sold(&terms.lines),
            captures: Vec::new(),
            refunds: Vec::new(),
            returns: Vec::new(),
        })
    }

    fn take_in(&mut self, happened: &OrderEvent, at: DateTime<Utc>) -> Result<(), Unfoldable> {
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
            OrderEvent::ReturnReceived { sku, quantity, amount, .. } => {
                let (sku, units, amount) = (sku.clone(), i64::from(*quantity), *amount);
                self.returns.push(Returned { at, sku, units, amount });
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

    fn sales(&self) -> Vec<Contribution> {
        let orders = self.sold().flat_map(|row| row.count(row.placed_at, None, &[1, 0, 0]));
        let captured = self.captures.iter().flat_map(|of| self.count(of.at, None, &[0, of.money.amount, 0]));
        let refunded = self.refunds.iter().flat_map(|of| self.count(of.at, None, &[0, 0, of.money.amount]));
        orders.chain(captured).chain(refunded).collect()
    }

    fn products(&self) -> Vec<Contribution> {
        let sold = self.sold().flat_map(|row| &row.lines).flat_map(|line| {
            self.count(self.placed_at, Some(line.sku.as_str()), &[line.units, line.amount.amount, 0, 0])
        });
        let returned = self
            .returns
            .iter()
            .flat_map(|of| self.count(of.at, Some(of.sku.as_str()), &[0, 0, of.units, of.amount.amount]));
        sold.chain(returned).collect()
    }

    /// What counts at a time, in the sums of each grain.
    fn count(&self, at: DateTime<Utc>, last: Option<&str>, amounts: &[i64]) -> [Contribution; 2] {
        [days::QUARTER, days::DAY].map(|grain| {
            let of = [grain.to_string(), days::floor(at, grain).to_rfc3339(), self.currency.to_string()];
            let group = of.into_iter().chain(last.map(str::to_owned)).collect();
            Contribution { group, amounts: amounts.to_vec() }
        })
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
