#!/usr/bin/env bash
# make chaos: the long forms of the promises: kills, zombies, outages, by seed.
#   SEED            repeats a run; a new one is drawn, and printed, when it is not set
#   CHAOS_SECONDS   how long the open-ended ones go on (default 600)

# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/setup.sh"

need_toolchain
need_cargo_tool cargo-nextest 0.9.148
export MEWAYZ_CHAOS=long SEED=${SEED:-$((RANDOM * 32768 + RANDOM))} CHAOS_SECONDS=${CHAOS_SECONDS:-600}
start_test_services "$PWD/.test"
cargo build --workspace --all-targets
say "Chaos with SEED=$SEED for CHAOS_SECONDS=$CHAOS_SECONDS"
cargo nextest run --workspace --profile chaos --no-capture -E 'binary(it) & (test(promises::) or test(capability::))' ||
  die $? "chaos found something; repeat it with: make chaos SEED=$SEED CHAOS_SECONDS=$CHAOS_SECONDS"
