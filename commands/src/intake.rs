//! Intake: what payment providers tell unasked is kept, believed or not, and taken in, now or later.
//!
//! kept as it came → signature → the first of its name? → the charge as its provider shows it when asked → recorded.
//! What is not known yet (a notice may come before the answer it tells of) or cannot be asked for now is tried again at
//! the times of `TRIES`, and in the end set aside for a person. Nothing is acknowledged and dropped.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use tracing::instrument;
use uuid::Uuid;

use crate::clock::Clock;
use crate::finance::payment;
use crate::port::payment::notice::{About, Kept, Listener, NoBook, Notices, Standing};
use crate::port::payment::{Charge, GatewayError, PaymentGateway, Which};
use crate::{Actor, Context, Error, EventStore};

/// When a notice is tried again, counted from its coming.
const TRIES: [TimeDelta; 12] = [
    TimeDelta::seconds(5),
    TimeDelta::seconds(30),
    TimeDelta::minutes(2),
    TimeDelta::minutes(5),
    TimeDelta::minutes(20),
    TimeDelta::hours(1),
    TimeDelta::hours(6),
    TimeDelta::days(1),
    TimeDelta::days(2),
    TimeDelta::days(3),
    TimeDelta::days(5),
    TimeDelta::days(7),
];
/// How long what was refused is kept, and what was taken in.
const REFUSED_KEPT: TimeDelta = TimeDelta::days(1);
const TAKEN_KEPT: TimeDelta = TimeDelta::days(90);

/// Takes in what providers tell. Cheap to clone.
#[derive(Clone)]
pub struct Intake {
    pub store: EventStore,
    pub clock: Arc<dyn Clock>,
    pub gateway: Arc<dyn PaymentGateway>,
    pub listeners: Vec<Arc<dyn Listener>>,
    pub notices: Arc<dyn Notices>,
}

/// What became of a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// All that follows from it is recorded, or nothing follows.
    Taken,
    /// It is kept, and tried again.
    Kept,
}

/// Why a notice is not heard.
#[derive(Debug, thiserror::Error)]
pub enum Unheard {
    #[error("nobody of this name tells anything here")]
    NoSuchProvider,
    #[error("it is not signed, or by somebody else, or at another time")]
    Unsigned,
    #[error("it is no notice of this provider")]
    NoNotice,
    #[error(transparent)]
    NoBook(#[from] NoBook),
}

impl Intake {
    /// The reader of this provider's notices; of the first one, where no name is given.
    ///
    /// # Errors
    /// [`Unheard::NoSuchProvider`].
    pub fn listener(&self, provider: Option<&str>) -> Result<&dyn Listener, Unheard> {
        let mut all = self.listeners.iter();
        let found = match provider {
            None => all.next(),
            Some(name) => all.find(|listener| listener.provider() == name),
        };
        found.map(|listener| &**listener).ok_or(Unheard::NoSuchProvider)
    }

    /// Hears a notice.
    ///
    /// # Errors
    /// [`Unheard`]; it is kept all the same, but where it cannot be or nobody tells under this name.
    #[instrument(name = "notice.hear", skip_all, fields(provider = listener.provider()))]
    pub async fn hear(
        &self,
        listener: &dyn Listener,
        signature: Option<&str>,
        body: Vec<u8>,
    ) -> Result<Heard, Unheard> {
        let now = self.clock.now();
        let provider = listener.provider().to_owned();
        let kept = Kept { id: Uuid::now_v7(), provider, body, received_at: now };
        self.notices.keep(&kept, signature).await?;
        let signed = signature.is_some_and(|signature| listener.check(signature, &kept.body, now).is_ok());
        if !signed {
            self.notices.stand(kept.id, Standing::Refused, "unsigned", None).await?;
            return Err(Unheard::Unsigned);
        }
        let Some(hint) = listener.read(&kept.body) else {
            self.notices.stand(kept.id, Standing::SetAside, "unreadable", None).await?;
            return Err(Unheard::NoNotice);
        };
        let first = match self.notices.name(kept.id, &hint.id).await? {
            None => kept,
            Some((first, standing)) => {
                self.notices.stand(kept.id, Standing::Copy, "", None).await?;
                match standing {
                    Standing::Taken | Standing::SetAside => return Ok(Heard::Taken),
                    _ => Kept { id: first, ..kept },
                }
            }
        };
        self.try_to_take(&first, &hint.id, &hint.about).await
    }

