//! Bench: this store beside its peers, in the same run on the same PostgreSQL.
//!
//! `cargo bench --workspace -- [--quick] [--at=32] [--beside=PROGRAM] [section …]` with `TEST_DATABASE_URL` (a superuser's) in the environment.
//! Every figure is the median of alternating runs; the table shows ratios, since absolutes are the machine's.
//! Everything measured is also written to `target/bench.json`.

mod append;
mod cost;
mod counter;
mod database;
mod drive;
mod figures;
mod hot;
mod http;
mod kafka;
mod latency;
mod ledger;
mod load;
mod memory;
mod orders;
mod replay;
mod subjects;

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use database::Server;
use figures::Report;

/// As in the platform's binary, for every peer.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What can be measured by itself.
const SECTIONS: [&str; 10] =
    ["append", "load", "hot", "ledger", "replay", "cost", "latency", "http", "memory", "orders"];

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Alternating runs of which the median is shown.
    pub runs: usize,
    /// How long a run lasts.
    pub run: std::time::Duration,
    /// How long a run lasts that only looks for a peer's best number of connections.
    pub probe: std::time::Duration,
    /// Events of a log that is not empty.
    pub many: i64,
    /// Events that are replayed.
    pub replayed: i64,
    /// The only number of concurrent commands, if one was asked for (`--at=32`).
    pub at: Option<usize>,
}

impl Settings {
    fn full() -> Self {
        let [run, probe] = [2_000, 500].map(std::time::Duration::from_millis);
        Self { runs: 5, run, probe, many: 1_000_000, replayed: 200_000, at: None }
    }

    fn quick() -> Self {
        let [run, probe] = [500, 200].map(std::time::Duration::from_millis);
        Self { runs: 3, run, probe, many: 100_000, replayed: 40_000, at: None }
    }
}

fn main() -> Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(measure())
}

/// What the command line asks for: how much, beside which build, and which sections (none: all).
fn asked() -> Result<(Settings, Option<PathBuf>, Vec<String>)> {
    let (mut settings, mut at, mut beside, mut sections) = (Settings::full(), None, None, Vec::new());
    for argument in std::env::args().skip(1).filter(|argument| argument != "--bench") {
        if let Some(program) = argument.strip_prefix("--beside=") {
            beside = Some(PathBuf::from(program));
            continue;
        }
        match argument.strip_prefix("--at=") {
            Some(concurrent) => at = Some(concurrent.parse().context("--at= takes a number")?),
            None if argument == "--quick" => settings = Settings::quick(),
            None if SECTIONS.contains(&argument.as_str()) => sections.push(argument),
            None => bail!("no section is called {argument}; there are {}", SECTIONS.join(", ")),
        }
    }
    Ok((Settings { at, ..settings }, beside, sections))
}

async fn measure() -> Result<()> {
    let (settings, beside, sections) = asked()?;
    let wanted = |section: &str| sections.is_empty() || sections.iter().any(|asked| asked == section);

    let server = Server::from_environment().await?;
    let mut report = Report::new(settings, server.about().await?);
    if wanted("append") {
        append::measure(&server, settings, &mut report).await?;
    }
    if wanted("load") {
        load::measure(&server, settings, &mut report).await?;
    }
    if wanted("hot") {
        hot::measure(&server, settings, &mut report).await?;
    }
    if wanted("ledger") {
        ledger::measure(&server, settings, &mut report).await?;
    }
    if wanted("replay") {
        replay::measure(&server, settings, &mut report).await?;
    }
    if wanted("cost") {
        cost::measure(&server, settings, &mut report).await?;
    }
    if wanted("latency") {
        latency::measure(&server, settings, &mut report).await?;
    }
    if wanted("http") {
        http::measure(&server, settings, &mut report).await?;
    }
    if wanted("memory") {
        memory::measure(&server, settings, &mut report).await?;
    }
    if wanted("orders") {
        orders::measure(&server, settings, beside, &mut report).await?;
    }
    report.write()
}
