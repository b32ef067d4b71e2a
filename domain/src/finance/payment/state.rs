//! State: what a payment remembers, and how its events change it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    CaptureMode, DeclineClass, Fact, NextStep, Operation, PaymentCommand, PaymentEvent, PaymentStatus,
};
use crate::ids::{AttemptId, CaptureId, OrderId, RefundId};
use crate::money::Money;

/// A payment, as far as its rules need to remember it.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub struct Payment {
    pub(super) terms: Option<Terms>,
    pub(super) attempts: BTreeMap<AttemptId, Attempt>,
    pub(super) last_attempt: Option<AttemptId>,
    pub(super) last_method: Option<String>,
    pub(super) declined_methods: BTreeSet<String>,
    pub(super) captures: BTreeMap<CaptureId, Capture>,
    /// Money that was captured too late, by the provider's reference.
    pub(super) late_captures: BTreeMap<String, Money>,
    pub(super) refunds: BTreeMap<RefundId, Allotment>,
    /// Whether it ever waited for a transfer, which may still come.
    pub(super) awaited_a_transfer: bool,
    /// What was told too late, so that it is written down once.
    pub(super) observed: BTreeSet<(Fact, String)>,
    pub(super) closed: Option<Closed>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Terms {
    pub order: OrderId,
    pub amount: Money,
    /// How and until when it is asked for; `None` if it was taken elsewhere.
    pub asked: Option<(CaptureMode, String, DateTime<Utc>)>,
}

