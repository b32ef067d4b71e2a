//! Top-up: money on its way into a wallet, by card or against a quote in another asset.
//!
//! `Requested → Detected → Confirmed | Underpaid | Overpaid`, or `Expired`. A quote says what one amount is worth and
//! until when: what was seen before it ends counts at its rate, however late it is confirmed. What it takes is rounded
//! up, what it brings down, once, for all funds together (domain.md C7).
//!
//! The wallet is credited with what an event says under `credit`, at most once for the funds in time. Too little waits
//! for more, or for someone to accept it or to send it back. What is seen when it is too late, or when the top-up is
//! settled, is late: it waits for a person, who accepts it at a rate of that day or sends it back. Settled is settled:
//! late funds change nothing of it. Each of the funds has a reference; told of it again, nothing is decided.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use strum::{AsRefStr, EnumString};

use crate::ids::{TopUpId, WalletId};
use crate::kernel::{Decider, Event, Kind, Refusal};
use crate::money::{Currency, Money};
use crate::sourced;
use crate::text::is_blank;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

/// The longest reference, asset or source of a rate, in characters.
pub const MAX_REFERENCE: usize = 200;
pub const MAX_WORD: usize = 64;
/// The longest time that someone may take to pay.
pub const MAX_TERM: TimeDelta = TimeDelta::days(30);
/// The most references of one top-up.
pub const MAX_FUNDS: usize = 100;

/// What one unit of an asset is worth: `numerator / denominator` minor units of the wallet's currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = TopUpRate))]
pub struct Rate {
    pub numerator: i64,
    pub denominator: i64,
}

impl Rate {
    /// Of what is paid in the wallet's own currency.
    pub const PAR: Self = Self { numerator: 1, denominator: 1 };

    const fn is_sound(self) -> bool {
        self.numerator > 0 && self.denominator > 0
    }

    /// What so many units of the asset bring, in minor units, rounded down.
    fn worth(self, units: i64) -> Option<i64> {
        i64::try_from(i128::from(units) * i128::from(self.numerator) / i128::from(self.denominator)).ok()
    }

    /// How many units of the asset so much takes, rounded up.
    fn units(self, minor: i64) -> Option<i64> {
        let numerator = i128::from(self.numerator);
        i64::try_from((i128::from(minor) * i128::from(self.denominator) + numerator - 1) / numerator).ok()
    }
}

/// What an asset is worth, said by whom and until when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Quote {
    /// What is paid in, e.g. `BTC`.
    pub asset: String,
    /// At which decimal place of the asset its unit stands: 8 where it is counted in hundred-millionths.
    pub exponent: u8,
    pub rate: Rate,
    pub source: String,
    pub quoted_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// How it is paid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = TopUpMethod))]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// In the wallet's own currency, until a time.
    Card { expires_at: DateTime<Utc> },
    /// In an asset, confirmed so often before it counts.
    Crypto { quote: Quote, confirmations: u32 },
}

impl Method {
    fn expires_at(&self) -> DateTime<Utc> {
        match self {
            Self::Card { expires_at } => *expires_at,
            Self::Crypto { quote, .. } => quote.expires_at,
        }
    }

    fn rate(&self) -> Rate {
        match self {
            Self::Card { .. } => Rate::PAR,
            Self::Crypto { quote, .. } => quote.rate,
        }
    }

    fn confirmations(&self) -> u32 {
        match self {
            Self::Card { .. } => 0,
            Self::Crypto { confirmations, .. } => *confirmations,
        }
    }
}

/// What may be asked of a top-up.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum TopUpCommand {
    Request {
        wallet: WalletId,
        amount: Money,
        method: Method,
        at: DateTime<Utc>,
    },
    /// Funds were seen, or seen again with more confirmations.
    RecordFunds {
        reference: String,
        /// In units of the asset, or in minor units of the wallet's currency.
        received: i64,
        confirmations: u32,
        at: DateTime<Utc>,
    },
    /// Funds that were seen will not be confirmed: they were spent otherwise.
    RecordDropped {
        reference: String,
    },
    /// Nobody paid in time.
    Expire {
        at: DateTime<Utc>,
    },
    /// Credit what came in though it is too little.
    AcceptUnderpaid,
    /// Credit late funds at a rate of the day.
    AcceptLate {
        reference: String,
        rate: Rate,
    },
    /// Funds that were not credited were sent back.
    RecordReturned {
        reference: String,
    },
}

