#!/usr/bin/env bash
# What `choreo render` prints without a server is what a running control plane sends to its clusters,
# byte for byte: for the sample platform, and for a platform with types, traits, overrides, addresses
# and references of its own. And what a type's faults say, offline and when it is applied.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../api/lib.sh"
kubectl=${KUBECTL:-kubectl}
needs "$kubectl" python3

start_dev development/development,production/us-west-2,production/eu-west-1,hybrid/aws-production,hybrid/on-premises
render() { c render -R -f "$DIR/export" "$@"; }
samples=${CHOREO_SOURCE:?names the sources}/deploy/samples

# all_ready NAMESPACE COUNT: so many components are there, all Ready.
all_ready() {
    local ready
    ready=$(k -n "$1" get components \
        -o 'jsonpath={range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}')
    [ "$(grep -c . <<<"$ready")" = "$2" ] && ! grep -qv True <<<"$ready"
}

# export_as FILE KINDS: what the control plane holds of these kinds, uids included.
export_as() {
    mkdir -p "$DIR/export"
    k get "$2" -A -o yaml >"$DIR/export/$1.yaml"
}
platform=organizations,dataplanes,environmenttemplates,environments,deploymentpipelines,projects,components,resources
platform=$platform,clustercomponenttypes,componenttypes,traits,clustertraits,configmaps,secrets

# Revisions as clusters have them, and as they are rendered: NAMESPACE NAME HASH.
applied() {
    k get renderedreleases -A -o 'jsonpath={range .items[*]}{.metadata.namespace} {.metadata.name} {.status.appliedHash}{"\n"}{end}' |
        grep "^$1 " | sort
}
rendered() { render -o table --no-headers "${@:2}" | awk '{print $1, $5, $7}' | grep "^$1 " | sort; }
# same NAMESPACE COUNT OPTION...: so many releases and cells, with the same revisions.
same() {
    local there here
    there=$(applied "$1")
    here=$(rendered "$1" "${@:3}")
    if [ "$there" != "$here" ] || [ "$(grep -c . <<<"$here")" != "$2" ]; then
        diff <(echo "$there") <(echo "$here")
        return 1
    fi
}

# on_cluster PLANE/CLUSTER OPTION...: each rendered object is there, with at least what it says.
on_cluster() {
    local cluster=$1
    shift
    render -o json "$@" >"$DIR/rendered.json" || return 1
    KUBECONFIG=$DIR/planes/${cluster%%/*}/kubeconfig python3 - "$DIR/rendered.json" "$kubectl" \
        "${cluster##*/}" <<'PY'
import json, subprocess, sys

def part_of(want, have, path):
    if isinstance(want, dict) and isinstance(have, dict):
        for key in want:
            part_of(want[key], have.get(key), path + "." + key)
    elif isinstance(want, list) and isinstance(have, list) and len(want) == len(have):
        for i, one in enumerate(want):
            part_of(one, have[i], "%s[%d]" % (path, i))
    elif want != have:
        sys.exit("%s: %r is wanted, %r is there" % (path, want, have))

items = json.load(open(sys.argv[1]))["items"]
for item in items:
    meta = item["metadata"]
    args = [sys.argv[2], "get", item["kind"], meta["name"], "-o", "json"]
    args += ["-n", meta["namespace"]] if "namespace" in meta else []
    have = subprocess.run(args, capture_output=True, text=True, timeout=20)
    if have.returncode != 0:
        sys.exit(have.stderr)
    part_of(item, json.loads(have.stdout), "%s %s" % (item["kind"], meta["name"]))
print(len(items), "objects")
PY
}

# ---- the sample platform ----

check "the samples" k apply -f "$samples"
check "all of them run" becomes all_ready acme-corp 7 || finish
export_as platform "$platform"
check "the same revisions" same acme-corp 18
export_as bindings releasebindings,releases,resourcereleasebindings,resourcereleases
check "and of the releases as they were frozen" same acme-corp 18
check "nothing is wrong with what was exported" c validate -R -f "$DIR/export" --strict
check "the objects are on the cluster" on_cluster development/development --component user-service &&
    says "8 objects"
check "and those of a database" on_cluster development/development \
    --resource e-commerce-platform-database && says "11 objects"

check "without uids" c render -f "$samples" --component user-service && says \
    "# component user-service in environment development of acme-corp" "kind: Deployment" &&
    hides -uid
check "a resource, whose password nobody knows yet" c render -f "$samples" --resource e-commerce-platform-redis &&
    says "# resource e-commerce-platform-redis in environment development" "kind: StatefulSet" \
        "password: $(printf made-when-deployed | base64)"
