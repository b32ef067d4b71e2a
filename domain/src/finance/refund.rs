//! Refunds: captured money on its way back to the buyer.
//!
//! A refund's id is its key of idempotency at the provider. It is sent only once its money is allotted on the
//! payment, and what is sent cannot be cancelled. An outcome that is not known is asked for again, never guessed.
//! What cannot be paid out waits for a person, who sends it again or gives it up: it never fails by itself.
//! A fact told twice decides nothing; one that contradicts what is settled is kept as a late observation.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use strum::{AsRefStr, EnumString};

use crate::ids::{LineId, OrderId, PaymentId, RefundId};
use crate::kernel::{Decider, Event, Kind, Refusal};
use crate::money::Money;
use crate::sourced;
use crate::text::is_blank;

#[cfg(test)]
mod tests;

/// What may be asked of a refund, and what the provider may tell of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum RefundCommand {
    Request {
        payment: PaymentId,
        order: OrderId,
        amount: Money,
        reason: Reason,
        /// What it is for; together the amount, or nothing at all.
        lines: Vec<RefundLine>,
        /// Needs nobody's approval.
        approved: bool,
    },
    Approve,
    /// Hand it to the provider, against this charge.
    Send {
        charge: String,
    },
    RecordSucceeded {
        psp_ref: String,
    },
    RecordFailed {
        code: String,
        /// Someone must look before it counts as failed.
        review: bool,
    },
    /// Whoever asked the provider again and again has given up: someone must look.
    RecordUnresolved,
    /// Try once more what waits for a person.
    Retry,
    /// A person has paid it out in another way, found by this there.
    PayOut {
        reference: String,
    },
    /// A person gives it up, before it is sent or after the provider said no.
    Reject {
        code: String,
    },
    /// No answer came: whether the money left is not known until the provider is asked again.
    RecordUnknown,
    /// The money came back.
    RecordReversed {
        psp_ref: String,
    },
    Cancel,
}

/// What has happened to a refund.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AsRefStr)]
#[serde(tag = "type")]
pub enum RefundEvent {
    Requested {
        payment: PaymentId,
        order: OrderId,
        amount: Money,
        reason: Reason,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        lines: Vec<RefundLine>,
    },
    Approved {
        payment: PaymentId,
        order: OrderId,
        amount: Money,
    },
    Sent {
        payment: PaymentId,
        order: OrderId,
        amount: Money,
        /// The provider's reference of the charge that is refunded.
        charge: String,
    },
    /// Handed to the provider once more, after it said no or nothing.
    Resent {
        payment: PaymentId,
        order: OrderId,
        amount: Money,
        charge: String,
        /// Of how many it is the last: another one than before where the provider had said no.
        attempt: u32,
    },
    Succeeded {
        payment: PaymentId,
        order: OrderId,
        amount: Money,
        psp_ref: String,
    },
    Failed {
        payment: PaymentId,
        order: OrderId,
        amount: Money,
        code: String,
    },
    /// The provider or the payment says no, or nothing: someone must look.
    HeldForReview {
        payment: PaymentId,
        order: OrderId,
        amount: Money,
        code: String,
    },
    /// With all that is needed to ask again.
    OutcomeUnknown {
        payment: PaymentId,
        order: OrderId,
        amount: Money,
        charge: String,
        #[serde(default = "first", skip_serializing_if = "is_first")]
        attempt: u32,
    },
    Reversed {
        payment: PaymentId,
        order: OrderId,
        amount: Money,
        psp_ref: String,
    },
    Cancelled {
        payment: PaymentId,
        order: OrderId,
        amount: Money,
    },
    /// A fact that came when it could no longer be taken in.
    LateObservation {
        payment: PaymentId,
        order: OrderId,
        amount: Money,
        fact: RefundFact,
        /// The provider's reference, or its code where it gave none.
        reference: String,
    },
}

/// Why money is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, AsRefStr, EnumString)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = RefundReason))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Reason {
    OrderCancelled,
    LinesCancelled,
    Returned,
    /// It was captured when the order was already over.
    LateCapture,
    Duplicate,
    Goodwill,
    Other,
}

