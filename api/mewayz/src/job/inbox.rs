//! `mewayz inbox`: a mail server for development, and a page to read what came.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use commands::clock::SystemClock;
use infra::config::Config;
use infra::inbox::Inbox;
use tokio_util::sync::CancellationToken;

use super::{roles, say};

#[derive(Debug, Args)]
#[command(after_help = "Set MEWAYZ_MAIL__SERVER to where it takes mail, and MEWAYZ_MAIL__ENCRYPTION=none.\n\
                  Mail to reject@, defer@, refuse@ and hang-up@ (any domain) goes wrong in that way.")]
pub struct Options {
    /// Where it takes mail (SMTP)
    #[arg(long, default_value = "127.0.0.1:1025", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// Where it can be read in a browser
    #[arg(long, default_value = "127.0.0.1:8025", value_name = "ADDRESS:PORT")]
    page: SocketAddr,
    /// The folder of its mails; `inbox` in the data folder if not given
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

/// # Errors
/// If it cannot listen.
pub async fn run(config: Config, options: Options) -> anyhow::Result<()> {
    let folder = options.folder.unwrap_or_else(|| config.data.join("inbox"));
    let inbox = Inbox::bind(options.listen, options.page, &folder, Arc::new(SystemClock))
        .await
        .with_context(|| format!("no inbox on {} and {}", options.listen, options.page))?;
    say(format_args!("Mail: {}; read it at http://{}", inbox.smtp_address()?, inbox.page_address()?))?;
    let stop = CancellationToken::new();
    roles::stop_on_signals(stop.clone());
    Ok(inbox.run(stop).await?)
}
