//! The terms of an escrow: what both parties sign, by its digest.
//!
//! The digest is of the figures, the dates, the parties and the digest of the exact words (the text and the
//! milestones' titles): whoever changes one of them has another digest. Fees are reckoned once, when terms are written,
//! and stand in the event; a release takes its share of them and reckons none anew.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use strum::{AsRefStr, EnumString};

use super::EscrowRefusal;
use crate::digest::Digest;
use crate::ids::{AccountId, MilestoneId};
use crate::money::Money;
use crate::personal;
use crate::pii::Pii;

personal! {
    /// The words of an agreement, which may name people.
    pub TermsText = "finance.escrow", "text", Content;
    /// What a milestone is called.
    pub MilestoneTitle = "finance.escrow", "title", Content;
    /// Why work is sent back, money is asked for, or a dispute is opened.
    pub EscrowReason = "finance.escrow", "reason", Content;
}

/// The most milestones of an escrow.
pub const MOST_MILESTONES: usize = 100;
/// The longest of all intervals, in seconds: a year.
pub const LONGEST: u32 = 366 * 24 * 60 * 60;

/// One of the two whom an escrow is between.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, AsRefStr, EnumString,
)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = EscrowParty))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Party {
    Buyer,
    Seller,
}

/// What both parties agree on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    pub buyer: AccountId,
    pub seller: AccountId,
    /// Who decides disputes; the workspace's own people where nobody is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolver: Option<AccountId>,
    pub total: Money,
    pub milestones: Vec<MilestoneTerms>,
    pub fee: Fee,
    pub funding: FundingMode,
    pub text: Pii<TermsText>,
    /// The digest of the exact words: the text, and the titles in their order.
    pub text_hash: Digest,
    pub intervals: Intervals,
}

/// One piece of work and its price.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MilestoneTerms {
    pub milestone: MilestoneId,
    pub title: Pii<MilestoneTitle>,
    pub amount: Money,
    /// When the work is due.
    pub due: DateTime<Utc>,
    /// How long the buyer may look at what was received, in seconds.
    pub inspection_s: u32,
    /// How often the buyer may send work back.
    pub revisions: u32,
}

/// What the platform takes for a milestone: a share and a fixed amount, within bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = EscrowFee))]
pub struct Fee {
    /// Hundredths of a per cent of the milestone's amount.
    pub bps: u32,
    /// For each milestone, in minor units, as the bounds are.
    pub fixed: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most: Option<i64>,
    pub payer: FeePayer,
}

/// Who bears the fee. A buyer pays it on top, a seller out of what is released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, AsRefStr, EnumString)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = EscrowFeePayer))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum FeePayer {
    Buyer,
    Seller,
    Split,
}

/// When money is to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, AsRefStr, EnumString)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = EscrowFundingMode))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum FundingMode {
    /// All of it before any work begins.
    Whole,
    /// Each milestone's before its work begins.
    PerMilestone,
}

/// How long each may take, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = EscrowIntervals))]
pub struct Intervals {
    /// From the proposal until both have agreed.
    pub agree_s: u32,
    /// From the agreement until the money is there.
    pub fund_s: u32,
    /// How late work may be before the buyer may take the money back.
    pub grace_s: u32,
    /// From a dispute's opening until the other side answers.
    pub respond_s: u32,
    /// From then until evidence and offers end.
    pub evidence_s: u32,
    /// From then until the resolver decides.
    pub resolve_s: u32,
}

/// The fee of one milestone, by who bears it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MilestoneFee {
    pub milestone: MilestoneId,
    pub buyer: Money,
    pub seller: Money,
}

/// What is signed, in the order in which it is digested.
#[derive(Serialize)]
struct Signed<'a> {
    buyer: AccountId,
    seller: AccountId,
    resolver: Option<AccountId>,
    total: Money,
    milestones: Vec<(MilestoneId, Money, DateTime<Utc>, u32, u32)>,
    fee: Fee,
    fees: &'a [MilestoneFee],
    funding: FundingMode,
    intervals: Intervals,
    text_hash: &'a Digest,
}

