//! Known: what processes of this host have answered beside the log, so that they need not be asked again.
//!
//! It is only ever known too little, never too much: what is forgotten is answered once more, with the same command
//! ids, and happens once.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use uuid::Uuid;

/// How much is remembered at least.
const REMEMBERED: usize = 50_000;

/// What the processes that are followed here have answered.
#[derive(Debug, Default)]
pub struct Known(Mutex<HashMap<&'static str, Answered>>);

/// What one process has answered since it is followed.
#[derive(Debug, Default)]
struct Answered {
    /// Of which streams it has answered all up to which sequence.
    upto: Recent<String, i64>,
    /// Events that were answered with what they came of.
    events: Recent<Uuid, ()>,
}

impl Known {
    /// A process is followed here, from its checkpoint on.
    pub(super) fn begin(&self, process: &'static str) {
        self.lock().insert(process, Answered::default());
    }

    /// It is not followed here any more.
    pub(super) fn end(&self, process: &str) {
        self.lock().remove(process);
    }

    /// A process has answered all of a stream up to a sequence.
    pub(super) fn answered(&self, process: &str, stream: String, sequence: i64) {
        if let Some(answered) = self.lock().get_mut(process) {
            let before = answered.upto.get(&stream).unwrap_or_default();
            answered.upto.insert(stream, sequence.max(before));
        }
    }

    /// Whether a process may answer the next event of a stream: it is followed here, and has answered all before it.
    pub(super) fn is_next(&self, process: &str, stream: &String, sequence: i64) -> bool {
        self.lock().get(process).is_some_and(|answered| {
            sequence == 1 || answered.upto.get(stream).is_some_and(|upto| upto == sequence - 1)
        })
    }

    /// A process answers an event by the append that the event comes with: told before it is there to be read.
    pub(super) fn answers(&self, process: &str, event: Uuid) {
        if let Some(answered) = self.lock().get_mut(process) {
            answered.events.insert(event, ());
        }
    }

    /// Whether an event of the log was answered like that.
    pub(super) fn was_answered(&self, process: &str, event: Uuid) -> bool {
        self.lock().get_mut(process).is_some_and(|answered| answered.events.take(&event))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<&'static str, Answered>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was inserted last: the older half is forgotten once there is enough that is younger.
#[derive(Debug)]
struct Recent<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self { young: HashMap::new(), old: HashMap::new() }
    }
}

impl<K: Hash + Eq, V: Copy> Recent<K, V> {
    fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= REMEMBERED {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }

    fn get(&self, key: &K) -> Option<V> {
        self.young.get(key).or_else(|| self.old.get(key)).copied()
    }

    fn take(&mut self, key: &K) -> bool {
        self.young.remove(key).or_else(|| self.old.remove(key)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_goes_on_where_it_has_answered_all_before() {
        let (known, stream) = (Known::default(), "a/b/c".to_owned());
        assert!(!known.is_next("p", &stream, 1), "it is not followed");
        known.begin("p");
        assert!(known.is_next("p", &stream, 1));
        assert!(!known.is_next("p", &stream, 3));
        known.answered("p", stream.clone(), 2);
        assert!(known.is_next("p", &stream, 3));
        known.answered("p", stream.clone(), 1);
        assert!(known.is_next("p", &stream, 3), "it does not go back");
        known.begin("p");
        assert!(!known.is_next("p", &stream, 3), "it has begun anew");
    }

    #[test]
    fn what_was_answered_with_what_it_came_of_is_told_once() {
        let (known, event) = (Known::default(), Uuid::from_u128(1));
        known.begin("p");
        known.answers("p", event);
        assert!(!known.was_answered("q", event));
        assert!(known.was_answered("p", event));
        assert!(!known.was_answered("p", event));
    }

    #[test]
    fn what_is_old_is_forgotten() {
        let mut recent = Recent::default();
        (0..3 * REMEMBERED).for_each(|n| recent.insert(n, ()));
        assert_eq!((recent.get(&0), recent.get(&(3 * REMEMBERED - 1))), (None, Some(())));
        assert!(recent.young.len() + recent.old.len() <= 2 * REMEMBERED);
    }
}
