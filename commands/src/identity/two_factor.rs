//! Acting on second factors: what is shown beside the password.
//!
//! Seed and recovery codes lie in the vault (docs/adr/0023), and are shown once, when they are made. Showing a code is
//! counted as a guess, and what it is good for is appended together with its use.

mod code;

use std::net::IpAddr;

use domain::identity::account::{Account, AccountCommand, SessionsEnd};
use domain::identity::denial::Reason;
use domain::identity::session::{Method, Session, SessionCommand};
use domain::identity::two_factor::{TwoFactor, TwoFactorCommand, TwoFactorRefusal};
use domain::ids::{AccountId, CredentialId, SessionId};
use domain::kernel::{Decider, Kind};
use domain::pii::{Field, Pii};
use tracing::instrument;
use uuid::Uuid;

use crate::act::On;
use crate::context::Context;
use crate::door::Door;
use crate::error::{Error, NotYou, Refused, Result};
use crate::guesses::Try;
use crate::identity::account::whose;
use crate::identity::password::named;
use crate::identity::workspace::PLATFORM;
use crate::port::vault::seal;
use crate::store::Outcome;

domain::personal! {
    /// What an authenticator app makes codes of.
    Seed = "identity.two_factor", "seed", Contact;
    /// What recovery codes are checked by.
    Codes = "identity.two_factor", "recovery_codes", Contact;
}

/// What is shown as a second factor.
#[derive(Clone)]
pub enum Proof {
    /// What an authenticator app shows.
    Code(String),
    RecoveryCode(String),
}

/// A seed, as it is shown once.
pub struct Enrolment {
    /// In base32, to be typed.
    pub seed: String,
    /// The same and whose it is, to be scanned.
    pub uri: String,
}

/// How an account's second factor stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Whether it is asked for.
    pub confirmed: bool,
    /// Whether there is a seed that waits for its first code.
    pub enrolled: bool,
    pub recovery_left: usize,
}

/// How the actor's second factor stands.
///
/// # Errors
/// [`Error::PeopleOnly`], [`Error::Unavailable`].
pub async fn standing(cx: &Context) -> Result<Standing> {
    let known = cx.load::<TwoFactor>(&cx.account()?).await?.state;
    Ok(Standing {
        confirmed: known.confirmed().is_some(),
        enrolled: known.enrolled().is_some(),
        recovery_left: known.recovery_left(),
    })
}

/// Begins with a new seed, and shows it. The same request shows the same one, until it is confirmed.
#[instrument(name = "two_factor.enrol", skip_all)]
pub async fn enrol(cx: Context, door: &Door) -> Result<Enrolment> {
    let (account, store) = (cx.account()?, cx.store().clone());
    let credential = CredentialId::from_uuid(Uuid::new_v5(&cx.command_id, b"seed"));
    keep::<Seed>(door, credential, account, &code::new_seed()).await?;
    let enrolled = cx.execute::<TwoFactor>(account, TwoFactorCommand::Enrol { credential }).await;
    named(door, credential, enrolled).await?;
    if store.load::<TwoFactor>(PLATFORM, &account).await?.state.enrolled() != Some(credential) {
        return Err(shown_once());
    }
    let holder = store.load::<Account>(PLATFORM, &account).await?.state;
    let address = match holder.address() {
        Some(address) => door.open(&whose(account), address).await?.unwrap_or_default(),
        None => String::new(),
    };
    let seed = kept::<Seed>(door, credential, account).await?.ok_or_else(shown_once)?;
    Ok(Enrolment { uri: code::uri(&seed, &address)?, seed })
}

/// Has it asked for from now on: the first code of the seed is shown. Every other session ends. Answers the recovery
/// codes.
#[instrument(name = "two_factor.confirm", skip_all)]
pub async fn confirm(
    cx: Context,
    door: &Door,
    session: SessionId,
    shown: &str,
    origin: IpAddr,
) -> Result<Vec<String>> {
    let account = cx.account()?;
    must_be_first(&cx).await?;
    let known = cx.load::<TwoFactor>(&account).await?.state;
    let Some(seed) = known.enrolled() else {
        let no = if known.confirmed().is_some() {
            TwoFactorRefusal::AlreadyConfirmed
        } else {
            TwoFactorRefusal::Unknown
        };
        return Err(Error::Refused(Refused::by(TwoFactor::NAME, &no)));
    };
    let tried = begin(&cx, door, account, origin).await?;
    let step = match kept::<Seed>(door, seed, account).await {
        Ok(seed) => code::step(&seed.ok_or_else(shown_once)?, shown, cx.now())?,
        Err(error) => {
            tried.came_to_nothing();
            return Err(error);
        }
    };
    let step = step.ok_or(Error::Unauthenticated(NotYou::Code))?;
    let (codes, recovery) = (code::new_recovery_codes(), cx.new_id::<CredentialId>());
    keep::<Codes>(door, recovery, account, &code::hashes(&codes)).await?;
    let here = cx.load::<Session>(&session).await?.state;
    // That a code was shown is known of this session; when its person has last shown who they are has not changed.
    let (mut methods, at) = here.authenticated().map(|(all, at)| (all.clone(), at)).unwrap_or_default();
    methods.insert(Method::Totp);
    let ended = AccountCommand::EndSessions { reason: SessionsEnd::TwoFactorChanged, kept: Some(session) };
    let confirmed = cx
        .execute_all(&[
            &On::<TwoFactor>::new(account, TwoFactorCommand::Confirm { step, recovery }),
            &On::<Account>::new(account, ended),
            &On::<Session>::new(session, SessionCommand::StepUp { methods, at }),
        ])
        .await;
    named(door, recovery, confirmed).await?;
    tried.was_right();
    Ok(codes)
}

