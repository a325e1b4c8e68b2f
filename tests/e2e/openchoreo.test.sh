#!/usr/bin/env bash
# OpenChoreo's manifests as they are: what its users apply first, and its samples, from the control
# plane to the objects on a cluster, which have OpenChoreo's names. Read where OPENCHOREO_DIR says
# that a checkout of it lies.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../api/lib.sh"
kubectl=${KUBECTL:-kubectl}
needs "$kubectl"
. "$here/openchoreo.sh"

cluster() { KUBECONFIG=$DIR/planes/default/kubeconfig k "$@"; }
# ready KIND NAME: the status of its condition Ready.
ready() {
    k get "$1.openchoreo.dev" "$2" -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}'
}
# at KIND NAME PATH: of one object in development's cell.
cell=dp-default-default-development-f8e58905
at() { cluster -n "$cell" get "$1" "$2" -o "jsonpath=$3"; }
is() { # is TEXT KIND NAME PATH
    local text=$1 found
    shift
    found=$(at "$@") && [ "$found" = "$text" ] || { echo "$* is: $found, not: $text"; return 1; }
}

check "the plane" k apply -f "$plane"
check "what users begin with" k apply -f "$samples/getting-started/all.yaml"
for sample in "$samples"/from-image/*/*.yaml; do
    check "sample" k apply -f "$sample"
done

check "the plane is ready" outputs True ready clusterdataplanes default
check "agents are not acted on, and that is said" k get clusterdataplane default -o yaml &&
    says "reason: NotSupported" "spec.clusterAgent, spec.planeID"
for environment in development staging production; do
    check "environment $environment" outputs True ready environments "$environment"
    check "its cell" outputs True ready projectreleasebindings "default-$environment"
done
check "pipeline" outputs True ready deploymentpipelines default
for component in greeter-service react-starter github-issue-reporter; do
    check "component $component" outputs True ready components "$component"
done
check "project" outputs True ready projects default
check "binding" outputs True ready releasebindings github-issue-reporter-development
check "its type" outputs True ready clusterprojecttypes default
project_release=$(k get projects.openchoreo.dev default -o 'jsonpath={.status.latestRelease.name}')
check "its release" k get projectreleasebindings.openchoreo.dev default-development && says "$project_release"
label() { cluster get namespace "$cell" -o 'jsonpath={.metadata.labels.tier} {.metadata.annotations.team}'; }
check "what its type asks for in development" k patch projectreleasebindings.openchoreo.dev default-development \
    --type merge -p '{"spec":{"environmentConfigs":{"namespaceLabels":{"tier":"gold"},"namespaceAnnotations":{"team":"red"}}}}'
check "is there" outputs "gold red" label

# A run of one of its workflows, which stands beside the built-in one of its name.
check "a run" k apply -f - <<'YAML'
apiVersion: openchoreo.dev/v1alpha1
kind: WorkflowRun
metadata:
  name: greeter-build
  namespace: default
  labels: {openchoreo.dev/project: default, openchoreo.dev/component: greeter-service}
spec:
  workflow:
    kind: ClusterWorkflow
    name: dockerfile-builder
    parameters:
      repository: {url: https://git.example.com/greeter, revision: {branch: main}}
YAML
check "it ends well" outputs True ready workflowruns greeter-build
check "on Argo" cluster get workflows.argoproj.io -A -o name && says workflow.argoproj.io/greeter-build
check "without a trace of it" k delete workflowruns.openchoreo.dev greeter-build

# A component that its workflow builds. The simulated cluster takes what a step puts out from the annotation.
check "what is built, and by what" k apply -f - <<'YAML'
apiVersion: openchoreo.dev/v1alpha1
kind: ClusterWorkflow
metadata: {name: one-step}
spec:
  parameters:
    openAPIV3Schema:
      type: object
      properties:
        url: {type: string, x-openchoreo-component-parameter-repository-url: true}
        commit: {type: string, default: "", x-openchoreo-component-parameter-repository-commit: true}
  runTemplate:
    apiVersion: argoproj.io/v1alpha1
    kind: Workflow
    metadata:
      name: ${metadata.workflowRunName}
      annotations: {plane.choreo.dev/message: "registry.example.com/built:${parameters.commit}"}
    spec:
      entrypoint: build
      templates:
        - name: build
          container: {image: builder}
          outputs: {parameters: [{name: image, valueFrom: {path: /image}}]}
---
apiVersion: openchoreo.dev/v1alpha1
kind: ComponentType
metadata: {name: plain}
spec:
  workloadType: deployment
  allowedWorkflows: [{name: one-step}]
  resources:
    - id: deployment
      template:
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: "${metadata.name}", namespace: "${metadata.namespace}"}
        spec:
          selector: {matchLabels: "${metadata.podSelectors}"}
          template:
            metadata: {labels: "${metadata.podSelectors}"}
            spec: {containers: [{name: main, image: "${workload.container.image}"}]}
---
apiVersion: openchoreo.dev/v1alpha1
kind: Component
metadata: {name: built}
spec:
  owner: {projectName: default}
  autoDeploy: true
  componentType: {name: deployment/plain}
  workflow: {name: one-step, parameters: {url: "https://git.example.com/built"}}
YAML
choreo() { timeout 40 "$CHOREO_BIN/choreo" "$@" --config "$DIR/choreo.yaml"; }
why() { k get "$1.openchoreo.dev" "$2" -o 'jsonpath={.status.conditions[?(@.type=="Ready")].reason}'; }
check "nothing is built unasked" outputs WaitingForBuild why components built
commit=0123456789abcdef0123456789abcdef01234567
check "building it" choreo build built -n default --commit $commit --wait --timeout 30s
check "its Workload" outputs "registry.example.com/built:$commit" \
    k get workloads.openchoreo.dev built -o 'jsonpath={.spec.container.image}'
check "it runs" outputs True ready components built
images() { cluster -n "$cell" get deployment -l openchoreo.dev/component=built -o 'jsonpath={.items[*].spec.template.spec.containers[0].image}'; }
check "that image" outputs "registry.example.com/built:$commit" images
check "the run is OpenChoreo's" k get workflowruns.openchoreo.dev -o name && says "built-build-0123456789ab"
check "what is written there by hand" k patch workloads.openchoreo.dev built --type merge \
    -p '{"spec":{"container":{"image":"registry.example.com/built:mine"}}}'
check "runs, and stays" outputs "registry.example.com/built:mine" images
check "a run whose source says how it runs" k apply -f - <<'YAML'
apiVersion: openchoreo.dev/v1alpha1
kind: WorkflowRun
metadata:
  name: built-by-hand
  labels: {openchoreo.dev/project: default, openchoreo.dev/component: built}
  annotations:
    openchoreo.dev/workload: '{"spec":{"container":{"args":["--fast"]},"endpoints":{"http":{"type":"HTTP","port":8080}}}}'
    openchoreo.dev/workload-from-source: "true"
spec:
  workflow: {kind: ClusterWorkflow, name: one-step, parameters: {url: "https://git.example.com/built", commit: "1111111111111111111111111111111111111111"}}
YAML
says_so() { k get workloads.openchoreo.dev built -o 'jsonpath={.spec.container.image} {.spec.container.args[0]} {.spec.endpoints.http.port}'; }
check "its Workload says so" outputs "registry.example.com/built:1111111111111111111111111111111111111111 --fast 8080" says_so
check "it goes" k delete components.openchoreo.dev built
check "with its runs" outputs "" k get workflowruns.openchoreo.dev,workflowruns.choreo.dev -o name

# The objects of development's cell, all of them.
kinds=deployment,service,configmap,externalsecret,httproute,cronjob,networkpolicy
objects() { cluster -n "$cell" get "$kinds" -o name | sort; }
these() {
    local expected
    expected=$(sort)
    diff <(echo "$expected") <(objects)
}
check "their objects" these <<'TEXT'
configmap/github-issue-reporter-development-env-configs-591d506e
configmap/greeter-service-development-env-configs-05db1bbb
configmap/react-starter-development-env-configs-cc9c5f80
cronjob.batch/github-issue-reporter-development-5e31cab9
deployment.apps/greeter-service-development-a9f97fde
deployment.apps/react-starter-development-c37e66d8
externalsecret.external-secrets.io/greeter-service-development-env-secrets-89185774
httproute.gateway.networking.k8s.io/greeter-service-http-c952733e
httproute.gateway.networking.k8s.io/react-starter-http-8194fd6a
networkpolicy.networking.k8s.io/openchoreo-github-issue-reporter
networkpolicy.networking.k8s.io/openchoreo-greeter-service
networkpolicy.networking.k8s.io/openchoreo-react-starter
service/greeter-service
service/react-starter
TEXT
check "namespaces" cluster get namespaces && says "$cell" dp-default-default-staging-1362f732 \
    dp-default-default-production-86697425

greeter=greeter-service-development-a9f97fde
first='{.spec.template.spec.containers[0]'
check "command" is '["./go-greeter"]["--port","9090"]' deployment $greeter "$first.command}$first.args}"
check "container" is main deployment $greeter "$first.name}"
check "replicas" is 1 deployment $greeter '{.spec.replicas}'
check "resources" is '{"limits":{"cpu":"100m","memory":"256Mi"},"requests":{"cpu":"100m","memory":"256Mi"}}' \
    deployment $greeter "$first.resources}"
check "its configuration" is greeter-service-development-env-configs-05db1bbb deployment $greeter \
    "$first.envFrom[0].configMapRef.name}"
check "its secret" is greeter-service-development-env-secrets-89185774 deployment $greeter \
    "$first.envFrom[1].secretRef.name}"
check "two keys" is '{"GITHUB_REPOSITORY":"https://github.com/openchoreo/openchoreo","LOG_LEVEL":"info"}' \
    configmap greeter-service-development-env-configs-05db1bbb '{.data}'
check "where the secret is kept" is 'GITHUB_TOKEN github-pat 15s default' externalsecret \
    greeter-service-development-env-secrets-89185774 \
    '{.spec.data[0].secretKey} {.spec.data[0].remoteRef.key} {.spec.refreshInterval} {.spec.secretStoreRef.name}'
check "port" is 'http 9090 9090' service greeter-service \
    '{.spec.ports[0].name} {.spec.ports[0].port} {.spec.ports[0].targetPort}'
check "route" is 'development-default.openchoreoapis.localhost gateway-default /greeter-service-http 9090' \
    httproute greeter-service-http-c952733e \
    '{.spec.hostnames[0]} {.spec.parentRefs[0].name} {.spec.rules[0].matches[0].path.value} {.spec.rules[0].backendRefs[0].port}'
check "policy" is 'Ingress 9090 openchoreo.dev/system-component' networkpolicy openchoreo-greeter-service \
    '{.spec.policyTypes[0]} {.spec.ingress[0].ports[0].port} {.spec.ingress[2].from[0].podSelector.matchExpressions[0].key}'
check "other projects" is '{"openchoreo.dev/environment":"development","openchoreo.dev/namespace":"default"}' \
    networkpolicy openchoreo-greeter-service '{.spec.ingress[1].from[0].namespaceSelector.matchLabels}'
invoke() { k get releasebindings.openchoreo.dev greeter-service-development -o 'jsonpath={.status.endpoints[0].invokeURL}'; }
check "where it is called" outputs \
    http://development-default.openchoreoapis.localhost:19080/greeter-service-http invoke
check "overridden in development" is '*/5 * * * * 50m' cronjob github-issue-reporter-development-5e31cab9 \
    '{.spec.schedule} {.spec.jobTemplate.spec.template.spec.containers[0].resources.requests.cpu}'

