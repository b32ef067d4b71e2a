#!/usr/bin/env bash
# make check: everything that can be said without running the tests.

# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/setup.sh"

need_toolchain
say "Formatting"
cargo fmt --all --check
say "Unused dependencies"
need_cargo_tool cargo-machete 0.9.2
cargo machete
say "Lints and queries"
infra/sqlx-prepare.sh --check
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
