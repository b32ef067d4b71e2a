//! Settle: whether what was committed can be read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::sync::watch;

use super::ends::{Ends, Partition};
use super::{Relay, RelayError, blocking, topics};

/// How long nothing must have been written before what was is looked for.
const SETTLE: Duration = Duration::from_secs(1);

/// How far a leader has read the log.
pub(super) struct Reading {
    /// The last position that was handed on to be written.
    pub handed_on: AtomicI64,
    /// Whether nothing is to be handed on for now.
    pub held_up: watch::Sender<bool>,
}

impl Reading {
    /// After a position.
    pub(super) fn after(position: i64) -> Self {
        Self { handed_on: AtomicI64::new(position), held_up: watch::Sender::new(false) }
    }
}

impl Relay {
    /// Looks, once nothing was written for a while, whether all that was can be read; ends if not.
    ///
    /// A broker that is killed right after it has answered the last commit may leave it open, and nothing else would
    /// tell of it. What is known to be `waiting` is not looked for.
    pub(super) async fn settle(&self, reading: &Reading, waiting: &BTreeSet<Partition>) -> RelayError {
        let mut state = self.state();
        loop {
            let position = state.borrow_and_update().position;
            let mut before = BTreeMap::new();
            while !within(SETTLE, state.wait_for(|state| state.position != position)).await {
                if reading.handed_on.load(Relaxed) != position {
                    continue;
                }
                let config = self.config.clone();
                let open = blocking(move || {
                    let there = topics::list(config.admin()?.inner(), &config)?;
                    Ends::new(&config)?.open(&there)
                });
                let Ok(mut open) = open.await else {
                    if !reading.held_up.send_replace(true) {
                        tracing::warn!(
                            "Kafka is away, and may have left open what it committed last; \
                             nothing is written behind that until it was looked at"
                        );
                    }
                    continue;
                };
                open.retain(|partition, _| !waiting.contains(partition));
                if reading.handed_on.load(Relaxed) != position {
                    continue;
                }
                if let Some((topic, partition)) = open.keys().find(|at| before.get(*at) == open.get(*at)) {
                    return RelayError::Unsettled { topic: topic.clone(), partition: *partition };
                }
                if open.is_empty() {
                    reading.held_up.send_replace(false);
                    _ = state.wait_for(|state| state.position != position).await;
                    break;
                }
                before = open;
            }
        }
    }
}

/// Whether something happens in time.
async fn within<T>(time: Duration, something: impl Future<Output = T>) -> bool {
    tokio::time::timeout(time, something).await.is_ok()
}
