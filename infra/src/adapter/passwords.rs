//! Passwords: hashed with Argon2id, for a few at once.
//!
//! A hash takes a core and 19 MiB for a while. So there are fewer at once than cores, that signing in starves nobody; who
//! comes when the queue is full is sent away, and comes again.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, Params, PasswordHasher, PasswordVerifier};
use async_trait::async_trait;
use commands::port::password::{Busy, Passwords};
use tokio::sync::Semaphore;

/// Argon2id with a queue.
pub struct Argon2Passwords {
    argon: Argon2<'static>,
    /// Hashes at once.
    places: Semaphore,
    /// Hashes at once and those that wait.
    queue: Semaphore,
    /// What is looked at where there is no password, so that it takes as long.
    nobodys: String,
}

impl Argon2Passwords {
    /// As OWASP has it: 19 MiB, twice over.
    ///
    /// # Panics
    /// If no hash can be made.
    #[must_use]
    pub fn new(at_once: usize, waiting: usize) -> Arc<Self> {
        Self::with(Params::default(), at_once, waiting)
    }

    fn with(params: Params, at_once: usize, waiting: usize) -> Arc<Self> {
        let argon = Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
        let nobodys =
            argon.hash_password(&rand::random::<[u8; 32]>()).expect("random bytes are hashed").to_string();
        Arc::new(Self {
            argon,
            places: Semaphore::new(at_once),
            queue: Semaphore::new(at_once + waiting),
            nobodys,
        })
    }

    /// Works apart from all that must not wait.
    async fn slowly<T: Send + 'static>(
        &self,
        work: impl FnOnce(Argon2<'static>) -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let _queued = self.queue.try_acquire().map_err(|_| Busy)?;
        let _place = self.places.acquire().await.map_err(|_| Busy)?;
        let argon = self.argon.clone();
        tokio::task::spawn_blocking(move || work(argon)).await.map_err(|_| Busy)
    }
}

#[async_trait]
impl Passwords for Argon2Passwords {
    async fn hash(&self, password: &str) -> Result<String, Busy> {
        let password = password.to_owned();
        let hash =
            self.slowly(move |argon| argon.hash_password(password.as_bytes()).map(|hash| hash.to_string()));
        hash.await?.map_err(|error| {
            tracing::error!(error = %error, "a password cannot be hashed");
            Busy
        })
    }

    async fn check(&self, password: &str, hash: Option<&str>) -> Result<bool, Busy> {
        let (password, is_somebodys) = (password.to_owned(), hash.is_some());
        let hash = hash.unwrap_or(&self.nobodys).to_owned();
        let is_right = self.slowly(move |argon| {
            let hash = PasswordHash::new(&hash);
            hash.is_ok_and(|hash| argon.verify_password(password.as_bytes(), &hash).is_ok())
        });
        Ok(is_right.await? && is_somebodys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quick(at_once: usize, waiting: usize) -> Arc<Argon2Passwords> {
        Argon2Passwords::with(Params::new(Params::MIN_M_COST, 1, 1, None).unwrap(), at_once, waiting)
    }

    #[tokio::test]
    async fn a_password_is_known_again_and_two_hashes_of_one_differ() {
        let passwords = quick(1, 8);
        let hash = passwords.hash("correct horse battery").await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$"));
        assert!(passwords.check("correct horse battery", Some(&hash)).await.unwrap());
        assert!(!passwords.check("correct horse batterY", Some(&hash)).await.unwrap());
        assert!(!passwords.check("correct horse battery", Some("no hash")).await.unwrap());
        assert!(!passwords.check("correct horse battery", None).await.unwrap());
        assert_ne!(passwords.hash("correct horse battery").await.unwrap(), hash);
    }

    #[test]
    fn takes_the_time_and_room_that_are_recommended() {
        let params = Params::default();
        assert_eq!((params.m_cost(), params.t_cost(), params.p_cost()), (19 * 1024, 2, 1));
    }

    #[tokio::test]
    async fn who_comes_when_the_queue_is_full_is_sent_away() {
        let passwords = quick(1, 1);
        let held = passwords.places.acquire().await.unwrap();
        let first = tokio::spawn({
            let passwords = passwords.clone();
            async move { passwords.hash("x").await }
        });
        let second = tokio::spawn({
            let passwords = passwords.clone();
            async move { passwords.hash("x").await }
        });
        while passwords.queue.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(passwords.hash("x").await, Err(Busy));
        assert_eq!(passwords.check("x", None).await, Err(Busy));
        drop(held);
        assert!(first.await.unwrap().is_ok() && second.await.unwrap().is_ok());
        assert!(passwords.hash("x").await.is_ok());
    }
}
