#!/usr/bin/env bash
# The real thing, without `dev`: a cluster of one is created, two machines join, one dies and is taken
# out; and what operators get wrong is answered by one clear line and the right exit code.
set -euo pipefail

bin=${CHOREO_BIN:?}
work=$(mktemp -d)
pids=()
port=$((15000 + RANDOM % 17000)) # below the ports that the kernel hands out
finish() {
    status=$?
    for pid in "${pids[@]}"; do kill -9 "$pid" 2>/dev/null || true; done
    if [ $status -ne 0 ]; then
        tail -n 15 "$work"/*.log >&2 || true
    fi
    rm -rf "$work"
    exit $status
}
trap finish EXIT
cd "$work"

fail() { echo "FAILED: $*" >&2; exit 1; }
passed=0
ok() { passed=$((passed + 1)); echo "ok $passed - $*"; }
# expect CODE TEXT COMMAND...: the exit code, and the text somewhere in what it prints.
expect() {
    local code=$1 text=$2 output rc=0
    shift 2
    output=$("$@" 2>&1) || rc=$?
    [ "$rc" = "$code" ] || fail "$*: exit code $rc, not $code: $output"
    case $output in *"$text"*) ;; *) fail "$*: not \"$text\" but: $output" ;; esac
}
up=()
run() { # run NAME: starts it in the background
    "$bin/choreod" run --config "$1/choreod.yaml" >"$1.log" 2>&1 &
    pids+=($!)
    eval "pid_$1=$!"
    up+=("$1")
}
going() { # going NAME: it may end from now on
    local name still=()
    for name in "${up[@]}"; do [ "$name" = "$1" ] || still+=("$name"); done
    up=("${still[@]}")
}
until_true() { # until_true SECONDS COMMAND...
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        for name in "${up[@]}"; do
            pid=pid_$name
            kill -0 "${!pid}" 2>/dev/null || fail "$name has ended by itself"
        done
        [ $SECONDS -lt $end ] || fail "not in time: $*"
        sleep 0.1
    done
}
address() { echo "127.0.0.1:$((port + $1))"; }

# ---- init ----

expect 2 "--dir, --api and --peers are required" "$bin/choreod" init
expect 2 "must be HOST:PORT" "$bin/choreod" init --dir x --api nowhere --peers "$(address 1)"
expect 2 "use lower-case letters" "$bin/choreod" init --dir x --name 'A B' --api "$(address 0)" --peers "$(address 1)"
"$bin/choreod" init --dir one --name one --region eu --api "$(address 0)" --peers "$(address 1)" --shards 2 >init.out
grep -q 'CA hash  *sha256:' init.out || fail "init prints the CA's hash"
[ "$(stat -c %a one/pki/ca.key)" = 600 ] || fail "the CA's key is private"
expect 5 "already holds node one" "$bin/choreod" init --dir one --api "$(address 0)" --peers "$(address 1)"
ok "init makes a cluster once"

# ---- run: configuration ----

expect 2 "one of --config and --dir is required" "$bin/choreod" run
expect 2 "bad.yaml:2: api.port: unknown key" bash -c "printf 'dataDir: one\napi: {port: 1}\n' >bad.yaml; exec $bin/choreod run --config bad.yaml"
expect 2 "cannot read /nonexistent" bash -c "printf 'dataDir: one\napi:\n  certFile: /nonexistent\n  keyFile: /dev/null\n' >bad.yaml; exec $bin/choreod run --config bad.yaml"
expect 2 "holds no node" bash -c "mkdir -p empty; printf 'dataDir: empty\n' >bad.yaml; exec $bin/choreod run --config bad.yaml"
ok "a bad configuration is named with file, line and key"

run one
kubectl() { command kubectl --kubeconfig one/admin.kubeconfig "$@"; }
until_true 15 kubectl get --raw /readyz
kubectl create configmap first --from-literal=a=1 >/dev/null
ok "a cluster of one serves"

expect 5 "in use by another process" "$bin/choreod" run --config one/choreod.yaml
ok "a second process on the same directory ends with a reason"

# ---- join ----

line=$("$bin/choreod" token create --dir one | tail -n 1)
token=$(sed 's/.*--token \([^ ]*\).*/\1/' <<<"$line")
hash=$(sed 's/.*--ca-hash \([^ ]*\).*/\1/' <<<"$line")
expect 4 "it is another cluster" "$bin/choreod" join "$(address 0)" --token "$token" \
    --ca-hash "sha256:$(printf '0%.0s' {1..64})" --dir two --name two --api "$(address 2)" --peers "$(address 3)"
expect 4 "not one of choreod's" "$bin/choreod" join "$(address 0)" --token nonsense --ca-hash "$hash" \
    --dir two --name two --api "$(address 2)" --peers "$(address 3)"
short=$("$bin/choreod" token create --dir one --ttl 1s | sed -n 's/.*--token \([^ ]*\).*/\1/p')
sleep 2
expect 4 "expired" "$bin/choreod" join "$(address 0)" --token "$short" --ca-hash "$hash" \
    --dir two --name two --api "$(address 2)" --peers "$(address 3)"
expect 5 "has a node named one" "$bin/choreod" join "$(address 0)" --token "$token" --ca-hash "$hash" \
    --dir two --name one --api "$(address 2)" --peers "$(address 3)"
[ ! -e two/node.yaml ] || fail "a refused join leaves no node behind"
ok "a wrong CA hash, a forged or expired token, a name that is taken are refused"

for n in two three; do
    at=$([ $n = two ] && echo 2 || echo 4)
    "$bin/choreod" join "$(address 0)" --token "$token" --ca-hash "$hash" --dir $n --name $n --region eu \
        --api "$(address "$at")" --peers "$(address $((at + 1)))" >>join.out
    run $n
done
user=$("$bin/choreod" token create --dir two --user ops --group system:masters --ttl 1h)
cat >choreo.yaml <<CONFIG
current-context: test
contexts:
  - name: test
    endpoints: [https://$(address 0), https://$(address 2), https://$(address 4)]
    certificateAuthority: $work/one/pki/ca.crt
    token: $user
CONFIG
choreo() { "$bin/choreo" --config choreo.yaml "$@"; }
three_voters() { [ "$(choreo cluster members | grep -c ' voter  *yes')" = 3 ]; }
until_true 40 three_voters
[ ! -e two/joining ] || until_true 5 test ! -e two/joining
ok "two machines join and vote in every shard"

[ "$(command kubectl --kubeconfig one/admin.kubeconfig --server "https://$(address 4)" get configmap first -o 'jsonpath={.data.a}')" = 1 ] ||
    fail "the new node serves what was written before it came"
ok "what was written before is there"

approver=$("$bin/choreod" token create --dir one --user ann --group release-managers --group choreo:viewers)
command kubectl --kubeconfig /dev/null --server "https://$(address 0)" --certificate-authority one/pki/ca.crt \
    --token "$approver" auth whoami >whoami.out || fail "a token of two groups is good"
grep -q release-managers whoami.out && grep -q choreo:viewers whoami.out || fail "a token is of each group that was given"
ok "a token is of two groups"

# ---- another node's data directory ----

going three
kill "$pid_three" && wait "$pid_three" || true
cp -r three stolen
cp two/pki/node.* stolen/pki/
sed -i "s,^dataDir:.*,dataDir: $work/stolen," stolen/choreod.yaml
expect 2 "certificate" timeout 20 "$bin/choreod" run --dir stolen
ok "a node with another node's certificate does not start"

# ---- a copy of a data directory, at another address ----

going two
kill "$pid_two" && wait "$pid_two" || true
cp -r two copy
run two
until_true 20 command kubectl --kubeconfig one/admin.kubeconfig --server "https://$(address 2)" get --raw /readyz
sed -i "s,^dataDir:.*,dataDir: $work/copy," copy/choreod.yaml
printf 'api:\n  listen: %s\npeers:\n  listen: %s\n' "$(address 8)" "$(address 9)" >>copy/choreod.yaml
expect 5 "knows another process that runs as two: was the data directory copied?" timeout 20 "$bin/choreod" run --config copy/choreod.yaml
grep -q 'transport.refused .*another process runs as two: was a data directory copied?' one.log || fail "one tells of the copy"
kill -0 "$pid_two" || fail "two ended, not its copy"
kubectl create configmap copied --from-literal=a=1 >/dev/null
ok "a copy of a running node's data directory is refused by its peers and ends"

# ---- a dead node is taken out ----

going two
kill -9 "$pid_two"
run three
until_true 20 command kubectl --kubeconfig one/admin.kubeconfig --server "https://$(address 4)" get --raw /readyz
kubectl create configmap second --from-literal=a=2 >/dev/null
until_true 20 choreo cluster remove two
grep_members() { choreo cluster members | grep -q "$1"; }
two_gone() { ! choreo cluster members | grep -q '^two '; }
until_true 20 two_gone
expect 5 "single voter" choreo cluster remove three
kubectl create configmap third --from-literal=a=3 >/dev/null
ok "a dead node is removed, the last but one is not"

# A join is under way, of a machine that never comes, when its nodes are told to stop.
add='{"id": 77, "name": "four", "region": "eu", "peer": "'$(address 7)'", "api": "'$(address 6)'"}'
curl --silent --cacert one/pki/ca.crt --header "authorization: Bearer $user" \
    --header 'content-type: application/json' --data "$add" "https://$(address 0)/cluster/v1/members" >four.out &
pids+=($!)
until_true 10 grep_members '^four '
kill "$pid_one" "$pid_three"
wait "$pid_one" || fail "one ends with code $?"
wait "$pid_three" || fail "three ends with code $?"
ok "SIGTERM ends a node with code 0, whatever is under way"
echo "$passed passed, 0 failed"
