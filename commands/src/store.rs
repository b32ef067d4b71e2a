//! EventStore: the ordered log, as everything above it sees it.
//!
//! A stream is `(aggregate type, <workspace>/<id>)`; that text is built here and nowhere else, so no command can
//! reach another workspace's stream. Aggregates are kept in a bounded cache; an append with a stale one is found
//! by its expected version. Commands on one stream take turns within a process ([`turn`]).

pub mod appender;
mod events;
mod streams;
pub mod turn;

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use cqrs_es::persist::PersistedEventRepository;
use domain::ids::WorkspaceId;
use domain::kernel::{Event, Recorded, Sourced, cqrs_es};
use moka::Entry;
use moka::ops::compute::Op;
use postgres_es::PostgresEventRepository;
use serde::{Serialize, Serializer};
use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;
use tokio::sync::watch;
use uuid::Uuid;

use crate::error::{Error, Refused, Result};
use appender::{Append, Appended, Appender};
use turn::{Made, Turns};

/// How many aggregates the cache holds, unless told otherwise.
pub const CACHED_AGGREGATES: u64 = 20_000;
/// How many events are read at once of a stream that others have written to.
const READ_ON: i64 = 1_000;

/// A place in the log, as clients see it: opaque, good for `min_position` only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(pub i64);

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{:x}", self.0)
    }
}

impl std::str::FromStr for Position {
    type Err = NotAPosition;
    fn from_str(text: &str) -> Result<Self, NotAPosition> {
        text.strip_prefix('p')
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)))
            .and_then(|digits| i64::from_str_radix(digits, 16).ok())
            .map(Self)
            .ok_or(NotAPosition)
    }
}

/// A text that no command answered as its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a position that a command has answered")]
pub struct NotAPosition;

impl Serialize for Position {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What a command answers, the first time and every time it is repeated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// What was acted on, or made inside of that.
    pub id: String,
    /// The version of what was acted on: its ETag.
    pub version: i64,
    /// A read with `min_position` of this shows what was done.
    pub position: Position,
    /// Whether this is the stored answer to an earlier request with the same key.
    #[serde(skip)]
    pub replayed: bool,
}

/// An aggregate and the version it is at (0: nothing has happened to it).
#[derive(Debug)]
pub struct Loaded<A> {
    pub state: Arc<A>,
    pub version: i64,
}

pub(crate) type StreamKey = (&'static str, String);

#[derive(Clone)]
struct Cached {
    state: Arc<dyn Any + Send + Sync>,
    version: i64,
    /// Whether the log was seen to be at another version: it is read on from here before this is used again.
    doubted: bool,
}

/// What was seen in one look at the log.
#[derive(Debug)]
pub(crate) struct Seen {
    /// What a command was answered, if it was, with the hash of its request.
    pub answer: Option<(Vec<u8>, Result<Outcome, Refused>)>,
    /// The version of each stream.
    pub versions: Vec<i64>,
}

/// The event store. Cheap to clone.
#[derive(Clone)]
pub struct EventStore(Arc<Inner>);

struct Inner {
    pool: PgPool,
    repository: PostgresEventRepository,
    appender: Appender,
    cache: moka::sync::Cache<StreamKey, Cached>,
    turns: Turns,
    newest: watch::Receiver<i64>,
}

impl fmt::Debug for EventStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStore").field("newest", &*self.0.newest.borrow()).finish_non_exhaustive()
    }
}

impl EventStore {
    /// Opens the store over a database that is migrated, and starts its appender on a connection of its own.
    #[must_use]
    pub fn open(pool: PgPool, options: PgConnectOptions, cached_aggregates: u64) -> Self {
        let (newest, seen) = watch::channel(0);
        Self(Arc::new(Inner {
            repository: PostgresEventRepository::new(pool.clone()),
            pool,
            appender: Appender::start(options, newest),
            cache: moka::sync::Cache::new(cached_aggregates),
            turns: Turns::new(),
            newest: seen,
        }))
    }

