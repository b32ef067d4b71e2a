//! When an account or a password asks somebody something, a mail with a link takes it to them.
//!
//! The link's token is made here, of what the event names, and stands nowhere else. A message goes out at most once for
//! an event; while mail or vault are away it waits, as long as its link is good.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use domain::identity::account::{Account, AccountEvent, Address, CHANGE_WITHIN, VERIFY_WITHIN};
use domain::identity::password::{Password, PasswordEvent, RESET_WITHIN};
use domain::ids::{AccountId, ChallengeId};
use domain::kernel::{Decider, Recorded, Unreadable};
use domain::pii::Pii;
use uuid::Uuid;

use crate::act::Instruction;
use crate::clock::Clock;
use crate::door::Door;
use crate::effect::Effect;
use crate::identity::account::{VERIFY, whose};
use crate::identity::email::CHANGE;
use crate::identity::password::RESET;
use crate::identity::workspace::PLATFORM;
use crate::port::mail::template::{Letter, write};
use crate::port::mail::{HandOvers, Language, Mailer, hand_over_once};
use crate::store::EventStore;
use crate::token;

/// How long it is until it is tried again, at first and at most.
const SOONEST: TimeDelta = TimeDelta::seconds(2);
const LATEST: TimeDelta = TimeDelta::minutes(5);

/// Effect `mail_link_when_asked`.
pub struct MailLinkWhenAsked {
    pub store: EventStore,
    pub clock: Arc<dyn Clock>,
    pub door: Door,
    pub mailer: Arc<dyn Mailer>,
    pub notes: Arc<dyn HandOvers>,
    /// Where people reach the platform, without a `/` at its end.
    pub site: String,
}

/// What is to be said of an event to one mailbox, and how long it is worth saying.
struct Said {
    account: AccountId,
    what: What,
    within: TimeDelta,
}

enum What {
    Verify(ChallengeId),
    AlreadyRegistered,
    /// To the mailbox that the account has.
    Leave(ChallengeId),
    /// To the one that it shall have.
    Arrive(ChallengeId, Pii<Address>),
    Reset(ChallengeId),
    PasswordChanged,
}

/// To whom, and how they read.
struct To {
    address: String,
    language: Language,
}

#[async_trait]
impl Effect for MailLinkWhenAsked {
    fn name(&self) -> &'static str {
        "mail_link_when_asked"
    }

    fn listens_to(&self) -> &'static [&'static str] {
        &[Account::NAME, Password::NAME]
    }

    async fn perform(&self, event: &Recorded) -> Result<Vec<Instruction>, Unreadable> {
        self.mail(event).await
    }

    async fn due(
        &self,
        cause: &Recorded,
        _key: &str,
        _due_at: DateTime<Utc>,
    ) -> Result<Vec<Instruction>, Unreadable> {
        self.mail(cause).await
    }
}

fn said(event: &Recorded) -> Result<Vec<Said>, Unreadable> {
    if let Some((account, happened)) = event.happened_to::<Account>()? {
        let (whats, within) = of_account(happened);
        return Ok(whats.into_iter().map(|what| Said { account, what, within }).collect());
    }
    let Some((account, happened)) = event.happened_to::<Password>()? else { return Ok(vec![]) };
    let (what, within) = match happened {
        PasswordEvent::ResetAsked { challenge, .. } => (What::Reset(*challenge), RESET_WITHIN),
        PasswordEvent::Changed { .. } | PasswordEvent::Reset { .. } => (What::PasswordChanged, VERIFY_WITHIN),
        PasswordEvent::Set { .. } => return Ok(vec![]),
    };
    Ok(vec![Said { account, what, within }])
}

