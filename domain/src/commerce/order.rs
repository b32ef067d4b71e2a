//! Orders: what a customer buys, from a draft to the last parcel and what comes back of it.
//!
//! One aggregate owns every counter of every line, since their rules cross: shipped ≤ fulfilled ≤ ordered −
//! cancelled, returned ≤ delivered, and nothing ships unpaid unless a person says why. Payment, fulfilment and
//! return status are derived (`status`). Cancelled and expired orders stay so: what is learned afterwards is a
//! late observation. A request that already took effect decides nothing.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use strum::AsRefStr;

use crate::ids::{
    CartId, CustomerId, FulfilmentId, LineId, OrderId, PaymentId, RefundId, ReservationId, ReturnId,
};
use crate::kernel::Decider;
use crate::money::{Currency, Money};
use crate::sourced;

mod balance;
mod books;
mod cancel;
mod confirm;
mod contents;
mod draft;
mod edit;
mod event;
mod evolve;
#[cfg(test)]
mod examples;
mod fulfil;
#[cfg(test)]
mod invariants;
mod parcel;
#[cfg(test)]
mod pinned;
mod place;
mod refusal;
mod returning;
mod shares;
mod state;
mod status;

pub use balance::{Balance, Giving};
pub use books::Books;
pub use contents::{Contents, Discount, Item, Line, Shipping, Terms};
pub use event::{
    BackLine, CancelledLine, FulfilledLine, Observed, OrderEvent, Placed, RefundedLine, ReservedUnits,
    WantedUnits,
};
pub use refusal::OrderRefusal;
pub use shares::Share;
pub use state::Order;
pub use status::{Counters, FulfilmentStatus, PaymentStatus, ReturnStatus};

/// What may be asked of an order.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum OrderCommand {
    CreateDraft {
        customer: CustomerId,
        currency: Currency,
        /// The seller's or the source's own number for it.
        reference: Option<String>,
    },
    /// Of a draft or of an open edit, as are all down to [`OrderCommand::SetTax`].
    AddLine(Item),
    /// The total comes from the unit price; a line without one needs to be told.
    SetQuantity {
        line: LineId,
        quantity: u32,
        total: Option<Money>,
        tax: Option<Money>,
    },
    RemoveLine {
        line: LineId,
    },
    /// One given amount off the whole order; an amount of 0 takes the discount away.
    ApplyDiscount(Discount),
    SetShipping(Shipping),
    /// Of one line, or of the whole order (spread over its lines when placed).
    SetTax {
        line: Option<LineId>,
        amount: Money,
    },
    Place(Placing),
    /// Draft and place at once.
    Submit(Box<Submission>),
    /// Told: what people call it.
    Number {
        number: String,
    },
    /// Told: units are set aside for a line.
    RecordReservation {
        line: LineId,
        reservation: ReservationId,
        quantity: u32,
    },
    /// Told: what a payment has authorised and captured so far, in all.
    RecordPayment {
        payment: PaymentId,
        authorised: Money,
        captured: Money,
    },
    /// A person says that some of what is on credit was paid.
    MarkPaid {
        payment: PaymentId,
        amount: Money,
    },
    /// A person wants money given back: it is set aside from what is held.
    AskRefund {
        refund: RefundId,
        payment: PaymentId,
        amount: Money,
        giving: Giving,
        /// What it is for, where it is for some lines.
        lines: Vec<RefundedLine>,
    },
    /// Told: a refund has come to nothing.
    EndRefund {
        refund: RefundId,
    },
    /// Told: a refund has left.
    RecordRefund {
        refund: RefundId,
        payment: PaymentId,
        amount: Money,
    },
    /// Told: the money of a refund came back.
    ReverseRefund {
        refund: RefundId,
    },
    /// Told: money was taken for what came to nothing, and is given back under this refund.
    UndoPayment {
        payment: PaymentId,
        refund: RefundId,
        amount: Money,
    },
    Confirm {
        basis: Basis,
    },
    /// Set units together for one parcel.
    Fulfil {
        fulfilment: FulfilmentId,
        lines: Vec<Units>,
        /// Why it may go out unpaid.
        override_unpaid: Option<String>,
    },
    CancelFulfilment {
        fulfilment: FulfilmentId,
    },
    Ship {
        fulfilment: FulfilmentId,
        carrier: Option<String>,
        tracking: Option<String>,
    },
    Deliver {
        fulfilment: FulfilmentId,
    },
    /// What went out never arrives: its units are to be sent again or cancelled.
    LoseParcel {
        fulfilment: FulfilmentId,
    },
    /// What went out came back unopened: its units are to be sent again or cancelled.
    TakeParcelBack {
        fulfilment: FulfilmentId,
        condition: Condition,
    },
    /// Units of a line are set aside that have to leave once more.
    Reserve {
        line: LineId,
        reservation: ReservationId,
        quantity: u32,
    },
    /// Told: what a carrier says, in whatever order, also before the order is confirmed.
    RecordCarrierFact(CarrierFact),
    CancelLines {
        lines: Vec<Units>,
        reason: CancelReason,
    },
    Cancel {
        reason: CancelReason,
    },
    Expire {
        at: DateTime<Utc>,
    },
    BeginEdit,
    /// The edit holds from now on, if nothing is owed for it and all is reserved; else it is settled first, where it
    /// is said how.
    ConfirmEdit {
        totals_hash: Option<String>,
        settling: Option<Settling>,
    },
    /// Told: what an edit costs and takes more is paid and reserved.
    CompleteEdit {
        payment: PaymentId,
        captured: Option<Money>,
        reserved: Vec<ReservedLine>,
    },
    /// Told: it cannot be.
    EndEditSettlement {
        payment: PaymentId,
        reason: Unsettled,
    },
    AbandonEdit,
    RequestReturn {
        return_id: ReturnId,
        lines: Vec<Units>,
        reason: Option<String>,
    },
    ReceiveReturn {
        return_id: ReturnId,
        line: LineId,
        quantity: u32,
        condition: Condition,
        /// Whether what sending cost is given back along, if everything came back with this.
        refund_shipping: bool,
    },
    /// What has not come back is not expected any more.
    DismissReturn {
        return_id: ReturnId,
        reason: Option<String>,
    },
}