impl Terms {
    pub fn are_those_of(&self, command: &PaymentCommand) -> bool {
        match command {
            PaymentCommand::Create { order, amount, capture, method, expires_at } => {
                let asked = Some((*capture, method.clone(), *expires_at));
                *self == Self { order: *order, amount: *amount, asked }
            }
            PaymentCommand::Record { order, amount, .. } => {
                *self == Self { order: *order, amount: *amount, asked: None }
            }
            _ => false,
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Attempt {
    pub standing: Standing,
    pub method: String,
    /// The provider's reference of the authorisation.
    pub charge: Option<String>,
    pub valid_until: Option<DateTime<Utc>>,
    /// The amount that the provider tells of, where it is not ours.
    pub conflict: Option<Money>,
    /// What it waits for, and the provider's reference of that.
    pub awaits: Option<(String, NextStep)>,
    /// What it is not known of whether it was done.
    pub in_doubt: Option<Operation>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Standing {
    Started,
    Authorised,
    Voiding,
    Voided,
    Declined,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Capture {
    pub attempt: AttemptId,
    pub amount: Money,
    pub standing: CaptureStanding,
    pub psp_ref: Option<String>,
    pub conflict: Option<Money>,
    pub in_doubt: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum CaptureStanding {
    Requested,
    Captured,
    Failed,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Allotment {
    pub amount: Money,
    pub standing: AllotmentStanding,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum AllotmentStanding {
    Allotted,
    Settled,
    Released,
    Reversed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Closed {
    Failed,
    Cancelled,
    Expired,
}

impl Payment {
    /// What it is for; `None` before it exists.
    #[must_use]
    pub fn order(&self) -> Option<OrderId> {
        self.terms.as_ref().map(|terms| terms.order)
    }

    /// How it stands; `None` before it exists.
    #[must_use]
    pub fn status(&self) -> Option<PaymentStatus> {
        use PaymentStatus as S;
        let terms = self.terms.as_ref()?;
        let last = self.last();
        Some(match (self.closed, last.map(|(_, attempt)| attempt.standing)) {
            (Some(Closed::Failed), _) => S::Failed,
            (Some(Closed::Cancelled), _) => S::Cancelled,
            (Some(Closed::Expired), _) => S::Expired,
            _ if self.is_conflicted() => S::Conflicted,
            _ if self.captured() >= i128::from(terms.amount.amount) => S::Succeeded,
            _ if self.captured() > 0 => S::PartiallyCaptured,
            _ if self.capturing() > 0 => S::Processing,
            (_, Some(Standing::Authorised)) => S::RequiresCapture,
            _ if self.buyer_is_waited_for() => S::RequiresAction,
            (_, Some(Standing::Started | Standing::Voiding)) => S::Processing,
            _ if self.last_method.as_ref().is_some_and(|m| self.declined_methods.contains(m)) => {
                S::RequiresPaymentMethod
            }
            _ => S::RequiresConfirmation,
        })
    }

    /// The latest attempt: the only one that can be live.
    pub(super) fn last(&self) -> Option<(AttemptId, &Attempt)> {
        let id = self.last_attempt?;
        Some((id, self.attempts.get(&id)?))
    }

    /// What was captured in all, in minor units: as asked for, too late, or elsewhere.
    pub(super) fn captured(&self) -> i128 {
        let elsewhere = self.terms.iter().filter(|terms| terms.asked.is_none()).map(|terms| terms.amount);
        let asked_for = self.captures_at(CaptureStanding::Captured);
        total(asked_for.chain(elsewhere).chain(self.late_captures.values().copied()))
    }

    /// What the provider was asked to capture and has not answered, in minor units.
    pub(super) fn capturing(&self) -> i128 {
        total(self.captures_at(CaptureStanding::Requested))
    }

    /// What was captured as asked for, in minor units: never more than authorised.
    pub(super) fn captured_as_asked(&self) -> i128 {
        total(self.captures_at(CaptureStanding::Captured))
    }

    fn captures_at(&self, standing: CaptureStanding) -> impl Iterator<Item = Money> {
        self.captures
            .values()
            .filter(move |capture| capture.standing == standing)
            .map(|capture| capture.amount)
    }

    /// What refunds hold or have paid out, in minor units: never more than captured.
    pub(super) fn refunding(&self) -> i128 {
        use AllotmentStanding::{Allotted, Settled};
        let holding = self.refunds.values().filter(|refund| matches!(refund.standing, Allotted | Settled));
        total(holding.map(|refund| refund.amount))
    }

    pub(super) fn is_conflicted(&self) -> bool {
        self.captures.values().any(|capture| capture.conflict.is_some())
            || self.last().is_some_and(|(_, attempt)| {
                attempt.conflict.is_some()
                    && matches!(attempt.standing, Standing::Authorised | Standing::Voiding)
            })
    }

    pub(super) fn take_in(&mut self, event: PaymentEvent) {
        use PaymentEvent as E;
        match event {
            E::Created { order, amount, capture, method, expires_at, .. } => {
                self.last_method = Some(method.clone());
                self.terms = Some(Terms { order, amount, asked: Some((capture, method, expires_at)) });
            }
            E::Recorded { order, amount, .. } => self.terms = Some(Terms { order, amount, asked: None }),

            E::AttemptStarted { attempt, method, .. } => {
                self.last_attempt = Some(attempt);
                self.last_method = Some(method.clone());
                self.attempts.insert(attempt, Attempt::started(method));
            }
            E::Authorised { attempt, psp_ref, valid_until, .. } => self.change(attempt, |known| {
                known.standing = Standing::Authorised;
                known.charge = Some(psp_ref);
                known.valid_until = Some(valid_until);
                known.conflict = None;
                known.awaits = None;
            }),
            E::Declined { attempt, class, .. } => {
                let methods = &mut self.declined_methods;
                if let Some(known) = self.attempts.get_mut(&attempt) {
                    known.standing = Standing::Declined;
                    known.awaits = None;
                    known.in_doubt = None;
                    let for_good = matches!(class, DeclineClass::Hard | DeclineClass::Fraud);
                    methods.extend(for_good.then(|| known.method.clone()));
                }
                if class == DeclineClass::Fraud {
                    self.closed = Some(Closed::Failed);
                }
            }
            E::ActionRequired { attempt, psp_ref, next, .. } => {
                self.awaited_a_transfer |= matches!(next, NextStep::Transfer { .. });
                self.change(attempt, |known| known.awaits = Some((psp_ref, next)));
            }
            E::ActionCalledOff { attempt, psp_ref, .. } => {
                self.change(attempt, |known| known.awaits = Some((psp_ref, NextStep::Wait)));
            }
            E::OutcomeUnknown { operation: Operation::Capture { capture }, .. } => {
                if let Some(known) = self.captures.get_mut(&capture) {
                    known.in_doubt = true;
                }
            }
            E::OutcomeUnknown { attempt, operation, .. } => {
                if let Some(known) = self.attempts.get_mut(&attempt) {
                    known.in_doubt = Some(operation);
                }
            }

            E::CaptureRequested { attempt, capture, amount, .. } => {
                self.captures.insert(capture, Capture::requested(attempt, amount));
            }
            E::Captured { capture, psp_ref, .. } => {
                self.answer(capture, CaptureStanding::Captured, Some(psp_ref), None);
            }
            E::CaptureFailed { capture, .. } => self.answer(capture, CaptureStanding::Failed, None, None),
            E::Conflicted { capture: Some(capture), psp_ref, amount, .. } => {
                self.answer(capture, CaptureStanding::Requested, Some(psp_ref), Some(amount));
            }
            E::Conflicted { attempt, psp_ref, amount, .. } => self.change(attempt, |known| {
                known.standing = Standing::Authorised;
                known.charge = Some(psp_ref);
                known.conflict = Some(amount);
            }),

            E::VoidRequested { attempt, .. } => {
                self.change(attempt, |known| known.standing = Standing::Voiding)
            }
            E::Voided { attempt, .. } => {
                self.change(attempt, |known| known.standing = Standing::Voided);
                self.closed = Some(Closed::Cancelled);
            }
            E::VoidFailed { attempt, .. } => {
                self.change(attempt, |known| known.standing = Standing::Authorised);
            }
            E::Cancelled { .. } => self.closed = Some(Closed::Cancelled),
            E::Expired { .. } => self.closed = Some(Closed::Expired),

            E::LateObservation { fact, attempt, reference, amount, .. } => {
                if let (Fact::Captured, Some(amount)) = (fact, amount) {
                    self.late_captures.insert(reference.clone(), amount);
                }
                if let (Fact::Authorised, Some(known)) =
                    (fact, attempt.and_then(|id| self.attempts.get_mut(&id)))
                {
                    known.in_doubt = None;
                    known.charge.get_or_insert_with(|| reference.clone());
                }
                self.observed.insert((fact, reference));
            }

            E::RefundAllotted { refund, amount, .. } | E::RefundSetAside { refund, amount, .. } => {
                self.refunds.insert(refund, Allotment { amount, standing: AllotmentStanding::Allotted });
            }
            E::RefundReleased { refund, .. } => self.turn(refund, AllotmentStanding::Released),
            E::RefundSettled { refund, .. } => self.turn(refund, AllotmentStanding::Settled),
            E::RefundReversed { refund, .. } => self.turn(refund, AllotmentStanding::Reversed),
        }
    }

    /// An answer came: whatever was in doubt no longer is.
    fn change(&mut self, attempt: AttemptId, change: impl FnOnce(&mut Attempt)) {
        if let Some(known) = self.attempts.get_mut(&attempt) {
            known.in_doubt = None;
            change(known);
        }
    }

    fn answer(
        &mut self,
        capture: CaptureId,
        standing: CaptureStanding,
        psp_ref: Option<String>,
        conflict: Option<Money>,
    ) {
        if let Some(known) = self.captures.get_mut(&capture) {
            *known = Capture { standing, psp_ref, conflict, in_doubt: false, ..known.clone() };
        }
    }

    fn turn(&mut self, refund: RefundId, standing: AllotmentStanding) {
        if let Some(known) = self.refunds.get_mut(&refund) {
            known.standing = standing;
        }
    }
}

impl Attempt {
    fn started(method: String) -> Self {
        Self {
            standing: Standing::Started,
            method,
            charge: None,
            valid_until: None,
            conflict: None,
            awaits: None,
            in_doubt: None,
        }
    }
}

impl Capture {
    fn requested(attempt: AttemptId, amount: Money) -> Self {
        Self {
            attempt,
            amount,
            standing: CaptureStanding::Requested,
            psp_ref: None,
            conflict: None,
            in_doubt: false,
        }
    }
}

/// In i128, so that a sum of amounts always fits.
fn total(amounts: impl IntoIterator<Item = Money>) -> i128 {
    amounts.into_iter().map(|money| i128::from(money.amount)).sum()
}
