#!/usr/bin/env bash
# install-packages on made-up machines: apt's two formats of sources, no sources, somebody who is not
# root, packages that are there. Its commands are stand-ins that note what they are asked to do; the
# note and what the script prints go to one log, so that their order shows.
set -euo pipefail
source=$(cd "$(dirname "$0")/../.." && pwd)
top=$(mktemp -d)
trap 'rm -rf "$top"' EXIT
failures=0
fail() {
    echo "FAILED: $case: $*"
    sed 's/^/    /' "$log"
    failures=$((failures + 1))
}

# machine NAME: an empty machine of Debian 12 with nothing on PATH but what every system has.
machine() {
    case=$1
    m=$top/$1 log=$top/$1/log
    mkdir -p "$m/bin" "$m/apt/sources.list.d" "$m/apt/preferences.d"
    : >"$log"
    : >"$m/installed"
    for tool in bash awk dirname env grep sed tee; do
        ln -s "$(command -v "$tool")" "$m/bin/$tool"
    done
    stand_in id "read -r uid <'$m/uid' && echo \"\$uid\""
    echo 0 >"$m/uid"
    stand_in dpkg-query "while read -r name version; do
        [ \"\$name\" = \"\$4\" ] || [ \"\$name\" = \"\$3\" ] || continue
        case \$3 in *Version*) echo \"\$version\" ;; *) echo installed ;; esac
        exit 0
    done <'$m/installed'
    exit 1"
    stand_in apt-get "echo \"RAN apt-get \$* (frontend \$DEBIAN_FRONTEND)\" >>'$log'
    [ \"\$1\" != install ] || echo 'libraft-dev 0.22.1-1~bpo12+1' >>'$m/installed'"
}
stand_in() {
    printf '#!/bin/sh\n%s\n' "$2" >"$m/bin/$1"
    chmod +x "$m/bin/$1"
}
with_sudo() {
    stand_in sudo "echo \"RAN sudo \$*\" >>'$log'; exec \"\$@\""
    echo 1000 >"$m/uid"
}
have() { printf '%s 1.0\n' "$@" >>"$m/installed"; }
have_all_of() { awk -v g="$1" '$1 !~ /^#/ && $2 ~ g { print $1, "1.0" }' "$source/deploy/packages" >>"$m/installed"; }
# run CODE WORD...: runs the script there; its exit code must be that.
run() {
    local expected=$1 code=0
    shift
    PATH=$m/bin APT_CONFIG_DIR=$m/apt bash "$source/deploy/install-packages" "$@" >>"$log" 2>&1 || code=$?
    [ "$code" -eq "$expected" ] || fail "exit code $code, not $expected"
}
says() { grep -qF -- "$1" "$log" || fail "nothing says: $1"; }
says_not() { ! grep -qF -- "$1" "$log" || fail "something says: $1"; }
# in_order TEXT...: each of these lines comes after the one before.
in_order() {
    local at=0 next
    for text in "$@"; do
        next=$(awk -v at="$at" -v text="$text" 'NR > at && index($0, text) { print NR; exit }' "$log")
        [ -n "$next" ] || { fail "not in this order: $text"; return; }
        at=$next
    done
}
holds() { [ "$(cat "$m/apt/$1" 2>/dev/null)" = "$2" ] || fail "$1 is: $(cat "$m/apt/$1" 2>&1)"; }
unchanged() {
    says_not RAN
    [ -z "$(find "$m/apt" -newer "$m/before" -type f)" ] || fail "a file of apt's was written"
}
list=sources.list.d/choreod-backports.list
pin="Package: libraft-dev libraft0
Pin: release n=bookworm-backports
Pin-Priority: 990"

debian_sources() {
    cat >"$m/apt/sources.list.d/debian.sources" <<'EOT'
Types: deb
# http://snapshot.example.com/archive/debian
URIs: http://mirror.example.com/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example.com/debian-security
Suites: bookworm-security
Components: main
EOT
}

machine deb822-alone
debian_sources
# A vendor's repository, which sorts first and whose URL ends like Debian's.
cat >"$m/apt/sources.list.d/acme.sources" <<'EOT'
Types: deb
URIs: https://packages.example.org/linux/debian
Suites: bookworm
Components: stable
EOT
run 0 build
holds $list "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://mirror.example.com/debian bookworm-backports main"
holds preferences.d/choreod-libraft "$pin"
in_order "+ write $m/apt/$list" "    deb [signed-by" "+ write $m/apt/preferences.d" "    Pin-Priority: 990" \
    "+ apt-get update" "RAN apt-get update -qq (frontend noninteractive)" "+ apt-get install" "RAN apt-get install"
says_not "RAN sudo"
# Again, with everything in place: nothing is said, nothing done.
have_all_of build
: >"$log" && touch "$m/before"
run 0 build
[ ! -s "$log" ] || fail "a second run says something"
unchanged

machine classic-list
cat >"$m/apt/sources.list" <<'EOT'
# deb http://old.example.com/debian bookworm main
deb-src http://source.example.com/debian bookworm main
deb [arch=amd64 signed-by=/k.gpg] https://packages.example.org/linux/debian bookworm stable
deb [trusted=yes] file:/srv/debian/ bookworm main contrib
EOT
run 0 build
holds $list "deb [trusted=yes] file:/srv/debian/ bookworm-backports main"

machine backports-known
debian_sources
sed -i 's/bookworm-updates/bookworm-backports/' "$m/apt/sources.list.d/debian.sources"
run 0 build
[ ! -e "$m/apt/$list" ] || fail "a second source of backports was written"
holds preferences.d/choreod-libraft "$pin"

machine no-mirror
printf 'Types: deb\nURIs: http://mirror.example.com/debian\nSuites: bookworm\nComponents: main\nEnabled: no\n' \
    >"$m/apt/sources.list.d/debian.sources"
touch "$m/before"
run 1 build
says "no source of Debian 12 (bookworm main) is found in $m/apt"
unchanged

machine sudo
debian_sources
with_sudo
run 0 build
in_order "+ write $m/apt/$list" "RAN sudo tee $m/apt/$list" "+ write $m/apt/preferences.d" "RAN sudo tee" \
    "+ apt-get update -qq" "RAN sudo env DEBIAN_FRONTEND=noninteractive apt-get update -qq" "RAN apt-get update" \
    "+ apt-get install" "RAN sudo env DEBIAN_FRONTEND=noninteractive apt-get install" "RAN apt-get install"
[ "$(grep -c '^RAN apt-get' "$log")" = "$(grep -c '^RAN sudo env .* apt-get' "$log")" ] || fail "apt-get ran without sudo"

machine neither-root-nor-sudo
debian_sources
echo 1000 >"$m/uid"
touch "$m/before"
run 1 build
in_order "+ write $m/apt/$list" "    deb [signed-by" "not root and no sudo: do this as root"
unchanged

machine packages-only
debian_sources
have_all_of build
sed -i '/^cmake /d; s/^libraft-dev .*/libraft-dev 0.22.1-2/' "$m/installed"
run 0 build
says "missing: cmake"
says "+ apt-get install -y -qq --no-install-recommends --allow-downgrades cmake"
[ ! -e "$m/apt/$list" ] || fail "sources were changed without need"

machine raft-of-another-line
debian_sources
have_all_of build
sed -i 's/^libraft-dev .*/libraft-dev 0.15.0-1/' "$m/installed"
stand_in apt-get "echo \"RAN apt-get \$*\" >>'$log'" # which leaves it as it is
run 1 build
says "missing: libraft-dev"
says "libraft-dev is 0.15.0-1; choreod needs 0.22.1"

machine other-vendors-node
debian_sources
stand_in npm :
stand_in kubectl :
run 0 build test
says_not " nodejs"
says_not " npm"
says_not kubernetes-client
says " python3"

machine no-node
debian_sources
run 0 build test
says " nodejs npm kubernetes-client"

machine wrong-usage
run 2
says "install-packages GROUP..."
run 2 buidl
says "no group \"buidl\": build, test or dev"
run 0 --help

machine no-debian
rm "$m/bin/apt-get"
run 1 build
says "no apt-get: this is no Debian"

# Told to leave packages alone, the two programs that call the script do not call it; with nothing to
# build with, they fail and say so.
machine no-install
stand_in apt-get "echo \"RAN apt-get \$*\" >>'$log'"
with_sudo
mkdir -p "$m/tree"
cp -r "$source/deploy" "$m/tree/deploy"
mkdir "$m/tree/tests" && cp "$source/tests/run" "$m/tree/tests/run"
for tool in cat date mkdir mv nproc readlink rm seq tail head; do
    ln -sf "$(command -v "$tool")" "$m/bin/$tool"
done
touch "$m/before"
for program in "deploy/quickstart --no-install --detach" "tests/run --no-install --quick"; do
    code=0
    # shellcheck disable=SC2086
    PATH=$m/bin APT_CONFIG_DIR=$m/apt bash "$m/tree/"$program >>"$log" 2>&1 || code=$?
    [ "$code" -eq 1 ] || fail "$program: exit code $code"
done
says "cmake"
unchanged

if [ $failures -gt 0 ]; then
    echo "$failures failed"
    exit 1
fi
echo "all as expected"
