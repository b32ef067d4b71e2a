//! Chain: what processes answer to what was just decided is decided with it, and appended together.
//!
//! Processes are pure: what they would answer to an event once it is in the log is known before it is there. So from
//! one instruction on, whatever follows in this process is decided in memory, as far as it goes without the world, and
//! goes in one append with what waits beside it. Each command has the id and the answer that it would have had alone,
//! and each process is told only what it would have heard next of that stream; so who begins again after a crash, or
//! answers the same elsewhere, finds it done. What cannot be done like this (a process that sets deadlines, is behind,
//! or runs elsewhere; a stream in use) is left to the log (docs/adr/0025).

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use commands::store::draft::Draft;
use commands::{Context, Error, Instruction, Process};
use domain::kernel::Recorded;
use futures::FutureExt;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::change::Change;
use super::known::Known;
use super::{Reactor, stream_key};
use crate::subscription::Host;

/// Events whose answers are followed together, at most.
const MOST: usize = 64;
/// Commands of one append: what follows beyond that is left to the log.
const MOST_COMMANDS: usize = 256;

/// Instructions to follow, with all that follows from them.
pub struct Job {
    pub reactor: Arc<Reactor>,
    pub cause: Arc<Recorded>,
    /// Whether the cause is answered with them, and not a deadline that it has set.
    pub answers: bool,
    pub correlation: Uuid,
    /// With the ids of their commands.
    pub instructions: Vec<(Uuid, Instruction)>,
}

/// The way to have instructions followed. Cheap to clone.
#[derive(Clone)]
pub struct Chain {
    jobs: mpsc::Sender<Waiting>,
    known: Arc<Known>,
}

type Waiting = (Job, oneshot::Sender<Vec<Change>>);

/// Who follows them, one append after the other.
pub struct Follower {
    host: Host,
    processes: Vec<Arc<Reactor>>,
    known: Arc<Known>,
    jobs: mpsc::Receiver<Waiting>,
}

