#!/usr/bin/env bash
# Everything that a person does with kubectl. KUBECTL names another one than PATH's.
set -u
. "$(dirname "$0")/lib.sh"
kubectl=${KUBECTL:-kubectl}
needs "$kubectl"
start
k() { timeout 20 "$kubectl" "$@"; }
viewer() { timeout 20 "$kubectl" --kubeconfig "$DIR/viewer.kubeconfig" "$@"; }

cat >"$DIR/project.yaml" <<'YAML'
apiVersion: choreo.dev/v1
kind: Project
metadata:
  name: shop
  labels: {team: web}
spec:
  displayName: Shop
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
data:
  colour: blue
YAML

check "version" k version && says "v1.32.0"
check "api-resources" k api-resources && says components projects namespaces configmaps
check "api-versions" k api-versions && says choreo.dev/v1 v1

check "apply creates" k apply -f "$DIR/project.yaml" &&
    says "project.choreo.dev/shop created" "configmap/settings created"
check "apply again" k apply -f "$DIR/project.yaml" &&
    says "project.choreo.dev/shop unchanged" "configmap/settings unchanged"
sed -i 's/displayName: Shop/displayName: The Shop/; s/colour: blue/colour: red/' "$DIR/project.yaml"
check "apply changes" k apply -f "$DIR/project.yaml" &&
    says "project.choreo.dev/shop configured" "configmap/settings configured"
check "get -o jsonpath" k get project shop -o 'jsonpath={.spec.displayName}' && says "The Shop"
check "get -o yaml" k get project shop -o yaml && says "displayName: The Shop" "team: web" "uid:"
check "get -o json" k get cm settings -o json && says '"colour": "red"'
check "get -o wide" k get projects -o wide && says shop NAME AGE
check "get -o name" k get proj -o name && says project.choreo.dev/shop
check "short names" k get proj && says shop
check "get -A" k get projects -A && says default shop
refuse "get of what is not there" k get project nope
says 'Error from server (NotFound): projects.choreo.dev "nope" not found'
refuse "unknown kind" k get gizmos && says "the server doesn't have a resource type \"gizmos\""

check "label selectors" k get projects -l team=web && says shop
check "label selectors that choose nothing" k get projects -l team!=web && hides shop
check "set-based selectors" k get projects -l 'team in (web,api)' && says shop
check "field selectors" k get projects --field-selector metadata.name=shop && says shop
refuse "unknown field selectors" k get projects --field-selector spec.foo=bar &&
    says "field label not supported"

check "create" k create -f - <<<'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"one"}}' &&
    says "configmap/one created"
refuse "create again" k create -f - <<<'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"one"}}' &&
    says 'Error from server (AlreadyExists)' '"one" already exists'
check "create configmap" k create configmap two --from-literal=a=b && says created
check "generateName" k create -f - <<<'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"generateName":"gen-"}}' &&
    says "configmap/gen-"
check "create secret" k create secret generic pass --from-literal=word=xyz && says created
check "create namespace" k create -f - <<<'{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"other"}}' &&
    says "namespace/other created"
refuse "create in no namespace" k -n nowhere create configmap x && says 'namespaces "nowhere" not found'
check "list in no namespace" k -n nowhere get cm && says "No resources found"
check "dry run" k create configmap dry --dry-run=server && says "created (server dry run)"
refuse "nothing was created" k get cm dry && says NotFound

check "label" k label project shop tier=front && says labeled
check "label overwrite" k label project shop tier=back --overwrite && says labeled
check "annotate" k annotate project shop note=hello && says annotated
check "labels and annotations" k get project shop -o yaml && says "tier: back" "note: hello"
check "patch merge" k patch project shop --type merge -p '{"spec":{"displayName":"P"}}' && says patched
check "patch json" k patch project shop --type json \
    -p '[{"op":"replace","path":"/spec/displayName","value":"J"}]' && says patched
refuse "patch json whose test fails" k patch project shop --type json \
    -p '[{"op":"test","path":"/spec/displayName","value":"P"}]' &&
    says 'The Project "shop" is invalid: patch: operation 0: test failed: "/spec/displayName"'
check "patch no change" k patch project shop --type merge -p '{"spec":{"displayName":"J"}}' &&
    says "no change"
