//! Chaos: how long the promises are tried, and by which lots.

use rand::SeedableRng;
use rand::rngs::StdRng;

/// Whether the long forms are asked for (`make chaos`).
#[must_use]
pub fn long() -> bool {
    std::env::var_os("MEWAYZ_CHAOS").is_some_and(|form| form == "long")
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
