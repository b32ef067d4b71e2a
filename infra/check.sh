#!/usr/bin/env bash
# make check: everything that can be said without running the tests.

# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/setup.sh"

need_toolchain
say "Formatting"
cargo fmt --all --check
say "Queries" # before the lints, which cannot compile what is not prepared
infra/sqlx-prepare.sh --check
say "Lints"
cargo clippy --workspace --all-targets -- -D warnings
say "Documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet
say "Licences, banned crates, sources"
need_cargo_tool cargo-deny 0.20.2
cargo deny check licenses bans sources
say "Advisories"
if timeout 20 git ls-remote --quiet https://github.com/RustSec/advisory-db HEAD >/dev/null 2>&1; then
  cargo deny check advisories
else
  say "not checked: their database, github.com/RustSec/advisory-db, cannot be reached from here"
fi
