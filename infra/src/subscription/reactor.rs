//! Reactors: processes and effects, run over the log.
//!
//! Events of one stream are answered in order, streams side by side; the checkpoint is the position before the
//! first unanswered event. What is answered twice after a crash makes the same command ids, so it happens once.
//! Deadlines and parked events are written with the checkpoint.

mod answer;
mod change;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use commands::port::Ports;
use commands::{Actor, Effect, EventStore, Follower, Instruction, Process};
use domain::kernel::{Recorded, Unreadable};
use futures::future::BoxFuture;
use sqlx::PgPool;
use tokio::task::{JoinError, JoinSet};
use uuid::Uuid;

use self::answer::answer;
use self::change::Change;
use super::batch::begin;
use super::checkpoint::{Checkpoint, Claim, LOOK_EVERY, Moved};
use super::parked::{self, Parked, stream_key};
use super::{Host, Stopped, standing};

/// Events that are under way at once, at most.
const UNDER_WAY: usize = 256;
/// Events that are read ahead of the checkpoint, at most.
const READ_AHEAD: usize = 2_048;
/// Events that are read at once, at most.
const READ: usize = 256;
/// How often the checkpoint is written while events are answered.
const CHECKPOINT_EVERY: Duration = Duration::from_millis(20);

/// What reacts: purely, also to what a thing was before, or by calling the world.
pub enum Reactor {
    Process(Box<dyn Process>),
    Follower(Box<dyn Follower>),
    Effect(Box<dyn Effect>),
}

