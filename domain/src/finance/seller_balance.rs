//! Seller balance: what a seller has earned in one currency and was not paid yet, and what they owe.
//!
//! One stream per seller and currency, so one writer: no two payouts have the same money. What was earned is gross less
//! the fee, as it was stored. What has to be given back of an earning (a refund, a lost dispute) is taken from what is
//! there, and what is not there is owed: it is settled first from all that comes in later. So what a seller has and was
//! paid, less what they owe, is what they earned less what was recovered, always.
//!
//! What is set aside for a payout leaves when it is sent. A payout that comes back is there again, and puts the balance
//! on hold until somebody has looked. Earnings, recoveries and payouts have ids: asked for again, they decide nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use strum::AsRefStr;

use crate::ids::{
    EarningId, LedgerTransactionId, OrderId, PayoutId, PayoutItemId, RecoveryId, SellerBalanceId, SellerId,
};
use crate::kernel::{Decider, Event, Kind, Refusal};
use crate::money::{Currency, Money, Unreckonable};
use crate::sourced;
use crate::text::is_blank;

#[cfg(test)]
mod tests;

/// The longest reason, in characters.
pub const MAX_REASON: usize = 500;

/// What a seller earned at one time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Earning {
    pub earning: EarningId,
    pub order: OrderId,
    pub gross: Money,
    /// What of it the seller bears as a fee.
    pub fee: Money,
}

/// What may be asked of a seller's balance.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum SellerBalanceCommand {
    Earn {
        seller: SellerId,
        earning: Earning,
        ledger_transaction: Option<LedgerTransactionId>,
    },
    /// So much of an earning is to be given back.
    Recover {
        recovery: RecoveryId,
        earning: EarningId,
        amount: Money,
    },
    /// For a payout.
    SetAside {
        payout: PayoutId,
        item: PayoutItemId,
        amount: Money,
    },
    /// The payout will not be sent.
    GiveBack {
        item: PayoutItemId,
    },
    RecordSent {
        item: PayoutItemId,
    },
    /// It was sent and came back.
    RecordReturned {
        item: PayoutItemId,
    },
    Hold {
        reason: String,
    },
    Unhold,
}

/// What has happened to a seller's balance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AsRefStr)]
#[serde(tag = "type")]
pub enum SellerBalanceEvent {
    Earned {
        seller: SellerId,
        #[serde(flatten)]
        earning: Earning,
        net: Money,
        /// What of the net settles what is owed.
        settled: Money,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ledger_transaction: Option<LedgerTransactionId>,
    },
    Recovered {
        recovery: RecoveryId,
        earning: EarningId,
        amount: Money,
        from_balance: Money,
        /// What was not there, and is owed.
        owed: Money,
    },
    SetAside {
        payout: PayoutId,
        item: PayoutItemId,
        amount: Money,
    },
    GivenBack {
        payout: PayoutId,
        item: PayoutItemId,
        amount: Money,
        settled: Money,
    },
    Sent {
        payout: PayoutId,
        item: PayoutItemId,
        amount: Money,
    },
    Returned {
        payout: PayoutId,
        item: PayoutItemId,
        amount: Money,
        settled: Money,
    },
    Held {
        reason: String,
    },
    Unheld,
}

/// Why a seller's balance says no.
#[derive(Debug, PartialEq, thiserror::Error, AsRefStr)]
#[strum(serialize_all = "snake_case")]
pub enum SellerBalanceRefusal {
    #[error("the seller has earned nothing in this currency")]
    Unknown,
    #[error("the balance is in {0}")]
    OtherCurrency(Currency),
    #[error("the balance is another seller's")]
    OtherSeller,
    #[error("an amount is more than 0, and a fee from 0 to the gross")]
    InvalidAmount,
    #[error("an amount is at most {} minor units, and a balance no more than i64", Money::MOST)]
    AmountOutOfRange,
    #[error("{0} is known already, on other terms")]
    EarningTaken(EarningId),
    #[error("there is no earning {0}")]
    UnknownEarning(EarningId),
    #[error("only {0} of the earning is not recovered yet")]
    ExceedsEarning(Money),
    #[error("{0} is known already, on other terms")]
    RecoveryTaken(RecoveryId),
    #[error("only {0} can be paid out")]
    InsufficientBalance(Money),
    #[error("the balance is on hold")]
    OnHold,
    #[error("{0} is known already, on other terms")]
    PayoutTaken(PayoutItemId),
    #[error("nothing is set aside for {0}")]
    UnknownPayout(PayoutItemId),
    #[error("the payout was given up")]
    PayoutGivenUp,
    #[error("the payout was sent already")]
    AlreadySent,
    #[error("the payout was not sent")]
    NotSent,
    #[error("the payout came back")]
    PayoutReturned,
    #[error("a reason has 1 to {MAX_REASON} characters and is not blank")]
    InvalidReason,
}

