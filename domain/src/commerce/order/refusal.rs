//! Refusals: why an order says no.

use strum::AsRefStr;

use crate::ids::{FulfilmentId, LineId, PaymentId, RefundId, ReturnId};
use crate::kernel::{Kind, Refusal};
use crate::money::{Currency, Money, Unreckonable};
use crate::text::is_blank;

/// Why an order says no.
#[derive(Debug, Clone, PartialEq, thiserror::Error, AsRefStr)]
#[strum(serialize_all = "snake_case")]
pub enum OrderRefusal {
    #[error("no such order")]
    Unknown,
    #[error("the order has no line {0}")]
    UnknownLine(LineId),
    #[error("the order has no fulfilment {0}")]
    UnknownFulfilment(FulfilmentId),
    #[error("the order has no return {0}")]
    UnknownReturn(ReturnId),

    #[error("there is such an order already")]
    AlreadyCreated,
    #[error("the order is placed already")]
    AlreadyPlaced,
    #[error("the order is neither a draft nor being edited")]
    NotOpen,
    #[error("the order is still a draft")]
    NotPlaced,
    #[error("line {0} was there before")]
    LineExists(LineId),
    #[error("the totals are others by now: their hash is {0}")]
    TotalsChanged(String),
    #[error("the order is confirmed already")]
    AlreadyConfirmed,
    #[error("the order is not confirmed")]
    NotConfirmed,
    #[error(
        "the order is not paid: {held} is held of {owed} that is owed; have the rest paid, cancel what is not to be \
         sent, or pack it with override_unpaid and say why"
    )]
    NotPaid { owed: Money, held: Money },
    #[error("the order is paid: it does not expire")]
    AlreadyPaid,
    #[error("the order is not free")]
    NotFree,
    #[error("the order was not placed to be settled so")]
    OtherSettlement,
    #[error("too little stock is reserved for line {0}")]
    NotReserved(LineId),
    #[error("line {0} takes nothing from stock")]
    NotStocked(LineId),
    #[error("the order does not expire yet")]
    NotDue,
    #[error("the order is cancelled")]
    Cancelled,
    #[error("the order has expired")]
    Expired,
    #[error("the order is completed")]
    Completed,
    #[error("goods of the order are fulfilled already")]
    AlreadyFulfilled,
    #[error("lines of the order were cancelled already")]
    LinesCancelled,
    #[error("only {open} units of line {line} are left to be {to}: name no more than those")]
    TooMany { line: LineId, open: u64, to: &'static str },
    #[error("fulfilment {0} is another one already")]
    FulfilmentExists(FulfilmentId),
    #[error("the goods are shipped already")]
    AlreadyShipped,
    #[error("the goods are not shipped")]
    NotShipped,
    #[error("the goods are delivered already: have them returned")]
    AlreadyDelivered,
    #[error("the parcel was lost or came back: pack its units anew")]
    ParcelGone,
    #[error("the order is being edited")]
    Editing,
    #[error("the order is not being edited")]
    NotEditing,
    #[error("what the edit costs is being paid and reserved: wait for it, or abandon the edit")]
    EditSettling,
    #[error("this edit is not being paid and reserved")]
    NotSettling,
    #[error(
        "what the edit costs more is not paid: {held} is held of {owed} that would be owed; name a payment_method \
         to have the rest paid with it"
    )]
    EditDifferenceUnpaid { owed: Money, held: Money },
    #[error("return {0} is another one already")]
    ReturnExists(ReturnId),
    #[error("refund {0} is another one already")]
    RefundExists(RefundId),
    #[error("only {0} is left to be paid: mark no more than that")]
    ExceedsOwed(Money),
    #[error("payment {0} is another one already")]
    PaymentExists(PaymentId),
    #[error("only {0} of what was paid is left to give back: ask for no more than that")]
    ExceedsHeld(Money),
    #[error("only {left} of what line {line} cost is left to give back: ask for no more than that")]
    ExceedsLine { line: LineId, left: Money },

    #[error("line {0} is not of this order: name its own lines, or none")]
    RefundOfUnknownLine(LineId),
    #[error("an order that a checkout settles names a payment method, unless it is free")]
    PaymentMethodRequired,
    #[error("an order has at least one line")]
    Empty,
    #[error("an order has at most {0} lines")]
    TooManyLines(usize),
    #[error("line {0} is named twice")]
    NamedTwice(LineId),
    #[error("a quantity is 1 to 1000000")]
    QuantityOutOfRange,
    #[error("{0} is at most {1} characters")]
    TooLong(&'static str, usize),
    #[error("{0} is missing")]
    Blank(&'static str),
    #[error("the order is in {0}")]
    OtherCurrency(Currency),
    #[error("an amount is not negative")]
    NegativeAmount,
    #[error("an amount is out of range: {} minor units is the most", Money::MOST)]
    AmountOutOfRange,
    #[error("the line's total is not quantity times unit price")]
    TotalMismatch,
    #[error("the line has no unit price: its new total is needed")]
    TotalMissing,
    #[error("the discount exceeds what is sold")]
    DiscountTooLarge,
    #[error("more is captured than authorised")]
    CapturedExceedsAuthorised,
    #[error("the order would expire before it is placed")]
    ExpiresTooEarly,
    #[error("too much of this is on record for one order")]
    TooManyRecords,
}

impl From<Unreckonable> for OrderRefusal {
    fn from(reason: Unreckonable) -> Self {
        match reason {
            Unreckonable::CurrencyMismatch(ours, _) => Self::OtherCurrency(ours),
            Unreckonable::Overflow | Unreckonable::NoWeights => Self::AmountOutOfRange,
        }
    }
}

impl Refusal for OrderRefusal {
    fn kind(&self) -> Kind {
        match self {
            Self::Unknown | Self::UnknownLine(_) | Self::UnknownFulfilment(_) | Self::UnknownReturn(_) => {
                Kind::Missing
            }
            Self::Empty
            | Self::TooManyLines(_)
            | Self::NamedTwice(_)
            | Self::QuantityOutOfRange
            | Self::TooLong(..)
            | Self::Blank(_)
            | Self::OtherCurrency(_)
            | Self::NegativeAmount
            | Self::AmountOutOfRange
            | Self::TotalMismatch
            | Self::TotalMissing
            | Self::DiscountTooLarge
            | Self::CapturedExceedsAuthorised
            | Self::ExpiresTooEarly
            | Self::TooManyRecords
            | Self::RefundOfUnknownLine(_)
            | Self::PaymentMethodRequired => Kind::Invalid,
            _ => Kind::Conflict,
        }
    }
}

/// A text that is not blank and not too long.
pub(super) fn text(what: &'static str, text: &str, most: usize) -> Result<(), OrderRefusal> {
    match text {
        blank if is_blank(blank) => Err(OrderRefusal::Blank(what)),
        long if long.chars().count() > most => Err(OrderRefusal::TooLong(what, most)),
        _ => Ok(()),
    }
}

/// A text that may be left out.
pub(super) fn optional(what: &'static str, given: Option<&str>, most: usize) -> Result<(), OrderRefusal> {
    given.map_or(Ok(()), |given| text(what, given, most))
}
