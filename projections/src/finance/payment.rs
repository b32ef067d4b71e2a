//! Payments, as the seller's books and support see them.

use chrono::{DateTime, Utc};
use domain::finance::payment::{
    Advice, CaptureMode, DeclineClass, Fact, NextStep, Operation, Payment, PaymentEvent, PaymentStatus,
};
use domain::ids::{AttemptId, CaptureId, OrderId, PaymentId, RefundId};
use domain::kernel::Recorded;
use domain::money::Money;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::reading::{Filter, Listing, Order, word};
use crate::stream::{Stem, StreamView};
use crate::view::Unfoldable;

/// One row of `read.payment`, and the answer to `GET /api/financial/payments/{id}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PaymentView {
    #[serde(flatten)]
    #[schema(inline)]
    pub stem: Stem<PaymentId>,
    /// Since when it holds: earlier than it was recorded if it happened before that.
    pub effective_at: DateTime<Utc>,
    pub order_id: OrderId,
    pub status: PaymentStatus,
    /// The provider's token of a method; `recorded` for money that was taken elsewhere.
    pub method: String,
    /// What it is found by elsewhere, of money that was taken there.
    pub reference: Option<String>,
    pub capture: Option<CaptureMode>,
    pub amount: Money,
    pub authorised: Money,
    pub captured: Money,
    /// What the provider keeps.
    pub fees: Money,
    pub refunded: Money,
    pub attempts: Vec<AttemptView>,
    pub captures: Vec<CaptureView>,
    pub refunds: Vec<RefundId>,
    /// What the provider told when it could no longer be taken in: cases to look into.
    pub late_observations: Vec<LateFact>,
    pub expires_at: Option<DateTime<Utc>>,
    /// What is waited for: the buyer, a transfer, or the provider alone.
    pub next_step: Option<NextStep>,
}

/// One attempt at a payment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AttemptView {
    pub id: AttemptId,
    pub number: u32,
    pub method: String,
    pub status: AttemptStatus,
    /// The provider's reference of the authorisation.
    pub psp_ref: Option<String>,
    /// Why it was declined, in the provider's words.
    pub code: Option<String>,
    pub class: Option<DeclineClass>,
    pub advice: Option<Advice>,
    pub valid_until: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AttemptStatus {
    Started,
    Authorised,
    Declined,
    Unknown,
    Voiding,
    Voided,
    Conflicted,
}

/// One capture of an authorised payment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CaptureView {
    pub id: CaptureId,
    pub amount: Money,
    pub status: CaptureStatus,
    pub psp_ref: Option<String>,
    pub code: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CaptureStatus {
    Requested,
    Captured,
    Failed,
    Unknown,
    Conflicted,
}

/// What was told too late.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LateFact {
    pub fact: Fact,
    pub reference: String,
    pub amount: Option<Money>,
}

/// Read model `payment`.
pub struct Payments;

impl StreamView for Payments {
    const NAME: &'static str = "payment";
    type Of = Payment;
    type Row = PaymentView;

    fn stem(row: &mut PaymentView) -> &mut Stem<PaymentId> {
        &mut row.stem
    }

    fn begun(stem: Stem<PaymentId>, happened: &PaymentEvent, first: &Recorded) -> Option<PaymentView> {
        PaymentView::begun(stem, happened, first)
    }

    fn apply(row: &mut PaymentView, happened: &PaymentEvent, _: &Recorded) -> Result<(), Unfoldable> {
        row.take_in(happened)
    }
}