/// What has happened to a top-up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AsRefStr)]
#[serde(tag = "type")]
pub enum TopUpEvent {
    Requested {
        wallet: WalletId,
        amount: Money,
        method: Method,
        /// What is to be paid, in units of the asset or in minor units.
        expected: i64,
    },
    FundsDetected {
        wallet: WalletId,
        reference: String,
        received: i64,
        confirmations: u32,
        late: bool,
    },
    FundsDropped {
        wallet: WalletId,
        reference: String,
        received: i64,
    },
    FundsConfirmed {
        wallet: WalletId,
        reference: String,
        received: i64,
    },
    Confirmed {
        wallet: WalletId,
        credit: Money,
    },
    Underpaid {
        wallet: WalletId,
        received: i64,
        /// What that is worth.
        worth: Money,
        /// What is still to be paid, in units.
        missing: i64,
    },
    Overpaid {
        wallet: WalletId,
        credit: Money,
        /// What of the credit is more than was asked for.
        extra: Money,
    },
    UnderpaidAccepted {
        wallet: WalletId,
        credit: Money,
    },
    Expired {
        wallet: WalletId,
        amount: Money,
    },
    /// Funds are confirmed that came too late: somebody must say what becomes of them.
    Late {
        wallet: WalletId,
        reference: String,
        received: i64,
    },
    LateAccepted {
        wallet: WalletId,
        reference: String,
        received: i64,
        rate: Rate,
        credit: Money,
    },
    FundsReturned {
        wallet: WalletId,
        reference: String,
        received: i64,
    },
}

/// How a top-up stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, AsRefStr, EnumString)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum TopUpStatus {
    Requested,
    Detected,
    Underpaid,
    Confirmed,
    Overpaid,
    /// Too little came, and was credited.
    Accepted,
    Expired,
    /// It had expired, and funds came all the same.
    Late,
}

/// Why a top-up says no.
#[derive(Debug, PartialEq, thiserror::Error, AsRefStr)]
#[strum(serialize_all = "snake_case")]
pub enum TopUpRefusal {
    #[error("no such top-up")]
    Unknown,
    #[error("the top-up exists already, with other terms")]
    AlreadyRequested,
    #[error("an amount is more than 0")]
    InvalidAmount,
    #[error("an amount is at most {} minor units, and what it is worth is counted in i64", Money::MOST)]
    AmountOutOfRange,
    #[error(
        "an asset and the source of its rate have 1 to {MAX_WORD} characters, its unit stands at most at the 18th place"
    )]
    InvalidQuote,
    #[error("a rate is of two numbers above 0")]
    InvalidRate,
    #[error("the quote ended at {0}: ask for another")]
    QuoteExpired(DateTime<Utc>),
    #[error("a quote is open for at most {} days", MAX_TERM.num_days())]
    InvalidTerm,
    #[error("a reference has 1 to {MAX_REFERENCE} characters and is not blank")]
    InvalidReference,
    #[error("{0} was recorded with another amount")]
    DuplicateExternalRef(String),
    #[error("there are no funds {0}")]
    UnknownFunds(String),
    #[error("{MAX_FUNDS} funds are recorded: ask for another top-up")]
    TooManyFunds,
    #[error("these funds are confirmed and cannot be dropped: send them back")]
    AlreadyConfirmed,
    #[error("these funds are not confirmed yet")]
    NotConfirmed,
    #[error("these funds are credited to the wallet")]
    AlreadyCredited,
    #[error("these funds were sent back")]
    AlreadyReturned,
    #[error("these funds will not come")]
    Dropped,
    #[error("these funds came in time: they count at the quote's rate")]
    NotLate,
    #[error("it is open until {0}")]
    NotDue(DateTime<Utc>),
    #[error("it is not underpaid")]
    NotUnderpaid,
    #[error("it is still waited for funds to be confirmed")]
    StillUnconfirmed,
    #[error("what came in is worth nothing")]
    WorthNothing,
}

/// How one of the funds stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Stage {
    Detected,
    Confirmed,
    Dropped,
    Credited,
    Returned,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Funds {
    received: i64,
    late: bool,
    stage: Stage,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Terms {
    wallet: WalletId,
    amount: Money,
    method: Method,
    expected: i64,
}

/// A top-up, as far as its rules need to remember it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct TopUp {
    terms: Option<Terms>,
    status: Option<TopUpStatus>,
    funds: BTreeMap<String, Funds>,
}

type Decided = Result<Vec<TopUpEvent>, TopUpRefusal>;

fn is_text(text: &str, most: usize) -> bool {
    !is_blank(text) && text.chars().count() <= most
}

