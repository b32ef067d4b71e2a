//! Kernel: the few words every capability is written in.
//!
//! A [`Decider`] decides events from a command and evolves by them; `sourced!` ties it to `cqrs-es`, once.
//! A [`Recorded`] is an event as the log holds it. Nothing here knows a database.

#[cfg(any(test, feature = "testing"))]
mod testing;

use std::any::Any;
use std::fmt::{Debug, Display};
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use chrono::{DateTime, SubsecRound, Utc};
pub use cqrs_es;
use cqrs_es::Aggregate;
use cqrs_es::persist::{EventUpcaster, SerializedEvent};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[cfg(any(test, feature = "testing"))]
pub use self::testing::{Given, given};
use crate::ids::WorkspaceId;

/// A capability's rules: what it decides, and how it remembers.
pub trait Decider: Default + Clone + Debug + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// `<context>.<capability>`: the aggregate type in the log; the topic comes from its first half, refusal
    /// codes from its second.
    const NAME: &'static str;
    /// What each is called by inside its workspace: a TypeID or a natural key. Its text is the stream's id.
    type Id: Clone + Debug + Display + FromStr<Err: Display> + Send + Sync + 'static;
    type Command: Clone + Debug + PartialEq + Serialize + Send + Sync + 'static;
    type Event: Event;
    type Refusal: Refusal;

    /// What follows from a command: new events, none if it already took effect, or a refusal.
    fn decide(&self, command: Self::Command) -> Result<Vec<Self::Event>, Self::Refusal>;

    /// Takes in one event. Never fails and never judges.
    fn evolve(&mut self, event: Self::Event);
}

/// Something that happened. Its JSON is on disk for ever: it changes by upcaster only.
///
/// `AsRef<str>` (strum's `AsRefStr`) is its type as stored, e.g. `Placed`.
pub trait Event:
    Clone + Debug + PartialEq + Serialize + DeserializeOwned + AsRef<str> + Send + Sync + 'static
{
    /// The version of this event's JSON: raised together with an upcaster.
    fn version(&self) -> u16 {
        1
    }

    /// What turns older JSON of these events into today's, oldest first.
    fn upcasters() -> Vec<Box<dyn EventUpcaster>> {
        Vec::new()
    }
}

/// Why a capability says no.
///
/// `AsRef<str>` (strum's `AsRefStr` with `serialize_all = "snake_case"`) is the second half of its code, its
/// `Display` the sentence a person reads.
pub trait Refusal: std::error::Error + AsRef<str> + PartialEq + Send + Sync + 'static {
    fn kind(&self) -> Kind;
}

/// What sort of no a refusal is: the border turns it into a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// There is no such thing here (404).
    Missing,
    /// Its present state forbids it (409).
    Conflict,
    /// It was there to be used once, or for a while, and no longer is (410).
    Gone,
    /// The request makes no sense in itself (422).
    Invalid,
}

/// A [`Decider`] that `sourced!` has tied to `cqrs-es`: what the event store executes.
pub trait Sourced:
    Decider
    + Aggregate<
        Command = <Self as Decider>::Command,
        Event = <Self as Decider>::Event,
        Error = <Self as Decider>::Refusal,
        Services = (),
    >
{
}

impl<A> Sourced for A where
    A: Decider
        + Aggregate<
            Command = <A as Decider>::Command,
            Event = <A as Decider>::Event,
            Error = <A as Decider>::Refusal,
            Services = (),
        >
{
}

/// Makes a [`Decider`] a `cqrs_es::Aggregate` and its events `DomainEvent`s. Nothing is decided here.
#[macro_export]
macro_rules! sourced {
    ($aggregate:ty, $event:ty) => {
        impl $crate::kernel::cqrs_es::DomainEvent for $event {
            fn event_type(&self) -> String {
                AsRef::<str>::as_ref(self).to_owned()
            }
            fn event_version(&self) -> String {
                $crate::kernel::Event::version(self).to_string()
            }
        }

        impl $crate::kernel::cqrs_es::Aggregate for $aggregate {
            const TYPE: &'static str = <Self as $crate::kernel::Decider>::NAME;
            type Command = <Self as $crate::kernel::Decider>::Command;
            type Event = $event;
            type Error = <Self as $crate::kernel::Decider>::Refusal;
            type Services = ();

            async fn handle(
                &mut self,
                command: Self::Command,
                _: &(),
                sink: &$crate::kernel::cqrs_es::event_sink::EventSink<Self>,
            ) -> Result<(), Self::Error> {
                for event in $crate::kernel::Decider::decide(self, command)? {
                    sink.write(event, self).await;
                }
                Ok(())
            }

            fn apply(&mut self, event: Self::Event) {
                $crate::kernel::Decider::evolve(self, event);
            }
        }
    };
}

/// Who did it, why, and with what: stored beside each event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// Who: `key_…` for an API key, `acc_…` for a person, `visitor` for nobody known, `process:<name>`, `effect:<name>`, `cli:<job>`.
    pub actor: String,
    /// What was asked: the command's name, e.g. `order.place`.
    pub command: String,
    /// The id of the command: an idempotency key made into a UUID.
    pub command_id: Uuid,
    /// One request and all that followed from it.
    pub correlation: Uuid,
    /// The event that this followed from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causation: Option<Uuid>,
    /// SHA-256 of the client's idempotency key, hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_hash: Option<String>,
    /// What the client says it is (`User-Agent`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// The trace it belongs to (W3C trace id).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
}

