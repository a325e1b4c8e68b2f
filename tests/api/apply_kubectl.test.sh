#!/usr/bin/env bash
# From `kubectl apply` to `kubectl apply --server-side` and back, as people move their manifests: what
# changes, what is taken away, and whose each field is after each step. KUBECTL names another one
# than PATH's.
set -u
. "$(dirname "$0")/lib.sh"
kubectl=${KUBECTL:-kubectl}
needs "$kubectl"
k() { timeout 20 "$kubectl" "$@"; }
if ! k get --help | grep -q show-managed-fields; then
    echo "skipped: this $kubectl cannot show managed fields, nor move them to server-side apply"
    exit 77
fi
start

manifest() { # LABELS DATA
    cat >"$DIR/both.yaml" <<YAML
apiVersion: choreo.dev/v1
kind: Project
metadata:
  name: shop
  labels: {$1}
spec:
  displayName: Shop
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
data: {$2}
YAML
}

# owners OBJECT: a line for each entry, as "manager operation fields".
owners() {
    k get "$1" --show-managed-fields -o \
        'jsonpath={range .metadata.managedFields[*]}{.manager} {.operation} {.fieldsV1}{"\n"}{end}'
}

# owned OBJECT LINE...: these are all its entries.
owned() {
    local object=$1
    shift
    check "owners of $object" owners "$object" && says "$@"
    if [ "$(wc -l <<<"$out")" -ne $# ]; then
        echo "FAILED: $what: not $# entries:"
        echo "$out"
        failures=$((failures + 1))
    fi
}

version() { k get "$1" -o 'jsonpath={.metadata.resourceVersion}'; }

annotation='{"f:metadata":{"f:annotations":{"f:kubectl.kubernetes.io/last-applied-configuration":{}}}}'

manifest 'team: web, tier: front' 'colour: blue, size: big'
check "apply" k apply -f "$DIR/both.yaml" && says "shop created" "settings created"
owned project/shop 'kubectl-client-side-apply Update {"f:metadata":{"f:annotations":{".":{},"f:kubectl.kubernetes.io/last-applied-configuration":{}},"f:labels":{".":{},"f:team":{},"f:tier":{}}},"f:spec":{".":{},"f:deploymentPipeline":{},"f:displayName":{}}}'
owned cm/settings 'kubectl-client-side-apply Update {"f:data":{".":{},"f:colour":{},"f:size":{}},"f:metadata":{"f:annotations":{".":{},"f:kubectl.kubernetes.io/last-applied-configuration":{}}}}'

# Four requests: the apply, the annotation's, a JSON patch that joins both managers' books, the apply.
check "apply --server-side" k apply --server-side -f "$DIR/both.yaml" &&
    says "shop serverside-applied" "settings serverside-applied"
hides conflict
for what in joined again; do
    owned project/shop "kubectl-last-applied Apply $annotation" \
        'kubectl Apply {"f:metadata":{"f:labels":{"f:team":{},"f:tier":{}}},"f:spec":{"f:displayName":{}}}'
    owned cm/settings "kubectl-last-applied Apply $annotation" \
        'kubectl Apply {"f:data":{"f:colour":{},"f:size":{}}}'
    before=$(version project/shop) && before+=$(version cm/settings)
    check "the same again" k apply --server-side -f "$DIR/both.yaml" && says serverside-applied
    out=$(version project/shop)$(version cm/settings)
    what="the same again changes nothing"
    says "$before"
done

manifest 'team: web' 'colour: blue'
check "apply --server-side of less" k apply --server-side -f "$DIR/both.yaml"
owned project/shop "kubectl-last-applied Apply $annotation" \
    'kubectl Apply {"f:metadata":{"f:labels":{"f:team":{}}},"f:spec":{"f:displayName":{}}}'
owned cm/settings "kubectl-last-applied Apply $annotation" 'kubectl Apply {"f:data":{"f:colour":{}}}'
check "what is left out is gone" k get project/shop cm/settings -o yaml &&
    hides "tier: front" && hides "size: big" && says "team: web" "colour: blue" "deploymentPipeline: default"

manifest 'team: web' 'colour: red'
check "back to apply" k apply -f "$DIR/both.yaml" && says "settings configured"
owned project/shop "kubectl-client-side-apply Update $annotation" \
    'kubectl Apply {"f:metadata":{"f:labels":{"f:team":{}}},"f:spec":{"f:displayName":{}}}'
owned cm/settings 'kubectl-client-side-apply Update {"f:data":{"f:colour":{}},"f:metadata":{"f:annotations":{"f:kubectl.kubernetes.io/last-applied-configuration":{}}}}'
manifest 'team: web' ''
check "apply of less" k apply -f "$DIR/both.yaml" && says "settings configured"
check "what is left out is gone again" k get cm/settings -o yaml && hides "colour: red"

manifest 'team: api' 'colour: green'
check "and to server-side once more" k apply --server-side -f "$DIR/both.yaml" && says serverside-applied
owned project/shop "kubectl-last-applied Apply $annotation" \
    'kubectl Apply {"f:metadata":{"f:labels":{"f:team":{}}},"f:spec":{"f:displayName":{}}}'
owned cm/settings "kubectl-last-applied Apply $annotation" 'kubectl Apply {"f:data":{"f:colour":{}}}'

# Another tool's field is a conflict until it is forced, and then the other's no more.
check "another tool" k patch cm settings --type merge -p '{"data":{"colour":"grey"}}' \
    --field-manager painter
refuse "conflict" k apply --server-side -f "$DIR/both.yaml" &&
    says 'conflict with "painter" using v1' ".data.colour" "--force-conflicts"
check "forced" k apply --server-side --force-conflicts -f "$DIR/both.yaml"
owned cm/settings "kubectl-last-applied Apply $annotation" 'kubectl Apply {"f:data":{"f:colour":{}}}'
finish
