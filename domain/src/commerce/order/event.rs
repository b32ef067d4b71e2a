//! Events: what has happened to an order, each complete enough to be read alone.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use strum::AsRefStr;

use super::{
    Basis, CancelReason, CarrierFact, CarrierFactKind, Condition, Discount, Giving, Item, Settlement, Share,
    Shipping, Terms, Units, Unsettled,
};
use crate::ids::{
    CartId, CustomerId, FulfilmentId, LineId, PaymentId, RefundId, ReservationId, ReturnId, Sku, StockId,
};
use crate::kernel::Event;
use crate::money::{Currency, Money};

/// What has happened to an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AsRefStr)]
#[serde(tag = "type")]
pub enum OrderEvent {
    DraftCreated {
        customer: CustomerId,
        currency: Currency,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reference: Option<String>,
    },
    LineAdded(Item),
    QuantitySet {
        line: LineId,
        quantity: u32,
        total: Money,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tax: Option<Money>,
    },
    LineRemoved {
        line: LineId,
    },
    DiscountApplied(Discount),
    ShippingSet(Shipping),
    TaxSet {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        line: Option<LineId>,
        amount: Money,
    },
    Placed(Box<Placed>),
    /// What people call it.
    Numbered {
        number: String,
    },
    StockReserved {
        line: LineId,
        stock: StockId,
        reservation: ReservationId,
        quantity: u32,
    },
    /// One payment so far, and all payments together.
    PaymentCovered {
        payment: PaymentId,
        authorised: Money,
        captured: Money,
        total_authorised: Money,
        total_captured: Money,
    },
    /// A person asked for money to be given back. (What the order itself asks for stands in what brings it.)
    RefundAsked {
        refund: RefundId,
        payment: PaymentId,
        amount: Money,
        giving: Giving,
        /// What it is for, where it is for some lines.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        lines: Vec<RefundedLine>,
    },
    /// What a person asked for came to nothing.
    RefundEnded {
        refund: RefundId,
        amount: Money,
        /// What the order would have given back already, had this not been on its way: it is to be given back now.
        owed: Money,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        shares: Vec<Share>,
    },
    /// Money was taken for what then came to nothing, and is given back by whoever took it.
    PaymentUndone {
        payment: PaymentId,
        refund: RefundId,
        amount: Money,
    },
    /// The money of a refund came back, and what all refunds come to without it.
    RefundReversed {
        refund: RefundId,
        amount: Money,
        total_refunded: Money,
    },
    /// One refund that was paid out, and all of them together.
    RefundRecorded {
        refund: RefundId,
        payment: PaymentId,
        amount: Money,
        total_refunded: Money,
    },
    Confirmed {
        basis: Basis,
        customer: CustomerId,
        total: Money,
    },
    Fulfilled {
        fulfilment: FulfilmentId,
        lines: Vec<FulfilledLine>,
        /// Why it may go out unpaid.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        override_unpaid: Option<String>,
    },
    FulfilmentCancelled {
        fulfilment: FulfilmentId,
        lines: Vec<Units>,
    },
    Shipped {
        fulfilment: FulfilmentId,
        lines: Vec<FulfilledLine>,
        /// What left the stock.
        stock: Vec<ReservedUnits>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        carrier: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tracking: Option<String>,
    },
    Delivered {
        fulfilment: FulfilmentId,
        lines: Vec<FulfilledLine>,
    },
    /// What was shipped never arrives: its units are open again.
    ParcelLost {
        fulfilment: FulfilmentId,
        lines: Vec<FulfilledLine>,
    },
    /// What was shipped came back without having been delivered: its units are open again.
    ParcelCameBack {
        fulfilment: FulfilmentId,
        lines: Vec<BackLine>,
        condition: Condition,
    },
    CarrierFactObserved(CarrierFact),
    LinesCancelled {
        reason: CancelReason,
        lines: Vec<CancelledLine>,
        /// What is to be given back: the lines' worth, as far as it was paid.
        refund: Money,
        /// Of which payments, where it is not the order's only one; so of all refunds here.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        shares: Vec<Share>,
        /// What goes back to stock.
        released: Vec<ReservedUnits>,
    },
    /// The order came to nothing. While a checkout is at work (before it is confirmed), it alone gives back
    /// money and stock, and `refund` and `released` are empty.
    Cancelled {
        reason: CancelReason,
        lines: Vec<CancelledLine>,
        shipping: Money,
        refund: Money,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        shares: Vec<Share>,
        released: Vec<ReservedUnits>,
        /// The cart it was made of.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cart: Option<CartId>,
    },
    /// As with [`OrderEvent::Cancelled`], a checkout at work gives back by itself.
    Expired {
        refund: Money,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        shares: Vec<Share>,
        released: Vec<ReservedUnits>,
        /// The cart it was made of.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cart: Option<CartId>,
    },
    /// Every line that was not cancelled is delivered.
    Completed,
    EditBegun,
    /// The edit is to hold once a payment of its own covers what it costs more, and what it takes more from stock is
    /// set aside. Until then nothing of it can be changed.
    EditSettlementBegun {
        /// Under which id the difference is paid, if there is any; it is the settlement's name.
        payment: PaymentId,
        customer: CustomerId,
        amount: Money,
        /// The provider's token of the payment method, where there is something to pay.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        payment_method: Option<String>,
        /// The edit's lines, and what is to be set aside for them.
        lines: Vec<WantedUnits>,
        /// What is agreed to.
        totals_hash: String,
        expires_at: DateTime<Utc>,
    },
    /// It came to nothing: the edit is open as it was before.
    EditSettlementEnded {
        payment: PaymentId,
        reason: Unsettled,
    },
    EditConfirmed {
        /// What it costs more than before, or less.
        delta: Money,
        refund: Money,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        shares: Vec<Share>,
        released: Vec<ReservedUnits>,
        #[serde(flatten)]
        terms: Box<Terms>,
    },
    EditAbandoned {
        released: Vec<ReservedUnits>,
    },
    ReturnRequested {
        return_id: ReturnId,
        lines: Vec<Units>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    ReturnReceived {
        return_id: ReturnId,
        line: LineId,
        sku: Sku,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stock: Option<StockId>,
        quantity: u32,
        condition: Condition,
        /// What these units were sold for.
        amount: Money,
        /// What is to be given back of it: as far as it was paid.
        refund: Money,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        shares: Vec<Share>,
        /// What sending cost, where that is given back along.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        shipping: Option<Money>,
    },
    ReturnDismissed {
        return_id: ReturnId,
        /// What did not come back.
        lines: Vec<Units>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A cancelled or expired order learned something that contradicts it: a case to look into. (Money that a
    /// checkout captured late is given back by that checkout.)
    LateObservation {
        observed: Observed,
    },
}

/// An order as placed: whoever reacts to it needs nothing else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Placed {
    pub customer: CustomerId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The cart it was made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cart: Option<CartId>,
    pub settlement: Settlement,
    /// The provider's token of the payment method a checkout is to use; without one it waits to be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_method: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
    /// What stands before its number, if it is to get one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number_prefix: Option<String>,
    #[serde(flatten)]
    pub terms: Terms,
}

/// The part of a refund that is for one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundedLine {
    pub line: LineId,
    pub amount: Money,
}

/// Units of a line in a parcel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct FulfilledLine {
    pub line: LineId,
    pub sku: Sku,
    pub quantity: u32,
}

