//! Acting on accounts: coming to have one.
//!
//! Nothing here tells whether an address has an account: whoever asks gets the same answer, and its owner gets mail.
//! There is no password before the address is shown to be theirs, so nobody can prepare an account for somebody else.

use std::net::IpAddr;

use domain::identity::account::{Account, AccountCommand, AccountRefusal, Address, SessionsEnd};
use domain::identity::email::{Email, EmailCommand};
use domain::identity::password::{Password, PasswordCommand};
use domain::ids::{AccountId, ChallengeId, SessionId};
use domain::kernel::{Decider, Refusal};
use domain::locale::Locale;
use domain::pii::{Pii, Whose};
use tracing::instrument;

use crate::act::On;
use crate::context::Context;
use crate::door::{self, Door};
use crate::error::{Error, Refused, Result};
use crate::identity::password;
use crate::identity::workspace::PLATFORM;
use crate::port::password::must_be_sound;
use crate::port::vault::seal;
use crate::store::Outcome;
use crate::token;

/// What the tokens of verifying mails are made for.
pub(crate) const VERIFY: &str = "verify";

/// Whose personal data an account's is.
#[must_use]
pub fn whose(account: AccountId) -> Whose {
    Whose::new(PLATFORM, account)
}

/// Begins an account for an address, or tells its owner by mail that there is one.
#[instrument(name = "account.register", skip_all)]
pub async fn register(cx: Context, door: &Door, address: &str, locale: Locale, origin: IpAddr) -> Result<()> {
    door.guesses.mail(origin.into(), cx.now())?;
    let address = door::address(address)?;
    let hash = door.lookup(&address).await?;
    let (challenge, at) = (cx.new_id::<ChallengeId>(), cx.now());
    let known = cx.load::<Email>(&hash).await?.state.account();
    let owner = match known {
        Some(owner) => owner,
        None => {
            let account: AccountId = cx.new_id();
            let address: Pii<Address> = seal(&*door.vault, &whose(account), &address).await?;
            let command = AccountCommand::Register { address, locale, challenge, at };
            let begun = On::<Account>::new(account, command).supposed_new();
            let claimed = On::<Email>::new(hash.clone(), EmailCommand::Claim { account });
            match cx.identified(cx.command_id).execute_all(&[&begun, &claimed]).await {
                Ok(_) => return Ok(()),
                // Two at one moment: the other was first.
                Err(Error::Refused(no)) if no.code == "email/taken" => {
                    match cx.load::<Email>(&hash).await?.state.account() {
                        Some(owner) => owner,
                        None => return Err(Error::Refused(no)),
                    }
                }
                Err(error) => return Err(error),
            }
        }
    };
    let again = cx.identified(uuid::Uuid::now_v7());
    match again.execute::<Account>(owner, AccountCommand::RegisterAgain { challenge, at }).await {
        // One that was closed is nobody's to know of either.
        Ok(_) | Err(Error::Refused(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Shows that an account's address is one's own, and sets its first password.
#[instrument(name = "account.verify", skip_all)]
pub async fn verify(cx: Context, door: &Door, shown: &str, secret: &str) -> Result<Outcome> {
    let spent = AccountRefusal::LinkSpent;
    let (account, challenge) = challenged(door, VERIFY, shown, Account::NAME, &spent).await?;
    let at = cx.now();
    // What is spent costs no slow hash.
    cx.identified(cx.command_id)
        .know(|facts| async move {
            let known = facts.load::<Account>(&account).await?.state;
            let spent = || Error::Refused(Refused::by(Account::NAME, &AccountRefusal::LinkSpent));
            known.awaits(challenge, at).then_some(()).ok_or_else(spent)
        })
        .await?;
    must_be_sound(secret)?;
    let credential = password::keep(&cx, door, account, secret).await?;
    let verified = cx
        .execute_all(&[
            &On::<Account>::new(account, AccountCommand::Verify { challenge, at }),
            &On::<Password>::new(account, PasswordCommand::Set { credential }),
        ])
        .await;
    password::named(door, credential, verified).await
}

/// Ends every session of the actor's account, but perhaps one.
#[instrument(name = "account.end_sessions", skip_all)]
pub async fn sign_out_everywhere(cx: Context, kept: Option<SessionId>) -> Result<Outcome> {
    let account = cx.account()?;
    cx.execute::<Account>(account, AccountCommand::EndSessions { reason: SessionsEnd::Asked, kept }).await
}

/// Whose a mailed token is, and what was asked by it.
///
/// # Errors
/// That the link is `spent`, if it was made by nobody; [`Error::Unavailable`].
pub(crate) async fn challenged(
    door: &Door,
    purpose: &str,
    shown: &str,
    capability: &str,
    spent: &impl Refusal,
) -> Result<(AccountId, ChallengeId)> {
    let words = token::read::<2>(&*door.vault, purpose, shown).await?;
    words
        .and_then(|[account, challenge]| Some((account.parse().ok()?, challenge.parse().ok()?)))
        .ok_or_else(|| Error::Refused(Refused::by(capability, spent)))
}
