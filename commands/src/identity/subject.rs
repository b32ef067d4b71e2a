//! Acting on subjects: holding a person's data, and having it erased.
//!
//! Of somebody who has an account, that ends with it: their sessions are over and their address is free in the same
//! append, since once their keys are gone nobody could say which address it was.

use std::collections::BTreeSet;

use domain::identity::account::{Account, AccountCommand};
use domain::identity::email::{Email, EmailCommand};
use domain::identity::membership::Membership;
use domain::identity::subject::{ErasureReason, HoldReason, Subject, SubjectCommand};
use domain::ids::{AccountId, HoldId};
use domain::kernel::Kind;
use domain::pii::{Class, Opened, SubjectId};
use tracing::instrument;

use crate::access;
use crate::act::{Act, On};
use crate::context::{Actor, Context};
use crate::error::{Error, Refused, Result};
use crate::facts::Facts;
use crate::identity::account::whose;
use crate::identity::workspace::PLATFORM;
use crate::port::vault::{Ask, Vault};
use crate::store::{Loaded, Outcome};

/// Seeing how an erasure stands.
pub const READ: &str = "subject:read";
/// Asking for erasures, and withdrawing them.
pub const ERASE: &str = "subject:erase";
/// Approving what somebody else asked for.
pub const APPROVE: &str = "subject:approve";
/// Placing and lifting legal holds.
pub const HOLD: &str = "subject:hold";

/// What a wish to be forgotten erases. What the law wants kept stays for as long as it wants it, and is told.
pub const FORGOTTEN: [Class; 3] = [Class::Contact, Class::Content, Class::Trace];
/// After so many days nobody can read what was erased, whatever they have kept of the database and its backups: the
/// keys that wrapped its keys are gone by then, where the vault is rotated weekly (docs/adr/0017).
pub const HORIZON_DAYS: u8 = 14;

/// Asks for a person's data of these classes to be erased. It comes about at once, unless a second person must approve
/// it first, or a hold keeps it.
///
/// # Errors
/// Any of [`crate::Error`].
#[instrument(name = "subject.request_erasure", skip_all, fields(subject.id = %subject))]
pub async fn request_erasure(
    cx: Context,
    vault: &dyn Vault,
    subject: &SubjectId,
    classes: BTreeSet<Class>,
    reason: ErasureReason,
) -> Result<Outcome> {
    cx.must(ERASE)?;
    let (by, needs_approval) = (cx.actor.to_string(), has_second_person(&cx).await?);
    act(cx, vault, subject, SubjectCommand::RequestErasure { classes, reason, by, needs_approval }).await
}

/// Asks for the actor's own data to be erased. It comes about at once, unless a hold keeps it.
///
/// # Errors
/// Any of [`crate::Error`].
#[instrument(name = "subject.request_own_erasure", skip_all)]
pub async fn request_own_erasure(cx: Context, vault: &dyn Vault) -> Result<Outcome> {
    let (own, by) = (cx.account()?.into(), cx.actor.to_string());
    let (classes, reason) = (FORGOTTEN.into(), ErasureReason::Asked);
    act(cx, vault, &own, SubjectCommand::RequestErasure { classes, reason, by, needs_approval: false }).await
}

/// Takes the actor's own wish back, as long as it has not come about.
///
/// # Errors
/// Any of [`crate::Error`].
#[instrument(name = "subject.withdraw_own_erasure", skip_all)]
pub async fn withdraw_own_erasure(cx: Context) -> Result<Outcome> {
    let own = cx.account()?.into();
    cx.execute::<Subject>(own, SubjectCommand::WithdrawErasure).await
}

/// Approves what another person asked for. No program does: whoever made it could approve what they asked for.
///
/// # Errors
/// Any of [`crate::Error`].
#[instrument(name = "subject.approve_erasure", skip_all, fields(subject.id = %subject))]
pub async fn approve_erasure(cx: Context, vault: &dyn Vault, subject: &SubjectId) -> Result<Outcome> {
    cx.must(APPROVE)?;
    if matches!(cx.actor, Actor::Key(_)) {
        let message = "an erasure is approved by a person who is signed in, and by no program".to_owned();
        let code = "subject/not_a_person".to_owned();
        return Err(Error::Refused(Refused { kind: Kind::Conflict, code, message, replayed: false }));
    }
    let by = cx.actor.to_string();
    act(cx, vault, subject, SubjectCommand::ApproveErasure { by }).await
}

