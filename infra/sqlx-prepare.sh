#!/usr/bin/env bash
# What the compiler knows about the SQL (.sqlx), from a fresh database with all migrations.
#   sqlx-prepare.sh           writes .sqlx anew (make prepare)
#   sqlx-prepare.sh --check   fails when .sqlx is not what the SQL and the migrations say, or when there is a lint: the
#                             lints compile the queries, so that nothing is compiled twice (part of make check)

# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/setup.sh"

need_toolchain
own_folder "$PWD/.check"
start_postgres
admin=$(infra/postgres.sh admin-url "$FOLDER")
owner=$(infra/postgres.sh owner-url "$FOLDER")
database=${owner%/*}/sqlx

sql() { PGOPTIONS='-c client_min_messages=warning' psql -q --no-psqlrc -v ON_ERROR_STOP=1 "$@" >/dev/null; }
sql "$admin" -c 'DROP DATABASE IF EXISTS sqlx WITH (FORCE)' -c 'CREATE DATABASE sqlx OWNER mewayz_owner'
shopt -s nullglob
for migration in migrations/*.sql; do
  sql "$database" --single-transaction -f "$migration"
done

fresh=$FOLDER/sqlx
rm -rf "$fresh"
mkdir -p "$fresh" .sqlx
# Only an expanded query tells what it is: the crates with SQL are compiled anew, nothing else.
touch commands/src/lib.rs projections/src/lib.rs infra/src/lib.rs api/src/lib.rs api/mewayz/src/main.rs
export SQLX_OFFLINE=false SQLX_OFFLINE_DIR=$fresh DATABASE_URL=$database

if [[ ${1:-} == --check ]]; then
  cargo clippy --workspace --all-targets -- -D warnings
  diff -r .sqlx "$fresh" >&2 || die ".sqlx is not up to date. Run: make prepare"
else
  cargo check --workspace --all-targets
  rm -rf .sqlx
  cp -r "$fresh" .sqlx
fi
