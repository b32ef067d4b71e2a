//! Faults: what goes wrong with a request, drawn from a seed.
//!
//! A draw is a hash of the seed, the request's key and how often that key was asked before: the same story for the
//! same seed, whatever else happens, and a repeated request has luck of its own.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::Mutex;
use std::time::Duration;

use sha2::{Digest, Sha256};

/// How often things go wrong, in percent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Profile {
    /// The connection is closed before anything is done.
    pub lose: u8,
    /// It is done, and the connection closed without an answer.
    pub lose_reply: u8,
    /// It is done, and answered with 500.
    pub error: u8,
    /// The answer takes up to `delay_ms`.
    pub delay: u8,
    pub delay_ms: u64,
    /// The webhook comes twice.
    pub double: u8,
    /// The webhook comes up to `late_ms` late.
    pub late: u8,
    pub late_ms: u64,
    /// The webhook is overtaken by a later one.
    pub reorder: u8,
    /// The webhook comes before the answer.
    pub early: u8,
    /// The webhook never comes.
    pub never: u8,
}

impl Profile {
    pub const NONE: Self = Self {
        lose: 0,
        lose_reply: 0,
        error: 0,
        delay: 0,
        delay_ms: 1_000,
        double: 0,
        late: 0,
        late_ms: 2_000,
        reorder: 0,
        early: 0,
        never: 0,
    };

    pub const MILD: Self = Self {
        lose: 2,
        lose_reply: 2,
        error: 2,
        delay: 5,
        delay_ms: 500,
        double: 5,
        late: 5,
        late_ms: 1_000,
        reorder: 5,
        early: 5,
        never: 2,
    };

    pub const HOSTILE: Self = Self {
        lose: 12,
        lose_reply: 12,
        error: 8,
        delay: 20,
        delay_ms: 2_000,
        double: 25,
        late: 25,
        late_ms: 3_000,
        reorder: 25,
        early: 25,
        never: 15,
    };

    fn set(&mut self, name: &str, value: &str) -> Option<()> {
        let percent = || value.parse::<u8>().ok().filter(|percent| *percent <= 100);
        match name {
            "lose" => self.lose = percent()?,
            "lose_reply" => self.lose_reply = percent()?,
            "error" => self.error = percent()?,
            "delay" => self.delay = percent()?,
            "double" => self.double = percent()?,
            "late" => self.late = percent()?,
            "reorder" => self.reorder = percent()?,
            "early" => self.early = percent()?,
            "never" => self.never = percent()?,
            "delay_ms" => self.delay_ms = value.parse().ok().filter(|ms| *ms <= 60_000)?,
            "late_ms" => self.late_ms = value.parse().ok().filter(|ms| *ms <= 60_000)?,
            _ => return None,
        }
        Some(())
    }
}

/// A text that is no profile of faults.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no profile of faults: a name (none, mild, hostile), settings like lose=5,delay_ms=2000 or both; \
     the settings are lose, lose_reply, error, delay, double, late, reorder, early, never (percent, 0 to 100), \
     delay_ms and late_ms (0 to 60000)"
)]
pub struct NotAProfile(String);

impl FromStr for Profile {
    type Err = NotAProfile;

    fn from_str(text: &str) -> Result<Self, NotAProfile> {
        let mut profile = Self::NONE;
        for (place, part) in text.split(',').map(str::trim).enumerate() {
            match (place, part, part.split_once('=')) {
                (0, "none", _) => {}
                (0, "mild", _) => profile = Self::MILD,
                (0, "hostile", _) => profile = Self::HOSTILE,
                (_, _, Some((name, value))) => {
                    profile.set(name, value).ok_or_else(|| NotAProfile(part.to_owned()))?;
                }
                _ => return Err(NotAProfile(part.to_owned())),
            }
        }
        Ok(profile)
    }
}

/// What goes wrong with one request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Misfortune {
    pub lose: bool,
    pub lose_reply: bool,
    pub error: bool,
    pub delay: Option<Duration>,
    pub webhook: WebhookMisfortune,
}

/// What goes wrong with the webhook that follows from a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WebhookMisfortune {
    pub double: bool,
    pub late: Option<Duration>,
    /// Held back until a later one has overtaken it, or for this long.
    pub overtaken: Option<Duration>,
    pub early: bool,
    pub never: bool,
}

