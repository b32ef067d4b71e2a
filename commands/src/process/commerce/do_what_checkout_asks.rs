//! When a checkout asks for something, whoever can do it is told to, and the checkout hears what came of it.
//!
//! What stock and order do is known at once: it is told with the instruction. What the payment provider does is
//! heard later (`tell_checkout_what_happened`).

use domain::commerce::checkout::{
    Basis, Checkout, CheckoutCommand, CheckoutEvent, ClosingReason, DeclineClass, OrderClosure, Units,
};
use domain::commerce::order::{self, CancelReason, Order, OrderCommand, ReservedLine, Unsettled};
use domain::commerce::stock::{Reservation, Stock, StockCommand};
use domain::finance::payment::{CaptureMode, Payment, PaymentCommand};
use domain::finance::refund::{Reason, Refund, RefundCommand};
use domain::ids::{AttemptId, CaptureId, CheckoutId, OrderId, PaymentId};
use domain::kernel::{Decider, Recorded, Unreadable};
use uuid::Uuid;

use crate::act::Instruction;
use crate::ids::edit_of;
use crate::process::Process;

/// Process `do_what_checkout_asks`.
pub struct DoWhatCheckoutAsks;

impl Process for DoWhatCheckoutAsks {
    fn name(&self) -> &'static str {
        "do_what_checkout_asks"
    }

    fn listens_to(&self) -> &'static [&'static str] {
        &[Checkout::NAME]
    }

    fn react(&self, event: &Recorded) -> Result<Vec<Instruction>, Unreadable> {
        use {CheckoutCommand as Tell, CheckoutEvent as E};
        let Some((checkout, asked)) = event.happened_to::<Checkout>()? else { return Ok(vec![]) };
        let at = event.recorded_at;
        Ok(match asked {
            E::ReservationRequested { order, units, expires_at } => {
                let line = units.line;
                let reserve = StockCommand::Reserve(Reservation {
                    reservation: units.reservation,
                    order: *order,
                    line,
                    quantity: i64::from(units.quantity),
                    expires_at: *expires_at,
                    backorder: false,
                    at,
                });
                vec![
                    Instruction::to::<Stock>(units.stock.clone(), reserve)
                        .then(tell(checkout, Tell::RecordReserved { line }))
                        .or(move |no| {
                            tell(checkout, Tell::RecordReservationRefused { line, reason: no.code.clone() })
                        }),
                ]
            }
            E::CommitRequested { units, .. } => {
                let line = units.line;
                let commit = StockCommand::Commit { reservation: units.reservation, at };
                vec![
                    Instruction::to::<Stock>(units.stock.clone(), commit)
                        .then(tell(checkout, Tell::RecordCommitted { line }))
                        .or(move |no| {
                            tell(checkout, Tell::RecordCommitRefused { line, reason: no.code.clone() })
                        }),
                ]
            }
            E::ReleaseRequested { units, committed, .. } => vec![release(checkout, units, *committed)],

            E::AuthorisationRequested {
                order, payment, amount, method, expires_at, attempt: nth, ..
            } => {
                let attempt = AttemptId::from_uuid(Uuid::new_v5(&event.event_id, b"attempt"));
                let create = PaymentCommand::Create {
                    order: *order,
                    amount: *amount,
                    capture: CaptureMode::Auto,
                    method: method.clone(),
                    expires_at: *expires_at,
                };
                let start = PaymentCommand::StartAttempt { attempt, method: Some(method.clone()), at };
                let start = Instruction::to::<Payment>(*payment, start).or(move |no| {
                    let (class, code) = (DeclineClass::Soft, no.code.clone());
                    tell(checkout, Tell::RecordDeclined { attempt, class, code })
                });
                // The payment is there already for a second attempt.
                let create = (*nth == 1).then(|| Instruction::to::<Payment>(*payment, create));
                create.into_iter().chain([start]).collect()
            }
            E::CaptureRequested { payment, amount, .. } => {
                let capture = CaptureId::from_uuid(Uuid::new_v5(&event.event_id, b"capture"));
                let take = PaymentCommand::Capture { capture, amount: *amount, at };
                vec![
                    Instruction::to::<Payment>(*payment, take)
                        .or(move |no| tell(checkout, Tell::RecordCaptureFailed { code: no.code.clone() })),
                ]
            }
            E::VoidRequested { payment, .. } => {
                vec![Instruction::to::<Payment>(*payment, PaymentCommand::Cancel).or(move |no| {
                    match no.code.as_str() {
                        // There never was one, so it holds nothing.
                        "payment/unknown" => tell(checkout, Tell::RecordVoided),
                        _ => tell(checkout, Tell::RecordVoidFailed { code: no.code.clone() }),
                    }
                })]
            }
            E::RefundRequested { order, payment, refund, amount, reason } => {
                let (payment, refund, amount) = (*payment, *refund, *amount);
                let request = RefundCommand::Request {
                    payment,
                    order: *order,
                    amount,
                    reason: match reason {
                        ClosingReason::OrderClosed | ClosingReason::Expired => Reason::LateCapture,
                        _ => Reason::OrderCancelled,
                    },
                    lines: vec![],
                    approved: true,
                };
                // The order was not confirmed with this money: it learns of it now, before it hears of the refund.
                let taken = match edit_of(*order, checkout) {
                    Some(payment) => OrderCommand::UndoPayment { payment, refund, amount },
                    None => OrderCommand::RecordPayment { payment, authorised: amount, captured: amount },
                };
                vec![
                    Instruction::to::<Order>(*order, taken),
                    Instruction::to::<Refund>(refund, request)
                        .or(move |no| tell(checkout, Tell::RecordRefundFailed { code: no.code.clone() })),
                ]
            }

            E::ConfirmRequested { order, payment, captured, reserved, .. }
                if let Some(edit) = edit_of(*order, checkout) =>
            {
                let reserved = reserved.iter().map(|units| ReservedLine {
                    line: units.line,
                    reservation: units.reservation,
                    quantity: units.quantity,
                });
                let complete = OrderCommand::CompleteEdit {
                    payment: edit,
                    captured: payment.map(|_| *captured),
                    reserved: reserved.collect(),
                };
                vec![
                    Instruction::to::<Order>(*order, complete)
                        .then(tell(checkout, Tell::RecordConfirmed))
                        .or(move |no| tell(checkout, Tell::RecordConfirmRefused { reason: no.code.clone() })),
                ]
            }
            E::CancelRequested { order, reason } if let Some(edit) = edit_of(*order, checkout) => {
                vec![end_edit(checkout, order, edit, *reason)]
            }
            E::ExpireRequested { order, .. } if let Some(edit) = edit_of(*order, checkout) => {
                vec![end_edit(checkout, order, edit, ClosingReason::Expired)]
            }
            E::ConfirmRequested { order, basis, payment, captured, reserved } => {
                let covered = payment.map(|payment| OrderCommand::RecordPayment {
                    payment,
                    authorised: *captured,
                    captured: *captured,
                });
                let basis = match basis {
                    Basis::Captured => order::Basis::Captured,
                    Basis::Free => order::Basis::Free,
                    Basis::CreditTerms => order::Basis::CreditTerms,
                };
                let confirm = Instruction::to::<Order>(*order, OrderCommand::Confirm { basis })
                    .then(tell(checkout, Tell::RecordConfirmed))
                    .or(move |no| tell(checkout, Tell::RecordConfirmRefused { reason: no.code.clone() }));
                reserved
                    .iter()
                    .map(|units| OrderCommand::RecordReservation {
                        line: units.line,
                        reservation: units.reservation,
                        quantity: units.quantity,
                    })
                    .chain(covered)
                    .map(|command| Instruction::to::<Order>(*order, command))
                    .chain([confirm])
                    .collect()
            }
            E::CancelRequested { order, reason } => {
                let reason = match reason {
                    ClosingReason::OutOfStock => CancelReason::OutOfStock,
                    ClosingReason::PaymentFailed => CancelReason::PaymentFailed,
                    ClosingReason::Expired | ClosingReason::OrderClosed | ClosingReason::NotConfirmed => {
                        CancelReason::Seller
                    }
                };
                let how = OrderClosure::Cancelled;
                vec![
                    Instruction::to::<Order>(*order, OrderCommand::Cancel { reason })
                        .then(tell(checkout, Tell::RecordOrderClosed { how }))
                        .or(move |no| tell(checkout, Tell::RecordCloseRefused { reason: no.code.clone() })),
                ]
            }
            E::ExpireRequested { order, at } => {
                let how = OrderClosure::Expired;
                vec![
                    Instruction::to::<Order>(*order, OrderCommand::Expire { at: *at })
                        .then(tell(checkout, Tell::RecordOrderClosed { how }))
                        .or(move |no| tell(checkout, Tell::RecordCloseRefused { reason: no.code.clone() })),
                ]
            }
            _ => vec![],
        })
    }
}

