//! Runtime: a batch of events into rows and totals, in the caller's transaction.
//!
//! One `select` for the rows that are not in the cache, the fold in memory, one upsert, one write per total. What
//! was folded becomes the cache only when the caller says that its transaction committed.

use std::any::Any;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use async_trait::async_trait;
use domain::kernel::{Recorded, Unreadable};
use serde_json::{Map, Value};
use sqlx::PgConnection;

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
    upserts: HashMap<String, String>,
}

impl<V: View> Default for Runtime<V> {
    fn default() -> Self {
        Self { cache: HashMap::new(), folded: HashMap::new(), totals: V::totals(), upserts: HashMap::new() }
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
        self.load(transaction, schema, &touched).await?;
        self.folded = fold::<V>(&self.cache, &touched)?;
        self.write(transaction, schema).await
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
    /// Brings the touched rows that are not known into the cache.
    async fn load(
        &mut self,
        transaction: &mut PgConnection,
        schema: Schema,
        touched: &[(&Arc<Recorded>, Vec<RowKey>)],
    ) -> Result<(), Failure> {
        let keys: HashSet<&RowKey> = touched.iter().flat_map(|(_, keys)| keys).collect();
        let mut unknown: Vec<&RowKey> =
            keys.into_iter().filter(|key| !self.cache.contains_key(*key)).collect();
        unknown.sort_unstable();
        if unknown.is_empty() {
            return Ok(());
        }
        let workspaces: Vec<String> = unknown.iter().map(|key| key.workspace.to_string()).collect();
        let keys: Vec<&str> = unknown.iter().map(|key| key.key.as_str()).collect();
        // The lateral limit keeps a plan that was made over an empty table on the primary key.
        let sql = format!(
            "select k.n, to_jsonb(t.*) from unnest($1::text[], $2::text[]) with ordinality as k (workspace, key, n), \
             lateral (select * from {schema}.{table} t \
                      where t.workspace_id = k.workspace and t.{key} = k.key limit 1) t",
            schema = schema.name(),
            table = V::NAME,
            key = V::KEY,
        );
        let found: Vec<(i64, sqlx::types::Json<V::Row>)> =
            sqlx::query_as(&sql).bind(&workspaces).bind(&keys).fetch_all(transaction).await?;
        let mut rows: HashMap<i64, V::Row> = found.into_iter().map(|(n, row)| (n, row.0)).collect();
        for (n, key) in (1..).zip(unknown) {
            self.cache.insert(key.clone(), rows.remove(&n));
        }
        Ok(())
    }

    async fn write(&mut self, transaction: &mut PgConnection, schema: Schema) -> Result<(), Failure> {
        let mut changed: Vec<(&RowKey, &Option<V::Row>)> =
            self.folded.iter().filter(|(key, row)| self.cache.get(*key) != Some(row)).collect();
        changed.sort_unstable_by_key(|(key, _)| *key);
        let (rows, gone): (Vec<_>, Vec<_>) = changed.iter().partition(|(_, row)| row.is_some());
        let deltas: Vec<Vec<Value>> =
            self.totals.iter().map(|total| self.deltas(total, &changed)).collect::<Result<_, _>>()?;

        if !gone.is_empty() {
            let workspaces: Vec<String> = gone.iter().map(|(key, _)| key.workspace.to_string()).collect();
            let keys: Vec<&str> = gone.iter().map(|(key, _)| key.key.as_str()).collect();
            let sql = format!(
                "delete from {}.{} t using unnest($1::text[], $2::text[]) as k (workspace, key) \
                 where t.workspace_id = k.workspace and t.{} = k.key",
                schema.name(),
                V::NAME,
                V::KEY
            );
            sqlx::query(&sql).bind(&workspaces).bind(&keys).execute(&mut *transaction).await?;
        }
        if !rows.is_empty() {
            let rows: Vec<&V::Row> = rows.iter().filter_map(|(_, row)| row.as_ref()).collect();
            let json = serde_json::to_string(&rows)?;
            let sql = upsert(
                &mut self.upserts,
                &mut *transaction,
                schema,
                V::NAME,
                &["workspace_id", V::KEY],
                false,
            )
            .await?;
            sqlx::query(&sql).bind(json).execute(&mut *transaction).await?;
        }
        for (total, deltas) in self.totals.iter().zip(deltas).filter(|(_, deltas)| !deltas.is_empty()) {
            let json = serde_json::to_string(&deltas)?;
            let keys: Vec<&str> =
                std::iter::once("workspace_id").chain(total.group.iter().copied()).collect();
            let sql = upsert(&mut self.upserts, &mut *transaction, schema, total.table, &keys, true).await?;
            sqlx::query(&sql).bind(&json).execute(&mut *transaction).await?;
            if deltas.iter().any(|delta| delta["rows"].as_i64().is_some_and(|rows| rows < 0)) {
                let same: Vec<String> = keys.iter().map(|key| format!("t.{key} = d.{key}")).collect();
                let table = format!("{}.{}", schema.name(), total.table);
                let sql = format!(
                    "delete from {table} t using jsonb_populate_recordset(null::{table}, $1::jsonb) d \
                     where t.rows = 0 and {}",
                    same.join(" and ")
                );
                sqlx::query(&sql).bind(&json).execute(&mut *transaction).await?;
            }
        }
        Ok(())
    }

    /// What the changed rows change in a total's groups, in the groups' order.
    fn deltas(
        &self,
        total: &Total<V::Row>,
        changed: &[(&RowKey, &Option<V::Row>)],
    ) -> Result<Vec<Value>, Failure> {
        // Wider than any amount: what a batch adds up to must not depend on what falls into it.
        let mut groups: BTreeMap<(String, Vec<String>), (i64, Vec<i128>)> = BTreeMap::new();
        for (key, row) in changed {
            let old = self.cache.get(*key).and_then(Option::as_ref);
            for (row, sign) in [(old, -1), (row.as_ref(), 1)] {
                let contributed =
                    catch_unwind(AssertUnwindSafe(|| row.map(total.contributes).unwrap_or_default()))
                        .map_err(|panic| Failure::Totals(Unfoldable::Panicked(said(&*panic))))?;
                for contribution in contributed {
                    let (rows, amounts) = groups
                        .entry((key.workspace.to_string(), contribution.group))
                        .or_insert_with(|| (0, vec![0; total.amounts.len()]));
                    *rows += sign;
                    for (amount, added) in amounts.iter_mut().zip(contribution.amounts) {
                        *amount += i128::from(sign) * i128::from(added);
                    }
                }
            }
        }
        groups.retain(|_, (rows, amounts)| *rows != 0 || amounts.iter().any(|&amount| amount != 0));
        Ok(groups
            .into_iter()
            .map(|((workspace, group), (rows, amounts))| {
                let mut delta = Map::new();
                delta.insert("workspace_id".into(), workspace.into());
                delta.insert("rows".into(), rows.into());
                delta.extend(
                    total.group.iter().map(|&c| c.to_owned()).zip(group.into_iter().map(Value::from)),
                );
                // As text: JSON's numbers end at 64 bits here.
                let amounts = amounts.into_iter().map(|amount| Value::from(amount.to_string()));
                delta.extend(total.amounts.iter().map(|&c| c.to_owned()).zip(amounts));
                Value::Object(delta)
            })
            .collect())
    }
}

/// The statement that writes rows of a table given as JSON: over the old ones, or added to them.
async fn upsert(
    known: &mut HashMap<String, String>,
    transaction: &mut PgConnection,
    schema: Schema,
    table: &str,
    keys: &[&str],
    add: bool,
) -> Result<String, sqlx::Error> {
    let name = format!("{}.{table}", schema.name());
    if let Some(sql) = known.get(&name) {
        return Ok(sql.clone());
    }
    let columns = sqlx::query_scalar!(
        r#"select attname::text as "name!" from pg_attribute
           where attrelid = $1::text::regclass and attnum > 0 and not attisdropped order by attnum"#,
        name
    )
    .fetch_all(transaction)
    .await?;
    let sets: Vec<String> = columns
        .iter()
        .filter(|column| !keys.contains(&column.as_str()))
        .map(|c| if add { format!("{c} = t.{c} + excluded.{c}") } else { format!("{c} = excluded.{c}") })
        .collect();
    let conflict =
        if sets.is_empty() { "nothing".to_owned() } else { format!("update set {}", sets.join(", ")) };
    let sql = format!(
        "insert into {name} as t select * from jsonb_populate_recordset(null::{name}, $1::jsonb) \
         on conflict ({}) do {conflict}",
        keys.join(", ")
    );
    known.insert(name, sql.clone());
    Ok(sql)
}
