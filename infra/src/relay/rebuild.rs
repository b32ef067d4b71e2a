//! Rebuild: the topics made anew from the log, with the same contents as before.
//!
//! A relay that runs is fenced and stops. Killed at any point, a relay that starts says what is missing, and a
//! rebuild that starts again finishes. The new topics have a new `topic_epoch` in their progress, by which
//! consumers tell that their offsets are void.

use std::fmt;
use std::time::Instant;

use commands::EventStore;
use failpoint::failpoint;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::leader::Leader;
use super::progress::{self, Progress};
use super::topics::{self, PATIENCE};
use super::{LOOK_AGAIN, Relay, RelayConfig, RelayError, blocking};

/// What a rebuild has made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rebuilt {
    /// The topics hold the log at least up to here.
    pub position: i64,
    pub topic_epoch: Uuid,
}

impl fmt::Display for Rebuilt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "The topics hold the log up to position {}, as epoch {}.", self.position, self.topic_epoch)
    }
}

/// Deletes the topics, makes them again and relays the whole log.
///
/// # Errors
/// Any [`RelayError`].
pub async fn rebuild(store: &EventStore, config: &RelayConfig) -> Result<Rebuilt, RelayError> {
    let settings = config.clone();
    let there = blocking(move || {
        let fencing = Leader::new(&settings)?;
        Ok(topics::list(fencing.client(), &settings)?)
    })
    .await?;
    topics::delete(&there, config).await?;
    failpoint!("relay.topics_deleted");

    let head = store.head().await?;
    let relay = Relay::new(store.clone(), config.clone());
    let mut state = relay.state();
    let enough = CancellationToken::new();
    let running = relay.run(enough.clone());
    tokio::pin!(running);
    // What `wait_for` answers borrows the state, and must be gone before the relay goes on.
    let complete = async { _ = state.wait_for(|state| state.leading && state.position >= head).await };
    tokio::select! {
        ended = &mut running => ended?,
        () = complete => {
            enough.cancel();
            running.await?;
        }
    }
    let (settings, position) = (config.clone(), state.borrow().position);
    blocking(move || {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match progress::read(&settings)? {
                Some(Progress { position: shown, topic_epoch, .. }) if shown >= position => {
                    return Ok(Rebuilt { position: shown, topic_epoch });
                }
                // Kafka answers a commit before it shows what was committed.
                _ if Instant::now() < deadline => std::thread::sleep(LOOK_AGAIN.1),
                _ => return Err(RelayError::ProgressUnseen),
            }
        }
    })
    .await
}
