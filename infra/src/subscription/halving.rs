//! Halving: what becomes of a batch that cannot be written, for live read models and rebuilds alike.
//!
//! Whose failure it is, `commands::fault` says. What is not the events' own ends the writing: the caller waits, and
//! begins again. What is, is laid to one event: the one that the failure names, or the one that is left when the
//! batch is halved again and again, and that fails alone as often as `TRIES` says. That one is parked (dead-lettered),
//! and the others go on. So it makes no difference how events fall into batches.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use commands::{Backoff, Fault};
use domain::kernel::Recorded;
use projections::Failure;
use tokio_util::sync::CancellationToken;

use super::checkpoint::Moved;

/// How often an event that the database refuses is tried alone before it is parked.
pub(super) const TRIES: u32 = 5;
/// How long to wait between these, the first and the last time.
pub(super) const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// Some of a batch's events: written together.
pub(super) struct Part {
    pub events: Vec<Arc<Recorded>>,
    /// Where the checkpoint is once they are written.
    pub upto: i64,
    /// Events that cannot be applied, and why: parked with them.
    pub culprits: Vec<(Arc<Recorded>, String)>,
}

/// What is written to.
#[async_trait]
pub(super) trait Sink: Send {
    /// Writes a part whole, or nothing of it.
    async fn write(&mut self, part: &Part) -> Result<Moved, Failure>;
    /// Nothing of it was written.
    fn rolled_back(&mut self);
    /// From now on, what is about the same as this event waits behind it.
    fn hold(&mut self, culprit: &Recorded);
}

/// Writes events in their order, the checkpoint going up to `upto`, or to the last event of each half if `forward`.
///
/// # Errors
/// What is not the events' own: begin again later. Or once told to stop.
pub(super) async fn write(
    sink: &mut impl Sink,
    events: Vec<Arc<Recorded>>,
    upto: i64,
    forward: bool,
    stop: &CancellationToken,
) -> Result<Moved, anyhow::Error> {
    let mut parts = vec![Part { events, upto, culprits: Vec::new() }];
    let (mut tries, mut backoff) = (0, Backoff::new(PAUSES));
    while let Some(mut part) = parts.pop() {
        let failure = match sink.write(&part).await {
            Ok(Moved::Yes) => {
                tries = 0;
                backoff.reset();
                continue;
            }
            Ok(Moved::Void) => {
                sink.rolled_back();
                return Ok(Moved::Void);
            }
            Err(failure) => failure,
        };
        sink.rolled_back();
        if let Failure::Event { position, reason } = &failure
            && let Some(place) = part.events.iter().position(|event| event.position == *position)
        {
            part.blame(sink, place, reason.to_string());
            parts.push(part);
            continue;
        }
        let fault = fault(&failure);
        if !fault.is_permanent() || part.events.is_empty() {
            return Err(failure.into());
        }
        if part.events.len() > 1 {
            tracing::debug!(events = part.events.len(), %fault, "a batch is halved");
            parts.extend(part.halves(forward));
            continue;
        }
        tries += 1;
        if tries < TRIES {
            tokio::select! {
                () = stop.cancelled() => return Err(failure.into()),
                () = backoff.wait() => {}
            }
        } else {
            tries = 0;
            backoff.reset();
            part.blame(sink, 0, fault.to_string());
        }
        parts.push(part);
    }
    Ok(Moved::Yes)
}

/// Whose failure it is.
pub(super) fn fault(failure: &Failure) -> Fault {
    match failure {
        Failure::Event { .. } | Failure::Totals(_) => Fault::coded("panic"),
        Failure::Json(_) => Fault::coded("encode"),
        Failure::Database(error) => error.into(),
    }
}

impl Part {
    /// Parks one of its events, which is no longer among those to be applied.
    fn blame(&mut self, sink: &mut impl Sink, place: usize, reason: String) {
        let culprit = self.events.remove(place);
        sink.hold(&culprit);
        self.culprits.push((culprit, reason));
    }

