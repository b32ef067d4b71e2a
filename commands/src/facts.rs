//! Facts: aggregates that a command is made of.
//!
//! What a command acts on meets the log when it is appended, by its expected version. What it was only made of does
//! not: a price, whose a SKU is. In the cache of a process that never appends to these it would be stale for ever. So
//! what was found in the cache is compared with the log once, in one look, before the command goes on or is refused;
//! the same look finds the answer that its key was given before. What was read from the log just now is not asked for
//! again, so a look takes the place of what each command with a key has asked anyway, and one without facts asks
//! nothing (docs/adr/0018).

use std::collections::HashSet;
use std::ops::Deref;
use std::sync::{Arc, Mutex};

use domain::kernel::Sourced;
use uuid::Uuid;

use crate::context::Context;
use crate::error::{Error, Refused, Result};
use crate::store::{Loaded, Outcome, StreamKey, stream};

/// What a command is made of, and the context it is made in. Clones are the same facts.
#[derive(Debug, Clone)]
pub struct Facts {
    cx: Arc<Context>,
    /// What was found in the cache, at which version.
    cached: Arc<Mutex<HashSet<(StreamKey, i64)>>>,
}

/// What became of something that was made of facts.
pub(crate) enum Holds<T> {
    /// It is made of what is so.
    Of(T),
    /// The command was answered before; with the hash of its request.
    Answered(Vec<u8>, Result<Outcome, Refused>),
    /// A fact has changed; what to say if it does so again and again.
    Outdated(Error),
}

impl Deref for Facts {
    type Target = Context;

    fn deref(&self) -> &Context {
        &self.cx
    }
}

impl Facts {
    pub(crate) fn of(cx: &Arc<Context>) -> Self {
        Self { cx: cx.clone(), cached: Arc::default() }
    }

    /// An aggregate as it is: if it is not any more when all facts are there, they are all asked for again.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn load<A: Sourced>(&self, id: &A::Id) -> Result<Loaded<A>> {
        let stream = stream(self.cx.workspace, id);
        let (loaded, is_cached) = self.cx.store().load_and_tell::<A>(&stream).await?;
        if is_cached {
            let mut cached = self.cached.lock().expect("nobody panics with it");
            cached.insert(((A::NAME, stream), loaded.version));
        }
        Ok(loaded)
    }

    /// The same of what is asked for again and again, there or not: that it is not is kept, too.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn load_if_any<A: Sourced>(&self, id: &A::Id) -> Result<Loaded<A>> {
        let loaded = self.load::<A>(id).await?;
        if loaded.version == 0 {
            self.cx.store().remember_read(stream(self.cx.workspace, id), &loaded);
        }
        Ok(loaded)
    }

    /// Whether what was made of them, or refused because of them, is made of what is so; for a command, also whether
    /// that was answered before.
    pub(crate) async fn hold<T>(self, command: Option<Uuid>, made: Result<T>) -> Result<Holds<T>> {
        let cached = std::mem::take(&mut *self.cached.lock().expect("nobody panics with it"));
        let (streams, versions): (Vec<StreamKey>, Vec<i64>) = cached.into_iter().unzip();
        let made = match made {
            // The append finds out whether the command was answered before.
            Ok(made) if streams.is_empty() => return Ok(Holds::Of(made)),
            Err(error @ (Error::Unavailable(_) | Error::Forbidden(_))) => return Err(error),
            made => made,
        };
        let seen = self.cx.store().look(command, &streams).await?;
        if let Some((hash, outcome)) = seen.answer {
            return Ok(Holds::Answered(hash, outcome));
        }
        let mut changed = None;
        for ((stream, version), current) in streams.iter().zip(versions).zip(seen.versions) {
            if version != current {
                self.cx.store().doubt(stream);
                changed = Some(Error::conflict(stream.0, current));
            }
        }
        match changed {
            Some(changed) => Ok(Holds::Outdated(changed)),
            None => made.map(Holds::Of),
        }
    }
}
