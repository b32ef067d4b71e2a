//! Relay: the log, exactly, in Kafka: every event once, in order, no gap.
//!
//! There is one leader, whose transactional ids are fixed: taking over fences who led before and aborts what they
//! left, and only then is it read how far the topics are. Each Kafka transaction carries one contiguous range of
//! positions and the range's end (see [`progress`]). A leader that fails in any way, or cannot know whether its
//! commit was taken, takes over again from the beginning, unless another has led meanwhile: then it stops.
//!
//! Kafka may be away for as long as it likes: nothing waits for the relay, and it catches up.

mod ends;
mod error;
mod leader;
pub mod progress;
pub mod rebuild;
pub mod record;
mod settle;
mod takeover;
mod topics;
pub mod verify;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use commands::{Backoff, EventStore};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use ends::{Ends, PartitionState};
pub use error::RelayError;
use leader::{Batch, Leader};
use progress::Progress;
use settle::Reading;
use takeover::Takeover;
pub use topics::{PATIENCE, Quiet};

/// How long the relay waits before it looks for new events; they double from the first to the last while there
/// are none. Events that this process appends need no look.
const LOOK_AGAIN: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(50));
/// The same, for taking over after a failure.
const TRY_AGAIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// How long a transaction under way is waited for when the relay is told to stop.
const GRACE: Duration = Duration::from_secs(3);
/// How often the lag is told while nothing happens.
const REPORT: Duration = Duration::from_secs(1);

/// Where and how to relay.
#[derive(Debug, Clone)]
pub struct RelayConfig {
    pub brokers: String,
    /// Begins the names of the topics and the transactional ids: one per event store.
    pub prefix: String,
    /// Of each topic of events; never to be changed, or the order per key is lost.
    pub partitions: i32,
    /// How long events are kept in Kafka. The whole history always comes from the store.
    pub retention: Duration,
    /// A transaction open for longer is aborted by Kafka: until then it would hide what follows it.
    pub transaction_timeout: Duration,
    /// The most events of one transaction.
    pub batch_records: usize,
    /// About the most payload bytes of one transaction.
    pub batch_bytes: usize,
}

impl Default for RelayConfig {
    fn default() -> Self {
        Self {
            brokers: "127.0.0.1:9092".into(),
            prefix: "mewayz".into(),
            partitions: 12,
            retention: Duration::from_secs(30 * 24 * 60 * 60),
            transaction_timeout: Duration::from_secs(10),
            batch_records: 4000,
            batch_bytes: 4 << 20,
        }
    }
}

/// How far the relay is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RelayState {
    /// The last position that is in the topics.
    pub position: i64,
    /// The end of the log, as last seen.
    pub head: i64,
    /// Whether this relay leads, as far as it knows.
    pub leading: bool,
    /// Since when it fails, and on what, if it has not come further since.
    pub stuck: Option<(Instant, &'static str)>,
}

impl RelayState {
    #[must_use]
    pub fn lag(&self) -> i64 {
        (self.head - self.position).max(0)
    }
}

/// Who was the last to lead, as one sees it who has led.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LastToLead {
    This,
    Another,
    /// Nobody can tell: what the last has said of itself hangs, and nobody ends it.
    Unknown,
}

/// The relay of one event store.
#[derive(Debug)]
pub struct Relay {
    store: EventStore,
    config: RelayConfig,
    /// Who this is, among the relays that ever led.
    id: Uuid,
    state: watch::Sender<RelayState>,
}

impl Relay {
    #[must_use]
    pub fn new(store: EventStore, config: RelayConfig) -> Self {
        Self { store, config, id: Uuid::now_v7(), state: watch::Sender::default() }
    }

