//! Subscriptions: the one mechanism by which anything reacts to the log.
//!
//! A subscription has a name, a checkpoint and one owner at a time. The owner holds a lease; every move of the
//! checkpoint names owner and epoch, so a zombie moves nothing and learns that it is one.

mod batch;
pub mod checkpoint;
mod halving;
pub mod kafka;
pub mod parked;
pub mod reactor;
pub mod rebuild;
pub mod standing;
pub mod view;

use std::sync::Arc;
use std::time::Duration;

use commands::clock::Clock;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::log::Log;
use kafka::FromKafka;
use reactor::Reactor;

/// Why a subscription stopped.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// Another instance owns it now: this one must end, and has written nothing since.
    #[error("subscription {0} is owned by another instance")]
    Fenced(String),
    #[error("subscription {0} cannot go on")]
    Failed(String, #[source] anyhow::Error),
}

/// What subscriptions share.
#[derive(Debug, Clone)]
pub struct Host {
    pub log: Log,
    pub clock: Arc<dyn Clock>,
    /// This instance of the platform.
    pub instance: Uuid,
    /// How long ownership lasts without a sign of life.
    pub lease: Duration,
    pub stop: CancellationToken,
}

impl Host {
    /// Runs views and reactors until told to stop, or until one is fenced or fails: then all stop.
    ///
    /// # Errors
    /// The first [`Stopped`].
    pub async fn run(
        self,
        views: Vec<Box<dyn projections::Projector>>,
        reactors: Vec<Reactor>,
    ) -> Result<(), Stopped> {
        self.run_with(None, views, reactors).await
    }

    /// The same, with views that read from Kafka.
    ///
    /// # Errors
    /// The first [`Stopped`].
    pub async fn run_with(
        self,
        from_kafka: Option<FromKafka>,
        views: Vec<Box<dyn projections::Projector>>,
        reactors: Vec<Reactor>,
    ) -> Result<(), Stopped> {
        let mut tasks = JoinSet::new();
        let mut feeds = Vec::new();
        if let Some(from) = from_kafka {
            feeds.extend(from.views.iter().map(|view| kafka::feed(view.name())));
            for member in kafka::members(&self, from)? {
                tasks.spawn(member);
            }
        }
        for view in views {
            tasks.spawn(view::run(self.clone(), view));
        }
        for reactor in reactors {
            tasks.spawn(reactor::run(self.clone(), reactor));
        }
        let host = self.clone();
        tasks.spawn(async move { host.keep_leases(&feeds).await });
        let mut result = Ok(());
        while let Some(ended) = tasks.join_next().await {
            let ended = ended
                .unwrap_or_else(|panic| Err(Stopped::Failed("(a task)".into(), anyhow::Error::new(panic))));
            if let Err(stopped) = ended
                && result.is_ok()
            {
                self.stop.cancel();
                result = Err(stopped);
            }
        }
        result
    }

    /// Gives a sign of life for all subscriptions of this instance, and for those that it feeds with others.
    async fn keep_leases(&self, feeds: &[Uuid]) -> Result<(), Stopped> {
        let every = self.lease / 4;
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(every) => {}
            }
            // What others have locked is not waited for: who stands still in a transaction must not cost us the rest.
            // Nobody else can take it meanwhile, either.
            let renewed = sqlx::query!(
                "with shared as materialized (select name from subscriptions where owner = any ($2) for update skip locked)
                 update subscriptions set lease_until = clock_timestamp() + make_interval(secs => $3)
                 where owner = $1 or name in (select name from shared)",
                self.instance,
                feeds,
                self.lease.as_secs_f64(),
            )
            .execute(self.log.store().pool())
            .await;
            if let Err(error) = renewed {
                tracing::warn!(error = %error, "leases could not be renewed");
            }
        }
    }
}