/// How an order is placed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Placing {
    /// The totals the customer agreed to ([`Terms::totals_hash`]): refused if they are others by now.
    pub totals_hash: Option<String>,
    /// The provider's token of a payment method; without one a checkout waits to be told.
    pub payment_method: Option<String>,
    /// When the order expires, if it is not confirmed by then.
    pub expires_at: Option<DateTime<Utc>>,
    pub settlement: Settlement,
    /// What stands before its number, if it is to get one.
    pub number_prefix: Option<String>,
    pub at: DateTime<Utc>,
}

/// A whole order at once.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Submission {
    pub customer: CustomerId,
    pub reference: Option<String>,
    /// What it was made of.
    pub cart: Option<CartId>,
    pub contents: Contents,
    pub placing: Placing,
}

/// How an edit is settled that costs more or takes more from stock.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Settling {
    /// Under which id the difference is paid.
    pub payment: PaymentId,
    /// The provider's token of a payment method; not needed where nothing is to be paid.
    pub payment_method: Option<String>,
    pub expires_at: DateTime<Utc>,
}

/// Units that are set aside for a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ReservedLine {
    pub line: LineId,
    pub reservation: ReservationId,
    pub quantity: u32,
}

/// Why what an edit costs and takes more was not settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, AsRefStr)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = EditUnsettled))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Unsettled {
    OutOfStock,
    PaymentFailed,
    Expired,
    /// The edit was abandoned or the order cancelled meanwhile.
    Withdrawn,
    /// The order did not take it any more.
    Refused,
}

/// Some units of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = OrderUnits))]
pub struct Units {
    pub line: LineId,
    pub quantity: u32,
}

/// What a carrier says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct CarrierFact {
    pub kind: CarrierFactKind,
    pub at: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fulfilment: Option<FulfilmentId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracking: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CarrierFactKind {
    HandedOver,
    InTransit,
    OutForDelivery,
    Delivered,
    Failed,
    Lost,
    Returned,
}

/// Who sees to stock and money of a placed order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, AsRefStr)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = OrderSettlement))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Settlement {
    /// A checkout reserves, takes the money and confirms; until then it also undoes what it did.
    Checkout,
    /// The seller gives credit: payment follows later.
    CreditTerms,
    /// It happened elsewhere and is only written down here.
    Recorded,
}