    /// How far it is, from now on.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<RelayState> {
        self.state.subscribe()
    }

    /// Relays until it is told to stop. While Kafka or the store is away, it tries again.
    ///
    /// # Errors
    /// Those of [`RelayError`] that are final; [`RelayError::Fenced`] if another relay has taken over.
    pub async fn run(&self, shutdown: CancellationToken) -> Result<(), RelayError> {
        tokio::select! {
            result = self.lead_again_and_again(&shutdown) => {
                self.state.send_modify(|state| state.leading = false);
                result
            }
            () = self.report() => Ok(()),
        }
    }

    async fn lead_again_and_again(&self, shutdown: &CancellationToken) -> Result<(), RelayError> {
        let mut led = false;
        let mut backoff = Backoff::new(TRY_AGAIN);
        loop {
            let before = self.state.borrow().position;
            let error = match self.lead(&mut led, shutdown).await {
                Ok(()) => return Ok(()),
                Err(error) if error.is_final() => return Err(error),
                Err(error) => error,
            };
            self.state.send_modify(|state| {
                let since = state.stuck.map_or_else(Instant::now, |(since, _)| since);
                (state.leading, state.stuck) = (false, Some((since, error.why())));
            });
            if self.state.borrow().position > before {
                backoff.reset();
            }
            let reason = std::error::Error::source(&error).map(ToString::to_string);
            tracing::warn!(%error, reason, "the relay is interrupted; it will take over again");
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                () = backoff.wait() => {}
            }
        }
    }

    /// Takes over and relays, until something fails.
    async fn lead(&self, led: &mut bool, shutdown: &CancellationToken) -> Result<(), RelayError> {
        let (leader, progress, held) = tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            taken = self.take_over(*led) => taken?,
        };
        *led = true;
        let (position, after, waiting) = (progress.position, held.after, held.waiting.clone());
        self.state.send_modify(|state| (state.position, state.leading) = (position, true));
        tracing::info!(position, topic_epoch = %progress.topic_epoch, "the relay leads");

        let (batches, to_write) = mpsc::channel(1);
        let state = self.state.clone();
        let writing = blocking(move || {
            leader.write(to_write, progress, &held, |position| {
                state.send_modify(|state| {
                    (state.position, state.stuck) = (position, None);
                    state.head = state.head.max(position);
                });
            })
        });
        let reading = Reading::after(after);
        tokio::pin!(writing);
        let interrupted = async {
            let read = tokio::select! {
                read = self.read(&reading, batches) => read,
                unsettled = self.settle(&reading, &waiting) => Err(unsettled),
            };
            writing.as_mut().await.and(read)
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            interrupted = interrupted => return interrupted,
        }
        // What is left open if Kafka is away now will be aborted by whoever leads next.
        tokio::time::timeout(GRACE, writing).await.unwrap_or(Ok(()))
    }

    /// Becomes the leader: fences who led, then finds out how far the topics are, and says so in its own name.
    async fn take_over(&self, led: bool) -> Result<(Leader, Progress, PartitionState), RelayError> {
        let last = if led { self.last_to_lead().await? } else { LastToLead::Unknown };
        if last == LastToLead::Another {
            return Err(RelayError::Fenced);
        }
        let config = self.config.clone();
        let found = blocking(move || Takeover::new(&config)).await?;
        // Somebody may have led since this was asked above; only now can nobody else.
        let known = found.known.as_ref();
        if last == LastToLead::This && known.is_none_or(|progress| progress.relay != self.id) {
            return Err(RelayError::Fenced);
        }
        found.must_continue(&self.store, &self.config).await?;
        let progress = found.known.unwrap_or_else(|| Progress {
            position: 0,
            event_id: None,
            topic_epoch: Uuid::now_v7(),
            relay: self.id,
            ends: BTreeMap::new(),
        });
        let progress = Progress { relay: self.id, ..progress };
        topics::create(&found.missing, &self.config).await?;
        let (leader, held) = (found.leader, found.held);
        blocking(move || leader.announce(&progress).map(|()| (leader, progress, held))).await
    }

    /// Who was the last to lead, or is making the topics anew.
    async fn last_to_lead(&self) -> Result<LastToLead, RelayError> {
        let (config, id) = (self.config.clone(), self.id);
        blocking(move || {
            let mut there = topics::list(config.admin()?.inner(), &config)?;
            there.retain(|topic, _| *topic == config.progress_topic());
            if there.is_empty() {
                return Ok(LastToLead::Another);
            }
            let shown = progress::read(&config)?;
            if shown.as_ref().is_some_and(|progress| progress.relay == id) {
                return Ok(LastToLead::This);
            }
            // What hides behind an open transaction may be this relay's word. One that does not hang is ended in time.
            let ends = Ends::new(&config)?;
            let open = ends.open(&there)?;
            let deadline = Instant::now() + 3 * config.transaction_timeout;
            while !open.is_empty() {
                if ends.open(&there)? != open {
                    return Err(RelayError::ProgressUnseen);
                }
                if Instant::now() > deadline {
                    return Ok(LastToLead::Unknown);
                }
                std::thread::sleep(TRY_AGAIN.1);
            }
            // A broker that has just come back may show nothing yet: that says nothing of who has led.
            shown.map(|_| LastToLead::Another).ok_or(RelayError::ProgressUnseen)
        })
        .await
    }

    /// Reads the log and hands it on, in batches of one transaction each.
    async fn read(&self, reading: &Reading, batches: mpsc::Sender<Batch>) -> Result<(), RelayError> {
        let (mut newest, mut state) = (self.store.newest(), self.state());
        let mut held_up = reading.held_up.subscribe();
        let mut topics: BTreeSet<String> = topics::expected(&self.config).into_keys().collect();
        let (mut after, mut backoff) = (reading.handed_on.load(Relaxed), Backoff::new(LOOK_AGAIN));
        let limit = i64::try_from(self.config.batch_records).unwrap_or(i64::MAX);
        loop {
            newest.mark_unchanged();
            let page = self.store.read(after, limit).await.inspect_err(|error| {
                tracing::warn!(%error, "the relay cannot read the event store; it will look again");
            });
            let pause = if page.is_err() { TRY_AGAIN.1 } else { backoff.pause() };
            let page = page.unwrap_or_default();
            if page.is_empty() {
                tokio::select! {
                    Ok(()) = newest.changed() => {}
                    () = tokio::time::sleep(pause) => {}
                    // The writer ends by itself only if it has failed.
                    () = batches.closed() => return Ok(()),
                }
                continue;
            }
            backoff.reset();
            let full = page.len() == self.config.batch_records;
            for batch in Batch::split(page, &self.config) {
                let new = batch.topics().filter(|topic| !topics.contains(*topic));
                let new = new.map(|topic| (topic.to_owned(), self.config.partitions)).collect();
                topics::create(&new, &self.config).await?;
                topics.extend(new.into_keys());
                after = batch.position();
                _ = held_up.wait_for(|held_up| !held_up).await;
                reading.handed_on.store(after, Relaxed);
                if batches.send(batch).await.is_err() {
                    return Ok(());
                }
            }
            // Reading ahead would only cut what comes next into smaller pieces, unless there is much to catch up.
            if !full {
                tokio::select! {
                    _ = state.wait_for(|state| state.position >= after) => {}
                    () = batches.closed() => return Ok(()),
                }
            }
        }
    }

    /// Keeps the gauges and the log's end up to date, also while Kafka is away.
    async fn report(&self) {
        loop {
            if let Ok(head) = self.store.head().await {
                self.state.send_if_modified(|state| {
                    let before = *state;
                    state.head = head;
                    // With nothing to relay, nothing stands still.
                    state.stuck = state.stuck.filter(|_| state.lag() > 0);
                    *state != before
                });
            }
            let state = *self.state.borrow();
            metrics::gauge!("mewayz_relay_position").set(state.position as f64);
            metrics::gauge!("mewayz_relay_lag").set(state.lag() as f64);
            metrics::gauge!("mewayz_relay_leading").set(if state.leading { 1.0 } else { 0.0 });
            let stuck = state.stuck.map_or(Duration::ZERO, |(since, _)| since.elapsed());
            metrics::gauge!("mewayz_relay_stuck_seconds").set(stuck.as_secs_f64());
            tokio::time::sleep(REPORT).await;
        }
    }
}

/// Does blocking work on a thread of its own, begun at once.
///
/// Not one of the runtime's: the runtime waits for those when it ends, and Kafka may be away.
fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RelayError> + Send + 'static,
) -> impl Future<Output = Result<T, RelayError>> {
    let (done, result) = oneshot::channel();
    let spawned = std::thread::Builder::new().name("relay".into()).spawn(move || _ = done.send(work()));
    async move {
        spawned.map_err(|_| RelayError::Panicked)?;
        result.await.map_err(|_| RelayError::Panicked)?
    }
}
