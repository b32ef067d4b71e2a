//! Rebuild: a read model made anew from the whole log, beside the live one, compared, and swapped in.
//!
//! The shadow tables stand in schema `read_next`. Events are folded in large batches, the next pages being read
//! meanwhile; indexes that only readers need come at the end. In the last transaction the live view holds still
//! (see `super::batch::hold_still`): the rest is folded up to its checkpoint (of a view that is read from Kafka, up to
//! that of each partition), and both are compared byte for byte.
//! Readers go on throughout, and see the old tables or the new ones.

mod fold;
mod parts;
mod shadow;

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use commands::EventStore;
use domain::kernel::Recorded;
use futures::stream::{self, StreamExt, TryStreamExt};
use projections::{Projector, Schema};
use sha2::{Digest, Sha256};
use sqlx::{Connection, PgConnection, PgPool};

use super::parked;
use fold::Fold;
use parts::Parts;

/// Positions that are folded at once.
const PAGE: i64 = 10_000;
/// Pages that are read ahead.
const AHEAD: usize = 2;
/// So near to the live view, the last step is taken.
const NEAR: i64 = 2_000;
/// How often the last step is tried when readers hold the old tables.
const TRIES: u32 = 20;

/// How far a rebuild is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The last position that is folded.
    pub position: i64,
    /// The live view's checkpoint: where it ends.
    pub end: i64,
}

/// One table, as bytes: its rows in the order of its primary key.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct TableDigest {
    pub table: String,
    pub rows: u64,
    /// SHA-256 in hexadecimal digits.
    pub sha256: String,
}

/// What came of a rebuild.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Report {
    pub view: String,
    /// Both are as of this position.
    pub position: i64,
    /// How many events were folded.
    pub events: u64,
    pub seconds: f64,
    /// How long the live view held still.
    pub held_seconds: f64,
    pub live: Vec<TableDigest>,
    pub next: Vec<TableDigest>,
    /// Some of the rows that differ, by table and key.
    pub differing: Vec<String>,
    /// Positions that could not be folded, or wait behind one, and why.
    pub parked: Vec<(i64, String)>,
    /// Whether readers see the new tables now.
    pub swapped: bool,
}

impl Report {
    /// Whether the live tables were what the log says.
    #[must_use]
    pub fn equal(&self) -> bool {
        self.live == self.next
    }
}

/// How a rebuild is done.
pub struct Rebuild<'a> {
    /// As the role that owns the read models.
    pub owner: &'a PgPool,
    pub store: &'a EventStore,
    /// Whether to swap even if the live tables differ.
    pub accept: bool,
    /// Told after each batch.
    pub told: &'a (dyn Fn(Progress) + Send + Sync),
}

/// Makes a read model anew, and swaps it in if it equals the live one, or if the difference is accepted.
///
/// # Errors
/// If the database does not answer, or the view is being rebuilt already. The live tables are as they were.
pub async fn rebuild(
    owner: &PgPool,
    store: &EventStore,
    view: Box<dyn Projector>,
    accept: bool,
) -> anyhow::Result<Report> {
    Rebuild { owner, store, accept, told: &|_| {} }.run(view).await
}