/// What may be asked of a top-up that does not exist yet.
fn request(command: TopUpCommand) -> Decided {
    use TopUpRefusal as No;
    let TopUpCommand::Request { wallet, amount, method, at } = command else { return Err(No::Unknown) };
    let (rate, expires_at) = (method.rate(), method.expires_at());
    if amount.amount <= 0 {
        return Err(No::InvalidAmount);
    }
    if !amount.is_in_range() {
        return Err(No::AmountOutOfRange);
    }
    if let Method::Crypto { quote, .. } = &method {
        if !is_text(&quote.asset, MAX_WORD) || !is_text(&quote.source, MAX_WORD) || quote.exponent > 18 {
            return Err(No::InvalidQuote);
        }
        if !rate.is_sound() {
            return Err(No::InvalidRate);
        }
    }
    if expires_at <= at {
        return Err(No::QuoteExpired(expires_at));
    }
    if expires_at - at > MAX_TERM {
        return Err(No::InvalidTerm);
    }
    let expected = rate.units(amount.amount).ok_or(No::AmountOutOfRange)?;
    Ok(vec![TopUpEvent::Requested { wallet, amount, method, expected }])
}

impl TopUp {
    /// How it stands; `None` before it exists.
    #[must_use]
    pub fn status(&self) -> Option<TopUpStatus> {
        self.status
    }

    /// The currency of the wallet; `None` before it exists.
    #[must_use]
    pub fn currency(&self) -> Option<Currency> {
        self.terms.as_ref().map(|terms| terms.amount.currency)
    }

    /// Whether the funds in time are settled: nothing is added to them any more.
    fn is_settled(&self) -> bool {
        use TopUpStatus as S;
        matches!(self.status, Some(S::Confirmed | S::Overpaid | S::Accepted | S::Expired | S::Late))
    }

    fn in_time(&self, stage: Stage) -> impl Iterator<Item = &Funds> {
        self.funds.values().filter(move |funds| !funds.late && funds.stage == stage)
    }

    /// What of the funds in time is confirmed and neither credited nor sent back.
    fn waiting(&self) -> i64 {
        self.in_time(Stage::Confirmed).map(|funds| funds.received).sum()
    }

    fn record(&self, terms: &Terms, command: TopUpCommand) -> Decided {
        use {TopUpEvent as E, TopUpRefusal as No};
        let TopUpCommand::RecordFunds { reference, received, confirmations, at } = command else {
            return Ok(vec![]);
        };
        let wallet = terms.wallet;
        let is_confirmed = confirmations >= terms.method.confirmations();
        if !is_text(&reference, MAX_REFERENCE) {
            return Err(No::InvalidReference);
        }
        let (mut events, late) = match self.funds.get(&reference) {
            Some(there) if there.received != received => return Err(No::DuplicateExternalRef(reference)),
            // What was taken for lost is there after all.
            Some(there) if there.stage == Stage::Dropped && is_confirmed => {
                (vec![], there.late || self.is_settled())
            }
            Some(there) if there.stage != Stage::Detected || !is_confirmed => return Ok(vec![]),
            Some(there) => (vec![], there.late || self.is_settled()),
            None if received <= 0 => return Err(No::InvalidAmount),
            None if self.funds.len() >= MAX_FUNDS => return Err(No::TooManyFunds),
            None => {
                let sum: i128 = self.funds.values().map(|funds| i128::from(funds.received)).sum();
                let fits = i64::try_from(sum + i128::from(received)).is_ok_and(|sum| {
                    terms.method.rate().worth(sum).is_some_and(|worth| worth <= Money::MOST)
                });
                if !fits {
                    return Err(No::AmountOutOfRange);
                }
                let late = self.is_settled() || at >= terms.method.expires_at();
                let reference = reference.clone();
                (vec![E::FundsDetected { wallet, reference, received, confirmations, late }], late)
            }
        };
        if is_confirmed {
            events.push(E::FundsConfirmed { wallet, reference: reference.clone(), received });
            if late {
                events.push(E::Late { wallet, reference, received });
            } else {
                events.extend(self.outcome(terms, &reference, received)?);
            }
        }
        Ok(events)
    }

    /// What follows once these funds are confirmed too, or will not come: nothing while others are not.
    fn outcome(
        &self,
        terms: &Terms,
        reference: &str,
        received: i64,
    ) -> Result<Option<TopUpEvent>, TopUpRefusal> {
        let others = self
            .funds
            .iter()
            .any(|(other, funds)| other != reference && !funds.late && funds.stage == Stage::Detected);
        if others { Ok(None) } else { self.reckoned(terms, self.waiting() + received) }
    }

