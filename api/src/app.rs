//! App: what all handlers share.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use commands::clock::Clock;
use commands::port::Ports;
use commands::port::vault::Vault;
use commands::{Door, EventStore, Intake};
use sqlx::PgPool;

use crate::access_token::Signer;
use crate::key::KeyRing;
use crate::limits::Limits;
use crate::page::Cursors;
use crate::platform::health::{Database, Migrations};
use crate::port::{Dependency, Exposition, Freshness, Silent, Subscriptions};
use crate::problem::{Problem, Result};
use crate::turns::Turns;

/// What the API is put together from.
pub struct Parts {
    pub store: EventStore,
    /// Where read models are read.
    pub reads: PgPool,
    pub clock: Arc<dyn Clock>,
    pub keys: Arc<dyn KeyRing>,
    pub freshness: Arc<dyn Freshness>,
    pub subscriptions: Arc<dyn Subscriptions>,
    /// What `/api/status` asks.
    pub dependencies: Vec<Arc<dyn Dependency>>,
    pub exposition: Exposition,
    pub cursors: Cursors,
    /// What payment providers tell is taken in here; none: nobody is believed.
    pub intake: Option<Intake>,
    /// The keys of personal data.
    pub vault: Arc<dyn Vault>,
    pub limits: Limits,
}

impl Parts {
    /// What every API needs, and where nothing else is said: the store's database, a secret that nobody knows (no
    /// cursor outlives the process), nobody whose notices are believed, and no word on read models and other subscriptions.
    pub fn over(store: EventStore, clock: Arc<dyn Clock>, keys: Arc<dyn KeyRing>, ports: Ports) -> Self {
        let pool = store.pool().clone();
        Self {
            reads: pool.clone(),
            freshness: Arc::new(Silent),
            subscriptions: Arc::new(Silent),
            dependencies: vec![Arc::new(Database(pool.clone())), Arc::new(Migrations(pool))],
            exposition: Arc::new(String::new),
            cursors: Cursors::signed_with(&rand::random()),
            limits: Limits::default(),
            store,
            clock,
            keys,
            intake: None,
            vault: ports.vault,
        }
    }
}

/// What people come in by, and how they show who they are.
pub struct People {
    pub door: Door,
    pub signer: Signer,
    /// Whether what was revoked anywhere is known here.
    pub is_fresh: Box<dyn Fn() -> bool + Send + Sync>,
    /// What answers are given on that must not tell anything by their time.
    pub beat: Duration,
}

impl People {
    /// Who cannot know what was revoked lets nobody in.
    ///
    /// # Errors
    /// [`Problem::unavailable`].
    pub(crate) fn must_be_fresh(&self) -> Result<()> {
        if (self.is_fresh)() { Ok(()) } else { Err(Problem::unavailable()) }
    }
}

/// What all handlers share. Cheap to clone.
#[derive(Clone)]
pub struct App {
    parts: Arc<Parts>,
    people: Option<Arc<People>>,
    pub(crate) turns: Turns,
}

impl App {
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self { parts: Arc::new(parts), people: None, turns: Turns::default() }
    }

    /// The same, where people can sign in and not only programs.
    #[must_use]
    pub fn with_people(mut self, people: People) -> Self {
        self.people = Some(Arc::new(people));
        self
    }

    /// What people come in by.
    ///
    /// # Errors
    /// [`Problem::unavailable`], where they cannot.
    pub fn people(&self) -> Result<&People> {
        self.people.as_deref().ok_or_else(Problem::unavailable)
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}