refuse "patch strategic" k patch project shop --type strategic -p '{"spec":{"displayName":"S"}}' &&
    grep -q "is not supported by choreo.dev/v1\|UnsupportedMediaType" <<<"$out" || says UnsupportedMediaType
check "patches landed" k get project shop -o 'jsonpath={.spec.displayName}' && says J

check "server-side apply" k apply --server-side --field-manager m1 -f - <<'YAML'
apiVersion: choreo.dev/v1
kind: Project
metadata: {name: ssa}
spec: {displayName: One}
YAML
says "serverside-applied"
refuse "server-side apply conflicts" k apply --server-side --field-manager m2 -f - <<'YAML'
apiVersion: choreo.dev/v1
kind: Project
metadata: {name: ssa}
spec: {displayName: Two}
YAML
says "conflict with \"m1\"" ".spec.displayName"
check "server-side apply forces" k apply --server-side --force-conflicts --field-manager m2 -f - <<'YAML'
apiVersion: choreo.dev/v1
kind: Project
metadata: {name: ssa}
spec: {displayName: Two}
YAML
check "forced" k get project ssa -o 'jsonpath={.spec.displayName}' && says Two
check "from client-side to server-side apply" k apply --server-side -f "$DIR/project.yaml" --force-conflicts &&
    says serverside-applied

check "describe" k describe project shop && says "Name:" "shop" "The Shop"
if k wait --help | grep -q "for=jsonpath"; then # not in 1.20
    check "wait for a value" k wait --for=jsonpath='{.spec.displayName}'='The Shop' project/shop \
        --timeout=5s && says "condition met"
fi
(sleep 1; k delete configmap settings >/dev/null) &
check "wait for the end" k wait --for=delete configmap/settings --timeout=10s
wait $!

# A watch sees what comes, in order, and ends with its timeout.
(timeout 20 "$kubectl" get cm -w --no-headers --request-timeout=4s >"$DIR/watch.txt" 2>&1) &
watcher=$!
sleep 1
k create configmap watched >/dev/null
k label configmap watched a=b >/dev/null
k delete configmap watched >/dev/null
wait "$watcher"
what="get -w"
out=$(grep -c '^watched' "$DIR/watch.txt")
says 3
(timeout 20 "$kubectl" get project shop -w -o name --request-timeout=2s >"$DIR/watch.txt" 2>&1) &
watcher=$!
sleep 1
k annotate project shop watch=me >/dev/null
wait "$watcher"
out=$(grep -c 'project.choreo.dev/shop' "$DIR/watch.txt")
what="get NAME -w"
says 2

check "twelve at a time" bash -c '
    for i in $(seq 12); do timeout 20 "$0" annotate project shop k$i=v >/dev/null & done; wait' "$kubectl"
check "all twelve landed" k get project shop -o yaml && for i in $(seq 12); do says "k$i: v"; done

refuse "a viewer may not write" viewer create configmap v && says forbidden 'User "viewer"'
check "a viewer may look" viewer get projects && says shop
refuse "a viewer may not read secrets" viewer get secrets && says Forbidden

check "delete" k delete project ssa && says '"ssa" deleted'
refuse "deleted" k get project ssa && says NotFound
check "delete --all" k delete cm --all && says '"one" deleted' '"two" deleted'
check "delete with a selector" k delete projects -l team=web && says '"shop" deleted'
refuse "delete what is not there" k delete project shop && says NotFound
check "delete --ignore-not-found" k delete project shop --ignore-not-found
check "a project and where it runs" k apply -f - <<'YAML'
apiVersion: choreo.dev/v1
kind: Project
metadata: {name: last}
spec: {}
---
apiVersion: choreo.dev/v1
kind: Environment
metadata: {name: kept}
spec: {dataPlane: d}
YAML
check "get all" k get all && says project.choreo.dev/last && hides environment organization
check "get choreo" k get choreo && says project.choreo.dev/last environment.choreo.dev/kept
check "delete all --all" k delete all --all && says '"last" deleted' && hides '"kept"' '"default"'
check "what others made stays" k get environment kept && says kept
refuse "bad objects are refused" k apply -f - <<'YAML'
apiVersion: choreo.dev/v1
kind: Project
metadata: {name: Bad_Name}
spec: {}
YAML
says Bad_Name
finish
