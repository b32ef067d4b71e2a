#!/usr/bin/env bash
# make test: all tests, on a PostgreSQL and a Kafka of their own, also after a failure. Arguments go to `cargo nextest run`.

# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/setup.sh"

need_toolchain
need_cargo_tool cargo-nextest 0.9.148
start_test_services "$PWD/.test"
cargo build --workspace --all-targets # the tests start the platform's own program
cargo nextest run --workspace "$@"

if (($# == 0)); then cargo test --doc --workspace --quiet; fi # nextest runs no documentation tests