release() { k get releasebindings.openchoreo.dev "greeter-service-$1" -o 'jsonpath={.status.releaseName}'; }
greeter_release=$(release development)
check "its release can be read" outputs True ready componentreleases "$greeter_release"
check "its binding names it" k get releasebindings.openchoreo.dev greeter-service-development && says "$greeter_release"
check "that release in staging" k apply -f - <<YAML
apiVersion: openchoreo.dev/v1alpha1
kind: ReleaseBinding
metadata: {name: greeter-service-staging}
spec:
  owner: {projectName: default, componentName: greeter-service}
  environment: staging
  releaseName: $greeter_release
YAML
check "is ready" outputs True ready releasebindings greeter-service-staging
check "is told" outputs "$greeter_release" release staging
check "where it is" k get releasebindings.openchoreo.dev greeter-service-staging -o yaml &&
    says "host: greeter-service.dp-default-default-staging-1362f732.svc.cluster.local"

# ---- resources ----

check "a database and who uses it" k apply -f - <<'YAML'
apiVersion: openchoreo.dev/v1alpha1
kind: Resource
metadata: {name: orders}
spec:
  owner: {projectName: default}
  type: {kind: ClusterResourceType, name: postgres}
  parameters: {database: orders}
---
apiVersion: openchoreo.dev/v1alpha1
kind: Component
metadata: {name: shop}
spec:
  owner: {projectName: default}
  autoDeploy: true
  componentType: {kind: ClusterComponentType, name: deployment/service}
