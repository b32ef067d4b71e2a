//! Why an invoice says no.

use chrono::NaiveDate;
use strum::AsRefStr;

use super::{CreditSource, MAX_ITEMS, MAX_NUMBER, MAX_TEXT};
use crate::currency::NotInUse;
use crate::ids::{AllocationId, CreditNoteId, InvoiceItemId, PaymentId, TaxCode};
use crate::money::{Currency, Money, Unreckonable};

/// Why an invoice says no.
#[derive(Debug, PartialEq, thiserror::Error, AsRefStr)]
#[strum(serialize_all = "snake_case")]
pub enum InvoiceRefusal {
    #[error("no such invoice")]
    Unknown,
    #[error("the invoice exists already, with other terms")]
    AlreadyDrafted,
    #[error("nothing new is in this currency: {0}")]
    CurrencyNotInUse(NotInUse),
    #[error("the invoice is in {0}")]
    OtherCurrency(Currency),
    #[error("an amount is more than 0")]
    InvalidAmount,
    #[error("an amount is at most {} minor units, up or down", Money::MOST)]
    AmountOutOfRange,
    #[error("a description or a reason has 1 to {MAX_TEXT} characters and is not blank")]
    InvalidText,
    #[error("a number has 1 to {MAX_NUMBER} characters and is not blank")]
    InvalidNumber,
    #[error("a quantity is more than 0")]
    InvalidQuantity,
    #[error("a period ends after it begins, and names what is charged")]
    InvalidPeriod,
    #[error("a tax that is given is of the sign of its amount, and no more than it")]
    InvalidTax,
    #[error("each code has one rate, and is one of the invoice's")]
    InvalidRates,
    #[error("it is due on the day it is issued, or later")]
    InvalidDates,
    #[error("{0} is there already, with other contents")]
    ItemTaken(InvoiceItemId),
    #[error("there is no item {0}")]
    UnknownItem(InvoiceItemId),
    #[error("an invoice has at most {MAX_ITEMS} items")]
    TooManyItems,
    #[error("{0} is billed for a part of this time already")]
    PeriodAlreadyBilled(String),
    #[error("an invoice has at least one item")]
    NoItems,
    #[error("the rate of {0} is not known yet")]
    TaxPending(TaxCode),
    #[error("the tax of {0} could not be found out: record it")]
    TaxFailed(TaxCode),
    #[error("it comes to {0}: what is owed to the customer is credited")]
    NegativeTotal(Money),
    #[error("the invoice is final: credit what is wrong")]
    InvoiceImmutable,
    #[error("the invoice is not final yet")]
    NotFinal,
    #[error("the invoice is over")]
    Closed,
    #[error("only {0} is due")]
    OverAllocated(Money),
    #[error("{0} was allocated already, on other terms")]
    AllocationTaken(AllocationId),
    #[error("this credit was applied already, with another amount: {0:?}")]
    CreditTaken(CreditSource),
    #[error("{0} was issued already, on other terms")]
    CreditNoteTaken(CreditNoteId),
    #[error("credit, refund and offset are 0 or more, and add up to the items, each named once")]
    DoesNotAddUp,
    #[error("only {left} of {item} can be credited")]
    ExceedsItem { item: InvoiceItemId, left: Money },
    #[error("only {0} was paid and not given back")]
    ExceedsPaid(Money),
    #[error("only {left} of {payment} is allocated here")]
    ExceedsAllocated { payment: PaymentId, left: Money },
    #[error("something was paid or credited: credit the rest")]
    AlreadyPaid,
    #[error("it is due on {0}")]
    NotDue(NaiveDate),
}

impl From<Unreckonable> for InvoiceRefusal {
    fn from(no: Unreckonable) -> Self {
        match no {
            Unreckonable::CurrencyMismatch(ours, _) => Self::OtherCurrency(ours),
            Unreckonable::Overflow | Unreckonable::NoWeights => Self::AmountOutOfRange,
        }
    }
}
