//! A draft: items come and go, until all their tax is known and the invoice becomes final.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{
    Decided, Finalised, InvoiceEvent as E, InvoiceLine, InvoiceRefusal as No, InvoiceTerms, Item, ItemTax,
    MAX_ITEMS, MAX_NUMBER, RateTotal, is_text,
};
use crate::ids::{InvoiceItemId, LedgerTransactionId, TaxCode};
use crate::money::Money;
use crate::tax::{AppliedRate, Prices, Taxed};
use crate::text::is_blank;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Draft {
    pub terms: InvoiceTerms,
    items: Vec<Item>,
    rates: BTreeMap<TaxCode, AppliedRate>,
    failed: BTreeMap<TaxCode, String>,
}

impl Draft {
    pub fn new(terms: InvoiceTerms) -> Self {
        Self { terms, items: vec![], rates: BTreeMap::new(), failed: BTreeMap::new() }
    }

    pub fn has(&self, item: &Item) -> bool {
        self.items.contains(item)
    }

    pub fn add(&self, item: Box<Item>) -> Decided {
        if let Some(there) = self.items.iter().find(|there| there.item == item.item) {
            return if *there == *item { Ok(vec![]) } else { Err(No::ItemTaken(item.item)) };
        }
        self.check(&item)?;
        if self.items.len() >= MAX_ITEMS {
            return Err(No::TooManyItems);
        }
        if let Some(period) = &item.period {
            let billed = self.items.iter().filter_map(|there| there.period.as_ref()).any(|there| {
                there.charge == period.charge && there.from < period.to && period.from < there.to
            });
            if billed {
                return Err(No::PeriodAlreadyBilled(period.charge.clone()));
            }
        }
        Ok(vec![E::ItemAdded(item)])
    }

    fn check(&self, item: &Item) -> Result<(), No> {
        let currency = self.terms.currency;
        if item.amount.currency != currency {
            return Err(No::OtherCurrency(currency));
        }
        if !item.amount.is_in_range() {
            return Err(No::AmountOutOfRange);
        }
        if !is_text(&item.description) || item.price_trace.as_deref().is_some_and(|text| !is_text(text)) {
            return Err(No::InvalidText);
        }
        if item.quantity <= 0 {
            return Err(No::InvalidQuantity);
        }
        if item.period.as_ref().is_some_and(|period| period.from >= period.to || !is_text(&period.charge)) {
            return Err(No::InvalidPeriod);
        }
        match item.tax {
            ItemTax::Given(tax) if tax.currency != currency => Err(No::OtherCurrency(currency)),
            ItemTax::Given(tax) => {
                let (tax, amount) = (tax.amount, item.amount.amount);
                let fits = tax == 0
                    || (tax.signum() == amount.signum() && tax.unsigned_abs() <= amount.unsigned_abs());
                if fits { Ok(()) } else { Err(No::InvalidTax) }
            }
            ItemTax::Code(_) => Ok(()),
        }
    }

    pub fn remove(&self, item: InvoiceItemId) -> Vec<E> {
        let is_there = self.items.iter().any(|there| there.item == item);
        is_there.then_some(E::ItemRemoved { item }).into_iter().collect()
    }

    fn codes(&self) -> BTreeSet<&TaxCode> {
        let code =
            |item| if let &Item { tax: ItemTax::Code(ref code), .. } = item { Some(code) } else { None };
        self.items.iter().filter_map(code).collect()
    }

    pub fn record_tax(&self, rates: Vec<AppliedRate>) -> Decided {
        let named: BTreeSet<&TaxCode> = rates.iter().map(|rate| &rate.code).collect();
        if rates.is_empty() || named.len() < rates.len() || !named.is_subset(&self.codes()) {
            return Err(No::InvalidRates);
        }
        let is_known = |rate: &AppliedRate| self.rates.get(&rate.code) == Some(rate);
        if rates.iter().all(is_known) { Ok(vec![]) } else { Ok(vec![E::TaxRecorded { rates }]) }
    }