---
apiVersion: openchoreo.dev/v1alpha1
kind: Workload
metadata: {name: shop}
spec:
  owner: {projectName: default, componentName: shop}
  container: {image: "shop:1"}
  endpoints: {http: {type: HTTP, port: 80}}
  dependencies:
    resources:
      - ref: orders
        envBindings: {host: DB_HOST, password: DB_PASSWORD}
YAML
waits() {
    k get releasebindings.choreo.dev shop-development \
        -o 'jsonpath={.status.conditions[?(@.type=="DependenciesReady")].reason}'
}
check "it waits for it to be bound" outputs ResourceNotBound waits
check "binding it" k apply -f - <<'YAML'
apiVersion: openchoreo.dev/v1alpha1
kind: ResourceReleaseBinding
metadata: {name: orders-development}
spec:
  owner: {projectName: default, resourceName: orders}
  environment: development
  resourceTypeEnvironmentConfigs: {memory: 1Gi}
YAML
check "the database" outputs True ready resourcereleasebindings orders-development
check "the resource" outputs True ready resources orders
check "who uses it" outputs True ready components shop
orders=orders-development-c6d944db
check "its memory" is 1Gi statefulset "$orders" '{.spec.template.spec.containers[0].resources.limits.memory}'
check "its variables" is "DB_HOST $orders.$cell.svc.cluster.local DB_PASSWORD $orders-creds password" deployment \
    "$(cluster -n "$cell" get deployment -l openchoreo.dev/component=shop -o 'jsonpath={.items[0].metadata.name}')" \
    '{.spec.template.spec.containers[0].env[0].name} {.spec.template.spec.containers[0].env[0].value} {.spec.template.spec.containers[0].env[1].name} {.spec.template.spec.containers[0].env[1].valueFrom.secretKeyRef.name} {.spec.template.spec.containers[0].env[1].valueFrom.secretKeyRef.key}'
