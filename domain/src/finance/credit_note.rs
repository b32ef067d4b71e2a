//! Credit note: what a customer is given back of an invoice, and what became of it.
//!
//! `Draft → Final → Consumed | Voided`. It is in three parts: what is kept as credit, what is paid back, and what is
//! taken off what is due. The last takes effect with the number; a credit is used up in parts, a refund is paid in
//! parts, and when nothing of either is left, the note is consumed. The invoice says how much may be credited: a note
//! becomes final in the same append in which the invoice takes it in. Voiding gives up what is left of the credit; what
//! is to be paid back cannot be given up.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use strum::{AsRefStr, EnumString};

use crate::ids::{
    BillingEntityId, CreditNoteId, CustomerId, InvoiceId, InvoiceItemId, LedgerTransactionId, LotId, RefundId,
};
use crate::kernel::{Decider, Event, Kind, Refusal};
use crate::money::{Currency, Money, Unreckonable};
use crate::sourced;
use crate::tax::Taxed;
use crate::text::is_blank;

#[cfg(test)]
mod tests;

/// The longest reason and number, in characters.
pub const MAX_TEXT: usize = 500;
pub const MAX_NUMBER: usize = 40;

/// How much of an item of the invoice is credited, with its tax.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct CreditNoteItem {
    pub item: InvoiceItemId,
    pub amount: Money,
}

/// The same, taken apart as the invoice says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct CreditNoteLine {
    pub item: InvoiceItemId,
    #[serde(flatten)]
    pub taxed: Taxed,
}

/// What is credited to whom, and in which parts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CreditNoteTerms {
    pub invoice: InvoiceId,
    pub customer: CustomerId,
    pub billing_entity: BillingEntityId,
    pub reason: String,
    pub items: Vec<CreditNoteItem>,
    pub credit: Money,
    pub refund: Money,
    pub offset: Money,
}

impl CreditNoteTerms {
    fn currency(&self) -> Currency {
        self.credit.currency
    }
}

/// What a part of a credit was used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CreditUse {
    Invoice(InvoiceId),
    /// Put into a wallet.
    Lot(LotId),
}

/// What may be asked of a credit note.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum CreditNoteCommand {
    Draft(Box<CreditNoteTerms>),
    Finalise {
        number: String,
        issue_date: NaiveDate,
        lines: Vec<CreditNoteLine>,
        ledger_transaction: Option<LedgerTransactionId>,
    },
    /// Use a part of the credit.
    Use {
        of: CreditUse,
        amount: Money,
    },
    /// A part of the refund was paid out.
    RecordRefunded {
        refund: RefundId,
        amount: Money,
    },
    Void {
        reason: String,
    },
}

/// What has happened to a credit note.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AsRefStr)]
#[serde(tag = "type")]
pub enum CreditNoteEvent {
    Drafted(Box<CreditNoteTerms>),
    Finalised {
        number: String,
        issue_date: NaiveDate,
        invoice: InvoiceId,
        customer: CustomerId,
        lines: Vec<CreditNoteLine>,
        net: Money,
        tax: Money,
        credit: Money,
        refund: Money,
        offset: Money,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ledger_transaction: Option<LedgerTransactionId>,
    },
    Used {
        of: CreditUse,
        amount: Money,
        left: Money,
    },
    Refunded {
        refund: RefundId,
        amount: Money,
        left: Money,
    },
    Consumed {
        invoice: InvoiceId,
    },
    /// With what was left of the credit.
    Voided {
        invoice: InvoiceId,
        amount: Money,
        reason: String,
    },
}

/// How a credit note stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, AsRefStr, EnumString)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum CreditNoteStatus {
    Draft,
    Final,
    Consumed,
    Voided,
}

/// Why a credit note says no.
#[derive(Debug, PartialEq, thiserror::Error, AsRefStr)]
#[strum(serialize_all = "snake_case")]
pub enum CreditNoteRefusal {
    #[error("no such credit note")]
    Unknown,
    #[error("the credit note exists already, with other terms")]
    AlreadyDrafted,
    #[error("an amount is more than 0")]
    InvalidAmount,
    #[error("an amount is at most {} minor units", Money::MOST)]
    AmountOutOfRange,
    #[error("the credit note is in {0}")]
    OtherCurrency(Currency),
    #[error("credit, refund and offset are 0 or more, and add up to the items, each named once")]
    DoesNotAddUp,
    #[error("a reason has 1 to {MAX_TEXT} characters and is not blank")]
    InvalidReason,
    #[error("a number has 1 to {MAX_NUMBER} characters and is not blank")]
    InvalidNumber,
    #[error("the lines are not those that were drafted")]
    OtherLines,
    #[error("the credit note is final: what is wrong is invoiced again")]
    Immutable,
    #[error("the credit note is not final yet")]
    NotFinal,
    #[error("the credit note is over")]
    Closed,
    #[error("only {0} of the credit is left")]
    ExceedsCredit(Money),
    #[error("only {0} is still to be paid back")]
    ExceedsRefund(Money),
    #[error("this was recorded already, with another amount")]
    AlreadyRecorded,
    #[error("{0} is still to be paid back")]
    RefundOwed(Money),
}