/// The part of a refund that is for one line of the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RefundLine {
    pub line: LineId,
    pub amount: Money,
}

/// What the provider tells of a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, AsRefStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum RefundFact {
    Succeeded,
    Failed,
    Reversed,
}

/// How a refund stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, AsRefStr, EnumString)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum RefundStatus {
    Requested,
    Approved,
    Sent,
    Unknown,
    Succeeded,
    Failed,
    ManualReview,
    Reversed,
    Cancelled,
}

/// Why a refund says no.
#[derive(Debug, PartialEq, thiserror::Error, AsRefStr)]
#[strum(serialize_all = "snake_case")]
pub enum RefundRefusal {
    #[error("no such refund")]
    Unknown,
    #[error("the refund exists already, with other terms")]
    AlreadyRequested,
    #[error("an amount must be above 0")]
    InvalidAmount,
    #[error("the lines do not add up to the amount")]
    LinesDoNotAddUp,
    #[error("the refund is not approved")]
    NotApproved,
    #[error("the refund was not sent")]
    NotSent,
    #[error("the refund was sent and cannot be given up before the provider has answered")]
    AlreadySent,
    #[error("the refund is over; what is still owed is asked for anew")]
    Closed,
    #[error("the money was taken elsewhere: give it back there, and mark the refund as paid out")]
    ByHand,
    #[error("the provider may have paid it out: retry asks it again")]
    InDoubt,
    #[error("the refund does not wait for a person")]
    NotInReview,
    #[error("a reference is 1 to 200 characters and not blank")]
    InvalidReference,
    #[error("the refund waits for a person: retry sends it again, reject gives it up")]
    InReview,
}

/// A refund, as far as its rules need to remember it.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub struct Refund {
    terms: Option<Terms>,
    charge: Option<String>,
    /// How often it was handed to the provider as another one.
    attempts: u32,
    /// The provider may have paid it out and not said so.
    in_doubt: bool,
    /// No provider can pay it out.
    by_hand: bool,
    /// It failed because the payment did not allot its money; today it would wait for a person.
    not_allotted: bool,
    status: Option<RefundStatus>,
    observed: BTreeSet<(RefundFact, String)>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Terms {
    payment: PaymentId,
    order: OrderId,
    amount: Money,
    reason: Reason,
    lines: Vec<RefundLine>,
}

impl Refund {
    /// How it stands; `None` before it exists.
    #[must_use]
    pub fn status(&self) -> Option<RefundStatus> {
        self.status
    }

    /// Why money is given back; `None` before it exists.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        self.terms.as_ref().map(|terms| terms.reason)
    }

    /// Whether no provider can pay it out, so that a person does.
    #[must_use]
    pub const fn is_by_hand(&self) -> bool {
        self.by_hand
    }

    fn late(&self, terms: &Terms, fact: RefundFact, reference: String) -> Vec<RefundEvent> {
        let &Terms { payment, order, amount, .. } = terms;
        let seen = (fact, reference);
        if self.observed.contains(&seen) {
            return vec![];
        }
        vec![RefundEvent::LateObservation { payment, order, amount, fact, reference: seen.1 }]
    }
}

impl Decider for Refund {
    const NAME: &'static str = "finance.refund";
    type Id = RefundId;
    type Command = RefundCommand;
    type Event = RefundEvent;
    type Refusal = RefundRefusal;

