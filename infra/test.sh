#!/usr/bin/env bash
# make test: all tests, on a PostgreSQL and a Kafka of their own, also after a failure. Arguments go to `cargo test`.

# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.sh"

need_toolchain
start_test_services "$PWD/.test"
cargo build --workspace --all-targets
cargo test --workspace --no-fail-fast "$@"
