//! CLI: what `mewayz` can be asked on the command line, and what it answers to the shell.
//!
//! Answers go to the standard output, logs and errors to the standard error. It ends with 0 if all is well, 2 if it
//! was not asked rightly (arguments, configuration), 3 if another instance has taken over, 4 if an import did not take
//! every row, 1 otherwise.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use infra::config::{Config, Mistakes};
use infra::relay::RelayError;
use infra::subscription::Stopped;
use infra::telemetry::{self, Logs};

use crate::job::{
    self, demo, gateway, import, inbox, key, parked, rebuild, relay, roles, simulate, status, vault,
    workspace,
};
use roles::Role;

const EXAMPLES: &str = "\
Examples:
  mewayz migrate                                    make or update the tables
  mewayz workspace create Acme                      a tenant; prints its id
  mewayz key create --workspace Acme --name shop --scope '*'
                                                    a key, shown once
  mewayz                                            every role in one process, until Ctrl-C
  mewayz status                                     how far everything is
  mewayz import purchases purchases.csv --workspace history --source cdnow
                                                    what was bought elsewhere, before
  mewayz config > mewayz.toml                       every option with its default, to be changed

DATABASE_URL names the database (as the run-time role), MEWAYZ_MIGRATE_URL the same as the owner
of its tables, KAFKA_BROKERS a Kafka. `mewayz help COMMAND` says more.";

/// An event-sourced platform for commerce: orders, payments, stock, and what follows from them.
#[derive(Debug, Parser)]
#[command(name = "mewayz", version, after_help = EXAMPLES, max_term_width = 110)]
pub struct Cli {
    /// A file of options (TOML); `mewayz config` shows them all. The environment comes before it.
    #[arg(long, global = true, env = "MEWAYZ_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    job: Option<Job>,
}

#[derive(Debug, Subcommand)]
enum Job {
    /// Every role in one process (what `mewayz` alone does)
    Serve,
    /// Answer HTTP
    Api,
    /// Relay the log to Kafka; or compare the topics with it, or make them anew
    Relay(relay::Options),
    /// Keep the read models up to date
    Project,
    /// Run processes, effects and deadlines
    React,
    /// A simulated payment gateway: a server of its own, with a book of its own
    Gateway(gateway::Options),
    /// A mail server that delivers to nobody, and a page to read what came: for development
    Inbox(inbox::Options),
    /// Make or update the tables
    Migrate,
    /// Make a read model anew from the log, compare it with the live one, and swap it in
    Rebuild(rebuild::Options),
    /// Tenants: create, list, suspend, resume
    Workspace(workspace::Options),
    /// API keys: create, revoke, list
    Key(key::Options),
    /// The keys of personal data: rotate what wraps them, destroy again what was erased
    Vault(vault::Options),
    /// What could not be applied, and waits for a person
    Parked(parked::ListOptions),
    /// Try what is parked again, once its cause is mended
    Unpark(parked::UnparkOptions),
    /// How far everything that reacts to the log is
    Status(status::Options),
    /// Import what was bought elsewhere, before
    Import(import::Options),
    /// Customers and sellers at work, over HTTP
    Simulate(simulate::Arguments),
    /// Everything at once, with customers: what `make run` does
    Demo(demo::Options),
    /// Print the API's document (OpenAPI 3.1)
    Openapi,
    /// Print every option with its default, as a file for `--config`
    Config,
}

/// Does what was asked, and says how it ended.
pub fn run(cli: Cli) -> ExitCode {
    match answer(cli) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the answer has heard enough: `mewayz parked | head`.
        Err(error) if nobody_listens(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", sentence(&error));
            ExitCode::from(code(&error))
        }
    }
}

