#!/usr/bin/env bash
# Server-side apply, held against the library that a kube-apiserver applies with. CHOREO_SEED is the
# first history's, CHOREO_HISTORIES how many there are.
set -eu
packages=/usr/share/gocode
if ! command -v go >/dev/null || [ ! -d $packages/src/sigs.k8s.io/structured-merge-diff ]; then
    echo "skipped: no Go, or not the library (Debian: golang-go golang-k8s-sigs-structured-merge-diff-dev)"
    exit 77
fi
here=$(dirname "$0")
dir=$(mktemp -d "${TMPDIR:-/tmp}/choreod-oracle-XXXXXX")
trap 'rm -rf "$dir"' EXIT
seed=${CHOREO_SEED:-$(date +%s)}
histories=${CHOREO_HISTORIES:-3000}
HOME=$dir GO111MODULE=off GOPATH=$packages GOFLAGS= go build -o "$dir/judge" "$here/apply.go"
echo "CHOREO_SEED=$seed"
set -o pipefail
"${CHOREO_BUILD:?}/tests/apply-history" "$here/apply_schema.yaml" "$seed" "$histories" | "$dir/judge"