impl PaymentView {
    fn begun(stem: Stem<PaymentId>, happened: &PaymentEvent, first: &Recorded) -> Option<Self> {
        let (order_id, amount, capture, method, expires_at) = match happened {
            PaymentEvent::Created { order, amount, capture, method, expires_at, .. } => {
                (*order, *amount, Some(*capture), method.clone(), Some(*expires_at))
            }
            PaymentEvent::Recorded { order, amount, .. } => {
                (*order, *amount, None, "recorded".to_owned(), None)
            }
            _ => return None,
        };
        let reference = match happened {
            PaymentEvent::Recorded { reference, .. } => reference.clone(),
            _ => None,
        };
        let nothing = Money::zero(amount.currency);
        Some(Self {
            stem,
            effective_at: first.effective_at,
            order_id,
            status: PaymentStatus::RequiresConfirmation,
            method,
            reference,
            capture,
            amount,
            authorised: nothing,
            captured: nothing,
            fees: nothing,
            refunded: nothing,
            attempts: Vec::new(),
            captures: Vec::new(),
            refunds: Vec::new(),
            late_observations: Vec::new(),
            expires_at,
            next_step: None,
        })
    }

    fn take_in(&mut self, happened: &PaymentEvent) -> Result<(), Unfoldable> {
        use PaymentEvent as E;
        match happened {
            E::Created { .. } | E::RefundReleased { .. } => {}
            E::Recorded { amount, .. } => (self.captured, self.status) = (*amount, PaymentStatus::Succeeded),
            E::AttemptStarted { attempt, number, method, .. } => {
                self.status = PaymentStatus::Processing;
                self.method.clone_from(method);
                self.attempts.push(AttemptView::started(*attempt, *number, method.clone()));
            }
            E::ActionRequired { next, .. } => {
                self.status = match next {
                    NextStep::Wait => PaymentStatus::Processing,
                    NextStep::Redirect { .. } | NextStep::Transfer { .. } => PaymentStatus::RequiresAction,
                };
                self.next_step = Some(next.clone());
            }
            E::ActionCalledOff { .. } => self.next_step = None,
            E::Authorised { attempt, psp_ref, amount, valid_until, .. } => {
                self.next_step = None;
                (self.status, self.authorised) = (PaymentStatus::RequiresCapture, *amount);
                self.attempt(*attempt, |attempt| {
                    attempt.status = AttemptStatus::Authorised;
                    attempt.psp_ref = Some(psp_ref.clone());
                    attempt.valid_until = Some(*valid_until);
                });
            }
            E::Declined { attempt, code, class, advice, .. } => {
                self.next_step = None;
                self.status = match class {
                    DeclineClass::Fraud => PaymentStatus::Failed,
                    DeclineClass::Hard => PaymentStatus::RequiresPaymentMethod,
                    DeclineClass::Soft | DeclineClass::Config => PaymentStatus::RequiresConfirmation,
                };
                self.attempt(*attempt, |attempt| {
                    attempt.status = AttemptStatus::Declined;
                    (attempt.code, attempt.class) = (Some(code.clone()), Some(*class));
                    attempt.advice = Some(*advice);
                });
            }
            E::OutcomeUnknown { attempt, operation, .. } => match operation {
                Operation::Capture { capture } => {
                    self.capture_of(*capture, |capture| capture.status = CaptureStatus::Unknown);
                }
                Operation::Authorise | Operation::Void => {
                    self.attempt(*attempt, |attempt| attempt.status = AttemptStatus::Unknown);
                }
            },
            E::CaptureRequested { capture, amount, .. } => {
                self.status = PaymentStatus::Processing;
                let (amount, status) = (*amount, CaptureStatus::Requested);
                self.captures.push(CaptureView { id: *capture, amount, status, psp_ref: None, code: None });
            }
            E::Captured { capture, amount, fee, psp_ref, .. } => {
                self.captured = self.captured.plus(*amount)?;
                self.fees = self.fees.plus(*fee)?;
                let whole = self.captured.amount >= self.amount.amount;
                self.status = if whole { PaymentStatus::Succeeded } else { PaymentStatus::PartiallyCaptured };
                self.capture_of(*capture, |capture| {
                    (capture.status, capture.psp_ref) = (CaptureStatus::Captured, Some(psp_ref.clone()));
                });
            }
            E::CaptureFailed { capture, code, .. } => {
                self.status = PaymentStatus::RequiresCapture;
                self.capture_of(*capture, |capture| {
                    (capture.status, capture.code) = (CaptureStatus::Failed, Some(code.clone()));
                });
            }
            E::VoidRequested { attempt, .. } => {
                self.status = PaymentStatus::Processing;
                self.attempt(*attempt, |attempt| attempt.status = AttemptStatus::Voiding);
            }
            E::Voided { attempt, .. } => {
                self.status = PaymentStatus::Cancelled;
                self.attempt(*attempt, |attempt| attempt.status = AttemptStatus::Voided);
            }
            E::VoidFailed { attempt, code, .. } => {
                self.status = PaymentStatus::RequiresCapture;
                self.attempt(*attempt, |attempt| {
                    (attempt.status, attempt.code) = (AttemptStatus::Authorised, Some(code.clone()));
                });
            }
            E::Cancelled { .. } => self.status = PaymentStatus::Cancelled,
            E::Expired { .. } => self.status = PaymentStatus::Expired,
            E::Conflicted { attempt, capture, .. } => {
                (self.status, self.next_step) = (PaymentStatus::Conflicted, None);
                match capture {
                    Some(id) => self.capture_of(*id, |capture| capture.status = CaptureStatus::Conflicted),
                    None => self.attempt(*attempt, |attempt| attempt.status = AttemptStatus::Conflicted),
                }
            }
            E::LateObservation { fact, reference, amount, .. } => {
                if let (Fact::Captured, Some(amount)) = (fact, amount) {
                    self.captured = self.captured.plus(*amount)?;
                }
                let (fact, reference, amount) = (*fact, reference.clone(), *amount);
                self.late_observations.push(LateFact { fact, reference, amount });
            }
            E::RefundAllotted { refund, .. } | E::RefundSetAside { refund, .. } => {
                if !self.refunds.contains(refund) {
                    self.refunds.push(*refund);
                }
            }
            E::RefundSettled { amount, .. } => self.refunded = self.refunded.plus(*amount)?,
            E::RefundReversed { amount, .. } => self.refunded = self.refunded.minus(*amount)?,
        }
        Ok(())
    }

