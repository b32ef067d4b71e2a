//! Wallet: money that a customer has with a workspace, in one currency, in lots.
//!
//! Each lot came in at one time, with a priority and perhaps an end. What goes out is taken from the lots in order:
//! lower priority first, then what was granted, then the oldest; and every hold and debit names its lots and how much
//! of each. What is left of the lots is what the wallet has: available and held.
//!
//! A hold has its lots to itself until it is captured, released or expires, also where a lot's own time ends before;
//! what then comes free of such a lot ends at once. One capture ends a hold: the rest is free again. From the moment a
//! hold expires nothing can be captured of it, even if nobody has recorded that yet.
//!
//! A suspended wallet still takes money in and pays what it had set aside. Nothing is forgotten here: a lot, a hold or
//! a debit that is asked for again decides nothing, however long after.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use strum::{AsRefStr, EnumString};

use crate::ids::{
    CreditNoteId, CustomerId, InvoiceId, LedgerTransactionId, LotId, OrderId, PaymentId, RefundId, TopUpId,
    WalletDebitId, WalletHoldId, WalletId,
};
use crate::kernel::{Decider, Event, Kind, Refusal};
use crate::money::{Currency, Money};
use crate::sourced;
use crate::text::is_blank;
use lots::{Book, Fate};

mod lots;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

/// The longest reason, in characters.
pub const MAX_REASON: usize = 500;
/// The most lots with something left, and the most open holds, at a time.
pub const MAX_LOTS: usize = 1_000;
pub const MAX_HOLDS: usize = 1_000;
/// The longest time that something is held.
pub const MAX_TERM: TimeDelta = TimeDelta::days(90);

/// What sort of money a lot is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, AsRefStr, EnumString,
)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum LotKind {
    /// Given: spent before what was paid for.
    Granted,
    Purchased,
    Refund,
}

/// What a lot came of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = LotSource))]
#[serde(rename_all = "snake_case")]
pub enum Source {
    TopUp(TopUpId),
    Refund(RefundId),
    CreditNote(CreditNoteId),
}

/// What money is set aside or taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = WalletSubject))]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    Order(OrderId),
    Payment(PaymentId),
    Invoice(InvoiceId),
}

/// Money that comes in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Credit {
    pub lot: LotId,
    pub amount: Money,
    pub kind: LotKind,
    /// Lower is spent first.
    pub priority: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger_transaction: Option<LedgerTransactionId>,
}

/// So much of a lot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct LotPart {
    pub lot: LotId,
    pub amount: Money,
}

/// What may be asked of a wallet.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum WalletCommand {
    Open {
        customer: CustomerId,
        currency: Currency,
    },
    Credit {
        credit: Credit,
        at: DateTime<Utc>,
    },
    /// Set an amount aside.
    Hold {
        hold: WalletHoldId,
        amount: Money,
        subject: Subject,
        expires_at: DateTime<Utc>,
        at: DateTime<Utc>,
    },
    /// Take of what is held so much; the rest is free again.
    CaptureHold {
        hold: WalletHoldId,
        debit: WalletDebitId,
        amount: Money,
        at: DateTime<Utc>,
    },
    /// Nothing comes of a hold.
    ReleaseHold {
        hold: WalletHoldId,
        at: DateTime<Utc>,
    },
    /// Its time is up.
    ExpireHold {
        hold: WalletHoldId,
        at: DateTime<Utc>,
    },
    /// Take an amount at once.
    Debit {
        debit: WalletDebitId,
        amount: Money,
        subject: Subject,
        at: DateTime<Utc>,
    },
    /// End what is past its time and not held.
    ExpireLots {
        at: DateTime<Utc>,
    },
    /// Take back what is left of a lot: its top-up was charged back, or it was given by mistake.
    VoidLot {
        lot: LotId,
        reason: String,
    },
    /// Let nothing new be held or taken for now.
    Suspend {
        reason: String,
    },
    Resume,
    /// For good.
    Close,
}

