//! View subscriptions: read models from the store, each event in exactly once.
//!
//! Rows, totals and checkpoint are one transaction. An event that cannot be folded is parked with the rows it
//! touches, and so is, in order, whatever touches them afterwards; all else goes on.

use std::sync::Arc;
use std::time::Duration;

use domain::kernel::Recorded;
use projections::{Failure, Projector, Schema};
use sha2::{Digest, Sha256};
use sqlx::{PgConnection, PgPool, Postgres, Transaction};

use super::checkpoint::{Claim, Moved};
use super::parked::{self, Parked, ROW, stream_key};
use super::{Host, Stopped};

/// Events folded at once, at most.
const BATCH: usize = 1_000;
/// How often a batch that the database refuses is tried before its culprit is parked.
pub(super) const TRIES: u32 = 5;
/// Why an event waits that could be applied.
pub(super) const WAITS_BEHIND: &str = "waits behind an earlier event";
/// How often it is asked whether parked events shall be tried again.
const ASK_EVERY: Duration = Duration::from_millis(500);

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
    while let Some(claim) = Claim::acquire(&host, view.name()).await {
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
                tracing::warn!(subscription = view.name(), error = %error, "starting again from the checkpoint");
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
    let mut parked = Parked::load(pool, view.name()).await?;
    loop {
        let events = tokio::select! {
            () = host.stop.cancelled() => return Ok(Ended::Stopped),
            events = host.log.after(position, BATCH) => events?,
            () = tokio::time::sleep(ASK_EVERY), if !parked.is_empty() => {
                if let Moved::Void = try_again(host, pool, view, claim, &mut parked, position).await? {
                    return Ok(Ended::Void);
                }
                continue;
            }
        };
        let Some(last) = events.last() else { continue };
        let upto = last.position;
        let heard: Vec<_> =
            events.into_iter().filter(|e| view.listens_to().contains(&e.aggregate_type.as_str())).collect();
        let batch = Batch { pool, claim, unparked: &[] };
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
    if asked.is_empty() {
        return Ok(Moved::Yes);
    }
    let events: Vec<_> = host.log.store().pick(&asked).await?.into_iter().map(Arc::new).collect();
    *parked = Parked::default();
    Batch { pool, claim, unparked: &asked }.write(view, parked, events, position).await
}

struct Batch<'a> {
    pool: &'a PgPool,
    claim: &'a Claim,
    /// Positions that were parked and are applied now.
    unparked: &'a [i64],
}

impl Batch<'_> {
    /// Applies events and moves the checkpoint to `upto`; what cannot be applied is parked.
    async fn write(
        &self,
        view: &mut dyn Projector,
        parked: &mut Parked,
        events: Vec<Arc<Recorded>>,
        upto: i64,
    ) -> Result<Moved, anyhow::Error> {
        let mut parts = vec![(events, upto)];
        let mut tries = 0;
        while let Some((events, upto)) = parts.pop() {
            match self.write_part(view, parked, &events, upto).await {
                Ok(Moved::Yes) => tries = 0,
                Ok(Moved::Void) => {
                    view.rolled_back();
                    return Ok(Moved::Void);
                }
                Err(Failure::Event { position, reason }) => {
                    view.rolled_back();
                    let (culprit, others): (Vec<_>, _) =
                        events.into_iter().partition(|event| event.position == position);
                    for culprit in culprit {
                        self.park(view, parked, &culprit, &reason.to_string()).await?;
                    }
                    parts.push((others, upto));
                }
                Err(Failure::Database(error)) if error.as_database_error().is_none() => {
                    view.rolled_back();
                    return Err(error.into());
                }
                Err(error) => {
                    view.rolled_back();
                    tries += 1;
                    match events.as_slice() {
                        [] => return Err(error.into()),
                        [culprit] if tries > TRIES => {
                            self.park(view, parked, culprit, &error.to_string()).await?;
                            parts.push((Vec::new(), upto));
                        }
                        [_] => parts.push((events, upto)),
                        _ => {
                            let (first, second) = events.split_at(events.len() / 2);
                            parts.push((second.to_vec(), upto));
                            let upto = if self.unparked.is_empty() {
                                first.last().map_or(upto, |event| event.position)
                            } else {
                                upto
                            };
                            parts.push((first.to_vec(), upto));
                        }
                    }
                }
            }
        }
        Ok(Moved::Yes)
    }

    async fn write_part(
        &self,
        view: &mut dyn Projector,
        parked: &mut Parked,
        events: &[Arc<Recorded>],
        upto: i64,
    ) -> Result<Moved, Failure> {
        let (applied, waiting) = sort_out(view, parked, events)?;
        let mut transaction = begin_write(self.pool, view.name()).await?;
        for position in self.unparked {
            if events.iter().any(|event| event.position == *position) {
                parked::unpark(&mut transaction, view.name(), *position).await?;
            }
        }
        for (event, keys) in waiting {
            parked::park(&mut transaction, view.name(), &event, &keys, WAITS_BEHIND).await?;
        }
        view.apply(&mut transaction, Schema::Live, &applied).await?;
        if let Moved::Void = self.claim.advance(&mut transaction, upto).await? {
            return Ok(Moved::Void);
        }
        commands::failpoint!("view.before_commit");
        transaction.commit().await?;
        commands::failpoint!("view.after_commit");
        view.committed();
        Ok(Moved::Yes)
    }

    /// Parks one event in a transaction of its own, before its part is written again without it.
    async fn park(
        &self,
        view: &dyn Projector,
        parked: &mut Parked,
        event: &Recorded,
        reason: &str,
    ) -> Result<(), anyhow::Error> {
        tracing::error!(
            subscription = view.name(),
            position = event.position,
            event.r#type = event.event_type,
            reason,
            "parked an event; mend the cause, then unpark"
        );
        let keys = keys_of(view, event);
        parked.hold(&keys, event.position);
        let mut transaction = begin(self.pool).await?;
        parked::park(&mut transaction, view.name(), event, &keys, reason).await?;
        transaction.commit().await?;
        Ok(())
    }
}

