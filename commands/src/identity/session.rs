//! Acting on sessions: signing in, staying signed in, and signing out.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use domain::identity::account::Account;
use domain::identity::denial::Reason;
use domain::identity::email::Email;
use domain::identity::membership::Membership;
use domain::identity::session::{Beginning, Device, Method, Origin, Session, SessionCommand, SessionRefusal};
use domain::identity::two_factor::TwoFactor;
use domain::identity::workspace::{Workspace, WorkspaceRefusal};
use domain::ids::{AccountId, SessionId, WorkspaceId};
use domain::kernel::Decider;
use tracing::instrument;

use crate::act::On;
use crate::context::Context;
use crate::door::{self, Door};
use crate::error::{Error, NotYou, Refused, Result};
use crate::identity::account::whose;
use crate::identity::password;
use crate::identity::two_factor::{Proof, Proven, prove};
use crate::identity::workspace::PLATFORM;
use crate::port::vault::seal;
use crate::store::Outcome;
use crate::token;

/// What refresh tokens are made for.
const REFRESH: &str = "refresh";
/// What the tokens are made for that say that a password was right.
const HALF_WAY: &str = "half_way";
/// How long one may take for the second step.
pub const HALF_WAY_FOR: TimeDelta = TimeDelta::minutes(5);
/// Where somebody means to act who has not said where.
const NOWHERE: &str = "-";

/// What a person signs in with.
#[derive(Clone)]
pub struct SignIn {
    pub address: String,
    pub password: String,
    /// Where they mean to act.
    pub workspace: Option<WorkspaceId>,
    /// What they come with, as it calls itself.
    pub device: Option<String>,
    /// Where they come from.
    pub origin: IpAddr,
}

/// A session that goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedIn {
    pub account: AccountId,
    pub session: SessionId,
    pub workspace: Option<WorkspaceId>,
    /// Good once, for the next.
    pub refresh_token: String,
}

/// What a right password comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SigningIn {
    In(SignedIn),
    /// A second factor is asked for, with this token.
    HalfWay {
        challenge: String,
    },
}

/// The second step of signing in.
#[derive(Clone)]
pub struct SecondStep {
    /// The token that the first step has answered.
    pub challenge: String,
    pub proof: Proof,
    /// What they come with, as it calls itself.
    pub device: Option<String>,
    /// Where they come from.
    pub origin: IpAddr,
}

/// Who has come in, and where they mean to act.
struct Coming {
    account: AccountId,
    epoch: i64,
    workspace: Option<WorkspaceId>,
}

impl Coming {
    /// A token that says that a password was right. It is good while sessions of the account's epoch are.
    async fn challenge(&self, door: &Door, now: DateTime<Utc>) -> Result<String> {
        let place = self.workspace.map_or_else(|| NOWHERE.to_owned(), |workspace| workspace.to_string());
        let words = [self.account.to_string(), self.epoch.to_string(), place, now.timestamp().to_string()];
        token::mint(&*door.vault, HALF_WAY, &words.each_ref().map(String::as_str)).await
    }

    /// Who a challenge is of, if it is good still.
    async fn challenged(door: &Door, shown: &str, now: DateTime<Utc>) -> Result<Option<Self>> {
        let Some([account, epoch, place, at]) = token::read::<4>(&*door.vault, HALF_WAY, shown).await? else {
            return Ok(None);
        };
        let read = || {
            let workspace = if place == NOWHERE { None } else { Some(place.parse().ok()?) };
            let made = DateTime::from_timestamp(at.parse().ok()?, 0)?;
            let coming = Self { account: account.parse().ok()?, epoch: epoch.parse().ok()?, workspace };
            (now < made + HALF_WAY_FOR).then_some(coming)
        };
        Ok(read())
    }

    async fn beginning(
        &self,
        door: &Door,
        methods: BTreeSet<Method>,
        at: DateTime<Utc>,
        (device, origin): (Option<String>, IpAddr),
    ) -> Result<Beginning> {
        let whose = whose(self.account);
        let origin = Some(seal::<Origin>(&*door.vault, &whose, &origin.to_string()).await?);
        let device = match device {
            Some(text) => Some(seal::<Device>(&*door.vault, &whose, &text).await?),
            None => None,
        };
        let Self { account, epoch, workspace } = *self;
        Ok(Beginning { account, epoch, methods, at, workspace, device, origin })
    }

