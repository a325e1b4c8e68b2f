#!/usr/bin/env bash
# Events, as people look at them with kubectl, and as programs report them.
set -u
. "$(dirname "$0")/lib.sh"
kubectl=${KUBECTL:-kubectl}
needs "$kubectl"
start
k() { timeout 20 "$kubectl" "$@"; }

k create configmap settings >/dev/null
uid=$(k get configmap settings -o 'jsonpath={.metadata.uid}')
now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
event() { # NAME REASON TYPE OBJECT COUNT
    cat <<YAML
apiVersion: v1
kind: Event
metadata: {name: $1, namespace: default}
involvedObject: {kind: ConfigMap, apiVersion: v1, name: $4, namespace: default, uid: "$uid"}
reason: $2
type: $3
message: It was $2
source: {component: tester}
firstTimestamp: $now
lastTimestamp: $now
count: $5
YAML
}
check "an event" k create -f - <<<"$(event settings.1 Loaded Normal settings 1)"
check "another" k create -f - <<<"$(event settings.2 Broken Warning settings 4)"
check "of another object" k create -f - <<<"$(event other.1 Loaded Normal other 1)"

check "get events" k get events && says "LAST SEEN" configmap/settings Loaded "It was Broken"
check "get events -o wide" k get events -o wide && says SOURCE COUNT tester
check "by fields" k get events --field-selector involvedObject.name=settings,type=Warning && says settings.2
hides settings.1
check "by source" k get events --field-selector source=tester,reason=Loaded && says settings.1 other.1
refuse "not by any field" k get events --field-selector message=x && says "field label not supported"
check "describe shows them" k describe configmap settings && says Events: Loaded Broken "It was Broken" tester
hides "other.1"
if k events --help >/dev/null 2>&1; then # not in 1.20
    check "events" k events && says ConfigMap/settings ConfigMap/other
    check "events of one object" k events --for configmap/settings && says Loaded Broken
    hides ConfigMap/other
    check "events of one type" k events --types Warning && says Broken
    hides Loaded
fi
check "a repetition is a patch" k patch event settings.2 --type strategic \
    -p "{\"count\":5,\"lastTimestamp\":\"$now\"}" && says patched
check "counted" k get event settings.2 -o 'jsonpath={.count}' && says 5
refuse "where its object is not" k create -f - <<<"$(event bad.1 Loaded Normal settings 1 |
    sed 's/namespace: default, uid/namespace: other, uid/')"
says "involvedObject.namespace" "does not match event.namespace"
# The newer form of the same objects.
check "an event of the newer form" k create -f - <<YAML
apiVersion: events.k8s.io/v1
kind: Event
metadata: {name: newer.1}
eventTime: "$(date -u +%Y-%m-%dT%H:%M:%S.000001Z)"
regarding: {kind: ConfigMap, apiVersion: v1, name: settings, namespace: default, uid: "$uid"}
reason: Reported
action: Report
type: Normal
note: It was reported
reportingController: example.com/tester
reportingInstance: tester-1
YAML
check "is one of the older" k get events newer.1 -o yaml && says "message: It was reported" "involvedObject:"
check "and the older are of the newer" k get events.events.k8s.io && says settings.1 newer.1 "It was Broken"
check "described" k describe configmap settings && says "It was reported"
check "explain" k explain event.involvedObject && says fieldPath
finish
