//! Credentials: rows of the vault's database, sealed, apart from the log (docs/adr/0023).

use async_trait::async_trait;
use commands::port::credential::{Credentials, NotKept};
use domain::ids::{AccountId, CredentialId};
use domain::pii::Sealed;
use sqlx::PgPool;

/// Credentials in PostgreSQL, as the vault's role.
pub struct PgCredentials {
    pool: PgPool,
}

impl PgCredentials {
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }
}

fn not_kept(error: impl std::fmt::Display) -> NotKept {
    NotKept(error.to_string())
}

#[async_trait]
impl Credentials for PgCredentials {
    async fn keep(&self, id: CredentialId, of: AccountId, sealed: &Sealed) -> Result<(), NotKept> {
        sqlx::query!(
            "insert into vault.credentials (id, account_id, sealed) values ($1, $2, $3) on conflict (id) do nothing",
            id.uuid(),
            of.uuid(),
            sealed.as_str(),
        )
        .execute(&self.pool)
        .await
        .map_err(not_kept)?;
        Ok(())
    }

    async fn find(&self, id: CredentialId) -> Result<Option<Sealed>, NotKept> {
        let found = sqlx::query_scalar!("select sealed from vault.credentials where id = $1", id.uuid())
            .fetch_optional(&self.pool)
            .await
            .map_err(not_kept)?;
        found.map(|sealed| sealed.parse().map_err(not_kept)).transpose()
    }

    async fn discard(&self, id: CredentialId) -> Result<(), NotKept> {
        sqlx::query!("delete from vault.credentials where id = $1", id.uuid())
            .execute(&self.pool)
            .await
            .map_err(not_kept)?;
        Ok(())
    }

    async fn discard_all(&self, of: AccountId) -> Result<(), NotKept> {
        sqlx::query!("delete from vault.credentials where account_id = $1", of.uuid())
            .execute(&self.pool)
            .await
            .map_err(not_kept)?;
        Ok(())
    }
}
