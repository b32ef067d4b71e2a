#!/usr/bin/env bash
# make capability NAME=commerce/coupon: the six files of a new capability, and its line in each layer. It works as it
# is: a thing with a title, made of tests/it/specimen/, which the tests build and run. What it decides is yours.
#   NAME   <context>/<capability>: the context is one of `CONTEXTS` in domain/src/lib.rs, the capability one noun
#   ROOT   the project it is added to, if it is not this one (the tests' copy)

# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/setup.sh"

template=$PWD/tests/it/specimen
cd "${ROOT:-.}"

[[ ${NAME:-} =~ ^([a-z]+)/([a-z]+(_[a-z]+)*)$ ]] ||
  die 2 "NAME is <context>/<capability>, in lower case: make capability NAME=commerce/coupon"
context=${BASH_REMATCH[1]} name=${BASH_REMATCH[2]}
grep -q "^    \"$context\",$" domain/src/lib.rs || die 2 "there is no context $context; see CONTEXTS in domain/src/lib.rs"
for taken in {domain,commands,projections,api}/"src/$context/$name.rs" "tests/it/$context/$name.rs"; do
  [[ ! -e $taken ]] || die 2 "$taken is there already"
done

# camel WORD: gift_card -> GiftCard.
camel() { sed -E 's/(^|_)([a-z])/\U\2/g' <<<"$1"; }
plural=$(sed -E 's/([^aeiou])y$/\1ie/; s/(s|x|ch|sh)$/\1e/; s/$/s/' <<<"$name")
Name=$(camel "$name") Plural=$(camel "$plural") PLURAL=${plural^^}
Context=$(camel "$context")
words=${name//_/ } many=${plural//_/ }
article=a
if [[ $name == [aeio]* ]]; then article=an; fi
# As the context's other paths begin, or by its own name.
segment=$(grep -rhoE "path = \"/api/[a-z-]+/" "api/src/$context" 2>/dev/null | sort | uniq -c | sort -rn |
  sed -nE '1s|.*"/api/([a-z-]+)/|\1|p') || true
segment=${segment:-$context}
# A prefix of 3 to 5 letters that no id has.
for length in 3 4 5; do
  prefix=${name//_/} && prefix=${prefix:0:length}
  if ! grep -rqE "= \"$prefix\";" domain/src/ids*; then break; fi
done
! grep -rqE "= \"$prefix\";" domain/src/ids* || die "name a prefix for its ids by hand, in domain/src/ids.rs: $prefix is taken"

# written FROM TO RULE...: the template's file, in this capability's words.
written() {
  local from=$template/$1 to=$2
  shift 2
  mkdir -p "$(dirname "$to")"
  sed -E "$@" \
    -e "s|/api/ecommerce/specimens|/api/$segment/${plural//_/-}|g" \
    -e "s/CartId as SpecimenId/${Name}Id/" -e "s/SPECIMENS/$PLURAL/g" -e "s/Specimens/$Plural/g" -e "s/Specimen/$Name/g" \
    -e "/^ *(\/\/|--|#\[error)/{s/\ba specimen/$article $words/g; s/\bA specimen/${article^} $words/g; s/(^|[^:_\/])\bspecimens\b/\1$many/g; s/(^|[^:_\/\"])\bspecimen\b/\1$words/g; }" \
    -e "s/\"commerce\.specimen\"/\"$context.$name\"/" -e "s/\bspecimens\b/$plural/g" -e "s/\bspecimen\b/$name/g" \
    "$from" >"$to"
  say "  $to"
}

# named FILE PATTERN LINE: a line among those of the pattern, in their order.
named() {
  awk -v pattern="$2" -v line="$3" '
    $0 ~ pattern { if (!done && $0 > line) { print line; done = 1 } block = 1; print; next }
    block && !done { print line; done = 1 }
    { print }
    END { if (!done) { if (!block) print ""; print line } }' "$1" >"$1.new"
  mv "$1.new" "$1"
}

# in_line FILE FROM TO: a list in code takes one more; cargo fmt breaks the line where it is long.
in_line() {
  grep -qF "$2" "$1" || die "$1 has no \`$2\`"
  from=$2 to=$3 awk '!done && (at = index($0, ENVIRON["from"])) {
    $0 = substr($0, 1, at - 1) ENVIRON["to"] substr($0, at + length(ENVIRON["from"])); done = 1 } { print }' \
    "$1" >"$1.new"
  mv "$1.new" "$1"
}

# listed LAYER MOD [TEXT]: its line in the context's list, which is begun with the text where there is none yet.
listed() {
  local list=$1/src/$context.rs
  if [[ -e $list ]]; then
    named "$list" '^(pub )?mod ' "$2 $name;"
    return
  fi
  printf '//! %s.\n\n%s %s;\n%b' "$Context" "$2" "$name" "${3:-}" >"$list"
  named "$1/src/lib.rs" '^pub mod ' "pub mod $context;"
  case $1 in
    projections) in_line projections/src/lib.rs '    [' "    [$context::views(), " ;;
    api)
      in_line api/src/routes.rs 'OpenApiRouter::new()' "OpenApiRouter::new().merge($context::routes())"
      in_line api/src/routes.rs 'use crate::{' "use crate::{$context, "
      ;;
  esac
}

