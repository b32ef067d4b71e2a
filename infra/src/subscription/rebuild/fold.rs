//! Fold: a view over the whole log, into the shadow tables, with the parking that the live view has.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use commands::Backoff;
use domain::kernel::Recorded;
use projections::{Failure, Projector, Schema};
use sqlx::{Connection, PgConnection};
use tokio_util::sync::CancellationToken;

use crate::subscription::batch::{WAITS_BEHIND, keys_of, sort_out};
use crate::subscription::checkpoint::Moved;
use crate::subscription::halving::{self, PAUSES, Part, Sink, fault};
use crate::subscription::parked::Parked;

/// How long a shortage of the database is waited out.
const PATIENCE: Duration = Duration::from_secs(60);

/// An event that could not be folded, or waits behind one.
#[derive(Clone)]
pub(super) struct Waiting {
    pub event: Arc<Recorded>,
    pub keys: Vec<String>,
    pub reason: String,
}

/// How far a fold was.
pub(super) struct Mark {
    position: i64,
    events: u64,
    waiting: BTreeMap<i64, Waiting>,
}

pub(super) struct Fold {
    view: Box<dyn Projector>,
    /// The last position that is folded.
    pub position: i64,
    /// How many events were folded.
    pub events: u64,
    parked: Parked,
    waiting: BTreeMap<i64, Waiting>,
}

impl Fold {
    pub fn of(mut view: Box<dyn Projector>) -> Self {
        view.rolled_back();
        Self { view, position: 0, events: 0, parked: Parked::default(), waiting: BTreeMap::new() }
    }

    pub fn name(&self) -> &'static str {
        self.view.name()
    }

    pub fn listens_to(&self) -> &'static [&'static str] {
        self.view.listens_to()
    }

    pub fn waiting(&self) -> impl Iterator<Item = &Waiting> {
        self.waiting.values()
    }

    pub fn mark(&self) -> Mark {
        Mark { position: self.position, events: self.events, waiting: self.waiting.clone() }
    }

    /// A transaction around what was folded since the mark was rolled back.
    pub fn back_to(&mut self, mark: Mark) {
        (self.position, self.events, self.waiting) = (mark.position, mark.events, mark.waiting);
        self.parked = Parked::default();
        for waiting in self.waiting.values() {
            self.parked.hold(&waiting.keys, waiting.event.position);
        }
        self.view.rolled_back();
    }

    /// Folds and writes the next events, which go up to a position; what cannot be folded waits.
    ///
    /// # Errors
    /// What is not the events' own; a shortage is waited out for some time first.
    pub async fn take_in(
        &mut self,
        connection: &mut PgConnection,
        events: Vec<Arc<Recorded>>,
        upto: i64,
    ) -> anyhow::Result<()> {
        self.events += events.len() as u64;
        let never = CancellationToken::new();
        halving::write(&mut Shadow { fold: self, connection }, events, upto, true, &never).await?;
        self.position = upto;
        Ok(())
    }
}

/// The tables that are made anew.
struct Shadow<'a> {
    fold: &'a mut Fold,
    connection: &'a mut PgConnection,
}

impl Shadow<'_> {
    async fn apply(&mut self, events: &[Arc<Recorded>]) -> Result<(), Failure> {
        let mut transaction = self.connection.begin().await?;
        self.fold.view.apply(&mut transaction, Schema::Next, events).await?;
        transaction.commit().await?;
        Ok(())
    }
}

#[async_trait]
impl Sink for Shadow<'_> {
    async fn write(&mut self, part: &Part) -> Result<Moved, Failure> {
        let (apply, wait) = sort_out(&*self.fold.view, &mut self.fold.parked, &part.events)?;
        let until = Instant::now() + PATIENCE;
        let mut backoff = Backoff::new(PAUSES);
        while let Err(failure) = self.apply(&apply).await {
            // What has taken hours is not given up for a disk that is full for a minute. With the connection, all is
            // lost.
            let answered =
                matches!(&failure, Failure::Database(error) if error.as_database_error().is_some());
            if fault(&failure).is_permanent() || !answered || Instant::now() > until {
                return Err(failure);
            }
            self.fold.view.rolled_back();
            backoff.wait().await;
        }
        self.fold.view.committed();
        let waits = wait.into_iter().map(|(event, keys)| (event, keys, WAITS_BEHIND.to_owned()));
        let culprits = part.culprits.iter();
        let culprits =
            culprits.map(|(event, why)| (event.clone(), keys_of(&*self.fold.view, event), why.clone()));
        for (event, keys, reason) in waits.chain(culprits.collect::<Vec<_>>()) {
            self.fold.waiting.insert(event.position, Waiting { event, keys, reason });
        }
        Ok(Moved::Yes)
    }

    fn rolled_back(&mut self) {
        self.fold.view.rolled_back();
    }

    fn hold(&mut self, culprit: &Recorded) {
        let keys = keys_of(&*self.fold.view, culprit);
        self.fold.parked.hold(&keys, culprit.position);
    }
}
