//! Turns: commands on one stream go one after the other (a mutex per stream), and those that come while another is
//! appended are appended together (group commit per stream).
//!
//! Who has the turn decides, puts its command behind those that wait to be appended, and lets the next one decide on
//! what it has made of the aggregate. Then it waits for its turn once more: by then all who were waiting have decided
//! as well, and whoever comes first appends for all. While that is under way nobody decides, since what was decided
//! may come to nothing: then what was decided on it comes to nothing too, and is decided anew
//! ([`Appended::Baseless`]).
//!
//! What the platform itself asks (processes, effects, imports) may be much: only so many of it stand in line at a
//! time, so that a client's command goes with the next append or the one after it.

use std::any::Any;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::ids::WorkspaceId;
use domain::kernel::Sourced;
use tokio::sync::{Mutex, MutexGuard, Semaphore, SemaphorePermit, oneshot};
use uuid::Uuid;

use super::appender::{Append, Appended};
use super::{EventStore, Loaded, StreamKey, stream};
use crate::error::{Error, Result};

/// Streams that share a turn only wait a little longer; more turns than commands under way keep that rare.
const TURNS: usize = 4096;
/// The most commands that are appended together on one stream.
const MOST: usize = 64;
/// How many commands of the platform itself stand in line for one turn.
const PLACES: usize = 32;

/// All turns, by the hash of their streams.
pub(super) struct Turns {
    turns: Vec<Turn>,
    hasher: RandomState,
}

struct Turn {
    places: Semaphore,
    line: Mutex<Line>,
}

/// Who asks for a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asker {
    Client,
    /// The platform itself.
    Platform,
}

/// Commands that are decided and wait to be appended, and what they have made of their aggregates.
#[derive(Default)]
pub(crate) struct Line {
    decided: Vec<Waiting>,
    /// None while somebody decides on it: one who goes away while doing so takes it along.
    made: HashMap<StreamKey, Option<Made>>,
}

struct Waiting {
    append: Append,
    at: DateTime<Utc>,
    answer: oneshot::Sender<Result<Appended>>,
}

/// An aggregate as decisions have left it.
pub struct Made {
    pub state: Arc<dyn Any + Send + Sync>,
    pub version: i64,
    /// Whether to keep it in the cache once it is so.
    pub keep: bool,
}

/// A turn that is had: until it is dropped, nobody else decides on its streams.
pub(crate) struct Held<'a> {
    store: &'a EventStore,
    turn: &'a Turn,
    line: MutexGuard<'a, Line>,
    place: Option<SemaphorePermit<'a>>,
}

/// What a command is decided on: what those before it in the line have made of it, else what the store has.
pub struct Ground<'a> {
    store: &'a EventStore,
    workspace: WorkspaceId,
    line: &'a mut Line,
}

impl Turns {
    pub(super) fn new() -> Self {
        let turn = || Turn { places: Semaphore::new(PLACES), line: Mutex::default() };
        Self { turns: std::iter::repeat_with(turn).take(TURNS).collect(), hasher: RandomState::new() }
    }

    fn place(&self, stream: &StreamKey) -> usize {
        usize::try_from(self.hasher.hash_one(stream) % TURNS as u64).unwrap_or_default()
    }
}

impl EventStore {
    /// Waits for the turn of a stream.
    pub(crate) async fn turn(&self, stream: &StreamKey, asker: Asker) -> Held<'_> {
        self.held(self.0.turns.place(stream), asker).await
    }

    /// Waits for the turns of several streams, and until all that waits there is appended.
    pub(crate) async fn turns(&self, streams: &[StreamKey], asker: Asker) -> Vec<Held<'_>> {
        let mut places: Vec<usize> = streams.iter().map(|stream| self.0.turns.place(stream)).collect();
        // In one order for everybody, so that two commands on the same streams cannot block each other.
        places.sort_unstable();
        places.dedup();
        let mut turns = Vec::with_capacity(places.len());
        for place in places {
            let mut held = self.held(place, asker).await;
            held.line.append(self).await;
            turns.push(held);
        }
        turns
    }

    async fn held(&self, place: usize, asker: Asker) -> Held<'_> {
        let turn = &self.0.turns.turns[place];
        let place = match asker {
            Asker::Client => None,
            // Nobody closes it, so there is a place sooner or later.
            Asker::Platform => turn.places.acquire().await.ok(),
        };
        Held { store: self, turn, line: turn.line.lock().await, place }
    }
}

