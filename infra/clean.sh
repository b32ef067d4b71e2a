#!/usr/bin/env bash
# make clean: stops the services of this checkout and removes their data, the demo's too, and what was built.

# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/setup.sh"

for dir in .run .test .bench .fuzz .client .check; do
  if [[ ! -d $dir ]]; then continue; fi
  infra/kafka.sh wipe "$dir"
  infra/postgres.sh wipe "$dir"
  rm -rf "$dir"
done
if command -v cargo >/dev/null; then cargo clean; fi
