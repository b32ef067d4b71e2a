//! What tests are made with: a capability with a history, and events as the log would hold them.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Decider, Event, Metadata, Parsed, Recorded};
use crate::ids::WorkspaceId;

impl Recorded {
    /// An event for tests of views and processes: position 1 of a stream `id`, at a fixed time.
    ///
    /// # Panics
    /// If the event cannot be written as JSON.
    pub fn example<A: Decider>(id: impl Into<String>, event: &A::Event) -> Self {
        let at = DateTime::from_timestamp(1_700_000_000, 0).expect("a valid time");
        let metadata = Metadata {
            actor: "test".into(),
            command: "test".into(),
            command_id: Uuid::nil(),
            correlation: Uuid::nil(),
            causation: None,
            key_hash: None,
            client: None,
            trace: None,
        };
        Self {
            position: 1,
            workspace: WorkspaceId::from_uuid(Uuid::from_u128(1)),
            workspace_position: 1,
            event_id: Uuid::from_u128(0xe),
            aggregate_type: A::NAME.into(),
            id: id.into(),
            sequence: 1,
            event_type: event.as_ref().into(),
            event_version: event.version().to_string(),
            payload: serde_json::to_string(event).expect("an event is JSON"),
            metadata: serde_json::to_string(&metadata).expect("metadata is JSON"),
            recorded_at: at,
            effective_at: at,
            parsed: Parsed::default(),
        }
    }

    /// The same example at another time.
    #[must_use]
    pub fn at(mut self, effective_at: DateTime<Utc>) -> Self {
        self.effective_at = effective_at;
        self
    }

    /// The same example at another position (and sequence) of the log.
    #[must_use]
    pub fn numbered(mut self, position: i64) -> Self {
        self.position = position;
        self.workspace_position = position;
        self.sequence = position;
        self
    }
}

/// History for a test: `given::<Coupon>([issued()]).when(redeem())`.
pub fn given<A: Decider>(history: impl IntoIterator<Item = A::Event>) -> Given<A> {
    let mut state = A::default();
    history.into_iter().for_each(|event| state.evolve(event));
    Given(state)
}

/// A capability with a history.
#[derive(Debug)]
pub struct Given<A>(pub A);

impl<A: Decider> Given<A> {
    /// What it decides.
    ///
    /// # Errors
    /// The refusal, if it says no.
    pub fn when(&self, command: A::Command) -> Result<Vec<A::Event>, A::Refusal> {
        self.0.decide(command)
    }

    /// The history, and what followed from a command that was taken.
    ///
    /// # Panics
    /// If the command is refused.
    #[must_use]
    pub fn and(mut self, command: A::Command) -> Self {
        let events = self.0.decide(command).expect("the command is taken");
        events.into_iter().for_each(|event| self.0.evolve(event));
        self
    }
}
