//! `mewayz gateway`: the simulated payment gateway.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use commands::clock::SystemClock;
use infra::config::Config;
use infra::gateway::{self, Profile, Server, Webhook};
use tokio_util::sync::CancellationToken;

use super::{AskedWrongly, roles};

#[derive(Debug, Args)]
#[command(after_help = "Faults: a name (none, mild, hostile), settings like lose=5,delay_ms=2000, or both.")]
pub struct Options {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:8081", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// The file of its book; `gateway/book.jsonl` in the data folder if not given
    #[arg(long, value_name = "FILE")]
    book: Option<PathBuf>,
    /// Where it sends its webhooks, signed with the option gateway.webhook_secret; none if not given
    #[arg(long, value_name = "URL")]
    webhook: Option<String>,
    /// What goes wrong, and how often
    #[arg(long, default_value = "none")]
    faults: Profile,
    /// What its faults are drawn from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// End with whoever has started it: when its standard input is closed
    #[arg(long, hide = true)]
    with_parent: bool,
}

/// # Errors
/// If it cannot listen or its book cannot be read.
pub async fn run(config: Config, options: Options) -> anyhow::Result<()> {
    let webhook = match options.webhook {
        None => None,
        Some(url) => {
            let missing =
                "webhooks are signed; set MEWAYZ_GATEWAY__WEBHOOK_SECRET, here and for the platform";
            let secret = config.gateway.webhook_secret.ok_or_else(|| AskedWrongly(missing.into()))?;
            let url = url.parse().map_err(|_| AskedWrongly(format!("`{url}` is no URL for webhooks")))?;
            Some(Webhook { url, secret: secret.reveal().to_owned() })
        }
    };
    let book = options.book.unwrap_or_else(|| config.data.join("gateway/book.jsonl"));
    if let Some(folder) = book.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    }
    let server = Server::bind(gateway::Config {
        listen: options.listen,
        book: book.clone(),
        seed: options.seed,
        faults: options.faults,
        slow: Duration::from_secs(2),
        webhook,
        clock: Arc::new(SystemClock),
    })
    .await
    .with_context(|| format!("no gateway on {} with the book {}", options.listen, book.display()))?;
    tracing::info!(address = %server.local_addr()?, book = %book.display(), "the gateway listens");
    let stop = CancellationToken::new();
    roles::stop_on_signals(stop.clone());
    if options.with_parent {
        let stop = stop.clone();
        std::thread::spawn(move || {
            _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
            stop.cancel();
        });
    }
    Ok(server.run(stop).await?)
}
