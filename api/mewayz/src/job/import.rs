//! `mewayz import`: what was bought elsewhere, before.
//!
//! It can be killed at any moment and run again: a row is taken once, whatever happens.

pub mod progress;
pub mod row;
mod shift;
pub mod taking;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use clap::{Args, Subcommand};
use commands::identity::workspace;
use domain::ids::WorkspaceId;
use infra::config::Config;
use uuid::Uuid;

use super::AskedWrongly;
use super::base::Base;
use super::demo::DEMO;
use progress::{Progress, Summary};
use row::Source;

#[derive(Debug, Args)]
pub struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Import purchases from a CSV file: each row becomes an order that was paid and delivered on its day
    ///
    /// The file's first line is `customer_id,date,quantity,amount_usd`. A row is known by its source and its line
    /// number: run again, nothing is taken twice. Rows that cannot be taken are told with their line and the
    /// reason, and the rest goes on; then it ends with 4. Put new rows at the end: behind rows that were put in or
    /// taken out elsewhere, nothing is taken.
    Purchases(Purchases),
}

#[derive(Debug, Args)]
struct Purchases {
    /// The CSV file
    file: PathBuf,
    /// The workspace's name or id; one of this name is made if there is none
    #[arg(long)]
    workspace: String,
    /// What the file is called, whatever its path: `cdnow`
    #[arg(long)]
    source: String,
    /// How many rows are under way at once
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u16).range(1..=4096))]
    in_flight: u16,
}

/// Some rows were not taken; which ones and why was told.
#[derive(Debug, thiserror::Error)]
#[error("{0} rows were not taken")]
pub struct SomeRejected(pub u64);

/// # Errors
/// If the file cannot be read, the store does not answer, or rows were not taken ([`SomeRejected`]).
pub async fn run(config: Config, options: Options) -> anyhow::Result<()> {
    let What::Purchases(asked) = options.what;
    let base = Base::of_job(config).await?;
    let summary = purchases(&base, &asked).await?;
    println!("{summary}");
    ensure!(summary.rejected == 0, SomeRejected(summary.rejected));
    Ok(())
}

async fn purchases(base: &Base, asked: &Purchases) -> anyhow::Result<Summary> {
    let rows = rows(&asked.file)?;
    let file = BufReader::new(open(&asked.file)?);
    let workspace = workspace_of(base, &asked.workspace).await?;
    let source = Source::named(&asked.source, workspace.uuid()).map_err(|no| AskedWrongly(no.to_string()))?;
    let cx = base.context(workspace, "import");
    let mut progress = Progress::over(rows);
    let count = |told| progress.count(&told);
    taking::take(&cx, Arc::new(source), file, asked.in_flight.into(), count).await?;
    Ok(progress.end())
}

/// The workspace of this name or id, made if there is none of the name.
async fn workspace_of(base: &Base, text: &str) -> anyhow::Result<WorkspaceId> {
    let mut named = workspace::all(&base.store).await?;
    let id = text.parse::<WorkspaceId>().ok();
    named.retain(|known| id.map_or(known.name == text, |id| known.id == id));
    let asked_wrongly = |sentence: String| Err(AskedWrongly(sentence).into());
    match named.as_slice() {
        _ if text == DEMO || named.iter().any(|known| known.name == DEMO) => {
            asked_wrongly("the demo's workspace takes no history; name another".into())
        }
        [known] if known.suspended.is_some() => asked_wrongly(format!("{} is suspended", known.name)),
        [known] => Ok(known.id),
        [] if id.is_some() => {
            asked_wrongly(format!("there is no workspace {text}; see `mewayz workspace list`"))
        }
        [] => {
            // Its id follows from its name, so that two imports that begin at once make one.
            let id = Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("mewayz:workspace:{text}").as_bytes());
            let id = WorkspaceId::from_uuid(id);
            workspace::create(base.context(id, "import"), text).await?;
            Ok(id)
        }
        many => asked_wrongly(format!("{} workspaces are called `{text}`; give the id", many.len())),
    }
}

/// How many rows it has, for the progress bar.
fn rows(path: &Path) -> anyhow::Result<u64> {
    let mut file = BufReader::new(open(path)?);
    let mut rows = 0;
    while file.skip_until(b'\n').with_context(|| cannot_be_read(path))? > 0 {
        rows += 1;
    }
    Ok(u64::saturating_sub(rows, 1))
}

fn open(path: &Path) -> anyhow::Result<File> {
    File::open(path).with_context(|| cannot_be_read(path))
}

fn cannot_be_read(path: &Path) -> String {
    format!("{} cannot be read", path.display())
}
