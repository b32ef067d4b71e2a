//! Checkpoints: how far a subscription is, and who may move it.
//!
//! Their transactions need not be on disk when they end, and a crash of the database may undo the last of them. So
//! each says after which one it comes (the revision), and the owner looks now and then whether its last one still
//! stands: what was forgotten is found, also if no position told it, and the owner starts again from what is left. A
//! claim is on disk before anything follows from it, and all that was written before it is too.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use commands::Result;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::{Host, Stopped};

/// How often an owner looks whether its checkpoint stands where it was written last. A lost deadline is found as late.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The right to move a subscription's checkpoint.
#[derive(Debug)]
pub struct Claim {
    pub name: String,
    pub owner: Uuid,
    pub epoch: i64,
    /// The position it was at when it was claimed.
    pub position: i64,
    /// How often it was written since.
    revision: AtomicI64,
}

/// What became of an attempt to move a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    Yes,
    /// The claim is void: roll back, and forget all that follows from it.
    Void,
}

impl Moved {
    pub(super) fn only_if(stands: bool) -> Self {
        if stands { Self::Yes } else { Self::Void }
    }
}

/// What says how far a view is, and is moved in the transaction of its rows.
#[async_trait]
pub(super) trait Checkpoint: Send + Sync {
    /// Everything up to this position is applied; called inside the caller's transaction.
    async fn advance(&self, transaction: &mut PgConnection, upto: i64) -> Result<Moved, sqlx::Error>;

    /// The transaction of the last [`Checkpoint::advance`] was committed.
    fn committed(&self);
}

impl Claim {
    /// Waits until the subscription is free, and claims it. `None` if told to stop meanwhile.
    ///
    /// # Errors
    /// [`Stopped::Failed`] if it was read from Kafka's partitions, and some are further than others.
    pub async fn acquire(host: &Host, name: &str) -> Result<Option<Self>, Stopped> {
        loop {
            match try_claim(host, name).await {
                Ok(Some(Ok(claim))) => return Ok(Some(claim)),
                Ok(Some(Err(Ahead))) => {
                    let what =
                        format!("it is ahead in parts, read from Kafka: run `mewayz rebuild {name}` first");
                    return Err(Stopped::Failed(name.to_owned(), anyhow::anyhow!(what)));
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(subscription = name, error = %error, "no claim yet; trying again")
                }
            }
            tokio::select! {
                () = host.stop.cancelled() => return Ok(None),
                () = tokio::time::sleep(host.lease / 8) => {}
            }
        }
    }

    /// Whether the checkpoint stands where it was written last. [`Moved::Void`] if another has claimed it, or if the
    /// database has forgotten what it had committed.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn stands(&self, pool: &PgPool) -> Result<Moved, sqlx::Error> {
        let stands = sqlx::query_scalar!(
            r#"select exists (select from subscriptions
                              where name = $1 and owner = $2 and epoch = $3 and revision = $4) as "stands!""#,
            self.name,
            self.owner,
            self.epoch,
            self.revision.load(Ordering::Relaxed)
        )
        .fetch_one(pool)
        .await?;
        Ok(Moved::only_if(stands))
    }

    /// What a void claim means: fenced by another instance, or to be claimed again: an operator's job has claimed it
    /// meanwhile, or the database has forgotten where it was.
    pub async fn lost(&self, host: &Host) -> Option<Stopped> {
        let found = sqlx::query!("select owner, epoch from subscriptions where name = $1", self.name)
            .fetch_optional(host.log.store().pool())
            .await;
        let Ok(Some(found)) = found else { return None };
        if found.owner.is_some_and(|owner| owner != self.owner) {
            return Some(Stopped::Fenced(self.name.clone()));
        }
        if found.epoch == self.epoch {
            tracing::warn!(
                subscription = self.name,
                "the database has forgotten what it had committed; starting again from the checkpoint it kept"
            );
        }
        None
    }

    /// Gives it up, so that another need not wait for the lease to end.
    pub async fn release(&self, pool: &PgPool) {
        let released = sqlx::query!(
            "update subscriptions set owner = null, lease_until = '-infinity'
             where name = $1 and owner = $2 and epoch = $3",
            self.name,
            self.owner,
            self.epoch
        )
        .execute(pool)
        .await;
        if let Err(error) = released {
            tracing::warn!(subscription = self.name, error = %error, "the claim ends with its lease");
        }
    }
}

#[async_trait]
impl Checkpoint for Claim {
    async fn advance(&self, transaction: &mut PgConnection, upto: i64) -> Result<Moved, sqlx::Error> {
        let moved = sqlx::query!(
            "update subscriptions set position = $5, revision = revision + 1
             where name = $1 and owner = $2 and epoch = $3 and revision = $4",
            self.name,
            self.owner,
            self.epoch,
            self.revision.load(Ordering::Relaxed),
            upto
        )
        .execute(transaction)
        .await?;
        Ok(Moved::only_if(moved.rows_affected() == 1))
    }

    fn committed(&self) {
        self.revision.fetch_add(1, Ordering::Relaxed);
    }
}

/// Some of a view's partitions have events that come after its position.
struct Ahead;

async fn try_claim(host: &Host, name: &str) -> Result<Option<Result<Claim, Ahead>>, sqlx::Error> {
    let pool = host.log.store().pool();
    sqlx::query!("insert into subscriptions (name) values ($1) on conflict do nothing", name)
        .execute(pool)
        .await?;
    let mut transaction = pool.begin().await?;
    let claimed = sqlx::query!(
        "update subscriptions
         set owner = $2, epoch = epoch + 1, revision = 0,
             lease_until = clock_timestamp() + make_interval(secs => $3)
         where name = $1 and (owner is null or owner = $2 or lease_until < clock_timestamp())
         returning epoch, position",
        name,
        host.instance,
        host.lease.as_secs_f64(),
    )
    .fetch_optional(&mut *transaction)
    .await?;
    let Some(claimed) = claimed else { return Ok(None) };
    // What was read from Kafka before: those who did write nothing more once their partitions are gone.
    let furthest = sqlx::query_scalar!(
        r#"with gone as (delete from view_partitions where subscription = $1 returning position)
           select coalesce(max(position), 0) as "position!" from gone"#,
        name
    )
    .fetch_one(&mut *transaction)
    .await?;
    if furthest > claimed.position {
        return Ok(Some(Err(Ahead)));
    }
    transaction.commit().await?;
    Ok(Some(Ok(Claim {
        name: name.to_owned(),
        owner: host.instance,
        epoch: claimed.epoch,
        position: claimed.position,
        revision: AtomicI64::new(0),
    })))
}

/// Waits until a subscription has reached a position, at most so long; answers where it is.
///
/// # Errors
/// If the database does not answer.
pub async fn reached(pool: &PgPool, name: &str, position: i64, at_most: Duration) -> Result<i64> {
    let until = tokio::time::Instant::now() + at_most;
    let mut pause = Duration::from_millis(2);
    loop {
        let now = sqlx::query_scalar!("select position from subscriptions where name = $1", name)
            .fetch_optional(pool)
            .await?
            .unwrap_or(0);
        if now >= position || tokio::time::Instant::now() + pause > until {
            return Ok(now);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}
