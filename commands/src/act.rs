//! Acts: one command on one aggregate, whatever its kind.
//!
//! What an HTTP handler executes, what a process instructs and what an import sends are the same thing.

use std::fmt::{self, Debug, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use chrono::TimeDelta;
use cqrs_es::event_sink::EventSink;
use domain::kernel::{Event, Sourced, cqrs_es};
use serde_json::Value;

use crate::error::{Error, Refused, Result, capability};
use crate::store::Loaded;
use crate::store::turn::{Ground, Made};

mod in_turn;

pub use in_turn::InTurn;

/// The largest event (64 KiB), so that it fits everywhere it has to go.
const LARGEST_EVENT: usize = 64 * 1024;

/// One command on one aggregate.
#[async_trait]
pub trait Act: Debug + Send + Sync {
    /// The aggregate's type, e.g. `commerce.order`.
    fn aggregate(&self) -> &'static str;
    /// The aggregate's id inside its workspace.
    fn id(&self) -> &str;
    /// `order.place`.
    fn name(&self) -> String;
    /// The command as JSON: for comparison in tests.
    fn command(&self) -> Value;
    /// The version it was made of, if it holds at no other.
    fn at(&self) -> Option<i64> {
        None
    }
    /// Loads the aggregate and lets it decide.
    async fn decide(&self, ground: &mut Ground<'_>) -> Result<Decided>;
}

/// What an aggregate decided.
pub struct Decided {
    /// The version it was at.
    pub version: i64,
    pub events: Vec<DecidedEvent>,
    pub refusal: Option<Refused>,
    /// The aggregate as it is after the events.
    pub made: Made,
}

/// An event before it has an id and a place.
pub struct DecidedEvent {
    pub event_type: String,
    pub event_version: String,
    pub payload: String,
}

/// [`Act`] for a command of `A`.
#[derive(Debug)]
pub struct On<A: Sourced> {
    pub id: String,
    pub command: <A as domain::kernel::Decider>::Command,
}

#[async_trait]
impl<A: Sourced> Act for On<A> {
    fn aggregate(&self) -> &'static str {
        A::NAME
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> String {
        format!("{}.{}", capability(A::NAME), snake_case(&first_word(&self.command)))
    }

    fn command(&self) -> Value {
        serde_json::to_value(&self.command).unwrap_or(Value::Null)
    }

    async fn decide(&self, ground: &mut Ground<'_>) -> Result<Decided> {
        let loaded = ground.load::<A>(&self.id).await?;
        self.decide_on(loaded).await
    }
}

impl<A: Sourced> On<A> {
    async fn decide_on(&self, loaded: Loaded<A>) -> Result<Decided> {
        let Loaded { state, version } = loaded;
        // What the command before this one has left is changed in place.
        let mut next = Arc::unwrap_or_clone(state);
        let sink = EventSink::default();
        // Refused, it is as it was.
        let refusal = next.handle(self.command.clone(), &(), &sink).await.err();
        let refusal = refusal.map(|refusal| Refused::by(A::NAME, &refusal));
        let events: Vec<DecidedEvent> =
            sink.collect().await.iter().map(written).collect::<Result<_, _>>().map_err(Error::Refused)?;
        let reached = version + i64::try_from(events.len()).map_err(Error::unavailable)?;
        let made = Made { state: Arc::new(next), version: reached, keep: true };
        Ok(Decided { version, events, refusal, made })
    }
}

/// A command that makes something of an id that was made for it: there is nothing to look up yet.
///
/// If there is something after all, the append finds out, and it is decided again on what is there.
#[derive(Debug)]
pub struct OnNew<A: Sourced> {
    on: On<A>,
    supposed_new: AtomicBool,
}

impl<A: Sourced> OnNew<A> {
    pub fn new(id: impl ToString, command: <A as domain::kernel::Decider>::Command) -> Self {
        Self { on: On { id: id.to_string(), command }, supposed_new: AtomicBool::new(true) }
    }
}

#[async_trait]
impl<A: Sourced> Act for OnNew<A> {
    fn aggregate(&self) -> &'static str {
        self.on.aggregate()
    }

    fn id(&self) -> &str {
        self.on.id()
    }

    fn name(&self) -> String {
        self.on.name()
    }

    fn command(&self) -> Value {
        self.on.command()
    }

    async fn decide(&self, ground: &mut Ground<'_>) -> Result<Decided> {
        if self.supposed_new.swap(false, Ordering::Relaxed) {
            let supposed = ground.supposed_new::<A>(self.id())?;
            return self.on.decide_on(supposed).await;
        }
        self.on.decide(ground).await
    }
}

/// A command with an expected version: refused if the aggregate has changed since it was loaded
/// ([`crate::Context::execute_from`]).
#[derive(Debug)]
pub struct AtVersion<A: Sourced> {
    pub on: On<A>,
    pub version: i64,
}

#[async_trait]
impl<A: Sourced> Act for AtVersion<A> {
    fn aggregate(&self) -> &'static str {
        self.on.aggregate()
    }

    fn id(&self) -> &str {
        self.on.id()
    }

    fn name(&self) -> String {
        self.on.name()
    }

    fn command(&self) -> Value {
        self.on.command()
    }

    fn at(&self) -> Option<i64> {
        Some(self.version)
    }

    async fn decide(&self, ground: &mut Ground<'_>) -> Result<Decided> {
        self.on.decide(ground).await
    }
}

