//! Reactors: processes and effects, run over the log.
//!
//! Events of one stream are answered in order, streams side by side; the checkpoint is the position before the
//! first unanswered event. What is answered twice after a crash makes the same command ids, so it happens once.
//! Deadlines and parked events are written with the checkpoint, a little later (`LAZILY`): a deadline that is over
//! by then is never written.
//!
//! What processes answer to what was just decided is decided with it, and appended together (`chain`).

mod again;
mod answer;
pub(crate) mod chain;
mod change;
mod known;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use commands::port::Ports;
use commands::{Actor, Effect, Instruction, Process};
use domain::kernel::{Recorded, Unreadable};
use futures::future::BoxFuture;
use sqlx::PgPool;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use uuid::Uuid;

use self::answer::answer;
use self::chain::Chain;
use self::change::Change;
use super::batch::begin;
use super::checkpoint::{Checkpoint, Claim, LOOK_EVERY, Moved};
use super::claims::Claims;
use super::parked::{Parked, stream_key};
use super::{Host, Stopped, standing};

/// Events that are under way at once, at most.
const UNDER_WAY: usize = 256;
/// Events that are read ahead of the checkpoint, at most.
const READ_AHEAD: usize = 2_048;
/// How long what is answered waits to be written.
const LAZILY: Duration = Duration::from_millis(100);
/// How often the clock is looked at while there are deadlines.
const CLOCK_EVERY: Duration = Duration::from_millis(50);

/// What reacts: purely, or by calling the world.
pub enum Reactor {
    Process(Box<dyn Process>),
    Effect(Box<dyn Effect>),
}

impl Reactor {
    /// Every process and every effect.
    #[must_use]
    pub fn all(ports: &Ports) -> Vec<Self> {
        let processes = commands::process::all().into_iter().map(Self::Process);
        processes.chain(commands::effect::all(ports).into_iter().map(Self::Effect)).collect()
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Process(process) => process.name(),
            Self::Effect(effect) => effect.name(),
        }
    }

    fn actor(&self) -> Actor {
        match self {
            Self::Process(process) => Actor::Process(process.name()),
            Self::Effect(effect) => Actor::Effect(effect.name()),
        }
    }

    fn hears(&self, event: &Recorded) -> bool {
        let heard = match self {
            Self::Process(process) => process.listens_to(),
            Self::Effect(effect) => effect.listens_to(),
        };
        heard.contains(&event.aggregate_type.as_str())
    }

    async fn react(&self, event: &Recorded) -> Result<Vec<Instruction>, Unreadable> {
        match self {
            Self::Process(process) => process.react(event),
            Self::Effect(effect) => effect.perform(event).await,
        }
    }

    async fn due(
        &self,
        cause: &Recorded,
        key: &str,
        due_at: DateTime<Utc>,
    ) -> Result<Vec<Instruction>, Unreadable> {
        match self {
            Self::Process(process) => process.due(cause, key, due_at),
            Self::Effect(effect) => effect.due(cause, key, due_at).await,
        }
    }
}

/// An answered event or a fired deadline.
struct Answered {
    task: Task,
    changes: Vec<Change>,
}

#[derive(Clone)]
enum Task {
    Event { event: Arc<Recorded>, unparked: bool },
    Deadline { workspace: Uuid, key: String, due_at: DateTime<Utc>, cause: i64 },
}

enum Ended {
    Stopped,
    Void,
}

/// Follows the log with a reactor until told to stop.
///
/// # Errors
/// [`Stopped::Fenced`] once another instance owns it.
pub(super) async fn run(
    host: Host,
    claims: Claims,
    chain: Chain,
    reactor: Arc<Reactor>,
) -> Result<(), Stopped> {
    let pool = host.log.store().pool().clone();
    while let Some(claim) = Claim::acquire(&host, &claims, reactor.name()).await? {
        chain.known().begin(reactor.name());
        let ended = Run::begin(&host, &pool, &claims, &chain, &reactor, &claim).await;
        chain.known().end(reactor.name());
        match ended {
            Ok(Ended::Stopped) => {
                claim.release(&pool).await;
                return Ok(());
            }
            Ok(Ended::Void) => {
                if let Some(fenced) = claim.lost(&host).await {
                    return Err(fenced);
                }
            }
            Err(error) => {
                let fault = standing::fault(&error);
                tracing::warn!(subscription = reactor.name(), %fault, "starting again from the checkpoint");
                standing::failed(&pool, reactor.name(), &fault).await;
                tokio::select! {
                    () = host.stop.cancelled() => return Ok(()),
                    () = tokio::time::sleep(Duration::from_millis(500)) => {}
                }
            }
        }
    }
    Ok(())
}