    fn reckoned(&self, terms: &Terms, sum: i64) -> Result<Option<TopUpEvent>, TopUpRefusal> {
        use TopUpEvent as E;
        let &Terms { wallet, amount, expected, .. } = terms;
        let worth = terms.method.rate().worth(sum).ok_or(TopUpRefusal::AmountOutOfRange)?;
        let worth = Money { amount: worth, ..amount };
        Ok(match sum - expected {
            _ if sum == 0 => None,
            missing if missing < 0 => Some(E::Underpaid { wallet, received: sum, worth, missing: -missing }),
            // More by less than a minor unit is not more.
            _ if worth.amount <= amount.amount => Some(E::Confirmed { wallet, credit: amount }),
            _ => {
                let extra = Money { amount: worth.amount - amount.amount, ..amount };
                Some(E::Overpaid { wallet, credit: worth, extra })
            }
        })
    }

    fn drop_funds(&self, terms: &Terms, reference: String) -> Decided {
        use TopUpRefusal as No;
        let Some(there) = self.funds.get(&reference) else { return Err(No::UnknownFunds(reference)) };
        match there.stage {
            Stage::Dropped => Ok(vec![]),
            Stage::Detected => {
                let (wallet, received) = (terms.wallet, there.received);
                let is_known = there.late || self.status == Some(TopUpStatus::Underpaid);
                let outcome = if is_known { None } else { self.outcome(terms, &reference, 0)? };
                let dropped = TopUpEvent::FundsDropped { wallet, reference, received };
                Ok(std::iter::once(dropped).chain(outcome).collect())
            }
            Stage::Confirmed | Stage::Credited | Stage::Returned => Err(No::AlreadyConfirmed),
        }
    }

    fn expire(&self, terms: &Terms, at: DateTime<Utc>) -> Decided {
        let &Terms { wallet, amount, .. } = terms;
        let expires_at = terms.method.expires_at();
        match self.status {
            Some(TopUpStatus::Requested) if at < expires_at => Err(TopUpRefusal::NotDue(expires_at)),
            Some(TopUpStatus::Requested) => Ok(vec![TopUpEvent::Expired { wallet, amount }]),
            _ => Ok(vec![]),
        }
    }

    fn accept_underpaid(&self, terms: &Terms) -> Decided {
        use {TopUpEvent as E, TopUpRefusal as No, TopUpStatus as S};
        match self.status {
            Some(S::Accepted) => Ok(vec![]),
            Some(S::Underpaid) if self.in_time(Stage::Detected).next().is_some() => Err(No::StillUnconfirmed),
            Some(S::Underpaid) => {
                let worth = terms.method.rate().worth(self.waiting()).ok_or(No::AmountOutOfRange)?;
                if worth == 0 {
                    return Err(No::WorthNothing);
                }
                let credit = Money { amount: worth, ..terms.amount };
                Ok(vec![E::UnderpaidAccepted { wallet: terms.wallet, credit }])
            }
            _ => Err(No::NotUnderpaid),
        }
    }

    fn accept_late(&self, terms: &Terms, reference: String, rate: Rate) -> Decided {
        use {TopUpEvent as E, TopUpRefusal as No};
        let Some(there) = self.funds.get(&reference) else { return Err(No::UnknownFunds(reference)) };
        let (wallet, received) = (terms.wallet, there.received);
        match there.stage {
            _ if !there.late => Err(No::NotLate),
            Stage::Credited => Ok(vec![]),
            Stage::Returned => Err(No::AlreadyReturned),
            Stage::Dropped => Err(No::Dropped),
            Stage::Detected => Err(No::NotConfirmed),
            Stage::Confirmed if !rate.is_sound() => Err(No::InvalidRate),
            Stage::Confirmed => match rate.worth(received) {
                Some(0) => Err(No::WorthNothing),
                Some(worth) if worth <= Money::MOST => {
                    let credit = Money { amount: worth, ..terms.amount };
                    Ok(vec![E::LateAccepted { wallet, reference, received, rate, credit }])
                }
                _ => Err(No::AmountOutOfRange),
            },
        }
    }

    fn give_back(&self, terms: &Terms, reference: String) -> Decided {
        use TopUpRefusal as No;
        let Some(there) = self.funds.get(&reference) else { return Err(No::UnknownFunds(reference)) };
        match there.stage {
            Stage::Returned => Ok(vec![]),
            Stage::Credited => Err(No::AlreadyCredited),
            Stage::Dropped => Err(No::Dropped),
            Stage::Detected => Err(No::NotConfirmed),
            Stage::Confirmed => {
                let (wallet, received) = (terms.wallet, there.received);
                Ok(vec![TopUpEvent::FundsReturned { wallet, reference, received }])
            }
        }
    }

