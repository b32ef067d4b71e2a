//! A final invoice: what is paid, credited and given back of it, and what is left to pay.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{
    CreditSource, CreditedItem, Crediting, Decided, Finalised, InvoiceCommand as C, InvoiceEvent as E,
    InvoiceLine, InvoiceRefusal as No, InvoiceStatus as S, is_text,
};
use crate::ids::{AllocationId, CreditNoteId, CustomerId, InvoiceItemId, PaymentId};
use crate::money::{Money, Unreckonable};
use crate::tax::Taxed;

/// What an item came to, and what of it is credited.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Credited {
    gross: Money,
    tax: Money,
    credited: Money,
    credited_tax: Money,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Books {
    pub number: String,
    customer: CustomerId,
    due_date: NaiveDate,
    total: Money,
    lines: BTreeMap<InvoiceItemId, Credited>,
    allocations: BTreeMap<AllocationId, (PaymentId, Money)>,
    credits: Vec<(CreditSource, Money)>,
    credit_notes: BTreeMap<CreditNoteId, Crediting>,
    paid: Money,
    offset: Money,
    /// By credit notes, as credit or as money.
    given_back: Money,
    written_off: Money,
    is_overdue: bool,
    disputed: BTreeMap<PaymentId, Money>,
    observed: BTreeSet<AllocationId>,
}

impl Books {
    pub fn new(of: &Finalised) -> Self {
        let nothing = Money::zero(of.total.currency);
        let line = |line: &InvoiceLine| {
            let Taxed { net, tax } = line.taxed;
            let gross = Money { amount: net.amount.saturating_add(tax.amount), ..net };
            (line.item, Credited { gross, tax, credited: nothing, credited_tax: nothing })
        };
        Self {
            number: of.number.clone(),
            customer: of.terms.customer,
            due_date: of.due_date,
            total: of.total,
            lines: of.lines.iter().map(line).collect(),
            allocations: BTreeMap::new(),
            credits: vec![],
            credit_notes: BTreeMap::new(),
            paid: nothing,
            offset: nothing,
            given_back: nothing,
            written_off: nothing,
            is_overdue: false,
            disputed: BTreeMap::new(),
            observed: BTreeSet::new(),
        }
    }

    pub fn due(&self) -> Result<Money, Unreckonable> {
        self.total.minus(self.paid)?.minus(self.offset)?.minus(self.written_off)
    }

    fn check(&self, amount: Money) -> Result<(), No> {
        match amount {
            _ if amount.currency != self.total.currency => Err(No::OtherCurrency(self.total.currency)),
            _ if amount.amount <= 0 => Err(No::InvalidAmount),
            _ => Ok(()),
        }
    }

    /// What is due once so much less is; refused where it is not so much.
    fn less(&self, amount: Money) -> Result<Money, No> {
        let due = self.due()?;
        if amount.amount > due.amount { Err(No::OverAllocated(due)) } else { Ok(due.minus(amount)?) }
    }

    /// An event, and that all is paid if nothing is due any more.
    fn settling(&self, event: E, due: Money) -> Vec<E> {
        let (customer, total) = (self.customer, self.total);
        let paid = due.is_zero().then_some(E::Paid { customer, total });
        std::iter::once(event).chain(paid).collect()
    }

    pub fn decide(&self, status: S, command: C) -> Decided {
        match command {
            C::AllocatePayment { allocation, payment, amount } => {
                self.allocate(status, allocation, payment, amount)
            }
            C::ApplyCredit { source, amount } => self.apply(status, source, amount),
            C::IssueCreditNote(crediting) => self.credit(status, crediting),
            C::RecordDisputeLost { payment, amount } => self.dispute_lost(payment, amount),
            C::MarkOverdue { on } => match status {
                S::Open if self.is_overdue => Ok(vec![]),
                S::Open if on <= self.due_date => Err(No::NotDue(self.due_date)),
                S::Open => {
                    let (customer, due_date) = (self.customer, self.due_date);
                    Ok(vec![E::Overdue { customer, due_date, due: self.due()? }])
                }
                _ => Ok(vec![]),
            },
            C::Void { reason, replaced_by } => match status {
                S::Open if self.due()? == self.total && self.credit_notes.is_empty() => {
                    Ok(vec![E::Voided { reason, replaced_by }])
                }
                S::Open | S::Paid => Err(No::AlreadyPaid),
                _ => Err(No::Closed),
            },
            C::WriteOff { reason, ledger_transaction } => match status {
                S::WrittenOff => Ok(vec![]),
                S::Open if !is_text(&reason) => Err(No::InvalidText),
                S::Open => Ok(vec![E::WrittenOff { amount: self.due()?, reason, ledger_transaction }]),
                _ => Err(No::Closed),
            },
            _ => Err(No::InvoiceImmutable),
        }
    }

    fn allocate(&self, status: S, allocation: AllocationId, payment: PaymentId, amount: Money) -> Decided {
        if let Some(&there) = self.allocations.get(&allocation) {
            return if there == (payment, amount) {
                Ok(vec![])
            } else {
                Err(No::AllocationTaken(allocation))
            };
        }
        self.check(amount)?;
        if matches!(status, S::Voided | S::WrittenOff) {
            let is_new = !self.observed.contains(&allocation);
            let late = is_new.then_some(E::LateObservation { allocation, payment, amount });
            return Ok(late.into_iter().collect());
        }
        let due = self.less(amount)?;
        Ok(self.settling(E::PaymentAllocated { allocation, payment, amount, due }, due))
    }