impl Held<'_> {
    /// Makes sure that a command with this id may join the line: else what waits is appended first.
    pub(crate) async fn make_room(&mut self, stream: &StreamKey, command: Uuid) {
        // One id in one append would be answered once. What a decision took along is to be read again.
        let known = self.line.decided.iter().any(|waiting| waiting.append.command_id == command);
        let lost = matches!(self.line.made.get(stream), Some(None));
        if known || lost {
            self.line.append(self.store).await;
        }
    }

    /// What is decided on in this turn.
    pub(crate) fn ground(&mut self, workspace: WorkspaceId) -> Ground<'_> {
        Ground { store: self.store, workspace, line: &mut self.line }
    }

    /// Joins the line with a command that was decided on its ground, and waits until it is appended.
    pub(crate) async fn append(
        mut self,
        stream: StreamKey,
        append: Append,
        at: DateTime<Utc>,
        made: Made,
    ) -> Result<Appended> {
        let (answer, mut answered) = oneshot::channel();
        self.line.decided.push(Waiting { append, at, answer });
        self.line.made.insert(stream, Some(made));
        let Self { store, turn, mut line, place } = self;
        drop(place);
        if line.decided.len() >= MOST {
            line.append(store).await;
        } else {
            drop(line);
            tokio::select! {
                biased;
                answer = &mut answered => return answer.unwrap_or(Ok(Appended::Baseless)),
                mut line = turn.line.lock() => line.append(store).await,
            }
        }
        // Who was appending for all may have gone away: then nobody knows, and the command's id will tell.
        answered.await.unwrap_or(Ok(Appended::Baseless))
    }
}

impl Line {
    /// Appends all that is decided, and tells each what became of it.
    async fn append(&mut self, store: &EventStore) {
        let Some(at) = self.decided.iter().map(|waiting| waiting.at).max() else { return };
        let made = std::mem::take(&mut self.made);
        let (appends, answers): (Vec<_>, Vec<_>) =
            self.decided.drain(..).map(|waiting| (waiting.append, waiting.answer)).unzip();
        let appended = store.0.appender.append(appends, at).await;
        let so = appended.iter().all(|appended| appended.as_ref().is_ok_and(Appended::is_new));
        for (stream, made) in made {
            match made {
                Some(made) if so => store.remember(stream, made),
                _ => store.doubt(&stream),
            }
        }
        for (answer, appended) in answers.into_iter().zip(appended) {
            // Whoever asked may have gone; the answer is stored and a repeat will get it.
            _ = answer.send(appended);
        }
    }
}

impl Ground<'_> {
    /// An aggregate, to be decided on.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn load<A: Sourced>(&mut self, id: &A::Id) -> Result<Loaded<A>> {
        match self.taken(id)? {
            Some(made) => Ok(made),
            None => self.store.load::<A>(self.workspace, id).await,
        }
    }

    /// The same, of one that is supposed to be new: it is not looked for in the store.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub fn supposed_new<A: Sourced>(&mut self, id: &A::Id) -> Result<Loaded<A>> {
        Ok(self.taken(id)?.unwrap_or_else(|| Loaded { state: Arc::new(A::default()), version: 0 }))
    }

    /// What is taken is changed in place, and put back with what was decided ([`Held::append`]).
    fn taken<A: Sourced>(&mut self, id: &A::Id) -> Result<Option<Loaded<A>>> {
        let made = self.line.made.get_mut(&(A::NAME, stream(self.workspace, id)));
        let Some(made) = made.and_then(Option::take) else { return Ok(None) };
        let state =
            made.state.downcast::<A>().map_err(|_| Error::unavailable("an aggregate of another type"))?;
        Ok(Some(Loaded { state, version: made.version }))
    }
}
