//! Batch: events into a view's rows, with its checkpoint, in one transaction.
//!
//! An event that cannot be folded is parked with the rows it touches, and so is, in order, whatever touches them
//! afterwards; all else goes on (see `super::halving`). What is parked is written with the checkpoint too: so nothing
//! is both parked and applied.

use std::sync::Arc;

use async_trait::async_trait;
use domain::kernel::Recorded;
use projections::{Failure, Projector, Schema};
use sha2::{Digest, Sha256};
use sqlx::{PgConnection, PgPool, Postgres, Transaction};
use tokio_util::sync::CancellationToken;

use super::checkpoint::{Checkpoint, Moved};
use super::halving::{self, Part, Sink};
use super::parked::{self, Parked, ROW, stream_key};

/// Why an event waits that could be applied.
pub(super) const WAITS_BEHIND: &str = "waits behind an earlier event";

pub(super) struct Batch<'a> {
    pub pool: &'a PgPool,
    pub checkpoint: &'a dyn Checkpoint,
    /// Positions that were parked and are applied now.
    pub unparked: &'a [i64],
    pub stop: &'a CancellationToken,
}

/// The tables that readers see.
struct Live<'a> {
    batch: &'a Batch<'a>,
    view: &'a mut dyn Projector,
    parked: &'a mut Parked,
}

impl Batch<'_> {
    /// Applies events, in the order of their positions, and moves the checkpoint to `upto`; what cannot be applied
    /// is parked.
    ///
    /// # Errors
    /// What is not the events' own: begin again later, from where the checkpoint is.
    pub async fn write(
        &self,
        view: &mut dyn Projector,
        parked: &mut Parked,
        events: Vec<Arc<Recorded>>,
        upto: i64,
    ) -> Result<Moved, anyhow::Error> {
        let mut live = Live { batch: self, view, parked };
        halving::write(&mut live, events, upto, self.unparked.is_empty(), self.stop).await
    }
}

#[async_trait]
impl Sink for Live<'_> {
    async fn write(&mut self, part: &Part) -> Result<Moved, Failure> {
        let Self { batch, view, parked } = self;
        let (applied, waiting) = sort_out(&**view, parked, &part.events)?;
        let mut transaction = begin_write(batch.pool, view.name()).await?;
        for position in batch.unparked {
            if part.events.iter().any(|event| event.position == *position) {
                parked::unpark(&mut transaction, view.name(), *position).await?;
            }
        }
        for (event, reason) in &part.culprits {
            parked::park(&mut transaction, view.name(), event, &keys_of(&**view, event), reason).await?;
        }
        for (event, keys) in waiting {
            parked::park(&mut transaction, view.name(), &event, &keys, WAITS_BEHIND).await?;
        }
        view.apply(&mut transaction, Schema::Live, &applied).await?;
        if let Moved::Void = batch.checkpoint.advance(&mut transaction, part.upto).await? {
            return Ok(Moved::Void);
        }
        failpoint::failpoint!("view.before_commit");
        transaction.commit().await?;
        failpoint::failpoint!("view.after_commit");
        batch.checkpoint.committed();
        for (event, reason) in &part.culprits {
            tracing::error!(
                subscription = view.name(),
                position = event.position,
                event.r#type = event.event_type,
                reason,
                "parked an event; mend the cause, then unpark"
            );
        }
        view.committed();
        Ok(Moved::Yes)
    }

    fn rolled_back(&mut self) {
        self.view.rolled_back();
    }

    fn hold(&mut self, culprit: &Recorded) {
        self.parked.hold(&keys_of(self.view, culprit), culprit.position);
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
    if parked.is_empty() {
        return Ok((events.to_vec(), Vec::new()));
    }
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

/// A transaction whose loss in a crash of the server loses nothing: the checkpoint is lost with it, its owner finds
/// out (see `checkpoint`), and the log is read again from there.
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
