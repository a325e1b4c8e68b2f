#!/usr/bin/env bash
# Custom kinds as a person meets them with kubectl. KUBECTL names another one than PATH's.
set -u
. "$(dirname "$0")/lib.sh"
kubectl=${KUBECTL:-kubectl}
needs "$kubectl"
start
k() { timeout 20 "$kubectl" "$@"; }
established() { k wait --for=condition=Established "crd/$1" --timeout=5s; }
# crd NAME SCHEMA [MORE]: a definition of one version, as YAML on stdout; SCHEMA in flow style.
crd() {
    local plural=${1%%.*}
    cat <<YAML
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: $1}
spec:
  group: ${1#*.}
  scope: Namespaced
  names: {plural: $plural, kind: ${plural^}}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: $2}
${3:-}
YAML
}

cat >"$DIR/crontabs.yaml" <<'YAML'
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: crontabs.stable.example.com
spec:
  group: stable.example.com
  scope: Namespaced
  names:
    plural: crontabs
    kind: CronTab
    shortNames: [ct2]
    categories: [crons]
  versions:
  - name: v1beta1
    served: true
    storage: false
    deprecated: true
    schema:
      openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}
  - name: v1
    served: true
    storage: true
    selectableFields: [{jsonPath: .spec.image}]
    additionalPrinterColumns:
    - {name: Schedule, type: string, jsonPath: .spec.cronSpec, description: When it runs}
    - {name: Replicas, type: integer, jsonPath: .spec.replicas, priority: 1}
    - {name: Ready, type: string, jsonPath: '.status.conditions[?(@.type=="Ready")].status'}
    subresources:
      status: {}
      scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas, labelSelectorPath: .status.labelSelector}
    schema:
      openAPIV3Schema:
        description: CronTab runs something now and then.
        type: object
        properties:
          spec:
            type: object
            required: [cronSpec]
            x-kubernetes-validations:
            - rule: self.minReplicas <= self.replicas
              messageExpression: "string(self.replicas) + ' replicas are fewer than ' + string(self.minReplicas)"
              fieldPath: .replicas
            properties:
              cronSpec: {type: string, pattern: '^(\d+|\*)(/\d+)?(\s+(\d+|\*)(/\d+)?){4}$', description: When to run.}
              image: {type: string}
              replicas: {type: integer, minimum: 1, maximum: 10, default: 1}
              minReplicas: {type: integer, default: 0}
              zone:
                type: string
                x-kubernetes-validations: [{rule: self == oldSelf, message: zone is immutable}]
              port: {x-kubernetes-int-or-string: true}
              extra: {type: object, x-kubernetes-preserve-unknown-fields: true}
              template: {type: object, x-kubernetes-embedded-resource: true, x-kubernetes-preserve-unknown-fields: true}
              hosts:
                type: array
                x-kubernetes-list-type: map
                x-kubernetes-list-map-keys: [name]
                items:
                  type: object
                  required: [name]
                  properties: {name: {type: string}, weight: {type: integer}}
          status:
            type: object
            properties:
              replicas: {type: integer}
              labelSelector: {type: string}
              conditions:
                type: array
                items:
                  type: object
                  properties: {type: {type: string}, status: {type: string}}
YAML
cat >"$DIR/one.yaml" <<'YAML'
apiVersion: stable.example.com/v1
kind: CronTab
metadata: {name: one}
spec:
  cronSpec: "* * * * */5"
  image: a:1
  zone: eu
  port: http
  hosts: [{name: a, weight: 1}]
  extra: {deep: {er: 1}}
  template: {apiVersion: v1, kind: Pod, metadata: {name: x}, spec: {containers: []}}
YAML

# ---- a definition, and its names ----
check "define" k apply -f "$DIR/crontabs.yaml" && says "crontabs.stable.example.com created"
check "established" established crontabs.stable.example.com && says "condition met"
check "defaults of names" k get crd crontabs.stable.example.com -o yaml &&
    says "listKind: CronTabList" "singular: crontab" "reason: NoConflicts" "reason: InitialNamesAccepted" \
        "storedVersions:" "strategy: None"