/// Makes new recovery codes, and answers them: the old ones are good no more.
#[instrument(name = "two_factor.renew_recovery", skip_all)]
pub async fn renew_recovery(cx: Context, door: &Door) -> Result<Vec<String>> {
    let account = cx.account()?;
    must_be_first(&cx).await?;
    let (codes, recovery) = (code::new_recovery_codes(), cx.new_id::<CredentialId>());
    keep::<Codes>(door, recovery, account, &code::hashes(&codes)).await?;
    let renewed = cx.execute::<TwoFactor>(account, TwoFactorCommand::RenewRecovery { recovery }).await;
    named(door, recovery, renewed).await?;
    Ok(codes)
}

/// Does without from now on. Every other session ends.
#[instrument(name = "two_factor.remove", skip_all)]
pub async fn remove(cx: Context, session: SessionId) -> Result<Outcome> {
    let account = cx.account()?;
    let ended = AccountCommand::EndSessions { reason: SessionsEnd::TwoFactorChanged, kept: Some(session) };
    cx.execute_all(&[
        &On::<TwoFactor>::new(account, TwoFactorCommand::Remove),
        &On::<Account>::new(account, ended),
    ])
    .await
}

/// A second factor that was looked at, and is right: what records its use, and what it was.
pub(crate) struct Proven<'a> {
    pub used: On<TwoFactor>,
    pub method: Method,
    /// A guess until its use is recorded: it may have been used before.
    pub tried: Try<'a>,
}

/// Looks at what is shown as an account's second factor.
///
/// # Errors
/// [`Error::Unauthenticated`] if it is not right, [`Error::TooMany`], [`Error::Unavailable`].
pub(crate) async fn prove<'a>(
    cx: &Context,
    door: &'a Door,
    account: AccountId,
    proof: &Proof,
    origin: IpAddr,
) -> Result<Proven<'a>> {
    let tried = begin(cx, door, account, origin).await?;
    match used(cx, door, account, proof).await {
        Ok(Some((command, method))) => {
            Ok(Proven { used: On::<TwoFactor>::new(account, command), method, tried })
        }
        Ok(None) => {
            door.denials.sign_in(Some(account), Reason::Code, origin).await;
            Err(Error::Unauthenticated(NotYou::Code))
        }
        Err(error) => {
            tried.came_to_nothing();
            Err(error)
        }
    }
}

async fn used(
    cx: &Context,
    door: &Door,
    account: AccountId,
    proof: &Proof,
) -> Result<Option<(TwoFactorCommand, Method)>> {
    let known = cx.store().load::<TwoFactor>(PLATFORM, &account).await?.state;
    let Some((seed, recovery)) = known.confirmed() else { return Ok(None) };
    Ok(match proof {
        Proof::Code(shown) => {
            let Some(seed) = kept::<Seed>(door, seed, account).await? else { return Ok(None) };
            let step = code::step(&seed, shown, cx.now())?;
            step.map(|step| (TwoFactorCommand::Use { step }, Method::Totp))
        }
        Proof::RecoveryCode(shown) => {
            let Some(hashes) = kept::<Codes>(door, recovery, account).await? else { return Ok(None) };
            let code = code::number(&hashes, shown);
            code.map(|code| (TwoFactorCommand::UseRecovery { code }, Method::RecoveryCode))
        }
    })
}

async fn begin<'a>(cx: &Context, door: &'a Door, account: AccountId, origin: IpAddr) -> Result<Try<'a>> {
    let tried = door.guesses.begin_code(&account.to_string(), origin.into(), cx.now());
    if tried.is_err() {
        door.denials.sign_in(Some(account), Reason::Throttled, origin).await;
    }
    tried
}

async fn keep<F: Field>(door: &Door, credential: CredentialId, of: AccountId, text: &str) -> Result<()> {
    let sealed: Pii<F> = seal(&*door.vault, &whose(of), text).await?;
    Ok(door.credentials.keep(credential, of, sealed.sealed()).await?)
}

async fn kept<F: Field>(door: &Door, credential: CredentialId, of: AccountId) -> Result<Option<String>> {
    let Some(sealed) = door.credentials.find(credential).await? else { return Ok(None) };
    door.open(&whose(of), &Pii::<F>::new(sealed)).await
}

/// What is shown once is not shown to a repeat.
async fn must_be_first(cx: &Context) -> Result<()> {
    match cx.answered().await? {
        None => Ok(()),
        Some(_) => Err(shown_once()),
    }
}

fn shown_once() -> Error {
    Error::Refused(Refused {
        kind: Kind::Conflict,
        code: "two_factor/shown_once".to_owned(),
        message: "this was done, and what it showed is shown once: ask for new ones".to_owned(),
        replayed: false,
    })
}