impl Terms {
    /// Which of the two somebody is.
    #[must_use]
    pub fn party(&self, account: AccountId) -> Option<Party> {
        match account {
            buyer if buyer == self.buyer => Some(Party::Buyer),
            seller if seller == self.seller => Some(Party::Seller),
            _ => None,
        }
    }

    /// Checks them, and reckons each milestone's fee.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn fees(&self) -> Result<Vec<MilestoneFee>, EscrowRefusal> {
        use EscrowRefusal as No;
        let currency = self.total.currency;
        let ids: BTreeSet<MilestoneId> = self.milestones.iter().map(|of| of.milestone).collect();
        if self.buyer == self.seller {
            return Err(No::SameParty);
        }
        if self.resolver.is_some_and(|resolver| self.party(resolver).is_some()) {
            return Err(No::ResolverIsParty);
        }
        if currency.in_use().is_err() {
            return Err(No::CurrencyNotInUse);
        }
        if !(1..=MOST_MILESTONES).contains(&self.milestones.len()) || ids.len() != self.milestones.len() {
            return Err(No::InvalidMilestones);
        }
        if self.milestones.iter().any(|of| of.amount.currency != currency) {
            return Err(No::CurrencyMismatch);
        }
        if self.milestones.iter().any(|of| of.amount.amount <= 0) || !self.total.is_in_range() {
            return Err(No::InvalidAmount);
        }
        if Money::sum(currency, self.milestones.iter().map(|of| of.amount)) != Ok(self.total) {
            return Err(No::MilestonesDoNotAddUp);
        }
        if !self.intervals_fit() {
            return Err(No::InvalidInterval);
        }
        self.milestones.iter().map(|of| self.fee.of(of)).collect()
    }

    /// The digest that both sign.
    #[must_use]
    pub fn hash(&self, fees: &[MilestoneFee]) -> Digest {
        let of = |of: &MilestoneTerms| (of.milestone, of.amount, of.due, of.inspection_s, of.revisions);
        let signed = Signed {
            buyer: self.buyer,
            seller: self.seller,
            resolver: self.resolver,
            total: self.total,
            milestones: self.milestones.iter().map(of).collect(),
            fee: self.fee,
            fees,
            funding: self.funding,
            intervals: self.intervals,
            text_hash: &self.text_hash,
        };
        Digest::of(serde_json::to_vec(&signed).expect("ids, amounts and times are JSON"))
    }

    fn intervals_fit(&self) -> bool {
        let Intervals { agree_s, fund_s, grace_s, respond_s, evidence_s, resolve_s } = self.intervals;
        let inspections = self.milestones.iter().map(|of| of.inspection_s);
        [agree_s, fund_s, respond_s, evidence_s, resolve_s]
            .into_iter()
            .chain(inspections)
            .all(|interval| (1..=LONGEST).contains(&interval))
            && grace_s <= LONGEST
    }
}

impl Fee {
    fn of(self, terms: &MilestoneTerms) -> Result<MilestoneFee, EscrowRefusal> {
        let no = EscrowRefusal::InvalidFee;
        let (amount, least, most) = (terms.amount, self.least.unwrap_or(0), self.most.unwrap_or(i64::MAX));
        if self.bps > 10_000 || self.fixed < 0 || least < 0 || most < least {
            return Err(no);
        }
        let share = amount.share(i64::from(self.bps), 10_000).map_err(|_| EscrowRefusal::OutOfRange)?;
        let fee = share.amount.checked_add(self.fixed).ok_or(EscrowRefusal::OutOfRange)?.clamp(least, most);
        if fee > amount.amount {
            return Err(no);
        }
        let buyer = match self.payer {
            FeePayer::Buyer => fee,
            FeePayer::Seller => 0,
            // The odd unit is the buyer's.
            FeePayer::Split => fee - fee / 2,
        };
        let of = |part| Money::new(part, amount.currency);
        Ok(MilestoneFee { milestone: terms.milestone, buyer: of(buyer), seller: of(fee - buyer) })
    }
}
