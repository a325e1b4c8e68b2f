#!/usr/bin/env bash
# The commands of choreo that ask no server: validate, render, explain-render, and what they say to
# somebody who mistypes. What they find is in tests/unit/cli, that it is what a server would say in
# tests/e2e.
set -u
. "$(dirname "$0")/lib.sh"
samples=${CHOREO_SOURCE:?names the sources}/deploy/samples
bin=${CHOREO_BIN:?names the programs}/choreo
DIR=$(mktemp -d)
trap 'rm -rf "$DIR"' EXIT
export HOME=$DIR CHOREO_CONFIG=$DIR/none.yaml
c() { timeout 30 "$bin" "$@"; }

# ---- validate ----

check "validate" c --config /nonexistent validate -f "${CHOREO_SOURCE:?}/deploy/samples" && says "manifests are valid"
cat >"$DIR/bad.yaml" <<'YAML'
apiVersion: choreo.dev/v1
kind: Component
metadata:
  name: Web_1
spec:
  type: service
  imagee: nginx
  endpoints:
    - name: api
      port: 99999999
---
apiVersion: choreo.dev/v1
kind: Gizmo
metadata: {name: x}
---
apiVersion: example.com/v1
kind: Own
metadata: {name: x}
---
apiVersion: choreo.dev/v1
kind: SecretReference
metadata: {name: x}
YAML
code 1 "validate names every fault" c validate -f "$DIR/bad.yaml" -f "$DIR/nothing.yaml" &&
    says "bad.yaml:4: component.choreo.dev/Web_1: metadata.name: Invalid value" \
        "bad.yaml:7: component.choreo.dev/Web_1: spec.imagee: unknown field" \
        "bad.yaml:10: component.choreo.dev/Web_1: spec.endpoints[0].port: Invalid value" \
        "bad.yaml:13: gizmo.choreo.dev/x: kind: there is no kind Gizmo" \
        "bad.yaml:16: note: Own of example.com/v1" \
        "bad.yaml:21: secretreference.choreo.dev/x: kind: there is no kind SecretReference in choreo.dev/v1: it is one of openchoreo.dev/v1alpha1" \
        "nothing.yaml" "6 errors in 4 manifests"

cat >"$DIR/own.yaml" <<'YAML'
apiVersion: example.com/v1
kind: Own
metadata: {name: good}
spec: {size: 1}
---
apiVersion: example.com/v1
kind: Own
metadata: {name: bad}
spec: {size: 9, colour: red}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: owns.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {kind: Own, plural: owns}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties: {size: {type: integer}}
            x-kubernetes-validations: [{rule: "self.size < 5", message: too large}]
YAML
code 1 "validate knows the kinds that manifests define" c validate -f "$DIR/own.yaml" &&
    says "own.yaml:9: own.example.com/bad: spec.colour: unknown field" \
        'own.yaml:9: own.example.com/bad: spec: Invalid value: "object": too large' \
        "2 errors in 3 manifests" && hides good note
sed -i 's/self.size/self.sise/' "$DIR/own.yaml"
code 1 "validate checks definitions" c validate -f "$DIR/own.yaml" &&
    says "undefined field 'sise'" "own.yaml:1: note: Own of example.com/v1"

# What comes of files, and is held up.
cat >"$DIR/web.yaml" <<'YAML'
apiVersion: choreo.dev/v1
kind: Component
metadata: {name: web}
spec:
  type: sevrice
  image: nginx:1
  endpoints: [{name: http, port: 80}]
YAML
code 1 "validate tells what would be held up" c validate -f "$DIR/web.yaml" && says \
    'web.yaml:5: component.choreo.dev/web: spec.type: there is no ComponentType or ClusterComponentType "sevrice": did you mean service? [TypeNotFound]' \
    "warning: no data plane is among the manifests" "choreo validate: 1 error and 1 warning in 1 manifest"
