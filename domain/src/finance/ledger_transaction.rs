//! Ledger transactions: amounts that go from account to account, whole or not at all.
//!
//! Each leg debits one account and credits another of the same currency, so whatever is recorded balances; currencies
//! are exchanged by legs through an account of each. What is recorded is never changed: it is reversed, once, by
//! another transaction.
//!
//! A transaction is posted at once, or is pending: it reserves one amount, of which up to all is posted before it
//! expires, or nothing, if it is voided or expires. From the moment it expires nothing can be posted of it, even if
//! nobody has recorded that yet.
//!
//! A reference is a transaction's own: its id is made of it. Posting again is refused and not passed over, since the
//! accounts would not know that they took part already.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use strum::{AsRefStr, EnumString};
use uuid::Uuid;

use crate::ids::{LedgerAccountId, LedgerTransactionId};
use crate::kernel::{Decider, Event, Kind, Refusal};
use crate::money::Money;
use crate::sourced;
use crate::text::is_blank;

#[cfg(test)]
mod tests;

/// The most legs of a transaction.
pub const MAX_LEGS: usize = 100;
/// The longest reference, code or reason, in characters.
pub const MAX_REFERENCE: usize = 200;
pub const MAX_CODE: usize = 64;
pub const MAX_TEXT: usize = 500;
/// The longest time that something can be pending.
pub const MAX_TERM: TimeDelta = TimeDelta::days(90);

/// An amount that goes from one account to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = LedgerLeg))]
pub struct Leg {
    pub debit: LedgerAccountId,
    pub credit: LedgerAccountId,
    pub amount: Money,
    /// What it is for, in the seller's words: `capture`, `fee`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

impl Leg {
    /// The same backwards.
    #[must_use]
    pub fn reversed(&self) -> Self {
        let Self { debit, credit, amount, code } = self.clone();
        Self { debit: credit, credit: debit, amount, code }
    }

    fn check(&self) -> Result<(), LedgerTransactionRefusal> {
        use LedgerTransactionRefusal as No;
        let currency = self.amount.currency;
        match self {
            _ if self.amount.amount <= 0 => Err(No::InvalidAmount),
            _ if !self.amount.is_in_range() => Err(No::AmountOutOfRange),
            _ if self.debit.currency() != currency || self.credit.currency() != currency => {
                Err(No::CurrencyMismatch)
            }
            _ if self.debit == self.credit => Err(No::SameAccount(self.debit.clone())),
            _ if self.code.as_deref().is_some_and(|code| !is_text(code, MAX_CODE)) => Err(No::InvalidCode),
            _ => Ok(()),
        }
    }
}

/// What is posted at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Posting {
    pub legs: Vec<Leg>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The event of the business that it follows from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Uuid>,
    /// What it takes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverses: Option<LedgerTransactionId>,
}

/// What is set aside for a while.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reservation {
    pub leg: Leg,
    pub expires_at: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// What may be asked of a transaction.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum LedgerTransactionCommand {
    Post(Posting),
    Reserve {
        reservation: Reservation,
        at: DateTime<Utc>,
    },
    /// Post of what is pending this much, in minor units, or all of it.
    PostPending {
        amount: Option<i64>,
        at: DateTime<Utc>,
    },
    /// Nothing comes of what is pending.
    Void,
    /// Its time is up.
    Expire {
        at: DateTime<Utc>,
    },
    /// Another transaction takes it back.
    Reverse {
        by: LedgerTransactionId,
        reason: String,
    },
}

/// What has happened to a transaction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AsRefStr)]
#[serde(tag = "type")]
pub enum LedgerTransactionEvent {
    Posted(Posting),
    Reserved(Reservation),
    /// With the leg that was posted, and what had been reserved for it.
    PendingPosted {
        leg: Leg,
        reserved: Money,
    },
    Voided {
        leg: Leg,
    },
    Expired {
        leg: Leg,
    },
    Reversed {
        by: LedgerTransactionId,
        reason: String,
    },
}

