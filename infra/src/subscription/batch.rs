//! Batch: events into a view's rows, with its checkpoint, in one transaction.
//!
//! An event that cannot be folded is parked with the rows it touches, and so is, in order, whatever touches them
//! afterwards; all else goes on. What is parked is written with the checkpoint too: so nothing is both parked and
//! applied.

use std::sync::Arc;

use domain::kernel::Recorded;
use projections::{Failure, Projector, Schema};
use sha2::{Digest, Sha256};
use sqlx::{PgConnection, PgPool, Postgres, Transaction};

use super::checkpoint::{Checkpoint, Moved};
use super::parked::{self, Parked, ROW, stream_key};

/// How often a batch that the database refuses is tried before its culprit is parked.
pub(super) const TRIES: u32 = 5;
/// Why an event waits that could be applied.
pub(super) const WAITS_BEHIND: &str = "waits behind an earlier event";

pub(super) struct Batch<'a> {
    pub pool: &'a PgPool,
    pub checkpoint: &'a dyn Checkpoint,
    /// Positions that were parked and are applied now.
    pub unparked: &'a [i64],
}

/// Some of a batch's events: written together.
struct Part {
    events: Vec<Arc<Recorded>>,
    upto: i64,
    /// Events that cannot be applied, and why.
    culprits: Vec<(Arc<Recorded>, String)>,
}

impl Batch<'_> {
    /// Applies events, in the order of their positions, and moves the checkpoint to `upto`; what cannot be applied
    /// is parked.
    pub async fn write(
        &self,
        view: &mut dyn Projector,
        parked: &mut Parked,
        events: Vec<Arc<Recorded>>,
        upto: i64,
    ) -> Result<Moved, anyhow::Error> {
        let mut parts = vec![Part { events, upto, culprits: Vec::new() }];
        let mut tries = 0;
        while let Some(mut part) = parts.pop() {
            let failure = match self.write_part(view, parked, &part).await {
                Ok(Moved::Yes) => {
                    tries = 0;
                    continue;
                }
                Ok(Moved::Void) => {
                    view.rolled_back();
                    return Ok(Moved::Void);
                }
                Err(failure) => failure,
            };
            view.rolled_back();
            match failure {
                Failure::Event { position, reason } => {
                    let place = part.events.iter().position(|event| event.position == position);
                    let place = place.ok_or(Failure::Event { position, reason: reason.clone() })?;
                    let culprit = part.events.remove(place);
                    part.blame(view, parked, culprit, reason.to_string());
                    parts.push(part);
                }
                Failure::Database(error) if error.as_database_error().is_none() => return Err(error.into()),
                error => {
                    tries += 1;
                    match part.events.as_slice() {
                        [] => return Err(error.into()),
                        [culprit] if tries > TRIES => {
                            let culprit = culprit.clone();
                            part.events.clear();
                            part.blame(view, parked, culprit, error.to_string());
                            parts.push(part);
                        }
                        [_] => parts.push(part),
                        _ => parts.extend(part.halves(self.unparked.is_empty())),
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
        part: &Part,
    ) -> Result<Moved, Failure> {
        let (applied, waiting) = sort_out(view, parked, &part.events)?;
        let mut transaction = begin_write(self.pool, view.name()).await?;
        for position in self.unparked {
            if part.events.iter().any(|event| event.position == *position) {
                parked::unpark(&mut transaction, view.name(), *position).await?;
            }
        }
        for (event, reason) in &part.culprits {
            parked::park(&mut transaction, view.name(), event, &keys_of(view, event), reason).await?;
        }
        for (event, keys) in waiting {
            parked::park(&mut transaction, view.name(), &event, &keys, WAITS_BEHIND).await?;
        }
        view.apply(&mut transaction, Schema::Live, &applied).await?;
        if let Moved::Void = self.checkpoint.advance(&mut transaction, part.upto).await? {
            return Ok(Moved::Void);
        }
        failpoint::failpoint!("view.before_commit");
        transaction.commit().await?;
        failpoint::failpoint!("view.after_commit");
        self.checkpoint.committed();
        view.committed();
        Ok(Moved::Yes)
    }
}

impl Part {
    /// Parks one of its events, which is no longer among those to be applied.
    fn blame(&mut self, view: &dyn Projector, parked: &mut Parked, culprit: Arc<Recorded>, reason: String) {
        tracing::error!(
            subscription = view.name(),
            position = culprit.position,
            event.r#type = culprit.event_type,
            reason,
            "parked an event; mend the cause, then unpark"
        );
        parked.hold(&keys_of(view, &culprit), culprit.position);
        self.culprits.push((culprit, reason));
    }

    /// Itself in two, the later half first. The checkpoint of the earlier goes up to its last event, unless the
    /// events lie behind the checkpoint anyway.
    fn halves(self, forward: bool) -> [Self; 2] {
        let (first, second) = self.events.split_at(self.events.len() / 2);
        let middle = first.last().filter(|_| forward).map_or(self.upto, |event| event.position);
        [
            Self { events: second.to_vec(), upto: self.upto, culprits: Vec::new() },
            Self { events: first.to_vec(), upto: middle, culprits: self.culprits },
        ]
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