/// What has happened to a wallet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AsRefStr)]
#[serde(tag = "type")]
pub enum WalletEvent {
    Opened {
        customer: CustomerId,
        currency: Currency,
    },
    Credited(Credit),
    Held {
        hold: WalletHoldId,
        amount: Money,
        subject: Subject,
        expires_at: DateTime<Utc>,
        lots: Vec<LotPart>,
    },
    Debited {
        debit: WalletDebitId,
        amount: Money,
        subject: Subject,
        lots: Vec<LotPart>,
        /// What it was captured of: over with it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hold: Option<WalletHoldId>,
        /// What of the hold is free again.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        released: Vec<LotPart>,
    },
    HoldReleased {
        hold: WalletHoldId,
        amount: Money,
        subject: Subject,
        lots: Vec<LotPart>,
    },
    HoldExpired {
        hold: WalletHoldId,
        amount: Money,
        subject: Subject,
        lots: Vec<LotPart>,
    },
    LotExpired {
        lot: LotId,
        amount: Money,
        kind: LotKind,
    },
    LotVoided {
        lot: LotId,
        amount: Money,
        kind: LotKind,
        reason: String,
    },
    Suspended {
        reason: String,
    },
    Resumed,
    Closed,
}

/// Why a wallet says no.
#[derive(Debug, PartialEq, thiserror::Error, AsRefStr)]
#[strum(serialize_all = "snake_case")]
pub enum WalletRefusal {
    #[error("no such wallet")]
    Unknown,
    #[error("the wallet exists already, with other terms")]
    AlreadyOpened,
    #[error("nothing new is in this currency: {0}")]
    CurrencyNotInUse(crate::currency::NotInUse),
    #[error("the wallet is in {0}")]
    OtherCurrency(Currency),
    #[error("an amount is more than 0")]
    InvalidAmount,
    #[error("an amount is at most {} minor units, and a wallet holds no more than i64", Money::MOST)]
    AmountOutOfRange,
    #[error("only {0} is available")]
    InsufficientAvailable(Money),
    #[error("the wallet is suspended")]
    Suspended,
    #[error("the wallet is closed")]
    Closed,
    #[error("a wallet can be closed when nothing is left in it; it has {0}")]
    NotEmpty(Money),
    #[error("{0} came in already, on other terms")]
    LotTaken(LotId),
    #[error("there is no lot {0}")]
    UnknownLot(LotId),
    #[error("a part of {0} is held: release or capture that first")]
    LotHeld(LotId),
    #[error("nothing is left of {0}")]
    LotOver(LotId),
    #[error("a lot ends later than it comes in")]
    InvalidExpiry,
    #[error("{MAX_LOTS} lots have something left: spend some first")]
    TooManyLots,
    #[error("there is no hold {0}")]
    UnknownHold(WalletHoldId),
    #[error("{0} was asked for already, on other terms")]
    HoldTaken(WalletHoldId),
    #[error("only {0} is held")]
    ExceedsHeld(Money),
    #[error("the hold has expired")]
    HoldExpired,
    #[error("the hold was released")]
    HoldReleased,
    #[error("the hold was captured")]
    HoldCaptured,
    #[error("the hold runs until {0}")]
    HoldNotDue(DateTime<Utc>),
    #[error("a hold runs for some time, and at most {} days", MAX_TERM.num_days())]
    InvalidTerm,
    #[error("{MAX_HOLDS} holds are open: release or capture some first")]
    TooManyHolds,
    #[error("{0} was taken already, on other terms")]
    DebitTaken(WalletDebitId),
    #[error("a reason has 1 to {MAX_REASON} characters and is not blank")]
    InvalidReason,
}

/// Whether a wallet can be spent from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, AsRefStr, EnumString)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum WalletStatus {
    #[default]
    Active,
    Suspended,
    Closed,
}

/// A wallet, as far as its rules need to remember it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Wallet {
    terms: Option<(CustomerId, Currency)>,
    status: WalletStatus,
    book: Book,
}

type Decided = Result<Vec<WalletEvent>, WalletRefusal>;

impl Wallet {
    /// How it stands; `None` before it exists.
    #[must_use]
    pub fn status(&self) -> Option<WalletStatus> {
        self.terms.map(|_| self.status)
    }

