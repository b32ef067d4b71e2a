//! Telemetry: what the platform tells of itself: logs and metrics. No personal data in either.

use std::fs::File;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::Context;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use crate::config::{Log, LogFormat};

/// Seconds: from a quick command to the longest request.
const BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0];

/// Where logs go.
#[derive(Debug, Clone, Copy)]
pub enum Logs<'a> {
    /// The standard error: answers of a job go to the standard output.
    Stderr,
    /// A file, made anew, as JSON.
    File(&'a Path),
}

/// Starts logging, once a process.
///
/// # Errors
/// If the file cannot be made, or logging was started before.
pub fn start(options: &Log, logs: Logs<'_>) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&options.filter).context("log.filter")?;
    let (writer, json) = match logs {
        Logs::Stderr => {
            let terminal = std::io::stderr().is_terminal();
            let json = options.format == LogFormat::Json || (options.format == LogFormat::Auto && !terminal);
            (BoxMakeWriter::new(std::io::stderr), json)
        }
        Logs::File(path) => {
            let file = File::create(path).with_context(|| format!("{} cannot be written", path.display()))?;
            (BoxMakeWriter::new(file), true)
        }
    };
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    let started = if json {
        subscriber.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init()
    } else {
        let colours = std::io::stderr().is_terminal();
        subscriber.with_ansi(colours).try_init()
    };
    started.map_err(|error| anyhow::anyhow!("logging cannot be started: {error}"))
}

/// The metrics of this process: counted from the first call on, rendered for `/metrics`.
pub fn metrics() -> &'static PrometheusHandle {
    static METRICS: OnceLock<PrometheusHandle> = OnceLock::new();
    METRICS.get_or_init(|| {
        PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &BUCKETS)
            .expect("there are buckets")
            .install_recorder()
            .expect("this is the only place that installs a recorder")
    })
}

/// Folds what was measured into the histograms now and then, so that memory stays bounded when nobody scrapes.
pub async fn tidy_metrics(metrics: &PrometheusHandle, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(Duration::from_secs(5)) => metrics.run_upkeep(),
        }
    }
}
