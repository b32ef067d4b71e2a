#!/usr/bin/env bash
# make chaos: the long forms of the promises: kills, zombies, outages, by seed.
#   SEED            repeats a run; a new one is drawn, and printed, when it is not set
#   CHAOS_SECONDS   how long the open-ended ones go on (default 600)

# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.sh"

need_toolchain
export MEWAYZ_CHAOS=long SEED=${SEED:-$((RANDOM * 32768 + RANDOM))} CHAOS_SECONDS=${CHAOS_SECONDS:-600}
start_test_services "$PWD/.test"
cargo build --workspace --all-targets
cargo test --workspace --test it promises -- --list | grep -q ': test$' || die "there is no promise to keep: no test is called so"
say "Chaos with SEED=$SEED for CHAOS_SECONDS=$CHAOS_SECONDS"
cargo test --workspace --test it promises -- --nocapture --test-threads=1 ||
  die $? "chaos found something; repeat it with: make chaos SEED=$SEED CHAOS_SECONDS=$CHAOS_SECONDS"
