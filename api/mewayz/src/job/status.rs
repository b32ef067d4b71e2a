//! `mewayz status`: how far everything that reacts to the log is.

use chrono::{DateTime, Utc};
use clap::Args;
use commands::Fault;
use infra::config::Config;
use infra::relay::progress;
use infra::subscription::standing::{self, Standing, Stuck};
use serde::Serialize;

use super::base::Base;
use super::{say, table};

#[derive(Debug, Args)]
pub struct Options {
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Status {
    /// The log's last position.
    head: i64,
    subscriptions: Vec<Standing>,
    /// How far the topics are, if there is a Kafka and it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    kafka: Option<Result<i64, String>>,
}

/// # Errors
/// If the database does not answer.
pub async fn run(config: Config, options: Options) -> anyhow::Result<()> {
    let base = Base::of_job(config).await?;
    let (head, subscriptions) = standing::standings(&base.pool).await?;
    let kafka = match base.relay() {
        Some(relay) => {
            let read = tokio::task::spawn_blocking(move || progress::read(&relay)).await?;
            Some(read.map(|progress| progress.map_or(0, |p| p.position)).map_err(|error| error.to_string()))
        }
        None => None,
    };
    let status = Status { head, subscriptions, kafka };
    if options.json {
        say(serde_json::to_string(&status)?)?;
        return Ok(());
    }
    say(format_args!("The log ends at position {head}."))?;
    let mut table = table(&["SUBSCRIPTION", "POSITION", "LAG", "PARKED", "RUNNING", "STUCK SINCE"]);
    for standing in &status.subscriptions {
        table.add_row([
            standing.name.clone(),
            standing.position.to_string(),
            standing.lag.to_string(),
            standing.parked.to_string(),
            if standing.running { "yes" } else { "no" }.to_owned(),
            standing.stuck.as_ref().map_or_else(String::new, |stuck| time(stuck.since)),
        ]);
    }
    say(table)?;
    for line in status.subscriptions.iter().flat_map(to_do) {
        say(line)?;
    }
    match status.kafka {
        None => say("No Kafka is configured (KAFKA_BROKERS): nothing leaves the log.")?,
        Some(Ok(position)) => {
            say(format_args!("The topics in Kafka hold it up to position {position}."))?;
            let waiting = "select recorded_at from events where position = $1
                           and recorded_at < clock_timestamp() - interval '15 s'";
            let since: Option<DateTime<Utc>> =
                sqlx::query_scalar(waiting).bind(position + 1).fetch_optional(&base.pool).await?;
            if let Some(since) = since {
                let since = time(since);
                say(format_args!(
                    "What comes after that waits since {since}: does `mewayz relay` run? Its log says what it fails on."
                ))?;
            }
        }
        Some(Err(error)) => {
            let remedy = Fault::remedy("kafka");
            say(format_args!("Kafka: {error}. To do: {remedy}."))?;
        }
    }
    Ok(())
}

/// What to do about a subscription, if anything.
fn to_do(standing: &Standing) -> Vec<String> {
    let Standing { name, parked, stuck, .. } = standing;
    let mut lines = Vec::new();
    if let Some(Stuck { since, why, remedy }) = stuck {
        lines.push(format!("{name} has not moved since {}: {why}. To do: {remedy}.", time(*since)));
    }
    if *parked > 0 {
        lines.push(format!(
            "{name}: {parked} parked. To do: see why (`mewayz parked`), mend that, then `mewayz unpark {name}`."
        ));
    }
    lines
}

fn time(at: DateTime<Utc>) -> String {
    at.format("%FT%TZ").to_string()
}