check "what it puts out is told" k get resourcereleasebindings.openchoreo.dev orders-development -o yaml &&
    says "name: adminURL" "name: $orders-creds" && hides NotSupported
check "they go" k delete components.openchoreo.dev/shop resourcereleasebindings.openchoreo.dev/orders-development \
    resources.openchoreo.dev/orders
gone() { cluster -n "$cell" get statefulset,deployment -l openchoreo.dev/resource=orders -o name; }
check "and the database" outputs "" gone

check "what all of them have is replaced" k replace -f - <<'YAML'
apiVersion: choreo.dev/v1
kind: ClusterTrait
metadata: {name: openchoreo-policy}
spec:
  creates:
    - template:
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: {name: "own-${metadata.componentName}", namespace: "${metadata.namespace}"}
        spec: {podSelector: {matchLabels: "${metadata.podSelectors}"}, policyTypes: [Ingress]}
YAML
policies() { cluster -n "$cell" get networkpolicies -l openchoreo.dev/component=greeter-service -o name; }
check "and what it made before is gone" outputs networkpolicy.networking.k8s.io/own-greeter-service policies

check "a component goes" k delete components.openchoreo.dev greeter-service
left() { cluster get "$kinds" -A -l openchoreo.dev/component=greeter-service -o name; }
check "and all that was made of it" outputs "" left
of_it() { k get workloads.openchoreo.dev,releasebindings.openchoreo.dev,componentreleases.openchoreo.dev -o name | grep greeter; }
check "and all that named it as its owner" outputs "" of_it

check "a database that is retained" k apply -f - <<'YAML'
apiVersion: openchoreo.dev/v1alpha1
kind: Resource
metadata: {name: kept}
spec:
  owner: {projectName: default}
  type: {kind: ClusterResourceType, name: postgres}
---
apiVersion: openchoreo.dev/v1alpha1
kind: ResourceReleaseBinding
metadata: {name: kept-development}
spec:
  owner: {projectName: default, resourceName: kept}
  environment: development
  retainPolicy: Retain
YAML
check "is there" outputs True ready resourcereleasebindings kept-development
why() { k get "$1.openchoreo.dev" "$2" -o 'jsonpath={.status.conditions[?(@.type=="Ready")].reason}'; }
kept() { cluster -n "$cell" get statefulset -l openchoreo.dev/resource=kept -o name; }
check "a project, with all that it has" k delete projects.openchoreo.dev default --wait=false
for one in "projects default" "resources kept" "resourcereleasebindings kept-development"; do
    # shellcheck disable=SC2086
    check "$one says why it stays" outputs Retained why $one
done
check "and the database stays" tells statefulset kept
# What goes on and on writes.
written() { k get --raw /metrics | grep '^choreod_reconcile_writes_total'; }
still() { local before; before=$(written) && sleep 2 && [ "$before" = "$(written)" ]; }
check "nothing is done over and over" becomes still
check "until it need not be retained" k patch resourcereleasebindings.openchoreo.dev kept-development --type merge -p '{"spec":{"retainPolicy":"Delete"}}'
check "the project goes" k wait --for=delete --timeout=30s projects.openchoreo.dev/default
rest() { k get "$(k api-resources --api-group=openchoreo.dev --namespaced -o name | grep -E '^(components|workloads|resources|(resource|project)?release(binding)?s|componentreleases)\.' | paste -sd,)" -o name; }
check "and all of it" outputs "" rest
cells() { cluster get namespaces -o name | grep "$cell"; }
check "its cells" outputs "" cells
check "nothing is done over and over" becomes still

files=(-f "$samples/from-image/go-greeter-service/greeter-service.yaml" -f "$samples/getting-started/all.yaml")
check "the files are applied again" k apply "${files[@]}"
check "a component runs" outputs True ready components greeter-service
check "and deleted as they are, though much of it goes with the project" k delete "${files[@]}"
check "and all of it" outputs "" rest
check "its cells" outputs "" cells
finish
