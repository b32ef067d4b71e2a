//! Ledger accounts: what a workspace has, owes, earns and spends, in one currency each.
//!
//! An account that is not `shared` keeps its own balance: every leg that touches it is an event of its own stream, so
//! whether it may be overdrawn, is frozen or can be closed is decided by one writer. A `shared` account (a gateway's
//! clearing, a bank, income, expenses) takes part in transactions of everybody at once and in none by an event: its
//! balance is added up by readers. Nothing is decided on it, so it can be frozen, but neither forbid overdrafts nor be
//! closed (docs/adr/0025).
//!
//! What is reserved counts at once where it takes away, and only when it is posted where it adds. A reservation that
//! is over is unknown: releasing it again decides nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use strum::{AsRefStr, EnumString};

use crate::ids::{LedgerAccountId, LedgerTransactionId};
use crate::kernel::{Decider, Event, Kind, Refusal};
use crate::money::Money;
use crate::sourced;
use crate::text::is_blank;

pub mod chart;
#[cfg(test)]
mod tests;

/// The longest reason, in characters.
pub const MAX_REASON: usize = 500;
/// The most reservations that an account has at a time.
pub const MAX_PENDING: usize = 10_000;

/// What kind of account it is: which side makes it more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, AsRefStr, EnumString)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = LedgerAccountClass))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Class {
    Asset,
    Liability,
    Equity,
    Income,
    Expense,
}

/// The two sides of a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, AsRefStr)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    Debit,
    Credit,
}

impl Class {
    /// The side that makes an account of this class more.
    #[must_use]
    pub const fn normal(self) -> Side {
        match self {
            Self::Asset | Self::Expense => Side::Debit,
            Self::Liability | Self::Equity | Self::Income => Side::Credit,
        }
    }

    /// What debits less credits are as a balance of this class.
    #[must_use]
    pub const fn balance(self, debits_less_credits: i64) -> i64 {
        match self.normal() {
            Side::Debit => debits_less_credits,
            Side::Credit => debits_less_credits.saturating_neg(),
        }
    }
}

/// What may be asked of an account.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum LedgerAccountCommand {
    Open {
        account: LedgerAccountId,
        class: Class,
        no_overdraft: bool,
        shared: bool,
    },
    /// Its part of a transaction: all its debits and all its credits.
    Post {
        transaction: LedgerTransactionId,
        debit: i64,
        credit: i64,
    },
    /// Set an amount aside for a transaction that is pending.
    Reserve {
        transaction: LedgerTransactionId,
        side: Side,
        amount: i64,
    },
    /// Post of what is reserved this much; the rest is free again.
    PostPending {
        transaction: LedgerTransactionId,
        amount: i64,
    },
    /// Nothing comes of a reservation.
    Release {
        transaction: LedgerTransactionId,
    },
    /// Let nothing be posted or reserved for now.
    Freeze {
        reason: String,
    },
    Unfreeze,
    /// For good.
    Close,
}

/// What has happened to an account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AsRefStr)]
#[serde(tag = "type")]
pub enum LedgerAccountEvent {
    Opened { account: LedgerAccountId, class: Class, no_overdraft: bool, shared: bool },
    Posted { transaction: LedgerTransactionId, debit: i64, credit: i64 },
    Reserved { transaction: LedgerTransactionId, side: Side, amount: i64 },
    PendingPosted { transaction: LedgerTransactionId, side: Side, amount: i64, reserved: i64 },
    PendingReleased { transaction: LedgerTransactionId, side: Side, amount: i64 },
    Frozen { reason: String },
    Unfrozen,
    Closed,
}

/// Why an account says no.
#[derive(Debug, Clone, PartialEq, thiserror::Error, AsRefStr)]
#[strum(serialize_all = "snake_case")]
pub enum LedgerAccountRefusal {
    #[error("there is no such account")]
    Unknown,
    #[error("this account is open already, with other terms")]
    AlreadyOpened,
    #[error("a shared account cannot forbid overdrafts: nothing is decided on its balance")]
    SharedMayBeOverdrawn,
    #[error("{account} has {available} left")]
    InsufficientFunds { account: LedgerAccountId, available: Money },
    #[error("{0} is frozen")]
    Frozen(LedgerAccountId),
    #[error("{0} is closed")]
    Closed(LedgerAccountId),
    #[error(
        "an account can be closed when its balance is 0 and nothing is pending; it has {balance}, {pending} pending"
    )]
    NotEmpty { balance: Money, pending: usize },
    #[error("a shared account cannot be closed, since nothing is decided on its balance: freeze it")]
    Shared,
    #[error("nothing is reserved for this transaction, or not so much")]
    NotReserved,
    #[error("an amount is more than 0")]
    InvalidAmount,
    #[error("the balance would leave the range of amounts")]
    OutOfRange,
    #[error("{MAX_PENDING} reservations are pending: post or void some first")]
    TooManyPending,
    #[error("a reason has 1 to {MAX_REASON} characters")]
    InvalidReason,
}

