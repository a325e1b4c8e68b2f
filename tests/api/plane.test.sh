#!/usr/bin/env bash
# choreo-plane, a simulated cluster, as kubectl and a control plane see it; and its faults.
set -u
. "$(dirname "$0")/lib.sh"
kubectl=${KUBECTL:-kubectl}
needs "$kubectl" curl openssl

DIR=$(mktemp -d)
trap stop EXIT
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=plane \
    -addext subjectAltName=IP:127.0.0.1 -keyout "$DIR/key" -out "$DIR/cert" 2>/dev/null || exit 1
echo some-secret-token >"$DIR/token"

run_plane() {
    : >"$DIR/out"
    "${CHOREO_BIN:?names the programs\' folder}/choreo-plane" --dir "$DIR/state" \
        --cert "$DIR/cert" --key "$DIR/key" --token-file "$DIR/token" --ready-delay 300ms "$@" \
        >"$DIR/out" 2>>"$DIR/server.log" &
    server=$!
    for _ in $(seq 200); do
        grep -q '^ready ' "$DIR/out" && break
        kill -0 "$server" 2>/dev/null || break
        sleep 0.05
    done
    URL=$(sed -n 's/^ready //p' "$DIR/out")
    if [ -z "$URL" ]; then
        cat "$DIR/server.log"
        exit 1
    fi
    cat >"$DIR/kubeconfig" <<YAML
apiVersion: v1
kind: Config
clusters: [{name: p, cluster: {server: "$URL", certificate-authority: "$DIR/cert"}}]
users: [{name: a, user: {token: some-secret-token}}]
contexts: [{name: c, context: {cluster: p, user: a}}]
current-context: c
YAML
}
run_plane
export HOME=$DIR KUBECONFIG=$DIR/kubeconfig
k() { timeout 20 "$kubectl" "$@"; }
api() { curl -sS --max-time 5 --cacert "$DIR/cert" -H 'authorization: Bearer some-secret-token' "$@"; }

cat >"$DIR/web.yaml" <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  annotations: {choreo.dev/epoch: c1/1/2/7}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: "reg/web:1"}]}
YAML
cat >"$DIR/rest.yaml" <<'YAML'
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  replicas: 2
  updateStrategy: {type: RollingUpdate}
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: c, image: postgres}]}
  volumeClaimTemplates:
  - {metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: once}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: busybox}]}}}
---
apiVersion: v1
kind: Service
metadata: {name: lb}
spec: {type: LoadBalancer, ports: [{port: 80}]}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {kind: Widget, plural: widgets}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {size: {type: integer, maximum: 9,
      x-kubernetes-validations: [{rule: self != 7, message: not seven}]}}}}
YAML

check "namespaces of every cluster" k get ns && says default kube-system kube-public
check "server-side apply" k apply --server-side -f "$DIR/web.yaml" &&
    says "deployment.apps/web serverside-applied"
check "the rest" k apply --server-side -f "$DIR/rest.yaml"
check "a rollout ends" k rollout status deploy/web --timeout=10s && says "successfully rolled out"
check "conditions" k wait --for=condition=Available deploy/web --timeout=5s
check "a job completes" k wait --for=condition=Complete job/once --timeout=5s
check "stateful sets" k rollout status sts/db --timeout=10s
check "their volumes" outputs "1Gi 1Gi" k get pvc data-db-0 data-db-1 -o 'jsonpath={.items[*].status.capacity.storage}'
check "volumes that grow" k patch pvc data-db-0 --type merge \
    -p '{"spec": {"resources": {"requests": {"storage": "2Gi"}}}}'
check "for a while" outputs 2Gi k get pvc data-db-0 -o 'jsonpath={.status.capacity.storage}'
refuse "volumes that shrink" k patch pvc data-db-0 --type merge \
    -p '{"spec": {"resources": {"requests": {"storage": "1Gi"}}}}'
check "a pod's uid" k get pod db-0 -o 'jsonpath={.metadata.uid}' && uid=$out
check "orphans" k delete sts db --cascade=orphan --timeout=10s
check "that stay" k get pod db-0 -o 'jsonpath={.metadata.uid} {.metadata.ownerReferences}' && says "$uid"
check "and belong to nobody" test "${out#* }" = ""
check "a set made again" k apply --server-side -f "$DIR/rest.yaml"
check "that takes them up" outputs StatefulSet k get pod db-0 -o 'jsonpath={.metadata.ownerReferences[0].kind}'
check "as they are" k get pod db-0 -o 'jsonpath={.metadata.uid}' && says "$uid"
check "and their volumes" k get pvc data-db-0 -o 'jsonpath={.spec.resources.requests.storage}' && says 2Gi
check "replica sets and pods" k get rs,pods && says replicaset.apps/web- pod/web- pod/db-0 Running
check "a load balancer's address" k get svc lb -o 'jsonpath={.status.loadBalancer.ingress[0].ip}' &&
    says 203.0.113.
