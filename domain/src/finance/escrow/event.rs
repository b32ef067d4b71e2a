//! What may be asked of an escrow, what has happened to it, and why it says no.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use strum::{AsRefStr, EnumString};

use super::terms::{EscrowReason, MilestoneFee, Party, Terms};
use crate::digest::Digest;
use crate::ids::{AccountId, DisputeId, FundingId, MilestoneId, MovementId, PaymentId};
use crate::kernel::{Event, Kind, Refusal};
use crate::money::Money;
use crate::pii::Pii;
use crate::text::is_blank;

/// What may be asked of an escrow, and what others tell of it. `by` is who asks, `at` is when.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum EscrowCommand {
    Draft {
        by: AccountId,
        terms: Terms,
    },
    /// Other terms; whoever had agreed must agree anew.
    Amend {
        by: AccountId,
        terms: Terms,
        at: DateTime<Utc>,
    },
    Propose {
        by: AccountId,
        at: DateTime<Utc>,
    },
    /// Sign what has this digest.
    Agree {
        by: AccountId,
        terms_hash: Digest,
        at: DateTime<Utc>,
    },
    /// Alone before money is held, by both while it is.
    Cancel {
        by: AccountId,
        at: DateTime<Utc>,
    },
    /// The clock: an offer that nobody took, money that did not come.
    Expire {
        at: DateTime<Utc>,
    },
    /// Money has come.
    RecordFunding(Incoming),
    /// The payer's bank has taken money back.
    RecordReversal {
        funding: FundingId,
        reference: String,
        amount: Money,
    },
    /// It came back.
    RecordReversalWon {
        funding: FundingId,
        reference: String,
    },
    /// It stays away.
    RecordReversalLost {
        funding: FundingId,
        reference: String,
    },
    Start {
        by: AccountId,
        milestone: MilestoneId,
        at: DateTime<Utc>,
    },
    Submit {
        by: AccountId,
        milestone: MilestoneId,
        evidence: Vec<Evidence>,
        at: DateTime<Utc>,
    },
    /// What was handed in has arrived: the inspection begins.
    ConfirmReceipt {
        milestone: MilestoneId,
        receipt: Receipt,
        at: DateTime<Utc>,
    },
    RequestRevision {
        by: AccountId,
        milestone: MilestoneId,
        reason: Option<Pii<EscrowReason>>,
        at: DateTime<Utc>,
    },
    /// All that is held goes to the seller.
    Approve {
        by: AccountId,
        milestone: MilestoneId,
        at: DateTime<Utc>,
    },
    /// A part of the price goes to the seller.
    Release {
        by: AccountId,
        release: MovementId,
        milestone: MilestoneId,
        amount: Money,
        at: DateTime<Utc>,
    },
    /// The clock: an inspection is over and the buyer has said nothing.
    AutoRelease {
        milestone: MilestoneId,
        at: DateTime<Utc>,
    },
    /// The buyer asks for money back; the seller consents by [`EscrowCommand::Refund`].
    RequestRefund {
        by: AccountId,
        milestone: MilestoneId,
        amount: Money,
        reason: Option<Pii<EscrowReason>>,
        at: DateTime<Utc>,
    },
    /// Give held money back to the buyer: by the seller, or by the buyer where work is too late or has no money yet.
    Refund {
        by: AccountId,
        refund: MovementId,
        milestone: MilestoneId,
        amount: Money,
        at: DateTime<Utc>,
    },
    OpenDispute {
        by: AccountId,
        dispute: DisputeId,
        milestone: MilestoneId,
        reason: Option<Pii<EscrowReason>>,
        at: DateTime<Utc>,
    },
    /// A dispute has ended: whose the held money is.
    SettleDispute {
        dispute: DisputeId,
        to_buyer: Money,
        to_seller: Money,
        basis: Basis,
        at: DateTime<Utc>,
    },
    /// A dispute was given up: all goes on from where it was.
    CloseDispute {
        dispute: DisputeId,
        at: DateTime<Utc>,
    },
    /// Let the clock rest until then, if the other agrees.
    ProposePause {
        by: AccountId,
        until: DateTime<Utc>,
        at: DateTime<Utc>,
    },
    AgreePause {
        by: AccountId,
        until: DateTime<Utc>,
        at: DateTime<Utc>,
    },
    /// Go on: by both before the time, by the clock then.
    Resume {
        by: Option<AccountId>,
        at: DateTime<Utc>,
    },
}

