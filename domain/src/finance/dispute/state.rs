//! What a dispute remembers.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use strum::{AsRefStr, EnumString};

use super::event::{DisputeEvent as E, DisputeRefusal, Opening, Party, Split};
use crate::digest::Digest;
use crate::ids::AccountId;
use crate::money::Money;

/// How a dispute stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, AsRefStr, EnumString)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum DisputeStatus {
    Opened,
    Negotiating,
    UnderReview,
    Resolved,
    Defaulted,
    Withdrawn,
    Lapsed,
}

impl DisputeStatus {
    #[must_use]
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Opened | Self::Negotiating | Self::UnderReview)
    }
}

/// A dispute, as far as its rules need to remember it.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dispute {
    pub(super) case: Option<Case>,
    pub(super) status: Option<DisputeStatus>,
    pub(super) responded: bool,
    pub(super) evidence: BTreeSet<(Party, Digest)>,
    pub(super) offers: BTreeMap<u32, Offer>,
    pub(super) accepted: Option<u32>,
    pub(super) split: Option<Split>,
    pub(super) suspended: Option<DateTime<Utc>>,
    pub(super) resolver_silent: bool,
}

/// What it is about; its deadlines move when it rests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Case {
    pub opening: Opening,
    pub amount: Money,
    pub respond_by: DateTime<Utc>,
    pub evidence_by: DateTime<Utc>,
    pub resolve_by: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Offer {
    pub by: Party,
    pub split: Split,
    pub withdrawn: bool,
}

impl Case {
    pub fn party(&self, by: AccountId) -> Result<Party, DisputeRefusal> {
        match by {
            buyer if buyer == self.opening.buyer => Ok(Party::Buyer),
            seller if seller == self.opening.seller => Ok(Party::Seller),
            _ => Err(DisputeRefusal::NotParty),
        }
    }

    /// What the claimant wants of what is held now.
    pub fn claimed(&self) -> Split {
        let to_buyer = self.opening.claim.to_buyer.amount.min(self.amount.amount);
        let money = |amount| Money::new(amount, self.amount.currency);
        Split { to_buyer: money(to_buyer), to_seller: money(self.amount.amount - to_buyer) }
    }
}

impl Dispute {
    /// How it stands; `None` before it exists.
    #[must_use]
    pub fn status(&self) -> Option<DisputeStatus> {
        self.status
    }

    /// Whose what was held is, once that is decided.
    #[must_use]
    pub fn split(&self) -> Option<Split> {
        self.split
    }

    /// When the clock has something to say next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<DateTime<Utc>> {
        let case = self.case.as_ref().filter(|_| self.suspended.is_none())?;
        match self.status? {
            DisputeStatus::Opened => Some(case.respond_by),
            DisputeStatus::Negotiating => Some(case.evidence_by),
            DisputeStatus::UnderReview if case.opening.resolver.is_some() && !self.resolver_silent => {
                Some(case.resolve_by)
            }
            _ => None,
        }
    }

    pub(super) fn next_offer(&self) -> u32 {
        self.offers.last_key_value().map_or(1, |(last, _)| last.saturating_add(1))
    }

    pub(super) fn take(&mut self, event: E) {
        match event {
            E::Opened(opening) => {
                self.status = Some(DisputeStatus::Opened);
                self.case = Some(Case {
                    amount: opening.amount,
                    respond_by: opening.respond_by,
                    evidence_by: opening.evidence_by,
                    resolve_by: opening.resolve_by,
                    opening,
                });
            }
            E::Responded { .. } => {
                (self.responded, self.status) = (true, Some(DisputeStatus::Negotiating));
            }
            E::EvidenceFiled { by, evidence, .. } => _ = self.evidence.insert((by, evidence.hash)),
            E::OfferMade { offer, by, split } => {
                for old in self.offers.values_mut().filter(|old| old.by == by) {
                    old.withdrawn = true;
                }
                self.offers.insert(offer, Offer { by, split, withdrawn: false });
            }
            E::OfferAccepted { offer, .. } => self.accepted = Some(offer),
            E::Escalated { .. } => self.status = Some(DisputeStatus::UnderReview),
            E::ResolverSilent { .. } => self.resolver_silent = true,
            E::Resolved { split, .. } => {
                (self.status, self.split) = (Some(DisputeStatus::Resolved), Some(split));
            }
            E::Defaulted { split, .. } => {
                (self.status, self.split) = (Some(DisputeStatus::Defaulted), Some(split));
            }
            E::Withdrawn { .. } => self.status = Some(DisputeStatus::Withdrawn),
            E::Suspended { at } => self.suspended = Some(at),
            E::Resumed { amount, respond_by, evidence_by, resolve_by } => {
                self.suspended = None;
                if let Some(case) = &mut self.case {
                    if case.amount != amount {
                        self.offers.values_mut().for_each(|offer| offer.withdrawn = true);
                    }
                    (case.amount, case.respond_by) = (amount, respond_by);
                    (case.evidence_by, case.resolve_by) = (evidence_by, resolve_by);
                }
            }
            E::Lapsed { .. } => {
                (self.suspended, self.status) = (None, Some(DisputeStatus::Lapsed));
            }
        }
    }
}
