//! Effects: events into calls to the world, through ports.
//!
//! An effect calls with an idempotency key that comes from the event, and answers with the commands that record
//! what came of it. No reply is an outcome too (`Unknown`), resolved by a deadline and a question, never by
//! guessing.

pub(crate) mod finance;
pub mod identity;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use domain::kernel::{Recorded, Unreadable};

use crate::act::Instruction;
use crate::port::Ports;

/// A subscription that calls the world.
#[async_trait]
pub trait Effect: Send + Sync + 'static {
    fn name(&self) -> &'static str;

    /// The aggregates it hears.
    fn listens_to(&self) -> &'static [&'static str];

    /// Calls, and says what to record.
    ///
    /// # Errors
    /// [`Unreadable`]: the event is parked, and its stream with it.
    async fn perform(&self, event: &Recorded) -> Result<Vec<Instruction>, Unreadable>;

    /// Calls when a deadline that `cause` set is due.
    ///
    /// # Errors
    /// [`Unreadable`].
    async fn due(
        &self,
        _cause: &Recorded,
        _key: &str,
        _due_at: DateTime<Utc>,
    ) -> Result<Vec<Instruction>, Unreadable> {
        Ok(Vec::new())
    }
}

/// When an outcome that is not known is asked for again, counted from the moment it was not known. A buyer waits
/// at first, and whoever is owed a refund for longer, so the first questions come soon.
const POLLS: [TimeDelta; 14] = [
    TimeDelta::seconds(2),
    TimeDelta::seconds(10),
    TimeDelta::minutes(1),
    TimeDelta::minutes(5),
    TimeDelta::minutes(15),
    TimeDelta::minutes(30),
    TimeDelta::hours(1),
    TimeDelta::days(1),
    TimeDelta::days(2),
    TimeDelta::days(3),
    TimeDelta::days(4),
    TimeDelta::days(5),
    TimeDelta::days(6),
    TimeDelta::days(7),
];

/// The next time to ask after so long; none once it has been asked often enough.
fn next_poll(asked_after: TimeDelta) -> Option<TimeDelta> {
    POLLS.into_iter().find(|&after| after > asked_after)
}

/// Every effect.
#[must_use]
pub fn all(ports: &Ports) -> Vec<Box<dyn Effect>> {
    [finance::effects(ports), identity::effects(ports)].into_iter().flatten().collect()
}
