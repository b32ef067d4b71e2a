//! Errands: what a process wants done that is made of facts when it is done: several acts, all or nothing.
//!
//! A command knows what it asks of one aggregate. An errand knows what is to come of it, and looks at what is there
//! when its turn comes. That it is done once, it sees to itself, by the id of what it makes: so it needs no answer that
//! is stored for it, and one that was refused can be tried again.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::context::Context;
use crate::error::Result;

/// Something to be done in a context of its own. Two are the same if they are shown the same (`Debug`).
#[async_trait]
pub trait Errand: Debug + Send + Sync {
    /// Does it, or finds it done.
    ///
    /// # Errors
    /// [`crate::Error::Refused`] if it cannot be done as things are: whoever sent it parks what it was sent for.
    async fn run(&self, cx: Context) -> Result<()>;
}