/// Whether an account takes part in transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, AsRefStr, EnumString)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = LedgerAccountStatus))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Status {
    #[default]
    Open,
    Frozen,
    Closed,
}

/// The terms an account was opened with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Terms {
    account: LedgerAccountId,
    class: Class,
    no_overdraft: bool,
    shared: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Pending {
    side: Side,
    amount: i64,
}

/// An account, as far as its rules need to remember it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct LedgerAccount {
    terms: Option<Terms>,
    status: Status,
    /// Debits less credits.
    balance: i64,
    pending: BTreeMap<LedgerTransactionId, Pending>,
    /// Sums of what is pending.
    pending_debits: i64,
    pending_credits: i64,
}

impl LedgerAccount {
    /// Whether it was ever opened.
    #[must_use]
    pub const fn is_known(&self) -> bool {
        self.terms.is_some()
    }

    /// Whether it takes part in transactions without an event of its own. It never changes.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.terms.as_ref().is_some_and(|terms| terms.shared)
    }

    /// Debits less credits; always 0 of a shared one.
    #[must_use]
    pub const fn balance(&self) -> i64 {
        self.balance
    }

    /// What is reserved on the two sides.
    #[must_use]
    pub const fn pending(&self) -> (i64, i64) {
        (self.pending_debits, self.pending_credits)
    }

    /// What can be taken away, with this much more debited and credited, and so much more pending on the two sides.
    fn available(terms: &Terms, balance: i128, pending: (i128, i128)) -> i128 {
        match terms.class.normal() {
            Side::Debit => balance - pending.1,
            Side::Credit => -balance - pending.0,
        }
    }

    /// Whether these changes leave nothing overdrawn and nothing out of range.
    fn bears(&self, terms: &Terms, moved: i128, pended: (i128, i128)) -> Result<(), LedgerAccountRefusal> {
        use LedgerAccountRefusal as No;
        let balance = i128::from(self.balance) + moved;
        let now = (i128::from(self.pending_debits), i128::from(self.pending_credits));
        let pending = (now.0 + pended.0, now.1 + pended.1);
        let fits = |amount: i128| amount.unsigned_abs() <= i64::MAX.unsigned_abs().into();
        if !(fits(balance) && fits(pending.0) && fits(pending.1)) {
            return Err(No::OutOfRange);
        }
        if terms.no_overdraft && Self::available(terms, balance, pending) < 0 {
            let left = Self::available(terms, self.balance.into(), now);
            let left = i64::try_from(left).unwrap_or(i64::MAX);
            let available = Money::new(left, terms.account.currency());
            return Err(No::InsufficientFunds { account: terms.account.clone(), available });
        }
        Ok(())
    }

    fn must_be_open(&self, terms: &Terms) -> Result<(), LedgerAccountRefusal> {
        match self.status {
            Status::Open => Ok(()),
            Status::Frozen => Err(LedgerAccountRefusal::Frozen(terms.account.clone())),
            Status::Closed => Err(LedgerAccountRefusal::Closed(terms.account.clone())),
        }
    }

    fn close(&self, terms: &Terms) -> Result<Vec<LedgerAccountEvent>, LedgerAccountRefusal> {
        if terms.shared {
            return Err(LedgerAccountRefusal::Shared);
        }
        if self.balance == 0 && self.pending.is_empty() {
            return Ok(vec![LedgerAccountEvent::Closed]);
        }
        let balance = Money::new(terms.class.balance(self.balance), terms.account.currency());
        Err(LedgerAccountRefusal::NotEmpty { balance, pending: self.pending.len() })
    }

    fn end(&mut self, transaction: LedgerTransactionId) {
        let Some(Pending { side, amount }) = self.pending.remove(&transaction) else { return };
        match side {
            Side::Debit => self.pending_debits -= amount,
            Side::Credit => self.pending_credits -= amount,
        }
    }
}

/// As a change of debits less credits.
const fn signed(side: Side, amount: i64) -> i128 {
    match side {
        Side::Debit => amount as i128,
        Side::Credit => -(amount as i128),
    }
}

/// As a change of what is pending on the two sides.
const fn on(side: Side, amount: i64) -> (i128, i128) {
    match side {
        Side::Debit => (amount as i128, 0),
        Side::Credit => (0, amount as i128),
    }
}

impl Decider for LedgerAccount {
    const NAME: &'static str = "finance.ledger_account";
    type Id = LedgerAccountId;
    type Command = LedgerAccountCommand;
    type Event = LedgerAccountEvent;
    type Refusal = LedgerAccountRefusal;

