//! Runtime: a batch of events into rows and totals, in the caller's transaction.
//!
//! One `select` for the rows that are not in the cache, the fold in memory, one upsert, one write per total. What
//! was folded becomes the cache only when the caller says that its transaction committed.

use std::any::Any;
use std::collections::{BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use async_trait::async_trait;
use domain::kernel::{Recorded, Unreadable};
use serde_json::value::RawValue;
use sqlx::PgConnection;

use crate::table::{Changes, Deltas, Table, TotalTable};
use crate::view::{RowKey, Total, Unfoldable, View};

/// Rows kept between batches; past this the cache starts anew.
const CACHED_ROWS: usize = 50_000;

/// Which of the two schemas is written: what readers see, or what will replace it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    Live,
    Next,
}

impl Schema {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Live => "read",
            Self::Next => "read_next",
        }
    }
}

/// Why a batch could not be written.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// One event is at fault.
    #[error("position {position}: {reason}")]
    Event { position: i64, reason: Unfoldable },
    #[error("the tables cannot be read or written")]
    Database(#[from] sqlx::Error),
    #[error("a row cannot be written as JSON")]
    Json(#[from] serde_json::Error),
    /// What the rows add to the totals cannot be told: a mistake in the view's code.
    #[error("totals cannot be reckoned")]
    Totals(#[source] Unfoldable),
}

/// A view with its types put away: what the subscriptions run.
#[async_trait]
pub trait Projector: Send + Sync {
    fn name(&self) -> &'static str;
    fn listens_to(&self) -> &'static [&'static str];
    fn by_stream(&self) -> bool;
    /// Its tables, without schema: the view's own first, then its totals.
    fn tables(&self) -> Vec<&'static str>;
    /// # Errors
    /// [`Unreadable`].
    fn touches(&self, event: &Recorded) -> Result<Vec<RowKey>, Unreadable>;
    /// Folds the events and writes what came of it; nothing is kept until [`Projector::committed`].
    ///
    /// # Errors
    /// [`Failure`]: roll back, and call [`Projector::rolled_back`].
    async fn apply(
        &mut self,
        transaction: &mut PgConnection,
        schema: Schema,
        events: &[Arc<Recorded>],
    ) -> Result<(), Failure>;
    /// The transaction of the last `apply` committed.
    fn committed(&mut self);
    /// It did not, or others have written since: forget what is cached.
    fn rolled_back(&mut self);
}

/// [`Projector`] of a [`View`].
pub struct Runtime<V: View> {
    cache: HashMap<RowKey, Option<V::Row>>,
    folded: HashMap<RowKey, Option<V::Row>>,
    totals: Vec<Total<V::Row>>,
    table: Table,
}

impl<V: View> Default for Runtime<V> {
    fn default() -> Self {
        let totals = V::totals();
        let of =
            |&Total { table: name, group, amounts, .. }: &Total<V::Row>| TotalTable { name, group, amounts };
        let table = Table {
            name: V::NAME,
            key: V::KEY,
            totals: totals.iter().map(of).collect(),
            upserts: HashMap::new(),
        };
        Self { cache: HashMap::new(), folded: HashMap::new(), totals, table }
    }
}

#[async_trait]
impl<V: View> Projector for Runtime<V> {
    fn name(&self) -> &'static str {
        V::NAME
    }

    fn listens_to(&self) -> &'static [&'static str] {
        V::LISTENS_TO
    }

    fn by_stream(&self) -> bool {
        V::BY_STREAM
    }

    fn tables(&self) -> Vec<&'static str> {
        std::iter::once(V::NAME).chain(self.totals.iter().map(|total| total.table)).collect()
    }

    fn touches(&self, event: &Recorded) -> Result<Vec<RowKey>, Unreadable> {
        let touched = catch_unwind(AssertUnwindSafe(|| V::touches(event))).unwrap_or_else(|panic| {
            Err(Unreadable {
                position: event.position,
                event_type: event.event_type.clone(),
                version: event.event_version.clone(),
                reason: said(&*panic),
            })
        });
        Ok(touched?.0)
    }

    async fn apply(
        &mut self,
        transaction: &mut PgConnection,
        schema: Schema,
        events: &[Arc<Recorded>],
    ) -> Result<(), Failure> {
        let mut touched = Vec::with_capacity(events.len());
        for event in events {
            let keys = self
                .touches(event)
                .map_err(|e| Failure::Event { position: event.position, reason: e.into() })?;
            if !keys.is_empty() {
                touched.push((event, keys));
            }
        }
        if touched.is_empty() {
            return Ok(());
        }
        let unknown = self.unknown(&touched);
        if !unknown.is_empty() {
            let found = self.table.load(transaction, schema, &unknown).await?;
            self.know(unknown, found)?;
        }
        self.folded = fold::<V>(&self.cache, &touched)?;
        let changes = Self::changes(&self.cache, &self.folded, &self.totals)?;
        self.table.write(transaction, schema, changes).await
    }

    fn committed(&mut self) {
        if self.cache.len() + self.folded.len() > CACHED_ROWS {
            self.cache.clear();
        }
        self.cache.extend(self.folded.drain());
    }

    fn rolled_back(&mut self) {
        self.cache.clear();
        self.folded.clear();
    }
}

