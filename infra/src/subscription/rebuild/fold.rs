//! Fold: a view over the whole log, into the shadow tables, with the parking that the live view has.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::kernel::Recorded;
use projections::{Failure, Projector, Schema};
use sqlx::{Connection, PgConnection};

use crate::subscription::batch::{TRIES, WAITS_BEHIND, keys_of, sort_out};
use crate::subscription::parked::Parked;

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
    pub async fn take_in(
        &mut self,
        connection: &mut PgConnection,
        events: Vec<Arc<Recorded>>,
        upto: i64,
    ) -> anyhow::Result<()> {
        self.events += events.len() as u64;
        let (mut parts, mut tries) = (vec![events], 0);
        while let Some(events) = parts.pop() {
            let failure = match self.write(connection, &events).await {
                Ok(()) => {
                    tries = 0;
                    continue;
                }
                Err(failure) => failure,
            };
            self.view.rolled_back();
            match failure {
                Failure::Event { position, reason } => {
                    let (culprit, others): (Vec<_>, _) =
                        events.into_iter().partition(|event| event.position == position);
                    culprit.into_iter().for_each(|culprit| self.park(culprit, reason.to_string()));
                    parts.push(others);
                }
                Failure::Database(error) if error.as_database_error().is_none() => return Err(error.into()),
                failure => match events.as_slice() {
                    [] => return Err(failure.into()),
                    [culprit] if tries == TRIES => self.park(culprit.clone(), failure.to_string()),
                    [_] => {
                        tries += 1;
                        parts.push(events);
                    }
                    _ => {
                        let (first, second) = events.split_at(events.len() / 2);
                        parts.extend([second.to_vec(), first.to_vec()]);
                    }
                },
            }
        }
        self.position = upto;
        Ok(())
    }

    async fn write(
        &mut self,
        connection: &mut PgConnection,
        events: &[Arc<Recorded>],
    ) -> Result<(), Failure> {
        let (apply, wait) = sort_out(&*self.view, &mut self.parked, events)?;
        let mut transaction = connection.begin().await?;
        self.view.apply(&mut transaction, Schema::Next, &apply).await?;
        transaction.commit().await?;
        self.view.committed();
        for (event, keys) in wait {
            let reason = WAITS_BEHIND.to_owned();
            self.waiting.insert(event.position, Waiting { event, keys, reason });
        }
        Ok(())
    }

    fn park(&mut self, event: Arc<Recorded>, reason: String) {
        let keys = keys_of(&*self.view, &event);
        self.parked.hold(&keys, event.position);
        self.waiting.insert(event.position, Waiting { event, keys, reason });
    }
}
