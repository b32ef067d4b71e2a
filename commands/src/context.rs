//! Context: who asks, when, and with what; and the one way to act.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, LazyLock};

use chrono::{DateTime, Utc};
use domain::ids::{AccountId, ApiKeyId, TypedId, WorkspaceId};
use domain::kernel::{Decider, Sourced};
use domain::permission::{ALL, RESERVED, allow};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::act::{Act, On};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::facts::{Facts, Holds};
use crate::store::{EventStore, Loaded, Outcome};

mod acting;

use acting::Acted;

/// How often a command decides anew because another process was faster.
const RETRIES: u32 = 3;

/// Who acts: an API key, a person, or a part of the platform itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    Key(ApiKeyId),
    /// A person who is signed in.
    Account(AccountId),
    /// Somebody who has not said who they are.
    Visitor,
    Process(&'static str),
    Effect(&'static str),
    Job(&'static str),
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(id) => write!(f, "{id}"),
            Self::Account(id) => write!(f, "{id}"),
            Self::Visitor => f.write_str("visitor"),
            Self::Process(name) => write!(f, "process:{name}"),
            Self::Effect(name) => write!(f, "effect:{name}"),
            Self::Job(name) => write!(f, "cli:{name}"),
        }
    }
}

/// What is known of a command before it is looked at. Acting takes it: its id is the idempotency key, so a second
/// command with it would get the outcome stored for the first.
///
/// ```
/// # use domain::commerce::cart::{Cart, CartCommand};
/// async fn once(cx: commands::Context, cart: domain::ids::CartId) -> commands::Result<commands::Outcome> {
///     cx.execute::<Cart>(cart, CartCommand::Abandon).await
/// }
/// ```
///
/// ```compile_fail,E0382
/// # use domain::commerce::cart::{Cart, CartCommand};
/// async fn twice(cx: commands::Context, cart: domain::ids::CartId) -> commands::Result<commands::Outcome> {
///     cx.execute::<Cart>(cart, CartCommand::Abandon).await?;
///     cx.execute::<Cart>(cart, CartCommand::Abandon).await
/// }
/// ```
#[derive(Debug)]
pub struct Context {
    store: EventStore,
    clock: Arc<dyn Clock>,
    pub workspace: WorkspaceId,
    pub actor: Actor,
    /// What the actor may do; `*` is everything but what must be named.
    pub scopes: Arc<BTreeSet<String>>,
    /// All that the actor may do, whichever part of it this command uses: nobody hands out more.
    pub held: Arc<BTreeSet<String>>,
    /// The id of the command: the client's idempotency key made into a UUID, or one of its own.
    pub command_id: Uuid,
    /// SHA-256 of the request; empty for commands whose id already says what they are.
    pub request_hash: Vec<u8>,
    pub key_hash: Option<String>,
    /// The version the client saw (`If-Match`). Never retried.
    pub if_match: Option<Vec<i64>>,
    pub correlation: Uuid,
    pub causation: Option<Uuid>,
    /// Since when what is recorded holds, if not since now.
    pub effective_at: Option<DateTime<Utc>>,
    pub client: Option<String>,
    pub trace: Option<String>,
}

/// What a part of the platform itself may do.
static EVERY_SCOPE: LazyLock<Arc<BTreeSet<String>>> =
    LazyLock::new(|| Arc::new([ALL].into_iter().chain(RESERVED).map(str::to_owned).collect()));

impl Context {
    /// A context for a part of the platform itself, which may do everything.
    #[must_use]
    pub fn internal(store: EventStore, clock: Arc<dyn Clock>, workspace: WorkspaceId, actor: Actor) -> Self {
        let command_id = Uuid::now_v7();
        Self {
            store,
            clock,
            workspace,
            actor,
            scopes: EVERY_SCOPE.clone(),
            held: EVERY_SCOPE.clone(),
            command_id,
            request_hash: Vec::new(),
            key_hash: None,
            if_match: None,
            correlation: command_id,
            causation: None,
            effective_at: None,
            client: None,
            trace: None,
        }
    }

    /// The same context for another command, with this id.
    #[must_use]
    pub fn identified(&self, command_id: Uuid) -> Self {
        Self {
            store: self.store.clone(),
            clock: self.clock.clone(),
            workspace: self.workspace,
            actor: self.actor.clone(),
            scopes: self.scopes.clone(),
            held: self.held.clone(),
            command_id,
            request_hash: self.request_hash.clone(),
            key_hash: self.key_hash.clone(),
            if_match: self.if_match.clone(),
            correlation: self.correlation,
            causation: self.causation,
            effective_at: self.effective_at,
            client: self.client.clone(),
            trace: self.trace.clone(),
        }
    }

