//! Claims: what the checkpoints of one process have in common, so that many of them cost no more than one.
//!
//! Where nothing is to be written a checkpoint follows a little later, together with all others that follow; and
//! whether they stand where they were written last is looked at for all of them at once.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::batch::begin;
use super::checkpoint::{Checkpoint as _, Claim, LOOK_EVERY};

/// How long a checkpoint stays behind where nothing is to be written with it.
const LATER: Duration = Duration::from_millis(50);

/// The claims of this process. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Claims(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    claims: Mutex<Vec<Weak<Claim>>>,
    owed: Notify,
}

impl Claims {
    pub(super) fn keep(&self, claim: &Arc<Claim>) {
        let mut claims = self.0.claims.lock().unwrap_or_else(PoisonError::into_inner);
        claims.retain(|claim| claim.strong_count() > 0);
        claims.push(Arc::downgrade(claim));
    }

    fn all(&self) -> Vec<Arc<Claim>> {
        let claims = self.0.claims.lock().unwrap_or_else(PoisonError::into_inner);
        claims.iter().filter_map(Weak::upgrade).collect()
    }

    /// A checkpoint is to follow to a position: all up to there is done, and nothing is to be written.
    pub(super) fn follow(&self, claim: &Claim, position: i64) {
        claim.owed.store(position, Ordering::Relaxed);
        self.0.owed.notify_one();
    }

    /// Lets checkpoints follow, and looks whether all of them stand, until told to stop. One that does not learns it
    /// ([`Claim::voided`]).
    pub(super) async fn tend(&self, pool: &PgPool, stop: &CancellationToken) {
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let tending = async {
            loop {
                let tended = tokio::select! {
                    _ = look.tick() => self.look(pool).await,
                    () = self.0.owed.notified() => {
                        tokio::time::sleep(LATER).await;
                        self.move_owed(pool).await
                    }
                };
                if let Err(error) = tended {
                    tracing::debug!(error = %error, "checkpoints can neither be moved nor looked at");
                    self.0.owed.notify_one();
                }
            }
        };
        stop.run_until_cancelled(tending).await;
    }

    /// Moves all that are to follow in one statement. One that somebody else is moving, or has locked, follows the next
    /// time.
    async fn move_owed(&self, pool: &PgPool) -> Result<(), sqlx::Error> {
        let claims = self.all();
        let mut moving = Vec::new();
        for claim in &claims {
            if claim.owed.load(Ordering::Relaxed) == 0 {
                continue;
            }
            let Ok(guard) = claim.moving.try_lock() else { continue };
            let upto = claim.owed.load(Ordering::Relaxed);
            if upto != 0 {
                moving.push((claim, upto, guard));
            }
        }
        if moving.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = moving.iter().map(|(claim, ..)| claim.name.as_str()).collect();
        let owners: Vec<_> = moving.iter().map(|(claim, ..)| claim.owner).collect();
        let epochs: Vec<i64> = moving.iter().map(|(claim, ..)| claim.epoch).collect();
        let revisions: Vec<i64> =
            moving.iter().map(|(claim, ..)| claim.revision.load(Ordering::Acquire)).collect();
        let positions: Vec<i64> = moving.iter().map(|(_, upto, _)| *upto).collect();
        let mut transaction = begin(pool).await?;
        let found = sqlx::query!(
            r#"with free as materialized (
                   select s.name, o.upto,
                          coalesce(s.owner = o.owner and s.epoch = o.epoch and s.revision = o.revision, false) as stands
                   from subscriptions s
                   join unnest($1::text[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[])
                        as o (name, owner, epoch, revision, upto) on o.name = s.name
                   for update of s skip locked
               ), moved as (
                   update subscriptions s set position = f.upto, revision = s.revision + 1
                   from free f where s.name = f.name and f.stands
               )
               select name as "name!", stands as "stands!" from free"#,
            &names as &[&str],
            &owners,
            &epochs,
            &revisions,
            &positions,
        )
        .fetch_all(&mut *transaction)
        .await?;
        failpoint::failpoint!("checkpoint.before_commit");
        transaction.commit().await?;
        failpoint::failpoint!("checkpoint.after_commit");
        let found: HashMap<String, bool> = found.into_iter().map(|row| (row.name, row.stands)).collect();
        for (claim, upto, _moving) in moving {
            match found.get(&claim.name) {
                Some(true) => {
                    claim.committed();
                    // It may have been told of a later one meanwhile.
                    _ = claim.owed.compare_exchange(upto, 0, Ordering::Relaxed, Ordering::Relaxed);
                }
                Some(false) => _ = claim.void.send_replace(true),
                None => {}
            }
        }
        if claims.iter().any(|claim| claim.owed.load(Ordering::Relaxed) != 0) {
            self.0.owed.notify_one();
        }
        Ok(())
    }

    async fn look(&self, pool: &PgPool) -> Result<(), sqlx::Error> {
        let claims = self.all();
        if claims.is_empty() {
            return Ok(());
        }
        let before: Vec<i64> = claims.iter().map(|claim| claim.revision.load(Ordering::Acquire)).collect();
        let names: Vec<&str> = claims.iter().map(|claim| claim.name.as_str()).collect();
        let found = sqlx::query!(
            "select name, owner, epoch, revision from subscriptions where name = any ($1)",
            &names as &[&str]
        )
        .fetch_all(pool)
        .await?;
        let found: HashMap<&str, _> = found.iter().map(|row| (row.name.as_str(), row)).collect();
        for (claim, before) in claims.iter().zip(before) {
            // Its owner may move it meanwhile, and the last move may be one that it has not heard of yet.
            let latest = claim.revision.load(Ordering::Acquire) + 1;
            let stands = found.get(claim.name.as_str()).is_some_and(|row| {
                row.owner == Some(claim.owner)
                    && row.epoch == claim.epoch
                    && (before..=latest).contains(&row.revision)
            });
            if !stands {
                claim.void.send_replace(true);
            }
        }
        Ok(())
    }
}