impl From<Unreckonable> for CreditNoteRefusal {
    fn from(no: Unreckonable) -> Self {
        match no {
            Unreckonable::CurrencyMismatch(ours, _) => Self::OtherCurrency(ours),
            Unreckonable::Overflow | Unreckonable::NoWeights => Self::AmountOutOfRange,
        }
    }
}

/// A credit note, as far as its rules need to remember it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct CreditNote {
    status: Option<CreditNoteStatus>,
    terms: Option<CreditNoteTerms>,
    number: Option<String>,
    uses: Vec<(CreditUse, Money)>,
    refunds: BTreeMap<RefundId, Money>,
}

type Decided = Result<Vec<CreditNoteEvent>, CreditNoteRefusal>;

fn is_text(text: &str, most: usize) -> bool {
    !is_blank(text) && text.chars().count() <= most
}

fn draft(terms: Box<CreditNoteTerms>) -> Decided {
    use CreditNoteRefusal as No;
    let currency = terms.currency();
    let parts = [terms.credit, terms.refund, terms.offset];
    let whole = Money::sum(currency, terms.items.iter().map(|item| item.amount))?;
    let adds_up = Money::sum(currency, parts)? == whole;
    let is_twice = |(place, item): (usize, &CreditNoteItem)| {
        terms.items[..place].iter().any(|other| other.item == item.item)
    };
    match () {
        () if !is_text(&terms.reason, MAX_TEXT) => Err(No::InvalidReason),
        () if terms.items.iter().any(|item| item.amount.amount <= 0) => Err(No::InvalidAmount),
        () if terms.items.is_empty() || terms.items.iter().enumerate().any(is_twice) => Err(No::DoesNotAddUp),
        () if !adds_up || parts.iter().any(|part| part.is_negative()) => Err(No::DoesNotAddUp),
        () if !whole.is_in_range() => Err(No::AmountOutOfRange),
        () => Ok(vec![CreditNoteEvent::Drafted(terms)]),
    }
}

impl CreditNote {
    /// How it stands; `None` before it exists.
    #[must_use]
    pub fn status(&self) -> Option<CreditNoteStatus> {
        self.status
    }

    /// Its terms; `None` before it exists.
    #[must_use]
    pub fn terms(&self) -> Option<&CreditNoteTerms> {
        self.terms.as_ref()
    }

    fn credit_left(&self, terms: &CreditNoteTerms) -> Result<Money, Unreckonable> {
        terms.credit.minus(Money::sum(terms.currency(), self.uses.iter().map(|used| used.1))?)
    }

    fn refund_left(&self, terms: &CreditNoteTerms) -> Result<Money, Unreckonable> {
        terms.refund.minus(Money::sum(terms.currency(), self.refunds.values().copied())?)
    }

    fn finalise(&self, terms: &CreditNoteTerms, command: CreditNoteCommand) -> Decided {
        use {CreditNoteEvent as E, CreditNoteRefusal as No};
        let CreditNoteCommand::Finalise { number, issue_date, lines, ledger_transaction } = command else {
            return Ok(vec![]);
        };
        if !is_text(&number, MAX_NUMBER) {
            return Err(No::InvalidNumber);
        }
        let grosses = lines.iter().map(|line| Ok((line.item, line.taxed.gross()?)));
        let grosses = grosses.collect::<Result<Vec<_>, Unreckonable>>()?;
        if !grosses.into_iter().eq(terms.items.iter().map(|item| (item.item, item.amount))) {
            return Err(No::OtherLines);
        }
        let net = Money::sum(terms.currency(), lines.iter().map(|line| line.taxed.net))?;
        let tax = Money::sum(terms.currency(), lines.iter().map(|line| line.taxed.tax))?;
        let &CreditNoteTerms { invoice, customer, credit, refund, offset, .. } = terms;
        let last = credit.is_zero() && refund.is_zero();
        let finalised = E::Finalised {
            number,
            issue_date,
            invoice,
            customer,
            lines,
            net,
            tax,
            credit,
            refund,
            offset,
            ledger_transaction,
        };
        Ok(std::iter::once(finalised).chain(last.then_some(E::Consumed { invoice })).collect())
    }

    fn use_up(&self, terms: &CreditNoteTerms, of: CreditUse, amount: Money) -> Decided {
        use {CreditNoteEvent as E, CreditNoteRefusal as No};
        let credit = self.credit_left(terms)?;
        check(amount, terms)?;
        if amount.amount > credit.amount {
            return Err(No::ExceedsCredit(credit));
        }
        let left = credit.minus(amount)?;
        let last = left.is_zero() && self.refund_left(terms)?.is_zero();
        let (used, invoice) = (E::Used { of, amount, left }, terms.invoice);
        Ok(std::iter::once(used).chain(last.then_some(E::Consumed { invoice })).collect())
    }

