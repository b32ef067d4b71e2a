//! Credentials in memory.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use domain::ids::{AccountId, CredentialId};
use domain::pii::Sealed;

use super::{Credentials, NotKept};

/// Credentials in memory.
#[derive(Debug, Default)]
pub struct FakeCredentials(Mutex<HashMap<CredentialId, (AccountId, Sealed)>>);

impl FakeCredentials {
    /// How many are kept.
    #[must_use]
    pub fn count(&self) -> usize {
        self.kept().len()
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<CredentialId, (AccountId, Sealed)>> {
        self.0.lock().expect("nothing panics with them open")
    }
}

#[async_trait]
impl Credentials for FakeCredentials {
    async fn keep(&self, id: CredentialId, of: AccountId, sealed: &Sealed) -> Result<(), NotKept> {
        self.kept().entry(id).or_insert_with(|| (of, sealed.clone()));
        Ok(())
    }

    async fn find(&self, id: CredentialId) -> Result<Option<Sealed>, NotKept> {
        Ok(self.kept().get(&id).map(|(_, sealed)| sealed.clone()))
    }

    async fn discard(&self, id: CredentialId) -> Result<(), NotKept> {
        self.kept().remove(&id);
        Ok(())
    }

    async fn discard_all(&self, of: AccountId) -> Result<(), NotKept> {
        self.kept().retain(|_, (owner, _)| *owner != of);
        Ok(())
    }
}