    /// Tries again what is due, and removes what needs no keeping any more. How many were tried.
    ///
    /// # Errors
    /// [`NoBook`].
    pub async fn try_again(&self) -> Result<usize, NoBook> {
        let now = self.clock.now();
        let due = self.notices.due(now).await?;
        for kept in &due {
            let listener = self.listener(Some(&kept.provider)).ok();
            match listener.and_then(|listener| listener.read(&kept.body)) {
                Some(hint) => {
                    if let Err(Unheard::NoBook(error)) = self.try_to_take(kept, &hint.id, &hint.about).await {
                        return Err(error);
                    }
                }
                None => self.notices.stand(kept.id, Standing::SetAside, "unreadable", None).await?,
            }
        }
        self.notices.forget(now - REFUSED_KEPT, now - TAKEN_KEPT).await?;
        Ok(due.len())
    }

    async fn try_to_take(&self, kept: &Kept, name: &str, about: &About) -> Result<Heard, Unheard> {
        match self.take_in(name, about).await {
            Ok(()) => {
                self.notices.stand(kept.id, Standing::Taken, "", None).await?;
                Ok(Heard::Taken)
            }
            Err(NotTaken::Never(why)) => {
                tracing::warn!(notice = name, why, "a signed notice is of nothing here: {why}");
                self.notices.stand(kept.id, Standing::SetAside, &why, None).await?;
                Ok(Heard::Taken)
            }
            Err(NotTaken::Yet(why)) => {
                let again_at = next_try(kept.received_at, self.clock.now());
                let standing = if again_at.is_some() { Standing::Waiting } else { Standing::SetAside };
                if again_at.is_none() {
                    tracing::error!(notice = name, why, "a notice could not be taken in for a week: {why}");
                }
                self.notices.stand(kept.id, standing, &why, again_at).await?;
                Ok(Heard::Kept)
            }
        }
    }

    async fn take_in(&self, notice: &str, about: &About) -> Result<(), NotTaken> {
        let reference = match about {
            About::Nothing => return Ok(()),
            About::Reference(reference) => reference.clone(),
            About::Charge(charge) => {
                if payment::is_recorded(&self.telling(notice, charge), charge).await? {
                    return Ok(());
                }
                charge.id.clone()
            }
        };
        let charge = match self.gateway.find(&Which::OfReference(reference)).await {
            Ok(Some(charge)) => charge,
            Ok(None) => return Err(NotTaken::Yet("the provider does not know it (yet)".into())),
            Err(GatewayError::Rejected(code)) => return Err(NotTaken::Never(code)),
            Err(error) => return Err(NotTaken::Yet(error.to_string())),
        };
        Ok(payment::observe(&self.telling(notice, &charge), &charge).await?)
    }

    /// Commands of a notice have ids that come from its own: told twice, it happens once.
    fn telling(&self, notice: &str, charge: &Charge) -> Context {
        let workspace = charge.metadata.workspace;
        let id = Uuid::new_v5(&workspace.uuid(), format!("notice\0{notice}").as_bytes());
        let actor = Actor::Effect("take_in_what_gateway_tells");
        let (store, clock) = (self.store.clone(), self.clock.clone());
        let mut cx = Context::internal(store, clock, workspace, actor).identified(id);
        cx.correlation = id;
        cx
    }
}

/// Why a notice is not taken in.
#[derive(Debug)]
enum NotTaken {
    Yet(String),
    Never(String),
}

/// Whatever it is, it may be otherwise later: a payment that nobody knows may still come.
impl From<Error> for NotTaken {
    fn from(error: Error) -> Self {
        Self::Yet(error.to_string())
    }
}

fn next_try(received_at: DateTime<Utc>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    TRIES.into_iter().map(|after| received_at + after).find(|at| *at > now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_tried_for_a_week() {
        let came = DateTime::UNIX_EPOCH;
        assert_eq!(next_try(came, came), Some(came + TimeDelta::seconds(5)));
        assert_eq!(next_try(came, came + TimeDelta::seconds(5)), Some(came + TimeDelta::seconds(30)));
        assert_eq!(next_try(came, came + TimeDelta::hours(7)), Some(came + TimeDelta::days(1)));
        assert_eq!(next_try(came, came + TimeDelta::days(7)), None);
    }
}
