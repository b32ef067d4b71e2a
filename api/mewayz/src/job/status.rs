//! `mewayz status`: how far everything that reacts to the log is.

use clap::Args;
use infra::config::Config;
use infra::relay::progress;
use infra::subscription::checkpoint::{self, Standing};
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
    let (head, subscriptions) = checkpoint::standings(&base.pool).await?;
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
    let mut table = table(&["SUBSCRIPTION", "POSITION", "LAG", "PARKED", "RUNNING"]);
    for standing in status.subscriptions {
        table.add_row([
            standing.name,
            standing.position.to_string(),
            standing.lag.to_string(),
            standing.parked.to_string(),
            if standing.running { "yes" } else { "no" }.to_owned(),
        ]);
    }
    say(table)?;
    match status.kafka {
        None => say("No Kafka is configured (KAFKA_BROKERS): nothing leaves the log.")?,
        Some(Ok(position)) => say(format_args!("The topics in Kafka hold it up to position {position}."))?,
        Some(Err(error)) => say(format_args!("Kafka: {error}."))?,
    }
    Ok(())
}