    /// What is in it, held or not, and what of it is held; `None` before it exists.
    #[must_use]
    pub fn balance(&self) -> Option<(Money, Money)> {
        let (_, currency) = self.terms?;
        Some((Money::new(self.book.remaining(), currency), Money::new(self.book.held(), currency)))
    }

    /// What can be held or taken at a time; `None` before it exists.
    #[must_use]
    pub fn available(&self, at: DateTime<Utc>) -> Option<Money> {
        self.terms.map(|(_, currency)| Money::new(self.book.available(at), currency))
    }

    fn must_be_active(&self) -> Result<(), WalletRefusal> {
        match self.status {
            WalletStatus::Active => Ok(()),
            WalletStatus::Suspended => Err(WalletRefusal::Suspended),
            WalletStatus::Closed => Err(WalletRefusal::Closed),
        }
    }

    fn credit(&self, currency: Currency, credit: Credit, at: DateTime<Utc>) -> Decided {
        use WalletRefusal as No;
        if let Some(there) = self.book.credit_of(credit.lot) {
            return if *there == credit { Ok(vec![]) } else { Err(No::LotTaken(credit.lot)) };
        }
        check(credit.amount, currency)?;
        match credit.expires_at {
            _ if self.status == WalletStatus::Closed => Err(No::Closed),
            Some(expires_at) if expires_at <= at => Err(No::InvalidExpiry),
            _ if self.book.open_lots() >= MAX_LOTS => Err(No::TooManyLots),
            _ if self.book.remaining().checked_add(credit.amount.amount).is_none() => {
                Err(No::AmountOutOfRange)
            }
            _ => Ok(vec![WalletEvent::Credited(credit)]),
        }
    }

    /// From which lots an amount is taken, all of them in order.
    fn taken(&self, amount: Money, at: DateTime<Utc>) -> Result<Vec<LotPart>, WalletRefusal> {
        self.must_be_active()?;
        let available = Money { amount: self.book.available(at), ..amount };
        if amount.amount > available.amount {
            return Err(WalletRefusal::InsufficientAvailable(available));
        }
        Ok(parts(self.book.consume(amount.amount, at), amount.currency))
    }

    fn hold(&self, currency: Currency, command: WalletCommand) -> Decided {
        use WalletRefusal as No;
        let WalletCommand::Hold { hold, amount, subject, expires_at, at } = command else {
            return Ok(vec![]);
        };
        if let Some(there) = self.book.hold(hold) {
            let same =
                (there.amount, there.subject, there.expires_at) == (amount.amount, subject, expires_at);
            return if same && amount.currency == currency { Ok(vec![]) } else { Err(No::HoldTaken(hold)) };
        }
        check(amount, currency)?;
        if expires_at <= at || expires_at - at > MAX_TERM {
            return Err(No::InvalidTerm);
        }
        if self.book.open_holds() >= MAX_HOLDS {
            return Err(No::TooManyHolds);
        }
        let lots = self.taken(amount, at)?;
        Ok(vec![WalletEvent::Held { hold, amount, subject, expires_at, lots }])
    }

    fn debit(&self, currency: Currency, command: WalletCommand) -> Decided {
        let WalletCommand::Debit { debit, amount, subject, at } = command else { return Ok(vec![]) };
        if let Some(same) = self.book.is_debit(debit, None, amount, Some(subject)) {
            return if same { Ok(vec![]) } else { Err(WalletRefusal::DebitTaken(debit)) };
        }
        check(amount, currency)?;
        let lots = self.taken(amount, at)?;
        Ok(vec![WalletEvent::Debited { debit, amount, subject, lots, hold: None, released: vec![] }])
    }