/// An event as the log holds it.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// Its place in the whole store: 1, 2, 3 …, gapless.
    pub position: i64,
    pub workspace: WorkspaceId,
    /// Its place among its workspace's events: 1, 2, 3 …, gapless.
    pub workspace_position: i64,
    pub event_id: Uuid,
    /// `<context>.<capability>`.
    pub aggregate_type: String,
    /// The stream's id inside its workspace, without the workspace's part. As what it means: [`Recorded::id_of`].
    pub id: String,
    /// Its place in its stream: 1, 2, 3 …, gapless; the stream's version once it was appended.
    pub sequence: i64,
    pub event_type: String,
    pub event_version: String,
    /// The exact text as stored.
    pub payload: String,
    /// The exact text as stored.
    pub metadata: String,
    /// When it was appended (UTC, microseconds): never decreases along positions.
    pub recorded_at: DateTime<Utc>,
    /// When it holds from (UTC, microseconds): earlier than `recorded_at` for back-dated facts.
    pub effective_at: DateTime<Utc>,
    pub parsed: Parsed,
}

/// A payload as it was read, once it was.
#[derive(Debug, Clone, Default)]
pub struct Parsed(OnceLock<Result<Arc<dyn Any + Send + Sync>, String>>);

/// What it happened to, and what happened.
pub type Happened<'a, A> = (<A as Decider>::Id, &'a <A as Decider>::Event);

/// An event of the log whose payload or id is not what its type says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {event_type} (version {version}) at position {position} cannot be read: {reason}")]
pub struct Unreadable {
    pub position: i64,
    pub event_type: String,
    pub version: String,
    pub reason: String,
}

impl Recorded {
    /// The event as `A` knows it, or `None` if it is another aggregate's. The payload is parsed once, however
    /// many ask.
    ///
    /// # Errors
    /// [`Unreadable`] if the payload (after its upcasters) is not an event of `A`.
    pub fn of<A: Decider>(&self) -> Result<Option<&A::Event>, Unreadable> {
        if self.aggregate_type != A::NAME {
            return Ok(None);
        }
        let parsed = self.parsed.0.get_or_init(|| {
            self.parse::<A::Event>().map(|event| Arc::new(event) as Arc<dyn Any + Send + Sync>)
        });
        match parsed {
            Ok(event) => Ok(event.downcast_ref::<A::Event>()),
            Err(reason) => Err(self.unreadable(reason.clone())),
        }
    }

    fn parse<E: Event>(&self) -> Result<E, String> {
        let upcasters = E::upcasters();
        if upcasters.is_empty() {
            return serde_json::from_str(&self.payload).map_err(|e| e.to_string());
        }
        let mut event = SerializedEvent {
            aggregate_id: self.id.clone(),
            sequence: usize::try_from(self.sequence).map_err(|e| e.to_string())?,
            aggregate_type: self.aggregate_type.clone(),
            event_type: self.event_type.clone(),
            event_version: self.event_version.clone(),
            payload: serde_json::from_str(&self.payload).map_err(|e| e.to_string())?,
            metadata: serde_json::Value::Null,
        };
        for upcaster in &upcasters {
            if upcaster.can_upcast(&event.event_type, &event.event_version) {
                event = upcaster.upcast(event);
            }
        }
        serde_json::from_value(event.payload).map_err(|e| e.to_string())
    }

    /// What an event of `A` happened to.
    ///
    /// # Errors
    /// [`Unreadable`] if the stream's id is none of an `A`: whoever needs it lets the event be parked.
    pub fn id_of<A: Decider>(&self) -> Result<A::Id, Unreadable> {
        if self.aggregate_type != A::NAME {
            return Err(self.unreadable(format!("it is no event of {}", A::NAME)));
        }
        self.id.parse().map_err(|e: <A::Id as FromStr>::Err| self.unreadable(format!("its stream's id: {e}")))
    }

    /// [`Recorded::of`], and what it happened to.
    ///
    /// # Errors
    /// [`Unreadable`] if the payload or the stream's id is none of `A`.
    pub fn happened_to<A: Decider>(&self) -> Result<Option<Happened<'_, A>>, Unreadable> {
        self.of::<A>()?.map(|event| Ok((self.id_of::<A>()?, event))).transpose()
    }

    fn unreadable(&self, reason: String) -> Unreadable {
        Unreadable {
            position: self.position,
            event_type: format!("{}.{}", self.aggregate_type, self.event_type),
            version: self.event_version.clone(),
            reason,
        }
    }

    /// The event's metadata.
    ///
    /// # Errors
    /// [`Unreadable`] if the stored text is no [`Metadata`].
    pub fn meta(&self) -> Result<Metadata, Unreadable> {
        serde_json::from_str(&self.metadata).map_err(|e| self.unreadable(e.to_string()))
    }
}

/// Cuts a time to microseconds: what the store keeps, so that live and replayed never differ.
#[must_use]
pub fn microseconds(time: DateTime<Utc>) -> DateTime<Utc> {
    time.trunc_subsecs(6)
}
