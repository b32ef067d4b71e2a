//! Charges: what the gateway does with one, and when it refuses.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use commands::port::payment::{
    Captured, Charge, ChargeMetadata, ChargeStatus, NoticeKind, Refunded, decline_of, fee_of,
};
use domain::ids::{CaptureId, RefundId};
use domain::money::Money;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::wire::{Failure, captured, refunded};

/// How long an authorisation can be captured.
const VALIDITY: TimeDelta = TimeDelta::days(7);

/// What is asked of the gateway.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    Authorise { metadata: ChargeMetadata, amount: Money, method: String },
    Capture { charge: String, capture: CaptureId, amount: Money },
    Void { charge: String },
    Refund { charge: String, refund: RefundId, amount: Money },
}

/// What was answered, to the byte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

/// Why a request is not even written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotDone {
    /// The key was used for another request.
    KeyReused,
    NoSuchCharge,
    InvalidAmount,
}

/// A charge, and the method that made it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Held {
    pub charge: Charge,
    pub method: String,
}

/// What came of an operation.
#[derive(Debug)]
pub struct Done {
    pub answer: Answer,
    /// The charge as it is since; `None` if nothing changed.
    pub held: Option<Held>,
    /// What happened to it.
    pub kind: Option<NoticeKind>,
}

/// A name that follows from a text and gives nothing of it away.
#[must_use]
pub fn reference(of: &str) -> String {
    let mut hash = hex::encode(Sha256::digest(of));
    hash.truncate(24);
    hash
}

/// The id of the charge that a key makes.
#[must_use]
pub fn charge_id(key: &str) -> String {
    format!("ch_{}", reference(key))
}

/// What an operation does, decided on the charges as they are.
///
/// # Errors
/// [`NotDone`] if it makes no sense.
pub fn perform(
    charges: &BTreeMap<String, Held>,
    key: &str,
    operation: &Operation,
    now: DateTime<Utc>,
) -> Result<Done, NotDone> {
    let find = |id: &str| charges.get(id).cloned().ok_or(NotDone::NoSuchCharge);
    let positive = |amount: Money| if amount.amount > 0 { Ok(()) } else { Err(NotDone::InvalidAmount) };
    match operation {
        Operation::Authorise { metadata, amount, method } => {
            positive(*amount)?;
            let decline = decline_of(method);
            let (status, kind) = match decline {
                Some(_) => (ChargeStatus::Declined, NoticeKind::Declined),
                None => (ChargeStatus::Authorised, NoticeKind::Authorised),
            };
            let short = i64::from(method == "wrong_amount");
            let charge = Charge {
                id: charge_id(key),
                status,
                amount: Money::new(amount.amount - short, amount.currency),
                decline,
                next: None,
                valid_until: now + VALIDITY,
                metadata: *metadata,
                captures: vec![],
                refunds: vec![],
            };
            Ok(done(&charge, Held { charge: charge.clone(), method: method.clone() }, kind))
        }

        Operation::Capture { charge, capture, amount } => {
            positive(*amount)?;
            let mut held = find(charge)?;
            if let Some(code) = refuses_capture(&held, *amount, now) {
                return Ok(refused(code));
            }
            if held.charge.captured(*capture).is_some() {
                return Ok(refused("capture_exists"));
            }
            let psp_ref = format!("cp_{}", reference(key));
            let taken = Captured { capture: *capture, psp_ref, amount: *amount, fee: fee_of(*amount) };
            held.charge.captures.push(taken.clone());
            Ok(done(&taken, held, NoticeKind::Captured))
        }

        Operation::Void { charge } => {
            let mut held = find(charge)?;
            match held.charge.status {
                ChargeStatus::Awaiting | ChargeStatus::Declined => Ok(refused("not_authorised")),
                _ if !held.charge.captures.is_empty() => Ok(refused("already_captured")),
                ChargeStatus::Voided => {
                    Ok(Done { answer: answer(200, &held.charge), held: None, kind: None })
                }
                ChargeStatus::Authorised => {
                    held.charge.status = ChargeStatus::Voided;
                    Ok(done(&held.charge.clone(), held, NoticeKind::Voided))
                }
            }
        }

        Operation::Refund { charge, refund, amount } => {
            positive(*amount)?;
            let mut held = find(charge)?;
            let left = captured(&held.charge) - refunded(&held.charge);
            if held.method == "refund_fails" {
                return Ok(refused("refund_declined"));
            }
            if held.charge.refunded(*refund).is_some() {
                return Ok(refused("refund_exists"));
            }
            if amount.currency != held.charge.amount.currency || amount.amount > left {
                return Ok(refused("exceeds_captured"));
            }
            let psp_ref = format!("re_{}", reference(key));
            let returned = Refunded { refund: *refund, psp_ref, amount: *amount };
            held.charge.refunds.push(returned.clone());
            Ok(done(&returned, held, NoticeKind::Refunded))
        }
    }
}

fn refuses_capture(held: &Held, amount: Money, now: DateTime<Utc>) -> Option<&'static str> {
    let charge = &held.charge;
    let left = charge.amount.amount - captured(charge);
    match charge.status {
        _ if held.method == "capture_fails" => Some("capture_declined"),
        ChargeStatus::Awaiting | ChargeStatus::Declined | ChargeStatus::Voided => Some("not_authorised"),
        _ if now >= charge.valid_until => Some("authorisation_expired"),
        _ if amount.currency != charge.amount.currency || amount.amount > left => Some("exceeds_authorised"),
        ChargeStatus::Authorised => None,
    }
}

fn answer(status: u16, body: &impl Serialize) -> Answer {
    Answer { status, body: serde_json::to_string(body).expect("an answer is JSON") }
}

fn done(body: &impl Serialize, held: Held, kind: NoticeKind) -> Done {
    Done { answer: answer(200, body), held: Some(held), kind: Some(kind) }
}

fn refused(code: &str) -> Done {
    Done { answer: answer(409, &Failure { code: code.into() }), held: None, kind: None }
}