    fn decide(&self, command: RefundCommand) -> Result<Vec<RefundEvent>, RefundRefusal> {
        use RefundStatus as S;
        use {RefundCommand as C, RefundEvent as E, RefundRefusal as No};
        let (Some(terms), Some(status)) = (&self.terms, self.status) else { return request(command) };
        let &Terms { payment, order, amount, .. } = terms;
        match (command, status) {
            (C::Request { payment, order, amount, reason, lines, .. }, _) => {
                let same = *terms == Terms { payment, order, amount, reason, lines };
                if same { Ok(vec![]) } else { Err(No::AlreadyRequested) }
            }

            (C::Approve, S::Requested) => Ok(vec![E::Approved { payment, order, amount }]),
            (C::Approve, S::Cancelled | S::Failed | S::Reversed) => Err(No::Closed),
            (C::Approve, S::ManualReview) => Err(No::InReview),
            (C::Approve, _) => Ok(vec![]),

            (C::Send { .. }, S::Requested) => Err(No::NotApproved),
            (C::Send { charge }, S::Approved) => Ok(vec![E::Sent { payment, order, amount, charge }]),
            (C::Send { .. }, S::Cancelled | S::Failed) => Err(No::Closed),
            (C::Send { .. }, _) => Ok(vec![]),

            (C::RecordSucceeded { psp_ref }, S::Sent | S::Unknown | S::ManualReview) => {
                Ok(vec![E::Succeeded { payment, order, amount, psp_ref }])
            }
            (C::RecordSucceeded { .. }, S::Succeeded | S::Reversed) => Ok(vec![]),
            (C::RecordSucceeded { psp_ref }, _) => Ok(self.late(terms, RefundFact::Succeeded, psp_ref)),

            // Allotting its money may fail before anything is sent.
            (C::RecordFailed { code, review: true }, S::Approved | S::Sent | S::Unknown) => {
                Ok(vec![E::HeldForReview { payment, order, amount, code }])
            }
            (C::RecordFailed { code, .. }, S::Requested | S::Approved) => {
                Ok(vec![E::Failed { payment, order, amount, code }])
            }
            (C::RecordFailed { review: true, .. }, S::ManualReview) => Ok(vec![]),
            (C::RecordFailed { code, .. }, S::Sent | S::Unknown | S::ManualReview) => {
                Ok(vec![E::Failed { payment, order, amount, code }])
            }
            (C::RecordFailed { .. }, S::Failed | S::Cancelled) => Ok(vec![]),
            (C::RecordFailed { code, .. }, S::Succeeded | S::Reversed) => {
                Ok(self.late(terms, RefundFact::Failed, code))
            }

            (C::RecordUnknown, S::Sent) => {
                let (charge, attempt) = (self.charge.clone().unwrap_or_default(), self.attempts);
                Ok(vec![E::OutcomeUnknown { payment, order, amount, charge, attempt }])
            }
            (C::RecordUnknown, S::Requested | S::Approved) => Err(No::NotSent),
            (C::RecordUnknown, _) => Ok(vec![]),

            (C::RecordUnresolved, S::Sent | S::Unknown) => {
                Ok(vec![E::HeldForReview { payment, order, amount, code: NO_ANSWER.to_owned() }])
            }
            (C::RecordUnresolved, _) => Ok(vec![]),

            (C::PayOut { reference }, _) if is_blank(&reference) || reference.chars().count() > 200 => {
                Err(No::InvalidReference)
            }
            (C::PayOut { .. }, S::ManualReview) if self.in_doubt => Err(No::InDoubt),
            (C::PayOut { reference: psp_ref }, S::ManualReview) => {
                Ok(vec![E::Succeeded { payment, order, amount, psp_ref }])
            }
            (C::PayOut { .. }, S::Succeeded) => Ok(vec![]),
            (C::PayOut { .. }, _) => Err(No::NotInReview),

            (C::Retry, S::ManualReview) if self.by_hand => Err(No::ByHand),
            (C::Retry, S::ManualReview) => Ok(vec![match self.charge.clone() {
                None => E::Approved { payment, order, amount },
                // What may have been paid out is asked for under the name it had.
                Some(charge) => {
                    let attempt = self.attempts + u32::from(!self.in_doubt);
                    E::Resent { payment, order, amount, charge, attempt }
                }
            }]),
            (C::Retry, S::Failed) if self.not_allotted => Ok(vec![E::Approved { payment, order, amount }]),
            (C::Retry, S::Requested) => Err(No::NotApproved),
            (C::Retry, S::Approved | S::Sent | S::Unknown) => Ok(vec![]),
            (C::Retry, _) => Err(No::Closed),

            (C::Reject { code }, S::Requested | S::Approved | S::ManualReview) => {
                Ok(vec![E::Failed { payment, order, amount, code }])
            }
            (C::Reject { .. }, S::Failed | S::Cancelled) => Ok(vec![]),
            (C::Reject { .. }, S::Sent | S::Unknown) => Err(No::AlreadySent),
            (C::Reject { .. }, S::Succeeded | S::Reversed) => Err(No::Closed),

            (C::RecordReversed { psp_ref }, S::Succeeded) => {
                Ok(vec![E::Reversed { payment, order, amount, psp_ref }])
            }
            (C::RecordReversed { .. }, S::Reversed) => Ok(vec![]),
            (C::RecordReversed { psp_ref }, _) => Ok(self.late(terms, RefundFact::Reversed, psp_ref)),

            (C::Cancel, S::Requested | S::Approved) => Ok(vec![E::Cancelled { payment, order, amount }]),
            (C::Cancel, S::Cancelled | S::Failed) => Ok(vec![]),
            (C::Cancel, _) => Err(No::AlreadySent),
        }
    }