    /// Makes the client's idempotency key the command's id, unique for its workspace and actor.
    ///
    /// `request` is what must be the same when the key is used again.
    #[must_use]
    pub fn with_key(mut self, key: &str, request: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in request {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        self.request_hash = hash.finalize().to_vec();
        self.command_id =
            Uuid::new_v5(&self.workspace.uuid(), format!("key\0{}\0{key}", self.actor).as_bytes());
        self.key_hash = Some(Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect());
        self
    }

    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    #[must_use]
    pub fn store(&self) -> &EventStore {
        &self.store
    }

    /// An id for something new.
    #[must_use]
    pub fn new_id<I: TypedId>(&self) -> I {
        I::from_uuid(Uuid::now_v7())
    }

    /// Whether the actor has a scope.
    #[must_use]
    pub fn may(&self, scope: &str) -> bool {
        allow(&self.scopes, scope)
    }

    /// # Errors
    /// [`Error::Forbidden`] if the actor lacks the scope.
    pub fn must(&self, scope: &str) -> Result<()> {
        if self.may(scope) { Ok(()) } else { Err(Error::Forbidden(scope.to_owned())) }
    }

    /// Whether the actor has all of these themselves, as one must who hands them out or takes them away.
    ///
    /// # Errors
    /// [`Error::Forbidden`] with the first that they lack.
    pub fn must_hold<'a>(&self, scopes: impl IntoIterator<Item = &'a String>) -> Result<()> {
        match scopes.into_iter().find(|scope| !allow(&self.held, scope)) {
            Some(lacking) => Err(Error::Forbidden(lacking.clone())),
            None => Ok(()),
        }
    }

    /// The same command in another workspace.
    #[must_use]
    pub fn elsewhere(self, workspace: WorkspaceId) -> Self {
        Self { workspace, ..self }
    }

    /// The person who acts.
    ///
    /// # Errors
    /// [`Error::PeopleOnly`] if it is none.
    pub fn account(&self) -> Result<AccountId> {
        match self.actor {
            Actor::Account(account) => Ok(account),
            _ => Err(Error::PeopleOnly),
        }
    }

    /// What was answered to this command before, if it was.
    ///
    /// # Errors
    /// [`Error::Refused`] if that was a refusal; [`Error::KeyReused`], [`Error::Unavailable`].
    pub async fn answered(&self) -> Result<Option<Outcome>> {
        let seen = self.store.look(Some(self.command_id), &[]).await?;
        seen.answer.map(|(hash, outcome)| self.same_as_before(&hash, outcome)).transpose()
    }

    /// An aggregate of this workspace, as it is now: a fact for a command.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn load<A: Sourced>(&self, id: &A::Id) -> Result<Loaded<A>> {
        self.store.load::<A>(self.workspace, id).await
    }

    /// One command on one aggregate.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub async fn execute<A: Sourced>(self, id: A::Id, command: <A as Decider>::Command) -> Result<Outcome> {
        self.perform(&[&On::<A>::new(id, command)]).await
    }

    /// A command that makes something new, with an id of its own.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub async fn create<A: Sourced<Id: TypedId>>(self, command: <A as Decider>::Command) -> Result<Outcome> {
        self.perform(&[&On::<A>::new(self.new_id(), command).supposed_new()]).await
    }

    /// A command that makes something inside an aggregate; the answer is about that, at the aggregate's version.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub async fn create_in<A: Sourced>(
        self,
        id: A::Id,
        part: impl ToString,
        command: <A as Decider>::Command,
    ) -> Result<Outcome> {
        self.perform(&[&On::<A>::new(id, command).making(part)]).await
    }

    /// Several commands on several aggregates, all or nothing; the answer is the first's. The first refusal
    /// refuses them all.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub async fn execute_all(self, acts: &[&dyn Act]) -> Result<Outcome> {
        self.perform(acts).await
    }

    /// Several commands on several aggregates, made of facts. They are made again, at most three times, if a fact has
    /// changed meanwhile, or what they act on is not at the version they were made of ([`On::at`]).
    ///
    /// What `make` refuses is the command's answer, and remembered like any other.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub async fn execute_from<F>(self, make: impl Fn(Facts) -> F) -> Result<Outcome>
    where
        F: Future<Output = Result<Vec<Box<dyn Act>>>>,
    {
        let cx = Arc::new(self);
        let mut retries = 0;
        loop {
            let facts = Facts::of(&cx);
            let made = make(facts.clone()).await;
            let outdated = match facts.hold(Some(cx.command_id), made).await {
                Ok(Holds::Answered(hash, outcome)) => return cx.same_as_before(&hash, outcome),
                Ok(Holds::Of(acts)) => {
                    let acts: Vec<&dyn Act> = acts.iter().map(|act| &**act).collect();
                    match cx.act(&acts).await? {
                        Acted::Done(outcome) => return Ok(outcome),
                        Acted::Outdated(error) => error,
                    }
                }
                Ok(Holds::Outdated(error)) => error,
                Err(Error::Refused(refused)) => return cx.refuse(refused).await,
                Err(error) => return Err(error),
            };
            if retries == RETRIES {
                return Err(outdated);
            }
            retries += 1;
        }
    }

    /// Something that is made of facts, and recorded nowhere.
    ///
    /// # Errors
    /// What `make` refuses; [`Error::Conflict`], [`Error::Unavailable`].
    pub async fn know<T, F: Future<Output = Result<T>>>(self, make: impl Fn(Facts) -> F) -> Result<T> {
        let cx = Arc::new(self);
        let mut retries = 0;
        loop {
            let facts = Facts::of(&cx);
            let made = make(facts.clone()).await;
            match facts.hold(None, made).await? {
                Holds::Of(made) => return Ok(made),
                Holds::Outdated(error) if retries == RETRIES => return Err(error),
                Holds::Outdated(_) | Holds::Answered(..) => retries += 1,
            }
        }
    }
}