/// The order stays as it was, and its edit open.
fn end_edit(checkout: CheckoutId, order: &OrderId, payment: PaymentId, reason: ClosingReason) -> Instruction {
    let reason = match reason {
        ClosingReason::OutOfStock => Unsettled::OutOfStock,
        ClosingReason::PaymentFailed => Unsettled::PaymentFailed,
        ClosingReason::Expired => Unsettled::Expired,
        ClosingReason::OrderClosed => Unsettled::Withdrawn,
        ClosingReason::NotConfirmed => Unsettled::Refused,
    };
    let how = OrderClosure::Cancelled;
    Instruction::to::<Order>(*order, OrderCommand::EndEditSettlement { payment, reason })
        .then(tell(checkout, CheckoutCommand::RecordOrderClosed { how }))
        .or(move |no| tell(checkout, CheckoutCommand::RecordCloseRefused { reason: no.code.clone() }))
}

fn tell(checkout: CheckoutId, fact: CheckoutCommand) -> Instruction {
    Instruction::to::<Checkout>(checkout, fact)
}

/// A reservation that is gone is as good as released.
fn release(checkout: CheckoutId, units: &Units, committed: bool) -> Instruction {
    let (line, reservation) = (units.line, units.reservation);
    let give_up = if committed {
        StockCommand::ReleaseCommitted { reservation, quantity: i64::from(units.quantity) }
    } else {
        StockCommand::Release { reservation }
    };
    Instruction::to::<Stock>(units.stock.clone(), give_up)
        .then(tell(checkout, CheckoutCommand::RecordReleased { line }))
        .or(move |no| match no.code.as_str() {
            "stock/unknown_reservation" => tell(checkout, CheckoutCommand::RecordReleased { line }),
            _ => tell(checkout, CheckoutCommand::RecordReleaseRefused { line, reason: no.code.clone() }),
        })
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use domain::ids::CustomerId;
    use domain::money::{Currency, Money};

    use super::*;

    #[test]
    fn a_payment_is_created_for_its_first_attempt_only() {
        let (order, payment) =
            (OrderId::from_uuid(Uuid::from_u128(7)), PaymentId::from_uuid(Uuid::from_u128(8)));
        let (amount, expires_at, method) =
            (Money::new(100, Currency::USD), DateTime::UNIX_EPOCH, "card".to_owned());
        let asked = |attempt| {
            let asked = CheckoutEvent::AuthorisationRequested {
                order,
                customer: CustomerId::from_uuid(Uuid::from_u128(9)),
                payment,
                amount,
                method: method.clone(),
                attempt,
                expires_at,
            };
            let event =
                Recorded::example::<Checkout>(CheckoutId::from_uuid(order.uuid()).to_string(), &asked);
            DoWhatCheckoutAsks.react(&event).unwrap()
        };
        let capture = CaptureMode::Auto;
        let create = PaymentCommand::Create { order, amount, capture, method: method.clone(), expires_at };
        let (first, second) = (asked(1), asked(2));
        assert_eq!(first[0], Instruction::to::<Payment>(payment, create));
        assert_eq!((first.len(), second.len()), (2, 1));
    }
}
