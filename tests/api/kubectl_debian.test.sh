#!/usr/bin/env bash
# The tests of kubectl again, with Debian's kubectl 1.20, which tests/run unpacks into build/.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export KUBECTL=${CHOREO_SOURCE:-$here/../..}/build/kubectl-debian/usr/bin/kubectl
if [ ! -x "$KUBECTL" ]; then
    echo "skipped: Debian's kubernetes-client is not unpacked (tests/run does that)"
    exit 77
fi
for script in kubectl kubectl_auth kubectl_events; do
    bash "$here/$script.test.sh"
done
