//! In turn: several commands on one aggregate that take effect together or not at all.
//!
//! Each is decided on what the ones before it made of the aggregate; the first refusal refuses them all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use cqrs_es::event_sink::EventSink;
use domain::kernel::{Decider, Sourced, cqrs_es};
use serde_json::Value;

use super::{Act, Decided, written};
use crate::error::{Error, Refused, Result};
use crate::store::Loaded;
use crate::store::turn::{Ground, Made};

/// [`Act`] for some commands of `A`, in turn.
#[derive(Debug)]
pub struct InTurn<A: Sourced> {
    id: String,
    name: &'static str,
    commands: Vec<<A as Decider>::Command>,
    /// Not looked up the first time: an append that finds it there after all is decided again.
    supposed_new: AtomicBool,
    kept: bool,
}

impl<A: Sourced> InTurn<A> {
    /// `name` is what they come to together, as in `order.record_past`.
    pub fn new(id: impl ToString, name: &'static str, commands: Vec<<A as Decider>::Command>) -> Self {
        Self { id: id.to_string(), name, commands, supposed_new: AtomicBool::new(false), kept: true }
    }

    /// The same for an aggregate that is most likely new, and that nobody will ask for soon: neither looked up
    /// first nor kept in the cache.
    #[must_use]
    pub fn once(self) -> Self {
        Self { supposed_new: AtomicBool::new(true), kept: false, ..self }
    }
}

#[async_trait]
impl<A: Sourced> Act for InTurn<A> {
    fn aggregate(&self) -> &'static str {
        A::NAME
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn command(&self) -> Value {
        serde_json::to_value(&self.commands).unwrap_or(Value::Null)
    }

    async fn decide(&self, ground: &mut Ground<'_>) -> Result<Decided> {
        let Loaded { state, version } = if self.supposed_new.swap(false, Ordering::Relaxed) {
            ground.supposed_new::<A>(&self.id)?
        } else {
            ground.load::<A>(&self.id).await?
        };
        let mut next = A::clone(&state);
        let sink = EventSink::default();
        for command in &self.commands {
            if let Err(refusal) = next.handle(command.clone(), &(), &sink).await {
                let refusal = Some(Refused::by(A::NAME, &refusal));
                let made = Made { state, version, keep: self.kept };
                return Ok(Decided { version, events: Vec::new(), refusal, made });
            }
        }
        let events = sink.collect().await;
        let events: Vec<_> = events.iter().map(written).collect::<Result<_, _>>().map_err(Error::Refused)?;
        let reached = version + i64::try_from(events.len()).map_err(Error::unavailable)?;
        let made = Made { state: Arc::new(next), version: reached, keep: self.kept };
        Ok(Decided { version, events, refusal: None, made })
    }
}
