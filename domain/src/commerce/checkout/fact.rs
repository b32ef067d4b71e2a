//! Facts: which of what a checkout is told is news to it.

use std::collections::BTreeSet;

use super::state::{Leg, Order, Payment, Stage};
use super::{Beginning, Case, Checkout, CheckoutCommand, CheckoutEvent as E, CheckoutRefusal as No};
use crate::ids::LineId;

type Told = Result<Option<E>, No>;

impl Checkout {
    /// The event that a command is, or none if it is known or makes no difference.
    pub(super) fn fact(&self, command: CheckoutCommand) -> Told {
        use CheckoutCommand as C;
        let Some(terms) = &self.terms else {
            return match command {
                C::Begin(terms) => begin(terms),
                _ => Err(No::Unknown),
            };
        };
        let (order, payment, refund) = (terms.order, terms.payment, terms.refund);
        match command {
            C::Begin(same) if same.order == order => Ok(None),
            C::Begin(_) => Err(No::AlreadyBegun),

            C::RecordReserved { line } => self.leg_told(line, &[Stage::Requested], |leg| E::Reserved {
                order,
                line,
                reservation: leg.units.reservation,
            }),
            C::RecordReservationRefused { line, reason } => self.leg_told(line, &[Stage::Requested], |leg| {
                E::ReservationRefused { order, line, reservation: leg.units.reservation, reason }
            }),
            C::RecordReservationExpired { line } => {
                let held = [Stage::Requested, Stage::Reserved, Stage::Committing, Stage::Releasing];
                let reason = "expired".to_owned();
                self.leg_told(line, &held, |leg| lost(order, leg, reason))
            }
            C::RecordCommitted { line } => self.leg_told(line, &[Stage::Committing], |leg| E::Committed {
                order,
                line,
                reservation: leg.units.reservation,
            }),
            C::RecordCommitRefused { line, reason } => {
                self.leg_told(line, &[Stage::Committing], |leg| lost(order, leg, reason))
            }
            C::RecordReleased { line } => self.leg_told(line, &[Stage::Releasing], |leg| E::Released {
                order,
                line,
                reservation: leg.units.reservation,
            }),
            C::RecordReleaseRefused { line, reason } => match self.told_leg(line)?.stage {
                Stage::Releasing => Ok(self.case(Case::NotReleased, Some(line), Some(reason))),
                _ => Ok(None),
            },

            C::RecordAuthorised { amount } => Ok(match self.payment {
                Payment::Idle => None,
                _ if self.authorised.is_some() || self.captured.is_some() => None,
                _ => Some(E::Authorised { order, payment, amount }),
            }),
            C::RecordDeclined { attempt, class, code } => Ok(match self.payment {
                Payment::Asked if !self.declined.contains(&attempt) => {
                    Some(E::Declined { order, payment, attempt, class, code })
                }
                _ => None,
            }),
            C::RetryPayment { method } => match self.payment {
                _ if self.closing.is_some() || self.is_completed() => Err(No::Over),
                Payment::Waiting if self.declined_methods.contains(&method) => Err(No::MethodDeclined),
                Payment::Waiting => Ok(Some(E::PaymentRetried { order, method })),
                Payment::Asked if terms.payment_method == method => Ok(None),
                _ => Err(No::NothingToRetry),
            },
            C::RecordCaptured { amount } => Ok(match self.payment {
                Payment::Idle => None,
                _ if self.captured.is_some() => None,
                _ => Some(E::Captured { order, payment, amount }),
            }),
            C::RecordCaptureFailed { code } => Ok(match self.payment {
                Payment::Capturing => Some(E::CaptureFailed { order, payment, code }),
                _ => None,
            }),
            C::RecordVoided => Ok(match self.payment {
                Payment::Asked
                | Payment::Waiting
                | Payment::Authorised
                | Payment::Capturing
                | Payment::CaptureFailed
                | Payment::Voiding => Some(E::Voided { order, payment }),
                _ => None,
            }),
            C::RecordVoidFailed { code } => Ok(match self.payment {
                Payment::Voiding => self.case(Case::NotVoided, None, Some(code)),
                _ => None,
            }),
            C::RecordRefunded => Ok(match self.payment {
                Payment::Refunding => Some(E::Refunded { order, payment, refund }),
                _ => None,
            }),
            C::RecordRefundFailed { code } => Ok(match self.payment {
                Payment::Refunding => self.case(Case::NotRefunded, None, Some(code)),
                _ => None,
            }),
            C::RecordPaymentUnresolved => Ok(match self.payment {
                Payment::Asked | Payment::Capturing | Payment::Voiding => {
                    self.case(Case::PaymentUnresolved, None, None)
                }
                _ => None,
            }),

            C::RecordConfirmed => Ok(match self.order {
                Order::Confirming => Some(E::Completed { order }),
                Order::Confirmed => None,
                _ => self.case(Case::ConfirmedElsewhere, None, None),
            }),
            C::RecordConfirmRefused { reason } => Ok(match self.order {
                Order::Confirming => Some(E::ConfirmRefused { order, reason }),
                _ => None,
            }),
            C::RecordOrderClosed { how } => Ok(match self.order {
                Order::Confirmed | Order::Closed => None,
                _ => Some(E::OrderClosed { order, how }),
            }),
            C::RecordCloseRefused { reason } => Ok(match self.order {
                Order::Closing => self.case(Case::OrderNotClosed, None, Some(reason)),
                _ => None,
            }),
            C::Expire { at } if at < terms.expires_at => Err(No::NotDue),
            C::Expire { .. } => Ok(self.expired(terms)),
        }
    }

    /// Money that is being taken or was taken is not given up for the clock.
    fn expired(&self, terms: &Beginning) -> Option<E> {
        let taken = matches!(self.payment, Payment::Capturing | Payment::Captured);
        let under_way = taken || matches!(self.order, Order::Confirming | Order::Confirmed);
        let reason = super::ClosingReason::Expired;
        (self.closing.is_none() && !under_way).then_some(E::Closing { order: terms.order, reason })
    }

    fn told_leg(&self, line: LineId) -> Result<&Leg, No> {
        self.legs.get(&line).ok_or(No::UnknownLine(line))
    }

    fn leg_told(&self, line: LineId, news_at: &[Stage], event: impl FnOnce(&Leg) -> E) -> Told {
        let leg = self.told_leg(line)?;
        Ok(news_at.contains(&leg.stage).then(|| event(leg)))
    }

    fn case(&self, case: Case, line: Option<LineId>, detail: Option<String>) -> Option<E> {
        let order = self.terms.as_ref()?.order;
        (!self.cases.contains(&(case, line))).then_some(E::CaseOpened { order, case, line, detail })
    }
}

fn begin(terms: Box<Beginning>) -> Told {
    if terms.lines.is_empty() {
        return Err(No::Empty);
    }
    if terms.total.is_negative() {
        return Err(No::NegativeTotal);
    }
    let mut seen = BTreeSet::new();
    if let Some(twice) = terms.lines.iter().find(|line| !seen.insert(line.line)) {
        return Err(No::NamedTwice(twice.line));
    }
    Ok(Some(E::Began(terms)))
}

fn lost(order: crate::ids::OrderId, leg: &Leg, reason: String) -> E {
    let (line, reservation) = (leg.units.line, leg.units.reservation);
    E::ReservationLost { order, line, reservation, reason }
}
