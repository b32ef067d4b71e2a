//! `mewayz relay`: the log into Kafka, and whether it got there.

use anyhow::bail;
use clap::{Args, Subcommand};
use infra::config::Config;

use super::base::Base;
use super::roles::{self, Role};
use super::{AskedWrongly, say};

#[derive(Debug, Args)]
pub struct Options {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Compare the topics with the log, record by record
    Verify,
    /// Delete the topics, make them again and fill them from the log
    ///
    /// Consumers must begin at the beginning; a relay that runs is fenced off.
    Rebuild,
}

/// # Errors
/// If there is no Kafka, it does not answer, or the topics are not what the log says.
pub async fn run(config: Config, options: Options) -> anyhow::Result<()> {
    if config.kafka.brokers.is_none() {
        let what = "there is no Kafka to relay to; set KAFKA_BROKERS to HOST:PORT";
        return Err(AskedWrongly(what.into()).into());
    }
    let Some(what) = options.what else {
        return roles::run(config, &[Role::Relay]).await;
    };
    let base = Base::of_job(config).await?;
    let Some(relay) = base.relay() else { return Ok(()) };
    match what {
        What::Verify => {
            let verified = infra::relay::verify::verify(&base.store, &relay).await?;
            say(&verified)?;
            if verified.difference.is_some() {
                bail!("the topics are not what the log says; `mewayz relay rebuild` makes them anew");
            }
        }
        What::Rebuild => say(infra::relay::rebuild::rebuild(&base.store, &relay).await?)?,
    }
    Ok(())
}