impl Rebuild<'_> {
    /// See [`rebuild`].
    ///
    /// # Errors
    /// As [`rebuild`].
    pub async fn run(&self, view: Box<dyn Projector>) -> anyhow::Result<Report> {
        let name = view.name();
        // A connection of its own: its settings and its lock end with it, at the latest.
        let mut connection = self.owner.acquire().await?.detach();
        sqlx::query!("set synchronous_commit = off").execute(&mut connection).await?;
        let lock = format!("rebuild of {name}");
        let alone =
            sqlx::query_scalar!(r#"select pg_try_advisory_lock(hashtextextended($1, 0)) as "alone!""#, lock)
                .fetch_one(&mut connection)
                .await?;
        if !alone {
            bail!("{name} is being rebuilt already; wait for that to end");
        }
        let report = self.run_alone(&mut connection, view).await;
        sqlx::query!("select pg_advisory_unlock(hashtextextended($1, 0))", lock)
            .fetch_one(&mut connection)
            .await?;
        connection.close().await?;
        report
    }

    async fn run_alone(
        &self,
        connection: &mut PgConnection,
        view: Box<dyn Projector>,
    ) -> anyhow::Result<Report> {
        let begun = Instant::now();
        sqlx::query!("insert into subscriptions (name) values ($1) on conflict do nothing", view.name())
            .execute(&mut *connection)
            .await?;
        let tables = view.tables();
        shadow::create(connection, &tables).await?;
        let mut fold = Fold::of(view);
        self.catch_up(connection, &mut fold).await?;
        shadow::index(connection, &tables).await?;

        let mut tries = 0;
        loop {
            self.catch_up(connection, &mut fold).await?;
            let before = fold.mark();
            match self.finish(connection, &mut fold, &tables).await {
                Ok(report) => return Ok(Report { seconds: begun.elapsed().as_secs_f64(), ..report }),
                // Somebody was in the way for longer than others should wait behind us.
                Err(error) if tries < TRIES && is_lock_timeout(&error) => {
                    tries += 1;
                    fold.back_to(before);
                    tokio::time::sleep(Duration::from_millis(50) * tries).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Folds on until it is near the live view's checkpoint.
    async fn catch_up(&self, connection: &mut PgConnection, fold: &mut Fold) -> anyhow::Result<()> {
        loop {
            let end = checkpoint(connection, fold.name()).await?;
            if end - fold.position <= NEAR {
                return Ok(());
            }
            self.fold_to(connection, fold, end).await?;
        }
    }

    /// Folds the events up to a position, reading ahead.
    async fn fold_to(&self, connection: &mut PgConnection, fold: &mut Fold, end: i64) -> anyhow::Result<()> {
        let heard = fold.listens_to();
        let mut pages = stream::iter(pages(fold.position, end))
            .map(|page| {
                let (store, last) = (self.store.clone(), *page.end());
                let read = tokio::spawn(async move { store.of_types(page, heard).await });
                async move { anyhow::Ok((last, read.await??.into_iter().map(Arc::new).collect())) }
            })
            .buffered(AHEAD);
        while let Some((last, events)) = pages.try_next().await? {
            fold.take_in(connection, events, last).await?;
            (self.told)(Progress { position: last, end });
        }
        Ok(())
    }

    /// What a view hears of the events after a position, up to another.
    async fn after(
        &self,
        position: i64,
        end: i64,
        heard: &'static [&'static str],
    ) -> anyhow::Result<Vec<Arc<Recorded>>> {
        let mut events = Vec::new();
        for page in pages(position, end) {
            events.extend(self.store.of_types(page, heard).await?.into_iter().map(Arc::new));
        }
        Ok(events)
    }

    /// Folds the rest while the live view holds still; compares, and swaps.
    async fn finish(
        &self,
        connection: &mut PgConnection,
        fold: &mut Fold,
        tables: &[&'static str],
    ) -> anyhow::Result<Report> {
        let mut transaction = connection.begin().await?;
        sqlx::raw_sql(
            "set local synchronous_commit = on; set local lock_timeout = '1s';
             set local idle_in_transaction_session_timeout = '30s'",
        )
        .execute(&mut *transaction)
        .await?;
        super::batch::hold_still(&mut transaction, fold.name()).await?;
        let held = Instant::now();
        let position = checkpoint(&mut transaction, fold.name()).await?;
        self.fold_to(&mut transaction, fold, position).await?;
        let parts = Parts::load(&mut transaction, fold.name()).await?;
        let (applied, open) = parts.divide(self.after(position, parts.furthest(), fold.listens_to()).await?);
        fold.take_in(&mut transaction, applied, position).await?;
        let live = digest(&mut transaction, Schema::Live, tables).await?;
        let next = digest(&mut transaction, Schema::Next, tables).await?;
        let equal = live == next;
        let differing = if equal { Vec::new() } else { shadow::differing(&mut transaction, tables).await? };
        let swapped = equal || self.accept;
        if swapped {
            // All parts of it go on together from where the furthest is.
            fold.take_in(&mut transaction, open, position.max(parts.furthest())).await?;
            swap(&mut transaction, fold, tables).await?;
        }
        // Where they differ the shadow stays, to be looked at, until the next rebuild.
        transaction
            .commit()
            .await
            .context("nobody knows whether the tables were swapped; rebuild once more")?;
        Ok(Report {
            view: fold.name().to_owned(),
            position,
            events: fold.events,
            seconds: 0.0,
            held_seconds: held.elapsed().as_secs_f64(),
            live,
            next,
            differing,
            parked: fold.waiting().map(|waiting| (waiting.event.position, waiting.reason.clone())).collect(),
            swapped,
        })
    }
}

/// Puts the new tables in place of the old ones; the view's owner learns of it by the epoch.
async fn swap(transaction: &mut PgConnection, fold: &Fold, tables: &[&'static str]) -> anyhow::Result<()> {
    shadow::swap(transaction, tables).await?;
    let (name, position) = (fold.name(), fold.position);
    sqlx::query!("delete from parked where subscription = $1 and position <= $2", name, position)
        .execute(&mut *transaction)
        .await?;
    for waiting in fold.waiting() {
        parked::park(transaction, name, &waiting.event, &waiting.keys, &waiting.reason).await?;
    }
    sqlx::query!("update subscriptions set epoch = epoch + 1, position = $2 where name = $1", name, position)
        .execute(&mut *transaction)
        .await?;
    sqlx::query!(
        "update view_partitions set epoch = epoch + 1, position = $2 where subscription = $1",
        name,
        position
    )
    .execute(transaction)
    .await?;
    Ok(())
}

/// Tables as bytes: count and SHA-256 of their rows as `COPY` writes them, in the order of the primary key.
///
/// # Errors
/// If the database does not answer, or a table has no primary key.
pub async fn digest(
    connection: &mut PgConnection,
    schema: Schema,
    tables: &[&str],
) -> anyhow::Result<Vec<TableDigest>> {
    let mut digests = Vec::with_capacity(tables.len());
    for table in tables {
        let key = shadow::key(connection, schema, table).await?;
        // The order must be that of the bytes, whatever the database's collation.
        let order: Vec<&str> = key.iter().map(|column| column.ordered.as_str()).collect();
        let sql =
            format!("copy (select * from {}.{table} order by {}) to stdout", schema.name(), order.join(", "));
        let (mut rows, mut hash) = (0, Sha256::new());
        let mut bytes = connection.copy_out_raw(&sql).await?;
        while let Some(chunk) = bytes.try_next().await? {
            // A line break inside a value is written as an escape.
            rows += chunk.iter().filter(|&&byte| byte == b'\n').count() as u64;
            hash.update(&chunk);
        }
        digests.push(TableDigest { table: (*table).to_owned(), rows, sha256: hex::encode(hash.finalize()) });
    }
    Ok(digests)
}

async fn checkpoint(connection: &mut PgConnection, name: &str) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!("select position from subscriptions where name = $1", name)
        .fetch_one(connection)
        .await
}

/// The pages after a position, up to and with the end.
fn pages(after: i64, end: i64) -> impl Iterator<Item = RangeInclusive<i64>> {
    std::iter::successors(Some(after), |at| Some(at + PAGE))
        .take_while(move |&at| at < end)
        .map(move |at| at + 1..=(at + PAGE).min(end))
}

fn is_lock_timeout(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<sqlx::Error>())
        .filter_map(sqlx::Error::as_database_error)
        .any(|error| error.code().is_some_and(|code| code == "55P03"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_cover_every_position_once() {
        for (after, end) in [(0, 0), (0, 1), (0, PAGE), (0, PAGE + 1), (7, 3 * PAGE), (5, 5)] {
            let all: Vec<i64> = pages(after, end).flatten().collect();
            assert_eq!(all, (after + 1..=end).collect::<Vec<_>>());
        }
    }
}
