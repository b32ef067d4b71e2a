//! View subscriptions: read models from the store, each event in exactly once.
//!
//! One instance owns a view and reads the log in order; what it reads is written as `batch` says.

use std::sync::Arc;
use std::time::Duration;

use projections::Projector;
use sqlx::PgPool;
use tokio::time::MissedTickBehavior;

use super::batch::Batch;
use super::checkpoint::{Claim, LOOK_EVERY, Moved};
use super::parked::{self, Parked};
use super::{Host, Stopped, standing};

/// Events folded at once, at most.
pub(super) const BATCH: usize = 1_000;

enum Ended {
    Stopped,
    /// The claim is void.
    Void,
}

/// Follows the log with a view until told to stop.
///
/// # Errors
/// [`Stopped::Fenced`] once another instance owns it.
pub async fn run(host: Host, mut view: Box<dyn Projector>) -> Result<(), Stopped> {
    let pool = host.log.store().pool().clone();
    while let Some(claim) = Claim::acquire(&host, view.name()).await? {
        view.rolled_back();
        match follow(&host, &pool, &mut *view, &claim).await {
            Ok(Ended::Stopped) => {
                claim.release(&pool).await;
                return Ok(());
            }
            Ok(Ended::Void) => {
                if let Some(fenced) = claim.lost(&host).await {
                    return Err(fenced);
                }
            }
            Err(error) => {
                let fault = standing::fault(&error);
                tracing::warn!(subscription = view.name(), %fault, "starting again from the checkpoint");
                standing::failed(&pool, view.name(), &fault).await;
                tokio::select! {
                    () = host.stop.cancelled() => return Ok(()),
                    () = tokio::time::sleep(Duration::from_millis(500)) => {}
                }
            }
        }
    }
    Ok(())
}

async fn follow(
    host: &Host,
    pool: &PgPool,
    view: &mut dyn Projector,
    claim: &Claim,
) -> Result<Ended, anyhow::Error> {
    let mut position = claim.position;
    let mut reader = host.log.reader(position, BATCH);
    let mut parked = Parked::load(pool, view.name()).await?;
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let events = tokio::select! {
            () = host.stop.cancelled() => return Ok(Ended::Stopped),
            events = reader.next() => events?,
            _ = look.tick() => {
                let mut moved = claim.stands(pool).await?;
                if moved == Moved::Yes && !parked.is_empty() {
                    moved = try_again(host, pool, view, claim, &mut parked, position).await?;
                }
                if moved == Moved::Void {
                    return Ok(Ended::Void);
                }
                continue;
            }
        };
        let Some(last) = events.last() else { continue };
        let upto = last.position;
        let heard: Vec<_> =
            events.into_iter().filter(|e| view.listens_to().contains(&e.aggregate_type.as_str())).collect();
        let batch = Batch { pool, checkpoint: claim, unparked: &[], stop: &host.stop };
        if let Moved::Void = batch.write(view, &mut parked, heard, upto).await? {
            return Ok(Ended::Void);
        }
        position = upto;
        metrics::gauge!("mewayz_subscription_position", "subscription" => view.name()).set(position as f64);
    }
}

/// Applies what is parked anew, if somebody asked for it.
async fn try_again(
    host: &Host,
    pool: &PgPool,
    view: &mut dyn Projector,
    claim: &Claim,
    parked: &mut Parked,
    position: i64,
) -> Result<Moved, anyhow::Error> {
    let asked = parked::asked(pool, view.name()).await?;
    let asked: Vec<i64> = asked.into_iter().map(|(position, _)| position).collect();
    if asked.is_empty() {
        return Ok(Moved::Yes);
    }
    let events: Vec<_> = host.log.store().pick(&asked).await?.into_iter().map(Arc::new).collect();
    *parked = Parked::default();
    let batch = Batch { pool, checkpoint: claim, unparked: &asked, stop: &host.stop };
    batch.write(view, parked, events, position).await
}