fn of_account(happened: &AccountEvent) -> (Vec<What>, TimeDelta) {
    match happened {
        AccountEvent::Registered { challenge, .. } | AccountEvent::VerificationAsked { challenge, .. } => {
            (vec![What::Verify(*challenge)], VERIFY_WITHIN)
        }
        AccountEvent::RegisteredAgain { .. } => (vec![What::AlreadyRegistered], VERIFY_WITHIN),
        AccountEvent::AddressChangeAsked { address, old, new, .. } => {
            (vec![What::Leave(*old), What::Arrive(*new, address.clone())], CHANGE_WITHIN)
        }
        _ => (vec![], VERIFY_WITHIN),
    }
}

impl What {
    /// The message's id: several of one event are several.
    fn id(&self, event: &Recorded) -> Uuid {
        match self {
            Self::Arrive(..) => Uuid::new_v5(&event.event_id, b"arrive"),
            _ => event.event_id,
        }
    }
}

impl MailLinkWhenAsked {
    async fn mail(&self, event: &Recorded) -> Result<Vec<Instruction>, Unreadable> {
        let waited = (self.clock.now() - event.recorded_at).max(TimeDelta::zero());
        let mut waits = false;
        for said in said(event)? {
            // Also where nobody carried mail for a while: what is told too late is not told.
            if waited >= said.within {
                tracing::warn!(
                    stream.id = event.id,
                    "a mail could not be sent in time; its link is good no more"
                );
            } else if let Err(why) = self.try_to(event, &said).await {
                tracing::warn!(stream.id = event.id, why, "a mail is sent later");
                waits = true;
            }
        }
        let again = Instruction::remind(event.sequence, waited + waited.clamp(SOONEST, LATEST));
        Ok(waits.then_some(again).into_iter().collect())
    }

    async fn try_to(&self, event: &Recorded, said: &Said) -> Result<(), String> {
        let later = |error: crate::Error| error.to_string();
        // Erased since: there is nobody to write to.
        let Some(to) = self.to(said).await.map_err(later)? else { return Ok(()) };
        let letter = self.letter(said).await.map_err(later)?;
        let message = match write(said.what.id(event), &to.address, to.language, &letter) {
            Ok(message) => message,
            Err(error) => {
                tracing::error!(error = %error, "a letter cannot be written");
                return Ok(());
            }
        };
        let handed = hand_over_once(&*self.mailer, &*self.notes, &message).await;
        handed.map(|_| ()).map_err(|not_yet| not_yet.to_string())
    }

    async fn to(&self, said: &Said) -> crate::Result<Option<To>> {
        let known = self.store.load::<Account>(PLATFORM, &said.account).await?.state;
        let address = match &said.what {
            What::Arrive(_, address) => Some(address),
            _ => known.address(),
        };
        let Some(address) = address else { return Ok(None) };
        let address = self.door.open(&whose(said.account), address).await?;
        let language = known.locale().and_then(|locale| locale.language().parse().ok()).unwrap_or_default();
        Ok(address.map(|address| To { address, language }))
    }

    async fn letter(&self, said: &Said) -> crate::Result<Letter> {
        let site = &self.site;
        Ok(match &said.what {
            What::Verify(challenge) => {
                let token = self.token(VERIFY, said.account, *challenge).await?;
                Letter::VerifyEmail { link: format!("{site}/verify#{token}"), hours: 24 }
            }
            What::AlreadyRegistered => Letter::AlreadyRegistered { link: format!("{site}/sign-in") },
            What::Leave(challenge) | What::Arrive(challenge, _) => {
                let token = self.token(CHANGE, said.account, *challenge).await?;
                Letter::ChangeEmail { link: format!("{site}/email#{token}"), minutes: 60 }
            }
            What::Reset(challenge) => {
                let token = self.token(RESET, said.account, *challenge).await?;
                Letter::ResetPassword { link: format!("{site}/reset#{token}"), minutes: 10 }
            }
            What::PasswordChanged => Letter::PasswordChanged { link: format!("{site}/forgotten") },
        })
    }

    async fn token(
        &self,
        purpose: &str,
        account: AccountId,
        challenge: ChallengeId,
    ) -> crate::Result<String> {
        token::mint(&*self.door.vault, purpose, &[&account.to_string(), &challenge.to_string()]).await
    }
}