fn answer(cli: Cli) -> anyhow::Result<()> {
    let job = cli.job.unwrap_or(Job::Serve);
    match job {
        Job::Openapi => {
            return Ok(job::say(api::openapi::text(&api::routes::document()).trim_end())?);
        }
        Job::Config => {
            return Ok(job::say(infra::config::defaults().trim_end())?);
        }
        _ => {}
    }
    // Customers need no database, nor does an inbox: they only know the platform's address, if that.
    let without = matches!(job, Job::Simulate(_) | Job::Inbox(_))
        .then(|| ("DATABASE_URL".to_owned(), "postgres://unused".to_owned()));
    let config = Config::load(cli.config.as_deref(), without.into_iter().chain(std::env::vars()))?;
    match &job {
        Job::Demo(_) => {
            std::fs::create_dir_all(&config.data)?;
            telemetry::start(&config.log, Logs::File(&config.data.join("mewayz.log")))?;
        }
        _ => telemetry::start(&config.log, Logs::Stderr)?,
    }
    // One of several providers may be linked: this is the one that is used.
    _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(perform(job, config));
    // What blocks (a client of Kafka that waits) must not hold up the end.
    runtime.shutdown_timeout(std::time::Duration::from_millis(500));
    done
}

async fn perform(job: Job, config: Config) -> anyhow::Result<()> {
    match job {
        Job::Serve => roles::run(config, &Role::ALL).await,
        Job::Api => roles::run(config, &[Role::Api]).await,
        Job::Relay(options) => relay::run(config, options).await,
        Job::Project => roles::run(config, &[Role::Project]).await,
        Job::React => roles::run(config, &[Role::React]).await,
        Job::Gateway(options) => gateway::run(config, options).await,
        Job::Inbox(options) => inbox::run(config, options).await,
        Job::Migrate => job::migrate::run(&config).await,
        Job::Rebuild(options) => rebuild::run(config, options).await,
        Job::Workspace(options) => workspace::run(config, options).await,
        Job::Key(options) => key::run(config, options).await,
        Job::Vault(options) => vault::run(config, options).await,
        Job::Parked(options) => parked::list(config, options).await,
        Job::Unpark(options) => parked::unpark(config, options).await,
        Job::Status(options) => status::run(config, options).await,
        Job::Import(options) => import::run(config, options).await,
        Job::Simulate(arguments) => simulate::command(arguments).await,
        Job::Demo(options) => demo::run(config, options).await,
        Job::Openapi | Job::Config => Ok(()),
    }
}

fn nobody_listens(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// The whole chain of causes, each said once.
fn sentence(error: &anyhow::Error) -> String {
    let mut said = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if said.is_empty() {
            said = cause;
        } else if !said.contains(&cause) {
            said = format!("{said}: {cause}");
        }
    }
    said
}

fn code(error: &anyhow::Error) -> u8 {
    let fenced = matches!(error.downcast_ref(), Some(Stopped::Fenced(_)))
        || matches!(error.downcast_ref(), Some(RelayError::Fenced));
    let asked_wrongly = error.is::<Mistakes>() || error.is::<job::AskedWrongly>();
    match () {
        () if fenced => 3,
        () if asked_wrongly => 2,
        () if error.is::<import::SomeRejected>() => 4,
        () => 1,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_make_sense_and_every_command_says_what_it_does() {
        Cli::command().debug_assert();
        fn all_say(command: &clap::Command) {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            command.get_subcommands().for_each(all_say);
        }
        all_say(&Cli::command());
    }

    #[test]
    fn says_by_its_code_how_it_ended() {
        assert_eq!(code(&Stopped::Fenced("order".into()).into()), 3);
        assert_eq!(code(&RelayError::Fenced.into()), 3);
        assert_eq!(code(&anyhow::Error::from(RelayError::Fenced).context("the relay")), 3);
        assert_eq!(code(&Mistakes(vec![]).into()), 2);
        assert_eq!(code(&import::SomeRejected(1).into()), 4);
        assert_eq!(code(&job::AskedWrongly("what?".into()).into()), 2);
        assert_eq!(code(&anyhow::anyhow!("the database is away")), 1);
    }

    #[test]
    fn says_each_cause_once() {
        let error =
            anyhow::anyhow!("refused").context("no connection: refused").context("the database is away");
        assert_eq!(sentence(&error), "the database is away: no connection: refused");
    }
}
