//! Guesses: how often somebody may be wrong about who they are.
//!
//! Counted are tries that came to nothing: for an account from one network, from a network, for an account, and in all.
//! A network that an account's owner has lately come in from is known: there only its own two counts hold, so a storm of
//! guesses from elsewhere keeps nobody out of their own account. From anywhere else a link by mail is the way in.
//! Each count is a bucket that drains steadily. Nothing here outlives the process, and each process counts for itself.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::ids::WorkspaceId;
use moka::ops::compute::Op;
use moka::sync::Cache;

use crate::error::{Error, Result};

/// Where somebody comes from: an IPv4 address, or the /64 that an IPv6 address is in, which one household has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network(IpAddr);

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
            address => address,
        })
    }
}

/// How many may come at once, and how long it is until one more may.
#[derive(Debug, Clone, Copy)]
struct Limit {
    at_once: i32,
    pause: TimeDelta,
}

const OF_ONE_FROM_ONE: Limit = Limit { at_once: 10, pause: TimeDelta::seconds(30) };
const FROM_ONE: Limit = Limit { at_once: 100, pause: TimeDelta::seconds(6) };
const OF_ONE: Limit = Limit { at_once: 100, pause: TimeDelta::minutes(1) };
/// Codes are short: who knows a password tries 120 of a million a day.
const CODES_OF_ONE: Limit = Limit { at_once: 10, pause: TimeDelta::minutes(12) };
const OF_ALL: Limit = Limit { at_once: 1_000, pause: TimeDelta::milliseconds(100) };
/// Mails that somebody may have sent who has not said who they are.
const MAILS: Limit = Limit { at_once: 30, pause: TimeDelta::minutes(1) };
const ALL_MAILS: Limit = Limit { at_once: 1_000, pause: TimeDelta::milliseconds(200) };

/// Invitations that a workspace may have sent.
const INVITATIONS: Limit = Limit { at_once: 100, pause: TimeDelta::minutes(1) };

/// Counts and known networks that are remembered, at most; and for how long. Each bucket has drained by then.
const MOST: u64 = 200_000;
const DRAINED: Duration = Duration::from_secs(2 * 60 * 60);
const KNOWN: Duration = Duration::from_secs(30 * 24 * 60 * 60);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Of {
    OneFromOne(String, Network),
    One(String),
    From(Network),
    All,
    Mails(Network),
    AllMails,
    Invitations(WorkspaceId),
}

/// Counts what came to nothing. Cheap to clone; clones count together.
#[derive(Debug, Clone)]
pub struct Guesses {
    /// When each bucket will have drained.
    buckets: Cache<Of, DateTime<Utc>>,
    known: Cache<(String, Network), ()>,
}

impl Default for Guesses {
    fn default() -> Self {
        Self {
            buckets: Cache::builder().max_capacity(MOST).time_to_idle(DRAINED).build(),
            known: Cache::builder().max_capacity(MOST).time_to_live(KNOWN).build(),
        }
    }
}

/// A try under way: it counts as one that came to nothing, unless it says otherwise.
#[must_use]
pub struct Try<'a> {
    guesses: &'a Guesses,
    who: String,
    network: Network,
    taken: Vec<(Of, Limit)>,
}