impl Reactor {
    /// Every process and every effect.
    #[must_use]
    pub fn all(ports: &Ports) -> Vec<Self> {
        let processes = commands::process::all().into_iter().map(Self::Process);
        let followers = commands::process::followers().into_iter().map(Self::Follower);
        processes.chain(followers).chain(commands::effect::all(ports).into_iter().map(Self::Effect)).collect()
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Process(process) => process.name(),
            Self::Follower(follower) => follower.name(),
            Self::Effect(effect) => effect.name(),
        }
    }

    fn actor(&self) -> Actor {
        match self {
            Self::Process(process) => Actor::Process(process.name()),
            Self::Follower(follower) => Actor::Process(follower.name()),
            Self::Effect(effect) => Actor::Effect(effect.name()),
        }
    }

    fn hears(&self, event: &Recorded) -> bool {
        let heard = match self {
            Self::Process(process) => process.listens_to(),
            Self::Follower(follower) => &[follower.listens_to()][..],
            Self::Effect(effect) => effect.listens_to(),
        };
        heard.contains(&event.aggregate_type.as_str())
    }

    async fn react(&self, store: &EventStore, event: &Recorded) -> commands::Result<Vec<Instruction>> {
        let told = match self {
            Self::Process(process) => process.react(event),
            Self::Follower(follower) => return follower.react(store, event).await,
            Self::Effect(effect) => effect.perform(event).await,
        };
        told.map_err(commands::Error::internal)
    }

    async fn due(
        &self,
        cause: &Recorded,
        key: &str,
        due_at: DateTime<Utc>,
    ) -> Result<Vec<Instruction>, Unreadable> {
        match self {
            Self::Process(process) => process.due(cause, key, due_at),
            // What follows things sets no deadlines.
            Self::Follower(_) => Ok(Vec::new()),
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
pub async fn run(host: Host, reactor: Reactor) -> Result<(), Stopped> {
    let pool = host.log.store().pool().clone();
    let reactor = Arc::new(reactor);
    while let Some(claim) = Claim::acquire(&host, reactor.name()).await? {
        match Run::begin(&host, &pool, &reactor, &claim).await {
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
    reactor: &'a Arc<Reactor>,
    claim: &'a Claim,
    parked: Parked,
    /// How far was read, and how far the checkpoint is.
    read: i64,
    written: i64,
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
        reactor: &'a Arc<Reactor>,
        claim: &'a Claim,
    ) -> Result<Ended, anyhow::Error> {
        let parked = Parked::load(pool, reactor.name()).await?;
        let mut run = Self {
            host,
            pool,
            reactor,
            claim,
            parked,
            read: claim.position,
            written: claim.position,
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
        let mut reader = self.host.log.reader(self.read, READ);
        let mut tick = tokio::time::interval(CHECKPOINT_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let room = self.open.len() < READ_AHEAD && under_way.len() < UNDER_WAY;
            tokio::select! {
                () = self.host.stop.cancelled() => return Ok(Ended::Stopped),
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
                }
                events = reader.next(), if room => {
                    for event in events? {
                        self.read = event.position;
                        if self.reactor.hears(&event) {
                            self.open.insert(event.position, None);
                            if let Some(task) = self.queue(Task::Event { event, unparked: false }) {
                                under_way.spawn(self.answer(task));
                            }
                        }
                    }
                }
                _ = tick.tick() => {
                    if let Moved::Void = self.checkpoint().await? {
                        return Ok(Ended::Void);
                    }
                    for task in self.due().await? {
                        under_way.spawn(self.answer(task));
                    }
                }
                _ = look.tick() => {
                    if let Moved::Void = self.claim.stands(self.pool).await? {
                        return Ok(Ended::Void);
                    }
                    if !self.parked.is_empty() {
                        for task in self.asked_again().await? {
                            if let Some(task) = self.queue(task) {
                                under_way.spawn(self.answer(task));
                            }
                        }
                    }
                }
            }
        }
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
        let (host, reactor) = (self.host.clone(), self.reactor.clone());
        let held = match &task {
            Task::Event { event, .. } => self.parked.holds(&[stream_key(event)], event.position),
            Task::Deadline { .. } => false,
        };
        Box::pin(async move {
            let changes = answer(&host, &reactor, &task, held).await;
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
        let mut transaction = begin(self.pool).await?;
        for change in &changes {
            change.write(self.reactor.name(), &mut transaction).await?;
        }
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

    /// The deadlines that are due by the clock. None while earlier ones are under way, so that none fires twice.
    async fn due(&mut self) -> Result<Vec<Task>, sqlx::Error> {
        let now = self.host.clock.now();
        if self.firing > 0 || !self.fired.is_empty() || self.next_due.is_none_or(|due_at| due_at > now) {
            return Ok(Vec::new());
        }
        let rows = sqlx::query!(
            "select workspace_id, key, due_at, cause from deadlines
             where process = $1 and due_at <= $2 order by due_at limit 64",
            self.reactor.name(),
            now
        )
        .fetch_all(self.pool)
        .await?;
        if rows.is_empty() {
            self.next_due = self.soonest().await?;
        }
        self.firing = rows.len();
        Ok(rows
            .into_iter()
            .map(|row| Task::Deadline {
                workspace: row.workspace_id,
                key: row.key,
                due_at: row.due_at,
                cause: row.cause,
            })
            .collect())
    }

    async fn soonest(&self) -> Result<Option<DateTime<Utc>>, sqlx::Error> {
        sqlx::query_scalar!("select min(due_at) from deadlines where process = $1", self.reactor.name())
            .fetch_one(self.pool)
            .await
    }

    /// Parked events that somebody wants tried again.
    ///
    /// Not yet, while one of their streams has an event under way, which may have been told to wait, or while one
    /// that was is still to be written: it would be parked for good behind events that are no longer.
    async fn asked_again(&mut self) -> Result<Vec<Task>, anyhow::Error> {
        let parks = |change: &Change| matches!(change, Change::Park { .. });
        if self.open.values().flatten().flatten().any(parks) {
            return Ok(Vec::new());
        }
        let asked = parked::asked(self.pool, self.reactor.name()).await?;
        let asked: Vec<i64> = asked.into_iter().map(|(position, _)| position).collect();
        if asked.is_empty() || asked.iter().any(|position| self.open.contains_key(position)) {
            return Ok(Vec::new());
        }
        let events = self.host.log.store().pick(&asked).await?;
        if events.iter().any(|event| self.lanes.contains_key(&stream_key(event))) {
            return Ok(Vec::new());
        }
        // What has come to wait since they were asked for is asked for too: it may be written later than they are.
        parked::ask_again(self.pool, self.reactor.name()).await?;
        self.parked = Parked::default();
        Ok(events
            .into_iter()
            .map(|event| {
                self.open.insert(event.position, None);
                Task::Event { event: Arc::new(event), unparked: true }
            })
            .collect())
    }
}