/// What has happened to an escrow. Amounts are what moved; `held` is what the milestone holds after it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AsRefStr)]
#[serde(tag = "type")]
pub enum EscrowEvent {
    Drafted {
        by: Party,
        terms: Terms,
        fees: Vec<MilestoneFee>,
        terms_hash: Digest,
    },
    Amended {
        by: Party,
        terms: Terms,
        fees: Vec<MilestoneFee>,
        terms_hash: Digest,
    },
    Proposed {
        by: Party,
        terms_hash: Digest,
        agree_by: DateTime<Utc>,
    },
    TermsAgreed {
        party: Party,
        terms_hash: Digest,
    },
    Agreed {
        terms_hash: Digest,
        total: Money,
        fund_by: DateTime<Utc>,
    },
    Expired {
        deadline: Deadline,
    },
    CancelProposed {
        by: Party,
    },
    Funded {
        funding: FundingId,
        source: Source,
        amount: Money,
        allocation: Vec<Part>,
    },
    /// Money that cannot be held here: it goes back to where it came from.
    Overfunded {
        funding: FundingId,
        source: Source,
        amount: Money,
    },
    MilestoneFunded {
        milestone: MilestoneId,
        held: Money,
    },
    FundingReversed {
        funding: FundingId,
        reference: String,
        amount: Money,
        from: Vec<Part>,
        /// What had left already: the seller owes it.
        shortfall: Money,
    },
    FundingRestored {
        funding: FundingId,
        reference: String,
        amount: Money,
        to: Vec<Part>,
        shortfall: Money,
    },
    ReversalLost {
        funding: FundingId,
        reference: String,
        amount: Money,
        shortfall: Money,
    },
    Started {
        milestone: MilestoneId,
    },
    Submitted {
        milestone: MilestoneId,
        round: u32,
        evidence: Vec<Evidence>,
        at: DateTime<Utc>,
    },
    ReceiptConfirmed {
        milestone: MilestoneId,
        receipt: Receipt,
        inspection_due: DateTime<Utc>,
    },
    /// The time of an inspection has gone by and nobody knows that anything arrived: someone must look.
    ReceiptMissing {
        milestone: MilestoneId,
    },
    RevisionRequested {
        milestone: MilestoneId,
        round: u32,
        due: DateTime<Utc>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Pii<EscrowReason>>,
    },
    Approved {
        milestone: MilestoneId,
    },
    /// `gross` leaves what is held: `net` to the seller, `fee` to the platform.
    FundsReleased {
        seller: AccountId,
        milestone: MilestoneId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        release: Option<MovementId>,
        /// How much of the price it pays for.
        priced: Money,
        gross: Money,
        fee: Money,
        net: Money,
        trigger: Trigger,
        held: Money,
    },
    RefundRequested {
        milestone: MilestoneId,
        amount: Money,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Pii<EscrowReason>>,
    },
    MilestoneRefunded {
        buyer: AccountId,
        milestone: MilestoneId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        refund: Option<MovementId>,
        amount: Money,
        reason: RefundGround,
        /// From which payments it came.
        to: Vec<Repayment>,
        held: Money,
    },
    DisputeOpened {
        dispute: DisputeId,
        milestone: MilestoneId,
        by: Party,
        amount: Money,
        buyer: AccountId,
        seller: AccountId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resolver: Option<AccountId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Pii<EscrowReason>>,
        at: DateTime<Utc>,
        respond_by: DateTime<Utc>,
        evidence_by: DateTime<Utc>,
        resolve_by: DateTime<Utc>,
    },
    DisputeSettled {
        dispute: DisputeId,
        milestone: MilestoneId,
        to_buyer: Money,
        to_seller: Money,
        basis: Basis,
    },
    DisputeClosed {
        dispute: DisputeId,
        milestone: MilestoneId,
        /// The inspection goes on as long as it would have.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        inspection_due: Option<DateTime<Utc>>,
        due: DateTime<Utc>,
    },
    PauseProposed {
        by: Party,
        until: DateTime<Utc>,
    },
    Paused {
        from: DateTime<Utc>,
        until: DateTime<Utc>,
    },
    ResumeProposed {
        by: Party,
    },
    /// All deadlines of work move by as long as it rested.
    Resumed {
        at: DateTime<Utc>,
        rested_s: i64,
    },
    Closed {
        outcome: Outcome,
        released: Money,
        fees: Money,
        refunded: Money,
        reversed: Money,
    },
}

/// Money that has come for an escrow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Incoming {
    pub funding: FundingId,
    pub source: Source,
    /// For which milestone; in their order where none is named.
    pub milestone: Option<MilestoneId>,
    pub amount: Money,
    pub at: DateTime<Utc>,
}

/// Where money came from, and goes back to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Source {
    Payment {
        payment: PaymentId,
    },
    /// What was taken out of a wallet, by its reference there.
    Wallet {
        debit: String,
    },
}

/// A milestone's part of an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    pub milestone: MilestoneId,
    pub amount: Money,
}

/// What goes back to one payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repayment {
    pub funding: FundingId,
    pub amount: Money,
}

/// Something that shows work: the file lies elsewhere and is known by its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = EscrowEvidence))]
pub struct Evidence {
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub hash: Digest,
    /// In bytes.
    pub size: u64,
    /// `image/png`.
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

/// By what it is known that work has arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Receipt {
    /// The buyer says so.
    Buyer { account: AccountId },
    /// A carrier says so.
    Proof { evidence: Evidence },
}

/// What let money go to the seller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, AsRefStr, EnumString)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Trigger {
    Buyer,
    Time,
    Dispute,
}

/// Why held money goes back to the buyer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, AsRefStr, EnumString)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum RefundGround {
    SellerConsents,
    WorkOverdue,
    /// Its money was not all there.
    NotFunded,
    Cancelled,
    FundingExpired,
    Dispute,
}