code 1 "validate -o json" sh -c "timeout 30 '$bin' validate -f '$DIR/web.yaml' -o json 2>/dev/null | python3 -c '
import json, sys
all = json.load(sys.stdin)
first = all[\"findings\"][0]
print(all[\"valid\"], all[\"manifests\"], all[\"errors\"], all[\"warnings\"])
print(*(first[key] for key in (\"severity\", \"line\", \"field\", \"condition\", \"reason\", \"hint\")))
print(first[\"object\"][\"kind\"], first[\"file\"])
sys.exit(not all[\"valid\"])'" && only "False 1 1 1
error 5 spec.type Released TypeNotFound did you mean service?
Component $DIR/web.yaml"
code 1 "validate -o jsonpath" c validate -f "$DIR/web.yaml" -o jsonpath='{.findings[*].reason}' &&
    says "TypeNotFound NoDataPlane"
sed -i 's/sevrice/service/' "$DIR/web.yaml"
check "warnings do not fail" c validate -f "$DIR/web.yaml" && says "1 warning in 1 manifest"
code 1 "unless they are to" c validate -f "$DIR/web.yaml" --strict && says \
    "choreo validate: 1 warning in 1 manifest"
check "from standard input" c validate -f - <"$DIR/web.yaml" && says "1 warning in 1 manifest"
mkdir -p "$DIR/tree/base" "$DIR/tree/overlay"
sed 's/web/one/' "$DIR/web.yaml" >"$DIR/tree/base/one.yaml"
sed 's/web/two/; s/image:/imag:/' "$DIR/web.yaml" >"$DIR/tree/overlay/two.yml"
code 2 "a folder that holds but folders" c validate -f "$DIR/tree" && says "no manifest found"
code 1 "folders" c validate -R -f "$DIR/tree" && says \
    "overlay/two.yml:6: component.choreo.dev/two: spec.imag: unknown field: did you mean image?" \
    "1 error and 1 warning in 2 manifests"
code 2 "no file" c validate && says "-f FILE is required"
printf 'a:\n\tb: 2\n' >"$DIR/tab.yaml"
code 1 "no YAML" c validate -f "$DIR/tab.yaml" && says "tab.yaml:2:1: " "1 error in 0 manifests"

# So many components at once, each of which is rendered.
for i in $(seq 300); do
    printf -- '---\napiVersion: choreo.dev/v1\nkind: Component\nmetadata: {name: w%d}\nspec: {type: worker, image: "x:1"}\n' "$i"
done >"$DIR/many.yaml"
check "many" c validate -f "$DIR/many.yaml" && says "1 warning in 300 manifests"

# ---- names that are nearly right ----

component() { c "$1" -f "$samples" --component user-service "${@:2}"; }
code 1 "a component" c render -f "$samples" --component user-servce && says \
    "there is no component user-servce among the manifests: did you mean user-service?"
code 1 "a resource" c explain-render -f "$samples" --resource e-commerce-platform-databas && says \
    "did you mean e-commerce-platform-database?"
code 1 "another namespace" c render -f "$samples" --component user-service -n acme && says \
    "in namespace acme: there is one in acme-corp"
code 1 "an environment" component render --environment prodction && says \
    'environment "prodction" does not exist: did you mean production?'
code 1 "a cluster" component render --environment production --cluster us-wst-2 && says \
    'data plane "production" has no cluster "us-wst-2": it has us-west-2, eu-west-1'
sed -i 's/service/sevrice/' "$DIR/web.yaml"
code 1 "a type" c render -f "$DIR/web.yaml" && says \
    'web.yaml:1: component.choreo.dev/web: there is no ComponentType or ClusterComponentType "sevrice": did you mean service?' \
    "note: no data plane is among the manifests"
code 1 "a kind" component explain-render deploymnt.spec && says \
    "nothing that is rendered has the field deploymnt.spec: did you mean Deployment?"
code 1 "a field" component explain-render deployment.spec.replica && says \
    "did you mean deployment.spec.replicas?"
code 1 "no field" component explain-render deployment.spec.colour && says \
    "the field deployment.spec.colour; deployment alone shows all that it has"
code 1 "no kind" component explain-render spaceship && says \
    "the field spaceship; there are NetworkPolicy, ServiceAccount, Service, Deployment"
code 2 "which of them" c explain-render -f "$samples" && says \
    "there are several, which choreo render -o table lists"
code 2 "an option" c validate --strct && says "--strct: unknown option; did you mean --strict?"
code 2 "an option with a value" c render --compnent=web && says "did you mean --component?"
code 2 "a command" c validte && says 'no command "validte"; did you mean validate?'
code 2 "a subcommand" c cluster statsu && says 'no command "cluster statsu"; did you mean cluster status?'
code 2 "no command at all" c frobnicate && says 'no command "frobnicate"; choreo --help lists them'

finish