    pub fn fail_tax(&self, code: TaxCode, reason: String) -> Decided {
        if !self.codes().contains(&code) {
            return Err(No::InvalidRates);
        }
        if !is_text(&reason) {
            return Err(No::InvalidText);
        }
        if self.failed.get(&code) == Some(&reason) {
            return Ok(vec![]);
        }
        Ok(vec![E::TaxFailed { code, reason }])
    }

    pub fn finalise(
        &self,
        number: String,
        issue_date: NaiveDate,
        due_date: NaiveDate,
        ledger_transaction: Option<LedgerTransactionId>,
    ) -> Decided {
        if is_blank(&number) || number.chars().count() > MAX_NUMBER {
            return Err(No::InvalidNumber);
        }
        if due_date < issue_date {
            return Err(No::InvalidDates);
        }
        if self.items.is_empty() {
            return Err(No::NoItems);
        }
        let (lines, rates) = self.reckoned()?;
        let currency = self.terms.currency;
        let net = Money::sum(currency, lines.iter().map(|line| line.taxed.net))?;
        let tax = Money::sum(currency, lines.iter().map(|line| line.taxed.tax))?;
        let total = net.plus(tax)?;
        if total.is_negative() {
            return Err(No::NegativeTotal(total));
        }
        if ![net, tax, total].into_iter().all(Money::is_in_range) {
            return Err(No::AmountOutOfRange);
        }
        let (terms, customer) = (self.terms.clone(), self.terms.customer);
        let finalised = Finalised {
            number,
            issue_date,
            due_date,
            net,
            tax,
            total,
            lines,
            rates,
            terms,
            ledger_transaction,
        };
        let paid = total.is_zero().then_some(E::Paid { customer, total });
        Ok(std::iter::once(E::Finalised(Box::new(finalised))).chain(paid).collect())
    }

    /// All lines, in the order of the items, and what each rate came to, in the order of the codes.
    fn reckoned(&self) -> Result<(Vec<InvoiceLine>, Vec<RateTotal>), No> {
        let mut taxed: BTreeMap<InvoiceItemId, Taxed> = BTreeMap::new();
        let mut totals = vec![];
        for code in self.codes() {
            if self.failed.contains_key(code) {
                return Err(No::TaxFailed(code.clone()));
            }
            let rate = self.rates.get(code).ok_or_else(|| No::TaxPending(code.clone()))?;
            let items: Vec<&Item> = self
                .items
                .iter()
                .filter(|item| matches!(&item.tax, ItemTax::Code(of) if of == code))
                .collect();
            let amounts: Vec<Money> = items.iter().map(|item| item.amount).collect();
            let lines = self.terms.taxing.lines(&amounts, rate.rate)?;
            let net = Money::sum(self.terms.currency, lines.iter().map(|line| line.net))?;
            let tax = Money::sum(self.terms.currency, lines.iter().map(|line| line.tax))?;
            totals.push(RateTotal { rate: rate.clone(), taxed: Taxed { net, tax } });
            taxed.extend(items.iter().map(|item| item.item).zip(lines));
        }
        for item in &self.items {
            if let ItemTax::Given(tax) = item.tax {
                let net = match self.terms.taxing.prices {
                    Prices::TaxExclusive => item.amount,
                    Prices::TaxInclusive => item.amount.minus(tax)?,
                };
                taxed.insert(item.item, Taxed { net, tax });
            }
        }
        let line = |item: &Item| taxed.get(&item.item).map(|&taxed| InvoiceLine { item: item.item, taxed });
        Ok((self.items.iter().filter_map(line).collect(), totals))
    }

    pub fn evolve(&mut self, event: E) {
        match event {
            E::ItemAdded(item) => self.items.push(*item),
            E::ItemRemoved { item } => self.items.retain(|there| there.item != item),
            E::TaxRecorded { rates } => {
                for rate in rates {
                    self.failed.remove(&rate.code);
                    self.rates.insert(rate.code.clone(), rate);
                }
            }
            E::TaxFailed { code, reason } => {
                self.rates.remove(&code);
                self.failed.insert(code, reason);
            }
            _ => {}
        }
    }
}