    async fn signed_in(&self, door: &Door, session: SessionId) -> Result<SignedIn> {
        let (account, workspace) = (self.account, self.workspace);
        Ok(SignedIn { account, session, workspace, refresh_token: refresh_token(door, session, 0).await? })
    }
}

/// Begins a session. Why it does not is not told: no account, one that cannot be used and a wrong password are one
/// answer, and take one time.
#[instrument(name = "session.sign_in", skip_all)]
pub async fn sign_in(cx: Context, door: &Door, with: SignIn) -> Result<SigningIn> {
    let hash = door.lookup(&door::address(&with.address)?).await?;
    let known = cx.load::<Email>(&hash).await?.state.account();
    let who = known.map_or_else(|| hash.to_string(), |account| account.to_string());
    let checked = password::check(&cx, door, (known, &who), &with.password, with.origin).await;
    let holder = match known {
        Some(account) => cx.load::<Account>(&account).await?.state,
        None => Arc::default(),
    };
    let reason = match (&checked, known) {
        (Err(Error::TooMany { .. }), _) => Some(Reason::Throttled),
        (Ok(_), Some(_)) if holder.is_active() => (!matches!(checked, Ok(true))).then_some(Reason::Password),
        (Ok(_), _) => Some(Reason::Account),
        (Err(_), _) => None,
    };
    if let Some(reason) = reason {
        door.denials.sign_in(known, reason, with.origin).await;
    }
    let account = match (checked?, known, reason) {
        (true, Some(account), None) => account,
        _ => return Err(Error::Unauthenticated(NotYou::SignIn)),
    };
    let coming = Coming { account, epoch: holder.epoch(), workspace: with.workspace };
    if cx.load::<TwoFactor>(&account).await?.state.confirmed().is_some() {
        return Ok(SigningIn::HalfWay { challenge: coming.challenge(door, cx.now()).await? });
    }
    let beginning = coming.beginning(door, [Method::Password].into(), cx.now(), (with.device, with.origin));
    let beginning = beginning.await?;
    let session = cx.new_id::<SessionId>();
    let start = On::<Session>::new(session, SessionCommand::Start(beginning)).supposed_new();
    cx.execute_all(&[&start]).await?;
    Ok(SigningIn::In(coming.signed_in(door, session).await?))
}

/// Begins a session: beside the password, a second factor is shown. Its use and the beginning are one append, so that a
/// code that two show at one moment begins one.
#[instrument(name = "session.second_step", skip_all)]
pub async fn second_step(cx: Context, door: &Door, with: SecondStep) -> Result<SignedIn> {
    let nobody = || Error::Unauthenticated(NotYou::SignIn);
    let coming = Coming::challenged(door, &with.challenge, cx.now()).await?.ok_or_else(nobody)?;
    let holder = cx.load::<Account>(&coming.account).await?.state;
    if !holder.is_active() || holder.epoch() != coming.epoch {
        return Err(nobody());
    }
    let Proven { used, method, tried } = prove(&cx, door, coming.account, &with.proof, with.origin).await?;
    let methods = [Method::Password, method].into();
    let beginning = coming.beginning(door, methods, cx.now(), (with.device, with.origin)).await?;
    let session = cx.new_id::<SessionId>();
    let start = On::<Session>::new(session, SessionCommand::Start(beginning)).supposed_new();
    cx.execute_all(&[&used, &start]).await?;
    tried.was_right();
    coming.signed_in(door, session).await
}

