//! Payout: a batch of payments to sellers, in one currency.
//!
//! `Draft → Submitted → Approved → Completed`, or `Rejected`. Whoever prepares and submits a batch does not approve it:
//! over a limit a second person does, up to it the batch is approved when it is submitted. Where each payment goes is
//! part of what is approved. Each is sent once, or fails before that; what was sent may come back, also when the batch
//! is completed. What a batch pays is set aside of the seller's balance in the append that adds it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use strum::{AsRefStr, EnumString};

use crate::ids::{AccountId, LedgerTransactionId, PayoutId, PayoutItemId, SellerId};
use crate::kernel::{Decider, Event, Kind, Refusal};
use crate::money::{Currency, Money, Unreckonable};
use crate::pii::Pii;
use crate::text::is_blank;
use crate::{personal, sourced};

#[cfg(test)]
mod tests;

personal! {
    /// The account at a bank or a provider that a seller is paid to.
    pub Destination = "finance.payout", "destination", Legal;
}

/// The most payments of a batch.
pub const MAX_ITEMS: usize = 500;
/// The longest reason, reference and code, in characters.
pub const MAX_REASON: usize = 500;
pub const MAX_REFERENCE: usize = 200;

/// A payment to a seller.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PayoutItem {
    pub item: PayoutItemId,
    pub seller: SellerId,
    pub amount: Money,
    pub destination: Pii<Destination>,
}

/// The same without where it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PayoutShare {
    pub item: PayoutItemId,
    pub seller: SellerId,
    pub amount: Money,
}

/// What may be asked of a batch.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum PayoutCommand {
    Prepare {
        currency: Currency,
        by: AccountId,
    },
    AddItem(Box<PayoutItem>),
    RemoveItem {
        item: PayoutItemId,
    },
    /// With the limit up to which nobody else is asked.
    Submit {
        by: AccountId,
        limit: Money,
    },
    Approve {
        by: AccountId,
    },
    Reject {
        by: AccountId,
        reason: String,
    },
    RecordSent {
        item: PayoutItemId,
        reference: String,
        ledger_transaction: Option<LedgerTransactionId>,
    },
    /// It could not be sent, and will not be.
    RecordFailed {
        item: PayoutItemId,
        code: String,
    },
    /// It was sent and came back.
    RecordReturned {
        item: PayoutItemId,
        code: String,
    },
}

/// What has happened to a batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AsRefStr)]
#[serde(tag = "type")]
pub enum PayoutEvent {
    Prepared {
        currency: Currency,
        by: AccountId,
    },
    ItemAdded(Box<PayoutItem>),
    ItemRemoved {
        #[serde(flatten)]
        share: PayoutShare,
    },
    Submitted {
        by: AccountId,
        total: Money,
        limit: Money,
        needs_approval: bool,
    },
    Approved {
        /// The second person; nobody, where none was needed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<AccountId>,
        total: Money,
        items: Vec<PayoutShare>,
    },
    Rejected {
        by: AccountId,
        reason: String,
        items: Vec<PayoutShare>,
    },
    Sent {
        #[serde(flatten)]
        share: PayoutShare,
        reference: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ledger_transaction: Option<LedgerTransactionId>,
    },
    Failed {
        #[serde(flatten)]
        share: PayoutShare,
        code: String,
    },
    Returned {
        #[serde(flatten)]
        share: PayoutShare,
        code: String,
    },
    /// Nothing is left to be sent.
    Completed {
        sent: Money,
        failed: Money,
    },
    /// A fact that contradicts what was recorded before.
    LateObservation {
        item: PayoutItemId,
        fact: PayoutFact,
        reference: String,
    },
}

/// What is told of a payment when it is too late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PayoutFact {
    Sent,
    Failed,
}

/// How a batch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, AsRefStr, EnumString)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum PayoutStatus {
    Draft,
    Submitted,
    Approved,
    Completed,
    Rejected,
}

