//! A vault in memory: forgets when it is told to, and is away when it is told to.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use domain::ids::WorkspaceId;
use domain::pii::{Class, LONGEST, Lookup, Opened, Place, Sealed, Whose};
use sha2::{Digest, Sha256};

use super::{Ask, Vault, VaultError};

/// A vault in memory. What it seals is a ticket for what it keeps.
#[derive(Debug, Default)]
pub struct FakeVault(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    texts: HashMap<Sealed, (Whose, Place, String)>,
    destroyed: HashSet<(Whose, Class)>,
    away: bool,
}

impl FakeVault {
    /// From now on it does not answer; or does again.
    pub fn set_away(&self, away: bool) {
        self.kept().away = away;
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().expect("nothing panics with the vault open")
    }

    fn answering(&self) -> Result<MutexGuard<'_, Kept>, VaultError> {
        let kept = self.kept();
        if kept.away { Err(VaultError::Unavailable("connection refused".into())) } else { Ok(kept) }
    }
}

#[async_trait]
impl Vault for FakeVault {
    async fn seal(&self, whose: &Whose, place: Place, text: &str) -> Result<Sealed, VaultError> {
        let mut kept = self.answering()?;
        if kept.destroyed.contains(&(whose.clone(), place.class)) {
            return Err(VaultError::Erased);
        }
        if text.len() > LONGEST {
            return Err(VaultError::TooLong);
        }
        let ticket = format!("{:0>75}", kept.texts.len());
        let sealed =
            Sealed::of_parts(&"A".repeat(22), &ticket).expect("a ticket has the form of an envelope");
        kept.texts.insert(sealed.clone(), (whose.clone(), place, text.to_owned()));
        Ok(sealed)
    }

    async fn open(&self, asks: &[Ask]) -> Vec<Opened> {
        let kept = self.kept();
        let open = |ask: &Ask| match kept.texts.get(&ask.sealed) {
            _ if kept.away => Opened::Unavailable,
            None => Opened::Unavailable,
            Some((whose, place, _)) if *whose != ask.whose || place.class != ask.place.class => {
                Opened::Denied
            }
            Some((whose, place, _)) if kept.destroyed.contains(&(whose.clone(), place.class)) => {
                Opened::Erased
            }
            Some((_, place, _)) if *place != ask.place => Opened::Denied,
            Some((_, _, text)) => Opened::Plain(text.clone()),
        };
        asks.iter().map(open).collect()
    }

    async fn lookup(&self, workspace: WorkspaceId, index: &str, text: &str) -> Result<Lookup, VaultError> {
        drop(self.answering()?);
        let digest = Sha256::digest(format!("fake\0{workspace}\0{index}\0{text}"));
        let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(digits.parse().expect("a digest has 32 bytes"))
    }

    async fn destroy(&self, whose: &Whose, classes: &BTreeSet<Class>) -> Result<(), VaultError> {
        let mut kept = self.answering()?;
        kept.destroyed.extend(classes.iter().map(|&class| (whose.clone(), class)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use domain::ids::CustomerId;
    use domain::pii::{Pii, SubjectId};
    use uuid::Uuid;

    use super::*;
    use crate::port::vault::seal;

    domain::personal! {
        Email = "test.somebody", "email", Contact;
        Name = "test.somebody", "name", Contact;
        Note = "test.somebody", "note", Content;
    }

    fn whose(workspace: u128, customer: u128) -> Whose {
        let subject = SubjectId::from(CustomerId::from_uuid(Uuid::from_u128(customer)));
        Whose::new(WorkspaceId::from_uuid(Uuid::from_u128(workspace)), subject)
    }

    #[tokio::test]
    async fn opens_where_it_was_sealed_for_and_nowhere_else() {
        let (vault, jane) = (FakeVault::default(), whose(1, 1));
        let email: Pii<Email> = seal(&vault, &jane, "jane@example.com").await.unwrap();
        let again: Pii<Email> = seal(&vault, &jane, "jane@example.com").await.unwrap();
        assert_ne!(email, again);
        let moved = Pii::<Name>::new(email.sealed().clone());
        let asks = [
            Ask::of(&jane, &email),
            Ask::of(&whose(1, 2), &email),
            Ask::of(&whose(2, 1), &email),
            Ask::of(&jane, &moved),
        ];
        let opened = vault.open(&asks).await;
        assert_eq!(opened[0], Opened::Plain("jane@example.com".into()));
        assert_eq!(opened[1..], [Opened::Denied, Opened::Denied, Opened::Denied]);
    }

    #[tokio::test]
    async fn what_is_destroyed_is_erased_and_all_else_stays() {
        let (vault, jane) = (FakeVault::default(), whose(1, 1));
        let email: Pii<Email> = seal(&vault, &jane, "jane@example.com").await.unwrap();
        let note: Pii<Note> = seal(&vault, &jane, "likes tea").await.unwrap();
        let asks = [Ask::of(&jane, &email), Ask::of(&jane, &note)];
        for _ in 0..2 {
            vault.destroy(&jane, &[Class::Contact].into()).await.unwrap();
            assert_eq!(vault.open(&asks).await, [Opened::Erased, Opened::Plain("likes tea".into())]);
        }
        let refused = seal::<Email>(&vault, &jane, "jane@example.com").await.unwrap_err();
        assert!(matches!(refused, crate::Error::Refused(refused) if refused.code == "subject/erased"));
    }

    #[tokio::test]
    async fn away_it_says_nothing_of_erasures() {
        let (vault, jane) = (FakeVault::default(), whose(1, 1));
        let email: Pii<Email> = seal(&vault, &jane, "jane@example.com").await.unwrap();
        vault.destroy(&jane, &[Class::Contact].into()).await.unwrap();
        vault.set_away(true);
        assert_eq!(vault.open(&[Ask::of(&jane, &email)]).await, [Opened::Unavailable]);
        let error = seal::<Email>(&vault, &jane, "jane@example.com").await.unwrap_err();
        assert!(matches!(error, crate::Error::Unavailable(_)));
        assert!(vault.lookup(jane.workspace, "email", "jane@example.com").await.is_err());
        vault.set_away(false);
        assert_eq!(vault.open(&[Ask::of(&jane, &email)]).await, [Opened::Erased]);
    }

    #[tokio::test]
    async fn a_keyed_hash_is_of_its_workspace_and_index() {
        let vault = FakeVault::default();
        let (here, there) = (whose(1, 1).workspace, whose(2, 1).workspace);
        let hash = vault.lookup(here, "email", "jane@example.com").await.unwrap();
        assert_eq!(vault.lookup(here, "email", "jane@example.com").await, Ok(hash.clone()));
        for (workspace, index, text) in [
            (there, "email", "jane@example.com"),
            (here, "phone", "jane@example.com"),
            (here, "email", "jane@example.org"),
        ] {
            assert_ne!(vault.lookup(workspace, index, text).await, Ok(hash.clone()));
        }
    }
}
