//! What may be asked of a dispute, what has happened to it, and why it says no.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use strum::{AsRefStr, EnumString};

use crate::digest::Digest;
use crate::ids::{AccountId, EscrowId, MilestoneId};
use crate::kernel::{Event, Kind, Refusal};
use crate::money::Money;
use crate::personal;
use crate::pii::Pii;
use crate::text::is_blank;

personal! {
    /// What one side says of the other.
    pub DisputeReason = "finance.dispute", "reason", Content;
}

/// What may be asked of a dispute. `by` is who asks, `at` is when.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum DisputeCommand {
    Open(Opening),
    Respond {
        by: AccountId,
        statement: Option<Pii<DisputeReason>>,
        at: DateTime<Utc>,
    },
    FileEvidence {
        by: AccountId,
        evidence: Evidence,
        at: DateTime<Utc>,
    },
    Offer {
        by: AccountId,
        split: Split,
        at: DateTime<Utc>,
    },
    Accept {
        by: AccountId,
        offer: u32,
        at: DateTime<Utc>,
    },
    /// Call the resolver.
    Escalate {
        by: AccountId,
        at: DateTime<Utc>,
    },
    /// Decide. `staff` is whether who asks may decide for the workspace.
    Resolve {
        by: AccountId,
        staff: bool,
        split: Split,
        reasons_hash: Digest,
        at: DateTime<Utc>,
    },
    Withdraw {
        by: AccountId,
        at: DateTime<Utc>,
    },
    /// The payer's bank disputes the same money: wait.
    Suspend {
        at: DateTime<Utc>,
    },
    /// The bank is done: this much is held now.
    Resume {
        amount: Money,
        at: DateTime<Utc>,
    },
    /// The clock.
    Tick {
        at: DateTime<Utc>,
    },
}

impl DisputeCommand {
    pub(super) fn at(&self) -> DateTime<Utc> {
        match self {
            Self::Open(opening) => opening.at,
            Self::Respond { at, .. }
            | Self::FileEvidence { at, .. }
            | Self::Offer { at, .. }
            | Self::Accept { at, .. }
            | Self::Escalate { at, .. }
            | Self::Resolve { at, .. }
            | Self::Withdraw { at, .. }
            | Self::Suspend { at }
            | Self::Resume { at, .. }
            | Self::Tick { at } => *at,
        }
    }
}

/// What has happened to a dispute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AsRefStr)]
#[serde(tag = "type")]
pub enum DisputeEvent {
    Opened(Opening),
    Responded {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        statement: Option<Pii<DisputeReason>>,
    },
    EvidenceFiled {
        by: Party,
        evidence: Evidence,
        at: DateTime<Utc>,
    },
    OfferMade {
        offer: u32,
        by: Party,
        split: Split,
    },
    OfferAccepted {
        offer: u32,
        by: Party,
    },
    /// It is the resolver's now; `overdue` where the parties' time was over.
    Escalated {
        overdue: bool,
    },
    /// The named resolver has not decided in time: the workspace's own may.
    ResolverSilent {
        escrow: EscrowId,
    },
    Resolved {
        escrow: EscrowId,
        split: Split,
        basis: Basis,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<AccountId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reasons_hash: Option<Digest>,
    },
    /// The other side was silent: the claim is granted.
    Defaulted {
        escrow: EscrowId,
        split: Split,
    },
    Withdrawn {
        escrow: EscrowId,
    },
    Suspended {
        at: DateTime<Utc>,
    },
    Resumed {
        amount: Money,
        respond_by: DateTime<Utc>,
        evidence_by: DateTime<Utc>,
        resolve_by: DateTime<Utc>,
    },
    /// Nothing is held any more.
    Lapsed {
        escrow: EscrowId,
    },
}

/// What a dispute begins with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Opening {
    pub escrow: EscrowId,
    pub milestone: MilestoneId,
    pub buyer: AccountId,
    pub seller: AccountId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolver: Option<AccountId>,
    pub claimant: Party,
    /// What is held.
    pub amount: Money,
    pub claim: Claim,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Pii<DisputeReason>>,
    pub at: DateTime<Utc>,
    pub respond_by: DateTime<Utc>,
    pub evidence_by: DateTime<Utc>,
    pub resolve_by: DateTime<Utc>,
}

