//! Following: processes that know what a thing was before an event, and what it is after it.
//!
//! What a thing was when an event happened to it is in the log for ever, so such a process is as pure as any other: a
//! repeat is told the same. It is folded as its events come by; what is not known any more is read from the log.

use std::sync::Arc;

use async_trait::async_trait;
use domain::kernel::{Decider, Recorded, Sourced, Unreadable};

use crate::act::Instruction;
use crate::error::{Error, Result};
use crate::store::{EventStore, stream};

/// Of how many things it is known how they are.
const KNOWN: u64 = 4_096;
/// How many events of a thing are read at once.
const PAGE: i64 = 256;

/// A process that hears the events of one kind of aggregate, each with what they changed.
pub trait Follow: Send + Sync + 'static {
    type Of: Sourced;

    fn name(&self) -> &'static str;

    /// What follows from an event. Nothing random: a repeat must instruct the same.
    ///
    /// # Errors
    /// [`Unreadable`]: the event is parked, and its stream with it.
    fn react(
        &self,
        before: &Self::Of,
        after: &Self::Of,
        event: &Recorded,
    ) -> Result<Vec<Instruction>, Unreadable>;
}

/// A [`Follow`], whatever it follows.
#[async_trait]
pub trait Follower: Send + Sync + 'static {
    fn name(&self) -> &'static str;

    /// The aggregate it hears.
    fn listens_to(&self) -> &'static str;

    /// What follows from an event.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the log does not answer; [`Error::Internal`] if an event of the stream cannot be read.
    async fn react(&self, store: &EventStore, event: &Recorded) -> Result<Vec<Instruction>>;
}

/// A thing after so many events.
struct Known<A> {
    state: Arc<A>,
    version: i64,
}

impl<A> Clone for Known<A> {
    fn clone(&self) -> Self {
        Self { state: self.state.clone(), version: self.version }
    }
}

/// A process, and the things it follows.
pub struct Following<F: Follow> {
    follow: F,
    known: moka::sync::Cache<String, Known<F::Of>>,
}

impl<F: Follow> Following<F> {
    pub fn new(follow: F) -> Self {
        Self { follow, known: moka::sync::Cache::new(KNOWN) }
    }

    /// The thing right before an event.
    async fn before(&self, store: &EventStore, stream: &str, event: &Recorded) -> Result<F::Of> {
        let known = self.known.remove(stream).filter(|known| known.version < event.sequence);
        let (mut state, mut version) = match known {
            Some(known) => (Arc::unwrap_or_clone(known.state), known.version),
            None => (F::Of::default(), 0),
        };
        while version < event.sequence - 1 {
            let left = event.sequence - 1 - version;
            let events = store.of_stream(F::Of::NAME, stream, version, left.min(PAGE)).await?;
            if events.is_empty() {
                return Err(Error::unavailable("an event is heard whose stream is not there yet"));
            }
            for event in events {
                if let Some(happened) = event.of::<F::Of>().map_err(Error::internal)? {
                    state.evolve(happened.clone());
                }
                version = event.sequence;
            }
        }
        Ok(state)
    }
}

#[async_trait]
impl<F: Follow> Follower for Following<F> {
    fn name(&self) -> &'static str {
        self.follow.name()
    }

    fn listens_to(&self) -> &'static str {
        F::Of::NAME
    }

    async fn react(&self, store: &EventStore, event: &Recorded) -> Result<Vec<Instruction>> {
        let Some(happened) = event.of::<F::Of>().map_err(Error::internal)? else { return Ok(vec![]) };
        event.id_of::<F::Of>().map_err(Error::internal)?;
        let stream = stream(event.workspace, &event.id);
        let before = self.before(store, &stream, event).await?;
        let mut after = before.clone();
        after.evolve(happened.clone());
        let instructions = self.follow.react(&before, &after, event).map_err(Error::internal)?;
        self.known.insert(stream, Known { state: Arc::new(after), version: event.sequence });
        Ok(instructions)
    }
}