/// Why a transaction says no.
#[derive(Debug, Clone, PartialEq, thiserror::Error, AsRefStr)]
#[strum(serialize_all = "snake_case")]
pub enum LedgerTransactionRefusal {
    #[error("there is no such transaction")]
    Unknown,
    #[error("there is no account {0}: open it first")]
    UnknownAccount(LedgerAccountId),
    #[error("a transaction has 1 to {MAX_LEGS} legs")]
    InvalidLegs,
    #[error("an amount is more than 0")]
    InvalidAmount,
    #[error("an amount is at most {} minor units", Money::MOST)]
    AmountOutOfRange,
    #[error(
        "a leg and its two accounts are of one currency: exchange by two legs, through an account of each"
    )]
    CurrencyMismatch,
    #[error("a leg goes from one account to another, not from {0} to itself")]
    SameAccount(LedgerAccountId),
    #[error("a code has 1 to {MAX_CODE} characters")]
    InvalidCode,
    #[error("a reference has 1 to {MAX_REFERENCE} characters, a description or a reason 1 to {MAX_TEXT}")]
    InvalidText,
    #[error("what is pending expires later than now, and within 90 days")]
    InvalidTerm,
    #[error("a transaction of this reference is recorded already")]
    DuplicateReference,
    #[error("only {0} is reserved")]
    ExceedsReserved(Money),
    #[error("it is not pending: it was posted at once")]
    NotPending,
    #[error("it is still pending: void it")]
    StillPending,
    #[error("what was pending is posted already")]
    PendingAlreadyPosted,
    #[error("what was pending is voided")]
    PendingAlreadyVoided,
    #[error("what was pending has expired")]
    PendingExpired,
    #[error("its time is not up yet")]
    NotExpired,
    #[error("it is reversed already, by {0}")]
    AlreadyReversed(LedgerTransactionId),
    #[error("it takes back another one itself: post that one anew")]
    IsReversal,
    #[error("nothing of it was ever posted")]
    NothingPosted,
}

/// How a transaction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, AsRefStr, EnumString)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = LedgerTransactionStatus))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Status {
    Pending,
    Posted,
    Voided,
    Expired,
    Reversed,
}

/// A transaction, as far as its rules need to remember it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct LedgerTransaction {
    status: Option<Status>,
    /// What is posted, or pending, or came to nothing.
    legs: Vec<Leg>,
    /// Until when it was pending, if it ever was.
    expires_at: Option<DateTime<Utc>>,
    reverses: bool,
    reversed_by: Option<LedgerTransactionId>,
}

impl LedgerTransaction {
    /// How it stands, if there is one.
    #[must_use]
    pub const fn status(&self) -> Option<Status> {
        self.status
    }

    /// What is posted, or pending.
    #[must_use]
    pub fn legs(&self) -> &[Leg] {
        &self.legs
    }

    /// What of a pending one would be posted: a part, or all.
    #[must_use]
    pub fn pending(&self, amount: Option<i64>) -> Option<Leg> {
        let leg = self.legs.first().filter(|_| self.expires_at.is_some())?;
        let amount = Money { amount: amount.unwrap_or(leg.amount.amount), ..leg.amount };
        Some(Leg { amount, ..leg.clone() })
    }

    fn is_due(&self, at: DateTime<Utc>) -> bool {
        self.expires_at.is_some_and(|expires_at| at >= expires_at)
    }
}

fn is_text(text: &str, most: usize) -> bool {
    !is_blank(text) && text.chars().count() <= most
}

fn check_texts(reference: Option<&String>, text: Option<&String>) -> Result<(), LedgerTransactionRefusal> {
    let fits = reference.is_none_or(|text| is_text(text, MAX_REFERENCE))
        && text.is_none_or(|text| is_text(text, MAX_TEXT));
    if fits { Ok(()) } else { Err(LedgerTransactionRefusal::InvalidText) }
}

/// What may be asked of a transaction that does not exist yet.
fn begin(command: LedgerTransactionCommand) -> Result<Vec<LedgerTransactionEvent>, LedgerTransactionRefusal> {
    use {LedgerTransactionCommand as C, LedgerTransactionEvent as E, LedgerTransactionRefusal as No};
    match command {
        C::Post(posting) => {
            if !(1..=MAX_LEGS).contains(&posting.legs.len()) {
                return Err(No::InvalidLegs);
            }
            posting.legs.iter().try_for_each(Leg::check)?;
            check_texts(posting.reference.as_ref(), posting.description.as_ref())?;
            Ok(vec![E::Posted(posting)])
        }
        C::Reserve { reservation, at } => {
            reservation.leg.check()?;
            check_texts(reservation.reference.as_ref(), reservation.description.as_ref())?;
            let term = reservation.expires_at - at;
            if term <= TimeDelta::zero() || term > MAX_TERM {
                return Err(No::InvalidTerm);
            }
            Ok(vec![E::Reserved(reservation)])
        }
        _ => Err(No::Unknown),
    }
}

