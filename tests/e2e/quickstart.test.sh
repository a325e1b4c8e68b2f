#!/usr/bin/env bash
# The README's first command, as a new user types it: the platform comes up, what it tells to try
# works, and it goes again, even when its programs have been built anew meanwhile.
set -euo pipefail

bin=${CHOREO_BIN:?}
case $bin in
*/build/release/bin) ;;
*) echo "skipped: deploy/quickstart runs the release build, and this is another"; exit 0 ;;
esac
tree=${bin%/build/release/bin}
work=$(mktemp -d)
port=$((15000 + RANDOM % 17000)) # below the ports that the kernel hands out
finish() {
    status=$?
    "$tree/deploy/quickstart" --down --dir "$work/dev" >/dev/null 2>&1 || true
    [ $status -eq 0 ] || cat "$work"/*.out >&2
    rm -rf "$work"
    exit $status
}
trap finish EXIT
fail() { echo "FAILED: $*" >&2; exit 1; }
says() { grep -qE -- "$2" "$work/$1.out" || fail "$1 does not say \"$2\""; }
quickstart() { "$tree/deploy/quickstart" "$@" --dir "$work/dev" 2>&1; }

quickstart --detach --no-install --base-port "$port" >"$work/up.out" || fail "quickstart: exit code $?"
says up '^node-1 +us-west-2 +voter'
says up '^production|^us-west-2 +production +us-west-2 +Ready'
says up '^user-service +acme-corp +e-commerce-platform +True'
says up "^API +https://127.0.0.1:$port"
echo "ok 1 - it comes up"

quickstart --detach --no-install >"$work/again.out" && fail "a second one started"
says again 'it runs already'
echo "ok 2 - it starts once"

# What it tells to try, word by word.
grep -oE '^  (kill -9 [0-9]+; .* cluster status)$' "$work/up.out" >"$work/try.sh" || fail "nothing to try"
bash "$work/try.sh" >"$work/try.out" 2>&1 || fail "what it tells to try: exit code $?"
says try '^ *0 +node-'
echo "ok 3 - a leader dies and another leads"

cp "$bin/choreod" "$bin/choreod.new"
mv "$bin/choreod.new" "$bin/choreod" # a whole file at every moment
quickstart --down >"$work/down.out" || fail "--down: exit code $?"
says down 'stopping'
[ ! -e "$work/dev/dev.pid" ] || fail "it still runs"
quickstart --down >"$work/gone.out" && fail "something was stopped twice"
says gone 'nothing runs in'
echo "ok 4 - it goes"
