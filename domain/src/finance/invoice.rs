//! Invoice: what a customer owes a billing entity, from a draft to the end.
//!
//! `Draft → Open → Paid | WrittenOff | Voided`. A draft becomes final with a number, when the tax of all its items is
//! known; from then on its items are as they are, and what is wrong is credited. How tax is reckoned was chosen when
//! it was drafted and is kept in the event, with the rates and their versions.
//!
//! What is paid, credited to it, offset and written off never exceeds the total, what is credited of an item never the
//! item, and what is given back never what was paid. A credited part bears its part of the item's tax, and the last
//! part the rest. Money for an invoice that is over is observed and changes nothing of it.
//!
//! Allocations, credits and credit notes have ids: asked for again, they decide nothing.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use strum::{AsRefStr, EnumString};

use crate::ids::{
    AllocationId, BillingEntityId, CreditNoteId, CustomerId, InvoiceId, InvoiceItemId, LedgerTransactionId,
    LineId, OrderId, PaymentId, TaxCode, WalletDebitId,
};
use crate::kernel::{Decider, Event, Kind, Refusal};
use crate::money::{Currency, Money};
use crate::pii::Pii;
use crate::tax::{AppliedRate, Taxed, Taxing};
use crate::text::is_blank;
use crate::{personal, sourced};
use draft::Draft;
use settle::Books;

pub use refusal::InvoiceRefusal;

mod draft;
#[cfg(test)]
mod pinned;
#[cfg(test)]
mod properties;
mod refusal;
mod settle;
#[cfg(test)]
mod tests;

personal! {
    /// Whom an invoice is made out to, in the lines of a letter.
    pub BillTo = "finance.invoice", "bill_to", Legal;
}

/// The most items of an invoice.
pub const MAX_ITEMS: usize = 1_000;
/// The longest description, reason and number, in characters.
pub const MAX_TEXT: usize = 500;
pub const MAX_NUMBER: usize = 40;

/// Whether it is paid for already, by its order, or becomes due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, AsRefStr, EnumString)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = InvoiceSettlement))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Settlement {
    /// Its revenue is that of its order: it is posted with the order, and not with the invoice.
    Prepaid,
    Due,
}

/// Who owes whom, and how it is reckoned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InvoiceTerms {
    pub customer: CustomerId,
    pub billing_entity: BillingEntityId,
    pub currency: Currency,
    pub settlement: Settlement,
    pub taxing: Taxing,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<OrderId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bill_to: Option<Pii<BillTo>>,
}

/// What sort of item it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, AsRefStr, EnumString)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = InvoiceItemKind))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum ItemKind {
    Fixed,
    Recurring,
    Usage,
    ExternalCharge,
    ItemAdjustment,
    RepairAdjustment,
    CreditAdjustment,
}

/// For what time something is charged: from, and up to but without.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = InvoicePeriod))]
pub struct Period {
    /// What is charged, in the seller's words: billed once for any time.
    pub charge: String,
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
}

/// Where an item's tax comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ItemTax {
    /// Reckoned by the rate of a code.
    Code(TaxCode),
    /// Agreed before: an order's line.
    Given(Money),
}

/// What is charged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    pub item: InvoiceItemId,
    pub kind: ItemKind,
    pub description: String,
    pub quantity: i64,
    /// Of all units, with their tax or without it, as the invoice's prices are; below 0 for what is taken off.
    pub amount: Money,
    pub tax: ItemTax,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_line: Option<LineId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<Period>,
    /// Of which version of the plan the price is, and how it came about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_version: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_trace: Option<String>,
}

/// What an item came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct InvoiceLine {
    pub item: InvoiceItemId,
    #[serde(flatten)]
    pub taxed: Taxed,
}

/// What the items of one rate came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RateTotal {
    #[serde(flatten)]
    pub rate: AppliedRate,
    #[serde(flatten)]
    pub taxed: Taxed,
}

/// A final invoice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finalised {
    pub number: String,
    pub issue_date: NaiveDate,
    pub due_date: NaiveDate,
    pub net: Money,
    pub tax: Money,
    pub total: Money,
    pub lines: Vec<InvoiceLine>,
    pub rates: Vec<RateTotal>,
    #[serde(flatten)]
    pub terms: InvoiceTerms,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger_transaction: Option<LedgerTransactionId>,
}