/// Goes on with a session: its refresh token is shown, and replaced.
#[instrument(name = "session.refresh", skip_all)]
pub async fn refresh(cx: Context, door: &Door, shown: &str) -> Result<SignedIn> {
    let over = || Error::Unauthenticated(NotYou::Session);
    let words = token::read::<2>(&*door.vault, REFRESH, shown).await?;
    let (session, generation) = words
        .and_then(|[session, generation]| {
            Some((session.parse::<SessionId>().ok()?, generation.parse().ok()?))
        })
        .ok_or_else(over)?;
    let begun = cx.load::<Session>(&session).await?.state.begun().cloned().ok_or_else(over)?;
    if !cx.load::<Account>(&begun.account).await?.state.carries(session, begun.epoch) {
        return Err(over());
    }
    let (store, at) = (cx.store().clone(), cx.now());
    match cx.execute::<Session>(session, SessionCommand::Refresh { generation, at }).await {
        Ok(_) => {}
        Err(Error::Refused(_)) => return Err(over()),
        Err(error) => return Err(error),
    }
    // A token that was replaced before has ended it, and that is an event like a refresh.
    let now = store.load::<Session>(PLATFORM, &session).await?.state;
    if now.ends_at().is_none() {
        tracing::warn!(session.id = %session, "a refresh token was shown twice: the session is over");
        return Err(over());
    }
    // The next of what was shown, also if that has gone on meanwhile: what is asked for twice is the same.
    let refresh_token = refresh_token(door, session, generation + 1).await?;
    Ok(SignedIn { account: begun.account, session, workspace: now.workspace(), refresh_token })
}

/// Acts in another workspace from now on. One that the actor is no member of is not there.
#[instrument(name = "session.switch", skip_all, fields(workspace.id = %workspace))]
pub async fn switch(cx: Context, session: SessionId, workspace: WorkspaceId) -> Result<Outcome> {
    let account = cx.account()?;
    let member = cx.store().load::<Membership>(workspace, &account).await?.state;
    if member.roles().is_none() {
        return Err(Error::Refused(Refused::by(Workspace::NAME, &WorkspaceRefusal::Unknown)));
    }
    cx.execute::<Session>(session, SessionCommand::Switch { workspace }).await
}

/// Shows once more who the actor is, for what needs it: the password, and the second factor if there is one.
#[instrument(name = "session.step_up", skip_all)]
pub async fn step_up(
    cx: Context,
    door: &Door,
    session: SessionId,
    (secret, proof): (&str, Option<Proof>),
    origin: IpAddr,
) -> Result<Outcome> {
    let (account, at) = (cx.account()?, cx.now());
    let has_factor = cx.load::<TwoFactor>(&account).await?.state.confirmed().is_some();
    if has_factor && proof.is_none() {
        return Err(Error::SecondFactorRequired);
    }
    if !password::check(&cx, door, (Some(account), &account.to_string()), secret, origin).await? {
        return Err(Error::Unauthenticated(NotYou::Password));
    }
    let stepped_up = |methods| On::<Session>::new(session, SessionCommand::StepUp { methods, at });
    let Some(proof) = proof.filter(|_| has_factor) else {
        return cx.execute_all(&[&stepped_up([Method::Password].into())]).await;
    };
    let Proven { used, method, tried } = prove(&cx, door, account, &proof, origin).await?;
    let outcome = cx.execute_all(&[&stepped_up([Method::Password, method].into()), &used]).await?;
    tried.was_right();
    Ok(outcome)
}

/// Ends another of the actor's sessions. Somebody else's is not there.
#[instrument(name = "session.revoke", skip_all, fields(session.id = %session))]
pub async fn revoke(cx: Context, session: SessionId) -> Result<Outcome> {
    let account = cx.account()?;
    cx.execute_from(|facts| async move {
        let known = facts.load::<Session>(&session).await?.state;
        if known.begun().is_none_or(|begun| begun.account != account) {
            return Err(Error::Refused(Refused::by(Session::NAME, &SessionRefusal::Unknown)));
        }
        Ok(vec![On::<Session>::new(session, SessionCommand::Revoke).boxed()])
    })
    .await
}

/// Ends the actor's session.
#[instrument(name = "session.sign_out", skip_all)]
pub async fn sign_out(cx: Context, session: SessionId) -> Result<Outcome> {
    cx.account()?;
    cx.execute::<Session>(session, SessionCommand::SignOut).await
}

async fn refresh_token(door: &Door, session: SessionId, generation: i64) -> Result<String> {
    token::mint(&*door.vault, REFRESH, &[&session.to_string(), &generation.to_string()]).await
}
