//! `mewayz demo`: the whole platform on one machine, with a workspace, keys, a gateway and customers.
//!
//! What it makes it keeps in the data folder, and finds there the next time: a second run makes nothing anew.

mod keys;

use std::fs::File;
use std::net::SocketAddr;
use std::pin::pin;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use commands::clock::SystemClock;
use infra::adapter::smtp::Encryption;
use infra::config::Config;
use infra::inbox::Inbox;
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use super::base::Base;
use super::roles::{self, Role};
use super::{migrate, say, simulate};
use keys::Access;

pub use keys::DEMO;

/// Where the gateway's webhooks go.
const WEBHOOKS: &str = "/api/financial/payments/webhook";
/// How long the gateway may take to stop.
const DRAIN: Duration = Duration::from_secs(6);

#[derive(Debug, Args)]
pub struct Options {
    /// How many orders its customers place in all, over all runs
    #[arg(long, default_value_t = 300)]
    orders: u64,
    /// Customers never stop
    #[arg(long, conflicts_with = "orders")]
    forever: bool,
    /// What goes wrong at the payment gateway: none, mild, hostile, or settings (see `mewayz help gateway`)
    #[arg(long, default_value = "mild")]
    faults: String,
}

/// # Errors
/// If a part of it cannot start, or fails.
pub async fn run(mut config: Config, options: Options) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    roles::stop_on_signals(stop.clone());
    migrate::migrate(&config).await?;
    let access = keys::prepare(&Base::of_job(config.clone()).await?).await?;
    let gateway = gateway(&mut config, &options.faults).await?;
    let inbox = inbox(&mut config, &stop).await?;
    let ended = live(config, &options, &access, inbox, stop.clone()).await;
    stop.cancel();
    if let Some(gateway) = gateway {
        end(gateway).await;
    }
    ended
}

/// Runs the platform with its customers, until it is told to stop.
async fn live(
    config: Config,
    options: &Options,
    access: &Access,
    inbox: Option<SocketAddr>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let running = roles::start(config.clone(), &Role::ALL, stop.clone()).await?;
    let address = running.address.context("the API answers somewhere")?;
    let look = where_to_look(&config, address, access, inbox);
    let key = std::fs::read_to_string(&access.demo_key)?;
    let customers = simulate::Options {
        orders: options.orders,
        seed: 1,
        in_flight: 16,
        forever: options.forever,
        progress: true,
        stop: stop.clone(),
    };
    let customers = async {
        if options.forever {
            say(&look)?;
        }
        simulate::run(&format!("http://{address}"), key.trim(), customers).await?;
        if !options.forever && !stop.is_cancelled() {
            say(&look)?;
        }
        anyhow::Ok(())
    };
    let mut ended = pin!(running.ended());
    let come_and_gone = tokio::select! {
        ended = &mut ended => return ended,
        gone = customers => gone,
    };
    if come_and_gone.is_err() {
        stop.cancel();
    }
    ended.await.and(come_and_gone.context("the demo's customers could not go on"))
}

/// Starts a gateway of its own, unless the options name another; the platform learns where it is.
async fn gateway(config: &mut Config, faults: &str) -> anyhow::Result<Option<Child>> {
    let defaults = Config::load(None, [("DATABASE_URL".to_owned(), "postgres://localhost".to_owned())])?;
    if config.gateway.url != defaults.gateway.url {
        return Ok(None);
    }
    let secret = keys::kept(&config.data.join("gateway.secret"), || hex::encode(rand::random::<[u8; 32]>()))?;
    // A port that is free now; it is found anew each time.
    let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    config.gateway.url = format!("http://{address}");
    config.gateway.webhook_secret = Some(secret.clone().into());

    let folder = config.data.join("gateway");
    std::fs::create_dir_all(&folder)?;
    let log = File::create(config.data.join("gateway.log"))?;
    let child = Command::new(std::env::current_exe()?)
        .args(["gateway", "--with-parent", "--faults", faults])
        .arg(format!("--listen={address}"))
        .arg(format!("--book={}", folder.join("book.jsonl").display()))
        .arg(format!("--webhook=http://{}{WEBHOOKS}", config.http.listen))
        .env("MEWAYZ_GATEWAY__WEBHOOK_SECRET", secret)
        .stdin(Stdio::piped())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .context("the payment gateway cannot be started")?;
    Ok(Some(child))
}

/// Starts an inbox, unless the options name a mail server; the platform learns where it is.
async fn inbox(config: &mut Config, stop: &CancellationToken) -> anyhow::Result<Option<SocketAddr>> {
    if config.mail.server.is_some() {
        return Ok(None);
    }
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    let inbox = Inbox::bind(any, any, &config.data.join("inbox"), Arc::new(SystemClock)).await?;
    let page = inbox.page_address()?;
    config.mail.server = Some(inbox.smtp_address()?.to_string());
    config.mail.encryption = Encryption::None;
    tokio::spawn(inbox.run(stop.clone()));
    Ok(Some(page))
}

/// The gateway ends with the pipe to it; one that does not is killed.
async fn end(mut gateway: Child) {
    drop(gateway.stdin.take());
    if tokio::time::timeout(DRAIN, gateway.wait()).await.is_err() {
        _ = gateway.kill().await;
    }
}

/// What a person wants to know now.
fn where_to_look(config: &Config, address: SocketAddr, access: &Access, inbox: Option<SocketAddr>) -> String {
    let Access { workspace, demo_key, platform_key } = access;
    let (demo_key, platform_key) = (demo_key.display(), platform_key.display());
    let logs = config.data.join("mewayz.log");
    let mail = match inbox {
        Some(page) => format!("read it at http://{page}"),
        None => format!("goes to {}", config.mail.server.as_deref().unwrap_or_default()),
    };
    let prefix = &config.kafka.prefix;
    let kafka = match &config.kafka.brokers {
        Some(brokers) => {
            format!("{prefix}.commerce.events.v1, and one topic for each other context, on {brokers}")
        }
        None => "none: all works but the topics; a Kafka configured later (KAFKA_BROKERS) gets all events"
            .to_owned(),
    };
    format!(
        r#"Mewayz runs; Ctrl-C stops it.

  API documentation   http://{address}/api/docs
  Demo workspace      {workspace}; its key is in {demo_key}
  Mail                {mail}
  Kafka topics        {kafka}
  Logs                {logs}

The dashboard:
  curl -s "http://{address}/api/dashboard?group_by=day" -H "Authorization: Bearer $(cat {demo_key})"

An order (a repeat with the same key is the same order):
  curl -s http://{address}/api/ecommerce/orders -H "Authorization: Bearer $(cat {demo_key})" \
    -H 'Idempotency-Key: my-first-order' -H 'Content-Type: application/json' -d '{{
      "customer_id": "cus_01h455vb4pex5vsknk084sn02q", "currency": "USD", "payment_method": "ok",
      "lines": [{{"sku": "MUG-BLUE", "location": "MAIN", "quantity": 2}}]}}'

How far everything is:
  curl -s http://{address}/api/monitoring/subscriptions -H "Authorization: Bearer $(cat {platform_key})"
"#,
        logs = logs.display(),
    )
}