    fn capture(&self, currency: Currency, command: WalletCommand) -> Decided {
        use WalletRefusal as No;
        let WalletCommand::CaptureHold { hold, debit, amount, at } = command else { return Ok(vec![]) };
        if let Some(same) = self.book.is_debit(debit, Some(hold), amount, None) {
            return if same { Ok(vec![]) } else { Err(No::DebitTaken(debit)) };
        }
        let there = self.book.hold(hold).ok_or(No::UnknownHold(hold))?;
        check(amount, currency)?;
        match there.fate {
            Fate::Captured => Err(No::HoldCaptured),
            Fate::Released => Err(No::HoldReleased),
            Fate::Expired => Err(No::HoldExpired),
            Fate::Open if at >= there.expires_at => Err(No::HoldExpired),
            Fate::Open if amount.amount > there.amount => {
                Err(No::ExceedsHeld(Money::new(there.amount, currency)))
            }
            Fate::Open => {
                let (lots, released) = there.split(amount.amount);
                let ended = self.ended(&released, currency, at);
                let (lots, released) = (parts(lots, currency), parts(released, currency));
                let subject = there.subject;
                let taken = WalletEvent::Debited { debit, amount, subject, lots, hold: Some(hold), released };
                Ok(std::iter::once(taken).chain(ended).collect())
            }
        }
    }

    /// A hold comes to nothing, and with it what is past its time of its lots.
    fn give_up(&self, currency: Currency, hold: WalletHoldId, at: DateTime<Utc>, expired: bool) -> Decided {
        use {WalletEvent as E, WalletRefusal as No};
        let there = self.book.hold(hold).ok_or(No::UnknownHold(hold))?;
        match there.fate {
            Fate::Open if expired && at < there.expires_at => Err(No::HoldNotDue(there.expires_at)),
            Fate::Open => {
                let (amount, subject) = (Money::new(there.amount, currency), there.subject);
                let ended = self.ended(&there.lots, currency, at);
                let lots = parts(there.lots.clone(), currency);
                let given_up = if expired {
                    E::HoldExpired { hold, amount, subject, lots }
                } else {
                    E::HoldReleased { hold, amount, subject, lots }
                };
                Ok(std::iter::once(given_up).chain(ended).collect())
            }
            Fate::Captured if !expired => Err(No::HoldCaptured),
            Fate::Captured | Fate::Released | Fate::Expired => Ok(vec![]),
        }
    }

    /// What comes free of lots whose time is past, and so ends.
    fn ended(&self, freed: &[(LotId, i64)], currency: Currency, at: DateTime<Utc>) -> Vec<WalletEvent> {
        let past = freed.iter().filter_map(|&(lot, freed)| {
            let there = self.book.lot(lot).filter(|there| there.is_past(at))?;
            let amount = Money::new(freed + there.free(), currency);
            Some(WalletEvent::LotExpired { lot, amount, kind: there.credit.kind })
        });
        past.collect()
    }

    fn void_lot(&self, currency: Currency, lot: LotId, reason: String) -> Decided {
        use WalletRefusal as No;
        let there = self.book.lot(lot).ok_or(No::UnknownLot(lot))?;
        let kind = there.credit.kind;
        match there.remaining {
            _ if there.voided => Ok(vec![]),
            _ if !is_reason(&reason) => Err(No::InvalidReason),
            _ if there.held > 0 => Err(No::LotHeld(lot)),
            0 => Err(No::LotOver(lot)),
            left => {
                let amount = Money::new(left, currency);
                Ok(vec![WalletEvent::LotVoided { lot, amount, kind, reason }])
            }
        }
    }
}

fn parts(lots: Vec<(LotId, i64)>, currency: Currency) -> Vec<LotPart> {
    lots.into_iter().map(|(lot, amount)| LotPart { lot, amount: Money::new(amount, currency) }).collect()
}

fn is_reason(text: &str) -> bool {
    !is_blank(text) && text.chars().count() <= MAX_REASON
}

fn check(amount: Money, currency: Currency) -> Result<(), WalletRefusal> {
    match amount {
        _ if amount.currency != currency => Err(WalletRefusal::OtherCurrency(currency)),
        _ if amount.amount <= 0 => Err(WalletRefusal::InvalidAmount),
        _ if !amount.is_in_range() => Err(WalletRefusal::AmountOutOfRange),
        _ => Ok(()),
    }
}

impl Decider for Wallet {
    const NAME: &'static str = "finance.wallet";
    type Id = WalletId;
    type Command = WalletCommand;
    type Event = WalletEvent;
    type Refusal = WalletRefusal;