/// What ended a dispute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, AsRefStr, EnumString)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Basis {
    Offer,
    Resolver,
    /// The other side was silent.
    Default,
}

/// A time by which somebody must have done something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, AsRefStr, EnumString)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Deadline {
    Agree,
    Fund,
    /// Work, with its grace.
    Work,
    Inspection,
    Pause,
}

/// How an escrow ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, AsRefStr, EnumString)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = EscrowOutcome))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Outcome {
    Completed,
    Refunded,
    Mixed,
    Cancelled,
}

/// Why an escrow says no.
#[derive(Debug, Clone, PartialEq, thiserror::Error, AsRefStr)]
#[strum(serialize_all = "snake_case")]
pub enum EscrowRefusal {
    #[error("no such escrow")]
    Unknown,
    #[error("the escrow has no such milestone")]
    UnknownMilestone,
    #[error("the escrow has no such funding")]
    UnknownFunding,
    #[error("the escrow has no such dispute")]
    UnknownDispute,
    #[error("the escrow exists already, with other terms")]
    AlreadyDrafted,
    #[error("buyer and seller are the same")]
    SameParty,
    #[error("who resolves disputes is neither buyer nor seller")]
    ResolverIsParty,
    #[error("nothing new is in this currency")]
    CurrencyNotInUse,
    #[error("an escrow is in one currency")]
    CurrencyMismatch,
    #[error("an escrow has 1 to 100 milestones, each with an id of its own")]
    InvalidMilestones,
    #[error("an amount must be above 0 and within range")]
    InvalidAmount,
    #[error("the milestones do not add up to the total")]
    MilestonesDoNotAddUp,
    #[error("an interval is between a second and a year")]
    InvalidInterval,
    #[error("a fee is 0 to 10000 bps, and no more than its milestone's amount")]
    InvalidFee,
    #[error("the amount is out of range")]
    OutOfRange,
    #[error("work would be due before the terms are proposed")]
    DueInPast,
    #[error("a submission has 1 to 20 pieces of evidence, each with its digest, size, media type and place")]
    InvalidEvidence,
    #[error("a reference is 1 to 200 characters and not blank")]
    InvalidReference,
    #[error("a pause ends after it begins, and within a year")]
    InvalidPause,
    #[error("only the buyer and the seller take part in this escrow")]
    NotParty,
    #[error("this is the buyer's to do")]
    NotBuyer,
    #[error("this is the seller's to do")]
    NotSeller,
    #[error("the terms are not proposed")]
    NotProposed,
    #[error("the terms have changed: read them again")]
    TermsHashMismatch,
    #[error("the offer ran out")]
    OfferExpired,
    #[error("both have not agreed yet")]
    NotAgreed,
    #[error("money has come for these terms: they cannot change any more")]
    AlreadyFunded,
    #[error("this funding is known, with another amount or source")]
    FundingMismatch,
    #[error("this release or refund is known, with another amount")]
    MovementMismatch,
    #[error("the money for it is not all there")]
    Underfunded,
    #[error("less than that is held")]
    HeldTooSmall,
    #[error("money of this milestone was charged back: it waits for the outcome")]
    Frozen,
    #[error("a dispute of this milestone is open")]
    DisputeOpen,
    #[error("the split does not add up to what is held")]
    SplitNotEqualHeld,
    #[error("work has not begun")]
    NotStarted,
    #[error("work was not handed in")]
    NotSubmitted,
    #[error("work was handed in: ask for a refund, a revision or open a dispute")]
    AlreadySubmitted,
    #[error("what was handed in is not known to have arrived")]
    ReceiptNotConfirmed,
    #[error("the time of inspection is over")]
    InspectionOver,
    #[error("the time of inspection is not over")]
    InspectionNotOver,
    #[error("all revisions are used up")]
    RevisionsUsedUp,
    #[error("the milestone is over")]
    MilestoneOver,
    #[error("it is not due yet")]
    NotDue,
    #[error("the clock rests by agreement")]
    Paused,
    #[error("no pause is proposed until then")]
    NoPauseProposed,
    #[error("the clock does not rest")]
    NotPaused,
    #[error("who proposed it cannot agree to it")]
    OwnProposal,
    #[error("the escrow is closed")]
    Closed,
}

impl Event for EscrowEvent {}
impl Refusal for EscrowRefusal {
    fn kind(&self) -> Kind {
        use EscrowRefusal as No;
        match self {
            No::Unknown | No::UnknownMilestone | No::UnknownFunding | No::UnknownDispute => Kind::Missing,
            No::OfferExpired => Kind::Gone,
            No::SameParty
            | No::ResolverIsParty
            | No::CurrencyNotInUse
            | No::CurrencyMismatch
            | No::InvalidMilestones
            | No::InvalidAmount
            | No::MilestonesDoNotAddUp
            | No::InvalidInterval
            | No::InvalidFee
            | No::OutOfRange
            | No::DueInPast
            | No::InvalidEvidence
            | No::InvalidReference
            | No::InvalidPause
            | No::SplitNotEqualHeld => Kind::Invalid,
            _ => Kind::Conflict,
        }
    }
}
