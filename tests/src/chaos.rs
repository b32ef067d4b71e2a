//! Chaos: how long the promises are tried, and by which lots.

use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;

/// Whether the long forms are asked for (`make chaos`).
#[must_use]
pub fn long() -> bool {
    std::env::var_os("MEWAYZ_CHAOS").is_some_and(|form| form == "long")
}

/// How long the open-ended ones go on: `CHAOS_SECONDS` in the long forms (600 if it is not set).
///
/// # Panics
/// If `CHAOS_SECONDS` is no number.
#[must_use]
pub fn lasting(short: Duration) -> Duration {
    if !long() {
        return short;
    }
    let given = std::env::var("CHAOS_SECONDS");
    Duration::from_secs(given.map_or(600, |given| given.parse().expect("CHAOS_SECONDS is a number")))
}

/// What is left to chance in a test, drawn from `SEED`, which is printed.
///
/// # Panics
/// If `SEED` is no number.
#[must_use]
pub fn lots() -> StdRng {
    let seed = std::env::var("SEED").map_or(0, |seed| seed.parse().expect("SEED is a number"));
    println!("SEED={seed}");
    StdRng::seed_from_u64(seed)
}
