//! Acts: one command on one aggregate, whatever its kind.
//!
//! What an HTTP handler executes, what a process instructs and what an import sends are the same thing.

use std::fmt::{self, Debug, Write};
use std::sync::Arc;

use async_trait::async_trait;
use chrono::TimeDelta;
use cqrs_es::event_sink::EventSink;
use domain::kernel::{Decider, Event, Sourced, cqrs_es};
use serde_json::Value;

use crate::errand::Errand;
use crate::error::{Error, Refused, Result, capability};
use crate::store::Loaded;
use crate::store::turn::{Ground, Made};

/// The largest event (64 KiB), so that it fits everywhere it has to go.
const LARGEST_EVENT: usize = 64 * 1024;

/// What is asked of one aggregate: [`On`], whatever its kind.
#[async_trait]
pub trait Act: Debug + Send + Sync {
    /// The aggregate's type, e.g. `commerce.order`.
    fn aggregate(&self) -> &'static str;
    /// The aggregate's id inside its workspace.
    fn id(&self) -> String;
    /// What is answered: the aggregate, or what is made inside it.
    fn subject(&self) -> String;
    /// `order.place`.
    fn name(&self) -> String;
    /// The command as JSON: for comparison in tests.
    fn command(&self) -> Value;
    /// The version it was made of, if it holds at no other.
    fn at(&self) -> Option<i64>;
    /// Loads the aggregate and lets it decide; `again` if what was decided before could not be appended.
    async fn decide(&self, ground: &mut Ground<'_>, again: bool) -> Result<Decided>;
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

/// [`Act`] for a command of `A`, or for several that take effect together or not at all.
#[derive(Debug)]
pub struct On<A: Sourced> {
    id: A::Id,
    commands: Vec<<A as Decider>::Command>,
    /// What several come to together.
    name: Option<&'static str>,
    supposed: Supposed,
    /// What is made inside the aggregate.
    part: Option<String>,
    keep: bool,
}

/// What is supposed of an aggregate before it is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Supposed {
    Nothing,
    /// That nothing has happened to it.
    New,
    /// That it is at this version.
    At(i64),
}

impl<A: Sourced> On<A> {
    pub fn new(id: A::Id, command: <A as Decider>::Command) -> Self {
        Self { id, commands: vec![command], name: None, supposed: Supposed::Nothing, part: None, keep: true }
    }

    /// Several commands, each decided on what the ones before it made of the aggregate; the first refusal refuses them
    /// all. `name` is what they come to together, as in `order.record_past`.
    pub fn in_turn(id: A::Id, name: &'static str, commands: Vec<<A as Decider>::Command>) -> Self {
        Self { id, commands, name: Some(name), supposed: Supposed::Nothing, part: None, keep: true }
    }

    /// Makes something of an id that was made for it: there is nothing to look up yet.
    ///
    /// If there is something after all, the append finds out, and it is decided again on what is there.
    #[must_use]
    pub fn supposed_new(self) -> Self {
        Self { supposed: Supposed::New, ..self }
    }

    /// Expects a version: refused if the aggregate has changed since it was loaded
    /// ([`crate::Context::execute_from`]).
    #[must_use]
    pub fn at(self, version: i64) -> Self {
        Self { supposed: Supposed::At(version), ..self }
    }

    /// Makes something inside the aggregate: the answer is about that, at the aggregate's version.
    #[must_use]
    pub fn making(self, part: impl ToString) -> Self {
        Self { part: Some(part.to_string()), ..self }
    }

    /// Nobody will ask for it soon: it is not kept in the cache.
    #[must_use]
    pub fn not_kept(self) -> Self {
        Self { keep: false, ..self }
    }

    /// For a list of acts on several aggregates.
    #[must_use]
    pub fn boxed(self) -> Box<dyn Act> {
        Box::new(self)
    }
}

#[async_trait]
impl<A: Sourced> Act for On<A> {
    fn aggregate(&self) -> &'static str {
        A::NAME
    }

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn subject(&self) -> String {
        self.part.clone().unwrap_or_else(|| self.id())
    }

    fn name(&self) -> String {
        let of = |command| format!("{}.{}", capability(A::NAME), snake_case(&first_word(command)));
        self.name.map(str::to_owned).or_else(|| self.commands.first().map(of)).unwrap_or_default()
    }

    fn command(&self) -> Value {
        let json = match self.commands.as_slice() {
            [command] => serde_json::to_value(command),
            commands => serde_json::to_value(commands),
        };
        json.unwrap_or(Value::Null)
    }

    fn at(&self) -> Option<i64> {
        if let Supposed::At(version) = self.supposed { Some(version) } else { None }
    }

    async fn decide(&self, ground: &mut Ground<'_>, again: bool) -> Result<Decided> {
        let Loaded { state, version } = match self.supposed {
            Supposed::New if !again => ground.supposed_new::<A>(&self.id)?,
            _ => ground.load::<A>(&self.id).await?,
        };
        // One that refuses has changed nothing, but those before it have.
        let before = (self.commands.len() > 1).then(|| state.clone());
        // What the command before this one has left is changed in place.
        let mut next = Arc::unwrap_or_clone(state);
        let sink = EventSink::default();
        for command in &self.commands {
            if let Err(refusal) = next.handle(command.clone(), &(), &sink).await {
                let state = before.unwrap_or_else(|| Arc::new(next));
                let refusal = Some(Refused::by(A::NAME, &refusal));
                let made = Made { state, version, keep: self.keep };
                return Ok(Decided { version, events: Vec::new(), refusal, made });
            }
        }
        let events: Vec<DecidedEvent> =
            sink.collect().await.iter().map(written).collect::<Result<_, _>>().map_err(Error::Refused)?;
        let reached = version + i64::try_from(events.len()).map_err(Error::unavailable)?;
        let made = Made { state: Arc::new(next), version: reached, keep: self.keep };
        Ok(Decided { version, events, refusal: None, made })
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
    /// What is made of facts when it is done. If it is refused, the event is parked: nothing else would say what it says.
    Errand(Arc<dyn Errand>),
    /// A deadline: `due` is called with this key so long after the cause was recorded. One per key; a new one
    /// replaces the old.
    Remind { key: String, after: TimeDelta },
    /// The deadline of this key is not needed any more.
    Forget { key: String },
}

impl Instruction {
    /// A command on one aggregate:
    ///
    /// ```
    /// # use commands::Instruction;
    /// # use domain::commerce::cart::{Cart, CartCommand};
    /// fn give_up(cart: domain::ids::CartId) -> Instruction {
    ///     Instruction::to::<Cart>(cart, CartCommand::Abandon)
    /// }
    /// ```
    ///
    /// Another's id does not do:
    ///
    /// ```compile_fail,E0308
    /// # use commands::Instruction;
    /// # use domain::commerce::cart::{Cart, CartCommand};
    /// fn give_up(order: domain::ids::OrderId) -> Instruction {
    ///     Instruction::to::<Cart>(order, CartCommand::Abandon)
    /// }
    /// ```
    pub fn to<A: Sourced>(id: A::Id, command: <A as Decider>::Command) -> Self {
        Self::Act { act: Arc::new(On::<A>::new(id, command)), then: None, fallback: None }
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

    pub fn errand(errand: impl Errand + 'static) -> Self {
        Self::Errand(Arc::new(errand))
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
            (Self::Errand(a), Self::Errand(b)) => format!("{a:?}") == format!("{b:?}"),
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
            Self::Errand(errand) => write!(f, "{errand:?}"),
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
