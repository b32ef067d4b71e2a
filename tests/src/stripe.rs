//! Stripe's wire, imitated and hostile: payment intents, checkout sessions, refunds and events, with what goes wrong.
//!
//! It keeps what a real one keeps (what is held and taken, what was answered under a key, errors too) and loses, repeats
//! and reorders what it says; it also acts and then says nothing. Where it lies, it holds less than was asked for. What
//! goes wrong is drawn from the seed, the amount of a payment and how often the same was asked: an order's amount is its
//! name, so that a seed tells the same story again.

mod answer;
mod events;
mod world;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use world::World;

/// How often things go wrong, in percent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Hostility {
    /// Nothing is done, and nothing said.
    pub lost: u64,
    /// It is done, and nothing said.
    pub silent: u64,
    /// Where nothing is said, the connection stays open; else it breaks.
    pub hangs: bool,
    /// It is done, and answered with an error that is kept under the key.
    pub error: u64,
    /// Too many requests: nothing is done.
    pub busy: u64,
    /// Less is held than was asked for.
    pub lie: u64,
    /// A card is declined.
    pub decline: u64,
    /// A buyer never pays.
    pub abandoned: u64,
    /// An event comes twice.
    pub double: u64,
    /// An event comes after later ones.
    pub late: u64,
    /// An event never comes.
    pub never: u64,
}

impl Hostility {
    pub const HOSTILE: Self = Self {
        lost: 18,
        silent: 18,
        hangs: false,
        error: 8,
        busy: 5,
        lie: 6,
        decline: 10,
        abandoned: 15,
        double: 25,
        late: 25,
        never: 20,
    };
}

/// An account at something that speaks like Stripe. It answers as long as this lives.
pub struct FakeStripe {
    pub address: SocketAddr,
    world: Arc<Mutex<World>>,
    _answering: DropGuard,
}

/// What is in its books of one payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booked {
    pub amount: i64,
    pub status: String,
    pub captured: i64,
    pub refunded: i64,
}

impl FakeStripe {
    /// One to which nothing bad happens.
    pub async fn start() -> Self {
        Self::hostile(0, Hostility::default()).await
    }

    /// One of these misfortunes.
    ///
    /// # Panics
    /// If it cannot listen.
    pub async fn hostile(seed: u64, hostility: Hostility) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let world = Arc::new(Mutex::new(World::new(seed, hostility)));
        let stop = CancellationToken::new();
        let until = stop.clone();
        let router = answer::routes(world.clone());
        tokio::spawn(async move {
            let served = axum::serve(listener, router).with_graceful_shutdown(until.cancelled_owned());
            served.await.expect("it is served");
        });
        Self { address, world, _answering: stop.drop_guard() }
    }

    /// What is in its books, by amount asked for.
    #[must_use]
    pub fn books(&self) -> Vec<Booked> {
        let world = self.world();
        let mut all: Vec<_> = world.intents.values().map(|intent| world.booked(intent)).collect();
        all.sort_by_key(|booked| booked.amount);
        all
    }

    /// How many sessions are open.
    #[must_use]
    pub fn open_sessions(&self) -> usize {
        self.world().sessions.values().filter(|session| session["status"] == "open").count()
    }

    /// The form that made the last session.
    #[must_use]
    pub fn last_session(&self) -> Value {
        self.world().last_session.clone().unwrap_or(json!(null))
    }

    /// Buyers go to their sessions and pay, or not.
    pub fn buyers_pay(&self) {
        self.world().buyers_pay();
    }

    /// The events to be sent now, as bodies: some never, some twice, some later than others.
    #[must_use]
    pub fn events(&self) -> Vec<Vec<u8>> {
        self.world().events_now()
    }

    fn world(&self) -> std::sync::MutexGuard<'_, World> {
        self.world.lock().expect("nothing panics with the books open")
    }
}