    fn decide(&self, command: LedgerAccountCommand) -> Result<Vec<LedgerAccountEvent>, LedgerAccountRefusal> {
        use {LedgerAccountCommand as C, LedgerAccountEvent as E, LedgerAccountRefusal as No};
        let Some(terms) = &self.terms else {
            return match command {
                C::Open { no_overdraft: true, shared: true, .. } => Err(No::SharedMayBeOverdrawn),
                C::Open { account, class, no_overdraft, shared } => {
                    Ok(vec![E::Opened { account, class, no_overdraft, shared }])
                }
                _ => Err(No::Unknown),
            };
        };
        match command {
            C::Open { account, class, no_overdraft, shared }
                if *terms == (Terms { account: account.clone(), class, no_overdraft, shared }) =>
            {
                Ok(vec![])
            }
            C::Open { .. } => Err(No::AlreadyOpened),

            C::Post { debit, credit, .. } if debit < 0 || credit < 0 || (debit, credit) == (0, 0) => {
                Err(No::InvalidAmount)
            }
            C::Post { transaction, debit, credit } => {
                self.must_be_open(terms)?;
                self.bears(terms, i128::from(debit) - i128::from(credit), (0, 0))?;
                Ok(if terms.shared { vec![] } else { vec![E::Posted { transaction, debit, credit }] })
            }

            C::Reserve { amount, .. } if amount <= 0 => Err(No::InvalidAmount),
            C::Reserve { transaction, .. } if self.pending.contains_key(&transaction) => Ok(vec![]),
            C::Reserve { .. } if self.pending.len() >= MAX_PENDING => Err(No::TooManyPending),
            C::Reserve { transaction, side, amount } => {
                self.must_be_open(terms)?;
                self.bears(terms, 0, on(side, amount))?;
                Ok(if terms.shared { vec![] } else { vec![E::Reserved { transaction, side, amount }] })
            }

            C::PostPending { .. } if terms.shared => self.must_be_open(terms).map(|()| vec![]),
            C::PostPending { transaction, amount } => {
                self.must_be_open(terms)?;
                let pending = self.pending.get(&transaction).filter(|of| (1..=of.amount).contains(&amount));
                let &Pending { side, amount: reserved } = pending.ok_or(No::NotReserved)?;
                let freed = on(side, reserved);
                self.bears(terms, signed(side, amount), (-freed.0, -freed.1))?;
                Ok(vec![E::PendingPosted { transaction, side, amount, reserved }])
            }

            C::Release { transaction } => Ok(match self.pending.get(&transaction) {
                Some(&Pending { side, amount }) => vec![E::PendingReleased { transaction, side, amount }],
                None => vec![],
            }),

            C::Freeze { reason } if is_blank(&reason) || reason.chars().count() > MAX_REASON => {
                Err(No::InvalidReason)
            }
            C::Freeze { reason } => match self.status {
                Status::Open => Ok(vec![E::Frozen { reason }]),
                Status::Frozen => Ok(vec![]),
                Status::Closed => Err(No::Closed(terms.account.clone())),
            },
            C::Unfreeze => match self.status {
                Status::Open => Ok(vec![]),
                Status::Frozen => Ok(vec![E::Unfrozen]),
                Status::Closed => Err(No::Closed(terms.account.clone())),
            },
            C::Close => match self.status {
                Status::Closed => Ok(vec![]),
                Status::Frozen => Err(No::Frozen(terms.account.clone())),
                Status::Open => self.close(terms),
            },
        }
    }

    fn evolve(&mut self, event: LedgerAccountEvent) {
        use LedgerAccountEvent as E;
        match event {
            E::Opened { account, class, no_overdraft, shared } => {
                self.terms = Some(Terms { account, class, no_overdraft, shared });
            }
            E::Posted { debit, credit, .. } => self.balance += debit - credit,
            E::Reserved { transaction, side, amount } => {
                self.pending.insert(transaction, Pending { side, amount });
                match side {
                    Side::Debit => self.pending_debits += amount,
                    Side::Credit => self.pending_credits += amount,
                }
            }
            E::PendingPosted { transaction, side, amount, .. } => {
                self.end(transaction);
                match side {
                    Side::Debit => self.balance += amount,
                    Side::Credit => self.balance -= amount,
                }
            }
            E::PendingReleased { transaction, .. } => self.end(transaction),
            E::Frozen { .. } => self.status = Status::Frozen,
            E::Unfrozen => self.status = Status::Open,
            E::Closed => self.status = Status::Closed,
        }
    }
}

impl Event for LedgerAccountEvent {}
impl Refusal for LedgerAccountRefusal {
    fn kind(&self) -> Kind {
        match self {
            Self::Unknown => Kind::Missing,
            Self::SharedMayBeOverdrawn | Self::InvalidAmount | Self::InvalidReason => Kind::Invalid,
            _ => Kind::Conflict,
        }
    }
}
sourced!(LedgerAccount, LedgerAccountEvent);
