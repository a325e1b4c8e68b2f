#!/usr/bin/env bash
# A real platform's sample manifests, and its definitions: OpenChoreo's, whose kinds are built in, read
# where OPENCHOREO_DIR says that a checkout of it lies.
set -u
. "$(dirname "$0")/lib.sh"
kubectl=${KUBECTL:-kubectl}
needs "$kubectl"
if [ ! -d "${OPENCHOREO_DIR:-}/config/crd/bases" ]; then
    echo "skipped: OPENCHOREO_DIR names no checkout of OpenChoreo"
    exit 77
fi
start
k() { timeout 60 "$kubectl" "$@"; }
definitions=$OPENCHOREO_DIR/config/crd/bases
samples=$OPENCHOREO_DIR/samples
count=$(find "$definitions" -name '*.yaml' | wc -l)

# How many definitions are established, without waiting for any.
established() {
    k get crd -o 'jsonpath={range .items[*]}{.status.conditions[?(@.type=="Established")].status}{"\n"}{end}' |
        grep -c True
}
all_established() {
    local deadline=$((SECONDS + 3))
    while [ "$(established)" -ne "$count" ]; do
        if [ $SECONDS -gt $deadline ]; then
            echo "$(established) of $count are established"
            return 1
        fi
    done
}
# Of Argo's kind no definition comes along: kubectl finds no mapping. Everything else is taken.
apply_samples() {
    k apply -R -f "$samples" "$@" >"$DIR/applied" 2>&1
    if grep -v -e 'no matches for kind "ClusterWorkflowTemplate"' -e '^ensure CRDs are installed first' \
        -e ' created$' -e ' configured$' -e ' unchanged$' -e ' serverside-applied$' "$DIR/applied"; then
        return 1
    fi
}

check "without a server" "${CHOREO_BIN:?}/choreo" validate -R -f "$definitions" -f "$samples" &&
    says 'data plane "default" is not among the manifests' "1 warning in"
check "samples, before any definition" apply_samples
check "components" k get components.openchoreo.dev -A && says PROJECT COMPONENTTYPE greeter-service
check "explain" k explain components.spec.workflow --api-version=openchoreo.dev/v1alpha1 &&
    says "enum: Workflow, ClusterWorkflow"
k get components.openchoreo.dev greeter-service -o yaml >"$DIR/before"
check "definitions, applied by the client" k apply -f "$definitions"
check "all are established" all_established
check "wait" k wait --for=condition=Established --all crd --timeout=50s && says "components.openchoreo.dev condition met"
check "they say what they are" k get crd components.openchoreo.dev -o yaml && says "reason: BuiltIn" \
    "the definition changes nothing"
check "definitions, applied by the server" k apply --server-side --force-conflicts -f "$definitions"
check "nothing is configured twice" k apply --server-side -f "$definitions"
check "samples, again" apply_samples
check "they go" k delete -f "$definitions" --wait=false
gone() {
    local deadline=$((SECONDS + 60))
    while [ -n "$(k get crd -o name)" ]; do
        [ $SECONDS -le $deadline ] || return 1
        sleep 0.2
    done
}
check "soon" gone
unchanged() { k get components.openchoreo.dev greeter-service -o yaml | diff "$DIR/before" -; }
check "and take nothing along" unchanged
check "samples, applied by the server" apply_samples --server-side --force-conflicts

finish
