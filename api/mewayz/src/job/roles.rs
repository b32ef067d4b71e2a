//! Roles: the parts of the platform, started together or each in a process of its own.
//!
//! They share one signal to stop: a role that fails, or is fenced by another instance, ends the process; SIGINT and
//! SIGTERM let what is under way come to its end, within ten seconds. A second signal does not wait.

mod http;
mod payments;
mod people;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use api::app::App;
use commands::port::Ports;
use infra::adapter::notices::try_again;
use infra::config::{Config, Http};
use infra::log::Log;
use infra::relay::Relay;
use infra::subscription::Host;
use infra::subscription::kafka::FromKafka;
use infra::subscription::reactor::Reactor;
use infra::telemetry;
use infra::watch::watch;
use projections::Projector;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::base::Base;

/// How long everything may take to stop.
const DRAIN: Duration = Duration::from_secs(10);

/// A part of the platform that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Answers HTTP.
    Api,
    /// Relays the log to Kafka.
    Relay,
    /// Keeps the read models up to date.
    Project,
    /// Runs processes, effects and deadlines.
    React,
}

impl Role {
    pub const ALL: [Self; 4] = [Self::Api, Self::Relay, Self::Project, Self::React];
}

/// Runs roles until a signal.
///
/// # Errors
/// If one cannot start or fails; [`infra::subscription::Stopped::Fenced`] and [`infra::relay::RelayError::Fenced`]
/// if another instance has taken over.
pub async fn run(config: Config, roles: &[Role]) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    stop_on_signals(stop.clone());
    start(config, roles, stop).await?.ended().await
}

/// Roles that run.
#[derive(Debug)]
pub struct Running {
    /// Where it answers HTTP, if it does.
    pub address: Option<SocketAddr>,
    stop: CancellationToken,
    tasks: JoinSet<anyhow::Result<()>>,
}

/// Starts roles; HTTP is listened to when this returns.
///
/// # Errors
/// If one cannot start.
pub async fn start(config: Config, roles: &[Role], stop: CancellationToken) -> anyhow::Result<Running> {
    let metrics = telemetry::metrics();
    let base = Base::of_role(config).await?;
    let intake = payments::intake(&base)?;
    let vault = base.vault()?;
    let door = people::door(&base, vault.clone())?;
    let ports = Ports {
        payment: intake.gateway.clone(),
        vault: vault.clone(),
        credentials: door.credentials.clone(),
    };
    let mut tasks = JoinSet::new();
    let has = |role| roles.contains(&role);

    let relayed = match base.relay().filter(|_| has(Role::Relay)) {
        Some(options) => {
            let (relay, stop) = (Relay::new(base.store.clone(), options), stop.clone());
            let state = relay.state();
            tasks.spawn(async move { Ok(relay.run(stop).await?) });
            Some(state)
        }
        None => None,
    };
    let log = match roles {
        [Role::Relay] => None,
        _ => Some(Log::follow(base.store.clone(), stop.clone()).await?),
    };
    if let Some(log) = log.clone().filter(|_| has(Role::Project) || has(Role::React)) {
        let (from_kafka, views) = if has(Role::Project) { views(&base) } else { (None, Vec::new()) };
        let mut reactors = if has(Role::React) { Reactor::all(&ports) } else { Vec::new() };
        if has(Role::React) {
            reactors.extend(people::mail(&base, door.clone())?);
            let (intake, stop) = (intake.clone(), stop.clone());
            tasks.spawn(async move {
                try_again(intake, stop).await;
                Ok(())
            });
        }
        let host = host(&base, log, &stop);
        tasks.spawn(async move { Ok(host.run_with(from_kafka, views, reactors).await?) });
    }
    let address = match log.filter(|_| has(Role::Api)) {
        Some(log) => {
            let denials = people::tell_of_denials(door.denials.clone(), stop.clone());
            tasks.spawn(async move {
                denials.await;
                Ok(())
            });
            let people = people::people(&base, door, log.clone())?;
            let app = http::app(&base, ports, intake, vault, relayed, log.clone())?.with_people(people);
            let until = stop.clone();
            tasks.spawn(async move {
                watch(log, until).await;
                Ok(())
            });
            Some(answer(&base.config.http, app, &stop, &mut tasks).await?)
        }
        None => None,
    };
    tasks.spawn({
        let stop = stop.clone();
        async move {
            telemetry::tidy_metrics(metrics, stop).await;
            Ok(())
        }
    });
    tracing::info!(roles = ?roles, address = address.map(tracing::field::display), "started");
    Ok(Running { address, stop, tasks })
}

impl Running {
    /// Waits until all have stopped, because they were told to or because one has failed.
    ///
    /// # Errors
    /// The first failure; or if something has not stopped in time.
    pub async fn ended(mut self) -> anyhow::Result<()> {
        let stop = self.stop.clone();
        let late = async {
            stop.cancelled().await;
            tokio::time::sleep(DRAIN).await;
        };
        tokio::pin!(late);
        let mut result = Ok(());
        loop {
            let ended = tokio::select! {
                ended = self.tasks.join_next() => ended,
                () = &mut late => {
                    result?;
                    bail!("not everything has stopped within {} s; nothing that was confirmed is lost", DRAIN.as_secs());
                }
            };
            let Some(ended) = ended else { return result };
            if let Err(error) = ended.context("a role has panicked").flatten() {
                self.stop.cancel();
                result = result.and(Err(error));
            }
        }
    }
}

/// Tells everything to stop at the first SIGINT or SIGTERM, and ends the process at the second.
pub fn stop_on_signals(stop: CancellationToken) {
    // Heard from here on, and not only once the task has begun.
    let hear = |kind| signal(kind).expect("signals can be heard");
    let (mut interrupt, mut terminate) = (hear(SignalKind::interrupt()), hear(SignalKind::terminate()));
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if stop.is_cancelled() {
                std::process::exit(130);
            }
            tracing::info!("told to stop");
            stop.cancel();
        }
    });
}

fn host(base: &Base, log: Log, stop: &CancellationToken) -> Host {
    Host {
        log,
        clock: base.clock.clone(),
        instance: Uuid::now_v7(),
        lease: base.config.subscriptions.lease,
        stop: stop.clone(),
    }
}

/// Every read model: those that are read from Kafka, and the others.
fn views(base: &Base) -> (Option<FromKafka>, Vec<Box<dyn Projector>>) {
    let options = &base.config.subscriptions;
    let Some(topics) = base.relay() else { return (None, projections::all()) };
    let (views, others) = projections::all()
        .into_iter()
        .partition(|view| options.from_kafka.iter().any(|name| name == view.name()));
    (Some(FromKafka { topics, session: options.session, views }), others)
}

/// Answers HTTP, and says where.
async fn answer(
    http: &Http,
    app: App,
    stop: &CancellationToken,
    tasks: &mut JoinSet<anyhow::Result<()>>,
) -> anyhow::Result<SocketAddr> {
    let listen = &http.listen;
    let listener = TcpListener::bind(listen).await.with_context(|| {
        format!("{listen} cannot be listened on; set MEWAYZ_LISTEN to another address and port")
    })?;
    let address = listener.local_addr()?;
    let (limits, stop) = (app.limits.clone(), stop.clone());
    let (router, _) = api::routes::router(app);
    tasks.spawn(async move { Ok(api::server::serve(listener, router, limits, stop).await?) });
    Ok(address)
}