impl Guesses {
    /// Lets somebody try to be `who` (an account, or what an address without one is found by).
    ///
    /// # Errors
    /// [`Error::TooMany`].
    pub fn begin(&self, who: &str, network: Network, now: DateTime<Utc>) -> Result<Try<'_>> {
        self.begin_within(who, OF_ONE, network, now)
    }

    /// Lets somebody who knows an account's password try a code of its second factor. Where its owner has come in from
    /// by a password alone they are not known.
    ///
    /// # Errors
    /// [`Error::TooMany`].
    pub fn begin_code(&self, who: &str, network: Network, now: DateTime<Utc>) -> Result<Try<'_>> {
        self.begin_within(&format!("code of {who}"), CODES_OF_ONE, network, now)
    }

    fn begin_within(
        &self,
        who: &str,
        of_one: Limit,
        network: Network,
        now: DateTime<Utc>,
    ) -> Result<Try<'_>> {
        let mut limits =
            vec![(Of::OneFromOne(who.to_owned(), network), OF_ONE_FROM_ONE), (Of::From(network), FROM_ONE)];
        if !self.known.contains_key(&(who.to_owned(), network)) {
            limits.extend([(Of::One(who.to_owned()), of_one), (Of::All, OF_ALL)]);
        }
        let taken = self.take(limits, now)?;
        Ok(Try { guesses: self, who: who.to_owned(), network, taken })
    }

    /// Lets somebody have a mail sent.
    ///
    /// # Errors
    /// [`Error::TooMany`].
    pub fn mail(&self, network: Network, now: DateTime<Utc>) -> Result<()> {
        self.take(vec![(Of::Mails(network), MAILS), (Of::AllMails, ALL_MAILS)], now).map(|_| ())
    }

    /// Lets a workspace have an invitation sent.
    ///
    /// # Errors
    /// [`Error::TooMany`].
    pub fn invitation(&self, workspace: WorkspaceId, now: DateTime<Utc>) -> Result<()> {
        self.take(vec![(Of::Invitations(workspace), INVITATIONS), (Of::AllMails, ALL_MAILS)], now).map(|_| ())
    }

    /// Somebody has shown otherwise that this account is theirs, coming from there.
    pub fn know(&self, who: &str, network: Network) {
        self.known.insert((who.to_owned(), network), ());
        self.buckets.invalidate(&Of::OneFromOne(who.to_owned(), network));
    }

    /// One of each, or none.
    fn take(&self, limits: Vec<(Of, Limit)>, now: DateTime<Utc>) -> Result<Vec<(Of, Limit)>> {
        let mut taken = Vec::with_capacity(limits.len());
        for (of, limit) in limits {
            if let Err(wait) = self.take_one(&of, limit, now) {
                self.give_back(taken);
                return Err(Error::TooMany { wait });
            }
            taken.push((of, limit));
        }
        Ok(taken)
    }

    fn take_one(&self, of: &Of, limit: Limit, now: DateTime<Utc>) -> Result<(), TimeDelta> {
        let mut answer = Ok(());
        self.buckets.entry_by_ref(of).and_compute_with(|bucket| {
            let drained = bucket.map_or(now, |bucket| now.max(bucket.into_value()));
            let full = drained - limit.pause * (limit.at_once - 1);
            if full > now {
                answer = Err(full - now);
                return Op::Nop;
            }
            Op::Put(drained + limit.pause)
        });
        answer
    }

    fn give_back(&self, taken: Vec<(Of, Limit)>) {
        for (of, limit) in taken {
            self.buckets.entry(of).and_compute_with(|bucket| match bucket {
                Some(bucket) => Op::Put(bucket.into_value() - limit.pause),
                None => Op::Nop,
            });
        }
    }
}

