//! State: how far each line, the payment and the order have come.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Beginning, Case, CheckoutEvent, ClosingReason, DeclineClass, Units};
use crate::ids::{AttemptId, LineId};
use crate::money::Money;

/// A checkout, as far as its rules need to remember it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Checkout {
    pub(super) terms: Option<Beginning>,
    pub(super) legs: BTreeMap<LineId, Leg>,
    pub(super) payment: Payment,
    pub(super) attempts: u32,
    pub(super) declined: BTreeSet<AttemptId>,
    /// Those that were declined for good.
    pub(super) declined_methods: BTreeSet<String>,
    pub(super) authorised: Option<Money>,
    pub(super) captured: Option<Money>,
    pub(super) order: Order,
    pub(super) closing: Option<ClosingReason>,
    pub(super) closed: bool,
    pub(super) cases: BTreeSet<(Case, Option<LineId>)>,
}

/// One line's reservation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Leg {
    pub units: Units,
    pub stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stage {
    Wanted,
    Requested,
    Refused,
    Reserved,
    Committing,
    Committed,
    Lost,
    Releasing,
    Released,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Payment {
    #[default]
    Idle,
    /// An authorisation is requested.
    Asked,
    /// Declined: waiting for another attempt.
    Waiting,
    Declined,
    Authorised,
    Capturing,
    CaptureFailed,
    Captured,
    Voiding,
    Voided,
    Refunding,
    Refunded,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Order {
    #[default]
    Placed,
    Confirming,
    ConfirmRefused,
    /// By us: the end.
    Confirmed,
    Closing,
    Closed,
}

impl Checkout {
    /// Whether the order is confirmed and all is done.
    #[must_use]
    pub fn is_completed(&self) -> bool {
        self.order == Order::Confirmed
    }

    /// Why it comes to nothing, if it does.
    #[must_use]
    pub const fn closing(&self) -> Option<ClosingReason> {
        self.closing
    }

    /// Whether all is undone.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.closed
    }

    pub(super) fn take_in(&mut self, event: CheckoutEvent) {
        use CheckoutEvent as E;
        match event {
            E::Began(terms) => self.begin(*terms),
            E::ReservationRequested { units, .. } => self.leg(units.line, Stage::Requested),
            E::Reserved { line, .. } => self.leg(line, Stage::Reserved),
            E::ReservationRefused { line, .. } => self.leg(line, Stage::Refused),
            E::ReservationLost { line, .. } => self.leg(line, Stage::Lost),
            E::CommitRequested { units, .. } => self.leg(units.line, Stage::Committing),
            E::Committed { line, .. } => self.leg(line, Stage::Committed),
            E::ReleaseRequested { units, .. } => self.leg(units.line, Stage::Releasing),
            E::Released { line, .. } => self.leg(line, Stage::Released),

            E::AuthorisationRequested { attempt, .. } => {
                (self.payment, self.attempts) = (Payment::Asked, attempt);
            }
            E::Authorised { amount, .. } => {
                (self.payment, self.authorised) = (Payment::Authorised, Some(amount));
            }
            E::Declined { attempt, class, .. } => {
                self.declined.insert(attempt);
                let method = self.terms.iter().map(|terms| terms.payment_method.clone());
                self.declined_methods.extend(method.filter(|_| class == DeclineClass::Hard));
                self.payment = match class {
                    DeclineClass::Soft | DeclineClass::Config | DeclineClass::Hard => Payment::Waiting,
                    DeclineClass::Fraud => Payment::Declined,
                };
            }
            E::PaymentRetried { method, .. } => {
                self.payment = Payment::Idle;
                if let Some(terms) = &mut self.terms {
                    terms.payment_method = method;
                }
            }
            E::CaptureRequested { .. } => self.payment = Payment::Capturing,
            E::Captured { amount, .. } => {
                (self.payment, self.captured) = (Payment::Captured, Some(amount));
            }
            E::CaptureFailed { .. } => self.payment = Payment::CaptureFailed,
            E::VoidRequested { .. } => self.payment = Payment::Voiding,
            E::Voided { .. } => self.payment = Payment::Voided,
            E::RefundRequested { .. } => self.payment = Payment::Refunding,
            E::Refunded { .. } => self.payment = Payment::Refunded,

            E::ConfirmRequested { .. } => self.order = Order::Confirming,
            E::ConfirmRefused { .. } => self.order = Order::ConfirmRefused,
            E::Completed { .. } => self.order = Order::Confirmed,
            E::CancelRequested { .. } | E::ExpireRequested { .. } => self.order = Order::Closing,
            E::OrderClosed { .. } => self.order = Order::Closed,

            E::Closing { reason, .. } => self.closing = Some(reason),
            E::Closed { .. } => self.closed = true,
            E::CaseOpened { case, line, .. } => _ = self.cases.insert((case, line)),
        }
    }

    fn begin(&mut self, terms: Beginning) {
        for line in &terms.lines {
            let Some(stock) = line.stock.clone() else { continue };
            let (reservation, quantity) = (line.reservation, line.quantity);
            let units = Units { line: line.line, stock, reservation, quantity };
            self.legs.insert(line.line, Leg { units, stage: Stage::Wanted });
        }
        self.terms = Some(terms);
    }

    fn leg(&mut self, line: LineId, stage: Stage) {
        if let Some(leg) = self.legs.get_mut(&line) {
            leg.stage = stage;
        }
    }
}