struct Run<'a> {
    host: &'a Host,
    pool: &'a PgPool,
    claims: &'a Claims,
    chain: &'a Chain,
    reactor: &'a Arc<Reactor>,
    claim: &'a Claim,
    parked: Parked,
    /// How far was read, and how far the checkpoint is.
    read: i64,
    written: i64,
    /// When the checkpoint is to follow.
    owed: Option<Instant>,
    /// Events read and not yet behind the checkpoint: what they changed, once answered.
    open: BTreeMap<i64, Option<Vec<Change>>>,
    /// Changes of fired deadlines, to be written.
    fired: Vec<Change>,
    /// Streams with an event under way, and the events that wait for it.
    lanes: HashMap<String, VecDeque<Task>>,
    /// When the next deadline is due, as far as this owner knows (it is the only one who writes them).
    next_due: Option<DateTime<Utc>>,
    firing: usize,
}

impl<'a> Run<'a> {
    async fn begin(
        host: &'a Host,
        pool: &'a PgPool,
        claims: &'a Claims,
        chain: &'a Chain,
        reactor: &'a Arc<Reactor>,
        claim: &'a Claim,
    ) -> Result<Ended, anyhow::Error> {
        let parked = Parked::load(pool, reactor.name()).await?;
        let mut run = Self {
            host,
            pool,
            claims,
            chain,
            reactor,
            claim,
            parked,
            read: claim.position,
            written: claim.position,
            owed: None,
            open: BTreeMap::new(),
            fired: Vec::new(),
            lanes: HashMap::new(),
            next_due: None,
            firing: 0,
        };
        run.next_due = run.soonest().await?;
        run.follow().await
    }

