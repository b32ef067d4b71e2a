#!/usr/bin/env bash
# make run: PostgreSQL, Kafka and every role of the platform with a lively demo, until Ctrl-C.
# Arguments go to `mewayz demo`.

# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/setup.sh"

need_toolchain
start_platform_services "$PWD/.run"
cargo build --release -p mewayz
until_stopped target/release/mewayz demo "$@"