    fn refunded(&self, terms: &CreditNoteTerms, refund: RefundId, amount: Money) -> Decided {
        use {CreditNoteEvent as E, CreditNoteRefusal as No};
        let owed = self.refund_left(terms)?;
        check(amount, terms)?;
        if amount.amount > owed.amount {
            return Err(No::ExceedsRefund(owed));
        }
        let left = owed.minus(amount)?;
        let last = left.is_zero() && self.credit_left(terms)?.is_zero();
        let (paid, invoice) = (E::Refunded { refund, amount, left }, terms.invoice);
        Ok(std::iter::once(paid).chain(last.then_some(E::Consumed { invoice })).collect())
    }
}

fn check(amount: Money, terms: &CreditNoteTerms) -> Result<(), CreditNoteRefusal> {
    match amount {
        _ if amount.currency != terms.currency() => Err(CreditNoteRefusal::OtherCurrency(terms.currency())),
        _ if amount.amount <= 0 => Err(CreditNoteRefusal::InvalidAmount),
        _ => Ok(()),
    }
}

impl Decider for CreditNote {
    const NAME: &'static str = "finance.credit_note";
    type Id = CreditNoteId;
    type Command = CreditNoteCommand;
    type Event = CreditNoteEvent;
    type Refusal = CreditNoteRefusal;

    fn decide(&self, command: CreditNoteCommand) -> Decided {
        use CreditNoteStatus as S;
        use {CreditNoteCommand as C, CreditNoteEvent as E, CreditNoteRefusal as No};
        let (Some(terms), Some(status)) = (&self.terms, self.status) else {
            let C::Draft(terms) = command else { return Err(No::Unknown) };
            return draft(terms);
        };
        let invoice = terms.invoice;
        match (command, status) {
            (C::Draft(again), _) => {
                if *again == *terms {
                    Ok(vec![])
                } else {
                    Err(No::AlreadyDrafted)
                }
            }

            (command @ C::Finalise { .. }, S::Draft) => self.finalise(terms, command),
            (C::Finalise { number, .. }, _) if self.number.as_ref() == Some(&number) => Ok(vec![]),
            (C::Finalise { .. }, _) => Err(No::Immutable),

            (C::Use { of, amount }, _) if self.uses.iter().any(|used| used.0 == of) => {
                if self.uses.contains(&(of, amount)) { Ok(vec![]) } else { Err(No::AlreadyRecorded) }
            }
            (C::RecordRefunded { refund, amount }, _) if self.refunds.contains_key(&refund) => {
                let same = self.refunds.get(&refund) == Some(&amount);
                if same { Ok(vec![]) } else { Err(No::AlreadyRecorded) }
            }
            (C::Use { .. } | C::RecordRefunded { .. }, S::Draft) => Err(No::NotFinal),
            (C::Use { .. } | C::RecordRefunded { .. }, S::Consumed | S::Voided) => Err(No::Closed),
            (C::Use { of, amount }, S::Final) => self.use_up(terms, of, amount),
            (C::RecordRefunded { refund, amount }, S::Final) => self.refunded(terms, refund, amount),

            (C::Void { .. }, S::Voided) => Ok(vec![]),
            (C::Void { .. }, S::Consumed) => Err(No::Closed),
            (C::Void { reason }, _) if !is_text(&reason, MAX_TEXT) => Err(No::InvalidReason),
            (C::Void { reason }, S::Draft) => {
                Ok(vec![E::Voided { invoice, amount: Money::zero(terms.currency()), reason }])
            }
            (C::Void { reason }, S::Final) => match self.refund_left(terms)? {
                owed if !owed.is_zero() => Err(No::RefundOwed(owed)),
                _ => Ok(vec![E::Voided { invoice, amount: self.credit_left(terms)?, reason }]),
            },
        }
    }

    fn evolve(&mut self, event: CreditNoteEvent) {
        use {CreditNoteEvent as E, CreditNoteStatus as S};
        match event {
            E::Drafted(terms) => (self.terms, self.status) = (Some(*terms), Some(S::Draft)),
            E::Finalised { number, .. } => (self.number, self.status) = (Some(number), Some(S::Final)),
            E::Used { of, amount, .. } => self.uses.push((of, amount)),
            E::Refunded { refund, amount, .. } => {
                self.refunds.insert(refund, amount);
            }
            E::Consumed { .. } => self.status = Some(S::Consumed),
            E::Voided { .. } => self.status = Some(S::Voided),
        }
    }
}

impl Event for CreditNoteEvent {}
impl Refusal for CreditNoteRefusal {
    fn kind(&self) -> Kind {
        use CreditNoteRefusal as No;
        match self {
            No::Unknown => Kind::Missing,
            No::InvalidAmount
            | No::AmountOutOfRange
            | No::OtherCurrency(_)
            | No::DoesNotAddUp
            | No::InvalidReason
            | No::InvalidNumber
            | No::OtherLines => Kind::Invalid,
            _ => Kind::Conflict,
        }
    }
}
sourced!(CreditNote, CreditNoteEvent);
