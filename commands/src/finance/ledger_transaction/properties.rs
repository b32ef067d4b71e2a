//! What holds of the books whatever is asked of them: random histories of transactions and accounts as a command
//! changes them, beside a small model that knows balances and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use domain::finance::ledger_account::Class;
use domain::finance::ledger_transaction::Status;
use domain::money::Money;
use proptest::prelude::*;

use super::*;

/// Accounts of two currencies: shared ones, ones that may be overdrawn, and ones that may not.
const ACCOUNTS: [(&str, Class, bool, bool); 9] = [
    ("psp:x:clearing@USD", Class::Asset, false, true),
    ("rev:sales@USD", Class::Income, false, true),
    ("cust:ann:wallet@USD", Class::Liability, true, false),
    ("cust:bob:wallet@USD", Class::Liability, true, false),
    ("till@USD", Class::Asset, true, false),
    ("round@USD", Class::Equity, false, false),
    ("psp:x:clearing@EUR", Class::Asset, false, true),
    ("cust:ann:wallet@EUR", Class::Liability, true, false),
    ("fx:eur:liq@EUR", Class::Equity, false, false),
];
const TERM: i64 = 5;

#[derive(Debug, Clone)]
enum Deed {
    Post(Vec<(usize, usize, i64)>),
    Reserve(usize, usize, i64),
    PostPending(usize, Option<i64>),
    Void(usize),
    Expire(usize),
    Reverse(usize),
    Freeze(usize),
    Unfreeze(usize),
    Close(usize),
    Wait,
}

fn deeds() -> impl Strategy<Value = Deed> {
    let leg = || (0..ACCOUNTS.len(), 0..ACCOUNTS.len(), 1..60i64);
    let any = 0..40usize;
    prop_oneof![
        8 => prop::collection::vec(leg(), 1..4).prop_map(Deed::Post),
        5 => leg().prop_map(|(debit, credit, amount)| Deed::Reserve(debit, credit, amount)),
        4 => (any.clone(), prop::option::of(1..60i64)).prop_map(|(n, amount)| Deed::PostPending(n, amount)),
        2 => any.clone().prop_map(Deed::Void),
        2 => any.clone().prop_map(Deed::Expire),
        2 => any.prop_map(Deed::Reverse),
        1 => (0..ACCOUNTS.len()).prop_map(Deed::Freeze),
        2 => (0..ACCOUNTS.len()).prop_map(Deed::Unfreeze),
        1 => (2..ACCOUNTS.len()).prop_map(Deed::Close),
        1 => Just(Deed::Wait),
    ]
}

fn account(n: usize) -> LedgerAccountId {
    ACCOUNTS[n].0.parse().unwrap()
}

fn id(n: usize) -> LedgerTransactionId {
    LedgerTransactionId::from_uuid(Uuid::from_u128(n as u128))
}

fn leg(&(debit, credit, amount): &(usize, usize, i64)) -> Leg {
    let (debit, credit) = (account(debit), account(credit));
    let amount = Money::new(amount, debit.currency());
    Leg { debit, credit, amount, code: None }
}

/// The aggregates, changed together or not at all, as an append does.
#[derive(Clone)]
struct World {
    accounts: BTreeMap<LedgerAccountId, LedgerAccount>,
    transactions: BTreeMap<LedgerTransactionId, LedgerTransaction>,
    made: usize,
    now: i64,
}

impl World {
    fn new() -> Self {
        let accounts = ACCOUNTS.map(|(name, class, no_overdraft, shared)| {
            let (id, mut account) = (name.parse::<LedgerAccountId>().unwrap(), LedgerAccount::default());
            let open = LedgerAccountCommand::Open { account: id.clone(), class, no_overdraft, shared };
            account.decide(open).unwrap().into_iter().for_each(|event| account.evolve(event));
            (id, account)
        });
        Self { accounts: accounts.into(), transactions: BTreeMap::new(), made: 0, now: 0 }
    }

    fn at(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(self.now, 0).unwrap()
    }

    fn account(&mut self, id: &LedgerAccountId, command: LedgerAccountCommand) -> Option<()> {
        let account = self.accounts.get_mut(id)?;
        account.decide(command).ok()?.into_iter().for_each(|event| account.evolve(event));
        Some(())
    }

    fn transaction(&mut self, id: LedgerTransactionId, command: LedgerTransactionCommand) -> Option<()> {
        let transaction = self.transactions.entry(id).or_default();
        transaction.decide(command).ok()?.into_iter().for_each(|event| transaction.evolve(event));
        Some(())
    }

    fn all(
        &mut self,
        commands: Vec<(LedgerTransactionId, LedgerTransactionCommand)>,
        asked: Asked,
    ) -> Option<()> {
        let before = self.clone();
        let done = commands
            .into_iter()
            .try_for_each(|(id, command)| self.transaction(id, command))
            .and_then(|()| asked.iter().try_for_each(|(of, command)| self.account(of, command.clone())));
        if done.is_none() {
            *self = before;
        }
        done
    }

