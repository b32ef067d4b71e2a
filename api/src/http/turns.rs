//! Turns: concurrent requests with the same idempotency key are serialised.
//!
//! The log would answer the second from the first anyway; here it waits for a while and is then told that the
//! first is still being worked on. Other processes' requests are not seen: for these the log is there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use sha2::{Digest, Sha256};
use tokio::sync::OwnedMutexGuard;

use crate::extract::IDEMPOTENCY_KEY;

type Place = [u8; 32];

/// Who has a turn, by what they show and the key they use.
#[derive(Debug, Clone, Default)]
pub struct Turns(Arc<Mutex<HashMap<Place, Arc<tokio::sync::Mutex<()>>>>>);

/// A turn; the next one's begins when it is dropped.
#[derive(Debug)]
pub struct Turn {
    turns: Turns,
    place: Place,
    held: Option<OwnedMutexGuard<()>>,
}

impl Turns {
    /// Waits until it is this request's turn; `None` if that takes too long.
    pub async fn wait(&self, headers: &HeaderMap, at_most: Duration) -> Option<Turn> {
        let mut hash = Sha256::new();
        for name in [&AUTHORIZATION, &IDEMPOTENCY_KEY] {
            let value = headers.get(name).map_or(&[][..], |value| value.as_bytes());
            hash.update((value.len() as u64).to_be_bytes());
            hash.update(value);
        }
        let place: Place = hash.finalize().into();
        let lock = self.0.lock().expect("no holder of the turns panics").entry(place).or_default().clone();
        // Made before waiting, so that one who goes away while waiting leaves nothing behind.
        let mut turn = Turn { turns: self.clone(), place, held: None };
        turn.held = Some(tokio::time::timeout(at_most, lock.lock_owned()).await.ok()?);
        Some(turn)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        drop(self.held.take());
        let mut turns = self.turns.0.lock().expect("no holder of the turns panics");
        if turns.get(&self.place).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            turns.remove(&self.place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(key: &str) -> HeaderMap {
        [(IDEMPOTENCY_KEY, key.parse().unwrap())].into_iter().collect()
    }

    #[tokio::test]
    async fn one_key_has_one_turn_and_leaves_nothing_behind() {
        let (turns, moment) = (Turns::default(), Duration::from_millis(5));
        let first = turns.wait(&headers("a"), moment).await;
        assert!(first.is_some());
        assert!(turns.wait(&headers("a"), moment).await.is_none());
        assert!(turns.wait(&headers("b"), moment).await.is_some());
        drop(first);
        assert!(turns.wait(&headers("a"), moment).await.is_some());
        assert!(turns.0.lock().unwrap().is_empty());
    }
}
