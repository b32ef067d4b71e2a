//! Appender: the one part of a process that writes to the log.
//!
//! Commands that are ready queue up; all that wait go in one round trip to the function `append` (group commit).
//! Under load two batches are under way: one is written while the other waits for the head's lock.
//! A lost connection needs no guessing: the same batch goes again with the same command ids, and the function
//! answers those it knows. If the function raises, the batch is halved until the culprit is alone.

mod lane;

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use sqlx::postgres::PgConnectOptions;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use uuid::Uuid;

use self::lane::Lane;
pub(super) use self::lane::stored;
use super::Outcome;
use crate::error::{Error, Refused, Result};

/// The most commands of one batch: past a few hundred the time of a batch grows as fast as the batch.
const MOST_COMMANDS: usize = 512;
/// The most payload bytes of one batch (1 MiB).
const MOST_BYTES: usize = 1 << 20;
/// A batch of so many waits for no more, not even for the one before it: what its commit costs is spread thinly
/// enough, and those who are still to come make the next one while this one is written.
const ENOUGH: usize = 64;
/// The longest that a batch waits for more commands while some wait for it.
const MOST_PATIENCE: Duration = Duration::from_micros(500);

/// One command's append: all of its entries, or none.
#[derive(Debug)]
pub struct Append {
    pub command_id: Uuid,
    /// SHA-256 of the request: the same id with another request is refused.
    pub request_hash: Vec<u8>,
    /// The id the answer names.
    pub subject: String,
    /// The first entry's version once this is done.
    pub version: i64,
    /// Present if the command was refused: then no entry has events.
    pub refusal: Option<Refused>,
    pub workspace: Uuid,
    pub entries: Vec<Entry>,
}

impl Append {
    /// Its only event, if it has one and no more.
    fn only_event(&self) -> Option<(&Entry, &NewEvent)> {
        let [entry] = self.entries.as_slice() else { return None };
        let [event] = entry.events.as_slice() else { return None };
        Some((entry, event))
    }
}

/// One stream's part of an append.
#[derive(Debug)]
pub struct Entry {
    pub aggregate_type: &'static str,
    /// `<workspace>/<id>`.
    pub aggregate_id: String,
    pub expected: i64,
    pub events: Vec<NewEvent>,
}

/// An event on its way to the log.
#[derive(Debug)]
pub struct NewEvent {
    pub event_id: Uuid,
    pub event_type: String,
    pub event_version: String,
    pub payload: String,
    pub metadata: String,
    pub effective_at: DateTime<Utc>,
}

/// What became of an append.
#[derive(Debug)]
pub enum Appended {
    /// It is in the log, or was (`replayed`).
    Done(Result<Outcome, Refused>),
    /// A stream is not at its expected version.
    Conflict { current: i64 },
    /// What it was decided on came to nothing: a command before it on its stream was not taken.
    Baseless,
    /// The id was used with another request.
    KeyReused,
}

impl Appended {
    /// Whether it is in the log by this append.
    pub(super) fn is_new(&self) -> bool {
        match self {
            Self::Done(Ok(outcome)) => !outcome.replayed,
            Self::Done(Err(refused)) => !refused.replayed,
            _ => false,
        }
    }
}

/// Commands that are sent together or not at all: each may follow others of them on its stream.
struct Unit {
    commands: Vec<Append>,
    at: DateTime<Utc>,
}

impl Unit {
    /// Each command, and whether it follows another of the unit on its stream: then it was decided on what that one
    /// comes to.
    fn in_turn(&self) -> impl Iterator<Item = (&Append, bool)> {
        let mut streams = HashSet::new();
        self.commands.iter().map(move |append| {
            let mut follows = false;
            for Entry { aggregate_type, aggregate_id, .. } in &append.entries {
                follows |= !streams.insert((*aggregate_type, aggregate_id.as_str()));
            }
            (append, follows)
        })
    }
}

struct Pending {
    unit: Unit,
    bytes: usize,
    /// Hashes of its ids and its streams: two that only seem the same wait a batch longer.
    names: HashSet<u64>,
    answer: oneshot::Sender<Vec<Result<Appended>>>,
}

/// The way into the log.
#[derive(Debug, Clone)]
pub struct Appender {
    queue: mpsc::Sender<Pending>,
    hasher: RandomState,
}

impl Appender {
    /// Starts the task; it ends when the last handle is dropped and the queue is empty.
    ///
    /// `newest` is told each position that was reached.
    pub fn start(options: PgConnectOptions, newest: watch::Sender<i64>) -> Self {
        let (queue, waiting) = mpsc::channel(4 * MOST_COMMANDS);
        // The function's lookups are by key; a plan made over empty tables must not turn into a scan.
        let options = options.options([
            ("enable_seqscan", "off"),
            ("enable_hashjoin", "off"),
            ("enable_mergejoin", "off"),
            ("jit", "off"),
            ("plan_cache_mode", "force_generic_plan"),
        ]);
        let idle = vec![Lane::new(options.clone(), newest.clone()), Lane::new(options, newest)];
        let batches = Batches {
            waiting,
            closed: false,
            pending: Vec::with_capacity(MOST_COMMANDS),
            idle,
            writing: JoinSet::new(),
            sent: Instant::now(),
            sent_commands: 0,
            took: Duration::ZERO,
        };
        tokio::spawn(batches.run());
        Self { queue, hasher: RandomState::new() }
    }

