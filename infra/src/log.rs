//! Log: the event log as this process follows it.
//!
//! One task reads what is new, once, for everybody who follows; the newest events stay in a bounded window, each
//! parsed at most once. Subscribers that are behind the window read from
//! the database.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use commands::{Backoff, Error, EventStore, Result};
use domain::kernel::Recorded;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// Events that are read at once.
const PAGE: i64 = 2_000;
/// The window's bounds.
const WINDOW_EVENTS: usize = 8_000;
const WINDOW_BYTES: usize = 8 << 20;
/// How often others' appends are looked for: often while there are some, seldom while there are none.
const LOOK_AGAIN: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(50));

/// The log, followed. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Log {
    store: EventStore,
    window: Arc<Mutex<Window>>,
    tail: watch::Receiver<i64>,
    /// When the log was last read, with or without anything new in it.
    heard: Arc<Mutex<Instant>>,
}

#[derive(Debug, Default)]
struct Window {
    events: VecDeque<Arc<Recorded>>,
    bytes: usize,
}

/// Reads the log from a position on.
pub struct Reader {
    log: Log,
    position: i64,
    limit: usize,
    under_way: Option<AbortOnDropHandle<Result<Vec<Arc<Recorded>>>>>,
}

impl Reader {
    /// The next events: at least one; waits for it.
    ///
    /// Who looks at something else meanwhile (`select!`) loses nothing: what is under way goes on with the next call.
    /// Begun anew each time, a read that takes longer than whatever comes between would never end.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub async fn next(&mut self) -> Result<Vec<Arc<Recorded>>> {
        let under_way = self.under_way.get_or_insert_with(|| {
            let (log, position, limit) = (self.log.clone(), self.position, self.limit);
            // A task of its own: it has a connection, and who looks at something else may wait for one.
            AbortOnDropHandle::new(tokio::spawn(async move { log.after(position, limit).await }))
        });
        let read = under_way.await;
        self.under_way = None;
        let events = read.map_err(Error::failed)??;
        self.position = events.last().map_or(self.position, |last| last.position);
        Ok(events)
    }
}

impl Log {
    /// Follows the store's log until told to stop.
    ///
    /// # Errors
    /// If the log's end cannot be read at first.
    pub async fn follow(store: EventStore, stop: CancellationToken) -> Result<Self> {
        let head = store.head().await?;
        let (moved, tail) = watch::channel(head);
        let heard = Arc::new(Mutex::new(Instant::now()));
        let log = Self { store, window: Arc::default(), tail, heard };
        tokio::spawn(log.clone().run(head, moved, stop));
        Ok(log)
    }

    /// The log's end as far as this process has read.
    #[must_use]
    pub fn tail(&self) -> i64 {
        *self.tail.borrow()
    }

    /// Whether the log was read within this time, so that nothing older is unknown here.
    #[must_use]
    pub fn is_heard(&self, within: Duration) -> bool {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).elapsed() < within
    }

    #[must_use]
    pub fn store(&self) -> &EventStore {
        &self.store
    }

    /// Reads on from a position, at most so many events at once.
    #[must_use]
    pub fn reader(&self, position: i64, limit: usize) -> Reader {
        Reader { log: self.clone(), position, limit, under_way: None }
    }

    async fn after(&self, position: i64, limit: usize) -> Result<Vec<Arc<Recorded>>> {
        let mut tail = self.tail.clone();
        loop {
            // The sender lives as long as the following; once it is gone nobody waits for events.
            if tail.wait_for(|&tail| tail > position).await.is_err() {
                std::future::pending::<()>().await;
            }
            if let Some(events) = self.recent(position, limit) {
                return Ok(events);
            }
            let limit = i64::try_from(limit).unwrap_or(i64::MAX).min(PAGE);
            let events = self.store.read(position, limit).await?;
            if !events.is_empty() {
                return Ok(events.into_iter().map(Arc::new).collect());
            }
        }
    }

    fn recent(&self, position: i64, limit: usize) -> Option<Vec<Arc<Recorded>>> {
        let window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let first = window.events.front()?.position;
        let skip = usize::try_from(position + 1 - first).ok()?;
        let events: Vec<_> = window.events.iter().skip(skip).take(limit).cloned().collect();
        (!events.is_empty()).then_some(events)
    }

    async fn run(self, mut last: i64, moved: watch::Sender<i64>, stop: CancellationToken) {
        let mut newest = self.store.newest();
        let mut backoff = Backoff::new(LOOK_AGAIN);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                seen = newest.wait_for(|&newest| newest > last) => {
                    if seen.is_err() {
                        return;
                    }
                }
                () = backoff.wait() => {}
            }
            let asked = Instant::now();
            let read = self.store.read(last, PAGE).await;
            if read.is_ok() {
                *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = asked;
            }
            match read {
                Ok(events) if events.is_empty() => {}
                Ok(events) => {
                    backoff.reset();
                    last += i64::try_from(events.len()).unwrap_or_default();
                    self.take_in(events);
                    moved.send_replace(last);
                }
                Err(error) => {
                    tracing::warn!(error = %error, "the log cannot be read; trying again");
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = tokio::time::sleep(Duration::from_millis(500)) => {}
                    }
                }
            }
        }
    }

    fn take_in(&self, events: Vec<Recorded>) {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        for event in events {
            window.bytes += event.payload.len() + event.metadata.len();
            window.events.push_back(Arc::new(event));
        }
        while window.events.len() > WINDOW_EVENTS || window.bytes > WINDOW_BYTES {
            let Some(oldest) = window.events.pop_front() else { break };
            window.bytes -= oldest.payload.len() + oldest.metadata.len();
        }
    }
}
