//! Denials: who was turned away is recorded: the first of a kind at once, and what follows within a minute as one event.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, TimeDelta, Utc};
use domain::identity::denial::{Denial, DenialCommand, Origin, Reason, Who};
use domain::ids::{AccountId, WorkspaceId};
use domain::pii::Pii;

use crate::clock::Clock;
use crate::context::{Actor, Context};
use crate::error::Result;
use crate::identity::account::whose;
use crate::identity::workspace::PLATFORM;
use crate::port::vault::{Vault, seal};
use crate::store::EventStore;

/// How long denials of a kind are counted before they are told again.
const COUNTED: TimeDelta = TimeDelta::minutes(1);

/// Denials that are told as one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Sort {
    Permission { workspace: WorkspaceId, who: Who, scope: String },
    SignIn { account: Option<AccountId>, reason: Reason },
}

/// What followed the first of a sort.
#[derive(Debug, Clone, Copy)]
struct Followed {
    since: DateTime<Utc>,
    count: i64,
    /// Where the first of them came from.
    origin: Option<IpAddr>,
}

/// Records denials, and counts what is not worth an event of its own.
pub struct Denials {
    store: EventStore,
    clock: Arc<dyn Clock>,
    vault: Arc<dyn Vault>,
    followed: Mutex<HashMap<Sort, Followed>>,
}

impl Denials {
    #[must_use]
    pub fn new(store: EventStore, clock: Arc<dyn Clock>, vault: Arc<dyn Vault>) -> Self {
        Self { store, clock, vault, followed: Mutex::default() }
    }

    /// Somebody lacks a scope.
    pub async fn permission(&self, workspace: WorkspaceId, who: &Actor, scope: &str) {
        let who = match who {
            Actor::Key(id) => Who::Key(*id),
            Actor::Account(id) => Who::Account(*id),
            // Parts of the platform lack nothing, and who is nobody was told so.
            Actor::Visitor | Actor::Process(_) | Actor::Effect(_) | Actor::Job(_) => return,
        };
        let scope = scope.to_owned();
        self.tell(Sort::Permission { workspace, who, scope }, None).await;
    }

    /// Somebody is not let in.
    pub async fn sign_in(&self, account: Option<AccountId>, reason: Reason, origin: IpAddr) {
        self.tell(Sort::SignIn { account, reason }, Some(origin)).await;
    }

    async fn tell(&self, sort: Sort, origin: Option<IpAddr>) {
        let since = self.clock.now();
        {
            let mut followed = self.followed.lock().expect("nobody panics with it");
            if let Some(followed) = followed.get_mut(&sort) {
                (followed.since, followed.origin) = match followed.count {
                    0 => (since, origin),
                    _ => (followed.since, followed.origin),
                };
                followed.count += 1;
                return;
            }
            followed.insert(sort.clone(), Followed { since, count: 0, origin: None });
        }
        self.record(sort, Followed { since, count: 1, origin }).await;
    }

    /// Records what has been counted for a minute; all of it if this is the end.
    pub async fn flush(&self, is_the_end: bool) {
        let now = self.clock.now();
        let due: Vec<(Sort, Followed)> = {
            let mut followed = self.followed.lock().expect("nobody panics with it");
            followed.extract_if(|_, followed| is_the_end || now >= followed.since + COUNTED).collect()
        };
        for (sort, followed) in due {
            if followed.count > 0 {
                self.record(sort, followed).await;
            }
        }
    }

    /// What cannot be recorded now is told in the process's own log: whoever was turned away does not wait for it.
    async fn record(&self, sort: Sort, what: Followed) {
        if let Err(error) = self.try_to_record(sort, what).await {
            tracing::error!(error = %error, count = what.count, "denials are not recorded");
        }
    }

    async fn try_to_record(&self, sort: Sort, Followed { since, count, origin }: Followed) -> Result<()> {
        let (workspace, id, command) = match sort {
            Sort::Permission { workspace, who, scope } => {
                (workspace, who, DenialCommand::Permission { scope, count, since })
            }
            Sort::SignIn { account, reason } => {
                // Whose address it is, where there is no account, nobody can say, nor ever erase.
                let origin: Option<Pii<Origin>> = match account.zip(origin) {
                    Some((account, origin)) => {
                        seal(&*self.vault, &whose(account), &origin.to_string()).await.ok()
                    }
                    None => None,
                };
                let id = account.map_or(Who::Unknown, Who::Account);
                (PLATFORM, id, DenialCommand::SignIn { reason, count, since, origin })
            }
        };
        let actor = Actor::Job("denials");
        let cx = Context::internal(self.store.clone(), self.clock.clone(), workspace, actor);
        cx.execute::<Denial>(id, command).await.map(|_| ())
    }
}
