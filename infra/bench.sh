#!/usr/bin/env bash
# make bench: the benchmarks, on a PostgreSQL and a Kafka of their own. Arguments: [--quick] [--at=N] [SECTION...].

# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/setup.sh"

need_toolchain
start_test_services "$PWD/.bench"
cargo build --release --bin mewayz
cargo bench --workspace --bench bench -- "$@"