check "api-resources" k api-resources --api-group=stable.example.com && says crontabs ct2 CronTab stable.example.com/v1
check "versions in order" k get --raw /apis/stable.example.com &&
    says '"preferredVersion":{"groupVersion":"stable.example.com/v1"'
check "resources" k get --raw /apis/stable.example.com/v1 && says crontabs/status crontabs/scale '"categories":["crons"]'
check "define again" k apply -f "$DIR/crontabs.yaml" && says unchanged

# ---- objects ----
check "apply" k apply -f "$DIR/one.yaml" && says "crontab.stable.example.com/one created"
check "apply again" k apply -f "$DIR/one.yaml" && says unchanged
check "defaults" k get crontab one -o jsonpath='{.spec.replicas} {.spec.minReplicas} {.spec.port}' && says "1 0 http"
check "what is kept" k get crontab one -o jsonpath='{.spec.extra} {.spec.template.spec}' &&
    says '{"deep":{"er":1}}' '{"containers":[]}'
check "columns" k get crontabs && says "NAME   SCHEDULE      READY" "one    * * * * */5" && hides REPLICAS
check "wide columns" k get ct2 -o wide && says REPLICAS
check "categories" k get crons && says one
check "all namespaces" k get crontabs -A && says default one
check "selectable fields" k get crontabs --field-selector spec.image=a:1 && says one
check "selectable fields that choose nothing" k get crontabs --field-selector spec.image=b && hides one
refuse "fields that are not selectable" k get crontabs --field-selector spec.zone=eu && says "field label not supported"
check "explain" k explain crontabs.spec.cronSpec && says "FIELD: cronSpec <string>" "When to run."
check "explain the kind" k explain crontabs && says "CronTab runs something now and then."
check "openapi v2" k get --raw /openapi/v2 && says com.example.stable.v1.CronTab
check "scale" k scale crontab one --replicas 3 && says scaled
check "scaled" k get crontab one -o jsonpath='{.spec.replicas}' && says 3
check "status apart" k patch crontab one --subresource status --type merge \
    -p '{"spec":{"replicas":9},"status":{"replicas":2,"conditions":[{"type":"Ready","status":"True"}]}}'
check "only status was written" k get crontab one -o jsonpath='{.spec.replicas} {.status.replicas}' && says "3 2"
check "filtered column" k get crontabs && says True
check "main ignores status" k patch crontab one --type merge -p '{"status":{"replicas":7}}'
check "status was not written" k get crontab one -o jsonpath='{.status.replicas}' && says 2
sides() {
    k apply --server-side --field-manager "$1" -f - <<<'{"apiVersion":"stable.example.com/v1","kind":"CronTab","metadata":{"name":"sides"},"spec":'"$2"'}'
}
check "server-side apply" sides first '{"cronSpec":"* * * * */5","hosts":[{"name":"a","weight":1}]}'
check "another manager" sides other '{"cronSpec":"* * * * */5","hosts":[{"name":"b","weight":2}]}'
check "map lists merge" k get crontab sides -o jsonpath='{.spec.hosts[*].name}' && says "a b"
refuse "conflicts" sides third '{"cronSpec":"* * * * *"}' &&
    says "conflict" ".spec.cronSpec"

# ---- what breaks the schema ----
refuse "types, patterns, duplicates" k patch crontab one --type merge \
    -p '{"spec":{"replicas":"x","cronSpec":"x","hosts":[{"name":"a"},{"name":"a"}]}}' &&
    says 'spec.replicas: Invalid value: "x": must be an integer' "spec.cronSpec: Invalid value: \"x\": must match" \
        'spec.hosts[1]: Duplicate value: {"name":"a"}'
refuse "limits" k patch crontab one --type merge -p '{"spec":{"replicas":11}}' &&
    says "spec.replicas: Invalid value: 11: must be less than or equal to 10"
