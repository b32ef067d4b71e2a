//! Keys: who may do what in a test, without a log of it.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use api::key::{Key, KeyRing, ShownKey};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::ids::{ApiKeyId, WorkspaceId};
use uuid::Uuid;

/// Keys by id; what is done to them shows at once.
#[derive(Clone, Default)]
pub struct Keys(Arc<Mutex<HashMap<(WorkspaceId, ApiKeyId), Key>>>);

#[async_trait]
impl KeyRing for Keys {
    async fn find(&self, workspace: WorkspaceId, id: ApiKeyId) -> commands::Result<Option<Key>> {
        Ok(self.0.lock().unwrap().get(&(workspace, id)).cloned())
    }
}

impl Keys {
    /// A new key, as its owner shows it.
    pub fn issue(&self, workspace: WorkspaceId, scopes: &[&str]) -> ShownKey {
        let shown = ShownKey::mint(workspace, ApiKeyId::from_uuid(Uuid::now_v7()));
        let scopes: BTreeSet<String> = scopes.iter().map(|&scope| scope.to_owned()).collect();
        let hash = shown.secret_hash();
        let key = Key {
            scopes: Arc::new(scopes),
            secret_hash: hash,
            expires_at: None,
            revoked: false,
            suspended: false,
        };
        self.0.lock().unwrap().insert((workspace, shown.id), key);
        shown
    }

    pub fn revoke(&self, shown: &ShownKey) {
        self.0.lock().unwrap().get_mut(&(shown.workspace, shown.id)).unwrap().revoked = true;
    }

    pub fn expire(&self, shown: &ShownKey, at: DateTime<Utc>) {
        self.0.lock().unwrap().get_mut(&(shown.workspace, shown.id)).unwrap().expires_at = Some(at);
    }
}