/// Where a credit comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CreditSource {
    CreditNote(CreditNoteId),
    Wallet(WalletDebitId),
}

/// How much of an item is credited, with its tax.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct CreditedItem {
    pub item: InvoiceItemId,
    pub amount: Money,
}

/// A credit note to be issued: what of it is kept as credit, paid back, and taken off what is due.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Crediting {
    pub credit_note: CreditNoteId,
    pub items: Vec<CreditedItem>,
    pub credit: Money,
    pub refund: Money,
    pub offset: Money,
}

/// What may be asked of an invoice.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum InvoiceCommand {
    Draft(Box<InvoiceTerms>),
    AddItem(Box<Item>),
    RemoveItem {
        item: InvoiceItemId,
    },
    /// The rates of its codes are known.
    RecordTax {
        rates: Vec<AppliedRate>,
    },
    RecordTaxFailed {
        code: TaxCode,
        reason: String,
    },
    Finalise {
        number: String,
        issue_date: NaiveDate,
        due_date: NaiveDate,
        ledger_transaction: Option<LedgerTransactionId>,
    },
    AllocatePayment {
        allocation: AllocationId,
        payment: PaymentId,
        amount: Money,
    },
    ApplyCredit {
        source: CreditSource,
        amount: Money,
    },
    IssueCreditNote(Crediting),
    /// A payment was charged back for good.
    RecordDisputeLost {
        payment: PaymentId,
        amount: Money,
    },
    MarkOverdue {
        on: NaiveDate,
    },
    Void {
        reason: String,
        replaced_by: Option<InvoiceId>,
    },
    WriteOff {
        reason: String,
        ledger_transaction: Option<LedgerTransactionId>,
    },
}

/// What has happened to an invoice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AsRefStr)]
#[serde(tag = "type")]
pub enum InvoiceEvent {
    Drafted(Box<InvoiceTerms>),
    ItemAdded(Box<Item>),
    ItemRemoved {
        item: InvoiceItemId,
    },
    TaxRecorded {
        rates: Vec<AppliedRate>,
    },
    TaxFailed {
        code: TaxCode,
        reason: String,
    },
    Finalised(Box<Finalised>),
    PaymentAllocated {
        allocation: AllocationId,
        payment: PaymentId,
        amount: Money,
        /// What is left to pay.
        due: Money,
    },
    CreditApplied {
        source: CreditSource,
        amount: Money,
        due: Money,
    },
    CreditNoteIssued {
        credit_note: CreditNoteId,
        lines: Vec<InvoiceLine>,
        credit: Money,
        refund: Money,
        offset: Money,
        due: Money,
    },
    Paid {
        customer: CustomerId,
        total: Money,
    },
    Overdue {
        customer: CustomerId,
        due_date: NaiveDate,
        due: Money,
    },
    DisputeLost {
        payment: PaymentId,
        amount: Money,
    },
    Voided {
        reason: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        replaced_by: Option<InvoiceId>,
    },
    WrittenOff {
        amount: Money,
        reason: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ledger_transaction: Option<LedgerTransactionId>,
    },
    /// Money came for an invoice that is over.
    LateObservation {
        allocation: AllocationId,
        payment: PaymentId,
        amount: Money,
    },
}

/// How an invoice stands. That it is overdue, partly paid, or that a dispute was lost, is told beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, AsRefStr, EnumString)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum InvoiceStatus {
    Draft,
    Open,
    Paid,
    WrittenOff,
    Voided,
}

/// An invoice, as far as its rules need to remember it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Invoice {
    status: Option<InvoiceStatus>,
    draft: Option<Draft>,
    books: Option<Books>,
}

type Decided = Result<Vec<InvoiceEvent>, InvoiceRefusal>;

impl Invoice {
    /// How it stands; `None` before it exists.
    #[must_use]
    pub fn status(&self) -> Option<InvoiceStatus> {
        self.status
    }

    /// What is left to pay; `None` before it is final.
    #[must_use]
    pub fn due(&self) -> Option<Money> {
        self.books.as_ref().and_then(|books| books.due().ok())
    }

    /// Its terms; `None` before it exists.
    #[must_use]
    pub fn terms(&self) -> Option<&InvoiceTerms> {
        self.draft.as_ref().map(|draft| &draft.terms)
    }

