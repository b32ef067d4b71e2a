//! Acting on ledger transactions: posting, reserving, reversing.
//!
//! A transaction and the accounts that keep their own balance change in one append, or not at all. A shared account
//! is a fact: whether it is there and takes part is compared with the log, and nobody waits for it (docs/adr/0025).

use std::collections::BTreeMap;

use chrono::TimeDelta;
use domain::finance::ledger_account::{LedgerAccount, LedgerAccountCommand, Side};
use domain::finance::ledger_transaction::{
    LedgerTransaction, LedgerTransactionCommand, LedgerTransactionRefusal, Leg, Posting, Reservation,
};
use domain::ids::{LedgerAccountId, LedgerTransactionId};
use domain::kernel::{Decider, Refusal, microseconds};
use tracing::instrument;
use uuid::Uuid;

use crate::{Act, Context, Error, Facts, On, Outcome, Refused, Result};

pub mod booking;
#[cfg(test)]
mod properties;

/// Posting and reserving.
pub const POST: &str = "ledger:post";
/// Taking back what was posted.
pub const REVERSE: &str = "ledger:reverse";

/// Posts a transaction: all of its legs, or none.
///
/// # Errors
/// Refusals of the transaction and its accounts; any of [`Error`].
#[instrument(name = "ledger_transaction.post", skip_all)]
pub async fn post(cx: Context, posting: Posting) -> Result<Outcome> {
    cx.must(POST)?;
    let id = id_of(&cx, posting.reference.as_deref());
    let posting = &posting;
    cx.execute_from(|facts| async move {
        begin(&facts, id, LedgerTransactionCommand::Post(posting.clone()), posted(id, &posting.legs)?).await
    })
    .await
}

/// Sets an amount aside for a while: what it takes away is not there for others.
///
/// # Errors
/// Refusals of the transaction and its accounts; any of [`Error`].
#[instrument(name = "ledger_transaction.reserve", skip_all)]
pub async fn reserve(
    cx: Context,
    leg: Leg,
    term: TimeDelta,
    reference: Option<String>,
    description: Option<String>,
) -> Result<Outcome> {
    cx.must(POST)?;
    let (id, at) = (id_of(&cx, reference.as_deref()), microseconds(cx.now()));
    let expires_at =
        at.checked_add_signed(term).ok_or_else(|| refused(&LedgerTransactionRefusal::InvalidTerm))?;
    let reservation = &Reservation { leg, expires_at, reference, description };
    cx.execute_from(|facts| async move {
        let reserve = LedgerTransactionCommand::Reserve { reservation: reservation.clone(), at };
        begin(&facts, id, reserve, reserved(id, &reservation.leg)).await
    })
    .await
}

/// Posts of what is pending as much as is said, or all of it; the rest is free again.
///
/// # Errors
/// Refusals of the transaction and its accounts; any of [`Error`].
#[instrument(name = "ledger_transaction.post_pending", skip_all, fields(ledger_transaction.id = %id))]
pub async fn post_pending(cx: Context, id: LedgerTransactionId, amount: Option<i64>) -> Result<Outcome> {
    cx.must(POST)?;
    let at = cx.now();
    let command = LedgerTransactionCommand::PostPending { amount, at };
    end(cx, id, command, move |leg| LedgerAccountCommand::PostPending {
        transaction: id,
        amount: amount.unwrap_or(leg.amount.amount),
    })
    .await
}

/// Gives up what is pending.
///
/// # Errors
/// Refusals of the transaction; any of [`Error`].
#[instrument(name = "ledger_transaction.void", skip_all, fields(ledger_transaction.id = %id))]
pub async fn void(cx: Context, id: LedgerTransactionId) -> Result<Outcome> {
    cx.must(POST)?;
    let release = move |_: &Leg| LedgerAccountCommand::Release { transaction: id };
    end(cx, id, LedgerTransactionCommand::Void, release).await
}

/// Takes a transaction back by another one with its legs turned round. Refused where that would overdraw an account.
///
/// # Errors
/// Refusals of the transaction and its accounts; any of [`Error`].
#[instrument(name = "ledger_transaction.reverse", skip_all, fields(ledger_transaction.id = %id))]
pub async fn reverse(cx: Context, id: LedgerTransactionId, reason: String) -> Result<Outcome> {
    cx.must(REVERSE)?;
    let (by, reason) = (cx.new_id::<LedgerTransactionId>(), &reason);
    cx.execute_from(|facts| async move {
        let state = facts.load::<LedgerTransaction>(&id).await?.state;
        let reverse = LedgerTransactionCommand::Reverse { by, reason: reason.clone() };
        state.decide(reverse.clone()).map_err(|no| refused(&no))?;
        let posting = Posting {
            legs: state.legs().iter().map(Leg::reversed).collect(),
            reference: None,
            description: Some(reason.clone()),
            source: None,
            reverses: Some(id),
        };
        let accounts = posted(by, &posting.legs)?;
        let mut acts = begin(&facts, by, LedgerTransactionCommand::Post(posting), accounts).await?;
        acts.push(On::<LedgerTransaction>::new(id, reverse).boxed());
        Ok(acts)
    })
    .await
}

