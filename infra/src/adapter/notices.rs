//! Notices: what payment providers tell unasked, kept in PostgreSQL as it came.
//!
//! Bodies may hold personal data of buyers; they are no part of the log and are removed after a time.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use commands::Intake;
use commands::port::payment::notice::{Kept, NoBook, Notices, Standing};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How many are tried again in one go.
const AT_ONCE: i64 = 100;
/// How much of what nobody signed is kept.
const OF_UNSIGNED: i32 = 1024;
/// When one that a crash has left half heard is tried again.
const LEFT: TimeDelta = TimeDelta::minutes(1);
/// How often what is due is looked for.
const BEAT: Duration = Duration::from_secs(2);

/// Notices in the table `payment_notices`.
#[derive(Debug, Clone)]
pub struct PgNotices(pub PgPool);

fn no_book(error: sqlx::Error) -> NoBook {
    NoBook(error.to_string())
}

#[async_trait]
impl Notices for PgNotices {
    async fn keep(&self, notice: &Kept, signature: Option<&str>) -> Result<(), NoBook> {
        sqlx::query(
            "insert into payment_notices (id, provider, signature, body, received_at) values ($1, $2, $3, $4, $5)",
        )
        .bind(notice.id)
        .bind(&notice.provider)
        .bind(signature)
        .bind(&notice.body)
        .bind(notice.received_at)
        .execute(&self.0)
        .await
        .map(drop)
        .map_err(no_book)
    }

    async fn name(&self, id: Uuid, name: &str) -> Result<Option<(Uuid, Standing)>, NoBook> {
        let named = sqlx::query(
            "update payment_notices as mine set name = $2, again_at = received_at + $3
             where id = $1 and not exists (
                 select from payment_notices as first
                 where first.provider = mine.provider and first.name = $2 and first.standing <> 'copy'
                     and first.id <> $1)",
        )
        .bind(id)
        .bind(name)
        .bind(LEFT)
        .execute(&self.0)
        .await;
        match named {
            Ok(done) if done.rows_affected() == 1 => return Ok(None),
            // Two came at once, and the other was first.
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {}
            Err(error) => return Err(no_book(error)),
            Ok(_) => {}
        }
        let first: (Uuid, String) = sqlx::query_as(
            "select first.id, first.standing from payment_notices as first
             join payment_notices as mine on mine.provider = first.provider
             where mine.id = $1 and first.name = $2 and first.standing <> 'copy'",
        )
        .bind(id)
        .bind(name)
        .fetch_one(&self.0)
        .await
        .map_err(no_book)?;
        let standing = first.1.parse().map_err(|_| NoBook(format!("`{}` is unknown here", first.1)))?;
        Ok(Some((first.0, standing)))
    }

    async fn stand(
        &self,
        id: Uuid,
        standing: Standing,
        why: &str,
        again_at: Option<DateTime<Utc>>,
    ) -> Result<(), NoBook> {
        sqlx::query(
            "update payment_notices
             set standing = $2, why = $3, again_at = $4, tries = tries + 1,
                 body = case when $2 = 'refused' then substring(body for $5) else body end
             where id = $1 and standing not in ('taken', 'copy')",
        )
        .bind(id)
        .bind(standing.as_ref())
        .bind(why)
        .bind(again_at)
        .bind(OF_UNSIGNED)
        .execute(&self.0)
        .await
        .map(drop)
        .map_err(no_book)
    }

    async fn due(&self, now: DateTime<Utc>) -> Result<Vec<Kept>, NoBook> {
        let due: Vec<(Uuid, String, Vec<u8>, DateTime<Utc>)> = sqlx::query_as(
            "select id, provider, body, received_at from payment_notices
             where standing in ('received', 'waiting') and name is not null and again_at <= $1
             order by again_at, id limit $2",
        )
        .bind(now)
        .bind(AT_ONCE)
        .fetch_all(&self.0)
        .await
        .map_err(no_book)?;
        let kept = |(id, provider, body, received_at)| Kept { id, provider, body, received_at };
        Ok(due.into_iter().map(kept).collect())
    }

    async fn forget(&self, refused: DateTime<Utc>, taken: DateTime<Utc>) -> Result<(), NoBook> {
        sqlx::query(
            "delete from payment_notices
             where standing = 'refused' and received_at < $1
                 or standing in ('taken', 'copy') and received_at < $2",
        )
        .bind(refused)
        .bind(taken)
        .execute(&self.0)
        .await
        .map(drop)
        .map_err(no_book)
    }
}

/// Tries again what is due, until it is stopped.
pub async fn try_again(intake: Intake, stop: CancellationToken) {
    let mut beat = tokio::time::interval(BEAT);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = beat.tick() => {}
        }
        if let Err(error) = intake.try_again().await {
            tracing::warn!(%error, "notices of payment providers wait: {error}");
        }
    }
}