    async fn follow(&mut self) -> Result<Ended, anyhow::Error> {
        // Tasks of their own: what is answered needs connections, and so does writing the checkpoint. If the one
        // stood still while the other waits, each could wait for the other.
        let mut under_way: JoinSet<Answered> = JoinSet::new();
        let mut clock = tokio::time::interval(CLOCK_EVERY);
        clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let room = self.open.len() < READ_AHEAD && under_way.len() < UNDER_WAY;
            tokio::select! {
                () = self.host.stop.cancelled() => return Ok(Ended::Stopped),
                () = self.claim.voided() => return Ok(Ended::Void),
                Some(answered) = under_way.join_next() => {
                    let answered = match answered.map_err(JoinError::try_into_panic) {
                        Ok(answered) => answered,
                        Err(Ok(panic)) => std::panic::resume_unwind(panic),
                        // Nobody else ends these tasks: the process is ending.
                        Err(Err(_)) => return Ok(Ended::Stopped),
                    };
                    if let Some(next) = self.answered(answered) {
                        under_way.spawn(self.answer(next));
                    }
                    self.owe();
                }
                events = self.host.log.after(self.read, 256), if room => {
                    for event in events? {
                        self.read = event.position;
                        if self.must_answer(&event) {
                            self.open.insert(event.position, None);
                            if let Some(task) = self.queue(Task::Event { event, unparked: false }) {
                                under_way.spawn(self.answer(task));
                            }
                        }
                    }
                    self.owe();
                }
                () = tokio::time::sleep_until(self.owed.unwrap_or_else(Instant::now)), if self.owed.is_some() => {
                    self.owed = None;
                    if let Moved::Void = self.checkpoint().await? {
                        return Ok(Ended::Void);
                    }
                }
                _ = clock.tick(), if self.next_due.is_some() => {
                    for task in self.due().await? {
                        under_way.spawn(self.answer(task));
                    }
                }
                _ = look.tick(), if !self.parked.is_empty() => {
                    for task in self.asked_again().await? {
                        if let Some(task) = self.queue(task) {
                            under_way.spawn(self.answer(task));
                        }
                    }
                }
            }
        }
    }

    /// The checkpoint is to follow, if not at once.
    fn owe(&mut self) {
        self.owed.get_or_insert_with(|| Instant::now() + LAZILY);
    }

    /// Whether there is something to do about an event: not if it is not heard, if it was answered with what it came
    /// of, or if nothing follows from it.
    fn must_answer(&self, event: &Recorded) -> bool {
        let name = self.reactor.name();
        if !self.reactor.hears(event) || self.chain.known().was_answered(name, event.event_id) {
            return false;
        }
        let Reactor::Process(process) = &**self.reactor else { return true };
        let lane = stream_key(event);
        if self.lanes.contains_key(&lane) || self.parked.holds(std::slice::from_ref(&lane), event.position) {
            return true;
        }
        let nothing =
            catch_unwind(AssertUnwindSafe(|| process.react(event).is_ok_and(|asked| asked.is_empty())));
        let nothing = nothing.unwrap_or(false);
        if nothing {
            self.chain.known().answered(name, lane, event.sequence);
        }
        !nothing
    }

    /// Puts an event on its stream's lane; answers it if the lane is free.
    fn queue(&mut self, task: Task) -> Option<Task> {
        let Task::Event { event, .. } = &task else { return Some(task) };
        let lane = stream_key(event);
        if let Some(waiting) = self.lanes.get_mut(&lane) {
            waiting.push_back(task);
            return None;
        }
        self.lanes.insert(lane, VecDeque::new());
        Some(task)
    }

    fn answered(&mut self, answered: Answered) -> Option<Task> {
        match answered.task {
            Task::Deadline { .. } => {
                self.firing -= 1;
                self.fired.extend(answered.changes);
                None
            }
            Task::Event { event, .. } => {
                let lane = stream_key(&event);
                if answered.changes.iter().any(|change| matches!(change, Change::Park { .. })) {
                    self.parked.hold(std::slice::from_ref(&lane), event.position);
                } else {
                    self.chain.known().answered(self.reactor.name(), lane.clone(), event.sequence);
                }
                self.open.insert(event.position, Some(answered.changes));
                let next = self.lanes.get_mut(&lane).and_then(VecDeque::pop_front);
                if next.is_none() {
                    self.lanes.remove(&lane);
                }
                next
            }
        }
    }

    fn answer(&self, task: Task) -> BoxFuture<'static, Answered> {
        let (host, chain, reactor) = (self.host.clone(), self.chain.clone(), self.reactor.clone());
        let held = match &task {
            Task::Event { event, .. } => self.parked.holds(&[stream_key(event)], event.position),
            Task::Deadline { .. } => false,
        };
        Box::pin(async move {
            let changes = answer(&host, &chain, &reactor, &task, held).await;
            Answered { task, changes }
        })
    }

    /// Writes what is answered up to the first event that is not.
    async fn checkpoint(&mut self) -> Result<Moved, anyhow::Error> {
        let unanswered =
            self.open.iter().find(|(_, changes)| changes.is_none()).map(|(&position, _)| position);
        let upto = unanswered.map_or(self.read, |position| position - 1).max(self.written);
        if upto == self.written
            && self.fired.is_empty()
            && self.open.values().next().is_none_or(Option::is_none)
        {
            return Ok(Moved::Yes);
        }
        let later = match unanswered {
            Some(position) => self.open.split_off(&position),
            None => BTreeMap::new(),
        };
        let done = std::mem::replace(&mut self.open, later);
        let changes: Vec<Change> =
            self.fired.drain(..).chain(done.into_values().flatten().flatten()).collect();
        if changes.is_empty() {
            self.written = upto;
            self.claims.follow(self.claim, upto);
            return Ok(Moved::Yes);
        }
        let _moving = self.claim.moving().await;
        let mut transaction = begin(self.pool).await?;
        change::write(&changes, self.reactor.name(), &mut transaction).await?;
        if let Moved::Void = self.claim.advance(&mut transaction, upto).await? {
            return Ok(Moved::Void);
        }
        failpoint::failpoint!("reactor.before_checkpoint");
        transaction.commit().await?;
        failpoint::failpoint!("reactor.after_checkpoint");
        self.claim.committed();
        self.written = upto;
        for change in changes {
            if let Change::Remind { due_at, .. } = change {
                self.next_due = Some(self.next_due.map_or(due_at, |next| next.min(due_at)));
            }
        }
        Ok(Moved::Yes)
    }
}