/// One of the two sides.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, AsRefStr, EnumString,
)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = DisputeParty))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Party {
    Buyer,
    Seller,
}

/// What the claimant wants, and on what ground. The rest of what is held would be the seller's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = DisputeClaim))]
pub struct Claim {
    pub ground: Ground,
    pub to_buyer: Money,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, AsRefStr, EnumString)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = DisputeGround))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Ground {
    NotDelivered,
    NotAsAgreed,
    Late,
    /// The buyer does not approve what is as agreed.
    NotApproved,
    Other,
}

/// Whose what is held would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = DisputeSplit))]
pub struct Split {
    pub to_buyer: Money,
    pub to_seller: Money,
}

impl Split {
    /// Whether it is exactly this much, and nobody's part is below nothing.
    #[must_use]
    pub fn is_of(self, amount: Money) -> bool {
        !self.to_buyer.is_negative()
            && !self.to_seller.is_negative()
            && self.to_buyer.plus(self.to_seller) == Ok(amount)
    }
}

/// Something that shows what a side says: the file lies elsewhere and is known by its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = DisputeEvidence))]
pub struct Evidence {
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub hash: Digest,
    /// In bytes.
    pub size: u64,
    pub media_type: String,
    /// Where the file is.
    pub reference: String,
}

impl Evidence {
    /// Whether it can be shown to somebody: it has a size, a media type and a place.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let token = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
        };
        self.size > 0
            && self.media_type.len() <= 127
            && self.media_type.split_once('/').is_some_and(|(kind, sort)| token(kind) && token(sort))
            && !is_blank(&self.reference)
            && self.reference.len() <= 500
    }
}

/// What a decision rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, AsRefStr, EnumString)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Basis {
    Offer,
    Resolver,
}

/// Why a dispute says no.
#[derive(Debug, Clone, PartialEq, thiserror::Error, AsRefStr)]
#[strum(serialize_all = "snake_case")]
pub enum DisputeRefusal {
    #[error("no such dispute")]
    Unknown,
    #[error("the dispute has no such offer")]
    UnknownOffer,
    #[error("the dispute exists already, with another claim")]
    AlreadyOpened,
    #[error("buyer and seller are the same")]
    SameParty,
    #[error("who resolves a dispute is neither buyer nor seller")]
    ResolverIsParty,
    #[error("this dispute is another's to resolve")]
    NotResolver,
    #[error("only the buyer and the seller take part in this dispute")]
    NotParty,
    #[error("who made a claim does not answer it")]
    OwnClaim,
    #[error("who made an offer does not accept it")]
    OwnOffer,
    #[error("a later offer took its place")]
    OfferWithdrawn,
    #[error("only who opened a dispute withdraws it")]
    NotClaimant,
    #[error("the other side has not answered yet")]
    NotResponded,
    #[error("the dispute is not before the resolver")]
    NotUnderReview,
    #[error("an amount must be above 0 and within range")]
    InvalidAmount,
    #[error("a dispute is in the currency of what is held")]
    CurrencyMismatch,
    #[error("a claim is no more than what is held")]
    ClaimTooLarge,
    #[error("the answer is due before evidence, and evidence before the decision")]
    InvalidDeadlines,
    #[error("the split does not add up to what is held")]
    SplitNotEqualHeld,
    #[error("evidence has its digest, size, media type and place")]
    InvalidEvidence,
    #[error("a side shows at most 50 pieces of evidence")]
    TooMuchEvidence,
    #[error("the time for evidence is over")]
    EvidenceClosed,
    #[error("the time for offers is over")]
    OffersClosed,
    #[error("the payer's bank disputes the same money: it waits for the outcome")]
    Suspended,
    #[error("the dispute is over")]
    Over,
}

impl Event for DisputeEvent {}
impl Refusal for DisputeRefusal {
    fn kind(&self) -> Kind {
        match self {
            Self::Unknown | Self::UnknownOffer => Kind::Missing,
            Self::EvidenceClosed | Self::OffersClosed => Kind::Gone,
            Self::SameParty
            | Self::ResolverIsParty
            | Self::InvalidAmount
            | Self::CurrencyMismatch
            | Self::ClaimTooLarge
            | Self::InvalidDeadlines
            | Self::SplitNotEqualHeld
            | Self::InvalidEvidence => Kind::Invalid,
            _ => Kind::Conflict,
        }
    }
}