impl Try<'_> {
    /// They are who they say.
    pub fn was_right(mut self) {
        self.guesses.give_back(std::mem::take(&mut self.taken));
        self.guesses.know(&self.who, self.network);
    }

    /// Nobody looked whether they are.
    pub fn came_to_nothing(mut self) {
        self.guesses.give_back(std::mem::take(&mut self.taken));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JANE: &str = "acc_jane";

    fn from(last: u8) -> Network {
        IpAddr::from([203, 0, 113, last]).into()
    }

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
    }

    fn wrong(guesses: &Guesses, who: &str, network: Network, second: i64) -> bool {
        guesses.begin(who, network, at(second)).is_ok()
    }

    fn wait(guesses: &Guesses, who: &str, network: Network, second: i64) -> i64 {
        match guesses.begin(who, network, at(second)) {
            Err(Error::TooMany { wait }) => wait.num_seconds(),
            _ => 0,
        }
    }

    #[test]
    fn who_is_wrong_again_and_again_waits_and_may_try_once_more_at_a_time() {
        let guesses = Guesses::default();
        assert!((0..10).all(|_| wrong(&guesses, JANE, from(1), 0)));
        assert_eq!(wait(&guesses, JANE, from(1), 0), 30);
        assert_eq!(wait(&guesses, JANE, from(1), 29), 1);
        assert!(wrong(&guesses, JANE, from(1), 30));
        assert!(!wrong(&guesses, JANE, from(1), 30));
        assert!(wrong(&guesses, JANE, from(2), 30), "elsewhere it is another count");
        assert!((0..10).all(|_| wrong(&guesses, JANE, from(1), 30 + 300)));
    }

    #[test]
    fn who_is_right_counts_for_nothing() {
        let guesses = Guesses::default();
        for _ in 0..1_000 {
            guesses.begin(JANE, from(1), at(0)).unwrap().was_right();
            guesses.begin(JANE, from(1), at(0)).unwrap().came_to_nothing();
        }
        assert!((0..10).all(|_| wrong(&guesses, JANE, from(1), 0)));
    }

    #[test]
    fn a_storm_from_everywhere_keeps_the_owner_out_of_nothing_where_they_are_known() {
        let guesses = Guesses::default();
        guesses.begin(JANE, from(200), at(0)).unwrap().was_right();
        let tried = (0..100).flat_map(|last| (0..100).map(move |_| last));
        let looked_at = tried.filter(|last| wrong(&guesses, JANE, from(*last), 0)).count();
        assert_eq!(looked_at, 100);
        assert!(!wrong(&guesses, JANE, from(201), 0), "from where nobody knows them");
        guesses.begin(JANE, from(200), at(0)).unwrap().was_right();
        guesses.know(JANE, from(201));
        guesses.begin(JANE, from(201), at(0)).unwrap().was_right();
    }

    #[test]
    fn nobody_tries_many_accounts_from_one_place_nor_all_from_many() {
        let guesses = Guesses::default();
        let tried = (0..500).filter(|n| wrong(&guesses, &format!("acc_{n}"), from(1), 0)).count();
        assert_eq!(tried, 100);
        let tried = (0..5_000).filter(|n| {
            let network = IpAddr::from([198, 51, (n / 250) as u8, (n % 250) as u8]).into();
            wrong(&guesses, &format!("acc_{n}"), network, 0)
        });
        assert_eq!(tried.count(), 900);
    }

    #[test]
    fn codes_are_tried_ten_times_and_then_five_times_an_hour_wherever_one_comes_from() {
        let guesses = Guesses::default();
        guesses.begin(JANE, from(1), at(0)).unwrap().was_right();
        let tried = |second: i64| {
            let all = (0..100).map(|n| guesses.begin_code(JANE, from(n), at(second)));
            all.filter(|tried| tried.is_ok()).count()
        };
        assert_eq!((tried(0), tried(12 * 60), tried(12 * 60), tried(72 * 60)), (10, 1, 0, 5));
        guesses.begin_code("acc_ben", from(200), at(72 * 60)).unwrap().was_right();
        assert!((0..10).all(|_| guesses.begin_code("acc_ben", from(200), at(72 * 60)).is_ok()));
    }

    #[test]
    fn mails_are_counted_apart() {
        let guesses = Guesses::default();
        assert_eq!((0..100).filter(|_| guesses.mail(from(1), at(0)).is_ok()).count(), 30);
        assert!(guesses.mail(from(1), at(60)).is_ok());
        assert!(wrong(&guesses, JANE, from(1), 0));
    }

    #[test]
    fn one_household_is_one_network() {
        let network = |text: &str| Network::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:ffff:ffff:ffff"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
        assert_eq!(network("::ffff:203.0.113.1"), from(1));
    }
}