/// Units of a line in a parcel that came back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackLine {
    pub line: LineId,
    pub sku: Sku,
    /// Where they go back to; none for what needs no stock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stock: Option<StockId>,
    pub quantity: u32,
}

/// Units of a line that will not be sold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CancelledLine {
    pub line: LineId,
    pub sku: Sku,
    pub quantity: u32,
    /// What they were sold for.
    pub amount: Money,
}

/// Units of a line, and how many of them are still to be set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WantedUnits {
    pub line: LineId,
    /// Where they are to be taken from; none where nothing more is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stock: Option<StockId>,
    pub quantity: u32,
}

/// Units of a reservation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservedUnits {
    pub line: LineId,
    pub stock: StockId,
    pub reservation: ReservationId,
    pub quantity: u32,
}

/// What a closed order learned too late.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = OrderObservation))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Observed {
    /// `amount` is what came on top of what was captured before.
    Captured {
        payment: PaymentId,
        amount: Money,
        authorised: Money,
        captured: Money,
    },
    Authorised {
        payment: PaymentId,
        authorised: Money,
    },
    Reserved {
        line: LineId,
        stock: StockId,
        reservation: ReservationId,
        quantity: u32,
    },
    Carrier {
        fact: CarrierFactKind,
        at: DateTime<Utc>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fulfilment: Option<FulfilmentId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tracking: Option<String>,
    },
}

impl Event for OrderEvent {}