    fn attempt(&mut self, id: AttemptId, change: impl FnOnce(&mut AttemptView)) {
        if let Some(attempt) = self.attempts.iter_mut().find(|attempt| attempt.id == id) {
            change(attempt);
        }
    }

    fn capture_of(&mut self, id: CaptureId, change: impl FnOnce(&mut CaptureView)) {
        if let Some(capture) = self.captures.iter_mut().find(|capture| capture.id == id) {
            change(capture);
        }
    }
}

impl AttemptView {
    fn started(id: AttemptId, number: u32, method: String) -> Self {
        Self {
            id,
            number,
            method,
            status: AttemptStatus::Started,
            psp_ref: None,
            code: None,
            class: None,
            advice: None,
            valid_until: None,
        }
    }
}

/// Which payments a list is of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PaymentFilter {
    #[param(inline, nullable = false)]
    pub status: Option<PaymentStatus>,
    #[param(inline, nullable = false)]
    pub order_id: Option<OrderId>,
    /// Only those made at this time or later.
    #[param(nullable = false)]
    pub from: Option<DateTime<Utc>>,
    /// Only those made before this time.
    #[param(nullable = false)]
    pub to: Option<DateTime<Utc>>,
}

impl Filter for PaymentFilter {
    type Of = Payments;

    fn order(&self) -> Order {
        Order::by("effective_at", "timestamptz").descending()
    }

    fn narrow(self, list: Listing<Payments>) -> Listing<Payments> {
        list.only("t.status = ", self.status.map(word), "")
            .only("t.order_id = ", self.order_id.map(String::from), "")
            .only("t.effective_at >= ", self.from, "")
            .only("t.effective_at < ", self.to, "")
    }
}
