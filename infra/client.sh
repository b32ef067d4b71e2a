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
start_demo 1

export MEWAYZ_URL=$DEMO_URL
MEWAYZ_KEY=$(target/debug/mewayz key create --workspace "$DEMO_WORKSPACE" --name client --scope '*')
export MEWAYZ_KEY

rm -rf "$FOLDER/mewayz_client"
curl -sSf "$MEWAYZ_URL/api/docs/openapi.json" -o "$FOLDER/openapi.json"
openapi-python-client generate --path "$FOLDER/openapi.json" --output-path "$FOLDER/mewayz_client" --meta none \
  --fail-on-warning
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$FOLDER "$CACHE/venv/bin/python" infra/client.py