/// Why an order may be confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, AsRefStr)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = OrderBasis))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Basis {
    Authorised,
    Captured,
    Free,
    CreditTerms,
    Recorded,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, AsRefStr)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = OrderCancelReason))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum CancelReason {
    Customer,
    Seller,
    OutOfStock,
    PaymentFailed,
    Fraud,
}

/// How returned goods arrive: damaged ones are written off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, AsRefStr)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = ReturnCondition))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Condition {
    Good,
    Damaged,
}

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, AsRefStr)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = OrderStatus))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Phase {
    Draft,
    Placed,
    Confirmed,
    Completed,
    Cancelled,
    Expired,
}

impl Decider for Order {
    const NAME: &'static str = "commerce.order";
    type Id = OrderId;
    type Command = OrderCommand;
    type Event = OrderEvent;
    type Refusal = OrderRefusal;

    fn decide(&self, command: OrderCommand) -> Result<Vec<OrderEvent>, OrderRefusal> {
        use OrderCommand as C;
        match command {
            C::CreateDraft { customer, currency, reference } => self.create(customer, currency, reference),
            C::AddLine(item) => self.add_line(item),
            C::SetQuantity { line, quantity, total, tax } => self.set_quantity(line, quantity, total, tax),
            C::RemoveLine { line } => self.remove_line(line),
            C::ApplyDiscount(discount) => self.apply_discount(discount),
            C::SetShipping(shipping) => self.set_shipping(shipping),
            C::SetTax { line, amount } => self.set_tax(line, amount),
            C::Place(placing) => self.place(&placing),
            C::Submit(submission) => self.submit(*submission),
            C::Number { number } => self.number(number),
            C::RecordReservation { line, reservation, quantity } => {
                self.record_reservation(line, reservation, quantity)
            }
            C::RecordPayment { payment, authorised, captured } => {
                self.record_payment(payment, authorised, captured)
            }
            C::MarkPaid { payment, amount } => self.mark_paid(payment, amount),
            C::AskRefund { refund, payment, amount, giving, lines } => {
                self.ask_refund(refund, payment, amount, giving, lines)
            }
            C::EndRefund { refund } => self.end_refund(refund),
            C::RecordRefund { refund, payment, amount } => self.record_refund(refund, payment, amount),
            C::ReverseRefund { refund } => self.reverse_refund(refund),
            C::UndoPayment { payment, refund, amount } => self.undo_payment(payment, refund, amount),
            C::Confirm { basis } => self.confirm(basis),
            C::Fulfil { fulfilment, lines, override_unpaid } => {
                self.fulfil(fulfilment, &lines, override_unpaid)
            }
            C::CancelFulfilment { fulfilment } => self.cancel_fulfilment(fulfilment),
            C::Ship { fulfilment, carrier, tracking } => self.ship(fulfilment, carrier, tracking),
            C::Deliver { fulfilment } => self.deliver(fulfilment),
            C::LoseParcel { fulfilment } => self.lose_parcel(fulfilment),
            C::TakeParcelBack { fulfilment, condition } => self.take_parcel_back(fulfilment, condition),
            C::Reserve { line, reservation, quantity } => self.reserve_again(line, reservation, quantity),
            C::RecordCarrierFact(fact) => self.record_carrier_fact(fact),
            C::CancelLines { lines, reason } => self.cancel_lines(&lines, reason),
            C::Cancel { reason } => self.cancel(reason),
            C::Expire { at } => self.expire(at),
            C::BeginEdit => self.begin_edit(),
            C::ConfirmEdit { totals_hash, settling } => self.confirm_edit(totals_hash.as_deref(), settling),
            C::CompleteEdit { payment, captured, reserved } => {
                self.complete_edit(payment, captured, &reserved)
            }
            C::EndEditSettlement { payment, reason } => self.end_edit_settlement(payment, reason),
            C::AbandonEdit => self.abandon_edit(),
            C::RequestReturn { return_id, lines, reason } => self.request_return(return_id, &lines, reason),
            C::ReceiveReturn { return_id, line, quantity, condition, refund_shipping } => {
                self.receive_return(return_id, Units { line, quantity }, condition, refund_shipping)
            }
            C::DismissReturn { return_id, reason } => self.dismiss_return(return_id, reason),
        }
    }

    fn evolve(&mut self, event: OrderEvent) {
        self.take_in(event);
    }
}

sourced!(Order, OrderEvent);
