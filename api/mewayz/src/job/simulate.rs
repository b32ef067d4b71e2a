//! `mewayz simulate`: customers and sellers at work, over HTTP and nothing else.
//!
//! What the n-th customer does follows from the seed, and so do the idempotency keys: a repeat adds nothing, and
//! goes on with what an interrupted run left half done. What the platform refuses is part of life, and counted.

mod client;
mod life;
mod plan;
mod shop;

use std::fmt;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use clap::Args;
use futures::{StreamExt, TryStreamExt, stream};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio_util::sync::CancellationToken;

use client::Client;

#[derive(Debug, Args)]
pub struct Arguments {
    /// How many orders the workspace has when it stops, those counted that are there
    #[arg(long, default_value_t = 300)]
    orders: u64,
    /// Customers never stop
    #[arg(long, conflicts_with = "orders")]
    forever: bool,
    /// What everything follows from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many customers are there at once
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    in_flight: u16,
    /// Where the platform is
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    url: String,
    /// A file that holds the workspace's API key
    #[arg(long, value_name = "FILE")]
    key_file: PathBuf,
}

/// What is to be simulated.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many orders the workspace has at the end.
    pub orders: u64,
    pub seed: u64,
    pub in_flight: usize,
    /// Customers never stop.
    pub forever: bool,
    /// Whether to show a progress bar (on a terminal) or lines.
    pub progress: bool,
    /// Ends it before it is done: who is there finishes the step at hand.
    pub stop: CancellationToken,
}

/// What happened.
#[derive(Debug, Default)]
pub struct Counts {
    pub placed: AtomicU64,
    pub cancelled: AtomicU64,
    pub shipped: AtomicU64,
    pub delivered: AtomicU64,
    pub returned: AtomicU64,
    /// What the platform said no to.
    pub refused: AtomicU64,
}

impl Counts {
    fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        write!(
            f,
            "{} orders placed, {} cancelled, {} shipped, {} delivered, {} returned, {} steps refused",
            of(&self.placed),
            of(&self.cancelled),
            of(&self.shipped),
            of(&self.delivered),
            of(&self.returned),
            of(&self.refused),
        )
    }
}

/// # Errors
/// If the key cannot be read, or the platform cannot be used.
pub async fn command(arguments: Arguments) -> anyhow::Result<()> {
    let key = std::fs::read_to_string(&arguments.key_file)
        .with_context(|| format!("{} cannot be read", arguments.key_file.display()))?;
    let stop = CancellationToken::new();
    super::roles::stop_on_signals(stop.clone());
    let options = Options {
        orders: arguments.orders,
        seed: arguments.seed,
        in_flight: arguments.in_flight.into(),
        forever: arguments.forever,
        progress: true,
        stop,
    };
    println!("{}", run(&arguments.url, key.trim(), options).await?);
    Ok(())
}

/// Lets customers come until the workspace has its orders.
///
/// # Errors
/// If the platform cannot be reached for long, or takes neither key nor shop.
pub async fn run(url: &str, key: &str, options: Options) -> anyhow::Result<Counts> {
    let client = Client::to(url, key, format!("simulation/{}", options.seed))?;
    let counts = Counts::default();
    let mut there = client.orders().await?;
    if there >= options.orders && !options.forever {
        return Ok(counts);
    }
    shop::open(&client).await?;
    let (seed, bar) = (options.seed, bar(&options, there));
    // Some of the last ones may have been left half done by an earlier run: their lives go on.
    let mut next = there.saturating_sub(options.in_flight as u64);
    while options.forever || there < options.orders {
        let until = if options.forever { u64::MAX } else { next.max(there) + (options.orders - there) };
        let lives = stream::iter(next..until).take_until(options.stop.clone().cancelled_owned()).map(|n| {
            let (client, counts, bar) = (&client, &counts, &bar);
            async move {
                life::live(client, &plan::of(seed, n), counts).await?;
                bar.inc(u64::from(n >= there));
                anyhow::Ok(())
            }
        });
        lives.buffer_unordered(options.in_flight).try_collect::<()>().await?;
        if options.stop.is_cancelled() {
            break;
        }
        next = until;
        there = client.orders().await?;
    }
    bar.finish_and_clear();
    Ok(counts)
}

fn bar(options: &Options, there: u64) -> ProgressBar {
    if !options.progress || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (length, style) = if options.forever {
        (None, "{spinner} {human_pos} orders  {per_sec}")
    } else {
        (Some(options.orders), "{bar:30} {human_pos}/{human_len} orders  {per_sec}  {eta} to go")
    };
    let bar =
        ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr_with_hz(10)).with_position(there);
    bar.set_style(ProgressStyle::with_template(style).expect("the template is sound"));
    bar
}