check "and where its fields come from" c explain-render -f "$samples" -n acme-corp \
    --resource e-commerce-platform-redis statefulset.spec.replicas && says "resources[statefulset].template.spec.replicas"

# ---- a platform of its own ----

check "a tenant" k apply -f - <<'YAML'
apiVersion: choreo.dev/v1
kind: Organization
metadata: {name: own}
spec: {dataPlane: development}
YAML
check "its environment" becomes k -n own get environment development
cat >"$DIR/own.yaml" <<'YAML'
apiVersion: choreo.dev/v1
kind: Trait
metadata: {name: notes}
spec:
  parameters: {openAPIV3Schema: {type: object, properties: {note: {type: string, default: none}}}}
  patches:
    - target: {group: apps, version: v1, kind: Deployment}
      operations:
        - {op: add, path: /metadata/annotations/example.com~1note, value: "${parameters.note}"}
---
apiVersion: choreo.dev/v1
kind: ComponentType
metadata: {name: daemon}
spec:
  workloadType: deployment
  allowedTraits: [{kind: ClusterTrait, name: env}]
  traits:
    - {name: notes, instanceName: notes, parameters: {note: "${parameters.note}"}}
  parameters: {openAPIV3Schema: {type: object, properties: {note: {type: string, default: hello}}}}
  environmentConfigs:
    openAPIV3Schema: {type: object, properties: {replicas: {type: integer, default: 1}}}
  resources:
    - id: deployment
      template:
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: "${metadata.name}", labels: "${metadata.labels}"}
        spec:
          replicas: ${environmentConfigs.replicas}
          selector: {matchLabels: "${metadata.podSelectors}"}
          template:
            metadata: {labels: "${metadata.podSelectors}"}
            spec:
              containers:
                - name: main
                  image: ${workload.container.image}
                  env: ${dependencies.toContainerEnvs()}
                  envFrom: ${configurations.toContainerEnvFrom()}
    - id: config
      forEach: ${configurations.toConfigEnvsByContainer()}
      var: config
      template:
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: "${config.resourceName}"}
        data: "${config.envs.transformMapEntry(i, e, {e.name: e.value})}"
    - id: secret
      forEach: ${configurations.toSecretValues()}
      var: secret
      template:
        apiVersion: v1
        kind: Secret
        metadata: {name: "${secret.resourceName}"}
        data: ${secret.data}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: blue}
---
apiVersion: v1
kind: Secret
metadata: {name: keys}
stringData: {api: s3cret}
---
apiVersion: choreo.dev/v1
kind: Component
metadata: {name: caller}
spec:
  type: daemon
  image: busybox:1
  parameters: {note: from the component}
  env:
    - {name: COLOUR, valueFrom: {configMapKeyRef: {name: settings, key: colour}}}
    - {name: KEY, valueFrom: {secretKeyRef: {name: keys, key: api}}}
  traits: [{kind: ClusterTrait, name: env, instanceName: stage, parameters: {value: test}}]
  dependencies: [{name: callee, type: component}]
---
apiVersion: choreo.dev/v1
kind: Component
metadata: {name: callee}
spec:
  image: nginx:1
  endpoints: [{name: http, port: 80}]
YAML
check "a trait of the cluster" k apply -f - <<'YAML'
apiVersion: choreo.dev/v1
kind: ClusterTrait
metadata: {name: env}
spec:
  parameters: {openAPIV3Schema: {type: object, properties: {value: {type: string}}}}
  patches:
    - target: {group: apps, version: v1, kind: Deployment}
      operations:
        - op: add
          path: /spec/template/spec/containers/[?(@.name=='main')]/env/-
          value: {name: "${trait.instanceName}", value: "${parameters.value}"}
YAML
check "its platform" k -n own apply -f "$DIR/own.yaml"
check "it runs" becomes all_ready own 2 || { k -n own get components -o yaml; finish; }
check "an override in its environment" k -n own patch releasebinding caller-development --type merge \
    -p '{"spec": {"componentTypeEnvironmentConfigs": {"replicas": 2}}}'
two() { KUBECONFIG=$DIR/planes/development/kubeconfig k get deploy -A -o 'jsonpath={.items[*].spec.replicas}' | grep -q 2; }
check "it is in force" becomes two
settled() { rm -rf "$DIR/export"; export_as platform "$platform,releasebindings,releases"; same own 3 -n own; }
check "the same revisions" becomes settled
check "the objects are on the cluster" on_cluster development/development -n own --component caller &&
    says "4 objects"

