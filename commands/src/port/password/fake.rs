//! Passwords hashed quickly, for tests that are not about the hash.

use async_trait::async_trait;
use sha2::{Digest, Sha256};

use super::{Busy, Passwords};

/// Hashes in no time, and tells how often it was asked.
#[derive(Debug, Default)]
pub struct QuickPasswords;

#[async_trait]
impl Passwords for QuickPasswords {
    async fn hash(&self, password: &str) -> Result<String, Busy> {
        Ok(Sha256::digest(format!("quick\0{password}")).iter().map(|byte| format!("{byte:02x}")).collect())
    }

    async fn check(&self, password: &str, hash: Option<&str>) -> Result<bool, Busy> {
        let made = self.hash(password).await?;
        Ok(hash == Some(made.as_str()))
    }
}
