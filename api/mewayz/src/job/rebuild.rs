//! `mewayz rebuild`: read models anew from the log.

use std::time::Instant;

use anyhow::bail;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use infra::config::Config;
use infra::subscription::rebuild::{Progress, Rebuild, Report};
use projections::Projector;

use super::base::{Base, PATIENCE, connect};
use super::{AskedWrongly, say};

#[derive(Debug, Args)]
#[command(
    after_help = "Readers and writers go on meanwhile. The new tables are compared with the live ones, byte for \
                  byte, as of the same position; if they differ, this says where and leaves the live ones, unless \
                  the difference is accepted (after a change of the read model's code, say)."
)]
pub struct Options {
    /// The read models' names, as `mewayz status` tells them
    #[arg(required_unless_present = "all")]
    views: Vec<String>,
    /// All read models, one after the other
    #[arg(long, conflicts_with = "views")]
    all: bool,
    /// Swap the new tables in even if they differ from the live ones
    #[arg(long)]
    accept: bool,
    /// The report as JSON
    #[arg(long)]
    json: bool,
}

/// # Errors
/// If there is no such read model, the database does not answer, or live tables are not what the log says.
pub async fn run(config: Config, options: Options) -> anyhow::Result<()> {
    let views = chosen(&options)?;
    let (owner, _) = connect(config.database.owner_url(), 2, PATIENCE).await?;
    let base = Base::of_job(config).await?;
    let mut different = Vec::new();
    for view in views {
        let (bar, name) = (bar(view.name()), view.name());
        let begun = Instant::now();
        let told = |progress: Progress| {
            bar.set_length(progress.end.unsigned_abs());
            bar.set_position(progress.position.unsigned_abs());
            bar.set_message(rate(progress.position.unsigned_abs(), begun.elapsed().as_secs_f64()));
        };
        let job = Rebuild { owner: &owner, store: &base.store, accept: options.accept, told: &told };
        let report = job.run(view).await;
        bar.finish_and_clear();
        let report = report?;
        if options.json {
            say(serde_json::to_string(&report)?)?;
        } else {
            tell(&report)?;
        }
        if !report.swapped {
            different.push(name);
        }
    }
    if !different.is_empty() {
        bail!(
            "the live tables of {} are not what the log says and were left as they are; look at the rows in schema \
             read_next, or take them with --accept",
            different.join(", ")
        );
    }
    Ok(())
}

fn chosen(options: &Options) -> Result<Vec<Box<dyn Projector>>, AskedWrongly> {
    let mut views = projections::all();
    if options.all {
        return Ok(views);
    }
    let mut chosen = Vec::new();
    for name in &options.views {
        match views.iter().position(|view| view.name() == name) {
            Some(place) => chosen.push(views.swap_remove(place)),
            None => {
                let all = projections::all();
                let mut names: Vec<_> = all.iter().map(|view| view.name()).collect();
                names.sort_unstable();
                return Err(AskedWrongly(format!(
                    "there is no read model `{name}`; there are {}",
                    names.join(", ")
                )));
            }
        }
    }
    Ok(chosen)
}

fn tell(report: &Report) -> std::io::Result<()> {
    let Report { view, position, events, seconds, held_seconds, .. } = report;
    say(format_args!(
        "{view}: {events} events up to position {position} in {seconds:.1} s ({}); the live one held still for {:.0} ms",
        rate(*events, *seconds),
        held_seconds * 1000.0
    ))?;
    for (live, next) in report.live.iter().zip(&report.next) {
        let verdict = if live == next { "equal" } else { "DIFFERENT" };
        say(format_args!("  {:<24} {:>10} rows  sha256 {}  {verdict}", next.table, next.rows, next.sha256))?;
        if live != next {
            say(format_args!("  {:<24} {:>10} rows  sha256 {}", "  live", live.rows, live.sha256))?;
        }
    }
    for row in &report.differing {
        say(format_args!("  differs: {row}"))?;
    }
    for (position, reason) in &report.parked {
        say(format_args!("  parked: position {position}: {reason}"))?;
    }
    Ok(())
}

fn bar(view: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} {msg} {eta}");
    let bar = ProgressBar::no_length().with_prefix(view.to_owned());
    bar.with_style(style.expect("the template is right"))
}

fn rate(events: u64, seconds: f64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = events as f64 / seconds.max(0.001);
    format!("{rate:.0} events/s")
}