/// Deals out misfortune.
#[derive(Debug)]
pub struct Faults {
    seed: u64,
    profile: Profile,
    asked: Mutex<HashMap<String, u32>>,
}

impl Faults {
    #[must_use]
    pub fn new(seed: u64, profile: Profile) -> Self {
        Self { seed, profile, asked: Mutex::default() }
    }

    /// What goes wrong with the next request of this key.
    pub fn next(&self, key: &str) -> Misfortune {
        let mut asked = self.asked.lock().expect("counting does not panic");
        let count = asked.entry(key.to_owned()).or_default();
        *count += 1;
        self.draw(key, *count)
    }

    fn draw(&self, key: &str, count: u32) -> Misfortune {
        let roll = |what: &str| {
            let hash = Sha256::new()
                .chain_update(self.seed.to_be_bytes())
                .chain_update(count.to_be_bytes())
                .chain_update(what.as_bytes())
                .chain_update(b"/")
                .chain_update(key.as_bytes())
                .finalize();
            hash.iter().take(8).fold(0u64, |number, byte| (number << 8) | u64::from(*byte))
        };
        let happens = |what: &str, percent: u8| roll(what) % 100 < u64::from(percent);
        let within = |what: &str, ms: u64| Duration::from_millis(roll(what) % ms.saturating_add(1));
        let profile = &self.profile;
        Misfortune {
            lose: happens("lose", profile.lose),
            lose_reply: happens("lose_reply", profile.lose_reply),
            error: happens("error", profile.error),
            delay: happens("delay", profile.delay).then(|| within("delay_ms", profile.delay_ms)),
            webhook: WebhookMisfortune {
                double: happens("double", profile.double),
                late: happens("late", profile.late).then(|| within("late_ms", profile.late_ms)),
                overtaken: happens("reorder", profile.reorder)
                    .then(|| Duration::from_millis(profile.late_ms)),
                early: happens("early", profile.early),
                never: happens("never", profile.never),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn story(seed: u64) -> Vec<Misfortune> {
        let faults = Faults::new(seed, Profile::HOSTILE);
        (0..200).map(|i| faults.next(&format!("key_{}", i % 50))).collect()
    }

    #[test]
    fn is_the_same_story_for_the_same_seed_and_another_for_another() {
        assert_eq!(story(7), story(7));
        assert_ne!(story(7), story(8));
    }

    #[test]
    fn does_not_depend_on_what_else_is_asked() {
        let alone = Faults::new(7, Profile::HOSTILE);
        let among = Faults::new(7, Profile::HOSTILE);
        (0..50).for_each(|i| _ = among.next(&format!("other_{i}")));
        for _ in 0..20 {
            assert_eq!(alone.next("mine"), among.next("mine"));
        }
    }

    #[test]
    fn gives_a_repeated_request_luck_of_its_own() {
        let faults = Faults::new(1, "lose=50".parse().unwrap());
        let draws: Vec<bool> = (0..64).map(|_| faults.next("key").lose).collect();
        assert!(draws.contains(&true) && draws.contains(&false));
    }

    #[test]
    fn happens_about_as_often_as_its_percentage_says() {
        let faults = Faults::new(1, "lose=20,never=100,delay=100,delay_ms=10".parse().unwrap());
        let draws: Vec<Misfortune> = (0..2_000).map(|i| faults.next(&i.to_string())).collect();
        let lost = draws.iter().filter(|draw| draw.lose).count();
        assert!((300..500).contains(&lost), "{lost}");
        assert!(draws.iter().all(|draw| draw.webhook.never && !draw.error && !draw.lose_reply));
        assert!(draws.iter().all(|draw| draw.delay.is_some_and(|delay| delay <= Duration::from_millis(10))));
    }

    #[test]
    fn is_named_or_spelled_out() {
        assert_eq!("none".parse(), Ok(Profile::NONE));
        assert_eq!("mild".parse(), Ok(Profile::MILD));
        let hostile = Profile { lose: 50, late_ms: 1, ..Profile::HOSTILE };
        assert_eq!("hostile, lose=50, late_ms=1".parse(), Ok(hostile));
        assert_eq!("error=100".parse(), Ok(Profile { error: 100, ..Profile::NONE }));
        for text in ["", "wild", "lose=101", "lose=-1", "lose", "loose=1", "lose=1,mild", "delay_ms=60001"] {
            assert!(text.parse::<Profile>().is_err(), "{text}");
        }
    }
}