    #[must_use]
    pub fn pool(&self) -> &PgPool {
        &self.0.pool
    }

    /// The newest position this process has appended; others' are found by [`EventStore::head`].
    #[must_use]
    pub fn newest(&self) -> watch::Receiver<i64> {
        self.0.newest.clone()
    }

    /// The log's last position.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn head(&self) -> Result<i64> {
        Ok(sqlx::query_scalar!("select position from head").fetch_one(&self.0.pool).await?)
    }

    /// An aggregate as it is now, from the cache if it is there. It may be stale: an append finds out, and who appends
    /// nothing to it compares its version with the log's ([`crate::Facts`]).
    ///
    /// # Errors
    /// [`Error::Unavailable`]; [`Error::Internal`] if the stream cannot be read.
    pub async fn load<A: Sourced>(&self, workspace: WorkspaceId, id: &A::Id) -> Result<Loaded<A>> {
        self.load_and_tell(&stream(workspace, id)).await.map(|(loaded, _)| loaded)
    }

    /// The same, and whether it is from the cache.
    pub(crate) async fn load_and_tell<A: Sourced>(&self, stream: &str) -> Result<(Loaded<A>, bool)> {
        let cached = self.0.cache.get(&(A::NAME, stream.to_owned())).and_then(|cached| {
            let state = cached.state.downcast::<A>().ok()?;
            Some((Loaded { state, version: cached.version }, cached.doubted))
        });
        let loaded = match cached {
            Some((known, false)) => return Ok((known, true)),
            Some((doubted, true)) => self.read_on(stream, doubted).await?,
            None => self.load_from_log(stream).await?,
        };
        if loaded.version > 0 {
            self.remember_read(stream.to_owned(), &loaded);
        }
        Ok((loaded, false))
    }

    async fn load_from_log<A: Sourced>(&self, stream: &str) -> Result<Loaded<A>> {
        let events = self.0.repository.get_events::<A>(stream).await.map_err(Error::failed)?;
        let upcasters = <A as domain::kernel::Decider>::Event::upcasters();
        let (mut state, mut version) = (A::default(), 0);
        for mut event in events {
            for upcaster in &upcasters {
                if upcaster.can_upcast(&event.event_type, &event.event_version) {
                    event = upcaster.upcast(event);
                }
            }
            version = i64::try_from(event.sequence).map_err(Error::unavailable)?;
            state.evolve(serde_json::from_value(event.payload).map_err(Error::failed)?);
        }
        Ok(Loaded { state: Arc::new(state), version })
    }

    /// What is known, and what has happened since. A long stream that another process writes to as well is caught up
    /// with like this; read whole, it would be behind again each time.
    async fn read_on<A: Sourced>(&self, stream: &str, known: Loaded<A>) -> Result<Loaded<A>> {
        let Loaded { state, mut version } = known;
        let mut state = A::clone(&state);
        // From the event that it is at: without this one, what is known is of another log.
        let (mut after, mut found) = (version - 1, false);
        loop {
            let events = self.of_stream(A::NAME, stream, after, READ_ON).await?;
            for event in &events {
                after = event.sequence;
                if after == version {
                    found = true;
                } else if let Some(event) = event.of::<A>().map_err(Error::failed)? {
                    state.evolve(event.clone());
                }
            }
            if !found {
                return self.load_from_log(stream).await;
            }
            version = after;
            if events.len() < READ_ON as usize {
                return Ok(Loaded { state: Arc::new(state), version });
            }
        }
    }

    /// Keeps an aggregate as it was read, unless somebody has appended meanwhile and kept what came of that.
    pub(crate) fn remember_read<A: Sourced>(&self, stream: String, loaded: &Loaded<A>) {
        let kept = Cached { state: loaded.state.clone(), version: loaded.version, doubted: false };
        self.0.cache.entry((A::NAME, stream)).and_upsert_with(|there| match there.map(Entry::into_value) {
            Some(there) if !there.doubted && there.version > kept.version => there,
            _ => kept,
        });
    }

    /// Keeps an aggregate as it is after what was just appended.
    pub(crate) fn remember(&self, stream: StreamKey, Made { state, version, keep }: Made) {
        if keep && version > 0 {
            self.0.cache.insert(stream, Cached { state, version, doubted: false });
        }
    }

    /// Somebody has appended this: if what is kept of its stream is behind it, it is read again before it is used.
    pub fn heard(&self, aggregate_type: &'static str, event: &Recorded) {
        let key = (aggregate_type, stream(event.workspace, &event.id));
        if self.0.cache.get(&key).is_some_and(|known| known.version < event.sequence) {
            self.doubt(&key);
        }
    }

    /// What is kept of this stream is behind the log: before it is used again, the log is read.
    pub(crate) fn doubt(&self, (aggregate_type, stream): &StreamKey) {
        self.0.cache.entry((aggregate_type, stream.clone())).and_compute_with(|there| match there {
            Some(there) => Op::Put(Cached { doubted: true, ..there.into_value() }),
            None => Op::Nop,
        });
    }

    /// Appends one command's events, all or nothing (see [`appender`]).
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn append(&self, append: Append, at: DateTime<Utc>) -> Result<Appended> {
        let answer = self.append_in_turn(vec![append], at).await.pop();
        answer.unwrap_or_else(|| Err(Error::unavailable("the appender gave no answer")))
    }

    /// Appends commands that follow each other on one stream, see [`Appender::append`].
    pub async fn append_in_turn(&self, commands: Vec<Append>, at: DateTime<Utc>) -> Vec<Result<Appended>> {
        self.0.appender.append(commands, at).await
    }

    /// What a command was answered, if it ever was, and at which versions streams are, all as of one moment.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub(crate) async fn look(&self, command: Option<Uuid>, streams: &[StreamKey]) -> Result<Seen> {
        let (types, ids): (Vec<&str>, Vec<&str>) =
            streams.iter().map(|(aggregate_type, id)| (*aggregate_type, id.as_str())).unzip();
        let row = sqlx::query!(
            r#"select k.request_hash as "request_hash?", k.subject as "subject?", k.version as "version?",
                      k.position as "position?", k.refusal,
                      array(select coalesce((select e.sequence from events e
                                             where e.aggregate_id = s.id and e.aggregate_type = s.type
                                             order by e.sequence desc limit 1), 0)
                            from unnest($2::text[], $3::text[]) with ordinality as s (type, id, n)
                            order by s.n) as "versions!"
               from (select) as one left join commands k on k.command_id = $1"#,
            command,
            &types as &[&str],
            &ids as &[&str],
        )
        .fetch_one(&self.0.pool)
        .await?;
        let answer = |hash| {
            let outcome = appender::stored(row.subject, row.version, row.position, row.refusal, true)?;
            Ok::<_, Error>((hash, outcome))
        };
        Ok(Seen { answer: row.request_hash.map(answer).transpose()?, versions: row.versions })
    }

    /// Which of these commands were answered, each with the hash of its request and the refusal, if it was one.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn answered(&self, command_ids: &[Uuid]) -> Result<HashMap<Uuid, (Vec<u8>, Option<Refused>)>> {
        let rows = sqlx::query!(
            "select command_id, request_hash, refusal from commands where command_id = any($1)",
            command_ids
        )
        .fetch_all(&self.0.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                let refusal = row.refusal.as_deref().map(serde_json::from_str).transpose();
                Ok((row.command_id, (row.request_hash, refusal.map_err(Error::failed)?)))
            })
            .collect()
    }
}

/// The text that names a stream in the log.
#[must_use]
pub fn stream(workspace: WorkspaceId, id: impl fmt::Display) -> String {
    format!("{workspace}/{id}")
}
