#!/usr/bin/env bash
# Values that a Component takes from ConfigMaps and Secrets, from the control plane to a cluster; and
# what is said while they are missing. Types whose templates cannot work are refused here too.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../api/lib.sh"
kubectl=${KUBECTL:-kubectl}
needs "$kubectl" base64

start_dev dev/dev
k() { timeout 20 "$kubectl" "$@"; }
cluster() { KUBECONFIG=$DIR/planes/dev/kubeconfig k "$@"; }
ready() { k -n acme get component "$1" -o 'jsonpath={.status.conditions[?(@.type=="Ready")]}'; }
# of all objects in the component's cell: key: value
in_cell() { cluster get "$1" -A -l "openchoreo.dev/component=$2" -o 'jsonpath={.items[*].data}'; }

check "a plane and an organization" k apply -f - <<'YAML'
apiVersion: choreo.dev/v1
kind: DataPlane
metadata: {name: dev}
spec: {type: single-cluster}
---
apiVersion: choreo.dev/v1
kind: Organization
metadata: {name: acme}
YAML
check "its environment" tells development k -n acme get environments

check "the namespaces" k get namespaces && says acme default choreo-system
check "where the clusters' credentials are" k get namespace choreo-system -o 'jsonpath={.status.phase}' && says Active
refuse "it stays" k delete namespace choreo-system && says "namespaces \"choreo-system\" is forbidden"
refuse "as it is" k label namespace choreo-system a=b && says "cannot be changed"
refuse "default stays, too" k delete organization default && says "may not be deleted"

check "a component that wants a ConfigMap" k -n acme apply -f - <<'YAML'
apiVersion: choreo.dev/v1
kind: Component
metadata: {name: web}
spec:
  type: worker
  image: nginx:1
  env:
    - {name: LEVEL, valueFrom: {configMapKeyRef: {name: settings, key: level}}}
YAML
check "which is missing" tells ReferenceNotFound ready web
check "which key of which" tells 'needs key \"level\" of ConfigMap \"settings\", which does not exist' ready web
check "another key" k -n acme create configmap settings --from-literal=other=x
check "is not the one" tells 'of ConfigMap \"settings\", which has no such key' ready web
check "the key" k -n acme patch configmap settings --type=merge -p '{"data":{"level":"debug"}}'
check "is found without another touch" tells AllReady ready web
check "and lands in the cell" tells '"LEVEL":"debug"' in_cell configmaps web
check "another value" k -n acme patch configmap settings --type=merge -p '{"data":{"level":"warn"}}'
check "lands too" tells '"LEVEL":"warn"' in_cell configmaps web

check "a Secret in the environment's overrides" k -n acme patch environment development --type=merge -p \
    '{"spec":{"overrides":{"components":[{"name":"web","env":[{"name":"TOKEN","valueFrom":{"secretKeyRef":{"name":"tokens","key":"api"}}}]}]}}}'
check "which is missing too" tells 'needs key \"api\" of Secret \"tokens\", which does not exist' ready web
secret=xyzzy-plugh-$RANDOM$RANDOM
encoded=$(printf %s "$secret" | base64)
check "the Secret" k -n acme create secret generic tokens --from-literal=api="$secret"
check "is found" tells AllReady ready web
check "and lands in the cell" tells "\"TOKEN\":\"$encoded\"" in_cell secrets web
check "objects and events" k get components,releases,releasebindings,renderedreleases,environments,events -A -o yaml &&
    says latestRelease AllReady
hides "$secret"
hides "$encoded"
refuse "the logs keep it to themselves" grep -rqE -- "$secret|$encoded" "$DIR/log"
check "it goes" k -n acme delete secret tokens
check "and is missed" tells 'of Secret \"tokens\", which does not exist' ready web

refuse "a type with a name that nobody knows" k apply -f - <<'YAML'
apiVersion: choreo.dev/v1
kind: ClusterComponentType
metadata: {name: broken}
spec:
  workloadType: deployment
  resources: [{id: d, template: {apiVersion: v1, kind: ConfigMap, metadata: {name: "x-${metadta.name}"}}}]
YAML
says Invalid 'spec.resources[d].template.metadata.name' "column 5: undeclared reference to 'metadta'"
refuse "an own type that does not parse" k -n acme apply --server-side -f - <<'YAML'
apiVersion: choreo.dev/v1
kind: ComponentType
metadata: {name: broken}
spec:
  workloadType: deployment
  resources: [{id: d, template: {apiVersion: v1, kind: ConfigMap, metadata: {name: "${1 +}"}}}]
YAML
says 'spec.resources[d].template.metadata.name' "column 6: expected an expression"
finish
