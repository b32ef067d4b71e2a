#!/usr/bin/env bash
# make bench: the benchmarks, on a PostgreSQL and a Kafka of their own. Arguments go to `cargo bench`.

# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.sh"

need_toolchain
start_test_services "$PWD/.bench"
cargo bench --workspace --bench bench "$@"