refuse "what is required" k create -f - <<<'{"apiVersion":"stable.example.com/v1","kind":"CronTab","metadata":{"name":"two"},"spec":{}}' &&
    says "spec.cronSpec: Required value"
refuse "rules" k patch crontab one --type merge -p '{"spec":{"minReplicas":5}}' &&
    says "spec.replicas: Invalid value: \"object\": 3 replicas are fewer than 5"
refuse "rules about changes" k patch crontab one --type merge -p '{"spec":{"zone":"us"}}' &&
    says 'spec.zone: Invalid value: "us": zone is immutable'
refuse "embedded objects" k patch crontab one --type merge -p '{"spec":{"template":{"kind":""}}}' &&
    says "spec.template.kind"
refuse "unknown fields" k create -f - <<<'{"apiVersion":"stable.example.com/v1","kind":"CronTab","metadata":{"name":"two"},"spec":{"cronSpec":"* * * * *","what":1}}' &&
    says 'unknown field "spec.what"'
check "unknown fields, pruned" k create --validate=warn -f - <<<'{"apiVersion":"stable.example.com/v1","kind":"CronTab","metadata":{"name":"two"},"spec":{"cronSpec":"* * * * *","what":1}}' &&
    says 'unknown field "spec.what"' created
check "pruned" k get crontab two -o yaml && hides what

# ---- versions ----
check "the other version" k get crontabs.v1beta1.stable.example.com one -o yaml &&
    says "apiVersion: stable.example.com/v1beta1" "cronSpec" "is deprecated"
check "written by the other version" k patch crontabs.v1beta1.stable.example.com one --type merge -p '{"spec":{"image":"b:2"}}'
check "both are one object" k get crontabs.v1.stable.example.com one -o jsonpath='{.apiVersion} {.spec.image}' &&
    says "stable.example.com/v1 b:2"
sed 's/- name: v1beta1/- name: v1beta1 # not served/; 0,/served: true/s//served: false/' "$DIR/crontabs.yaml" >"$DIR/later.yaml"
check "a version is not served any more" k apply -f "$DIR/later.yaml"
sleep 0.3
refuse "gone" k get --raw /apis/stable.example.com/v1beta1/crontabs && says NotFound
check "the other stays" k get crontabs.v1.stable.example.com && says one
refuse "the storage version may not vanish" k patch crd crontabs.stable.example.com --type json -p '[{"op":"replace","path":"/spec/versions/1/name","value":"v2"}]' &&
    says "status.storedVersions[0]" "must appear in spec.versions"
refuse "the scope may not change" k patch crd crontabs.stable.example.com --type merge -p '{"spec":{"scope":"Cluster"}}' &&
    says "spec.scope" "field is immutable"

# ---- names that are taken ----
crd cronjobs.stable.example.com '{type: object}' | sed 's/kind: Cronjobs/kind: CronTab, shortNames: [ct2]/' >"$DIR/rival.yaml"
check "a rival" k apply -f "$DIR/rival.yaml"
sleep 0.3
check "is not established" k get crd cronjobs.stable.example.com -o yaml &&
    says '"CronTab" is already in use' '"ct2" is already in use' "reason: NotAccepted" "reason: SingularConflict"
refuse "is not served" k get --raw /apis/stable.example.com/v1/namespaces/default/cronjobs && says NotFound
crd components.choreo.dev '{type: object}' | k apply -f - >/dev/null
sleep 0.3
check "built-in kinds keep their names" k get crd components.choreo.dev -o yaml && says '"components" is already in use'