check "scaling" k scale deploy/web --replicas=1
check "scaled" outputs 1 k get deploy/web -o 'jsonpath={.status.availableReplicas}'
check "custom kinds" k wait crd/widgets.example.com --for=condition=Established --timeout=5s
check "a custom object" k apply -f - <<<'{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"w"}}'
check "custom objects are listed" k get widgets && says w
refuse "custom objects fit their schema" k patch widget w --type merge -p '{"size":10}' &&
    says "size: Invalid value: 10: must be less than or equal to 9"
refuse "and its rules" k patch widget w --type merge -p '{"size":7}' && says "not seven"
check "what an owner leaves is collected" k delete deploy web
check "no pods of it" outputs "" k get pods -l app=web -o name

# Kubernetes' own kinds, as kubectl sends them: protobuf, where it is new enough.
modern() { "$kubectl" version --client -o json | grep -qE '"minor": "(2[1-9]|[3-9][0-9])'; }
check "create deployment" k create deployment shop --image=shop:1
check "its rollout" k rollout status deploy/shop --timeout=10s && says "successfully rolled out"
check "create job" k create job now --image=busybox -- true
check "it completes" k wait --for=condition=Complete job/now --timeout=5s
check "create service" k create service clusterip shop --tcp=80:8080
check "its ports" k get svc shop -o 'jsonpath={.spec.ports[0]}' && says '"protocol":"TCP"' '"targetPort":8080'
check "create configmap" k create configmap conf --from-literal=a=b
check "create secret" k create secret generic hidden --from-literal=p=q
check "its type" k get secret hidden -o 'jsonpath={.type} {.data.p}' && says "Opaque cQ=="
check "create serviceaccount" k create serviceaccount robot
check "create role" k create role reader --verb=get --resource=pods
check "create rolebinding" k create rolebinding readers --role=reader --serviceaccount=default:robot
check "create quota" k create quota small --hard=pods=3,cpu=1
check "its limits" k get quota small -o 'jsonpath={.spec.hard}' && says '"pods":"3"' '"cpu":"1"'
check "create ingress" k create ingress front '--rule=shop.example/*=shop:80'
check "its backend" k get ing front -o 'jsonpath={.spec.rules[0].http.paths[0].backend.service}' &&
    says '"number":80'
if modern; then # older ones know but the beta of these
    check "create cronjob" k create cronjob nightly --image=busybox '--schedule=0 3 * * *'
    check "create poddisruptionbudget" k create poddisruptionbudget calm --selector=app=shop --min-available=1
    check "its bound" k get pdb calm -o 'jsonpath={.spec.minAvailable} {.spec.selector}' && says '1 {"matchLabels"'
fi
check "set image" k set image deploy/shop shop=shop:2 && hides Warning
check "scale" k scale deploy/shop --replicas=3
check "label" k label deploy/shop tier=front && hides Warning
check "set env" k set env deploy/shop A=1
check "all of it" k get deploy shop -o 'jsonpath={.spec.replicas} {.metadata.labels.tier} {.spec.template.spec.containers}' &&
    says '3 front [{"env":[{"name":"A","value":"1"}],"image":"shop:2","name":"shop"'
check "rolls out again" k rollout status deploy/shop --timeout=10s
for i in 1 2; do # who applies which variable
    cat >"$DIR/env$i.yaml" <<YAML
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec: {template: {spec: {containers: [{name: shop, env: [{name: E$i, value: "$i"}]}]}}}
YAML
    check "manager $i applies its variable" k apply --server-side --field-manager="m$i" -f "$DIR/env$i.yaml"
done
env_names() { k get deploy shop -o 'jsonpath={.spec.template.spec.containers[0].env[*].name}'; }
check "all three are there" env_names && says A E1 E2
sed -i 's/env: .*}]}]}}}$/image: "shop:2"}]}}}/' "$DIR/env1.yaml"
check "one withdraws its own" k apply --server-side --field-manager=m1 -f "$DIR/env1.yaml"
check "the others stay" env_names && says A E2 && hides E1
check "client-side apply" k apply -f "$DIR/web.yaml"
sed 's/web:1/web:3/' "$DIR/web.yaml" >"$DIR/web3.yaml"
check "and again" k apply -f "$DIR/web3.yaml" && says configured
check "one container still" k get deploy web -o 'jsonpath={.spec.template.spec.containers[*].image}' && says reg/web:3
refuse "a field that is misspelt" k apply --server-side --validate=true -f - \
    <<<'{"apiVersion":"v1","kind":"Service","metadata":{"name":"s"},"spec":{"prots":[]}}' &&
    says 'unknown field "' 'prots"'
