//! Draft: commands on any streams, each decided on what those before it make, and appended together or not at all.
//!
//! A draft has the turns of its streams until it is appended or dropped, so nobody else in this process decides on them
//! meanwhile. It waits for a turn only for a moment, since it may have others that somebody waits for: what cannot be
//! had is not drafted. Every command keeps its id and its answer, as if it had been appended alone
//! (docs/adr/0025).

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::ids::WorkspaceId;
use domain::kernel::{Parsed, Recorded};
use uuid::Uuid;

use super::appender::{Answer, Expected, NewEvent, Placed, Whole};
use super::turn::{Ground, Held, Line};
use super::{EventStore, StreamKey, stream};
use crate::act::Act;
use crate::context::Context;
use crate::error::{Error, Refused, Result};

/// How long a draft waits for a turn.
const PATIENCE: Duration = Duration::from_millis(20);

/// Commands that are being decided together.
pub struct Draft<'a> {
    store: &'a EventStore,
    turns: Vec<Held<'a>>,
    places: HashSet<usize>,
    line: Line,
    /// Which of the streams, and at which version it is by now.
    streams: HashMap<StreamKey, (usize, i64)>,
    whole: Whole,
}

/// What an event becomes known as before it has a place in the log.
#[derive(Debug)]
pub struct Drafted {
    pub events: Vec<Recorded>,
    pub refusal: Option<Refused>,
}

impl<'a> Draft<'a> {
    #[must_use]
    pub fn new(store: &'a EventStore, at: DateTime<Utc>) -> Self {
        let whole = Whole { at, ..Whole::default() };
        let (turns, places, line, streams) = Default::default();
        Self { store, turns, places, line, streams, whole }
    }

    /// How many commands are drafted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.whole.commands.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.whole.commands.is_empty()
    }

    /// Takes the turn of what is acted on; false if it cannot be had.
    pub async fn may(&mut self, workspace: WorkspaceId, act: &dyn Act) -> bool {
        let place = self.store.place(&(act.aggregate(), stream(workspace, act.id())));
        if self.places.contains(&place) {
            return true;
        }
        let Some(held) = self.store.turn_within(place, PATIENCE).await else { return false };
        self.turns.push(held);
        self.places.insert(place);
        true
    }

    /// Decides a command; its events are as they will be in the log, but for their places there.
    ///
    /// # Errors
    /// If it cannot be part of a draft. What was drafted is of no use any more.
    pub async fn decide(&mut self, cx: &Context, act: &dyn Act) -> Result<Drafted> {
        if act.at().is_some() || !self.may(cx.workspace, act).await {
            return Err(Error::unavailable("a stream is in use"));
        }
        let key: StreamKey = (act.aggregate(), stream(cx.workspace, act.id()));
        let decided = act.decide(&mut Ground::of(self.store, cx.workspace, &mut self.line), false).await?;
        let next = self.whole.streams.len();
        let (n, version) = self.streams.entry(key.clone()).or_insert((next, decided.version));
        if *n == next {
            let (aggregate_type, aggregate_id) = key.clone();
            self.whole.streams.push(Expected { aggregate_type, aggregate_id, expected: decided.version });
        }
        let metadata = cx.metadata(act.name());
        let events = if decided.refusal.is_some() { Vec::new() } else { decided.events };
        let mut recorded = Vec::with_capacity(events.len());
        for event in events {
            *version += 1;
            let event = NewEvent {
                event_id: Uuid::now_v7(),
                event_type: event.event_type,
                event_version: event.event_version,
                payload: event.payload,
                metadata: metadata.clone(),
                effective_at: cx.effective_at.unwrap_or(self.whole.at),
            };
            recorded.push(known_as(cx.workspace, act, *version, self.whole.at, &event));
            self.whole.events.push(Placed {
                stream: *n,
                workspace: cx.workspace.uuid(),
                sequence: *version,
                event,
            });
        }
        self.whole.commands.push(Answer {
            id: cx.command_id,
            subject: act.subject(),
            version: *version,
            refusal: decided.refusal.clone(),
            end: i32::try_from(self.whole.events.len()).map_err(Error::unavailable)?,
        });
        self.line.made(key, decided.made);
        Ok(Drafted { events: recorded, refusal: decided.refusal })
    }

    /// Appends all of it or nothing; whether it was appended. If not, something of it was known before or decided on
    /// what is not so.
    ///
    /// # Errors
    /// If nobody knows.
    pub async fn append(self) -> Result<bool> {
        let appended = self.store.0.appender.append_whole(&self.whole).await;
        let so = matches!(appended, Ok(true));
        for (stream, made) in self.line.into_made() {
            match made {
                Some(made) if so => self.store.remember(stream, made),
                _ => self.store.doubt(&stream),
            }
        }
        appended
    }
}

fn known_as(
    workspace: WorkspaceId,
    act: &dyn Act,
    sequence: i64,
    at: DateTime<Utc>,
    event: &NewEvent,
) -> Recorded {
    Recorded {
        position: 0,
        workspace,
        workspace_position: 0,
        event_id: event.event_id,
        aggregate_type: act.aggregate().to_owned(),
        id: act.id(),
        sequence,
        event_type: event.event_type.clone(),
        event_version: event.event_version.clone(),
        payload: event.payload.clone(),
        metadata: event.metadata.clone(),
        recorded_at: at,
        effective_at: event.effective_at,
        parsed: Parsed::default(),
    }
}