    /// Itself in two, the later half first. The checkpoint of the earlier goes up to its last event, unless the
    /// events lie behind the checkpoint anyway.
    fn halves(self, forward: bool) -> [Self; 2] {
        let (first, second) = self.events.split_at(self.events.len() / 2);
        let middle = first.last().filter(|_| forward).map_or(self.upto, |event| event.position);
        [
            Self { events: second.to_vec(), upto: self.upto, culprits: Vec::new() },
            Self { events: first.to_vec(), upto: middle, culprits: self.culprits },
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::commerce::cart::{Cart, CartEvent};
    use domain::money::Currency;
    use projections::Unfoldable;

    /// Refuses some events; remembers what it has taken, what waits, and each attempt at one event alone.
    #[derive(Default)]
    struct Tables {
        /// Refused by the database, which does not say why.
        refused: Vec<i64>,
        /// Refused by the fold, which does.
        unfoldable: Vec<i64>,
        /// How often the database is short of something first.
        short: u32,
        taken: Vec<i64>,
        parked: Vec<i64>,
        alone: Vec<i64>,
        held: Vec<i64>,
        upto: i64,
    }

    #[async_trait]
    impl Sink for Tables {
        async fn write(&mut self, part: &Part) -> Result<Moved, Failure> {
            let positions: Vec<i64> = part.events.iter().map(|event| event.position).collect();
            if let [only] = positions.as_slice() {
                self.alone.push(*only);
            }
            if self.short > 0 {
                self.short -= 1;
                return Err(Failure::Database(sqlx::Error::PoolTimedOut));
            }
            if let Some(position) = positions.iter().copied().find(|at| self.unfoldable.contains(at)) {
                return Err(Failure::Event { position, reason: Unfoldable::OutOfRange });
            }
            if positions.iter().any(|at| self.refused.contains(at)) {
                return Err(Failure::Database(sqlx::Error::Encode("it does not fit".into())));
            }
            self.taken.extend(positions);
            self.parked.extend(part.culprits.iter().map(|(event, _)| event.position));
            assert!(part.upto >= self.upto, "a checkpoint goes forward");
            self.upto = part.upto;
            Ok(Moved::Yes)
        }

        fn rolled_back(&mut self) {}

        fn hold(&mut self, culprit: &Recorded) {
            self.held.push(culprit.position);
        }
    }

    fn events(positions: impl IntoIterator<Item = i64>) -> Vec<Arc<Recorded>> {
        let opened = CartEvent::Opened { currency: Currency::USD, customer: None };
        let event = |at| Arc::new(Recorded::example::<Cart>("cart", &opened).numbered(at));
        positions.into_iter().map(event).collect()
    }

    async fn write_all(tables: &mut Tables, sizes: usize) -> Result<(), anyhow::Error> {
        let all: Vec<i64> = (1..=20).collect();
        for batch in all.chunks(sizes) {
            let upto = batch[batch.len() - 1];
            write(tables, events(batch.iter().copied()), upto, true, &CancellationToken::new()).await?;
        }
        Ok(())
    }

    #[tokio::test]
    async fn the_same_events_are_parked_however_they_fall_into_batches() {
        for sizes in [1, 2, 3, 7, 20] {
            let mut tables = Tables { refused: vec![4, 5, 13], unfoldable: vec![9, 20], ..Tables::default() };
            write_all(&mut tables, sizes).await.unwrap();
            let others: Vec<i64> = (1..=20).filter(|at| ![4, 5, 9, 13, 20].contains(at)).collect();
            assert_eq!(tables.taken, others, "in batches of {sizes}");
            tables.parked.sort_unstable();
            assert_eq!(tables.parked, [4, 5, 9, 13, 20], "in batches of {sizes}");
            tables.held.sort_unstable();
            assert_eq!(tables.held, tables.parked);
            assert_eq!(tables.upto, 20);
        }
    }

    #[tokio::test]
    async fn an_event_is_tried_alone_five_times_and_one_that_is_named_not_again() {
        let mut tables = Tables { refused: vec![4], unfoldable: vec![9], ..Tables::default() };
        write_all(&mut tables, 20).await.unwrap();
        assert_eq!(tables.alone.iter().filter(|at| **at == 4).count(), TRIES as usize);
        assert!(!tables.alone.contains(&9));
    }

    #[tokio::test]
    async fn what_is_not_the_events_own_is_told_and_parks_nothing() {
        let mut tables = Tables { short: 1, refused: vec![4], ..Tables::default() };
        let error = write_all(&mut tables, 20).await.unwrap_err();
        assert_eq!(Fault::of(&*error).code(), "pool");
        assert!(tables.taken.is_empty() && tables.parked.is_empty() && tables.held.is_empty());
        write_all(&mut tables, 20).await.unwrap();
        assert_eq!(tables.parked, [4]);
    }

    #[tokio::test]
    async fn told_to_stop_it_does_not_go_on_trying() {
        let stop = CancellationToken::new();
        stop.cancel();
        let mut tables = Tables { refused: vec![1], ..Tables::default() };
        assert!(write(&mut tables, events([1]), 1, true, &stop).await.is_err());
        assert_eq!(tables.alone, [1]);
    }
}