/// Folds events into rows that start as in `before`.
fn fold<V: View>(
    before: &HashMap<RowKey, Option<V::Row>>,
    touched: &[(&Arc<Recorded>, Vec<RowKey>)],
) -> Result<HashMap<RowKey, Option<V::Row>>, Failure> {
    let mut folded: HashMap<RowKey, Option<V::Row>> = HashMap::new();
    for (event, keys) in touched {
        for key in keys {
            let row = match folded.get_mut(key) {
                Some(row) => row,
                None => folded.entry(key.clone()).or_insert(before.get(key).cloned().flatten()),
            };
            let last = row.take();
            *row = catch_unwind(AssertUnwindSafe(|| V::fold(key, last, event)))
                .unwrap_or_else(|panic| Err(Unfoldable::Panicked(said(&*panic))))
                .map_err(|reason| Failure::Event { position: event.position, reason })?;
        }
    }
    Ok(folded)
}

/// The words of a panic.
#[must_use]
pub fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic".to_owned())
}

impl<V: View> Runtime<V> {
    /// The touched rows that are not in the cache.
    fn unknown<'a>(&self, touched: &'a [(&Arc<Recorded>, Vec<RowKey>)]) -> Vec<&'a RowKey> {
        let keys: BTreeSet<&RowKey> = touched.iter().flat_map(|(_, keys)| keys).collect();
        keys.into_iter().filter(|key| !self.cache.contains_key(*key)).collect()
    }

    /// Brings rows that were loaded into the cache.
    fn know(&mut self, unknown: Vec<&RowKey>, found: Vec<(i64, Box<RawValue>)>) -> Result<(), Failure> {
        let read = |(n, row): (i64, Box<RawValue>)| Ok((n, serde_json::from_str(row.get())?));
        let rows: Result<HashMap<i64, V::Row>, serde_json::Error> = found.into_iter().map(read).collect();
        let mut rows = rows.map_err(|error| sqlx::Error::Decode(error.into()))?;
        for (n, key) in (1..).zip(unknown) {
            self.cache.insert(key.clone(), rows.remove(&n));
        }
        Ok(())
    }

    /// What the fold has changed.
    fn changes<'a>(
        cache: &HashMap<RowKey, Option<V::Row>>,
        folded: &'a HashMap<RowKey, Option<V::Row>>,
        totals: &[Total<V::Row>],
    ) -> Result<Changes<'a>, Failure> {
        let mut changed: Vec<(&RowKey, &Option<V::Row>)> =
            folded.iter().filter(|(key, row)| cache.get(*key) != Some(row)).collect();
        changed.sort_unstable_by_key(|(key, _)| *key);
        let rows: Vec<&V::Row> = changed.iter().filter_map(|(_, row)| row.as_ref()).collect();
        let rows = if rows.is_empty() { None } else { Some(serde_json::to_string(&rows)?) };
        let gone = changed.iter().filter(|(_, row)| row.is_none()).map(|(key, _)| *key).collect();
        let mut all = Vec::with_capacity(totals.len());
        for total in totals {
            let mut deltas = Deltas::default();
            for (key, row) in &changed {
                let old = cache.get(*key).and_then(Option::as_ref);
                for (row, sign) in [(old, -1), (row.as_ref(), 1)] {
                    let contributed =
                        catch_unwind(AssertUnwindSafe(|| row.map(total.contributes).unwrap_or_default()))
                            .map_err(|panic| Failure::Totals(Unfoldable::Panicked(said(&*panic))))?;
                    for contribution in contributed {
                        deltas.add(key.workspace, contribution, sign);
                    }
                }
            }
            all.push(deltas);
        }
        Ok(Changes { rows, gone, deltas: all })
    }
}
