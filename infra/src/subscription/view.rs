//! View subscriptions: read models from the store, each event in exactly once.
//!
//! One instance owns a view and reads the log in order; what it reads is written as `batch` says. Where it hears
//! nothing there is nothing to write: its checkpoint follows a little later, with those of others (`claims`).

use std::sync::Arc;
use std::time::Duration;

use domain::kernel::Recorded;
use projections::Projector;
use sqlx::PgPool;
use tokio::time::MissedTickBehavior;

use super::batch::Batch;
use super::checkpoint::{Claim, LOOK_EVERY, Moved};
use super::claims::Claims;
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
pub async fn run(host: Host, claims: Claims, mut view: Box<dyn Projector>) -> Result<(), Stopped> {
    let pool = host.log.store().pool().clone();
    while let Some(claim) = Claim::acquire(&host, &claims, view.name()).await? {
        view.rolled_back();
        match follow(&host, &pool, &claims, &mut *view, &claim).await {
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
    claims: &Claims,
    view: &mut dyn Projector,
    claim: &Claim,
) -> Result<Ended, anyhow::Error> {
    let mut position = claim.position;
    let mut parked = Parked::load(pool, view.name()).await?;
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let heard = tokio::select! {
            () = host.stop.cancelled() => return Ok(Ended::Stopped),
            () = claim.voided() => return Ok(Ended::Void),
            events = host.log.after(position, BATCH) => {
                let events = events?;
                let Some(last) = events.last() else { continue };
                position = last.position;
                let hears = |event: &Arc<Recorded>| view.listens_to().contains(&event.aggregate_type.as_str());
                let heard: Vec<_> = events.into_iter().filter(hears).collect();
                if heard.is_empty() {
                    claims.follow(claim, position);
                    continue;
                }
                heard
            }
            _ = look.tick(), if !parked.is_empty() => {
                let _moving = claim.moving().await;
                match try_again(host, pool, view, claim, &mut parked, position).await? {
                    Moved::Yes => continue,
                    Moved::Void => return Ok(Ended::Void),
                }
            }
        };
        let _moving = claim.moving().await;
        let batch = Batch { pool, checkpoint: claim, unparked: &[], stop: &host.stop };
        if let Moved::Void = batch.write(view, &mut parked, heard, position).await? {
            return Ok(Ended::Void);
        }
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
