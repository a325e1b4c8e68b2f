#!/usr/bin/env bash
# The servers run on jemalloc with the settings of base/heap.c, not with its own: it prints what it
# took when it is asked to.
set -euo pipefail
source="$CHOREO_SOURCE/base/heap.c"
settings=$(sed -n '/^const char \*malloc_conf = /,/;$/s/[^"]*"\([^"]*\)".*/\1/p' "$source" | tr -d '\n')
[ -n "$settings" ] || { echo "no malloc_conf in $source"; exit 1; }
for program in choreod choreo-plane; do
    printed=$(MALLOC_CONF=stats_print:true "$CHOREO_BIN/$program" --help 2>&1)
    grep -q '^___ Begin jemalloc statistics' <<<"$printed" || { echo "$program is not linked with jemalloc"; exit 1; }
    for name in narenas dirty_decay_ms muzzy_decay_ms background_thread; do
        wanted=$(tr , '\n' <<<"$settings" | sed -n "s/^$name://p")
        grep -qE "^ *opt\.$name: $wanted( |\$)" <<<"$printed" || {
            echo "$program: $name is not $wanted: $(grep -E "opt\.$name" <<<"$printed")"
            exit 1
        }
    done
    echo "ok: $program"
done