    /// Appends, and waits for the answers.
    ///
    /// Commands on one stream must follow each other: each expects the version that the one before it makes, and was
    /// decided on what that one makes of the aggregate. If one of them is not taken, those after it are
    /// [`Appended::Baseless`].
    ///
    /// An answer is [`Error::Unavailable`] if the database does not answer: the append may or may not have happened,
    /// and the same command id will tell.
    pub async fn append(&self, commands: Vec<Append>, at: DateTime<Utc>) -> Vec<Result<Appended>> {
        let (count, mut bytes) = (commands.len(), 0);
        let mut names = HashSet::with_capacity(1 + count);
        for append in &commands {
            names.insert(self.hasher.hash_one(append.command_id));
            for entry in &append.entries {
                names.insert(self.hasher.hash_one((entry.aggregate_type, &entry.aggregate_id)));
                bytes += entry.events.iter().map(|event| event.payload.len()).sum::<usize>();
            }
        }
        let (answer, answered) = oneshot::channel();
        let pending = Pending { unit: Unit { commands, at }, bytes, names, answer };
        if self.queue.send(pending).await.is_ok()
            && let Ok(answers) = answered.await
        {
            return answers;
        }
        (0..count).map(|_| Err(Error::unavailable("the appender has stopped"))).collect()
    }
}

/// Makes batches of what waits, and hands them to lanes.
///
/// While one lane's batch is written, the next may already wait in the other for the head's lock: sent, parsed and
/// planned, so that the log waits for nobody. To the database two lanes are what two processes are: two appenders,
/// whose order is the lock's.
struct Batches {
    waiting: mpsc::Receiver<Pending>,
    closed: bool,
    pending: Vec<Pending>,
    idle: Vec<Lane>,
    writing: JoinSet<Lane>,
    /// When the last batch was sent, how many commands it had, and how long the last that was written took.
    sent: Instant,
    sent_commands: usize,
    took: Duration,
}

impl Batches {
    async fn run(mut self) {
        while self.next().await {
            if self.writing.is_empty() {
                gather(&mut self.pending, &mut self.waiting, self.sent_commands, self.took / 4).await;
            }
            let batch = split_batch(&mut self.pending);
            if !batch.is_empty()
                && let Some(lane) = self.idle.pop()
            {
                (self.sent, self.sent_commands) = (Instant::now(), commands(&batch));
                self.writing.spawn(lane.write(batch));
            }
        }
    }

    /// Waits for something to send and a lane for it; beside another batch only for enough, as two half batches cost
    /// two commits. False if nothing more will come.
    async fn next(&mut self) -> bool {
        loop {
            let enough = if self.writing.is_empty() { 1 } else { ENOUGH };
            let pending = commands(&self.pending);
            if pending >= enough && !self.idle.is_empty() {
                return true;
            }
            let room = MOST_COMMANDS.saturating_sub(pending);
            tokio::select! {
                biased;
                Some(written) = self.writing.join_next() => match written {
                    Ok(lane) => {
                        self.took = self.sent.elapsed();
                        self.idle.push(lane);
                    }
                    // It has panicked. Who waits is told that the appender has stopped.
                    Err(_) => return false,
                },
                taken = self.waiting.recv_many(&mut self.pending, room), if room > 0 && !self.closed => {
                    self.closed = taken == 0;
                }
                else => return false,
            }
        }
    }
}

/// Takes what waits, and for a moment what is about to: who was answered by the last batch is likely to be back with
/// the next command at once, and two half batches cost two commits.
async fn gather(
    pending: &mut Vec<Pending>,
    waiting: &mut mpsc::Receiver<Pending>,
    expected: usize,
    patience: Duration,
) {
    let start = Instant::now();
    let mut count = commands(pending);
    loop {
        while count < MOST_COMMANDS
            && let Ok(next) = waiting.try_recv()
        {
            count += next.unit.commands.len();
            pending.push(next);
        }
        if count >= expected.min(ENOUGH) || start.elapsed() >= patience.min(MOST_PATIENCE) {
            return;
        }
        // Not a sleep: those who are about to come are let go on, and none of them takes a millisecond.
        tokio::task::yield_now().await;
    }
}

fn commands(pending: &[Pending]) -> usize {
    pending.iter().map(|pending| pending.unit.commands.len()).sum()
}

/// Takes the next batch out: no two units of it share an id or a stream, and one that nobody waits for any more is
/// dropped. The others stay, in their order.
fn split_batch(pending: &mut Vec<Pending>) -> Vec<Pending> {
    let (mut batch, mut later) = (Vec::with_capacity(pending.len()), Vec::new());
    let mut seen = HashSet::with_capacity(2 * pending.len());
    let (mut bytes, mut count) = (0, 0);
    for next in pending.drain(..) {
        if next.answer.is_closed() {
            continue;
        }
        // A stream that waits holds its later commands back too, so that they keep their order.
        // All of its names, also after the first that is taken.
        let taken = next.names.iter().filter(|name| !seen.insert(**name)).count();
        let commands = next.unit.commands.len();
        let fits = bytes + next.bytes <= MOST_BYTES && count + commands <= MOST_COMMANDS;
        if taken == 0 && (batch.is_empty() || fits) {
            bytes += next.bytes;
            count += commands;
            batch.push(next);
        } else {
            later.push(next);
        }
    }
    *pending = later;
    batch
}