/// Why a batch says no.
#[derive(Debug, PartialEq, thiserror::Error, AsRefStr)]
#[strum(serialize_all = "snake_case")]
pub enum PayoutRefusal {
    #[error("no such payout batch")]
    Unknown,
    #[error("the batch exists already, with other terms")]
    AlreadyPrepared,
    #[error("nothing new is in this currency: {0}")]
    CurrencyNotInUse(crate::currency::NotInUse),
    #[error("the batch is in {0}")]
    OtherCurrency(Currency),
    #[error("an amount is more than 0, a limit 0 or more")]
    InvalidAmount,
    #[error("an amount, also that of the batch, is at most {} minor units", Money::MOST)]
    AmountOutOfRange,
    #[error("{0} is there already, with other contents")]
    ItemTaken(PayoutItemId),
    #[error("there is no payment {0}")]
    UnknownItem(PayoutItemId),
    #[error("a batch has at most {MAX_ITEMS} payments")]
    TooManyItems,
    #[error("a batch has at least one payment")]
    NoItems,
    #[error("the batch is submitted: reject it to change it")]
    AlreadySubmitted,
    #[error("the batch is not submitted yet")]
    NotSubmitted,
    #[error("whoever prepared or submitted a batch does not approve it: ask a second person")]
    NeedsSecondPerson,
    #[error("the batch is not approved")]
    NotApproved,
    #[error("the batch is approved: what it pays may be on its way")]
    AlreadyApproved,
    #[error("the batch was rejected")]
    Rejected,
    #[error("the payment was not sent")]
    NotSent,
    #[error("a reason has 1 to {MAX_REASON} characters, a reference and a code 1 to {MAX_REFERENCE}")]
    InvalidText,
}

