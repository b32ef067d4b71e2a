//! Keys: who may do what in a test, without a log of it; and those that are in the log, where there is one.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use api::key::{Key, KeyRing, Logged, ShownKey};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use commands::EventStore;
use domain::identity::api_key::{ApiKey, ApiKeyEvent, Terms};
use domain::ids::{ApiKeyId, WorkspaceId};
use domain::kernel::Decider;
use uuid::Uuid;

/// Keys by id; what is done to them shows at once.
#[derive(Clone, Default)]
pub struct Keys(Arc<Mutex<HashMap<(WorkspaceId, ApiKeyId), ApiKey>>>);

/// These keys, and those of a log.
pub struct AndLogged(Keys, Logged);

#[async_trait]
impl KeyRing for Keys {
    async fn find(&self, workspace: WorkspaceId, id: ApiKeyId) -> commands::Result<Option<Key>> {
        let known = self.0.lock().unwrap().get(&(workspace, id)).cloned();
        Ok(known.and_then(|known| Key::of(Arc::new(known), false)))
    }
}

#[async_trait]
impl KeyRing for AndLogged {
    async fn find(&self, workspace: WorkspaceId, id: ApiKeyId) -> commands::Result<Option<Key>> {
        match self.0.find(workspace, id).await? {
            Some(key) => Ok(Some(key)),
            None => self.1.find(workspace, id).await,
        }
    }
}

impl Keys {
    /// The same keys, and those of a log that is heard.
    #[must_use]
    pub fn over(self, store: EventStore) -> AndLogged {
        AndLogged(self, Logged { store, is_heard: Box::new(|| true) })
    }

    /// A new key, as its owner shows it.
    pub fn issue(&self, workspace: WorkspaceId, scopes: &[&str]) -> ShownKey {
        let shown = ShownKey::mint(workspace, ApiKeyId::from_uuid(Uuid::now_v7()));
        let scopes: BTreeSet<String> = scopes.iter().map(|&scope| scope.to_owned()).collect();
        self.become_of(&shown, ApiKeyEvent::Issued(terms(&shown, scopes, None)));
        shown
    }

    pub fn revoke(&self, shown: &ShownKey) {
        self.become_of(shown, ApiKeyEvent::Revoked);
    }

    pub fn expire(&self, shown: &ShownKey, at: DateTime<Utc>) {
        let known = self.0.lock().unwrap()[&(shown.workspace, shown.id)].clone();
        let scopes = known.terms().unwrap().scopes.clone();
        self.become_of(shown, ApiKeyEvent::Issued(terms(shown, scopes, Some(at))));
    }

    fn become_of(&self, shown: &ShownKey, event: ApiKeyEvent) {
        self.0.lock().unwrap().entry((shown.workspace, shown.id)).or_default().evolve(event);
    }
}

fn terms(shown: &ShownKey, scopes: BTreeSet<String>, expires_at: Option<DateTime<Utc>>) -> Terms {
    let (name, networks) = ("test".to_owned(), BTreeSet::new());
    Terms { name, scopes, secret_hash: shown.secret_hash(), expires_at, networks }
}
