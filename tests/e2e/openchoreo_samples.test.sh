#!/usr/bin/env bash
# An audit: every sample of OpenChoreo's, file by file, on a fresh cluster. Each is taken as it is, and
# each object becomes Ready and is acted on as a whole. What does not is in the tables below, with the
# reason; they must not grow, and what is no longer true must leave them.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../api/lib.sh"
kubectl=${KUBECTL:-kubectl}
needs "$kubectl"
. "$here/openchoreo.sh"

# Files with Argo's ClusterWorkflowTemplates alone: those are for the cluster that builds, and not for
# a control plane, which would do nothing with them. (OpenChoreo's quick start has one cluster for both.)
for_the_cluster() {
    case $1 in
    getting-started/workflow-templates.yaml | getting-started/workflow-templates/*) return 0 ;;
    esac
    return 1
}
# KIND/NAME READY ACCEPTED of what is not Ready and acted on as a whole. A dash: no condition.
not_acted_on() {
    cat <<'TEXT'
ClusterComponentType/scheduled-task - -
ClusterComponentType/service - -
ClusterComponentType/service-with-configs - -
ClusterComponentType/web-application - -
ClusterComponentType/worker - -
ClusterDataPlane/default True NotSupported
ClusterResourceType/nats - -
ClusterResourceType/postgres - -
ClusterResourceType/valkey - -
ClusterTrait/observability-alert-rule - -
Workload/demo-app-workload - -
Workload/github-issue-reporter-workload - -
Workload/greeter-service-workload - -
Workload/react-starter - -
TEXT
    # Why: OpenChoreo says no Ready of types, traits and Workloads either: what is wrong with one is told
    # where it is used. A plane's agent is not waited for: the cluster is reached by a kubeconfig.
}

check "the plane that the samples name" k apply -f "$plane"

while read -r file; do
    name=${file#"$samples"/}
    if for_the_cluster "$name"; then
        refuse "$name" k apply -f "$file" && says 'no matches for kind "ClusterWorkflowTemplate"'
        if grep -v -e 'no matches for kind "ClusterWorkflowTemplate"' -e '^ensure CRDs' <<<"$out"; then
            echo "FAILED: $name: something else was refused, too"
            failures=$((failures + 1))
        fi
    else
        check "$name" k apply -f "$file"
    fi
done < <(find "$samples" -name '*.yaml' | sort)

kinds=$(k api-resources --api-group=openchoreo.dev -o name | paste -sd,)
# What is not Ready and acted on as a whole, in order.
rest() {
    k get "$kinds" -A -o 'jsonpath={range .items[*]}{.kind}/{.metadata.name}{"|"}{.status.conditions[?(@.type=="Ready")].status}{"|"}{.status.conditions[?(@.type=="Accepted")].reason}{"\n"}{end}' |
        awk -F'|' '!($2 == "True" && $3 == "Accepted") {
            print $1, $2 == "" ? "-" : $2, $3 == "" ? "-" : $3 }' | sort
}
settled() {
    for _ in $(seq 200); do
        rest >"$DIR/rest" 2>&1
        diff "$DIR/rest" <(not_acted_on | sort) >"$DIR/diff" && return 0
        sleep 0.1
    done
    echo "(<: is so, and should not be; >: was expected)"
    cat "$DIR/diff"
    k get "$kinds" -A -o 'jsonpath={range .items[*]}{.kind}/{.metadata.name}: {.status.conditions[?(@.type=="Ready")].message}; {.status.conditions[?(@.type=="Accepted")].message}{"\n"}{end}'
    return 1
}
check "what does not become Ready" settled
# Scripts of its users wait so; also for the bindings of what was deployed by itself.
check "a binding of each component" k get releasebindings.openchoreo.dev -o name &&
    says greeter-service-development react-starter-development demo-app-development
check "kubectl wait" k wait --for=condition=Ready --timeout=20s components.openchoreo.dev,releasebindings.openchoreo.dev,projects.openchoreo.dev,environments.openchoreo.dev,secretreferences.openchoreo.dev --all
finish
