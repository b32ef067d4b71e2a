//! Keys: the demo's workspaces and keys, made once and kept in the data folder.

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use api::key::{ShownKey, issue};
use commands::identity::api_key;
use commands::identity::workspace::{self, PLATFORM};
use domain::ids::WorkspaceId;
use serde_json::json;

use crate::job::base::Base;
use crate::job::workspace as workspaces;

/// The name of the demo's workspace.
pub const DEMO: &str = "Demo";

/// What the demo is reached with.
#[derive(Debug)]
pub struct Access {
    pub workspace: WorkspaceId,
    pub demo_key: PathBuf,
    pub platform_key: PathBuf,
}

/// Makes the workspaces and keys that are not there.
pub async fn prepare(base: &Base) -> anyhow::Result<Access> {
    let data = &base.config.data;
    workspaces::create(base, Some(PLATFORM), "Platform").await?;
    let demo = workspace::all(&base.store).await?.into_iter().find(|known| known.name == DEMO);
    let demo = match demo {
        Some(known) => known.id,
        None => workspaces::create(base, None, DEMO).await?,
    };
    let access =
        Access { workspace: demo, demo_key: data.join("demo.key"), platform_key: data.join("platform.key") };
    ready(base, demo, &access.demo_key, &["*"]).await?;
    ready(base, PLATFORM, &access.platform_key, &["*", "platform:operate"]).await?;
    let ids = json!({ "workspace": demo, "platform": PLATFORM });
    write(&data.join("demo.json"), &format!("{ids}\n"))?;
    write(&data.join("env"), &environment(base))?;
    Ok(access)
}

/// What other commands need to find this very platform: `. .run/env`.
fn environment(base: &Base) -> String {
    let (database, kafka) = (&base.config.database, base.config.kafka.brokers.as_deref());
    let data = base.config.data.display().to_string();
    let variables = [
        ("DATABASE_URL", database.url.reveal()),
        ("MEWAYZ_MIGRATE_URL", database.owner_url().reveal()),
        ("KAFKA_BROKERS", kafka.unwrap_or_default()),
        ("MEWAYZ_DATA", &data),
    ];
    let lines = variables.map(|(name, value)| format!("export {name}='{}'\n", value.replace('\'', r"'\''")));
    lines.concat()
}

/// A key in a file that can be used, the one that is there or a new one.
async fn ready(base: &Base, workspace: WorkspaceId, file: &Path, scopes: &[&str]) -> anyhow::Result<()> {
    if let Ok(text) = fs::read_to_string(file)
        && let Ok(shown) = text.trim().parse::<ShownKey>()
        && shown.workspace == workspace
        && let Some(known) = api_key::find(&base.store, workspace, shown.id).await?
        && known.terms.secret_hash == shown.secret_hash()
        && !known.revoked
    {
        return Ok(());
    }
    let key = issue(base.context(workspace, "demo"), "demo", scopes.iter().copied(), None).await?;
    write(file, &key.reveal())
}

/// A secret in a file, made when there is none.
pub fn kept(file: &Path, make: impl FnOnce() -> String) -> anyhow::Result<String> {
    match fs::read_to_string(file) {
        Ok(text) if !text.is_empty() => return Ok(text),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("{} cannot be read", file.display())),
    }
    let text = make();
    write(file, &text)?;
    Ok(text)
}

/// Writes a file for its owner's eyes only, whole or not at all.
fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    let new = file.with_extension("new");
    let written = || {
        _ = fs::remove_file(&new);
        let mut open = fs::OpenOptions::new();
        open.write(true).create_new(true).mode(0o600).open(&new)?.write_all(text.as_bytes())?;
        fs::rename(&new, file)
    };
    written().with_context(|| format!("{} cannot be written", file.display()))
}