say "A new capability, $context/$name:"
written domain.rs "domain/src/$context/$name.rs" -e 's/\bdomain::/crate::/g'
written commands.rs "commands/src/$context/$name.rs" \
  -e "s/super::domain::/domain::$context::$name::/" -e 's/\bcommands::/crate::/g'
last=$(basename "$(printf '%s\n' migrations/*.sql | tail -n 1)")
written table.sql "migrations/$((${last%%_*} + 100))_${context}_$name.sql"
written projection.rs "projections/src/$context/$name.rs" \
  -e "s/super::domain::/domain::$context::$name::/" -e 's/\bprojections::/crate::/g'
written api.rs "api/src/$context/$name.rs" -e 's/^use api::/use crate::/' \
  -e "s/^use super::commands as specimen;/use commands::$context::$name;/" \
  -e "s/super::domain::/domain::$context::$name::/" -e "s/super::projection::/projections::$context::$name::/"
written life.rs "tests/it/$context/$name.rs" -e 's/^use super::start;/use tests::app::TestApp;/' \
  -e 's/\bstart\(\)\.await/TestApp::start().await/'

listed domain "pub mod"
listed commands "pub mod"
listed projections "pub mod" "
use crate::runtime::{Projector, Runtime};

pub(super) fn views() -> Vec<Box<dyn Projector>> {
    vec![]
}
"
listed api mod "
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

/// All routes of $context.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
}
"
if grep -q "^mod $context {" tests/it/main.rs; then
  in_line tests/it/main.rs "mod $context {" "mod $context { mod $name;"
elif [[ -e tests/it/$context.rs ]]; then
  named "tests/it/$context.rs" '^mod ' "mod $name;"
else
  printf '//! %s over HTTP.\n\nmod %s;\n' "$Context" "$name" >"tests/it/$context.rs"
  named tests/it/main.rs '^mod [a-z_]+;' "mod $context;"
fi
in_line domain/src/ids.rs $'typed_id! {' "typed_id! {
    ${Name}Id = \"$prefix\";"
in_line "projections/src/$context.rs" 'vec![' "vec![Box::new(Runtime::<$name::$Plural>::default()), "
in_line "api/src/$context.rs" 'OpenApiRouter::new()' "OpenApiRouter::new().merge($name::routes())"

if [[ -z ${ROOT:-} ]]; then need_toolchain; fi
cargo fmt --all
say "
It works as it is. Now fill in what it decides, beginning with domain/src/$context/$name.rs; then
  UPDATE=1 make test ARGS=http::document    writes docs/openapi.json; read the difference
  make check test"
