# lib.sh: for the shell scripts of tests/api. Sourced. Starts a fresh api-server (server.c), whose
# address is $URL and whose kubeconfigs and CA are in $DIR, and stops it at the end.
failures=0
what=

# check "what is shown" command...: runs it; its output is in $out, both streams.
check() {
    what=$1
    shift
    if ! out=$("$@" 2>&1); then
        echo "FAILED: $what: $*"
        echo "$out"
        failures=$((failures + 1))
        return 1
    fi
    return 0
}

# refuse "what is shown" command...: the same, for what must fail.
refuse() {
    what=$1
    shift
    if out=$("$@" 2>&1); then
        echo "FAILED: $what: should have been refused: $*"
        echo "$out"
        failures=$((failures + 1))
        return 1
    fi
    return 0
}

# code N "what is shown" command...: its exit code; its output is in $out, both streams.
code() {
    local want=$1 got
    what=$2
    shift 2
    out=$("$@" 2>&1)
    got=$?
    if [ "$got" -ne "$want" ]; then
        echo "FAILED: $what: exit code $got, not $want: $*"
        echo "$out"
        failures=$((failures + 1))
        return 1
    fi
    return 0
}
# only TEXT: $out is just that.
only() {
    if [ "$out" != "$1" ]; then
        echo "FAILED: $what: not \"$1\" but:"
        echo "$out"
        failures=$((failures + 1))
    fi
}

# says TEXT...: each occurs in $out.
says() {
    local text
    for text in "$@"; do
        if ! grep -qF -- "$text" <<<"$out"; then
            echo "FAILED: $what: \"$text\" is not in:"
            echo "$out"
            failures=$((failures + 1))
        fi
    done
}

# hides TEXT: does not occur in $out.
hides() {
    if grep -qF -- "$1" <<<"$out"; then
        echo "FAILED: $what: \"$1\" is in:"
        echo "$out"
        failures=$((failures + 1))
    fi
}

start() {
    local program=${CHOREO_BUILD:?names the build folder}/tests/api-server
    DIR=$(mktemp -d)
    "$program" "$DIR" 2>"$DIR/server.log" &
    server=$!
    trap stop EXIT
    for _ in $(seq 200); do
        [ -s "$DIR/url" ] && break
        kill -0 "$server" 2>/dev/null || break
        sleep 0.05
    done
    if ! URL=$(cat "$DIR/url"); then
        cat "$DIR/server.log"
        exit 1
    fi
    export DIR URL
    export HOME=$DIR # clients' caches
    export KUBECONFIG=$DIR/kubeconfig
}

# start_dev PLANE/CLUSTER,...: a whole node with these clusters, `choreod dev`, whose kubeconfig is in
# $DIR, beside those of its clusters; stopped at the end. k is kubectl, c is choreo.
start_dev() {
    local port=$((15000 + RANDOM % 15000))
    DIR=$(mktemp -d)
    "${CHOREO_BIN:?names the programs}/choreod" dev --dir "$DIR" --nodes 1 --shards 2 \
        --planes "$1" --base-port "$port" >"$DIR/out" 2>"$DIR/server.log" &
    server=$!
    trap stop EXIT
    for _ in $(seq 300); do
        grep -q '^ready' "$DIR/out" && break
        kill -0 "$server" 2>/dev/null || break
        sleep 0.1
    done
    if ! grep -q '^ready' "$DIR/out"; then
        cat "$DIR/server.log"
        exit 1
    fi
    export DIR HOME=$DIR KUBECONFIG=$DIR/kubeconfig
}
k() { timeout 20 "${KUBECTL:-kubectl}" "$@"; }
c() { timeout 20 "$CHOREO_BIN/choreo" "$@"; }

# needs PROGRAM...: skips the test where one of them is missing.
needs() {
    local program
    for program in "$@"; do
        if ! command -v "$program" >/dev/null; then
            echo "skipped: no $program here"
            exit 77
        fi
    done
}

# becomes command...: it succeeds within 20 s.
becomes() {
    local end=$((SECONDS + 20))
    while ((SECONDS < end)); do
        "$@" >/dev/null 2>&1 && return 0
        sleep 0.1
    done
    "$@"
}
prints() { [ "$("${@:2}" 2>&1)" = "$1" ]; }
mentions() { "${@:2}" 2>&1 | grep -qF -- "$1"; }
# outputs TEXT command...: what it prints is TEXT, within 20 s; tells: what it prints has TEXT.
outputs() { becomes prints "$@" || { "${@:2}" && return 1; }; }
tells() { becomes mentions "$@" || { "${@:2}" && return 1; }; }

stop() {
    local status=$? ended
    kill "$server" 2>/dev/null
    wait "$server"
    ended=$?
    if [ "$ended" -ne 0 ]; then
        echo "api-server ended with $ended:"
        tail -20 "$DIR/server.log"
        status=1
    fi
    rm -rf "$DIR"
    exit "$status"
}

finish() {
    if [ "$failures" -ne 0 ]; then
        echo "$failures checks failed"
        exit 1
    fi
    echo "all checks passed"
    exit 0
}
