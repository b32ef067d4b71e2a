//! App: what all handlers share.

use std::ops::Deref;
use std::sync::Arc;

use commands::EventStore;
use commands::clock::Clock;
use commands::port::payment::PaymentGateway;
use sqlx::PgPool;

use crate::key::KeyRing;
use crate::limits::Limits;
use crate::page::Cursors;
use crate::port::{Dependency, Exposition, Freshness, Subscriptions};
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
    /// Who moves the money: asked what became of a charge that its webhook tells of.
    pub gateway: Arc<dyn PaymentGateway>,
    /// What the gateway signs its webhooks with.
    pub webhook_secret: String,
    pub limits: Limits,
}

/// What all handlers share. Cheap to clone.
#[derive(Clone)]
pub struct App {
    parts: Arc<Parts>,
    pub(crate) turns: Turns,
}

impl App {
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self { parts: Arc::new(parts), turns: Turns::default() }
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}
