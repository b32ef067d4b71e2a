//! Ledger accounts with what is in them: the balances of now.
//!
//! Transactions are what counts, for an account that keeps its own balance as for a shared one: what accounts hear of
//! the same transactions beside that is theirs alone.

use domain::finance::ledger_account::{Class, LedgerAccount, LedgerAccountEvent as A, Side, Status};
use domain::finance::ledger_transaction::{LedgerTransaction, LedgerTransactionEvent as T, Leg};
use domain::ids::LedgerAccountId;
use domain::kernel::{Decider, Recorded, Unreadable};
use domain::money::{Currency, Money};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::reading::{Filter, Listing, Order, word};
use crate::stream::Stem;
use crate::view::{RowKey, Touches, Unfoldable, View};

/// One row of `read.ledger_account`, and the answer to `GET /api/financial/ledger/accounts/{id}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LedgerAccountView {
    #[serde(flatten)]
    #[schema(inline)]
    pub stem: Stem<LedgerAccountId>,
    pub class: Class,
    /// Whether what is posted and reserved can take away no more than is there.
    pub no_overdraft: bool,
    /// Whether it takes part in transactions without being decided on.
    pub shared: bool,
    pub status: Status,
    /// What is posted, as one counts it for an account of its class: what a liability owes is above 0.
    pub balance: Money,
    /// What is reserved to be debited.
    pub pending_debits: Money,
    /// What is reserved to be credited.
    pub pending_credits: Money,
}

/// Read model `ledger_account`.
pub struct LedgerAccounts;

impl View for LedgerAccounts {
    const NAME: &'static str = "ledger_account";
    const LISTENS_TO: &'static [&'static str] = &[LedgerAccount::NAME, LedgerTransaction::NAME];
    const BY_STREAM: bool = false;
    type Row = LedgerAccountView;

    fn touches(event: &Recorded) -> Result<Touches, Unreadable> {
        let Some(happened) = event.of::<LedgerTransaction>()? else {
            return Ok(Touches::stream_of::<LedgerAccount>(event));
        };
        let mut accounts: Vec<String> = legs(happened)
            .iter()
            .flat_map(|leg| [&leg.debit, &leg.credit])
            .map(ToString::to_string)
            .collect();
        accounts.sort_unstable();
        accounts.dedup();
        let key = |key| RowKey { workspace: event.workspace, key };
        Ok(Touches(accounts.into_iter().map(key).collect()))
    }

    fn fold(
        _: &RowKey,
        row: Option<LedgerAccountView>,
        event: &Recorded,
    ) -> Result<Option<LedgerAccountView>, Unfoldable> {
        if let Some(happened) = event.of::<LedgerAccount>()? {
            let Some(mut row) = row.map_or_else(|| opened(event, happened), |row| Ok(Some(row)))? else {
                return Ok(None);
            };
            match happened {
                A::Frozen { .. } => row.status = Status::Frozen,
                A::Unfrozen => row.status = Status::Open,
                A::Closed => row.status = Status::Closed,
                _ => {}
            }
            (row.stem.version, row.stem.updated_at) = (event.sequence, event.recorded_at);
            return Ok(Some(row));
        }
        let (Some(mut row), Some(happened)) = (row, event.of::<LedgerTransaction>()?) else {
            return Ok(None);
        };
        for leg in legs(happened) {
            for (account, side) in [(&leg.debit, Side::Debit), (&leg.credit, Side::Credit)] {
                if *account == row.stem.id {
                    row.take_in(happened, side, leg.amount)?;
                }
            }
        }
        row.stem.updated_at = event.recorded_at;
        Ok(Some(row))
    }
}

/// What an event is about.
fn legs(happened: &T) -> &[Leg] {
    match happened {
        T::Posted(posting) => &posting.legs,
        T::Reserved(reservation) => std::slice::from_ref(&reservation.leg),
        T::PendingPosted { leg, .. } | T::Voided { leg } | T::Expired { leg } => std::slice::from_ref(leg),
        T::Reversed { .. } => &[],
    }
}

fn opened(event: &Recorded, happened: &A) -> Result<Option<LedgerAccountView>, Unreadable> {
    let A::Opened { account, class, no_overdraft, shared } = happened else { return Ok(None) };
    let nothing = Money::zero(account.currency());
    Ok(Some(LedgerAccountView {
        stem: Stem::of::<LedgerAccount>(event)?,
        class: *class,
        no_overdraft: *no_overdraft,
        shared: *shared,
        status: Status::Open,
        balance: nothing,
        pending_debits: nothing,
        pending_credits: nothing,
    }))
}

