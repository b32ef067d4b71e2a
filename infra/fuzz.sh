#!/usr/bin/env bash
# make fuzz: Schemathesis against the API's own OpenAPI document; any 5xx or breach of contract fails.
#   FUZZ_SECONDS   half for every operation by itself, half for chains of operations (default 600)
#   SEED           repeats a run; a new one is drawn, and printed, when it is not set

# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/setup.sh"

half=$(((${FUZZ_SECONDS:-600} + 1) / 2))
seed=${SEED:-$((RANDOM * 32768 + RANDOM))}

need_toolchain
use_python_tool 'schemathesis==4.*' st || die "Schemathesis needs Python 3.10 or later with venv"
start_platform_services "$PWD/.fuzz"
cargo build --workspace
start_demo 50

# All that a key may do, and for what concerns the platform as a whole the platform's own.
MEWAYZ_KEY=$(target/debug/mewayz key create --workspace "$DEMO_WORKSPACE" --name fuzz --scope '*' --scope history:write)
PLATFORM_KEY=$(<"$FOLDER/platform.key")
FUZZ_ADDRESS=$DEMO_URL
export MEWAYZ_KEY PLATFORM_KEY FUZZ_ADDRESS
schema=$FUZZ_ADDRESS/api/docs/openapi.json

# From the folder where it may leave its own ones; none of them beside its hooks.
export PYTHONDONTWRITEBYTECODE=1
st() { (cd "$FOLDER" && command st --config-file "$OLDPWD/infra/schemathesis.toml" "$@"); }

say "Fuzzing with SEED=$seed; the server's log is $FOLDER/server.log"
failed=
st run --max-time "$half" --seed "$seed" --report-dir report "$schema" || failed=yes
# In `st fuzz` 4.32 the check ignored_auth fails by itself ("dictionary changed size"); `st run` has made it.
st fuzz --max-time "$half" --seed "$seed" --report-dir report --continue-on-failure \
  --exclude-checks ignored_auth "$schema" || failed=yes
kill -0 "$DEMO" 2>/dev/null || die "the platform died; the end of $FOLDER/server.log:" "$(tail -n 20 "$FOLDER/server.log")"
[[ -z $failed ]] || die "the API broke its contract; repeat it with: make fuzz SEED=$seed"