    fn apply(&self, status: S, source: CreditSource, amount: Money) -> Decided {
        if let Some(&(_, there)) = self.credits.iter().find(|(other, _)| *other == source) {
            return if there == amount { Ok(vec![]) } else { Err(No::CreditTaken(source)) };
        }
        self.check(amount)?;
        if matches!(status, S::Voided | S::WrittenOff) {
            return Err(No::Closed);
        }
        let due = self.less(amount)?;
        Ok(self.settling(E::CreditApplied { source, amount, due }, due))
    }

    fn credit(&self, status: S, crediting: Crediting) -> Decided {
        if let Some(there) = self.credit_notes.get(&crediting.credit_note) {
            let same = *there == crediting;
            return if same { Ok(vec![]) } else { Err(No::CreditNoteTaken(crediting.credit_note)) };
        }
        if !matches!(status, S::Open | S::Paid) {
            return Err(No::Closed);
        }
        let Crediting { credit_note, items, credit, refund, offset } = crediting;
        let parts = [credit, refund, offset];
        if let Some(other) = parts.iter().find(|part| part.currency != self.total.currency) {
            return Err(Unreckonable::CurrencyMismatch(self.total.currency, other.currency).into());
        }
        let lines = self.credited(&items)?;
        let whole = Money::sum(self.total.currency, items.iter().map(|item| item.amount))?;
        let adds_up = Money::sum(self.total.currency, parts)? == whole;
        if !adds_up || parts.iter().any(|part| part.is_negative()) {
            return Err(No::DoesNotAddUp);
        }
        let due = self.less(offset)?;
        let left = self.paid.minus(self.given_back)?;
        if credit.plus(refund)?.amount > left.amount {
            return Err(No::ExceedsPaid(left));
        }
        let issued = E::CreditNoteIssued { credit_note, lines, credit, refund, offset, due };
        Ok(if status == S::Open { self.settling(issued, due) } else { vec![issued] })
    }

    /// What so much of these items takes of net and tax: of the tax, its part of all that is credited, less what was.
    pub fn credited(&self, items: &[CreditedItem]) -> Result<Vec<InvoiceLine>, No> {
        let named: BTreeSet<InvoiceItemId> = items.iter().map(|item| item.item).collect();
        if items.is_empty() || named.len() < items.len() {
            return Err(No::DoesNotAddUp);
        }
        let line = |&CreditedItem { item, amount }: &CreditedItem| {
            self.check(amount)?;
            let there = self.lines.get(&item).ok_or(No::UnknownItem(item))?;
            let left = there.gross.minus(there.credited)?;
            if amount.amount > left.amount {
                return Err(No::ExceedsItem { item, left });
            }
            let credited = there.credited.plus(amount)?;
            let tax = there.tax.share(credited.amount, there.gross.amount)?.minus(there.credited_tax)?;
            Ok(InvoiceLine { item, taxed: Taxed { net: amount.minus(tax)?, tax } })
        };
        items.iter().map(line).collect()
    }

    fn dispute_lost(&self, payment: PaymentId, amount: Money) -> Decided {
        let lost = self.disputed.get(&payment);
        if lost == Some(&amount) {
            return Ok(vec![]);
        }
        self.check(amount)?;
        let of_it = self.allocations.values().filter(|(of, _)| *of == payment).map(|&(_, amount)| amount);
        let left = Money::sum(self.total.currency, of_it)?;
        // A payment is lost once.
        if lost.is_some() || amount.amount > left.amount {
            return Err(No::ExceedsAllocated { payment, left });
        }
        Ok(vec![E::DisputeLost { payment, amount }])
    }

    fn credit_note_issued(&mut self, lines: &[InvoiceLine]) {
        for InvoiceLine { item, taxed } in lines {
            if let Some(line) = self.lines.get_mut(item) {
                line.credited.amount += taxed.net.amount + taxed.tax.amount;
                line.credited_tax.amount += taxed.tax.amount;
            }
        }
    }

    pub fn evolve(&mut self, event: E) {
        match event {
            E::PaymentAllocated { allocation, payment, amount, .. } => {
                self.allocations.insert(allocation, (payment, amount));
                self.paid.amount += amount.amount;
            }
            E::CreditApplied { source, amount, .. } => {
                self.credits.push((source, amount));
                self.paid.amount += amount.amount;
            }
            E::CreditNoteIssued { credit_note, lines, credit, refund, offset, .. } => {
                self.credit_note_issued(&lines);
                self.given_back.amount += credit.amount + refund.amount;
                self.offset.amount += offset.amount;
                let items = lines.iter().map(|line| {
                    let amount = line.taxed.net.amount + line.taxed.tax.amount;
                    CreditedItem { item: line.item, amount: Money { amount, ..self.total } }
                });
                let crediting = Crediting { credit_note, items: items.collect(), credit, refund, offset };
                self.credit_notes.insert(credit_note, crediting);
            }
            E::Overdue { .. } => self.is_overdue = true,
            E::DisputeLost { payment, amount } => {
                self.disputed.insert(payment, amount);
            }
            E::WrittenOff { amount, .. } => self.written_off = amount,
            E::LateObservation { allocation, .. } => {
                self.observed.insert(allocation);
            }
            _ => {}
        }
    }
}
