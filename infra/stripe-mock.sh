#!/usr/bin/env bash
# make stripe-mock: whether the adapter's requests are spelled as Stripe publishes them, asked of stripe-mock.
# It knows no state, amounts, metadata or errors: those are the business of the hostile imitation in tests/src/stripe.

# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/setup.sh"

need_toolchain
need_cargo_tool cargo-nextest 0.9.148
version=v0.203.0 port=${STRIPE_MOCK_PORT:-12111}
bin=$PWD/.test/bin
if ! [[ -x $bin/stripe-mock ]]; then
  command -v go >/dev/null || { say "skipped: there is no Go to build stripe-mock with"; exit 0; }
  mkdir -p "$bin"
  GOBIN=$bin go install "github.com/stripe/stripe-mock@$version" ||
    { say "skipped: stripe-mock $version cannot be installed"; exit 0; }
fi
"$bin/stripe-mock" -http-addr "127.0.0.1:$port" -https-addr "127.0.0.1:$((port + 1))" >"$PWD/.test/stripe-mock.log" 2>&1 &
mock=$!
trap 'kill $mock 2>/dev/null' EXIT
for _ in {1..100}; do
  (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
  kill -0 $mock 2>/dev/null || die 1 "stripe-mock does not start; see .test/stripe-mock.log"
  read -rt 0.1 <> <(:) || true
done
STRIPE_MOCK="http://127.0.0.1:$port" cargo nextest run -p tests --no-capture -E 'test(finance::stripe_mock::)'