    fn set(&mut self, reference: &str, stage: Stage) {
        if let Some(funds) = self.funds.get_mut(reference) {
            funds.stage = stage;
        }
    }

    fn settled(&mut self, status: TopUpStatus) {
        self.status = Some(status);
        for funds in self.funds.values_mut().filter(|funds| !funds.late) {
            if funds.stage == Stage::Confirmed {
                funds.stage = Stage::Credited;
            }
        }
    }

    /// With nothing in time left, it waits for funds as at first.
    fn fewer(&mut self) {
        use TopUpStatus as S;
        let is_open = matches!(self.status, Some(S::Detected | S::Underpaid));
        if is_open && self.waiting() == 0 && self.in_time(Stage::Detected).next().is_none() {
            self.status = Some(S::Requested);
        }
    }
}

impl Decider for TopUp {
    const NAME: &'static str = "finance.top_up";
    type Id = TopUpId;
    type Command = TopUpCommand;
    type Event = TopUpEvent;
    type Refusal = TopUpRefusal;

    fn decide(&self, command: TopUpCommand) -> Decided {
        use {TopUpCommand as C, TopUpRefusal as No};
        let Some(terms) = &self.terms else { return request(command) };
        match command {
            C::Request { wallet, amount, method, .. } => {
                let same = (wallet, amount, &method) == (terms.wallet, terms.amount, &terms.method);
                if same { Ok(vec![]) } else { Err(No::AlreadyRequested) }
            }
            command @ C::RecordFunds { .. } => self.record(terms, command),
            C::RecordDropped { reference } => self.drop_funds(terms, reference),
            C::Expire { at } => self.expire(terms, at),
            C::AcceptUnderpaid => self.accept_underpaid(terms),
            C::AcceptLate { reference, rate } => self.accept_late(terms, reference, rate),
            C::RecordReturned { reference } => self.give_back(terms, reference),
        }
    }

    fn evolve(&mut self, event: TopUpEvent) {
        use {TopUpEvent as E, TopUpStatus as S};
        match event {
            E::Requested { wallet, amount, method, expected } => {
                self.terms = Some(Terms { wallet, amount, method, expected });
                self.status = Some(S::Requested);
            }
            E::FundsDetected { reference, received, late, .. } => {
                self.funds.insert(reference, Funds { received, late, stage: Stage::Detected });
                if !late && self.status == Some(S::Requested) {
                    self.status = Some(S::Detected);
                }
            }
            E::FundsDropped { reference, .. } => {
                self.set(&reference, Stage::Dropped);
                self.fewer();
            }
            E::FundsConfirmed { reference, .. } => {
                self.set(&reference, Stage::Confirmed);
                if self.status == Some(S::Requested) && self.in_time(Stage::Confirmed).next().is_some() {
                    self.status = Some(S::Detected);
                }
            }
            E::Confirmed { .. } => self.settled(S::Confirmed),
            E::Overpaid { .. } => self.settled(S::Overpaid),
            E::UnderpaidAccepted { .. } => self.settled(S::Accepted),
            E::Underpaid { .. } => self.status = Some(S::Underpaid),
            E::Expired { .. } => {
                let came =
                    self.funds.values().any(|of| matches!(of.stage, Stage::Confirmed | Stage::Credited));
                self.status = Some(if came { S::Late } else { S::Expired });
            }
            E::Late { reference, .. } => {
                if let Some(funds) = self.funds.get_mut(&reference) {
                    funds.late = true;
                }
                if self.status == Some(S::Expired) {
                    self.status = Some(S::Late);
                }
                self.fewer();
            }
            E::LateAccepted { reference, .. } => self.set(&reference, Stage::Credited),
            E::FundsReturned { reference, .. } => {
                self.set(&reference, Stage::Returned);
                self.fewer();
            }
        }
    }
}

impl Event for TopUpEvent {}
impl Refusal for TopUpRefusal {
    fn kind(&self) -> Kind {
        use TopUpRefusal as No;
        match self {
            No::Unknown | No::UnknownFunds(_) => Kind::Missing,
            No::InvalidAmount
            | No::AmountOutOfRange
            | No::InvalidQuote
            | No::InvalidRate
            | No::InvalidTerm
            | No::InvalidReference => Kind::Invalid,
            No::QuoteExpired(_) => Kind::Gone,
            _ => Kind::Conflict,
        }
    }
}
sourced!(TopUp, TopUpEvent);
