#!/usr/bin/env bash
# OpenChoreo's samples, rendered without a server and applied to one: what `choreo render` prints is
# what the cluster has, object by object, uids aside; and with the uids that a server gave, the
# revisions are the same. Every other sample renders, too.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../api/lib.sh"
kubectl=${KUBECTL:-kubectl}
needs "$kubectl" python3
. "$here/openchoreo.sh"

images=$samples/from-image
files=(-f "$plane" -f "$samples/getting-started/all.yaml"
    -f "$images/go-greeter-service/greeter-service.yaml"
    -f "$images/react-starter-web-app/react-starter.yaml"
    -f "$images/issue-reporter-schedule-task/github-issue-reporter.yaml")

# same FILE: what the rendered List holds is what is on the cluster and carries our label, no more and
# no less. Of an object there only what was rendered is compared: the rest is the cluster's; labels
# with uids and the revision's hash over them are the server's.
same() {
    KUBECONFIG=$DIR/planes/default/kubeconfig python3 - "$1" "$kubectl" <<'PY'
import json, subprocess, sys

def part_of(want, have, path):
    if isinstance(want, dict) and isinstance(have, dict):
        for key in want:
            if not key.endswith("dp-resource-hash"): # over the labels
                part_of(want[key], have.get(key), path + "." + key)
    elif isinstance(want, list) and isinstance(have, list) and len(want) == len(have):
        for i, one in enumerate(want):
            part_of(one, have[i], "%s[%d]" % (path, i))
    elif want != have:
        sys.exit("%s: %r is rendered, %r is there" % (path, want, have))

def get(*args):
    out = subprocess.run([sys.argv[2], *args], capture_output=True, text=True, timeout=20)
    if out.returncode != 0:
        sys.exit(out.stderr)
    return out.stdout

def name_of(o):
    return o["apiVersion"], o["kind"], o["metadata"].get("namespace", ""), o["metadata"]["name"]

rendered = {name_of(o): o for o in json.load(open(sys.argv[1]))["items"]}
kinds = get("api-resources", "--verbs=list", "-o", "name").split()
there = json.loads(get("get", ",".join(kinds), "-A", "-l", "choreo.dev/control-plane", "-o", "json"))
there = {name_of(o): o for o in there["items"]}
if rendered.keys() != there.keys():
    sys.exit("rendered only: %s; there only: %s" % (sorted(rendered.keys() - there.keys()),
                                                    sorted(there.keys() - rendered.keys())))
for name, o in rendered.items():
    part_of(o, there[name], " ".join(name))
    uids = {key for key in there[name]["metadata"]["labels"] if key.endswith("-uid")}
    more = there[name]["metadata"]["labels"].keys() - o["metadata"].get("labels", {}).keys() - uids
    if {key for key in more if not key.startswith(("choreo.dev/", "kubernetes.io/"))}:
        sys.exit("%s: also has the labels %s" % (name, sorted(more)))
print(len(rendered), "objects")
PY
}
compared() { c render "${files[@]}" "$@" -o json >"$DIR/rendered.json" && same "$DIR/rendered.json"; }

check "rendered before a server knows of it" c render "${files[@]}" -o table && says \
    greeter-service-development react-starter-development github-issue-reporter-development
for file in "${files[@]}"; do
    [ "$file" = -f ] || check "apply ${file##*/}" k apply -f "$file"
done
check "the cluster has the same objects" becomes compared
check "all are well" k wait --for=condition=Ready --timeout=20s components.openchoreo.dev --all

# With the server's uids: the bytes.
exported() {
    local kinds
    kinds=$(k api-resources --api-group=openchoreo.dev -o name | paste -sd,)
    k get "$kinds,organizations,dataplanes,environments.choreo.dev,deploymentpipelines.choreo.dev" \
        -A -o yaml >"$DIR/export.yaml" &&
        k get projects.choreo.dev,components.choreo.dev -A -o yaml >"$DIR/more.yaml"
}
revisions() {
    diff <(k get renderedreleases.choreo.dev -A \
        -o 'jsonpath={range .items[*]}{.metadata.name} {.status.appliedHash}{"\n"}{end}' | sort) \
        <(c render -f "$DIR/export.yaml" -f "$DIR/more.yaml" -o table --no-headers |
            awk '{print $5, $7}' | sort)
}
check "exported" exported
check "the same revisions" revisions
check "where a field comes from" c explain-render "${files[@]}" --component greeter-service \
    deployment.spec.replicas && says 'resources[deployment].template.spec.replicas'

# An override of a binding of theirs, in an environment that no promotion has come to yet.
cat >"$DIR/staging.yaml" <<'YAML'
apiVersion: openchoreo.dev/v1alpha1
kind: ReleaseBinding
metadata: {name: greeter-service-staging, namespace: default}
spec:
  owner: {projectName: default, componentName: greeter-service}
  environment: staging
  componentTypeEnvironmentConfigs: {replicas: 3}
YAML
check "an override" c render "${files[@]}" -f "$DIR/staging.yaml" --component greeter-service \
    --environment staging && says "replicas: 3" "environment staging"
check "all environments" c render "${files[@]}" --component greeter-service --all -o table && says \
    greeter-service-development greeter-service-staging greeter-service-production

# What is wrong has its place.
sed 's/allowedTraits:/allowedTrait:/' "$samples/getting-started/all.yaml" >"$DIR/all.yaml"
refuse "an unknown field" c render -f "$DIR/all.yaml" && says "all.yaml:" "unknown field"
check "a plane that no file holds" c render -f "$samples/getting-started/all.yaml" \
    -f "$images/issue-reporter-schedule-task/github-issue-reporter.yaml" && says \
    'note: data plane "default" is not among the manifests' "kind: CronJob"
refuse "and has no gateway" c render -f "$samples/getting-started/all.yaml" \
    -f "$images/go-greeter-service/greeter-service.yaml" && says \
    "clustercomponenttype.openchoreo.dev/service: validations[1]:" \
    "(component greeter-service in environment development)"

# ---- every sample ----

# Files of Argo's ClusterWorkflowTemplates are for the cluster that builds: no server of ours takes them,
# and nothing is rendered of them.
not_argos() { grep -v 'ClusterWorkflowTemplate'; }
everything=(-R -f "$plane" -f "$samples")
k apply -R -f "$samples" >"$DIR/applied" 2>&1
check "nothing else is refused" test -z "$(grep -i error "$DIR/applied" | not_argos)"
all_compared() {
    c render "${everything[@]}" -o json 2>/dev/null >"$DIR/rendered.json" && same "$DIR/rendered.json"
}
check "the cluster has the objects of all samples" becomes all_compared
check "all of them, everywhere" c render "${everything[@]}" --all -o table
all=$out
if not_argos <<<"$all" | grep -e note: -e samples; then
    echo "FAILED: something of them was left out"
    failures=$((failures + 1))
fi
check "and nothing is wrong with them" c validate "${everything[@]}" --strict && says "manifests are valid"
for component in demo-app github-issue-reporter greeter-service react-starter; do
    check "$component is there" grep -q "^default *$component " <<<"$all"
done
finish