    fn post(
        &mut self,
        posting: Posting,
        then: Option<(LedgerTransactionId, LedgerTransactionCommand)>,
    ) -> Option<()> {
        let new = id(self.made);
        let asked = posted(new, &posting.legs).ok()?;
        let mut commands = vec![(new, LedgerTransactionCommand::Post(posting))];
        commands.extend(then);
        self.all(commands, asked)?;
        self.made += 1;
        Some(())
    }

    fn end(
        &mut self,
        n: usize,
        command: LedgerTransactionCommand,
        part: impl Fn(&Leg) -> LedgerAccountCommand,
    ) -> Option<()> {
        let legs = self.transactions.get(&id(n))?.legs().to_vec();
        let both = |leg: &Leg| [(leg.debit.clone(), part(leg)), (leg.credit.clone(), part(leg))];
        self.all(vec![(id(n), command)], legs.iter().flat_map(both).collect())
    }

    fn act(&mut self, deed: &Deed) -> Option<()> {
        let plain = |legs| Posting { legs, reference: None, description: None, source: None, reverses: None };
        let at = self.at();
        match deed {
            Deed::Post(legs) => self.post(plain(legs.iter().map(leg).collect()), None),
            Deed::Reserve(debit, credit, amount) => {
                let (new, leg) = (id(self.made), leg(&(*debit, *credit, *amount)));
                let expires_at = at + TimeDelta::seconds(TERM);
                let asked = reserved(new, &leg);
                let reservation = Reservation { leg, expires_at, reference: None, description: None };
                self.all(vec![(new, LedgerTransactionCommand::Reserve { reservation, at })], asked)?;
                self.made += 1;
                Some(())
            }
            Deed::PostPending(n, amount) => {
                let command = LedgerTransactionCommand::PostPending { amount: *amount, at };
                self.end(*n, command, |leg| LedgerAccountCommand::PostPending {
                    transaction: id(*n),
                    amount: amount.unwrap_or(leg.amount.amount),
                })
            }
            Deed::Void(n) | Deed::Expire(n) => {
                let command = if matches!(deed, Deed::Void(_)) {
                    LedgerTransactionCommand::Void
                } else {
                    LedgerTransactionCommand::Expire { at }
                };
                let is_pending = self.is_pending(*n);
                self.end(*n, command, |_| LedgerAccountCommand::Release { transaction: id(*n) })?;
                is_pending.then_some(())
            }
            Deed::Reverse(n) => {
                let legs = self.transactions.get(&id(*n))?.legs().iter().map(Leg::reversed).collect();
                let reverse = LedgerTransactionCommand::Reverse { by: id(self.made), reason: "wrong".into() };
                self.post(Posting { reverses: Some(id(*n)), ..plain(legs) }, Some((id(*n), reverse)))
            }
            Deed::Freeze(n) => {
                self.account(&account(*n), LedgerAccountCommand::Freeze { reason: "x".into() })
            }
            Deed::Unfreeze(n) => self.account(&account(*n), LedgerAccountCommand::Unfreeze),
            Deed::Close(n) => self.account(&account(*n), LedgerAccountCommand::Close),
            Deed::Wait => {
                self.now += 2;
                Some(())
            }
        }
    }

    fn is_pending(&self, n: usize) -> bool {
        self.transactions.get(&id(n)).is_some_and(|of| of.status() == Some(Status::Pending))
    }
}

/// The model: amounts by place, and nothing of how the ledger is made.
#[derive(Debug, Clone, Default)]
struct Model {
    /// Debits less credits.
    balance: BTreeMap<usize, i64>,
    frozen: BTreeSet<usize>,
    closed: BTreeSet<usize>,
    made: Vec<Made>,
    now: i64,
}

#[derive(Debug, Clone)]
struct Made {
    legs: Vec<(usize, usize, i64)>,
    pending_until: Option<i64>,
    posted: bool,
    may_reverse: bool,
}

impl Model {
    fn sound(legs: &[(usize, usize, i64)]) -> bool {
        let currency = |n: usize| ACCOUNTS[n].0.split_once('@').unwrap().1;
        legs.iter().all(|&(debit, credit, _)| debit != credit && currency(debit) == currency(credit))
    }

    fn usable(&self, legs: &[(usize, usize, i64)]) -> bool {
        legs.iter().flat_map(|&(debit, credit, _)| [debit, credit]).all(|n| self.takes_part(n))
    }

    fn takes_part(&self, n: usize) -> bool {
        !self.frozen.contains(&n) && !self.closed.contains(&n)
    }

    fn pending(&self) -> impl Iterator<Item = (usize, usize, i64)> {
        self.made.iter().filter(|made| made.pending_until.is_some()).map(|made| made.legs[0])
    }

    fn moved(&mut self, legs: &[(usize, usize, i64)]) {
        for &(debit, credit, amount) in legs {
            *self.balance.entry(debit).or_default() += amount;
            *self.balance.entry(credit).or_default() -= amount;
        }
    }