check "a field explained" c explain-render -f "$DIR/export" -n own --component caller \
    deployment.spec.replicas && says 'resources[deployment].template.spec.replicas' \
    '${environmentConfigs.replicas}' && hides annotations
check "all explained" c explain-render -f "$DIR/export" -n own --component caller -o json && says \
    'traits[stage].patches[0].operations[0].value.value' '"layer": "binding"' '"hides"' \
    'traits[notes].patches[0].operations[0].value' '"template": "trait env/stage"'
refuse "no such field" c explain-render -f "$DIR/export" -n own --component caller deployment.spec.nope &&
    says "nothing that is rendered has the field deployment.spec.nope"

# ---- what cannot be rendered, and what is refused ----

cat >"$DIR/bad.yaml" <<'YAML'
apiVersion: choreo.dev/v1
kind: ComponentType
metadata: {name: bad}
spec:
  workloadType: deployment
  resources:
    - id: deployment
      template:
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: "${metadata.name}"}
        spec: {replicas: "x ${parameters.replicas +}"}
YAML
refuse "validated" c validate -f "$DIR/bad.yaml" && says \
     "bad.yaml:12: componenttype.choreo.dev/bad: spec.resources[deployment].template.spec.replicas: Invalid value: column 26:"
refuse "applied" k apply -f "$DIR/bad.yaml" && says \
    "spec.resources[deployment].template.spec.replicas" "column 26"
sed -i 's/replicas +}/replicas}/' "$DIR/bad.yaml"
cat >>"$DIR/bad.yaml" <<'YAML'
---
apiVersion: choreo.dev/v1
kind: Component
metadata: {name: odd}
spec: {type: bad, image: "x:1"}
---
apiVersion: choreo.dev/v1
kind: DataPlane
metadata: {name: development}
YAML
refuse "rendered" c render -f "$DIR/bad.yaml" && says \
    "bad.yaml:12: componenttype.choreo.dev/bad: resources[deployment].template.spec.replicas, column 16:" \
    "no such key: replicas (component odd in environment development)"

cat >"$DIR/node.yaml" <<'YAML'
apiVersion: choreo.dev/v1
kind: Trait
metadata: {name: node}
spec:
  patches:
    - target: {group: apps, version: v1, kind: Deployment}
      operations: [{op: add, path: /spec/template/spec/hostPID, value: true}]
---
apiVersion: choreo.dev/v1
kind: ClusterComponentType
metadata: {name: any}
spec:
  workloadType: deployment
  allowedTraits: [{kind: Trait, name: "*"}]
  resources:
    - id: deployment
      template:
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: "${metadata.name}"}
        spec:
          selector: {matchLabels: "${metadata.podSelectors}"}
          template:
            metadata: {labels: "${metadata.podSelectors}"}
            spec: {containers: [{name: main, image: "${workload.container.image}"}]}
---
apiVersion: choreo.dev/v1
kind: Component
metadata: {name: odd}
spec: {type: any, image: "x:1", traits: [{kind: Trait, name: node, instanceName: n}]}
---
apiVersion: choreo.dev/v1
kind: DataPlane
metadata: {name: development}
spec: {type: single-cluster}
YAML
refuse "a tenant's trait that reaches into its node" c render -f "$DIR/node.yaml" && says \
    "node.yaml:4: trait.choreo.dev/node: traits[n]: resources[deployment]: Deployment odd-" \
    "a trait of a namespace (Trait node) may not, unless Organization default says ownTypes.podSecurity: privileged"
sed -i '0,/kind: Trait/s//kind: ClusterTrait/; s/kind: Trait, name: node/kind: ClusterTrait, name: node/; s/kind: Trait, name: "\*"/kind: ClusterTrait, name: "*"/' "$DIR/node.yaml"
check "and the platform's" c render -f "$DIR/node.yaml" && says "hostPID: true"

cat >"$DIR/theirs.yaml" <<'YAML'
apiVersion: openchoreo.dev/v1alpha1
kind: Component
metadata: {name: theirs}
spec: {owner: {projectName: default}, componentType: {kind: ClusterComponentType, name: deployment/service}}
YAML
refuse "what nothing comes of says why, and the rest is rendered" c render -f "$DIR/theirs.yaml" \
    -f "$samples" -o table && says user-service-development-development \
    'theirs.yaml:1: component.openchoreo.dev/theirs: no Workload names component "theirs" of project'

finish