    fn evolve(&mut self, event: RefundEvent) {
        use RefundEvent as E;
        let before = self.status;
        self.status = Some(match event {
            E::Requested { payment, order, amount, reason, lines } => {
                self.terms = Some(Terms { payment, order, amount, reason, lines });
                RefundStatus::Requested
            }
            E::Approved { .. } => RefundStatus::Approved,
            E::Sent { charge, .. } => {
                (self.charge, self.attempts) = (Some(charge), first());
                RefundStatus::Sent
            }
            E::Resent { attempt, .. } => {
                self.attempts = attempt;
                RefundStatus::Sent
            }
            E::Succeeded { .. } => RefundStatus::Succeeded,
            E::Failed { code, .. } => {
                self.not_allotted = before == Some(RefundStatus::Approved) && code.starts_with("payment/");
                RefundStatus::Failed
            }
            E::HeldForReview { code, .. } => {
                (self.in_doubt, self.by_hand) = (code == NO_ANSWER, code == PAY_OUT_BY_HAND);
                RefundStatus::ManualReview
            }
            E::OutcomeUnknown { .. } => RefundStatus::Unknown,
            E::Reversed { .. } => RefundStatus::Reversed,
            E::Cancelled { .. } => RefundStatus::Cancelled,
            E::LateObservation { fact, reference, .. } => {
                self.observed.insert((fact, reference));
                return;
            }
        });
    }
}

/// Why a refund waits for a person whose money no provider took.
pub const PAY_OUT_BY_HAND: &str = "pay_out_by_hand";
/// Why a refund waits for a person where the provider says nothing.
const NO_ANSWER: &str = "no_answer";

const fn first() -> u32 {
    1
}

const fn is_first(attempt: &u32) -> bool {
    *attempt == first()
}

/// What may be asked of a refund that does not exist yet.
fn request(command: RefundCommand) -> Result<Vec<RefundEvent>, RefundRefusal> {
    use {RefundCommand as C, RefundEvent as E, RefundRefusal as No};
    match command {
        C::Request { amount, .. } if amount.amount <= 0 => Err(No::InvalidAmount),
        C::Request { amount, lines, .. } if !add_up(&lines, amount) => Err(No::LinesDoNotAddUp),
        C::Request { payment, order, amount, reason, lines, approved } => {
            let mut events = vec![E::Requested { payment, order, amount, reason, lines }];
            events.extend(approved.then_some(E::Approved { payment, order, amount }));
            Ok(events)
        }
        _ => Err(No::Unknown),
    }
}

fn add_up(lines: &[RefundLine], amount: Money) -> bool {
    let distinct: BTreeSet<LineId> = lines.iter().map(|line| line.line).collect();
    lines.is_empty()
        || (distinct.len() == lines.len()
            && lines.iter().all(|line| line.amount.amount > 0)
            && Money::sum(amount.currency, lines.iter().map(|line| line.amount)) == Ok(amount))
}

impl Event for RefundEvent {}
impl Refusal for RefundRefusal {
    fn kind(&self) -> Kind {
        match self {
            Self::Unknown => Kind::Missing,
            Self::InvalidAmount | Self::LinesDoNotAddUp | Self::InvalidReference => Kind::Invalid,
            _ => Kind::Conflict,
        }
    }
}
sourced!(Refund, RefundEvent);
