//! Checkout: takes one placed order to confirmed, or undoes all it did.
//!
//! reserve every line → authorise → commit every reservation → capture → confirm. (Where nothing is to be paid, or not
//! now, without the second and the fourth.) It is told facts and emits
//! requests; what is requested next follows from its state alone, so each request is made once, whatever is told
//! twice, late or out of order. Once something fails it is closing: whatever is or later turns out to be reserved,
//! committed, authorised or captured is released, voided or refunded, also long after it has closed.
//!
//! | what fails | it is closing because of |
//! |---|---|
//! | a reservation is refused, or lost when the money is there | `out_of_stock` |
//! | fraud, too little authorised or captured, capture failed, authorisation gone, reservation lost while unpaid | `payment_failed` |
//! | any other decline | nothing yet: another attempt may follow until the order expires, after a hard one with another method |
//! | the order's time runs out before a capture was requested | `expired` |
//! | the order is cancelled or expires by itself | `order_closed` |
//! | the order does not let itself be confirmed | `not_confirmed` |
//!
//! What cannot be undone, or gets no answer, is a case for a person; the answer may still come afterwards.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use strum::AsRefStr;

use crate::ids::{
    AttemptId, CheckoutId, CustomerId, LineId, OrderId, PaymentId, RefundId, ReservationId, StockId,
};
use crate::kernel::{Decider, Kind, Refusal};
use crate::money::Money;
use crate::sourced;

mod event;
#[cfg(test)]
mod examples;
mod fact;
mod next;
#[cfg(test)]
mod pinned;
mod state;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod undoing;
#[cfg(test)]
mod world;

pub use event::CheckoutEvent;
pub use state::Checkout;

/// What a checkout is told.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum CheckoutCommand {
    Begin(Box<Beginning>),
    RecordReserved {
        line: LineId,
    },
    RecordReservationRefused {
        line: LineId,
        reason: String,
    },
    /// The reservation ran out before it was committed.
    RecordReservationExpired {
        line: LineId,
    },
    RecordCommitted {
        line: LineId,
    },
    /// The reservation is not there any more.
    RecordCommitRefused {
        line: LineId,
        reason: String,
    },
    RecordReleased {
        line: LineId,
    },
    RecordReleaseRefused {
        line: LineId,
        reason: String,
    },
    RecordAuthorised {
        amount: Money,
    },
    RecordDeclined {
        attempt: AttemptId,
        class: DeclineClass,
        code: String,
    },
    /// The buyer tries again after a decline.
    RetryPayment {
        method: String,
    },
    RecordCaptured {
        amount: Money,
    },
    RecordCaptureFailed {
        code: String,
    },
    /// The payment holds nothing and will not: voided, cancelled or expired.
    RecordVoided,
    RecordVoidFailed {
        code: String,
    },
    RecordRefunded,
    RecordRefundFailed {
        code: String,
    },
    /// Whoever asked the provider again and again has given up. (A payment whose outcome is not known yet is
    /// simply waited for.)
    RecordPaymentUnresolved,
    RecordConfirmed,
    RecordConfirmRefused {
        reason: String,
    },
    RecordOrderClosed {
        how: OrderClosure,
    },
    /// The order was neither cancelled nor expired as requested.
    RecordCloseRefused {
        reason: String,
    },
    /// The time for paying has run out.
    Expire {
        at: DateTime<Utc>,
    },
}

/// What a checkout needs to know of its order. The ids are those under which stock and payment are asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Beginning {
    pub order: OrderId,
    pub customer: CustomerId,
    pub lines: Vec<CheckoutLine>,
    pub total: Money,
    pub payment: PaymentId,
    /// The payment provider's token.
    pub payment_method: String,
    /// The refund there will be, should it come to one.
    pub refund: RefundId,
    pub reservation_expires_at: DateTime<Utc>,
    /// When the order expires.
    pub expires_at: DateTime<Utc>,
    /// It is paid later: nothing is asked for now, and the total is 0.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub on_credit: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckoutLine {
    pub line: LineId,
    /// None: nothing is to be reserved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stock: Option<StockId>,
    pub quantity: u32,
    pub reservation: ReservationId,
}

/// Units under a reservation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Units {
    pub line: LineId,
    pub stock: StockId,
    pub reservation: ReservationId,
    pub quantity: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeclineClass {
    /// Another attempt may succeed.
    Soft,
    /// No attempt with this method will.
    Hard,
    /// No attempt will.
    Fraud,
    /// Our own configuration is at fault.
    Config,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderClosure {
    Cancelled,
    Expired,
}

/// Why a checkout comes to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, AsRefStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum ClosingReason {
    OutOfStock,
    PaymentFailed,
    Expired,
    OrderClosed,
    NotConfirmed,
}

/// What a person has to look into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, AsRefStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Case {
    PaymentUnresolved,
    NotVoided,
    NotRefunded,
    NotReleased,
    OrderNotClosed,
    /// The order was confirmed by somebody else, before all was done.
    ConfirmedElsewhere,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    Captured,
    Free,
    CreditTerms,
}

/// Why a checkout says no.
#[derive(Debug, Clone, PartialEq, thiserror::Error, AsRefStr)]
#[strum(serialize_all = "snake_case")]
pub enum CheckoutRefusal {
    #[error("no such checkout")]
    Unknown,
    #[error("the checkout has no line {0} to reserve")]
    UnknownLine(LineId),
    #[error("there is another checkout under this id")]
    AlreadyBegun,
    #[error("the time for paying has not run out")]
    NotDue,
    #[error("no payment is waiting to be tried again")]
    NothingToRetry,
    #[error("this method was declined for good: pay with another one")]
    MethodDeclined,
    #[error("the order can no longer be paid: it is confirmed, cancelled or expired")]
    Over,
    #[error("an order has at least one line")]
    Empty,
    #[error("line {0} is named twice")]
    NamedTwice(LineId),
    #[error("a total is not negative")]
    NegativeTotal,
}

impl Refusal for CheckoutRefusal {
    fn kind(&self) -> Kind {
        match self {
            Self::Unknown | Self::UnknownLine(_) => Kind::Missing,
            Self::AlreadyBegun | Self::NotDue | Self::NothingToRetry | Self::MethodDeclined | Self::Over => {
                Kind::Conflict
            }
            Self::Empty | Self::NamedTwice(_) | Self::NegativeTotal => Kind::Invalid,
        }
    }
}

impl Decider for Checkout {
    const NAME: &'static str = "commerce.checkout";
    type Id = CheckoutId;
    type Command = CheckoutCommand;
    type Event = CheckoutEvent;
    type Refusal = CheckoutRefusal;

    /// What is told becomes a fact, unless it was known; then comes whatever that makes due.
    fn decide(&self, command: CheckoutCommand) -> Result<Vec<CheckoutEvent>, CheckoutRefusal> {
        let Some(fact) = self.fact(command)? else { return Ok(vec![]) };
        let mut then = self.clone();
        then.take_in(fact.clone());
        let mut events = vec![fact];
        loop {
            let due = then.next();
            if due.is_empty() {
                return Ok(events);
            }
            due.iter().cloned().for_each(|event| then.take_in(event));
            events.extend(due);
        }
    }

    fn evolve(&mut self, event: CheckoutEvent) {
        self.take_in(event);
    }
}

sourced!(Checkout, CheckoutEvent);
