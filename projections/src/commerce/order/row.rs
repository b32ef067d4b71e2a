//! What is shown of an order.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::commerce::order::{
    Basis, CancelReason, CarrierFact, Condition, Contents, Counters, FulfilledLine, FulfilmentStatus, Item,
    Line, Observed, PaymentStatus, Phase, ReturnStatus, Settlement, Units, Unsettled,
};
use domain::ids::{CustomerId, FulfilmentId, LineId, OrderId, PaymentId, RefundId, ReturnId};
use domain::money::{Currency, Money};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::stream::Stem;

/// One row of `read.order`, and the answer to `GET /api/ecommerce/orders/{id}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OrderView {
    #[serde(flatten)]
    #[schema(inline)]
    pub stem: Stem<OrderId>,
    /// Since when it holds: earlier than it was recorded if it happened before that.
    pub effective_at: DateTime<Utc>,
    pub customer_id: CustomerId,
    /// What people call it, in a shop that numbers its orders: given right after it is placed.
    pub number: Option<String>,
    /// The seller's or the source's own number for it.
    pub reference: Option<String>,
    pub currency: Currency,
    pub status: Phase,
    pub payment_status: PaymentStatus,
    pub fulfilment_status: FulfilmentStatus,
    pub return_status: ReturnStatus,
    pub settlement: Option<Settlement>,
    /// Why it may be confirmed.
    pub basis: Option<Basis>,
    pub cancel_reason: Option<CancelReason>,
    pub lines: Vec<OrderLineView>,
    pub discount_code: Option<String>,
    pub shipping_method: Option<String>,
    pub net: Money,
    pub discount: Money,
    pub tax: Money,
    pub shipping: Money,
    pub total: Money,
    /// The total in minor units, for sorting.
    pub amount: i64,
    /// What of the total was cancelled or came back.
    pub credited: Money,
    pub authorised: Money,
    pub captured: Money,
    pub refunded: Money,
    /// SHA-256 of what was agreed.
    pub totals_hash: Option<String>,
    pub payments: Vec<PaymentId>,
    pub refunds: Vec<RefundId>,
    pub fulfilments: Vec<FulfilmentView>,
    pub returns: Vec<ReturnView>,
    /// What carriers said, as it came in.
    pub carrier_facts: Vec<CarrierFact>,
    /// What a closed order learned too late: cases to look into.
    pub late_observations: Vec<Observed>,
    /// What is being ordered, of a draft or of an open edit.
    pub draft: Option<DraftView>,
    pub expires_at: Option<DateTime<Utc>>,
    pub placed_at: Option<DateTime<Utc>>,
    pub confirmed_at: Option<DateTime<Utc>>,
    pub closed_at: Option<DateTime<Utc>>,
}

impl OrderView {
    /// One of its lines.
    #[must_use]
    pub fn line(self, id: LineId) -> Option<LineView> {
        let line = self.lines.into_iter().find(|of| of.line.line == id);
        let draft = self.draft.and_then(|draft| draft.contents.lines.into_iter().find(|of| of.line == id));
        (line.is_some() || draft.is_some()).then_some(LineView { line, draft })
    }
}

/// A line of an order, and what became of its units.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OrderLineView {
    #[serde(flatten)]
    #[schema(inline)]
    pub line: Line,
    pub units: Counters,
}

/// A line as it stands, and as a draft or an open edit has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = OrderLineState)]
pub struct LineView {
    /// None of one that an open edit adds.
    pub line: Option<OrderLineView>,
    pub draft: Option<Item>,
}

/// What is being ordered, and what it comes to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DraftView {
    #[serde(flatten)]
    #[schema(inline)]
    pub contents: Contents,
    /// None as long as it cannot be agreed to, as without a line.
    #[serde(default)]
    pub total: Option<Money>,
    /// What to agree to it with.
    #[serde(default)]
    pub totals_hash: Option<String>,
    /// How it is being paid and reserved, of an edit that is to hold.
    #[serde(default)]
    pub settlement: Option<EditSettlementView>,
    /// Why that came to nothing the last time.
    #[serde(default)]
    pub unsettled: Option<Unsettled>,
    /// Units that are set aside for lines it adds.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = Object)]
    pub allocated: BTreeMap<LineId, u64>,
}

/// What an edit costs more, being paid, and what it takes more from stock, being reserved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EditSettlementView {
    /// There is such a payment where the amount is more than 0.
    pub payment_id: PaymentId,
    pub amount: Money,
    pub expires_at: DateTime<Utc>,
}

/// Goods that go out together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FulfilmentView {
    pub id: FulfilmentId,
    pub status: FulfilmentStage,
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
    Lost,
    CameBack,
}

/// Goods that come back together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReturnView {
    pub id: ReturnId,
    pub requested: Vec<Units>,
    pub received: Vec<Received>,
    pub dismissed: Vec<Units>,
    pub reason: Option<String>,
}

/// Units that came back.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = ReceivedUnits)]
pub struct Received {
    #[serde(flatten)]
    #[schema(inline)]
    pub units: Units,
    pub condition: Condition,
    pub amount: Money,
}
