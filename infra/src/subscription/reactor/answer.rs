//! What follows from an event or a deadline: instructions, each a command or a change of deadlines.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use commands::{Backoff, Context, Error, Fault, Instruction};
use domain::kernel::Recorded;
use futures::FutureExt;
use projections::runtime::said;
use uuid::Uuid;

use super::change::Change;
use super::{Reactor, Task};
use crate::subscription::halving::{PAUSES, TRIES};
use crate::subscription::{Host, standing};

/// Does what follows; what is to be written once it is done. An event that is held back is only parked.
pub(super) async fn answer(host: &Host, reactor: &Reactor, task: &Task, held: bool) -> Vec<Change> {
    match task {
        Task::Event { event, .. } if held => {
            vec![Change::Park {
                event: event.clone(),
                reason: "waits behind an earlier event of its stream".into(),
            }]
        }
        Task::Event { event, unparked } => {
            let mut changes = Vec::new();
            if *unparked {
                changes.push(Change::Unpark { position: event.position });
            }
            match unharmed(react(host, reactor, event)).await {
                Ok(more) => changes.extend(more),
                Err(reason) => changes.push(Change::Park { event: event.clone(), reason }),
            }
            changes
        }
        Task::Deadline { workspace, key, due_at, cause } => {
            let mut changes =
                vec![Change::Fired { workspace: *workspace, key: key.clone(), due_at: *due_at }];
            let event = cause_of(host, *cause).await;
            match unharmed(fire(host, reactor, &event, key, *due_at)).await {
                Ok(more) => changes.extend(more),
                // Unparked, the cause is answered anew, and sets its deadline again.
                Err(reason) => changes.push(Change::Park { event, reason }),
            }
            changes
        }
    }
}

/// Answers one event: its instructions, in their order.
async fn react(host: &Host, reactor: &Reactor, event: &Recorded) -> Result<Vec<Change>, String> {
    let mut backoff = Backoff::new(PAUSES);
    let instructions = loop {
        match reactor.react(host.log.store(), event).await {
            Ok(instructions) => break instructions,
            Err(Error::Unavailable(source)) => {
                standing::failed(host.log.store().pool(), reactor.name(), &Fault::of(&*source)).await;
                backoff.wait().await;
            }
            // What cannot be read says so itself.
            Err(Error::Internal(source)) => return Err(source.to_string()),
            Err(error) => return Err(why(&error)),
        }
    };
    instruct(host, reactor, event, reactor.name(), instructions).await
}

/// What follows, or why nothing does. A panic is the event's, like whatever else it makes the code do: it stops no
/// other.
async fn unharmed(
    reaction: impl Future<Output = Result<Vec<Change>, String>>,
) -> Result<Vec<Change>, String> {
    let reacted = AssertUnwindSafe(reaction).catch_unwind().await;
    reacted.unwrap_or_else(|panic| Err(format!("the reaction failed: {}", said(&*panic))))
}

/// Why an instruction came to nothing.
fn why(error: &Error) -> String {
    match error {
        Error::Internal(source) => Fault::of(&**source).to_string(),
        error => error.to_string(),
    }
}

/// The event that set a deadline. It is in the log, so it is waited for until the log answers.
async fn cause_of(host: &Host, position: i64) -> Arc<Recorded> {
    let mut backoff = Backoff::new(PAUSES);
    loop {
        match host.log.store().pick(&[position]).await {
            Ok(mut events) => {
                if let Some(event) = events.pop() {
                    return Arc::new(event);
                }
                tracing::error!(position, "the cause of a deadline is not in the log");
            }
            Err(error) => {
                tracing::warn!(error = %error, position, "the cause of a deadline cannot be read yet")
            }
        }
        backoff.wait().await;
    }
}

async fn fire(
    host: &Host,
    reactor: &Reactor,
    cause: &Recorded,
    key: &str,
    due_at: DateTime<Utc>,
) -> Result<Vec<Change>, String> {
    let instructions = reactor.due(cause, key, due_at).await.map_err(|e| e.to_string())?;
    let seed = format!("{}/due/{key}/{}", reactor.name(), due_at.timestamp_micros());
    instruct(host, reactor, cause, &seed, instructions).await
}

async fn instruct(
    host: &Host,
    reactor: &Reactor,
    cause: &Recorded,
    seed: &str,
    instructions: Vec<Instruction>,
) -> Result<Vec<Change>, String> {
    if instructions.is_empty() {
        return Ok(Vec::new());
    }
    failpoint::failpoint!("reactor.before_act");
    let mut changes = Vec::new();
    let correlation = cause.meta().map_err(|e| e.to_string())?.correlation;
    for (index, instruction) in instructions.into_iter().enumerate() {
        let mut next = Some(instruction);
        let mut id = Uuid::new_v5(&cause.event_id, format!("{seed}/{index}").as_bytes());
        while let Some(instruction) = next.take() {
            match instruction {
                Instruction::Remind { key, after } => changes.push(Change::Remind {
                    workspace: cause.workspace.uuid(),
                    key,
                    due_at: cause.recorded_at + after,
                    cause: cause.position,
                }),
                Instruction::Forget { key } => {
                    changes.push(Change::Forget { workspace: cause.workspace.uuid(), key });
                }
                Instruction::Errand(errand) => {
                    let run = || errand.run(context(host, reactor, cause, correlation));
                    let done = patiently(host, reactor.name(), run).await;
                    done.map_err(|error| why(&error))?;
                }
                Instruction::Act { act, then, fallback } => {
                    let cx = context(host, reactor, cause, correlation);
                    let acted = async || cx.identified(id).execute_all(&[&*act]).await;
                    match patiently(host, reactor.name(), acted).await {
                        Ok(_) => {
                            next = then.map(|then| *then);
                            id = Uuid::new_v5(&id, b"then");
                        }
                        Err(Error::Refused(refused)) => match fallback {
                            Some(fallback) => {
                                next = Some(fallback(&refused));
                                id = Uuid::new_v5(&id, b"or");
                            }
                            None => tracing::debug!(
                                subscription = reactor.name(),
                                position = cause.position,
                                code = refused.code,
                                "an instruction was refused; nothing follows from it"
                            ),
                        },
                        Err(error) => return Err(why(&error)),
                    }
                }
            }
        }
    }
    Ok(changes)
}

/// What is known of a command that follows from an event.
fn context(host: &Host, reactor: &Reactor, cause: &Recorded, correlation: Uuid) -> Context {
    let store = host.log.store().clone();
    let mut cx = Context::internal(store, host.clock.clone(), cause.workspace, reactor.actor());
    (cx.correlation, cx.causation) = (correlation, Some(cause.event_id));
    cx
}

/// Tries, patiently: what cannot be done now is tried again, a command with the same id. Who has lost against others is
/// as little to blame as who finds no database.
async fn patiently<T, F>(host: &Host, name: &str, attempt: impl Fn() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let mut backoff = Backoff::new(PAUSES);
    let mut tries = 0;
    loop {
        match attempt().await {
            Err(Error::Conflict { .. }) => {}
            Err(Error::Unavailable(source)) => {
                standing::failed(host.log.store().pool(), name, &Fault::of(&*source)).await;
            }
            Err(Error::Internal(_)) if tries + 1 < TRIES => tries += 1,
            done => return done,
        }
        backoff.wait().await;
    }
}
