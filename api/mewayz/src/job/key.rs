//! `mewayz key`: API keys.

use api::key::issue;
use chrono::TimeDelta;
use clap::{Args, Subcommand};
use commands::identity::api_key;
use domain::ids::ApiKeyId;
use infra::config::Config;

use super::base::Base;
use super::workspace::named;
use super::{say, table};

#[derive(Debug, Args)]
pub struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Create a key, and print it: it is shown this once only
    ///
    /// `*` is every scope of the workspace; `history:write` (recording what happened earlier) must be named beside it,
    /// and so must `platform:operate` (`/metrics`, `/api/monitoring`), which keys of the workspace
    /// ws_00000000000000000000000001 may have.
    Create {
        /// The workspace's id or name
        #[arg(long)]
        workspace: String,
        /// What people call the key
        #[arg(long)]
        name: String,
        /// What it may do: `*` or capability:verb, as in order:place; may be repeated
        #[arg(long = "scope", required = true, value_name = "SCOPE")]
        scopes: Vec<String>,
        /// After how many days it ends; never if not given
        #[arg(long, value_name = "DAYS")]
        expires_in: Option<u16>,
    },
    /// Revoke a key, for good; every instance refuses it within five seconds
    Revoke {
        /// The workspace's id or name
        #[arg(long)]
        workspace: String,
        /// The key's id, from `mewayz key list`
        id: ApiKeyId,
    },
    /// List the keys of a workspace, without their secrets
    List {
        /// The workspace's id or name
        #[arg(long)]
        workspace: String,
    },
}

/// # Errors
/// If it is refused, or the database does not answer.
pub async fn run(config: Config, options: Options) -> anyhow::Result<()> {
    let base = Base::of_job(config).await?;
    match options.what {
        What::Create { workspace, name, scopes, expires_in } => {
            let workspace = named(&base, &workspace).await?;
            let expires_at = expires_in.map(|days| base.clock.now() + TimeDelta::days(days.into()));
            let cx = base.context(workspace.id, "key");
            say(issue(cx, &name, scopes, expires_at).await?.reveal())?;
        }
        What::Revoke { workspace, id } => {
            let workspace = named(&base, &workspace).await?;
            api_key::revoke(base.context(workspace.id, "key"), id).await?;
        }
        What::List { workspace } => {
            let workspace = named(&base, &workspace).await?;
            let mut table = table(&["ID", "NAME", "SCOPES", "EXPIRES", "REVOKED"]);
            for key in api_key::all(&base.store, workspace.id).await? {
                let scopes: Vec<String> = key.terms.scopes.into_iter().collect();
                let expires = key.terms.expires_at.map(|at| at.to_rfc3339()).unwrap_or_default();
                let revoked = if key.revoked { "revoked" } else { "" };
                table.add_row([&key.id.to_string(), &key.terms.name, &scopes.join(" "), &expires, revoked]);
            }
            say(table)?;
        }
    }
    Ok(())
}