impl LedgerAccountView {
    fn take_in(&mut self, happened: &T, side: Side, amount: Money) -> Result<(), Unfoldable> {
        match happened {
            T::Posted(_) => self.post(side, amount),
            T::Reserved(_) => self.pend(side, amount),
            T::PendingPosted { reserved, .. } => {
                self.pend(side, Money::zero(reserved.currency).minus(*reserved)?)?;
                self.post(side, amount)
            }
            T::Voided { .. } | T::Expired { .. } => {
                self.pend(side, Money::zero(amount.currency).minus(amount)?)
            }
            T::Reversed { .. } => Ok(()),
        }
    }

    fn post(&mut self, side: Side, amount: Money) -> Result<(), Unfoldable> {
        let is_more = side == self.class.normal();
        self.balance = if is_more { self.balance.plus(amount)? } else { self.balance.minus(amount)? };
        Ok(())
    }

    fn pend(&mut self, side: Side, amount: Money) -> Result<(), Unfoldable> {
        let pending = match side {
            Side::Debit => &mut self.pending_debits,
            Side::Credit => &mut self.pending_credits,
        };
        *pending = pending.plus(amount)?;
        Ok(())
    }
}

/// Which accounts a list is of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LedgerAccountFilter {
    #[param(inline, nullable = false)]
    pub class: Option<Class>,
    #[param(inline, nullable = false)]
    pub status: Option<Status>,
    #[param(inline, nullable = false)]
    pub currency: Option<Currency>,
    /// Only those whose path begins with this.
    #[param(nullable = false, min_length = 1, max_length = 128, pattern = "^[a-z0-9][a-z0-9_:-]*$")]
    pub path: Option<String>,
}

impl Filter for LedgerAccountFilter {
    type Of = LedgerAccounts;

    fn order(&self) -> Order {
        Order::by("id", "text")
    }

    fn narrow(self, list: Listing<LedgerAccounts>) -> Listing<LedgerAccounts> {
        list.only("t.class = ", self.class.map(word), "")
            .only("t.status = ", self.status.map(word), "")
            .only("(t.balance).currency = ", self.currency.map(String::from), "")
            .only("starts_with(t.id, ", self.path, ")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;
    use domain::finance::ledger_transaction::{Posting, Reservation};

    const WALLET: &str = "cust:ann:wallet@USD";
    const CLEARING: &str = "psp:x:clearing@USD";

    fn account(id: &str, class: Class) -> Recorded {
        let account = id.parse().unwrap();
        Recorded::example::<LedgerAccount>(
            id,
            &A::Opened { account, class, no_overdraft: false, shared: true },
        )
    }

    fn leg(debit: &str, credit: &str, amount: i64) -> Leg {
        let (debit, credit) = (debit.parse().unwrap(), credit.parse().unwrap());
        Leg { debit, credit, amount: Money::new(amount, Currency::USD), code: None }
    }

    fn transaction(n: u32, event: &T) -> Recorded {
        Recorded::example::<LedgerTransaction>(format!("ltx_0000000000000000000000000{n}"), event)
    }

    fn posted(n: u32, legs: Vec<Leg>) -> Recorded {
        let posting = Posting { legs, reference: None, description: None, source: None, reverses: None };
        transaction(n, &T::Posted(posting))
    }

    fn pending(n: u32, leg: Leg) -> Recorded {
        let expires_at = chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        transaction(n, &T::Reserved(Reservation { leg, expires_at, reference: None, description: None }))
    }

    /// Balance, pending debits and pending credits.
    fn amounts(id: &str, events: &[Recorded]) -> [i64; 3] {
        let row = example::row::<LedgerAccounts>(id, events.to_vec()).unwrap();
        [row.balance, row.pending_debits, row.pending_credits].map(|money| money.amount)
    }

    #[test]
    fn each_class_counts_on_its_own_side() {
        let events = [
            account(WALLET, Class::Liability),
            account(CLEARING, Class::Asset),
            posted(1, vec![leg(CLEARING, WALLET, 70), leg(CLEARING, WALLET, 5), leg(WALLET, CLEARING, 1)]),
        ];
        assert_eq!(amounts(WALLET, &events), [74, 0, 0]);
        assert_eq!(amounts(CLEARING, &events), [74, 0, 0]);
    }

    #[test]
    fn what_is_pending_is_beside_the_balance_until_it_ends() {
        let reserved = Money::new(30, Currency::USD);
        let mut events = vec![account(WALLET, Class::Liability), pending(1, leg(WALLET, CLEARING, 30))];
        events.push(pending(2, leg(CLEARING, WALLET, 9)));
        assert_eq!(amounts(WALLET, &events), [0, 30, 9]);
        events.push(transaction(1, &T::PendingPosted { leg: leg(WALLET, CLEARING, 20), reserved }));
        assert_eq!(amounts(WALLET, &events), [-20, 0, 9]);
        events.push(transaction(2, &T::Expired { leg: leg(CLEARING, WALLET, 9) }));
        assert_eq!(amounts(WALLET, &events), [-20, 0, 0]);
    }
}