impl From<Unreckonable> for SellerBalanceRefusal {
    fn from(no: Unreckonable) -> Self {
        match no {
            Unreckonable::CurrencyMismatch(ours, _) => Self::OtherCurrency(ours),
            Unreckonable::Overflow | Unreckonable::NoWeights => Self::AmountOutOfRange,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Stage {
    SetAside,
    GivenUp,
    Sent,
    Returned,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Payout {
    payout: PayoutId,
    amount: Money,
    stage: Stage,
}

/// A seller's balance, as far as its rules need to remember it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SellerBalance {
    whose: Option<(SellerId, Currency)>,
    available: i64,
    owed: i64,
    /// With what of the net is recovered.
    earnings: BTreeMap<EarningId, (Earning, i64)>,
    recoveries: BTreeMap<RecoveryId, (EarningId, Money)>,
    payouts: BTreeMap<PayoutItemId, Payout>,
    on_hold: bool,
}

type Decided = Result<Vec<SellerBalanceEvent>, SellerBalanceRefusal>;

impl SellerBalance {
    /// What can be paid out, and what the seller owes; `None` before anything was earned.
    #[must_use]
    pub fn balance(&self) -> Option<(Money, Money)> {
        let (_, currency) = self.whose?;
        Some((Money::new(self.available, currency), Money::new(self.owed, currency)))
    }

    fn earn(
        &self,
        seller: SellerId,
        earning: Earning,
        ledger_transaction: Option<LedgerTransactionId>,
    ) -> Decided {
        use SellerBalanceRefusal as No;
        let Earning { gross, fee, .. } = earning;
        if let Some((whose, currency)) = self.whose {
            if whose != seller {
                return Err(No::OtherSeller);
            }
            if gross.currency != currency {
                return Err(No::OtherCurrency(currency));
            }
        }
        if let Some((there, _)) = self.earnings.get(&earning.earning) {
            return if *there == earning { Ok(vec![]) } else { Err(No::EarningTaken(earning.earning)) };
        }
        let net = gross.minus(fee)?;
        if gross.amount <= 0 || fee.is_negative() || net.is_negative() {
            return Err(No::InvalidAmount);
        }
        let settled = Money { amount: self.owed.min(net.amount), ..net };
        // All that comes back from payouts has to fit too.
        let out: i128 = self
            .payouts
            .values()
            .filter(|of| matches!(of.stage, Stage::SetAside | Stage::Sent))
            .map(|of| i128::from(of.amount.amount))
            .sum();
        let most = i128::from(self.available) + i128::from(net.amount) + out;
        if !gross.is_in_range() || i64::try_from(most).is_err() {
            return Err(No::AmountOutOfRange);
        }
        Ok(vec![SellerBalanceEvent::Earned { seller, earning, net, settled, ledger_transaction }])
    }

    fn check(&self, currency: Currency, amount: Money) -> Result<(), SellerBalanceRefusal> {
        match amount {
            _ if amount.currency != currency => Err(SellerBalanceRefusal::OtherCurrency(currency)),
            _ if amount.amount <= 0 => Err(SellerBalanceRefusal::InvalidAmount),
            _ => Ok(()),
        }
    }

    fn recover(
        &self,
        currency: Currency,
        recovery: RecoveryId,
        earning: EarningId,
        amount: Money,
    ) -> Decided {
        use SellerBalanceRefusal as No;
        if let Some(&there) = self.recoveries.get(&recovery) {
            return if there == (earning, amount) { Ok(vec![]) } else { Err(No::RecoveryTaken(recovery)) };
        }
        self.check(currency, amount)?;
        let (of, recovered) = self.earnings.get(&earning).ok_or(No::UnknownEarning(earning))?;
        let left = of.gross.minus(of.fee)?.minus(Money::new(*recovered, currency))?;
        if amount.amount > left.amount {
            return Err(No::ExceedsEarning(left));
        }
        let from_balance = Money { amount: self.available.min(amount.amount), ..amount };
        let owed = amount.minus(from_balance)?;
        Ok(vec![SellerBalanceEvent::Recovered { recovery, earning, amount, from_balance, owed }])
    }

    fn set_aside(&self, currency: Currency, payout: PayoutId, item: PayoutItemId, amount: Money) -> Decided {
        use SellerBalanceRefusal as No;
        if let Some(there) = self.payouts.get(&item) {
            let same = (there.payout, there.amount) == (payout, amount);
            return if same { Ok(vec![]) } else { Err(No::PayoutTaken(item)) };
        }
        self.check(currency, amount)?;
        if self.on_hold {
            return Err(No::OnHold);
        }
        if amount.amount > self.available {
            return Err(No::InsufficientBalance(Money::new(self.available, currency)));
        }
        Ok(vec![SellerBalanceEvent::SetAside { payout, item, amount }])
    }

    /// A payout goes from one stage to the next.
    fn moved(&self, item: PayoutItemId, to: Stage) -> Decided {
        use {SellerBalanceEvent as E, SellerBalanceRefusal as No};
        let &Payout { payout, amount, stage } = self.payouts.get(&item).ok_or(No::UnknownPayout(item))?;
        let settled = Money { amount: self.owed.min(amount.amount), ..amount };
        match (stage, to) {
            (from, to) if from == to => Ok(vec![]),
            (Stage::SetAside, Stage::GivenUp) => Ok(vec![E::GivenBack { payout, item, amount, settled }]),
            (Stage::SetAside, Stage::Sent) => Ok(vec![E::Sent { payout, item, amount }]),
            (Stage::Sent, Stage::Returned) => {
                let held = (!self.on_hold).then(|| E::Held { reason: "payout_returned".into() });
                Ok(std::iter::once(E::Returned { payout, item, amount, settled }).chain(held).collect())
            }
            (Stage::SetAside, _) => Err(No::NotSent),
            (Stage::Sent, _) => Err(No::AlreadySent),
            (Stage::GivenUp, _) => Err(No::PayoutGivenUp),
            (Stage::Returned, Stage::Sent) => Ok(vec![]),
            (Stage::Returned, _) => Err(No::PayoutReturned),
        }
    }

    /// Money is there again: first for what is owed.
    fn back(&mut self, item: PayoutItemId, amount: Money, settled: Money, stage: Stage) {
        self.available += amount.amount - settled.amount;
        self.owed -= settled.amount;
        self.at(item, stage);
    }

    fn at(&mut self, item: PayoutItemId, stage: Stage) {
        if let Some(payout) = self.payouts.get_mut(&item) {
            payout.stage = stage;
        }
    }
}

impl Decider for SellerBalance {
    const NAME: &'static str = "finance.seller_balance";
    type Id = SellerBalanceId;
    type Command = SellerBalanceCommand;
    type Event = SellerBalanceEvent;
    type Refusal = SellerBalanceRefusal;

    fn decide(&self, command: SellerBalanceCommand) -> Decided {
        use {SellerBalanceCommand as C, SellerBalanceEvent as E, SellerBalanceRefusal as No};
        let command = match command {
            C::Earn { seller, earning, ledger_transaction } => {
                return self.earn(seller, earning, ledger_transaction);
            }
            command => command,
        };
        let (_, currency) = self.whose.ok_or(No::Unknown)?;
        match command {
            C::Earn { .. } => Ok(vec![]),
            C::Recover { recovery, earning, amount } => self.recover(currency, recovery, earning, amount),
            C::SetAside { payout, item, amount } => self.set_aside(currency, payout, item, amount),
            C::GiveBack { item } => self.moved(item, Stage::GivenUp),
            C::RecordSent { item } => self.moved(item, Stage::Sent),
            C::RecordReturned { item } => self.moved(item, Stage::Returned),
            C::Hold { .. } if self.on_hold => Ok(vec![]),
            C::Hold { reason } if is_blank(&reason) || reason.chars().count() > MAX_REASON => {
                Err(No::InvalidReason)
            }
            C::Hold { reason } => Ok(vec![E::Held { reason }]),
            C::Unhold if self.on_hold => Ok(vec![E::Unheld]),
            C::Unhold => Ok(vec![]),
        }
    }

    fn evolve(&mut self, event: SellerBalanceEvent) {
        use SellerBalanceEvent as E;
        match event {
            E::Earned { seller, earning, net, settled, .. } => {
                self.whose = Some((seller, net.currency));
                self.available += net.amount - settled.amount;
                self.owed -= settled.amount;
                self.earnings.insert(earning.earning, (earning, 0));
            }
            E::Recovered { recovery, earning, amount, from_balance, owed } => {
                self.available -= from_balance.amount;
                self.owed += owed.amount;
                self.recoveries.insert(recovery, (earning, amount));
                if let Some((_, recovered)) = self.earnings.get_mut(&earning) {
                    *recovered += amount.amount;
                }
            }
            E::SetAside { payout, item, amount } => {
                self.available -= amount.amount;
                self.payouts.insert(item, Payout { payout, amount, stage: Stage::SetAside });
            }
            E::GivenBack { item, amount, settled, .. } => self.back(item, amount, settled, Stage::GivenUp),
            E::Returned { item, amount, settled, .. } => self.back(item, amount, settled, Stage::Returned),
            E::Sent { item, .. } => self.at(item, Stage::Sent),
            E::Held { .. } => self.on_hold = true,
            E::Unheld => self.on_hold = false,
        }
    }
}

impl Event for SellerBalanceEvent {}
impl Refusal for SellerBalanceRefusal {
    fn kind(&self) -> Kind {
        use SellerBalanceRefusal as No;
        match self {
            No::Unknown | No::UnknownEarning(_) | No::UnknownPayout(_) => Kind::Missing,
            No::OtherCurrency(_) | No::InvalidAmount | No::AmountOutOfRange | No::InvalidReason => {
                Kind::Invalid
            }
            _ => Kind::Conflict,
        }
    }
}
sourced!(SellerBalance, SellerBalanceEvent);