    /// What a credit of these items takes of net and tax.
    ///
    /// # Errors
    /// The refusal, if the invoice is not final, or the items do not have so much left.
    pub fn credited(&self, items: &[CreditedItem]) -> Result<Vec<InvoiceLine>, InvoiceRefusal> {
        self.books.as_ref().ok_or(InvoiceRefusal::NotFinal)?.credited(items)
    }
}

fn is_text(text: &str) -> bool {
    !is_blank(text) && text.chars().count() <= MAX_TEXT
}

impl Decider for Invoice {
    const NAME: &'static str = "finance.invoice";
    type Id = InvoiceId;
    type Command = InvoiceCommand;
    type Event = InvoiceEvent;
    type Refusal = InvoiceRefusal;

    fn decide(&self, command: InvoiceCommand) -> Decided {
        use InvoiceStatus as S;
        use {InvoiceCommand as C, InvoiceEvent as E, InvoiceRefusal as No};
        let (Some(draft), Some(status)) = (&self.draft, self.status) else {
            let C::Draft(terms) = command else { return Err(No::Unknown) };
            terms.currency.in_use().map_err(No::CurrencyNotInUse)?;
            return Ok(vec![E::Drafted(terms)]);
        };
        match (command, status, &self.books) {
            (C::Draft(terms), ..) if *terms == draft.terms => Ok(vec![]),
            (C::Draft(_), ..) => Err(No::AlreadyDrafted),

            (C::AddItem(item), S::Draft, _) => draft.add(item),
            (C::AddItem(item), ..) if draft.has(&item) => Ok(vec![]),
            (C::RemoveItem { item }, S::Draft, _) => Ok(draft.remove(item)),
            (C::RecordTax { rates }, S::Draft, _) => draft.record_tax(rates),
            (C::RecordTaxFailed { code, reason }, S::Draft, _) => draft.fail_tax(code, reason),
            (C::Finalise { number, issue_date, due_date, ledger_transaction }, S::Draft, _) => {
                draft.finalise(number, issue_date, due_date, ledger_transaction)
            }
            (C::Finalise { number, .. }, _, Some(books)) if number == books.number => Ok(vec![]),
            (C::Void { reason, .. }, S::Draft | S::Open, _) if !is_text(&reason) => Err(No::InvalidText),
            (C::Void { reason, replaced_by }, S::Draft, _) => Ok(vec![E::Voided { reason, replaced_by }]),
            (C::Void { .. }, S::Voided, _) => Ok(vec![]),

            (
                C::AddItem(_)
                | C::RemoveItem { .. }
                | C::RecordTax { .. }
                | C::RecordTaxFailed { .. }
                | C::Finalise { .. },
                ..,
            ) => Err(No::InvoiceImmutable),
            (_, S::Draft, _) => Err(No::NotFinal),
            // A draft that was voided was never owed.
            (_, _, None) => Err(No::Closed),
            (command, _, Some(books)) => books.decide(status, command),
        }
    }

    fn evolve(&mut self, event: InvoiceEvent) {
        use {InvoiceEvent as E, InvoiceStatus as S};
        match &event {
            E::Drafted(terms) => {
                self.draft = Some(Draft::new((**terms).clone()));
                self.status = Some(S::Draft);
            }
            E::Finalised(finalised) => {
                self.books = Some(Books::new(finalised));
                self.status = Some(S::Open);
            }
            E::Paid { .. } => self.status = Some(S::Paid),
            E::Voided { .. } => self.status = Some(S::Voided),
            E::WrittenOff { .. } => self.status = Some(S::WrittenOff),
            _ => {}
        }
        if let Some(books) = &mut self.books {
            books.evolve(event);
        } else if let Some(draft) = &mut self.draft {
            draft.evolve(event);
        }
    }
}

impl Event for InvoiceEvent {}
sourced!(Invoice, InvoiceEvent);

impl Refusal for InvoiceRefusal {
    fn kind(&self) -> Kind {
        use InvoiceRefusal as No;
        match self {
            No::Unknown | No::UnknownItem(_) => Kind::Missing,
            No::CurrencyNotInUse(_)
            | No::OtherCurrency(_)
            | No::InvalidAmount
            | No::AmountOutOfRange
            | No::InvalidText
            | No::InvalidNumber
            | No::InvalidQuantity
            | No::InvalidPeriod
            | No::InvalidTax
            | No::InvalidRates
            | No::InvalidDates
            | No::DoesNotAddUp => Kind::Invalid,
            _ => Kind::Conflict,
        }
    }
}
