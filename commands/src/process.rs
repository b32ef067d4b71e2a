//! Processes: events into instructions, purely.
//!
//! Each file is one sentence of the business, in the context of what it hears. A process remembers nothing: what must be remembered is a
//! capability, and the process only translates.

mod commerce;
mod finance;

use chrono::{DateTime, Utc};
use domain::kernel::{Recorded, Unreadable};

use crate::act::Instruction;

/// A subscription that answers events with commands.
pub trait Process: Send + Sync + 'static {
    fn name(&self) -> &'static str;

    /// The aggregates it hears.
    fn listens_to(&self) -> &'static [&'static str];

    /// What follows from an event. Nothing random: a repeat must instruct the same.
    ///
    /// # Errors
    /// [`Unreadable`]: the event is parked, and its stream with it.
    fn react(&self, event: &Recorded) -> Result<Vec<Instruction>, Unreadable>;

    /// What follows when a deadline that `cause` set is due.
    ///
    /// # Errors
    /// [`Unreadable`].
    fn due(
        &self,
        _cause: &Recorded,
        _key: &str,
        _due_at: DateTime<Utc>,
    ) -> Result<Vec<Instruction>, Unreadable> {
        Ok(Vec::new())
    }
}

/// Every process.
#[must_use]
pub fn all() -> Vec<Box<dyn Process>> {
    [commerce::processes(), finance::processes()].into_iter().flatten().collect()
}
