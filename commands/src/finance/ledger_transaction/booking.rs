//! Bookings: what an event of the business brings to the books, once.
//!
//! The transaction's id is made of the event's: however often it is heard, by whatever name, there is one. The accounts
//! of the chart are opened in the same append where they are not there yet. A booking is never put elsewhere than it
//! belongs: an account that takes nothing (frozen) lets it wait, and the books are right once it takes something again.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::finance::ledger_account::chart::Chart;
use domain::finance::ledger_account::{LedgerAccount, LedgerAccountCommand};
use domain::finance::ledger_transaction::{LedgerTransactionCommand, Leg, Posting};
use domain::ids::LedgerTransactionId;
use domain::kernel::Recorded;
use domain::money::Money;
use uuid::Uuid;

use super::{begin, posted};
use crate::act::Instruction;
use crate::errand::Errand;
use crate::{Act, Context, Error, Facts, On, Result};

/// An amount that goes from one account of the chart to another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Entry {
    pub debit: Chart,
    pub credit: Chart,
    pub amount: Money,
    /// What it is for.
    pub code: &'static str,
}

impl Entry {
    /// The same backwards.
    #[must_use]
    pub const fn reversed(self) -> Self {
        Self { debit: self.credit, credit: self.debit, ..self }
    }

    fn leg(self) -> Leg {
        let currency = self.amount.currency;
        Leg {
            debit: self.debit.account(currency),
            credit: self.credit.account(currency),
            amount: self.amount,
            code: Some(self.code.to_owned()),
        }
    }
}

/// What an event brings to the books. It holds from when the event does.
#[derive(Debug, Clone, PartialEq)]
pub struct Booking {
    source: Uuid,
    effective_at: DateTime<Utc>,
    entries: Vec<Entry>,
}

impl Booking {
    /// What an event asks for that brings these entries; nothing, if they come to nothing.
    pub fn of(event: &Recorded, entries: impl IntoIterator<Item = Entry>) -> Vec<Instruction> {
        let entries: Vec<Entry> = entries.into_iter().filter(|entry| entry.amount.amount > 0).collect();
        if entries.is_empty() {
            return vec![];
        }
        let (source, effective_at) = (event.event_id, event.effective_at);
        vec![Instruction::errand(Self { source, effective_at, entries })]
    }

    /// The transaction that an event of the business brings.
    #[must_use]
    pub fn transaction_of(source: Uuid) -> LedgerTransactionId {
        LedgerTransactionId::from_uuid(Uuid::new_v5(&source, b"ledger transaction"))
    }

    /// Opens the accounts that are not there.
    async fn opening(&self, facts: &Facts) -> Result<Vec<Box<dyn Act>>> {
        let mut all: Vec<(Chart, _)> = Vec::new();
        for entry in &self.entries {
            all.extend([entry.debit, entry.credit].map(|of| (of, of.account(entry.amount.currency))));
        }
        all.sort();
        all.dedup();
        let mut acts = Vec::new();
        for (of, account) in all {
            if !Context::load::<LedgerAccount>(facts, &account).await?.state.is_known() {
                let (class, no_overdraft, shared) = (of.class(), false, true);
                let open =
                    LedgerAccountCommand::Open { account: account.clone(), class, no_overdraft, shared };
                acts.push(On::<LedgerAccount>::new(account, open).boxed());
            }
        }
        Ok(acts)
    }

    async fn acts(&self, facts: Facts) -> Result<Vec<Box<dyn Act>>> {
        let id = Self::transaction_of(self.source);
        let legs: Vec<Leg> = self.entries.iter().map(|entry| entry.leg()).collect();
        let mut acts = self.opening(&facts).await?;
        let opened: Vec<String> = acts.iter().map(|act| act.id()).collect();
        let there = posted(id, &legs)?.into_iter().filter(|(of, _)| !opened.contains(&of.to_string()));
        let posting =
            Posting { legs, reference: None, description: None, source: Some(self.source), reverses: None };
        let there = there.collect();
        acts.extend(begin(&facts, id, LedgerTransactionCommand::Post(posting), there).await?);
        Ok(acts)
    }
}

#[async_trait]
impl Errand for Booking {
    async fn run(&self, mut cx: Context) -> Result<()> {
        cx.effective_at = Some(self.effective_at);
        match cx.execute_from(|facts| self.acts(facts)).await {
            Err(Error::Refused(refused)) if refused.code == IS_THERE => Ok(()),
            other => other.map(drop),
        }
    }
}

/// How a transaction says that it is there already.
const IS_THERE: &str = "ledger_transaction/duplicate_reference";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Refused;
    use domain::finance::ledger_transaction::{LedgerTransaction, LedgerTransactionRefusal};
    use domain::kernel::Decider;

    #[test]
    fn a_transaction_that_is_there_says_so() {
        let no = Refused::by(LedgerTransaction::NAME, &LedgerTransactionRefusal::DuplicateReference);
        assert_eq!(no.code, IS_THERE);
    }
}
