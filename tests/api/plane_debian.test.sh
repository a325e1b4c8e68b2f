#!/usr/bin/env bash
# plane.test.sh again, with Debian's kubectl 1.20, which tests/run unpacks into build/.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export KUBECTL=${CHOREO_SOURCE:-$here/../..}/build/kubectl-debian/usr/bin/kubectl
if [ ! -x "$KUBECTL" ]; then
    echo "skipped: Debian's kubernetes-client is not unpacked (tests/run does that)"
    exit 77
fi
exec bash "$here/plane.test.sh"