/// An event, and the keys that it holds back.
type Held = (Arc<Recorded>, Vec<String>);

/// What may be applied now; and what waits behind a parked event, as from then on does all that it touches.
pub(super) fn sort_out(
    view: &dyn Projector,
    parked: &mut Parked,
    events: &[Arc<Recorded>],
) -> Result<(Vec<Arc<Recorded>>, Vec<Held>), Failure> {
    let (mut apply, mut wait) = (Vec::with_capacity(events.len()), Vec::new());
    for event in events {
        let rows = view
            .touches(event)
            .map_err(|unreadable| Failure::Event { position: event.position, reason: unreadable.into() })?;
        let keys: Vec<String> = rows.iter().map(row_key).collect();
        let held = |keys: &[String]| parked.holds(keys, event.position);
        if !keys.is_empty() && (held(&keys) || held(&[stream_key(event)])) {
            parked.hold(&keys, event.position);
            wait.push((event.clone(), keys));
        } else {
            apply.push(event.clone());
        }
    }
    Ok((apply, wait))
}

/// What must wait for an event that cannot be applied: the rows it touches, or, if even these cannot be told, its
/// stream.
pub(super) fn keys_of(view: &dyn Projector, event: &Recorded) -> Vec<String> {
    match view.touches(event) {
        Ok(rows) if !rows.is_empty() => rows.iter().map(row_key).collect(),
        _ => vec![stream_key(event)],
    }
}

fn row_key(row: &projections::RowKey) -> String {
    format!("{ROW}{}/{}", row.workspace, row.key)
}

/// A transaction whose loss in a crash of the server loses nothing: the checkpoint is lost with it, and the log is
/// read again from there.
pub(super) async fn begin(pool: &PgPool) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    pool.begin_with("begin; set local synchronous_commit = off").await
}

/// The same, for writing a view's tables: a rebuild that compares them makes it wait.
async fn begin_write(pool: &PgPool, view: &str) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    let lock = lock_of(view);
    let begin =
        format!("begin; set local synchronous_commit = off; select pg_advisory_xact_lock_shared({lock})");
    pool.begin_with(begin).await
}

/// Waits until nobody writes the view's tables, and keeps it so until the transaction ends.
///
/// A lock of its own, and not the tables': whoever writes has read them before, and would never get to the end.
pub(super) async fn hold_still(transaction: &mut PgConnection, view: &str) -> Result<(), sqlx::Error> {
    sqlx::query!("select pg_advisory_xact_lock($1)", lock_of(view)).execute(transaction).await.map(drop)
}

fn lock_of(view: &str) -> i64 {
    let digest = Sha256::digest(format!("view {view}"));
    i64::from_be_bytes(digest[..8].try_into().expect("a digest has more than 8 bytes"))
}
