//! Parked events (dead letters): what could not be applied, and what waits behind it in order, per key.

use std::collections::HashMap;

use domain::kernel::Recorded;
use sqlx::{PgConnection, PgPool};

/// What a row's key begins with, and a stream's never.
pub const ROW: &str = "row ";

/// What must wait, and since which position: a view's row keys (`row <workspace>/<key>`) or streams
/// (`<type>/<workspace>/<id>`).
#[derive(Debug, Default)]
pub struct Parked {
    since: HashMap<String, i64>,
}

impl Parked {
    /// # Errors
    /// If the database does not answer.
    pub async fn load(pool: &PgPool, subscription: &str) -> Result<Self, sqlx::Error> {
        let rows = sqlx::query!(
            r#"select key as "key!", min(position) as "since!"
               from parked cross join unnest(keys) as key where subscription = $1 group by key"#,
            subscription
        )
        .fetch_all(pool)
        .await?;
        Ok(Self { since: rows.into_iter().map(|row| (row.key, row.since)).collect() })
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.since.is_empty()
    }

    /// Whether an event about these, at this position, must wait. What comes before the parked event need not:
    /// else it would depend on the batch.
    pub fn holds(&self, keys: &[String], position: i64) -> bool {
        !self.is_empty() && keys.iter().any(|key| self.since.get(key).is_some_and(|&since| since < position))
    }

    /// Whatever is about these, after this position, waits.
    pub fn hold(&mut self, keys: &[String], position: i64) {
        for key in keys {
            let since = self.since.entry(key.clone()).or_insert(position);
            *since = position.min(*since);
        }
    }
}

/// The stream of an event, as parking names it.
#[must_use]
pub fn stream_key(event: &Recorded) -> String {
    format!("{}/{}/{}", event.aggregate_type, event.workspace, event.id)
}

/// Parks an event inside the caller's transaction.
///
/// # Errors
/// If the database does not answer.
pub async fn park(
    transaction: &mut PgConnection,
    subscription: &str,
    event: &Recorded,
    keys: &[String],
    reason: &str,
) -> Result<(), sqlx::Error> {
    metrics::counter!("mewayz_parked_events_total", "subscription" => subscription.to_owned()).increment(1);
    sqlx::query!(
        "insert into parked (subscription, position, workspace_id, keys, reason, parked_at)
         values ($1, $2, $3, $4, $5, clock_timestamp())
         on conflict (subscription, position) do update
             set keys = excluded.keys, reason = excluded.reason, retry = false",
        subscription,
        event.position,
        event.workspace.uuid(),
        keys,
        // The database takes no U+0000, and what could not be read may have one.
        reason.replace('\0', "\u{fffd}"),
    )
    .execute(transaction)
    .await?;
    Ok(())
}

/// A parked event, for those who look.
#[derive(Debug, Clone, serde::Serialize)]
pub struct ParkedEvent {
    pub subscription: String,
    pub position: i64,
    pub keys: Vec<String>,
    pub reason: String,
    pub parked_at: chrono::DateTime<chrono::Utc>,
}

impl ParkedEvent {
    /// Of a view: whether it was not known which rows the event touches, so that only its stream waits. What came
    /// of other streams was folded into these rows without it, and only the whole log makes them right.
    #[must_use]
    pub fn rows_are_unknown(&self) -> bool {
        self.keys.iter().any(|key| !key.starts_with(ROW))
    }
}

/// All that is parked, by subscription and position.
///
/// # Errors
/// If the database does not answer.
pub async fn list(pool: &PgPool) -> Result<Vec<ParkedEvent>, sqlx::Error> {
    sqlx::query_as!(
        ParkedEvent,
        "select subscription, position, keys, reason, parked_at from parked order by subscription, position"
    )
    .fetch_all(pool)
    .await
}

/// Asks the owner of a subscription to try its parked events again; answers how many.
///
/// # Errors
/// If the database does not answer.
pub async fn ask_again(pool: &PgPool, subscription: &str) -> Result<u64, sqlx::Error> {
    let asked = sqlx::query!("update parked set retry = true where subscription = $1", subscription)
        .execute(pool)
        .await?;
    Ok(asked.rows_affected())
}

/// All positions that wait, if some of them were asked to be tried again: with those that were.
///
/// # Errors
/// If the database does not answer.
pub async fn asked(pool: &PgPool, subscription: &str) -> Result<Vec<(i64, bool)>, sqlx::Error> {
    let rows = sqlx::query!(
        "select position, retry from parked where subscription = $1
         and exists (select from parked p where p.subscription = $1 and p.retry) order by position",
        subscription
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.position, row.retry)).collect())
}

/// Takes a parked event out, inside the caller's transaction.
///
/// # Errors
/// If the database does not answer.
pub async fn unpark(
    transaction: &mut PgConnection,
    subscription: &str,
    position: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query!("delete from parked where subscription = $1 and position = $2", subscription, position)
        .execute(transaction)
        .await?;
    Ok(())
}
