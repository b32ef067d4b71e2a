//! Acting: deciding on what is in the log, or on what those before it in line have made, and appending.

use domain::kernel::Metadata;
use uuid::Uuid;

use super::{Actor, Context, RETRIES};
use crate::act::{Act, Decided};
use crate::error::{Error, Refused, Result, capability};
use crate::store::appender::{Append, Appended, Entry, NewEvent};
use crate::store::turn::{Asker, Made};
use crate::store::{Outcome, StreamKey, stream};

impl Context {
    pub(super) async fn perform(&self, acts: &[&dyn Act]) -> Result<Outcome> {
        match self.act(acts).await? {
            Acted::Done(outcome) => Ok(outcome),
            Acted::Outdated(error) => Err(error),
        }
    }

    pub(super) async fn act(&self, acts: &[&dyn Act]) -> Result<Acted> {
        let what = acts.first().expect("a command acts on something").aggregate();
        let streams: Vec<StreamKey> =
            acts.iter().map(|act| (act.aggregate(), stream(self.workspace, act.id()))).collect();
        let (mut retries, mut again) = (0, false);
        loop {
            let tried = match acts {
                [act] if self.if_match.is_none() && act.at().is_none() => {
                    self.try_in_line(*act, streams[0].clone(), again).await?
                }
                _ => self.try_alone(acts, &streams, again).await?,
            };
            again = true;
            match tried {
                Tried::Done(outcome) => return Ok(Acted::Done(outcome)),
                Tried::Outdated(error) => return Ok(Acted::Outdated(error)),
                // Others get on, and at the latest once they are done it is this one's turn.
                Tried::Baseless => {}
                Tried::Conflict { current } if retries == RETRIES => {
                    return Err(Error::conflict(what, current));
                }
                Tried::Conflict { .. } => retries += 1,
            }
        }
    }

    /// Decides one command on what those before it make of the aggregate, and appends it with them.
    async fn try_in_line(&self, act: &dyn Act, stream: StreamKey, again: bool) -> Result<Tried> {
        let mut turn = self.store.turn(&stream, self.asker()).await;
        turn.make_room(&stream, self.command_id).await;
        let decided = act.decide(&mut turn.ground(self.workspace), again).await?;
        let (append, mut made) = self.append_of(&[act], vec![decided]);
        let made = made.pop().expect("what it decided");
        self.tried(turn.append(stream, append, self.now(), made).await?)
    }

    /// Decides on what is in the log and nothing else: several streams, or one at a version that was named.
    async fn try_alone(&self, acts: &[&dyn Act], streams: &[StreamKey], again: bool) -> Result<Tried> {
        let mut turns = self.store.turns(streams, self.asker()).await;
        let turn = turns.first_mut().expect("there is a stream");
        let mut decided = Vec::with_capacity(acts.len());
        for act in acts {
            decided.push(act.decide(&mut turn.ground(self.workspace), again).await?);
        }
        for (act, (decided, stream)) in acts.iter().zip(decided.iter().zip(streams)) {
            if act.at().is_some_and(|version| version != decided.version) {
                self.store.doubt(stream);
                return Ok(Tried::Outdated(Error::conflict(act.aggregate(), decided.version)));
            }
        }
        let unmet = |expected: &&Vec<i64>| !expected.contains(&decided[0].version);
        if let Some(expected) = self.if_match.as_ref().filter(unmet) {
            // That version may be the cache's. Whether the client is right, only the log knows.
            let seen = self.store.look(Some(self.command_id), &streams[..1]).await?;
            if let Some((hash, outcome)) = seen.answer {
                return self.same_as_before(&hash, outcome).map(Tried::Done);
            }
            let current = seen.versions[0];
            if !expected.contains(&current) {
                let expected = expected.iter().copied().max().unwrap_or_default();
                return Err(Error::Stale { what: capability(acts[0].aggregate()), expected, current });
            }
            self.store.doubt(&streams[0]);
            return Ok(Tried::Conflict { current });
        }
        let (append, made) = self.append_of(acts, decided);
        let appended = self.store.append(append, self.now()).await?;
        match &appended {
            Appended::Done(Ok(outcome)) if !outcome.replayed => {
                streams
                    .iter()
                    .cloned()
                    .zip(made)
                    .for_each(|(stream, made)| self.store.remember(stream, made));
            }
            // Where one refuses, nothing of the others has happened.
            Appended::Done(Err(_)) => {}
            _ => streams.iter().for_each(|stream| self.store.doubt(stream)),
        }
        self.tried(appended)
    }

