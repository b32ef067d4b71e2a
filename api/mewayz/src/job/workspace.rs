//! `mewayz workspace`: tenants.

use anyhow::Context as _;
use clap::{Args, Subcommand};
use commands::identity::workspace::{self, Known};
use domain::ids::WorkspaceId;
use infra::config::Config;
use uuid::Uuid;

use super::base::Base;
use super::{AskedWrongly, say, table};

#[derive(Debug, Args)]
pub struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Create a workspace, and print its id
    Create {
        /// What people call it
        name: String,
        /// Its id (ws_…), so that a repeat creates nothing; a new one if not given
        #[arg(long, value_name = "ID")]
        id: Option<WorkspaceId>,
    },
    /// List all workspaces
    List,
    /// Take no more commands for a workspace; what it holds stays readable
    Suspend {
        /// Its id or its name
        workspace: String,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// Take commands for it again
    Resume {
        /// Its id or its name
        workspace: String,
    },
}

/// # Errors
/// If it is refused, or the database does not answer.
pub async fn run(config: Config, options: Options) -> anyhow::Result<()> {
    let base = Base::of_job(config).await?;
    match options.what {
        What::Create { name, id } => {
            say(create(&base, id, &name).await?)?;
        }
        What::List => {
            let mut table = table(&["ID", "NAME", "SUSPENDED"]);
            for known in workspace::all(&base.store).await? {
                table.add_row([known.id.to_string(), known.name, known.suspended.unwrap_or_default()]);
            }
            say(table)?;
        }
        What::Suspend { workspace, reason } => {
            let known = named(&base, &workspace).await?;
            workspace::suspend(base.context(known.id, "workspace"), &reason).await?;
        }
        What::Resume { workspace } => {
            let known = named(&base, &workspace).await?;
            workspace::resume(base.context(known.id, "workspace")).await?;
        }
    }
    Ok(())
}

/// Creates a workspace; nothing happens if the one of this id has this name already.
///
/// # Errors
/// If it is refused, or the database does not answer.
pub async fn create(base: &Base, id: Option<WorkspaceId>, name: &str) -> anyhow::Result<WorkspaceId> {
    let id = id.unwrap_or_else(|| WorkspaceId::from_uuid(Uuid::now_v7()));
    workspace::create(base.context(id, "workspace"), name).await?;
    Ok(id)
}

/// The workspace of this id or name.
///
/// # Errors
/// If there is none, or several have the name.
pub async fn named(base: &Base, text: &str) -> anyhow::Result<Known> {
    if let Ok(id) = text.parse::<WorkspaceId>() {
        let known = workspace::find(&base.store, id).await?;
        return known.with_context(|| format!("there is no workspace {id}; see `mewayz workspace list`"));
    }
    let mut known = workspace::all(&base.store).await?;
    known.retain(|known| known.name == text);
    match known.len() {
        1 => Ok(known.remove(0)),
        0 => Err(AskedWrongly(format!(
            "there is no workspace `{text}`; see `mewayz workspace list`, or make it with `mewayz workspace create`"
        ))
        .into()),
        many => Err(AskedWrongly(format!(
            "{many} workspaces are called `{text}`; give the id, from `mewayz workspace list`"
        ))
        .into()),
    }
}
