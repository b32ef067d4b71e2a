//! Watch: keeps what this process remembers of people true.
//!
//! What somebody may do follows from aggregates that stay in memory (`commands::access`). Other processes write to them
//! too, so the log is followed, and what is behind it is read again before it is used. Who has not heard the log for
//! five seconds does not know what was revoked, and lets nobody in.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use commands::access::FOLLOWS_FROM;
use domain::kernel::Recorded;
use tokio_util::sync::CancellationToken;

use crate::log::Log;

/// How long the log may be silent.
pub const FRESH: Duration = Duration::from_secs(5);
/// Events that are taken in at once.
const PAGE: usize = 500;
/// How long an event is told again: who had read an aggregate before it may have kept it afterwards. Longer than any
/// request takes.
const TOLD_AGAIN: Duration = Duration::from_secs(20);
/// How often.
const EVERY: Duration = Duration::from_millis(500);

/// Follows the log from its end until told to stop.
pub async fn watch(log: Log, stop: CancellationToken) {
    let mut reader = log.reader(log.tail(), PAGE);
    let mut recent: VecDeque<(Instant, &'static str, Arc<Recorded>)> = VecDeque::new();
    let mut tick = tokio::time::interval(EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {
                while recent.front().is_some_and(|(heard, ..)| heard.elapsed() > TOLD_AGAIN) {
                    recent.pop_front();
                }
                recent.iter().for_each(|(_, name, event)| log.store().heard(name, event));
            }
            events = reader.next() => match events {
                Ok(events) => {
                    for event in events {
                        let ours = FOLLOWS_FROM.into_iter().find(|name| *name == event.aggregate_type);
                        let Some(name) = ours else { continue };
                        log.store().heard(name, &event);
                        recent.push_back((Instant::now(), name, event));
                    }
                }
                // The log says so itself, and is stale meanwhile.
                Err(_) => tokio::time::sleep(EVERY).await,
            },
        }
    }
}