impl Decider for LedgerTransaction {
    const NAME: &'static str = "finance.ledger_transaction";
    type Id = LedgerTransactionId;
    type Command = LedgerTransactionCommand;
    type Event = LedgerTransactionEvent;
    type Refusal = LedgerTransactionRefusal;

    fn decide(
        &self,
        command: LedgerTransactionCommand,
    ) -> Result<Vec<LedgerTransactionEvent>, LedgerTransactionRefusal> {
        use {LedgerTransactionCommand as C, LedgerTransactionEvent as E, LedgerTransactionRefusal as No};
        let Some(status) = self.status else { return begin(command) };
        match (command, status) {
            (C::Post(_) | C::Reserve { .. }, _) => Err(No::DuplicateReference),

            (C::PostPending { .. } | C::Void, _) if self.expires_at.is_none() => Err(No::NotPending),
            (C::PostPending { at, .. }, Status::Pending) if self.is_due(at) => Err(No::PendingExpired),
            (C::PostPending { amount, .. }, Status::Pending) => {
                let (Some(leg), Some(pending)) = (self.pending(amount), self.legs.first()) else {
                    return Err(No::NotPending);
                };
                let reserved = pending.amount;
                if leg.amount.amount <= 0 {
                    return Err(No::InvalidAmount);
                }
                if leg.amount.amount > reserved.amount {
                    return Err(No::ExceedsReserved(reserved));
                }
                Ok(vec![E::PendingPosted { leg, reserved }])
            }
            (C::PostPending { .. } | C::Void, Status::Posted | Status::Reversed) => {
                Err(No::PendingAlreadyPosted)
            }
            (C::PostPending { .. }, Status::Voided) => Err(No::PendingAlreadyVoided),
            (C::PostPending { .. }, Status::Expired) => Err(No::PendingExpired),

            (C::Void, Status::Pending) => {
                Ok(self.pending(None).map(|leg| E::Voided { leg }).into_iter().collect())
            }
            (C::Void, Status::Voided) => Ok(vec![]),
            (C::Void, Status::Expired) => Err(No::PendingExpired),

            (C::Expire { at }, Status::Pending) if self.is_due(at) => {
                Ok(self.pending(None).map(|leg| E::Expired { leg }).into_iter().collect())
            }
            (C::Expire { .. }, Status::Pending) => Err(No::NotExpired),
            (C::Expire { .. }, _) => Ok(vec![]),

            (C::Reverse { .. }, _) if self.reverses => Err(No::IsReversal),
            (C::Reverse { by, .. }, Status::Reversed) => {
                Err(No::AlreadyReversed(self.reversed_by.unwrap_or(by)))
            }
            (C::Reverse { .. }, Status::Pending) => Err(No::StillPending),
            (C::Reverse { .. }, Status::Voided | Status::Expired) => Err(No::NothingPosted),
            (C::Reverse { reason, .. }, Status::Posted) if !is_text(&reason, MAX_TEXT) => {
                Err(No::InvalidText)
            }
            (C::Reverse { by, reason }, Status::Posted) => Ok(vec![E::Reversed { by, reason }]),
        }
    }

    fn evolve(&mut self, event: LedgerTransactionEvent) {
        use LedgerTransactionEvent as E;
        self.status = Some(match event {
            E::Posted(posting) => {
                (self.legs, self.reverses) = (posting.legs, posting.reverses.is_some());
                Status::Posted
            }
            E::Reserved(reservation) => {
                (self.legs, self.expires_at) = (vec![reservation.leg], Some(reservation.expires_at));
                Status::Pending
            }
            E::PendingPosted { leg, .. } => {
                self.legs = vec![leg];
                Status::Posted
            }
            E::Voided { .. } => Status::Voided,
            E::Expired { .. } => Status::Expired,
            E::Reversed { by, .. } => {
                self.reversed_by = Some(by);
                Status::Reversed
            }
        });
    }
}

impl Event for LedgerTransactionEvent {}
impl Refusal for LedgerTransactionRefusal {
    fn kind(&self) -> Kind {
        use LedgerTransactionRefusal as No;
        match self {
            No::Unknown => Kind::Missing,
            No::UnknownAccount(_)
            | No::InvalidLegs
            | No::InvalidAmount
            | No::AmountOutOfRange
            | No::CurrencyMismatch
            | No::SameAccount(_)
            | No::InvalidCode
            | No::InvalidText
            | No::InvalidTerm => Kind::Invalid,
            _ => Kind::Conflict,
        }
    }
}
sourced!(LedgerTransaction, LedgerTransactionEvent);
