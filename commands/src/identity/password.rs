//! Acting on passwords: what they are checked by is kept in the vault, before anything names it.

use std::net::IpAddr;

use domain::identity::account::{Account, AccountCommand, SessionsEnd};
use domain::identity::email::Email;
use domain::identity::password::{Password, PasswordCommand, PasswordRefusal};
use domain::ids::{AccountId, ChallengeId, CredentialId, SessionId};
use domain::kernel::Decider;
use domain::pii::Pii;
use tracing::instrument;

use crate::act::On;
use crate::context::Context;
use crate::door::{self, Door};
use crate::error::{Error, NotYou, Refused, Result};
use crate::identity::account::{challenged, whose};
use crate::identity::workspace::PLATFORM;
use crate::port::password::must_be_sound;
use crate::port::vault::seal;
use crate::store::Outcome;

domain::personal! {
    /// The slow hash of a password.
    pub(crate) Hash = "identity.password", "hash", Contact;
}

/// What the tokens of resetting mails are made for.
pub(crate) const RESET: &str = "reset";

/// Keeps what a password is checked by, and says under which id.
pub(crate) async fn keep(
    cx: &Context,
    door: &Door,
    account: AccountId,
    secret: &str,
) -> Result<CredentialId> {
    let credential: CredentialId = cx.new_id();
    let hash = door.passwords.hash(secret).await?;
    let sealed: Pii<Hash> = seal(&*door.vault, &whose(account), &hash).await?;
    door.credentials.keep(credential, account, sealed.sealed()).await?;
    Ok(credential)
}

/// Whether this is the account's password. Nobody's takes as long, and is counted as a guess alike.
///
/// # Errors
/// [`Error::TooMany`], [`Error::Busy`], [`Error::Unavailable`].
pub(crate) async fn check(
    cx: &Context,
    door: &Door,
    (account, who): (Option<AccountId>, &str),
    secret: &str,
    origin: IpAddr,
) -> Result<bool> {
    let tried = door.guesses.begin(who, origin.into(), cx.now())?;
    let looked_at = async {
        let hash = match account {
            Some(account) => hash(cx, door, account).await?,
            None => None,
        };
        Ok(door.passwords.check(secret, hash.as_deref()).await?)
    };
    let is_right = looked_at.await;
    match is_right {
        Ok(true) => tried.was_right(),
        Ok(false) => drop(tried),
        Err(_) => tried.came_to_nothing(),
    }
    is_right
}

async fn hash(cx: &Context, door: &Door, account: AccountId) -> Result<Option<String>> {
    let known = cx.store().load::<Password>(PLATFORM, &account).await?;
    let Some(credential) = known.state.credential() else { return Ok(None) };
    let Some(sealed) = door.credentials.find(credential).await? else { return Ok(None) };
    door.open(&whose(account), &Pii::<Hash>::new(sealed)).await
}

/// Changes the actor's password: who does so knows the last one. All other sessions end.
#[instrument(name = "password.change", skip_all)]
pub async fn change(
    cx: Context,
    door: &Door,
    (present, new): (&str, &str),
    kept: SessionId,
    origin: IpAddr,
) -> Result<Outcome> {
    let account = cx.account()?;
    // A repeat does not know the last password any more.
    if let Some(outcome) = cx.answered().await? {
        return Ok(outcome);
    }
    must_be_sound(new)?;
    if !check(&cx, door, (Some(account), &account.to_string()), present, origin).await? {
        return Err(Error::Unauthenticated(NotYou::Password));
    }
    let credential = keep(&cx, door, account, new).await?;
    let changed = replace(cx, account, PasswordCommand::Change { credential }, Some(kept)).await;
    named(door, credential, changed).await
}

/// Sends a link for setting another password, if the address has an account that can be used.
#[instrument(name = "password.ask_reset", skip_all)]
pub async fn ask_reset(cx: Context, door: &Door, address: &str, origin: IpAddr) -> Result<()> {
    door.guesses.mail(origin.into(), cx.now())?;
    let hash = door.lookup(&door::address(address)?).await?;
    let Some(account) = cx.load::<Email>(&hash).await?.state.account() else { return Ok(()) };
    if !cx.load::<Account>(&account).await?.state.is_active() {
        return Ok(());
    }
    let asked = PasswordCommand::AskReset { challenge: cx.new_id::<ChallengeId>(), at: cx.now() };
    cx.execute::<Password>(account, asked).await.map(|_| ())
}

/// Sets another password: the link's token is shown. All sessions end; a second factor stays as it is. Whoever has the
/// mailbox may come in from where they are.
#[instrument(name = "password.reset", skip_all)]
pub async fn reset(cx: Context, door: &Door, shown: &str, new: &str, origin: IpAddr) -> Result<Outcome> {
    let (account, challenge) =
        challenged(door, RESET, shown, Password::NAME, &PasswordRefusal::LinkSpent).await?;
    let at = cx.now();
    // What is spent costs no slow hash.
    cx.identified(cx.command_id)
        .know(|facts| async move {
            let known = facts.load::<Password>(&account).await?.state;
            let spent = || Error::Refused(Refused::by(Password::NAME, &PasswordRefusal::LinkSpent));
            known.awaits(challenge, at).then_some(()).ok_or_else(spent)
        })
        .await?;
    must_be_sound(new)?;
    let credential = keep(&cx, door, account, new).await?;
    let reset = replace(cx, account, PasswordCommand::Reset { challenge, credential, at }, None).await;
    let outcome = named(door, credential, reset).await?;
    door.guesses.know(&account.to_string(), origin.into());
    Ok(outcome)
}

/// The outcome of what was to name a credential: refused, nothing ever does, and it is dropped.
pub(crate) async fn named(
    door: &Door,
    credential: CredentialId,
    outcome: Result<Outcome>,
) -> Result<Outcome> {
    if let Err(Error::Refused(_)) = &outcome {
        door.credentials.discard(credential).await?;
    }
    outcome
}

async fn replace(
    cx: Context,
    account: AccountId,
    command: PasswordCommand,
    kept: Option<SessionId>,
) -> Result<Outcome> {
    let ended = AccountCommand::EndSessions { reason: SessionsEnd::PasswordChanged, kept };
    cx.execute_all(&[&On::<Password>::new(account, command), &On::<Account>::new(account, ended)]).await
}
