#!/usr/bin/env bash
# What `choreo validate` says without a server is what a running control plane says in conditions,
# reason and message, when the same files are applied to it; and it says all of it.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../api/lib.sh"
kubectl=${KUBECTL:-kubectl}
needs "$kubectl" python3

start_dev main/main

cat >"$DIR/faults.yaml" <<'YAML'
apiVersion: choreo.dev/v1
kind: DataPlane
metadata: {name: main}
spec: {type: single-cluster}
---
apiVersion: choreo.dev/v1
kind: Environment
metadata: {name: far}
spec: {dataPlane: mian}
---
apiVersion: choreo.dev/v1
kind: Environment
metadata: {name: crowded}
spec: {dataPlane: main, placement: {regions: [eu]}}
---
apiVersion: choreo.dev/v1
kind: Environment
metadata: {name: development}
spec: {dataPlane: main, access: [{role: viewer, group: lookers}]}
---
apiVersion: choreo.dev/v1
kind: DeploymentPipeline
metadata: {name: odd}
spec:
  promotionPaths:
  - {sourceEnvironmentRef: {name: development}, targetEnvironmentRefs: [{name: prod}]}
---
apiVersion: choreo.dev/v1
kind: Project
metadata: {name: shop}
spec: {}
---
apiVersion: choreo.dev/v1
kind: Component
metadata: {name: no-type}
spec: {type: sevrice, image: "x:1"}
---
apiVersion: choreo.dev/v1
kind: Component
metadata: {name: no-trait}
spec: {type: worker, image: "x:1", traits: [{name: scaler, instanceName: s}]}
---
apiVersion: choreo.dev/v1
kind: Component
metadata: {name: no-parameter}
spec: {type: worker, image: "x:1", parameters: {replica: 2}}
---
apiVersion: choreo.dev/v1
kind: Component
metadata: {name: no-secret}
spec: {type: worker, image: "x:1", env: [{name: A, valueFrom: {secretKeyRef: {name: keys, key: x}}}]}
---
apiVersion: choreo.dev/v1
kind: Component
metadata: {name: no-friend}
spec: {type: worker, image: "x:1", dependencies: [{name: a, type: component, component: nobody}]}
---
apiVersion: choreo.dev/v1
kind: Component
metadata: {name: no-database}
spec: {type: worker, image: "x:1", dependencies: [{name: db, type: postgre}]}
---
apiVersion: choreo.dev/v1
kind: Component
metadata: {name: no-project}
spec: {type: worker, image: "x:1", project: shopp}
---
apiVersion: choreo.dev/v1
kind: Component
metadata: {name: hen}
spec:
  project: shop
  image: "x:1"
  endpoints: [{name: http, port: 80}]
  dependencies: [{name: egg, type: component}]
---
apiVersion: choreo.dev/v1
kind: Component
metadata: {name: egg}
spec:
  project: shop
  image: "x:1"
  endpoints: [{name: http, port: 80}]
  dependencies: [{name: hen, type: component}]
---
apiVersion: choreo.dev/v1
kind: ComponentType
metadata: {name: mine}
spec:
  workloadType: deployment
  resources:
    - id: deployment
      template:
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: "${metadata.nam}"}
        spec:
          selector: {matchLabels: "${metadata.podSelectors}"}
          template:
            metadata: {labels: "${metadata.podSelectors}"}
            spec: {containers: [{name: main, image: "${workload.container.image}"}]}
---
apiVersion: choreo.dev/v1
kind: Component
metadata: {name: no-field}
spec: {type: mine, image: "x:1"}
---
apiVersion: choreo.dev/v1
kind: ComponentType
metadata: {name: bold}
spec:
  workloadType: deployment
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
            spec: {hostPID: true, containers: [{name: main, image: "${workload.container.image}"}]}
---
apiVersion: choreo.dev/v1
kind: Component
metadata: {name: no-right}
spec: {type: bold, image: "x:1"}
---
apiVersion: choreo.dev/v1
kind: ClusterComponentType
metadata: {name: greedy}
spec:
  workloadType: proxy
  resources:
    - id: role
      template:
        apiVersion: rbac.authorization.k8s.io/v1
        kind: Role
        metadata: {name: choreo-viewer}
        rules: []
---
apiVersion: choreo.dev/v1
kind: Component
metadata: {name: not-its-own}
spec: {type: greedy, image: "x:1"}
---
apiVersion: choreo.dev/v1
kind: Component
metadata: {name: no-build}
spec:
  type: worker
  workflow: {kind: ClusterWorkflow, name: dockerfile-buildr}
  source: {git: {repository: "https://example.com/x", commit: 3f786850e387550fdab836ed7e6dc881de23001b}}
---
apiVersion: openchoreo.dev/v1alpha1
kind: Component
metadata: {name: no-workload}
spec: {owner: {projectName: shop}, componentType: {kind: ClusterComponentType, name: deployment/service}}
YAML

# What is found, each as REASON and MESSAGE; and what every object says that is not well.
cat >"$DIR/compare.py" <<'PY'
import json, sys

found = json.load(open(sys.argv[1]))["findings"]
there = {}
for item in json.load(open(sys.argv[2]))["items"]:
    for one in item.get("status", {}).get("conditions", []):
        key = one["type"], one["reason"], one["message"]
        there.setdefault(key, []).append(item["kind"] + " " + item["metadata"]["name"])
lacks = [f for f in found if (f.get("condition"), f["reason"], f["message"]) not in there]
if lacks:
    sys.exit("no condition says " + json.dumps(lacks, indent=1) + "\nbut " +
             "\n".join(sorted(map(str, there))))
# The other way round: where each of these is decided, somebody was told.
told = {(f.get("condition"), f["reason"], f["message"]) for f in found}
decided = "Released", "ProjectResolved", "Applied", "Placed", "StartOrder"
for item in json.load(open(sys.argv[2]))["items"]:
    for one in item.get("status", {}).get("conditions", []):
        key = one["type"], one["reason"], one["message"]
        if one["type"] in decided and one["status"] == "False" and key not in told:
            if one["reason"] != "ResourceNotReleased":
                sys.exit("nobody was told of %s: %s" % (there[key], key))
print(len(found), "findings")
PY
kinds=dataplanes.choreo.dev,environments.choreo.dev,deploymentpipelines.choreo.dev,projects.choreo.dev
kinds=$kinds,components.choreo.dev,resources.choreo.dev,releasebindings.choreo.dev,renderedreleases.choreo.dev
kinds=$kinds,workflowruns.choreo.dev,components.openchoreo.dev,organizations.choreo.dev
same() {
    k get "$kinds" -A -o json >"$DIR/there.json" &&
        python3 "$DIR/compare.py" "$DIR/found.json" "$DIR/there.json"
}

c validate -f "$DIR/faults.yaml" -o json >"$DIR/found.json" 2>/dev/null
refuse "the files" c validate -f "$DIR/faults.yaml" && says "[TypeNotFound]" "[TraitNotFound]" \
    "[RenderFailed]" "[ReferenceNotFound]" "[ComponentNotFound]" "[Cycle]" "[DataPlaneNotFound]" \
    "[NoClusterQualifies]" "[EnvironmentNotFound]" "[ProjectNotFound]" "[WorkflowNotFound]" \
    "[WorkloadNotFound]" "[OwnedElsewhere]" "13 errors and 3 warnings in 23 manifests"
check "the server takes them" k apply -f "$DIR/faults.yaml"
check "and says the same" becomes same
check "all of it" same && says "16 findings"

finish