    /// Whether no account is overdrawn that must not be.
    fn is_covered(&self) -> bool {
        (0..ACCOUNTS.len()).filter(|&n| ACCOUNTS[n].2).all(|n| {
            let balance = self.balance.get(&n).copied().unwrap_or_default();
            let is_asset = ACCOUNTS[n].1 == Class::Asset;
            let out = |leg: &(usize, usize, i64)| if is_asset { leg.1 == n } else { leg.0 == n };
            let held: i64 = self.pending().filter(out).map(|leg| leg.2).sum();
            (if is_asset { balance } else { -balance }) >= held
        })
    }

    /// What it comes to, if it may be.
    fn after(&self, deed: &Deed) -> Option<Self> {
        let mut next = self.clone();
        let pending = |n: usize| self.made.get(n).filter(|made| made.pending_until.is_some());
        let plain = |legs: Vec<_>, may_reverse| Made { legs, pending_until: None, posted: true, may_reverse };
        match deed {
            Deed::Post(legs) => {
                next.moved(legs);
                next.made.push(plain(legs.clone(), true));
                (Self::sound(legs) && self.usable(legs) && next.is_covered()).then_some(next)
            }
            &Deed::Reserve(debit, credit, amount) => {
                let legs = vec![(debit, credit, amount)];
                let may = Self::sound(&legs) && self.usable(&legs);
                let pending_until = Some(self.now + TERM);
                next.made.push(Made { legs, pending_until, posted: false, may_reverse: true });
                (may && next.is_covered()).then_some(next)
            }
            &Deed::PostPending(n, amount) => {
                let (debit, credit, reserved) = pending(n)?.legs[0];
                let amount = amount.unwrap_or(reserved);
                let legs = [(debit, credit, amount)];
                let may = amount <= reserved && pending(n)?.pending_until? > self.now && self.usable(&legs);
                next.made[n] = plain(legs.to_vec(), true);
                next.moved(&legs);
                may.then_some(next)
            }
            &Deed::Void(n) => {
                pending(n)?;
                next.made[n].pending_until = None;
                Some(next)
            }
            &Deed::Expire(n) => {
                let until = pending(n)?.pending_until?;
                next.made[n].pending_until = None;
                (until <= self.now).then_some(next)
            }
            &Deed::Reverse(n) => {
                let made = self.made.get(n).filter(|made| made.posted && made.may_reverse)?;
                let legs: Vec<_> =
                    made.legs.iter().map(|&(debit, credit, amount)| (credit, debit, amount)).collect();
                next.moved(&legs);
                next.made[n].may_reverse = false;
                let may = self.usable(&legs) && next.is_covered();
                next.made.push(plain(legs, false));
                may.then_some(next)
            }
            &Deed::Freeze(n) => {
                next.frozen.insert(n);
                (!self.closed.contains(&n)).then_some(next)
            }
            &Deed::Unfreeze(n) => {
                next.frozen.remove(&n);
                (!self.closed.contains(&n)).then_some(next)
            }
            &Deed::Close(n) => {
                next.closed.insert(n);
                let empty = self.balance.get(&n).copied().unwrap_or_default() == 0
                    && self.pending().all(|(debit, credit, _)| debit != n && credit != n);
                (!ACCOUNTS[n].3 && empty && !self.frozen.contains(&n)).then_some(next)
            }
            Deed::Wait => {
                next.now += 2;
                Some(next)
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// I1 to I4 of the ledger: it takes what the model takes, sums are 0 in each currency, what must not be overdrawn
    /// is not, and what is pending is what has not ended.
    #[test]
    fn the_books_balance_and_agree_with_a_model(deeds in prop::collection::vec(deeds(), 1..80)) {
        let (mut world, mut model) = (World::new(), Model::default());
        for deed in deeds {
            let expected = model.after(&deed);
            prop_assert_eq!(world.act(&deed).is_some(), expected.is_some(), "{:?}", deed);
            model = expected.unwrap_or(model);
            let mut sums = BTreeMap::new();
            for (n, (name, ..)) in ACCOUNTS.iter().enumerate() {
                let id = account(n);
                let balance = model.balance.get(&n).copied().unwrap_or_default();
                *sums.entry(id.currency()).or_insert(0) += balance;
                let kept = &world.accounts[&id];
                if kept.is_shared() {
                    continue;
                }
                prop_assert_eq!(kept.balance(), balance, "{}", name);
                let side = |of: fn(&(usize, usize, i64)) -> usize| -> i64 {
                    model.pending().filter(|leg| of(leg) == n).map(|leg| leg.2).sum()
                };
                prop_assert_eq!(kept.pending(), (side(|leg| leg.0), side(|leg| leg.1)), "{}", name);
            }
            prop_assert!(sums.values().all(|&sum| sum == 0));
            prop_assert!(model.is_covered());
        }
    }
}
