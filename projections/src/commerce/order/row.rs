//! What is shown of an order.

use chrono::{DateTime, Utc};
use domain::commerce::order::{
    Basis, CancelReason, CarrierFact, Condition, Contents, Counters, FulfilledLine, FulfilmentStatus, Line,
    Observed, PaymentStatus, Phase, ReturnStatus, Settlement, Units,
};
use domain::ids::{CustomerId, FulfilmentId, OrderId, PaymentId, RefundId, ReturnId, WorkspaceId};
use domain::money::{Currency, Money};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::schema;

/// One row of `read.order`, and the answer to `GET /api/ecommerce/orders/{id}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OrderView {
    #[schema(schema_with = schema::id::<WorkspaceId>)]
    pub workspace_id: WorkspaceId,
    #[schema(schema_with = schema::id::<OrderId>)]
    pub id: OrderId,
    #[schema(schema_with = schema::id::<CustomerId>)]
    pub customer_id: CustomerId,
    /// The seller's or the source's own number for it.
    pub reference: Option<String>,
    #[schema(schema_with = schema::currency)]
    pub currency: Currency,
    #[schema(value_type = String, example = "confirmed")]
    pub status: Phase,
    #[schema(value_type = String, example = "paid")]
    pub payment_status: PaymentStatus,
    #[schema(value_type = String, example = "none")]
    pub fulfilment_status: FulfilmentStatus,
    #[schema(value_type = String, example = "none")]
    pub return_status: ReturnStatus,
    #[schema(value_type = Option<String>, example = "checkout")]
    pub settlement: Option<Settlement>,
    /// Why it may be confirmed.
    #[schema(value_type = Option<String>)]
    pub basis: Option<Basis>,
    #[schema(value_type = Option<String>)]
    pub cancel_reason: Option<CancelReason>,
    pub lines: Vec<OrderLineView>,
    pub discount_code: Option<String>,
    pub shipping_method: Option<String>,
    #[schema(value_type = schema::Money)]
    pub net: Money,
    #[schema(value_type = schema::Money)]
    pub discount: Money,
    #[schema(value_type = schema::Money)]
    pub tax: Money,
    #[schema(value_type = schema::Money)]
    pub shipping: Money,
    #[schema(value_type = schema::Money)]
    pub total: Money,
    /// The total in minor units, for sorting.
    pub amount: i64,
    /// What of the total was cancelled or came back.
    #[schema(value_type = schema::Money)]
    pub credited: Money,
    #[schema(value_type = schema::Money)]
    pub authorised: Money,
    #[schema(value_type = schema::Money)]
    pub captured: Money,
    #[schema(value_type = schema::Money)]
    pub refunded: Money,
    /// SHA-256 of what was agreed.
    pub totals_hash: Option<String>,
    #[schema(value_type = Vec<String>)]
    pub payments: Vec<PaymentId>,
    #[schema(value_type = Vec<String>)]
    pub refunds: Vec<RefundId>,
    pub fulfilments: Vec<FulfilmentView>,
    pub returns: Vec<ReturnView>,
    /// What carriers said, as it came in.
    #[schema(value_type = Vec<Object>)]
    pub carrier_facts: Vec<CarrierFact>,
    /// What a closed order learned too late: cases to look into.
    #[schema(value_type = Vec<Object>)]
    pub late_observations: Vec<Observed>,
    /// What is being ordered, of a draft or of an open edit.
    #[schema(value_type = Option<Object>)]
    pub draft: Option<Contents>,
    pub expires_at: Option<DateTime<Utc>>,
    pub placed_at: Option<DateTime<Utc>>,
    pub confirmed_at: Option<DateTime<Utc>>,
    pub closed_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// Its ETag.
    pub version: i64,
}

/// A line of an order, and what became of its units.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OrderLineView {
    #[serde(flatten)]
    #[schema(inline, value_type = LineSchema)]
    pub line: Line,
    #[schema(value_type = Object)]
    pub units: Counters,
}

/// A line as agreed.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "stands for the domain's type in the document only")]
pub struct LineSchema {
    line: String,
    /// `<sku>@<location>`, where it is taken from stock.
    stock: Option<String>,
    sku: String,
    title: String,
    quantity: u32,
    /// Only where the total divides by the quantity.
    unit_price: Option<schema::Money>,
    /// Of all units, before discount and tax.
    total: schema::Money,
    discount: schema::Money,
    tax: schema::Money,
    /// What the customer pays for it.
    amount: schema::Money,
}

/// Goods that go out together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FulfilmentView {
    #[schema(schema_with = schema::id::<FulfilmentId>)]
    pub id: FulfilmentId,
    pub status: FulfilmentStage,
    #[schema(value_type = Vec<Object>)]
    pub lines: Vec<FulfilledLine>,
    pub override_unpaid: Option<String>,
    pub carrier: Option<String>,
    pub tracking: Option<String>,
    pub shipped_at: Option<DateTime<Utc>>,
    pub delivered_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FulfilmentStage {
    Packed,
    Cancelled,
    Shipped,
    Delivered,
}

/// Goods that come back together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReturnView {
    #[schema(schema_with = schema::id::<ReturnId>)]
    pub id: ReturnId,
    #[schema(value_type = Vec<Object>)]
    pub requested: Vec<Units>,
    #[schema(value_type = Vec<Object>)]
    pub received: Vec<Received>,
    #[schema(value_type = Vec<Object>)]
    pub dismissed: Vec<Units>,
    pub reason: Option<String>,
}

/// Units that came back.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Received {
    #[serde(flatten)]
    pub units: Units,
    pub condition: Condition,
    pub amount: Money,
}
