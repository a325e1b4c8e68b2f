#!/usr/bin/env bash
# What README.md prints goes as printed: each command is one that there is, with options that it
# takes; those that need no server are run; its manifests are valid; its contents lead somewhere.
set -u
. "$(dirname "$0")/lib.sh"
source=${CHOREO_SOURCE:?names the sources}
bin=${CHOREO_BIN:?names the programs}
DIR=$(mktemp -d)
trap 'rm -rf "$DIR"' EXIT
export HOME=$DIR PATH=$bin:$PATH
ln -s "$source/deploy" "$DIR/deploy"
cd "$DIR" || exit 1

# Indented lines that begin with one of our programs, continued ones joined, without comments.
commands() {
    sed -e ':a' -e '/\\$/N; s/\\\n *//; ta' "$source/README.md" | grep -E '^    (choreo|choreod) ' |
        sed -e 's/^ *//' -e 's/  *# .*//'
}
commands >commands
check "there are commands" test "$(wc -l <commands)" -gt 40

while read -r command; do
    alone=${command%% | *}
    alone=${alone%% > *}
    check "$command" bash -c "timeout 20 $alone --help" && says "usage: "
done <commands

# The manifests that it shows, the first of which it calls web.yaml.
awk -v n=0 '/^```yaml/ { n++; file = "block" n ".yaml"; inside = 1; next }
    /^```/ { inside = 0 } inside { print > file }' "$source/README.md"
for block in block*.yaml; do
    if grep -q '^apiVersion' "$block"; then
        check "the manifest $block" choreo validate -f "$block"
        [ -e web.yaml ] || cp "$block" web.yaml
    fi
done
check "the first is a component" grep -q 'kind: Component$' web.yaml

grep -E '^choreo (validate|render|explain-render|cel|schema|completion) ' commands | grep -v cell-v2 >alone
check "some need no server" test "$(wc -l <alone)" -ge 8
while read -r command; do
    check "$command" bash -c "set -o pipefail; timeout 20 $command"
done <alone

# "## The first component" is #the-first-component.
grep -oE '\]\(#[^)]*\)' "$source/README.md" | sed 's/.*#\(.*\))/\1/' >anchors
check "there are contents" test "$(wc -l <anchors)" -ge 8
grep -E '^##' "$source/README.md" | sed 's/^#* //' | tr 'A-Z' 'a-z' | tr -d "'," | tr ' ' '-' >headings
while read -r anchor; do
    check "a heading #$anchor" grep -qx -- "$anchor" headings
done <anchors
finish
