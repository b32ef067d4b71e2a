//! Jobs: what the subcommands of `mewayz` do.

pub mod base;
pub mod demo;
pub mod gateway;
pub mod import;
pub mod inbox;
pub mod key;
pub mod migrate;
pub mod parked;
pub mod rebuild;
pub mod relay;
pub mod roles;
pub mod simulate;
pub mod status;
pub mod vault;
pub mod workspace;

use std::io::Write;

/// Something was asked that cannot be meant; the sentence says what would be right.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct AskedWrongly(pub String);

/// Says a line on the standard output, for whoever still listens.
pub(crate) fn say(line: impl std::fmt::Display) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// A table for people: no frame, so that it can be cut and searched.
fn table(header: &[&str]) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::NOTHING).set_header(header);
    table
}
