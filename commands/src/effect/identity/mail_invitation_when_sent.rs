//! When an invitation is sent, a mail takes its link to the one who is invited.
//!
//! The link's token is made here and stands nowhere else. A message goes out at most once for an event; while mail or
//! vault are away it waits, as long as the invitation may be answered.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use domain::identity::account::Account;
use domain::identity::api_key::ApiKey;
use domain::identity::invitation::{Invitation, InvitationEvent, LASTS};
use domain::identity::workspace::Workspace;
use domain::ids::{AccountId, InvitationId};
use domain::kernel::{Decider, Recorded, Unreadable};
use domain::locale::Locale;

use crate::act::Instruction;
use crate::clock::Clock;
use crate::door::Door;
use crate::effect::Effect;
use crate::identity::account;
use crate::identity::invitation::{token, whose};
use crate::identity::workspace::PLATFORM;
use crate::port::mail::template::{Letter, write};
use crate::port::mail::{HandOvers, Language, Mailer, hand_over_once};
use crate::store::EventStore;

/// How long it is until it is tried again, at first and at most.
const SOONEST: TimeDelta = TimeDelta::seconds(2);
const LATEST: TimeDelta = TimeDelta::minutes(5);

/// Effect `mail_invitation_when_sent`.
pub struct MailInvitationWhenSent {
    pub store: EventStore,
    pub clock: Arc<dyn Clock>,
    pub door: Door,
    pub mailer: Arc<dyn Mailer>,
    pub notes: Arc<dyn HandOvers>,
    /// Where people reach the platform, without a `/` at its end.
    pub site: String,
}

#[async_trait]
impl Effect for MailInvitationWhenSent {
    fn name(&self) -> &'static str {
        "mail_invitation_when_sent"
    }

    fn listens_to(&self) -> &'static [&'static str] {
        &[Invitation::NAME]
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

/// An invitation that was sent.
struct Sent<'a> {
    event: &'a Recorded,
    id: InvitationId,
    locale: &'a Locale,
    /// Who sent it.
    by: String,
}

impl MailInvitationWhenSent {
    async fn mail(&self, event: &Recorded) -> Result<Vec<Instruction>, Unreadable> {
        let Some((id, InvitationEvent::Sent { locale, .. })) = event.happened_to::<Invitation>()? else {
            return Ok(vec![]);
        };
        let sent = Sent { event, id, locale, by: event.meta()?.actor };
        let Err(why) = self.try_to(&sent).await else { return Ok(vec![]) };
        tracing::warn!(stream.id = event.id, why, "an invitation is mailed later");
        let waited = (self.clock.now() - event.recorded_at).max(TimeDelta::zero());
        Ok(vec![Instruction::remind(event.sequence, waited + waited.clamp(SOONEST, LATEST))])
    }

    async fn try_to(&self, sent: &Sent<'_>) -> Result<(), String> {
        // Answered, taken back or expired since: there is nothing to say.
        let Some((to, letter)) = self.letter(sent).await.map_err(|error| error.to_string())? else {
            return Ok(());
        };
        let language = sent.locale.language().parse::<Language>().unwrap_or_default();
        let message = match write(sent.event.event_id, &to, language, &letter) {
            Ok(message) => message,
            Err(error) => {
                tracing::error!(error = %error, "a letter cannot be written");
                return Ok(());
            }
        };
        let handed = hand_over_once(&*self.mailer, &*self.notes, &message).await;
        handed.map(|_| ()).map_err(|not_yet| not_yet.to_string())
    }

    /// To whom, and what.
    async fn letter(&self, sent: &Sent<'_>) -> crate::Result<Option<(String, Letter)>> {
        let (place, id) = (sent.event.workspace, sent.id);
        let known = self.store.load::<Invitation>(place, &id).await?.state;
        let Some(address) = known.address().filter(|_| known.is_open(self.clock.now())) else {
            return Ok(None);
        };
        let Some(to) = self.door.open(&whose(place, id), address).await? else { return Ok(None) };
        let own = self.store.load::<Workspace>(place, &place).await?.state;
        let workspace = own.name().unwrap_or("Mewayz").to_owned();
        let inviter = self.inviter(sent).await?.unwrap_or_else(|| workspace.clone());
        let link = format!("{}/invitation#{}", self.site, token(&self.door, place, id).await?);
        let days = u32::try_from(LASTS.num_days()).unwrap_or_default();
        Ok(Some((to, Letter::Invitation { inviter, workspace, link, days })))
    }

    /// Who invites: a person by their address, a program by its key's name.
    async fn inviter(&self, sent: &Sent<'_>) -> crate::Result<Option<String>> {
        if let Ok(id) = sent.by.parse::<AccountId>() {
            let holder = self.store.load::<Account>(PLATFORM, &id).await?.state;
            let Some(address) = holder.address() else { return Ok(None) };
            return self.door.open(&account::whose(id), address).await;
        }
        let Ok(key) = sent.by.parse() else { return Ok(None) };
        let key = self.store.load::<ApiKey>(sent.event.workspace, &key).await?.state;
        Ok(key.terms().map(|terms| terms.name.clone()))
    }
}