    fn decide(&self, command: WalletCommand) -> Decided {
        use WalletStatus as S;
        use {WalletCommand as C, WalletEvent as E, WalletRefusal as No};
        let Some((_, currency)) = self.terms else {
            let C::Open { customer, currency } = command else { return Err(No::Unknown) };
            let currency = currency.in_use().map_err(No::CurrencyNotInUse)?;
            return Ok(vec![E::Opened { customer, currency }]);
        };
        match (command, self.status) {
            (C::Open { customer, currency }, _) => {
                if self.terms == Some((customer, currency)) {
                    Ok(vec![])
                } else {
                    Err(No::AlreadyOpened)
                }
            }
            (C::Credit { credit, at }, _) => self.credit(currency, credit, at),
            (command @ C::Hold { .. }, _) => self.hold(currency, command),
            (command @ C::Debit { .. }, _) => self.debit(currency, command),
            (command @ C::CaptureHold { .. }, _) => self.capture(currency, command),
            (C::ReleaseHold { hold, at }, _) => self.give_up(currency, hold, at, false),
            (C::ExpireHold { hold, at }, _) => self.give_up(currency, hold, at, true),
            (C::ExpireLots { at }, _) => {
                let due = self.book.due(at).map(|(lot, there)| E::LotExpired {
                    lot,
                    amount: Money::new(there.free(), currency),
                    kind: there.credit.kind,
                });
                Ok(due.collect())
            }
            (C::VoidLot { lot, reason }, _) => self.void_lot(currency, lot, reason),

            (C::Suspend { reason }, S::Active) if is_reason(&reason) => Ok(vec![E::Suspended { reason }]),
            (C::Suspend { .. }, S::Active) => Err(No::InvalidReason),
            (C::Suspend { .. }, S::Suspended) | (C::Resume, S::Active) | (C::Close, S::Closed) => Ok(vec![]),
            (C::Resume, S::Suspended) => Ok(vec![E::Resumed]),
            (C::Suspend { .. } | C::Resume, S::Closed) => Err(No::Closed),
            (C::Close, _) => match self.book.remaining() {
                0 => Ok(vec![E::Closed]),
                left => Err(No::NotEmpty(Money::new(left, currency))),
            },
        }
    }

    fn evolve(&mut self, event: WalletEvent) {
        use WalletEvent as E;
        match event {
            E::Opened { customer, currency } => self.terms = Some((customer, currency)),
            E::Credited(credit) => self.book.credited(credit),
            E::Held { hold, amount, subject, expires_at, lots } => {
                self.book.held_for(hold, amount, subject, expires_at, &lots);
            }
            E::Debited { debit, amount, subject, lots, hold, .. } => {
                if let Some(hold) = hold {
                    self.book.over(hold, Fate::Captured);
                }
                self.book.debited(debit, hold, amount, subject, &lots);
            }
            E::HoldReleased { hold, .. } => self.book.over(hold, Fate::Released),
            E::HoldExpired { hold, .. } => self.book.over(hold, Fate::Expired),
            E::LotExpired { lot, amount, .. } => self.book.lost(lot, amount.amount, false),
            E::LotVoided { lot, amount, .. } => self.book.lost(lot, amount.amount, true),
            E::Suspended { .. } => self.status = WalletStatus::Suspended,
            E::Resumed => self.status = WalletStatus::Active,
            E::Closed => self.status = WalletStatus::Closed,
        }
    }
}

impl Event for WalletEvent {}
impl Refusal for WalletRefusal {
    fn kind(&self) -> Kind {
        use WalletRefusal as No;
        match self {
            No::Unknown | No::UnknownLot(_) | No::UnknownHold(_) => Kind::Missing,
            No::CurrencyNotInUse(_)
            | No::OtherCurrency(_)
            | No::InvalidAmount
            | No::AmountOutOfRange
            | No::InvalidExpiry
            | No::InvalidTerm
            | No::InvalidReason => Kind::Invalid,
            No::HoldExpired => Kind::Gone,
            _ => Kind::Conflict,
        }
    }
}
sourced!(Wallet, WalletEvent);