    fn tried(&self, appended: Appended) -> Result<Tried> {
        match appended {
            Appended::Done(outcome) => outcome.map(Tried::Done).map_err(Error::Refused),
            Appended::KeyReused => Err(Error::KeyReused),
            Appended::Baseless => Ok(Tried::Baseless),
            Appended::Conflict { current } => Ok(Tried::Conflict { current }),
        }
    }

    fn asker(&self) -> Asker {
        match self.actor {
            Actor::Key(_) | Actor::Account(_) | Actor::Visitor => Asker::Client,
            Actor::Process(_) | Actor::Effect(_) | Actor::Job(_) => Asker::Platform,
        }
    }

    /// The answer of a command that was answered before.
    pub(super) fn same_as_before(&self, hash: &[u8], outcome: Result<Outcome, Refused>) -> Result<Outcome> {
        if hash == self.request_hash { outcome.map_err(Error::Refused) } else { Err(Error::KeyReused) }
    }

    /// Refuses the command for good, before anything was asked of an aggregate.
    pub(super) async fn refuse(&self, refused: Refused) -> Result<Outcome> {
        let append = Append {
            command_id: self.command_id,
            request_hash: self.request_hash.clone(),
            subject: String::new(),
            version: 0,
            refusal: Some(refused),
            workspace: self.workspace.uuid(),
            entries: Vec::new(),
        };
        match self.store.append(append, self.now()).await? {
            Appended::Done(outcome) => outcome.map_err(Error::Refused),
            Appended::KeyReused => Err(Error::KeyReused),
            Appended::Conflict { .. } | Appended::Baseless => unreachable!("it acts on nothing"),
        }
    }

    fn append_of(&self, acts: &[&dyn Act], decided: Vec<Decided>) -> (Append, Vec<Made>) {
        let refusal = decided.iter().find_map(|decided| decided.refusal.clone());
        let effective_at = self.effective_at.unwrap_or_else(|| self.now());
        let (mut entries, mut made) = (Vec::with_capacity(acts.len()), Vec::with_capacity(acts.len()));
        for (act, decided) in acts.iter().zip(decided) {
            let metadata = self.metadata(act.name());
            let events = if refusal.is_some() { Vec::new() } else { decided.events };
            entries.push(Entry {
                aggregate_type: act.aggregate(),
                aggregate_id: stream(self.workspace, act.id()),
                expected: decided.version,
                events: events
                    .into_iter()
                    .map(|event| NewEvent {
                        event_id: Uuid::now_v7(),
                        event_type: event.event_type,
                        event_version: event.event_version,
                        payload: event.payload,
                        metadata: metadata.clone(),
                        effective_at,
                    })
                    .collect(),
            });
            made.push(decided.made);
        }
        let append = Append {
            command_id: self.command_id,
            request_hash: self.request_hash.clone(),
            subject: acts[0].subject(),
            version: entries[0].expected + i64::try_from(entries[0].events.len()).unwrap_or(i64::MAX),
            refusal,
            workspace: self.workspace.uuid(),
            entries,
        };
        (append, made)
    }

    fn metadata(&self, command: String) -> String {
        let metadata = Metadata {
            actor: self.actor.to_string(),
            command,
            command_id: self.command_id,
            correlation: self.correlation,
            causation: self.causation,
            key_hash: self.key_hash.clone(),
            client: self.client.clone(),
            trace: self.trace.clone(),
        };
        serde_json::to_string(&metadata).expect("metadata is strings and ids")
    }
}

/// What one try came to.
enum Tried {
    Done(Outcome),
    /// Something is not at the version that a command on it was made of; what to say of that.
    Outdated(Error),
    Conflict {
        current: i64,
    },
    /// What it was decided on came to nothing.
    Baseless,
}

/// What acting came to.
pub(super) enum Acted {
    Done(Outcome),
    Outdated(Error),
}
