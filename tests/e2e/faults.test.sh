#!/usr/bin/env bash
# Bad input and faults: each is answered by one clear line and the right exit code, and what was
# acknowledged before is there after.
set -euo pipefail

bin=${CHOREO_BIN:?}
work=$(mktemp -d)
pid=
port=$((15000 + RANDOM % 17000)) # below the ports that the kernel hands out
finish() {
    status=$?
    [ -z "$pid" ] || kill -9 "$pid" 2>/dev/null || true
    [ $status -eq 0 ] || tail -n 15 "$work"/*.log >&2 || true
    rm -rf "$work"
    exit $status
}
trap finish EXIT
cd "$work"

fail() { echo "FAILED: $*" >&2; exit 1; }
passed=0
ok() { passed=$((passed + 1)); echo "ok $passed - $*"; }
expect() { # expect CODE TEXT COMMAND...
    local code=$1 text=$2 output rc=0
    shift 2
    output=$(timeout 20 "$@" 2>&1) || rc=$?
    [ "$rc" = "$code" ] || fail "$*: exit code $rc, not $code: $output"
    case $output in *"$text"*) ;; *) fail "$*: not \"$text\" but: $output" ;; esac
}
start() {
    "$bin/choreod" run --dir one >>one.log 2>&1 &
    pid=$!
    for _ in $(seq 150); do
        kubectl --kubeconfig one/admin.kubeconfig get --raw /readyz >/dev/null 2>&1 && return
        sleep 0.1
    done
    fail "the node does not become ready"
}
stop() { kill "$pid"; wait "$pid" || fail "SIGTERM ends with $?"; pid=; }
kube() { kubectl --kubeconfig one/admin.kubeconfig "$@"; }

for name in one other; do
    "$bin/choreod" init --dir $name --name one --api 127.0.0.1:$port --peers 127.0.0.1:$((port + 1)) --shards 2 >/dev/null
done
start
kube create configmap kept --from-literal=a=1 >/dev/null

python3 -c 'import json; print(json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "big"}, "data": {"a": "x" * 1600000}}))' >big.json
expect 1 "over the limit of 1572864 bytes" kubectl --kubeconfig one/admin.kubeconfig create -f big.json
token() { "$bin/choreod" token create --dir "$1" --user ops --group system:masters --ttl "$2"; }
context() {
    printf 'current-context: t\ncontexts:\n  - name: t\n    endpoints: ["https://127.0.0.1:%s"]\n    certificateAuthority: %s\n    token: %s\n' \
        "$port" "$work/one/pki/ca.crt" "$2" >"$1"
}
context good.yaml "$(token one 1h)"
context short.yaml "$(token one 1s)"
context strange.yaml "$(token other 1h)"
expect 1 "Too long" "$bin/choreo" --config good.yaml apply -f big.json
ok "a manifest that is too large is refused by both doors"
sleep 2
ask() { # ask CONTEXT: what the API says to its token
    curl -s -m 10 --cacert one/pki/ca.crt -H "Authorization: Bearer $(sed -n 's/^ *token: //p' "$1")" \
        "https://127.0.0.1:$port/api/v1/namespaces/default/configmaps"
}
[[ $(ask short.yaml) == *"the token expired"* ]] || fail "an expired token: $(ask short.yaml)"
[[ $(ask strange.yaml) == *"for another cluster"* ]] || fail "a strange token: $(ask strange.yaml)"
for _ in $(seq 30); do # by gRPC too, at once, however the refusal and the request's body meet
    expect 4 "the token expired" timeout 5 "$bin/choreo" --config short.yaml get components
    expect 4 "for another cluster" timeout 5 "$bin/choreo" --config strange.yaml get components
done
ok "an expired token and one of another cluster are refused, by both doors"

python3 -c 'print("{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\", \"x\": [" + "{}," * 490000 + "{}]}")' >bomb.json
peak() { sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$pid/status"; }
before=$(peak)
[[ $(curl -s -m 10 --cacert one/pki/ca.crt -H "Authorization: Bearer $(sed -n 's/^ *token: //p' good.yaml)" \
    -H 'Content-Type: application/json' --data-binary @bomb.json \
    "https://127.0.0.1:$port/api/v1/namespaces/default/configmaps") == *"too many values"*'"code":413'* ]] ||
    fail "a body that would take 110 MB as a tree"
[ $(($(peak) - before)) -lt 32768 ] || fail "a refused body took $(($(peak) - before)) kB"
ok "a body that would grow out of proportion is refused before it does"

knock() { # knock PORT TIMES: speaks no TLS
    python3 - "$1" "$2" <<'P'
import socket, sys
for _ in range(int(sys.argv[2])):
    s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=5)
    s.sendall(b"\0\1\2garbage" * 50)
    try:
        s.recv(4096)
    except ConnectionError:
        pass
P
}
lines() { grep -c "$1" one.log || true; }
knock "$port" 100
knock $((port + 1)) 100
for event in http.handshake transport.handshake; do
    grep -q "$event failed=1 error=\"127.0.0.1:[0-9]*: TLS handshake: " one.log || fail "$event is logged"
    [ "$(lines $event)" -le 5 ] || fail "$event fills the log"
done
curl -s --cacert one/pki/ca.crt -H "Authorization: Bearer $(sed -n 's/^ *token: //p' good.yaml)" \
    "https://127.0.0.1:$port/metrics" | grep -q '^choreod_http_handshakes_failed_total 1[0-9][0-9]$' ||
    fail "/metrics counts broken handshakes"
[[ $(curl -s -i "http://127.0.0.1:$port/") == *"400 Bad Request"*"this port speaks HTTPS"* ]] ||
    fail "plain HTTP: $(curl -s -i "http://127.0.0.1:$port/")"
admin() { # admin KEY: of the administrator's kubeconfig, decoded
    kube config view --raw -o "jsonpath={.users[0].user.$1}" | base64 -d
}
admin client-certificate-data >admin.crt
admin client-key-data >admin.key
[ -s admin.key ] || fail "the administrator has a certificate"
(sleep 1; echo hello) | timeout 5 openssl s_client -quiet -connect 127.0.0.1:$((port + 1)) -cert admin.crt -key admin.key >/dev/null 2>&1 || true
grep -q "transport.refused remote=127.0.0.1:[0-9]* times=1 why=\"its certificate is a client's, not a node's\"" one.log ||
    fail "an administrator's certificate at the peers' port is told"
[ "$(kube get configmap kept -o 'jsonpath={.data.a}')" = 1 ] || fail "it serves on"
ok "broken handshakes and strangers are hung up on with one line a second, plain HTTP is answered"
sed -i "s,127.0.0.1:$((port + 1)),127.0.0.1:$((port + 2))," other/*.yaml # its peers' port is free, the API's is not
expect 1 "listen for the API: listen on 127.0.0.1:$port: address already in use" "$bin/choreod" run --dir other
sed -i "s,127.0.0.1:$((port + 2)),127.0.0.1:$((port + 1))," other/*.yaml
ok "a port of the API that is taken ends a node that has begun to work, with its reason"
stop

fresh() {
    rm -rf x
    cp -r one x
    sed -i "s,^dataDir:.*,dataDir: $work/x," x/choreod.yaml
}
fresh; cp other/node.yaml x/
expect 2 "certificate is another node's" "$bin/choreod" run --dir x
fresh; cp other/pki/* x/pki/
expect 2 "certificate is another node's" "$bin/choreod" run --dir x
fresh; cp other/node.yaml x/; cp other/pki/* x/pki/
expect 2 "wrong data directory?" "$bin/choreod" run --dir x
ok "another node's identity, certificate or log is refused"
fresh; rm -rf x/wal
expect 1 "its votes are lost" "$bin/choreod" run --dir x
fresh
python3 -c 'import glob
f = sorted(glob.glob("x/wal/*.log"))[-1]; b = bytearray(open(f, "rb").read()); b[len(b) // 2] ^= 1; open(f, "wb").write(b)'
expect 1 "checksum is wrong" "$bin/choreod" run --dir x
ok "a lost or damaged log is refused"
fresh; rm -f x/shards/000/state.db-*; printf 'damage%.0s' {1..99} | dd of=x/shards/000/state.db conv=notrunc status=none
expect 1 "file is not a database" "$bin/choreod" run --dir x
ok "a damaged database is refused"
# Pages that only readers meet: those with ConfigMaps.
fresh; rm -f x/shards/*/state.db-*; echo 'reconcile: false' >>x/choreod.yaml
python3 - x/shards/*/state.db <<'P'
import struct, sys
for name in sys.argv[1:]:
    file = bytearray(open(name, "rb").read())
    size = struct.unpack(">H", file[16:18])[0]
    for at in range(size, len(file), size):
        if file[at] == 13 and b"ConfigMap" in file[at:at + size]:
            file[at:at + 200] = b"damage.." * 25
    open(name, "wb").write(file)
P
"$bin/choreod" run --dir x >x.log 2>&1 &
pid=$!
for _ in $(seq 30); do
    timeout 5 kubectl --kubeconfig x/admin.kubeconfig get configmap kept >/dev/null 2>&1 || true
    kill -0 $pid 2>/dev/null || break
    sleep 0.1
done
wait $pid && fail "a damaged page does not end the node" || code=$?
pid=
[ $code = 1 ] || fail "a damaged page ends the node with $code: $(tail -n 3 x.log)"
[ "$(grep -c ' error ' x.log)" = 1 ] || fail "a damaged page: one line, not $(grep ' error ' x.log)"
grep -q 'node.fatal .*error="database .*x/shards/00[01]/state.db: database disk image is malformed' x.log || fail "a damaged page is named"
ok "a damaged page that a reader finds ends the node"
for point in wal.append wal.sync; do
    fresh
    expect 1 "node.fatal" env CHOREOD_FAULTS=$point=3 "$bin/choreod" run --dir x
    [ "$(CHOREOD_FAULTS=$point=3 timeout 20 "$bin/choreod" run --dir x 2>&1 | grep -c ' error ')" = 1 ] || fail "$point: one line"
done
ok "a log that cannot be written ends the node"
start
[ "$(kube get configmap kept -o 'jsonpath={.data.a}')" = 1 ] || fail "an acknowledged write is lost"
stop
ok "what was acknowledged is there"
echo "$passed passed, 0 failed"