# ---- definitions that are refused ----
refuse "not structural" k apply -f - <<<"$(crd as.example.com '{type: object, properties: {a: {description: untyped}, b: {type: array}, c: {type: object, additionalProperties: false}, d: {type: string, default: 1}, e: {$ref: x}, f: {type: string, pattern: "["}, g: {type: array, items: {type: object, properties: {k: {type: string}}}, x-kubernetes-list-type: map, x-kubernetes-list-map-keys: [k]}}, anyOf: [{properties: {z: {minimum: 1}}}]}')" &&
    says "openAPIV3Schema.properties[a].type: Required value: must not be empty for specified object fields" \
        "openAPIV3Schema.properties[b].items: Required value: must be specified" \
        "openAPIV3Schema.properties[c].additionalProperties: Forbidden" \
        "openAPIV3Schema.properties[d].default: Invalid value: 1: must be a string" \
        'openAPIV3Schema.properties[e].$ref: Forbidden' \
        "openAPIV3Schema.properties[f].pattern: Invalid value" \
        "openAPIV3Schema.properties[g].x-kubernetes-list-map-keys[0]: Required value" \
        "openAPIV3Schema.anyOf[0].properties[z]: Required value"
refuse "broken rules" k apply -f - <<<"$(crd as.example.com '{type: object, x-kubernetes-validations: [{rule: "self.a >"}, {rule: "nothing(self)"}]}')" &&
    says "openAPIV3Schema.x-kubernetes-validations[0].rule: Invalid value" "compilation failed: column 9" \
        "openAPIV3Schema.x-kubernetes-validations[1].rule: Invalid value"
refuse "ill-typed rules" k apply -f - <<<"$(crd as.example.com '{type: object, properties: {spec: {type: object, x-kubernetes-validations: [{rule: "self.count > self.text"}, {rule: self.nothing}, {rule: self.count}, {rule: "true", messageExpression: self.count}], properties: {count: {type: integer}, text: {type: string}}}}}')" &&
    says "openAPIV3Schema.properties[spec].x-kubernetes-validations[0].rule: Invalid value" \
        "compilation failed: column 12: found no matching overload for '_>_' applied to '(int, string)'" \
        "x-kubernetes-validations[1].rule: Invalid value" "column 6: undefined field 'nothing'" \
        "x-kubernetes-validations[2].rule: Invalid value" "expected type 'bool' but found 'int'" \
        "x-kubernetes-validations[3].messageExpression: Invalid value" "expected type 'string' but found 'int'"
refuse "another name" k apply -f - <<<"$(crd as.example.com '{type: object}' | sed 's/name: as.example.com/name: bs.example.com/')" &&
    says "must be spec.names.plural+"
refuse "no schema" k apply -f - <<<"$(crd as.example.com '{type: object}' | grep -v openAPIV3Schema)" &&
    says "spec.versions[0].schema.openAPIV3Schema: Required value: schemas are required"
refuse "protected groups" k apply -f - <<<"$(crd as.apps.k8s.io '{type: object}')" && says "api-approved.kubernetes.io"
refuse "webhooks" k apply --validate=warn -f - <<<"$(crd as.example.com '{type: object}' '  conversion: {strategy: Webhook}')" &&
    says 'spec.conversion.strategy: Unsupported value: "Webhook"'
refuse "unknown keywords" k apply -f - <<<"$(crd as.example.com '{type: object, properties: {a: {type: string, pattren: x}}}')" &&
    says 'unknown field "spec.versions[0].schema.openAPIV3Schema.properties.a.pattren"'

# ---- the end of a kind ----
check "held by a finalizer" k patch crontab two --type merge -p '{"metadata":{"finalizers":["example.com/hold"]}}'
check "delete the definition" k delete crd crontabs.stable.example.com --wait=false && says deleted
sleep 0.3
check "its objects go first" k get crontabs && says two && hides one
check "it says so" k get crd crontabs.stable.example.com -o yaml &&
    says "customresourcecleanup.apiextensions.k8s.io" "type: Terminating"
refuse "nothing is created any more" k create -f "$DIR/one.yaml" && says "terminating"
check "let go" k patch crontab two --type merge -p '{"metadata":{"finalizers":null}}'
check "then the definition goes" k wait --for=delete crd/crontabs.stable.example.com --timeout=10s
refuse "and the kind with it" k get crontabs && says NotFound
sleep 0.5
check "its names are free: the rival gets them" established cronjobs.stable.example.com
check "and is served" k get cronjobs.stable.example.com

finish
