//! Failpoint: a named place in the code where a test can kill, delay or fail the process.
//!
//! `FAILPOINTS="relay.after_produce=kill@3;appender.sent=sleep:200%0.1"` names actions: `kill` (SIGKILL to itself),
//! `stop` (SIGSTOP to itself), `sleep:<ms>`, `error`; every time, at the n-th hit (`@n`), or with a probability (`%p`,
//! drawn from `FAILPOINTS_SEED`). Without `debug_assertions` and the feature `on` a failpoint compiles to
//! nothing.

/// A named place where a test can step in: `failpoint!("relay.before_commit")`.
///
/// `failpoint!("relay.before_commit", expression)` returns the expression from the function where the action is
/// `error`; without one, `error` does nothing.
#[macro_export]
macro_rules! failpoint {
    ($name:literal) => {
        _ = $crate::hit($name)
    };
    ($name:literal, $error:expr) => {
        if $crate::hit($name) {
            return $error;
        }
    };
}

/// Does what `FAILPOINTS` says about this place; true if it is to fail.
#[cfg(any(debug_assertions, feature = "on"))]
pub fn hit(name: &str) -> bool {
    on::PLAN.hit(name)
}

/// Does nothing.
#[cfg(not(any(debug_assertions, feature = "on")))]
#[inline(always)]
pub const fn hit(_: &str) -> bool {
    false
}

#[cfg(any(debug_assertions, feature = "on"))]
mod on {
    use std::collections::HashMap;
    use std::sync::{LazyLock, Mutex};
    use std::time::Duration;

    use nix::sys::signal::{Signal, kill, raise};
    use nix::unistd::Pid;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    /// What the environment asks for, read once.
    pub(super) static PLAN: LazyLock<Plan> = LazyLock::new(|| {
        let wanted = std::env::var("FAILPOINTS").unwrap_or_default();
        let seed =
            std::env::var("FAILPOINTS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_default();
        // A test that misspells its failpoint must not pass.
        Plan::parse(&wanted, seed).expect("FAILPOINTS is well formed")
    });

    #[derive(Debug, Clone, Copy, PartialEq)]
    pub(super) enum Action {
        Kill,
        Stop,
        Sleep(Duration),
        Error,
    }

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum When {
        Always,
        Nth(u64),
        Probably(f64),
    }

    #[derive(Debug)]
    struct Point {
        action: Action,
        when: When,
        hits: u64,
    }

    /// Actions by the names of their places.
    #[derive(Debug)]
    pub(super) struct Plan(Mutex<(HashMap<String, Point>, StdRng)>, bool);

    impl Plan {
        pub(super) fn parse(text: &str, seed: u64) -> Result<Self, String> {
            let points = text
                .split(';')
                .filter(|part| !part.trim().is_empty())
                .map(|part| point(part.trim()).ok_or_else(|| format!("not a failpoint: {part}")))
                .collect::<Result<HashMap<_, _>, _>>()?;
            let empty = points.is_empty();
            Ok(Self(Mutex::new((points, StdRng::seed_from_u64(seed))), empty))
        }

        /// What is due at this hit of the place.
        pub(super) fn due(&self, name: &str) -> Option<Action> {
            if self.1 {
                return None;
            }
            let mut plan = self.0.lock().expect("no holder of the plan panics");
            let (points, rng) = &mut *plan;
            let point = points.get_mut(name)?;
            point.hits += 1;
            let due = match point.when {
                When::Always => true,
                When::Nth(n) => point.hits == n,
                When::Probably(p) => rng.random_bool(p),
            };
            due.then_some(point.action)
        }

        pub(super) fn hit(&self, name: &str) -> bool {
            match self.due(name) {
                None => false,
                Some(Action::Error) => true,
                Some(Action::Sleep(time)) => {
                    std::thread::sleep(time);
                    false
                }
                Some(Action::Stop) => {
                    // To this very thread, which goes no further then: others stop a moment later.
                    raise(Signal::SIGSTOP).expect("a process may stop itself");
                    false
                }
                Some(Action::Kill) => {
                    kill(Pid::this(), Signal::SIGKILL).expect("a process may kill itself");
                    // The signal may reach another thread first; this one goes no further.
                    loop {
                        std::thread::park();
                    }
                }
            }
        }
    }

    fn point(text: &str) -> Option<(String, Point)> {
        let (name, rest) = text.split_once('=')?;
        let (action, when) = if let Some((action, n)) = rest.split_once('@') {
            (action, When::Nth(n.parse().ok()?))
        } else if let Some((action, p)) = rest.split_once('%') {
            (action, When::Probably(p.parse().ok().filter(|p| (0.0..=1.0).contains(p))?))
        } else {
            (rest, When::Always)
        };
        let action = match action.split_once(':') {
            None if action == "kill" => Action::Kill,
            None if action == "stop" => Action::Stop,
            None if action == "error" => Action::Error,
            Some(("sleep", ms)) => Action::Sleep(Duration::from_millis(ms.parse().ok()?)),
            _ => return None,
        };
        Some((name.to_owned(), Point { action, when, hits: 0 }))
    }
}

#[cfg(all(test, any(debug_assertions, feature = "on")))]
mod tests {
    use super::on::{Action, Plan};
    use std::time::Duration;

    fn hits(plan: &Plan, name: &str, times: usize) -> Vec<Option<Action>> {
        (0..times).map(|_| plan.due(name)).collect()
    }

    #[test]
    fn acts_at_its_place_and_at_the_hit_it_is_told() {
        let plan = Plan::parse("a.b=kill@2; c=sleep:20;d=error", 0).unwrap();
        assert_eq!(hits(&plan, "a.b", 3), [None, Some(Action::Kill), None]);
        assert_eq!(hits(&plan, "c", 2), [Some(Action::Sleep(Duration::from_millis(20))); 2]);
        assert_eq!(hits(&plan, "elsewhere", 2), [None, None]);
        assert!(plan.hit("d"));
    }

    #[test]
    fn draws_the_same_lots_from_the_same_seed() {
        let drawn = |seed| hits(&Plan::parse("a=error%0.3", seed).unwrap(), "a", 1000);
        assert_eq!(drawn(7), drawn(7));
        assert_ne!(drawn(7), drawn(8));
        let times = drawn(7).iter().flatten().count();
        assert!((200..400).contains(&times), "{times}");
    }

    #[test]
    fn takes_nothing_it_does_not_understand() {
        for text in ["a", "a=", "a=die", "a=kill@x", "a=sleep", "a=error%2"] {
            assert!(Plan::parse(text, 0).is_err(), "{text}");
        }
    }
}
