//! Places: how many connections there may be, in all and of one address.
//!
//! An idle connection is kept alive only if fewer than half of all slots, and of its address's, were taken when it
//! came: so idle connections never hold more than half.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};

/// Counts the connections of each address.
#[derive(Debug, Clone)]
pub struct Places {
    taken: Arc<Mutex<Taken>>,
    most: usize,
    most_per_peer: usize,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by: HashMap<IpAddr, usize>,
}

/// One connection's place; free again when dropped.
#[derive(Debug)]
pub struct Place {
    places: Places,
    pub peer: IpAddr,
    /// Whether it may be kept while nothing is asked.
    pub may_be_kept: bool,
}

impl Places {
    pub fn new(most: usize, most_per_peer: usize) -> Self {
        Self { taken: Arc::default(), most, most_per_peer }
    }

    /// A place for one more connection, if there is one left for this address.
    pub fn take(&self, peer: IpAddr) -> Option<Place> {
        let mut taken = self.taken();
        let (all, by_peer) = (taken.all, taken.by.get(&peer).copied().unwrap_or_default());
        if all >= self.most || by_peer >= self.most_per_peer {
            return None;
        }
        taken.all += 1;
        taken.by.insert(peer, by_peer + 1);
        let may_be_kept = all < self.most.div_ceil(2) && by_peer < self.most_per_peer.div_ceil(2);
        Some(Place { places: self.clone(), peer, may_be_kept })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().expect("no holder of the counts panics")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.all -= 1;
        if let Some(count) = taken.by.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                taken.by.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

    #[test]
    fn an_address_has_its_share_and_no_more() {
        let places = Places::new(9, 2);
        let first = places.take(ONE);
        let second = places.take(ONE);
        assert!(first.is_some() && second.is_some());
        assert!(places.take(ONE).is_none());
        assert!(places.take(OTHER).is_some());
        drop(first);
        assert!(places.take(ONE).is_some());
        drop(second);
        let taken = places.taken();
        assert!(taken.by.is_empty() && taken.all == 0);
    }

    #[test]
    fn all_together_have_no_more_than_there_are() {
        let places = Places::new(2, 2);
        let held = [places.take(ONE), places.take(OTHER)];
        assert!(held.iter().all(Option::is_some));
        assert!(places.take(OTHER).is_none());
        drop(held);
        assert!(places.take(OTHER).is_some());
    }

    #[test]
    fn half_of_the_places_may_be_kept_idle() {
        let places = Places::new(6, 4);
        let kept = |place: &Option<Place>| place.as_ref().unwrap().may_be_kept;
        let ones = [places.take(ONE), places.take(ONE), places.take(ONE)];
        assert_eq!(ones.each_ref().map(kept), [true, true, false]);
        assert!(!kept(&places.take(OTHER)), "half of all are taken");
        drop(ones);
        assert!(kept(&places.take(OTHER)));
    }
}