/// What is asked of an account by a transaction.
type Asked = Vec<(LedgerAccountId, LedgerAccountCommand)>;

fn refused(no: &impl Refusal) -> Error {
    Error::Refused(Refused::by(LedgerTransaction::NAME, no))
}

/// A transaction's id, made of its reference where it has one: then there can be no second.
fn id_of(cx: &Context, reference: Option<&str>) -> LedgerTransactionId {
    let name = |reference| format!("ledger_transaction\0{reference}");
    reference.map_or_else(
        || cx.new_id(),
        |reference| {
            LedgerTransactionId::from_uuid(Uuid::new_v5(&cx.workspace.uuid(), name(reference).as_bytes()))
        },
    )
}

/// What legs ask of each account: its debits and its credits in one.
fn posted(transaction: LedgerTransactionId, legs: &[Leg]) -> Result<Asked> {
    let mut sums = BTreeMap::<&LedgerAccountId, (i64, i64)>::new();
    let too_much = || refused(&LedgerTransactionRefusal::AmountOutOfRange);
    for Leg { debit, credit, amount, .. } in legs {
        let sum = &mut sums.entry(debit).or_default().0;
        *sum = sum.checked_add(amount.amount).ok_or_else(too_much)?;
        let sum = &mut sums.entry(credit).or_default().1;
        *sum = sum.checked_add(amount.amount).ok_or_else(too_much)?;
    }
    let post = |(debit, credit)| LedgerAccountCommand::Post { transaction, debit, credit };
    Ok(sums.into_iter().map(|(account, sums)| (account.clone(), post(sums))).collect())
}

fn reserved(transaction: LedgerTransactionId, leg: &Leg) -> Asked {
    let on = |side| LedgerAccountCommand::Reserve { transaction, side, amount: leg.amount.amount };
    vec![(leg.debit.clone(), on(Side::Debit)), (leg.credit.clone(), on(Side::Credit))]
}

/// A new transaction, and its part in each account.
async fn begin(
    facts: &Facts,
    id: LedgerTransactionId,
    command: LedgerTransactionCommand,
    accounts: Asked,
) -> Result<Vec<Box<dyn Act>>> {
    // What makes no sense in itself is said before any account is looked for.
    LedgerTransaction::default().decide(command.clone()).map_err(|no| refused(&no))?;
    let mut acts = vec![On::<LedgerTransaction>::new(id, command).supposed_new().boxed()];
    acts.extend(of_accounts(facts, accounts).await?);
    Ok(acts)
}

/// The end of something pending, and its part in both accounts.
async fn end(
    cx: Context,
    id: LedgerTransactionId,
    command: LedgerTransactionCommand,
    part: impl Fn(&Leg) -> LedgerAccountCommand,
) -> Result<Outcome> {
    let (command, part) = (&command, &part);
    cx.execute_from(|facts| async move {
        let state = facts.load::<LedgerTransaction>(&id).await?.state;
        state.decide(command.clone()).map_err(|no| refused(&no))?;
        let mut acts = vec![On::<LedgerTransaction>::new(id, command.clone()).boxed()];
        for leg in state.legs() {
            let asked = vec![(leg.debit.clone(), part(leg)), (leg.credit.clone(), part(leg))];
            acts.extend(of_accounts(&facts, asked).await?);
        }
        Ok(acts)
    })
    .await
}

/// Acts on the accounts that keep their balance; the shared ones only have to be there and open.
async fn of_accounts(facts: &Facts, asked: Asked) -> Result<Vec<Box<dyn Act>>> {
    let mut acts = Vec::with_capacity(asked.len());
    for (account, command) in asked {
        // Whether it is shared never changes, so a cache knows; all else the append finds out.
        let known = Context::load::<LedgerAccount>(facts, &account).await?.state;
        if !known.is_known() {
            return Err(refused(&LedgerTransactionRefusal::UnknownAccount(account)));
        }
        if known.is_shared() {
            let fact = facts.load::<LedgerAccount>(&account).await?.state;
            fact.decide(command).map_err(|no| Error::Refused(Refused::by(LedgerAccount::NAME, &no)))?;
        } else {
            acts.push(On::<LedgerAccount>::new(account, command).boxed());
        }
    }
    Ok(acts)
}