/// Takes it back, as long as it has not come about.
///
/// # Errors
/// Any of [`crate::Error`].
#[instrument(name = "subject.withdraw_erasure", skip_all, fields(subject.id = %subject))]
pub async fn withdraw_erasure(cx: Context, subject: &SubjectId) -> Result<Outcome> {
    cx.must(ERASE)?;
    cx.execute::<Subject>(subject.clone(), SubjectCommand::WithdrawErasure).await
}

/// Keeps a person's data until the hold is lifted, whoever wants it erased. Answers the hold.
///
/// # Errors
/// Any of [`crate::Error`].
#[instrument(name = "subject.place_hold", skip_all, fields(subject.id = %subject))]
pub async fn place_hold(cx: Context, subject: &SubjectId, reason: HoldReason) -> Result<Outcome> {
    cx.must(HOLD)?;
    let hold: HoldId = cx.new_id();
    cx.create_in::<Subject>(subject.clone(), hold, SubjectCommand::PlaceHold { hold, reason }).await
}

/// Lifts it: an erasure that waited for nothing else comes about.
///
/// # Errors
/// Any of [`crate::Error`].
#[instrument(name = "subject.lift_hold", skip_all, fields(subject.id = %subject, hold.id = %hold))]
pub async fn lift_hold(cx: Context, vault: &dyn Vault, subject: &SubjectId, hold: HoldId) -> Result<Outcome> {
    cx.must(HOLD)?;
    act(cx, vault, subject, SubjectCommand::LiftHold { hold }).await
}

/// How a person's data stands: as it is now, not as a cache has it.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn standing(cx: Context, subject: &SubjectId) -> Result<Loaded<Subject>> {
    cx.know(|facts| async move { facts.load::<Subject>(subject).await }).await
}

async fn act(
    cx: Context,
    vault: &dyn Vault,
    subject: &SubjectId,
    command: SubjectCommand,
) -> Result<Outcome> {
    let account = subject.as_str().parse::<AccountId>().ok().filter(|_| cx.workspace == PLATFORM);
    let Some(account) = account else { return cx.execute::<Subject>(subject.clone(), command).await };
    cx.execute_from(|facts| {
        let command = command.clone();
        async move {
            let known = facts.load::<Subject>(subject).await?;
            let ends = known.state.ends_with(&command, Class::Contact);
            let mut acts = vec![On::<Subject>::new(subject.clone(), command).at(known.version).boxed()];
            if ends {
                acts.extend(ending(&facts, vault, account).await?);
            }
            Ok(acts)
        }
    })
    .await
}

/// The end of an account, if there is one: nobody comes in any more, and its address is free.
async fn ending(facts: &Facts, vault: &dyn Vault, account: AccountId) -> Result<Vec<Box<dyn Act>>> {
    let known = facts.load::<Account>(&account).await?;
    let Some(address) = known.state.address() else { return Ok(Vec::new()) };
    let mut acts = vec![On::<Account>::new(account, AccountCommand::Erase).at(known.version).boxed()];
    match vault.open(&[Ask::of(&whose(account), address)]).await.pop() {
        Some(Opened::Plain(address)) => {
            let found_by = vault.lookup(PLATFORM, "email", &address).await?;
            acts.push(On::<Email>::new(found_by, EmailCommand::Release { account }).boxed());
        }
        // Whatever it was, nobody can say it any more.
        Some(Opened::Erased) => {}
        _ => return Err(Error::unavailable("the vault does not open this now")),
    }
    Ok(acts)
}

/// Whether the workspace has somebody beside the actor who may approve.
async fn has_second_person(cx: &Context) -> Result<bool> {
    let members = cx.store().beginning_with::<Membership>(cx.workspace, AccountId::PREFIX).await?;
    for member in members.into_iter().filter(|member| cx.actor != Actor::Account(*member)) {
        if access::may(cx.store(), cx.workspace, member, APPROVE).await? {
            return Ok(true);
        }
    }
    Ok(false)
}