refuse "a field that no schema has" k apply --server-side --validate=false -f - \
    <<<'{"apiVersion":"v1","kind":"Service","metadata":{"name":"s"},"spec":{"prots":[]}}' &&
    says 'failed to create typed patch object (default/s; /v1, Kind=Service): .spec.prots: field not declared in schema'
refuse "what no schema says" k create -f - \
    <<<'{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"d"},"spec":{"selector":{"matchLabels":{"app":"d"}},"template":{"metadata":{"labels":{"app":"e"}},"spec":{"containers":[{"name":"c","image":"i","ports":[{"name":"a-name-that-is-long","containerPort":80}],"volumeMounts":[{"name":"v","mountPath":"/v"}]}]}}}}' &&
    says 'The Deployment "d" is invalid' '`selector` does not match template `labels`' \
        'ports[0].name: Invalid value: "a-name-that-is-long": must be no more than 15 characters' \
        'volumeMounts[0].name: Not found: "v"'
refuse "names of services" k create service clusterip 9lives --tcp=80 && says "a DNS-1035 label must consist of"
check "they go" k delete deploy shop web

check "a namespace" k create ns shop
check "an object in it" k -n shop create cm x --from-literal=a=b
check "a namespace goes with all it holds" k delete ns shop --timeout=10s
check "nothing is left" k -n shop get cm && hides "x "
refuse "objects want their namespace" k -n shop create cm y && says 'namespaces "shop" not found'

check "mutations are recorded" api "$URL/plane/mutations?since=0" &&
    says '"resource":"deployments.apps"' '"epoch":"c1/1/2/7"' '"agent":"kubectl/' '"verb":"delete"'
hides system:plane-controller

check "errors on purpose" api -X PUT "$URL/plane/faults" -d '{"errorRate":1,"errorCodes":[500]}'
check "every request is refused" api -o /dev/null -w '%{http_code}' "$URL/api/v1/namespaces" && says 500
check "latency" api -X PUT "$URL/plane/faults" -d '{"errorRate":0,"latencyMs":400}'
check "is felt" api -o /dev/null -w '%{http_code} %{time_total}' "$URL/api/v1/namespaces" && says "200 " &&
    check "in full" awk -v took="${out#200 }" 'BEGIN { exit took < 0.4 }'
check "silence" api -X PUT "$URL/plane/faults" -d '{"latencyMs":0,"downMs":3000}'
refuse "no answer at all" api "$URL/api/v1/namespaces"
sleep 3
check "and back" api -o /dev/null -w '%{http_code}' "$URL/api/v1/namespaces" && says 200
check "bad faults are refused" api -X PUT "$URL/plane/faults" -d '{"errorRate":7}' && says errorRate
check "images that cannot be pulled" api -X PUT "$URL/plane/faults" -d '{"neverReady":["*:broken"]}'
sed 's/web:1/web:broken/' "$DIR/web.yaml" >"$DIR/broken.yaml"
check "apply with such an image" k apply --server-side -f "$DIR/broken.yaml"
refuse "it never becomes ready" k rollout status deploy/web --timeout=1s
check "behind the control plane's back" api -X POST \
    "$URL/plane/touch?resource=deployments.apps&namespace=default&name=web" -d '{"spec":{"replicas":5}}' &&
    says '"changed": true'
check "the touch" k get deploy web -o 'jsonpath={.spec.replicas}' && says 5
check "removal behind its back" api -X POST \
    "$URL/plane/remove?resource=deployments.apps&namespace=default&name=web"
refuse "gone" k get deploy web && says NotFound

k get cm -A -w --output-watch-events >"$DIR/watch" 2>&1 &
watcher=$!
sleep 0.5
check "watches are cut" api -X POST "$URL/plane/cut-watches"
check "a change after it" k create cm later --from-literal=a=b
for _ in $(seq 50); do
    grep -q later "$DIR/watch" && break
    sleep 0.1
done
kill "$watcher" 2>/dev/null
wait "$watcher" 2>/dev/null
check "without a token" curl -sS --cacert "$DIR/cert" "$URL/plane/faults" && says Unauthorized
check "with a wrong one" curl -sS --cacert "$DIR/cert" -H 'authorization: Bearer no' "$URL/api/v1/pods" &&
    says Unauthorized

kill "$server"
wait "$server"
check "stops cleanly" test $? -eq 0
run_plane
check "all is there after a restart" k get sts,jobs,cm,widgets && says "2/2" "1/1" later w
check "--help" "$CHOREO_BIN/choreo-plane" --help && says --ready-delay
refuse "unknown options" "$CHOREO_BIN/choreo-plane" --nope && says --help
refuse "a missing key" "$CHOREO_BIN/choreo-plane" --dir "$DIR/s2" --cert "$DIR/cert" \
    --key /nonexistent --token-file "$DIR/token" && says /nonexistent
finish