fn written<E: Event>(event: &E) -> Result<DecidedEvent, Refused> {
    let refused = |code: &str, message: String| Refused {
        kind: domain::kernel::Kind::Invalid,
        code: code.to_owned(),
        message,
        replayed: false,
    };
    let payload = serde_json::to_string(event).map_err(|e| refused("event-unwritable", e.to_string()))?;
    if payload.len() > LARGEST_EVENT {
        let message =
            format!("what would be recorded has {} bytes; {LARGEST_EVENT} is the most", payload.len());
        return Err(refused("event-too-large", message));
    }
    let event_type = AsRef::<str>::as_ref(event).to_owned();
    Ok(DecidedEvent { event_type, event_version: Event::version(event).to_string(), payload })
}

/// The first word of a value's `Debug`: the name of an enum's variant.
fn first_word(value: &impl Debug) -> String {
    struct FirstWord(String);
    impl Write for FirstWord {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            let word: &str = text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
            self.0.push_str(word);
            // Stops the formatter: what follows the name is not needed, and may be long.
            if word.len() == text.len() { Ok(()) } else { Err(fmt::Error) }
        }
    }
    let mut word = FirstWord(String::new());
    _ = write!(word, "{value:?}");
    word.0
}

fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

type Fallback = Arc<dyn Fn(&Refused) -> Instruction + Send + Sync>;

/// What a process or an effect wants done.
#[derive(Clone)]
pub enum Instruction {
    /// A command; what to do once it is taken, and what to do instead if it is refused (a refused command emits no
    /// event, so only the one who asked can say what follows).
    Act { act: Arc<dyn Act>, then: Option<Box<Instruction>>, fallback: Option<Fallback> },
    /// A deadline: `due` is called with this key so long after the cause was recorded. One per key; a new one
    /// replaces the old.
    Remind { key: String, after: TimeDelta },
    /// The deadline of this key is not needed any more.
    Forget { key: String },
}

impl Instruction {
    /// A command on one aggregate.
    pub fn to<A: Sourced>(id: impl ToString, command: <A as domain::kernel::Decider>::Command) -> Self {
        Self::Act { act: Arc::new(On::<A> { id: id.to_string(), command }), then: None, fallback: None }
    }

    /// What to do once it is taken, also if nothing followed from it.
    #[must_use]
    pub fn then(mut self, next: Instruction) -> Self {
        if let Self::Act { then, .. } = &mut self {
            *then = Some(Box::new(next));
        }
        self
    }

    /// What to do instead if it is refused (not if it could not be tried).
    #[must_use]
    pub fn or(mut self, instead: impl Fn(&Refused) -> Instruction + Send + Sync + 'static) -> Self {
        if let Self::Act { fallback, .. } = &mut self {
            *fallback = Some(Arc::new(instead));
        }
        self
    }

    pub fn remind(key: impl ToString, after: TimeDelta) -> Self {
        Self::Remind { key: key.to_string(), after }
    }

    pub fn forget(key: impl ToString) -> Self {
        Self::Forget { key: key.to_string() }
    }
}

/// Equal if they ask the same of the same. Fallbacks are functions: a test calls them.
impl PartialEq for Instruction {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Act { act: a, then, .. }, Self::Act { act: b, then: next, .. }) => {
                a.aggregate() == b.aggregate()
                    && a.id() == b.id()
                    && a.command() == b.command()
                    && then == next
            }
            (Self::Remind { key, after }, Self::Remind { key: other, after: then }) => {
                key == other && after == then
            }
            (Self::Forget { key }, Self::Forget { key: other }) => key == other,
            _ => false,
        }
    }
}

impl Debug for Instruction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Act { act, then, fallback } => {
                write!(f, "{act:?}")?;
                if let Some(then) = then {
                    write!(f, " then {then:?}")?;
                }
                write!(f, "{}", if fallback.is_some() { " or …" } else { "" })
            }
            Self::Remind { key, after } => write!(f, "remind of {key} after {after}"),
            Self::Forget { key } => write!(f, "forget {key}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    #[expect(dead_code, reason = "only their Debug is looked at")]
    enum Command {
        Close,
        PlaceOrder { note: &'static str },
        Rename(&'static str),
    }

    #[test]
    fn a_commands_name_is_its_variants() {
        let name = |command| snake_case(&first_word(&command));
        assert_eq!(name(Command::Close), "close");
        assert_eq!(name(Command::PlaceOrder { note: "x" }), "place_order");
        assert_eq!(name(Command::Rename("x")), "rename");
    }
}
