//! Acting on addresses: having an account under another one.
//!
//! Both mailboxes must agree. Whether the new address has an account is told to nobody but whoever has its mailbox, and
//! only once both have agreed.

use domain::identity::account::{Account, AccountCommand, AccountRefusal, Address};
use domain::identity::email::{Email, EmailCommand};
use domain::ids::{AccountId, ChallengeId};
use domain::kernel::Decider;
use domain::pii::{Lookup, Pii};
use tracing::instrument;

use crate::act::{Act, On};
use crate::context::Context;
use crate::door::{self, Door};
use crate::error::{Error, Result};
use crate::identity::account::{challenged, whose};
use crate::port::vault::seal;
use crate::store::Outcome;

/// What the tokens of mails about another address are made for.
pub(crate) const CHANGE: &str = "change";

/// Asks both mailboxes whether the actor's account shall have another address.
#[instrument(name = "email.ask_change", skip_all)]
pub async fn ask_change(cx: Context, door: &Door, address: &str) -> Result<Outcome> {
    let account = cx.account()?;
    let address: Pii<Address> = seal(&*door.vault, &whose(account), &door::address(address)?).await?;
    let (old, new) = (cx.new_id::<ChallengeId>(), cx.new_id::<ChallengeId>());
    let asked = AccountCommand::AskAddressChange { address, old, new, at: cx.now() };
    cx.execute::<Account>(account, asked).await
}

/// One of the two mailboxes agrees: the token of its link is shown. Once both have, the address is the account's, and the
/// old one is free.
#[instrument(name = "email.confirm_change", skip_all)]
pub async fn confirm_change(cx: Context, door: &Door, shown: &str) -> Result<Outcome> {
    let spent = AccountRefusal::LinkSpent;
    let (account, challenge) = challenged(door, CHANGE, shown, Account::NAME, &spent).await?;
    let at = cx.now();
    cx.execute_from(|facts| async move {
        let known = facts.load::<Account>(&account).await?;
        let command = AccountCommand::ConfirmAddressChange { challenge, at };
        let mut acts: Vec<Box<dyn Act>> =
            vec![On::<Account>::new(account, command).at(known.version).boxed()];
        if let (Some(old), Some(new)) = (known.state.address(), known.state.changes_to(challenge)) {
            let (old, new) = (found_by(door, account, old).await?, found_by(door, account, new).await?);
            acts.push(On::<Email>::new(new.clone(), EmailCommand::Claim { account }).boxed());
            if old != new {
                acts.push(On::<Email>::new(old, EmailCommand::Release { account }).boxed());
            }
        }
        Ok(acts)
    })
    .await
}

/// What an account's address is found by.
async fn found_by(door: &Door, account: AccountId, sealed: &Pii<Address>) -> Result<Lookup> {
    let address = door.open(&whose(account), sealed).await?;
    let address = address.ok_or_else(|| Error::unavailable("the address was erased"))?;
    door.lookup(&address).await
}