impl From<Unreckonable> for PayoutRefusal {
    fn from(no: Unreckonable) -> Self {
        match no {
            Unreckonable::CurrencyMismatch(ours, _) => Self::OtherCurrency(ours),
            Unreckonable::Overflow | Unreckonable::NoWeights => Self::AmountOutOfRange,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Stage {
    Waiting,
    Sent,
    Failed,
    Returned,
}

/// A batch, as far as its rules need to remember it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Payout {
    status: Option<PayoutStatus>,
    prepared: Option<(Currency, AccountId)>,
    submitted: Option<(AccountId, Money)>,
    items: BTreeMap<PayoutItemId, (PayoutItem, Stage)>,
    observed: Vec<(PayoutItemId, PayoutFact, String)>,
}

type Decided = Result<Vec<PayoutEvent>, PayoutRefusal>;

fn is_text(text: &str, most: usize) -> bool {
    !is_blank(text) && text.chars().count() <= most
}

fn share(of: &PayoutItem) -> PayoutShare {
    PayoutShare { item: of.item, seller: of.seller, amount: of.amount }
}

impl Payout {
    /// How it stands; `None` before it exists.
    #[must_use]
    pub fn status(&self) -> Option<PayoutStatus> {
        self.status
    }

    /// The payments that are to be sent still.
    pub fn waiting(&self) -> impl Iterator<Item = &PayoutItem> {
        self.items.values().filter(|(_, stage)| *stage == Stage::Waiting).map(|(item, _)| item)
    }

    fn shares(&self) -> Vec<PayoutShare> {
        self.items.values().map(|(item, _)| share(item)).collect()
    }

    fn total(&self, currency: Currency) -> Result<Money, Unreckonable> {
        Money::sum(currency, self.items.values().map(|(item, _)| item.amount))
    }

    fn add(&self, currency: Currency, item: Box<PayoutItem>) -> Decided {
        use PayoutRefusal as No;
        let amount = item.amount;
        let total = self.total(currency)?.plus(amount)?;
        match amount {
            _ if amount.amount <= 0 => Err(No::InvalidAmount),
            _ if !total.is_in_range() => Err(No::AmountOutOfRange),
            _ if self.items.len() >= MAX_ITEMS => Err(No::TooManyItems),
            _ => Ok(vec![PayoutEvent::ItemAdded(item)]),
        }
    }

    fn submit(&self, currency: Currency, by: AccountId, limit: Money) -> Decided {
        use {PayoutEvent as E, PayoutRefusal as No};
        let total = self.total(currency)?;
        match limit {
            _ if limit.currency != currency => return Err(No::OtherCurrency(currency)),
            _ if limit.is_negative() => return Err(No::InvalidAmount),
            _ if self.items.is_empty() => return Err(No::NoItems),
            _ => {}
        }
        let needs_approval = total.amount > limit.amount;
        let approved = (!needs_approval).then(|| E::Approved { by: None, total, items: self.shares() });
        let submitted = E::Submitted { by, total, limit, needs_approval };
        Ok(std::iter::once(submitted).chain(approved).collect())
    }

    fn approve(&self, currency: Currency, by: AccountId) -> Decided {
        let preparer = self.prepared.is_some_and(|(_, first)| first == by);
        if preparer || self.submitted.is_some_and(|(first, _)| first == by) {
            return Err(PayoutRefusal::NeedsSecondPerson);
        }
        Ok(vec![PayoutEvent::Approved { by: Some(by), total: self.total(currency)?, items: self.shares() }])
    }

    fn item(&self, item: PayoutItemId) -> Result<(PayoutShare, Stage), PayoutRefusal> {
        let (there, stage) = self.items.get(&item).ok_or(PayoutRefusal::UnknownItem(item))?;
        Ok((share(there), *stage))
    }

    /// An event, and that the batch is completed if nothing else waits.
    fn completing(&self, currency: Currency, event: PayoutEvent, now: PayoutShare, is_sent: bool) -> Decided {
        let others = self.items.values().filter(|(item, _)| item.item != now.item);
        if others.clone().any(|(_, stage)| *stage == Stage::Waiting) {
            return Ok(vec![event]);
        }
        let of = |wanted: bool| {
            let amounts = others.clone().filter(|(_, stage)| (*stage != Stage::Failed) == wanted);
            let now = (is_sent == wanted).then_some(now.amount);
            Money::sum(currency, amounts.map(|(item, _)| item.amount).chain(now))
        };
        let (sent, failed) = (of(true)?, of(false)?);
        Ok(vec![event, PayoutEvent::Completed { sent, failed }])
    }

    fn observe(&self, item: PayoutItemId, fact: PayoutFact, reference: String) -> Vec<PayoutEvent> {
        let seen = (item, fact, reference);
        if self.observed.contains(&seen) {
            return vec![];
        }
        vec![PayoutEvent::LateObservation { item, fact, reference: seen.2 }]
    }

    fn record(&self, currency: Currency, command: PayoutCommand) -> Decided {
        use {PayoutCommand as C, PayoutEvent as E, PayoutRefusal as No};
        match command {
            C::RecordSent { reference: text, .. }
            | C::RecordFailed { code: text, .. }
            | C::RecordReturned { code: text, .. }
                if !is_text(&text, MAX_REFERENCE) =>
            {
                Err(No::InvalidText)
            }
            C::RecordSent { item, reference, ledger_transaction } => match self.item(item)? {
                (share, Stage::Waiting) => {
                    let sent = E::Sent { share, reference, ledger_transaction };
                    self.completing(currency, sent, share, true)
                }
                (_, Stage::Failed) => Ok(self.observe(item, PayoutFact::Sent, reference)),
                (_, Stage::Sent | Stage::Returned) => Ok(vec![]),
            },
            C::RecordFailed { item, code } => match self.item(item)? {
                (share, Stage::Waiting) => self.completing(currency, E::Failed { share, code }, share, false),
                (_, Stage::Failed | Stage::Returned) => Ok(vec![]),
                (_, Stage::Sent) => Ok(self.observe(item, PayoutFact::Failed, code)),
            },
            C::RecordReturned { item, code } => match self.item(item)? {
                (share, Stage::Sent) => Ok(vec![E::Returned { share, code }]),
                (_, Stage::Returned) => Ok(vec![]),
                (_, Stage::Waiting | Stage::Failed) => Err(No::NotSent),
            },
            _ => Ok(vec![]),
        }
    }

    fn at(&mut self, item: PayoutItemId, stage: Stage) {
        if let Some(there) = self.items.get_mut(&item) {
            there.1 = stage;
        }
    }
}

impl Decider for Payout {
    const NAME: &'static str = "finance.payout";
    type Id = PayoutId;
    type Command = PayoutCommand;
    type Event = PayoutEvent;
    type Refusal = PayoutRefusal;

    fn decide(&self, command: PayoutCommand) -> Decided {
        use PayoutStatus as S;
        use {PayoutCommand as C, PayoutEvent as E, PayoutRefusal as No};
        let (Some((currency, preparer)), Some(status)) = (self.prepared, self.status) else {
            let C::Prepare { currency, by } = command else { return Err(No::Unknown) };
            let currency = currency.in_use().map_err(No::CurrencyNotInUse)?;
            return Ok(vec![E::Prepared { currency, by }]);
        };
        match (command, status) {
            (C::Prepare { currency: again, by }, _) => {
                if (again, by) == (currency, preparer) {
                    Ok(vec![])
                } else {
                    Err(No::AlreadyPrepared)
                }
            }
            (C::AddItem(item), _) if self.items.contains_key(&item.item) => {
                let same = self.items.get(&item.item).is_some_and(|(there, _)| *there == *item);
                if same { Ok(vec![]) } else { Err(No::ItemTaken(item.item)) }
            }
            (C::AddItem(item), S::Draft) => self.add(currency, item),
            (C::RemoveItem { item }, S::Draft) => Ok(match self.items.get(&item) {
                Some((there, _)) => vec![E::ItemRemoved { share: share(there) }],
                None => vec![],
            }),
            (C::Submit { by, limit }, S::Draft) => self.submit(currency, by, limit),
            (C::Submit { by, limit }, _) if self.submitted == Some((by, limit)) => Ok(vec![]),
            (C::AddItem(_) | C::RemoveItem { .. } | C::Submit { .. }, S::Rejected) => Err(No::Rejected),
            (C::AddItem(_) | C::RemoveItem { .. } | C::Submit { .. }, _) => Err(No::AlreadySubmitted),

            (C::Approve { .. }, S::Draft) => Err(No::NotSubmitted),
            (C::Approve { by }, S::Submitted) => self.approve(currency, by),
            (C::Approve { .. }, S::Approved | S::Completed) => Ok(vec![]),
            (C::Approve { .. }, S::Rejected) => Err(No::Rejected),

            (C::Reject { .. }, S::Rejected) => Ok(vec![]),
            (C::Reject { .. }, S::Approved | S::Completed) => Err(No::AlreadyApproved),
            (C::Reject { reason, .. }, _) if !is_text(&reason, MAX_REASON) => Err(No::InvalidText),
            (C::Reject { by, reason }, _) => Ok(vec![E::Rejected { by, reason, items: self.shares() }]),

            (command, S::Approved | S::Completed) => self.record(currency, command),
            (_, S::Rejected) => Err(No::Rejected),
            (_, S::Draft | S::Submitted) => Err(No::NotApproved),
        }
    }

    fn evolve(&mut self, event: PayoutEvent) {
        use {PayoutEvent as E, PayoutStatus as S};
        match event {
            E::Prepared { currency, by } => {
                (self.prepared, self.status) = (Some((currency, by)), Some(S::Draft));
            }
            E::ItemAdded(item) => {
                self.items.insert(item.item, (*item, Stage::Waiting));
            }
            E::ItemRemoved { share } => {
                self.items.remove(&share.item);
            }
            E::Submitted { by, limit, .. } => {
                (self.submitted, self.status) = (Some((by, limit)), Some(S::Submitted));
            }
            E::Approved { .. } => self.status = Some(S::Approved),
            E::Rejected { .. } => self.status = Some(S::Rejected),
            E::Sent { share, .. } => self.at(share.item, Stage::Sent),
            E::Failed { share, .. } => self.at(share.item, Stage::Failed),
            E::Returned { share, .. } => self.at(share.item, Stage::Returned),
            E::Completed { .. } => self.status = Some(S::Completed),
            E::LateObservation { item, fact, reference } => self.observed.push((item, fact, reference)),
        }
    }
}

impl Event for PayoutEvent {}
impl Refusal for PayoutRefusal {
    fn kind(&self) -> Kind {
        use PayoutRefusal as No;
        match self {
            No::Unknown | No::UnknownItem(_) => Kind::Missing,
            No::CurrencyNotInUse(_)
            | No::OtherCurrency(_)
            | No::InvalidAmount
            | No::AmountOutOfRange
            | No::InvalidText => Kind::Invalid,
            _ => Kind::Conflict,
        }
    }
}
sourced!(Payout, PayoutEvent);
