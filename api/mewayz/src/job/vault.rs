//! `mewayz vault`: the keys of personal data.

use clap::{Args, Subcommand};
use commands::port::vault::Vault as _;
use domain::identity::subject::{Subject, SubjectEvent};
use domain::kernel::Decider;
use domain::pii::Whose;
use infra::adapter::vault::rotate;
use infra::config::Config;

use super::base::{Base, vault_pool};
use super::say;

/// Erasures that are read at once.
const PAGE: usize = 500;

#[derive(Debug, Args)]
pub struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make a new epoch key, wrap all keys with it, and forget all epoch keys but it and the one before
    ///
    /// Do it weekly. What was erased before the last rotation but one can be read by nobody from then on, whatever they
    /// have kept of the database and its backups. It writes the key file anew: copies of it must follow.
    Rotate,
    /// Destroy again the keys of everybody who was erased, after the vault was restored from a backup
    Replay,
}

/// # Errors
/// If the vault or its key file cannot be used.
pub async fn run(config: Config, options: Options) -> anyhow::Result<()> {
    match options.what {
        What::Rotate => {
            let rotated = rotate(&vault_pool(&config)?, &config.vault_key_file()).await?;
            let forgotten: Vec<String> = rotated.forgotten.iter().map(ToString::to_string).collect();
            say(format_args!(
                "Epoch {} wraps {} keys now; forgotten: {}.",
                rotated.epoch,
                rotated.keys,
                if forgotten.is_empty() { "none".to_owned() } else { forgotten.join(", ") }
            ))?;
        }
        What::Replay => {
            let replayed = replay(&Base::of_job(config).await?).await?;
            say(format_args!("The keys of {replayed} erasures are destroyed."))?;
        }
    }
    Ok(())
}

/// Destroys what the log says is erased; answers how many erasures there were.
async fn replay(base: &Base) -> anyhow::Result<usize> {
    let vault = base.vault()?;
    let erasures = sqlx::query_scalar!(
        "select position from events where aggregate_type = $1 and event_type = 'Erased' order by position",
        Subject::NAME
    )
    .fetch_all(&base.pool)
    .await?;
    for positions in erasures.chunks(PAGE) {
        for event in base.store.pick(positions).await? {
            if let Some((subject, SubjectEvent::Erased { classes, .. })) = event.happened_to::<Subject>()? {
                vault.destroy(&Whose::new(event.workspace, subject), classes).await?;
            }
        }
    }
    Ok(erasures.len())
}
