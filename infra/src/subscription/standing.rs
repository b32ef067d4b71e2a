//! Standing: where every subscription is, for those who watch: its lag, what is parked, and whether it stands still
//! (since when, why, and what to do about it).

use std::time::Duration;

use chrono::{DateTime, Utc};
use commands::{Fault, Result};
use rdkafka::error::KafkaError;
use sqlx::PgPool;

/// How long a subscription may stay where it is while there is something for it, before it is said to stand still. A
/// call to the gateway may take a few seconds.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long it may take to write down a failure.
const WRITING: Duration = Duration::from_secs(1);

/// Where a subscription stands.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Standing {
    pub name: String,
    pub position: i64,
    pub lag: i64,
    pub parked: i64,
    /// Whether somebody owns it and gives signs of life.
    pub running: bool,
    /// There if it does not move although the log has.
    pub stuck: Option<Stuck>,
}

/// A standstill.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Stuck {
    /// Since the event after its position was recorded, or since it came there, whichever was later.
    pub since: DateTime<Utc>,
    /// What it failed on last: a class of failures, and nothing of the data.
    pub why: String,
    /// What an operator does about it.
    pub remedy: &'static str,
}

/// Where every subscription stands, and the log's last position.
///
/// # Errors
/// If the database does not answer.
pub async fn standings(pool: &PgPool) -> Result<(i64, Vec<Standing>)> {
    let head = sqlx::query_scalar!("select position from head").fetch_one(pool).await?;
    let rows = sqlx::query!(
        r#"select s.name, s.position, s.owner is not null and s.lease_until > clock_timestamp() as "running!",
                  (select count(*) from parked p where p.subscription = s.name) as "parked!",
                  greatest(s.moved_at, e.recorded_at) as "since!", s.failure,
                  e.position is not null and (s.failure is not null
                      or clock_timestamp() - greatest(s.moved_at, e.recorded_at) > make_interval(secs => $1))
                      as "stuck!"
           from subscriptions s left join events e on e.position = s.position + 1
           order by s.name"#,
        PATIENCE.as_secs_f64()
    )
    .fetch_all(pool)
    .await?;
    let standings = rows
        .into_iter()
        .map(|row| Standing {
            stuck: row.stuck.then(|| Stuck::of(row.since, row.failure, row.running)),
            lag: (head - row.position).max(0),
            name: row.name,
            position: row.position,
            parked: row.parked,
            running: row.running,
        })
        .collect();
    Ok((head, standings))
}

impl Stuck {
    fn of(since: DateTime<Utc>, failure: Option<String>, running: bool) -> Self {
        match failure {
            Some(why) => Self { since, remedy: Fault::remedy(&why), why },
            None if running => Self {
                since,
                why: "it runs, and does not say why it stands still".to_owned(),
                remedy: "see the log of the process; a payment gateway that does not answer may hold up an effect",
            },
            None => Self {
                since,
                why: "nobody runs it".to_owned(),
                remedy: "start `mewayz project` (read models) or `mewayz react` (processes, effects)",
            },
        }
    }
}

/// Says for all to see what a subscription has failed on, until it moves again.
pub(super) async fn failed(pool: &PgPool, name: &str, fault: &Fault) {
    let code = fault.code().to_owned();
    metrics::counter!("mewayz_subscription_failures_total", "subscription" => name.to_owned(), "code" => code)
        .increment(1);
    let text = fault.to_string();
    let written = sqlx::query!(
        "update subscriptions set failure = $2 where name = $1 and failure is distinct from $2",
        name,
        text
    );
    // Who cannot write it for the same reason is seen by its position all the same.
    match tokio::time::timeout(WRITING, written.execute(pool)).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::debug!(subscription = name, %error, "a failure cannot be written down"),
        Err(_) => tracing::debug!(subscription = name, "a failure cannot be written down in time"),
    }
}

/// Whose failure it is that ended a subscription's work.
pub(super) fn fault(error: &anyhow::Error) -> Fault {
    if error.chain().any(|cause| cause.is::<KafkaError>()) {
        Fault::coded("kafka")
    } else {
        Fault::of(&**error)
    }
}
