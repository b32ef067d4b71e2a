#!/usr/bin/env bash
# make client: generates a Python client from the API document, and does with it what a customer's program does, on a
# running platform. Fails if the generator warns of anything it leaves out.

# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/setup.sh"

need_toolchain
use_python_tool 'openapi-python-client==0.29.1' openapi-python-client ||
  die "the generator of the client needs Python 3.10 or later with venv"
start_platform_services "$PWD/.client"
cargo build --workspace

port=$(kept_port "$FOLDER/http.port")
rm -f "$FOLDER/server.log"
MEWAYZ_LISTEN=127.0.0.1:$port target/debug/mewayz demo --orders 1 >"$FOLDER/server.log" 2>&1 8>&- &
server=$!
trap 'kill -TERM $server 2>/dev/null && wait $server || true; stop_services' EXIT

is_up() { grep -qs '^Mewayz runs' "$FOLDER/server.log"; }
is_up_or_dead() { is_up || ! kill -0 "$server" 2>/dev/null; }
wait_until 120 is_up_or_dead || true
is_up || die "the platform did not come up; the end of $FOLDER/server.log:" "$(tail -n 20 "$FOLDER/server.log")"

export MEWAYZ_URL=http://127.0.0.1:$port
workspace=$(sed 's/.*"workspace":"\([^"]*\)".*/\1/' "$FOLDER/demo.json")
MEWAYZ_KEY=$(target/debug/mewayz key create --workspace "$workspace" --name client --scope '*')
export MEWAYZ_KEY

rm -rf "$FOLDER/mewayz_client"
curl -sSf "$MEWAYZ_URL/api/docs/openapi.json" -o "$FOLDER/openapi.json"
openapi-python-client generate --path "$FOLDER/openapi.json" --output-path "$FOLDER/mewayz_client" --meta none \
  --fail-on-warning
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$FOLDER "$CACHE/venv/bin/python" infra/client.py