/// What processes were told that is not in the log yet.
#[derive(Default)]
struct Told {
    upto: HashMap<(&'static str, String), i64>,
    events: Vec<(&'static str, Uuid)>,
}

/// Nothing was appended.
enum Failed {
    /// Because of this one.
    One(usize),
    All,
}

impl Chain {
    pub fn new(host: &Host, reactors: &[Arc<Reactor>]) -> (Self, Follower) {
        let (sender, jobs) = mpsc::channel(4 * MOST);
        let known = Arc::new(Known::default());
        let processes = reactors.iter().filter(|reactor| matches!(***reactor, Reactor::Process(_)));
        let processes = processes.cloned().collect();
        let follower = Follower { host: host.clone(), processes, known: known.clone(), jobs };
        (Self { jobs: sender, known }, follower)
    }

    pub(super) fn known(&self) -> &Known {
        &self.known
    }

    /// Follows instructions; what is to be written with the checkpoint. None if they could not be followed like this:
    /// whether they were, the ids of their commands will tell.
    pub(super) async fn follow(&self, job: Job) -> Option<Vec<Change>> {
        let (answer, answered) = oneshot::channel();
        self.jobs.send((job, answer)).await.ok()?;
        answered.await.ok()
    }
}

impl Follower {
    /// Follows until told to stop.
    pub async fn run(mut self) {
        let stop = self.host.stop.clone();
        stop.run_until_cancelled(async {
            let mut waiting = Vec::with_capacity(MOST);
            while self.jobs.recv_many(&mut waiting, MOST).await > 0 {
                self.follow_all(std::mem::take(&mut waiting)).await;
            }
        })
        .await;
    }

    async fn follow_all(&self, mut waiting: Vec<Waiting>) {
        while !waiting.is_empty() {
            let jobs: Vec<&Job> = waiting.iter().map(|(job, _)| job).collect();
            match self.together(&jobs).await {
                Ok(changes) => {
                    for ((_, answer), changes) in waiting.drain(..).zip(changes) {
                        _ = answer.send(changes);
                    }
                }
                // Whoever asked for it gets no answer, and does it the other way.
                Err(Failed::One(n)) => _ = waiting.remove(n),
                Err(Failed::All) if waiting.len() == 1 => waiting.clear(),
                Err(Failed::All) => {
                    for (job, answer) in waiting.drain(..) {
                        if let Ok(mut changes) = self.together(&[&job]).await {
                            _ = answer.send(changes.pop().unwrap_or_default());
                        }
                    }
                }
            }
        }
    }

    /// Decides all that follows, and appends it.
    async fn together(&self, jobs: &[&Job]) -> Result<Vec<Vec<Change>>, Failed> {
        let mut draft = Draft::new(self.host.log.store(), self.host.clock.now());
        let (mut told, mut changes) = (Told::default(), Vec::with_capacity(jobs.len()));
        for (n, job) in jobs.iter().enumerate() {
            // A panic is whose it is when it is done the other way.
            match AssertUnwindSafe(self.draft(&mut draft, &mut told, job)).catch_unwind().await {
                Ok(Ok(made)) => changes.push(made),
                Ok(Err(error)) => {
                    tracing::debug!(reactor = job.reactor.name(), error = %error, "not followed in one go");
                    return Err(Failed::One(n));
                }
                Err(_) => return Err(Failed::One(n)),
            }
        }
        for (process, event) in &told.events {
            self.known.answers(process, *event);
        }
        failpoint::failpoint!("chain.before_append");
        match draft.append().await {
            Ok(true) => {}
            Ok(false) | Err(_) => return Err(Failed::All),
        }
        failpoint::failpoint!("chain.after_append");
        for ((process, stream), sequence) in told.upto {
            self.known.answered(process, stream, sequence);
        }
        Ok(changes)
    }

    async fn draft(&self, draft: &mut Draft<'_>, told: &mut Told, job: &Job) -> Result<Vec<Change>, Error> {
        let (mut changes, mut happened) = (Vec::new(), VecDeque::new());
        let asked = Asked { reactor: &job.reactor, cause: &job.cause, correlation: job.correlation };
        for (id, instruction) in &job.instructions {
            self.decide(draft, &asked, *id, instruction.clone(), Some(&mut changes), &mut happened).await?;
        }
        if job.answers && matches!(*job.reactor, Reactor::Process(_)) {
            // It has answered all before it: events of one stream are answered in their order.
            told.upto.insert((job.reactor.name(), stream_key(&job.cause)), job.cause.sequence);
        }
        while let Some(event) = happened.pop_front() {
            for reactor in &self.processes {
                if draft.len() >= MOST_COMMANDS {
                    return Ok(changes);
                }
                let Reactor::Process(process) = &**reactor else { continue };
                let Some(instructions) = self.answer(draft, told, &**process, &event).await else { continue };
                let asked = Asked { reactor, cause: &event, correlation: job.correlation };
                for (index, instruction) in instructions.into_iter().enumerate() {
                    let id = Uuid::new_v5(&event.event_id, format!("{}/{index}", process.name()).as_bytes());
                    self.decide(draft, &asked, id, instruction, None, &mut happened).await?;
                }
            }
        }
        Ok(changes)
    }

    /// What a process asks for when it is told of an event now. None if it is not told, or nothing follows.
    async fn answer(
        &self,
        draft: &mut Draft<'_>,
        told: &mut Told,
        process: &dyn Process,
        event: &Recorded,
    ) -> Option<Vec<Instruction>> {
        let (name, stream) = (process.name(), stream_key(event));
        if !process.listens_to().contains(&event.aggregate_type.as_str()) {
            return None;
        }
        let next = match told.upto.get(&(name, stream.clone())) {
            Some(upto) => *upto == event.sequence - 1,
            None => self.known.is_next(name, &stream, event.sequence),
        };
        if !next {
            return None;
        }
        let reacted = catch_unwind(AssertUnwindSafe(|| process.react(event)));
        let Ok(Ok(instructions)) = reacted else { return None };
        for instruction in &instructions {
            let Instruction::Act { act, .. } = instruction else { return None };
            if !draft.may(event.workspace, &**act).await {
                return None;
            }
        }
        told.upto.insert((name, stream), event.sequence);
        if instructions.is_empty() {
            return None;
        }
        told.events.push((name, event.event_id));
        Some(instructions)
    }

    /// Decides an instruction, and what was to be done then or instead.
    async fn decide(
        &self,
        draft: &mut Draft<'_>,
        asked: &Asked<'_>,
        mut id: Uuid,
        instruction: Instruction,
        mut changes: Option<&mut Vec<Change>>,
        happened: &mut VecDeque<Recorded>,
    ) -> Result<(), Error> {
        let mut next = Some(instruction);
        while let Some(instruction) = next.take() {
            let (act, then, fallback) = match instruction {
                Instruction::Act { act, then, fallback } => (act, then, fallback),
                other => {
                    let changes = changes.as_mut().ok_or_else(|| Error::unavailable("it sets a deadline"))?;
                    changes.extend(Change::of(other, asked.cause));
                    continue;
                }
            };
            let cx = asked.context(&self.host, id);
            let drafted = draft.decide(&cx, &*act).await?;
            happened.extend(drafted.events);
            match (drafted.refusal, fallback) {
                (None, _) => {
                    next = then.map(|then| *then);
                    id = Uuid::new_v5(&id, b"then");
                }
                (Some(refused), Some(fallback)) => {
                    next = Some(fallback(&refused));
                    id = Uuid::new_v5(&id, b"or");
                }
                (Some(_), None) => {}
            }
        }
        Ok(())
    }
}

/// Who asks for something, and because of what.
pub(super) struct Asked<'a> {
    pub reactor: &'a Reactor,
    pub cause: &'a Recorded,
    pub correlation: Uuid,
}

impl Asked<'_> {
    /// The context of the command with this id.
    pub(super) fn context(&self, host: &Host, id: Uuid) -> Context {
        let store = host.log.store().clone();
        let actor = self.reactor.actor();
        let mut cx = Context::internal(store, host.clock.clone(), self.cause.workspace, actor);
        cx.command_id = id;
        cx.correlation = self.correlation;
        cx.causation = Some(self.cause.event_id);
        cx
    }
}
