//! Acting on subjects: holding a person's data, and having it erased.

use std::collections::BTreeSet;

use domain::identity::subject::{ErasureReason, HoldReason, Subject, SubjectCommand};
use domain::ids::HoldId;
use domain::pii::{Class, SubjectId};
use tracing::instrument;

use crate::{Context, Outcome, Result};

/// Asking for erasures, and withdrawing them.
pub const ERASE: &str = "subject:erase";
/// Approving what somebody else asked for.
pub const APPROVE: &str = "subject:approve";
/// Placing and lifting legal holds.
pub const HOLD: &str = "subject:hold";

/// Asks for a person's data of these classes to be erased. It comes about at once, unless a second person must approve
/// it first, or a hold keeps it.
///
/// # Errors
/// Any of [`crate::Error`].
#[instrument(name = "subject.request_erasure", skip_all, fields(subject.id = %subject))]
pub async fn request_erasure(
    cx: Context,
    subject: &SubjectId,
    classes: BTreeSet<Class>,
    reason: ErasureReason,
    needs_approval: bool,
) -> Result<Outcome> {
    cx.must(ERASE)?;
    let by = cx.actor.to_string();
    act(cx, subject, SubjectCommand::RequestErasure { classes, reason, by, needs_approval }).await
}

/// Approves what another person asked for.
///
/// # Errors
/// Any of [`crate::Error`].
#[instrument(name = "subject.approve_erasure", skip_all, fields(subject.id = %subject))]
pub async fn approve_erasure(cx: Context, subject: &SubjectId) -> Result<Outcome> {
    cx.must(APPROVE)?;
    let by = cx.actor.to_string();
    act(cx, subject, SubjectCommand::ApproveErasure { by }).await
}

/// Takes it back, as long as it has not come about.
///
/// # Errors
/// Any of [`crate::Error`].
#[instrument(name = "subject.withdraw_erasure", skip_all, fields(subject.id = %subject))]
pub async fn withdraw_erasure(cx: Context, subject: &SubjectId) -> Result<Outcome> {
    cx.must(ERASE)?;
    act(cx, subject, SubjectCommand::WithdrawErasure).await
}

/// Keeps a person's data until the hold is lifted, whoever wants it erased.
///
/// # Errors
/// Any of [`crate::Error`].
#[instrument(name = "subject.place_hold", skip_all, fields(subject.id = %subject, hold.id = %hold))]
pub async fn place_hold(
    cx: Context,
    subject: &SubjectId,
    hold: HoldId,
    reason: HoldReason,
) -> Result<Outcome> {
    cx.must(HOLD)?;
    act(cx, subject, SubjectCommand::PlaceHold { hold, reason }).await
}

/// Lifts it: an erasure that waited for nothing else comes about.
///
/// # Errors
/// Any of [`crate::Error`].
#[instrument(name = "subject.lift_hold", skip_all, fields(subject.id = %subject, hold.id = %hold))]
pub async fn lift_hold(cx: Context, subject: &SubjectId, hold: HoldId) -> Result<Outcome> {
    cx.must(HOLD)?;
    act(cx, subject, SubjectCommand::LiftHold { hold }).await
}

async fn act(cx: Context, subject: &SubjectId, command: SubjectCommand) -> Result<Outcome> {
    cx.execute::<Subject>(subject.clone(), command).await
}
