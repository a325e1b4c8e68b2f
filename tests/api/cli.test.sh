#!/usr/bin/env bash
# Every command of choreo against a server, its output and its exit codes. Only `choreo cluster` and
# `choreo status` are left to e2e: they ask the node, not the doors.
set -u
. "$(dirname "$0")/lib.sh"
start
export CHOREO_CONFIG=$DIR/choreo.yaml
unset NO_COLOR EDITOR VISUAL CHOREO_EDITOR
bin=${CHOREO_BIN:?names the programs}/choreo
c() { timeout 30 "$bin" "$@"; }

mode_is_600() {
    if [ "$(stat -c %a "$1")" != 600 ]; then
        echo "FAILED: $1 has mode $(stat -c %a "$1")"
        failures=$((failures + 1))
    fi
}

# ---- help ----

code 2 "no command" c && says "usage: choreo COMMAND"
check "help" c --help && says "api-resources" "Exit codes:" && hides __complete
code 2 "unknown command" c gett && says 'no command "gett"'
code 2 "unknown subcommand" c context ust && says 'no command "context ust"'
code 2 "a subcommand is missing" c context && says "use " "remove "
code 2 "unknown option" c get --frobnicate components && says "unknown option"
for command in $(c --help | sed -n 's/^  \([a-z-]*\)  .*/\1/p'); do
    check "$command --help" c "$command" --help && says "usage: choreo $command"
    if [ "$command" != context ] && [ "$command" != cluster ] && [ "$command" != cel ]; then
        says "Examples:" "  choreo $command" "Options of every command:"
    fi
    if grep -n '.\{91,\}' <<<"$out"; then
        echo "FAILED: $command --help has lines that are too long"
        failures=$((failures + 1))
    fi
done
check "help of a subcommand" c help context set && says "usage: choreo context set NAME" "--use"

# ---- login, contexts ----

code 1 "no context yet" c get components && says "no cluster is configured"
check "an empty list" c context list && says "choreo login makes one"
code 4 "a bad token is refused" c login --endpoint "$URL" --certificate-authority "$DIR/ca.crt" \
    --name main <<<wrong-token && says "nothing was kept: the bearer token is not one of choreod's"
[ ! -e "$CHOREO_CONFIG" ] || { echo "FAILED: a refused login was kept"; failures=$((failures + 1)); }
code 2 "a token is no argument" c login --endpoint "$URL" admin-token && says "never from the command line"
code 2 "an empty token" c login --endpoint "$URL" </dev/null && says "no token was given"
check "login" c login --endpoint "$URL" --certificate-authority "$DIR/ca.crt" --name main <<<admin-token &&
    says "Logged in to $URL; context main"
mode_is_600 "$CHOREO_CONFIG"
echo viewer-token >"$DIR/token"
check "login from a file" c login --endpoint "$URL" --certificate-authority "$DIR/ca.crt" \
    --name viewer --token-file "$DIR/token"
check "context list" c context list && says "*         viewer" "main" "token"
check "context use" c context use main && says "Context main is the current one"
code 1 "context use of none" c context use nope && says "no context named nope (there are: main, viewer)"
check "context list -o name" c context list -o name && only "main
viewer"
check "options before the command" c --config "$CHOREO_CONFIG" -n x context list -o name && says viewer
check "and before a simple one" c -n default get projects && says "No projects found in namespace default."
# a node that is down first: the next is asked
check "context set" c context set main --endpoint https://127.0.0.1:1 --endpoint "$URL" -n default
check "another node answers" c get projects && says "No projects found in namespace default."
check "context set --use" c context set spare --endpoint "$URL" --use
code 4 "without its CA" c get projects && says "certificate"
check "context remove" c context remove spare && check "and back" c context use main
code 2 "a context needs an endpoint" c context set empty && says "needs an --endpoint"
code 1 "unreachable" c --endpoint https://127.0.0.1:1 get projects --timeout 1s
code 2 "no https" c --endpoint http://127.0.0.1:1 get projects && says "must be https://HOST:PORT"

# ---- apply, diff, get ----

cat >"$DIR/shop.yaml" <<'YAML'
apiVersion: choreo.dev/v1
kind: Project
metadata:
  name: shop
  labels: {team: web, app.kubernetes.io/name: shop}
spec:
  displayName: Shop
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
data:
  colour: blue
  size: "3"
YAML
code 1 "diff of what is new" c diff -f "$DIR/shop.yaml" &&
    says "--- /dev/null" "+++ applied/project.choreo.dev/shop" "+  displayName: Shop" "+  colour: blue"
check "apply --dry-run=client asks nobody" c --config /nonexistent apply -f "$DIR/shop.yaml" --dry-run=client &&
    says "project.choreo.dev/shop checked (dry run)"
check "apply --dry-run" c apply -f "$DIR/shop.yaml" --dry-run && says "project.choreo.dev/shop created (dry run)"
code 1 "which kept nothing" c get project shop && says 'projects.choreo.dev "shop" not found'
check "apply" c apply -f "$DIR/shop.yaml" && says "project.choreo.dev/shop created" "configmap/settings created"
check "apply again" c apply -f "$DIR/shop.yaml" && says "project.choreo.dev/shop unchanged"
code 0 "diff of the same" c diff -f "$DIR/shop.yaml" && only ""
sed -i 's/displayName: Shop/displayName: The Shop/' "$DIR/shop.yaml"
code 1 "diff of a change" c diff -f "$DIR/shop.yaml" &&
    says "--- live/project.choreo.dev/shop" "-  displayName: Shop" "+  displayName: The Shop" && hides managedFields
hides $'\033'
code 2 "diff of nothing" c diff -f "$DIR/nothing.yaml" && says "nothing.yaml"
code 2 "diff may fail in every way with 2" c --context viewer diff -f "$DIR/shop.yaml"
check "apply -o name" c apply -f - -o name <"$DIR/shop.yaml" && says "project.choreo.dev/shop"
code 4 "apply by a viewer" c --context viewer apply -f "$DIR/shop.yaml" && says "forbidden"
code 5 "a conflict" c apply -f - --field-manager other <<'YAML' && says "conflict with \"choreo\"" "-:1: project.choreo.dev/shop"
apiVersion: choreo.dev/v1
kind: Project
metadata: {name: shop}
spec: {displayName: Other}
YAML
check "force" c apply -f - --field-manager other --force-conflicts -o 'jsonpath={.spec.displayName}' <<'YAML' && only Other
apiVersion: choreo.dev/v1
kind: Project
metadata: {name: shop}
spec: {displayName: Other}
YAML
code 2 "an unknown field" c apply -f - <<<'{apiVersion: v1, kind: ConfigMap, metadata: {name: x}, dat: {}}' &&
    says 'unknown field "dat"'
code 1 "no such file" c apply -f "$DIR/nothing.yaml" && says "nothing.yaml: No such file"

check "get" c get projects && says "NAME" shop
check "get one" c get proj/shop && says shop
code 2 "whose log" c logs run/ && says '"run/" has no name: run/NAME or component/NAME'
check "get several kinds" c get projects,comp,environments && says shop "No comp found in namespace" "NAME"
check "get all" c get all && says "project/shop" && hides "No " "configmap/"
check "get another category, as one list" c get choreo -o 'jsonpath={.items[*].kind}' && says Project
check "get all of an empty namespace" c get all -n choreo-system && says "No resources found in namespace choreo-system"
code 1 "neither a kind nor a category" c get nonsense && says nonsense
check "as one list" c get projects,configmaps -o 'jsonpath={.items[*].kind}' && says "Project ConfigMap"
check "get -A" c get projects -A && says NAMESPACE default
check "get --show-labels" c get projects --show-labels && says "team=web"
check "get -l" c get projects -l team=web --no-headers && says shop && hides NAME
check "get -l of none" c get projects -l team!=web && says "No projects found"
code 2 "get -l that does not parse" c get projects -l 'team in'
check "get -o name" c get projects -o name && only projects/shop
check "get -o=json" c get project shop -o=json && says '"displayName": "Other"' && hides managedFields
check "--show-managed-fields" c get project shop -o yaml --show-managed-fields && says "managedFields:"
check "get -o yaml of several" c get cm settings settings -o yaml && says "kind: List"
check "get of two kinds" c get project/shop cm/settings && says PIPELINE shop settings DATA
check "get -o name of two kinds" c get project/shop cm/settings -o name && only "project/shop
cm/settings"
code 1 "one that is not there" c get cm nope settings -o name &&
    says cm/settings 'configmaps "nope" not found'
code 1 "of which the others are shown" c get cm nope settings -o json && says '"items"' '"name": "settings"'
code 2 "get -A of a name" c get cm settings -A && says "-A lists a kind"
code 2 "get of a name that is no KIND/NAME" c get cm/settings shop && says '"shop" must be KIND/NAME'
code 2 "watch of two names" c watch cm/settings shop && says "one name"
code 1 "unknown kind" c get gizmos && says 'the server has no kind "gizmos"'
code 2 "unknown form" c get projects -o xml && says "must be one of table, wide"
code 2 "a kind is required" c get && says "KIND is required"
check "custom columns" c get cm settings -o 'custom-columns=NAME:.metadata.name,C:.data.colour,NO:.x' &&
    says "NAME       C      NO" "settings   blue   <none>"
printf 'NAME  SIZE\n{.metadata.name}  .data.size\n' >"$DIR/columns"
check "custom columns from a file" c get cm -o "custom-columns-file=$DIR/columns" --no-headers && only "settings   3"
printf '{.kind}' >"$DIR/path"
check "jsonpath from a file" c get cm settings -o "jsonpath-file=$DIR/path" && only ConfigMap
code 2 "a bad jsonpath" c get cm -o 'jsonpath={.a' && says "column 4: a brace is not closed"
code 2 "a bad column" c get cm -o custom-columns=NAME && says "must be TITLE:PATH"
code 2 "an index out of bounds" c get cm -o 'jsonpath={.items[9]}' && says "index 9 of a list of"

# ---- a platform in any order ----

mkdir "$DIR/platform"
cat >"$DIR/platform/a.yaml" <<'YAML'
apiVersion: choreo.dev/v1
kind: Component
metadata: {name: web, namespace: made}
spec: {type: service, image: nginx}
---
apiVersion: choreo.dev/v1
kind: Project
metadata: {name: shop, namespace: made}
YAML
code 1 "what lives nowhere" c apply -f "$DIR/platform" &&
    says 'namespaces "made" not found: an Organization or a Namespace of that name makes it'
printf 'apiVersion: v1\nkind: Namespace\nmetadata: {name: made}\n' >"$DIR/platform/b.yaml"
check "where others live comes first" c apply -f "$DIR/platform" && only "namespace/made created
project.choreo.dev/shop created
component.choreo.dev/web created"
check "its end" c delete namespace made

# ---- on a terminal ----

cat >"$DIR/wide.yaml" <<'YAML'
apiVersion: choreo.dev/v1
kind: Component
metadata: {name: a-component-of-some-length}
spec: {type: scheduled-task, project: a-project-with-a-long-name, image: "registry.example.com/some/image:1.2.3"}
YAML
check "a wide row" c apply -f "$DIR/wide.yaml"
terminal() { (set -o pipefail; script -qec "stty cols 76; $*" /dev/null | tr -d '\r'); }
check "a table fits its terminal" terminal "$bin" get components &&
    says "a-component-of-some-length" "…"
if [ "$(wc -L <<<"$out")" -gt 76 ]; then
    echo "FAILED: a line is wider than the terminal:"
    echo "$out"
    failures=$((failures + 1))
fi
check "but not -o wide" terminal "$bin" get components -o wide && says "scheduled-task   <none>"
check "nor a pipe" c get components && says "scheduled-task   <none>"
sed -i 's/1.2.3/1.2.4/' "$DIR/wide.yaml"
code 1 "diff in colours" terminal "$bin" diff -f "$DIR/wide.yaml" && says $'\033[31m-  image:' $'\033[32m+  image:'
NO_COLOR=1 code 1 "NO_COLOR" terminal "$bin" diff -f "$DIR/wide.yaml" && hides $'\033'
check "its end" c delete -f "$DIR/wide.yaml"

# ---- label, annotate, patch, edit ----

check "label" c label project shop tier=1 && only "project.choreo.dev/shop labeled"
check "label again" c label project shop tier=1 && only "project.choreo.dev/shop unchanged"
code 5 "label is not overwritten" c label project shop tier=2 && says 'tier is "1" already'
check "label --overwrite" c label project shop tier=2 --overwrite
check "label -l" c label projects -l tier=2 stage=a && says "project.choreo.dev/shop labeled"
check "label removes" c label project/shop tier- stage- -o 'jsonpath={.metadata.labels.tier}' && only ""
code 2 "a label's form" c label project shop tier && says "KEY=VALUE"
code 1 "a label's rules" c label project shop 'a b=c' && says "metadata.labels"
code 2 "an empty name" c label project "" && says "KEY=VALUE"
code 2 "no change" c label project shop && says "KEY=VALUE"
check "annotate" c annotate project shop note="two words" --dry-run && says "annotated (dry run)"
check "annotate by file" c annotate -f "$DIR/shop.yaml" note="two words" && says "configmap/settings annotated"
check "and it is there" c get project shop -o 'jsonpath={.metadata.annotations.note}' && only "two words"

check "patch" c patch cm settings -p 'data: {colour: red}' && only "configmap/settings patched"
check "patch --type json" c patch cm/settings --type json -p '[{"op":"replace","path":"/data/colour","value":"green"}]'
check "patch --type apply" c patch cm settings --type apply --field-manager ci -p 'data: {by: ci}' &&
    says "configmap/settings patched"
echo 'data: {from: file}' >"$DIR/patch"
check "patch --patch-file" c patch cm settings --patch-file "$DIR/patch" -o 'jsonpath={.data}' &&
    only '{"by":"ci","colour":"green","from":"file","size":"3"}'
check "patch of the status" c patch project shop --subresource status -p 'status: {conditions: [{type: Ready, status: "True", reason: Fine, message: all is well, lastTransitionTime: "2026-01-02T03:04:05Z"}]}'
code 2 "patch without a patch" c patch cm settings && says "-p TEXT or --patch-file"
code 2 "patch of an unknown type" c patch cm settings --type odd -p '{}'
code 1 "patch against the schema" c patch project shop -p 'spec: {displayName: [1]}' && says "spec.displayName"
code 1 "patch of none" c patch cm nope -p '{}'

cat >"$DIR/editor" <<'SH'
#!/bin/sh
# Does step $(cat steps): each call takes the first line of the file "steps" beside it.
dir=$(dirname "$0")
cp "$1" "$dir/shown"
step=$(head -1 "$dir/steps")
sed -i 1d "$dir/steps"
[ -z "$step" ] || sed -i "$step" "$1"
SH
chmod +x "$DIR/editor"
export EDITOR=$DIR/editor TMPDIR=$DIR
printf '\n' >"$DIR/steps"
check "edit of nothing" c edit cm settings && says "Nothing changed."
printf 's/green/black/\n' >"$DIR/steps"
check "edit" c edit cm settings && only "configmap/settings edited"
check "edited" c get cm settings -o 'jsonpath={.data.colour}' && only black
printf 's/displayName:.*/displayName: [1]/\ns/displayName:.*/displayName: Fine/\n' >"$DIR/steps"
check "edit, refused, mended" c edit project shop && says "project.choreo.dev/shop edited"
grep -q '^# .*spec.displayName' "$DIR/shown" || { echo "FAILED: the editor was not told why"; cat "$DIR/shown"; failures=$((failures + 1)); }
printf 's/displayName:.*/displayName: [2]/\n\n' >"$DIR/steps"
code 2 "edit given up" c edit project shop && says "given up; it was refused" "Your text is in"
rm -f "$DIR"/choreo-edit-*
EDITOR=false code 1 "an editor that fails" c edit cm settings && says "the editor failed: false"
cat >"$DIR/racer" <<SH
#!/bin/sh
"$bin" annotate cm settings race=yes --overwrite >/dev/null
sed -i s/black/white/ "\$1"
SH
chmod +x "$DIR/racer"
EDITOR=$DIR/racer code 5 "edit does not overwrite another's" c edit cm settings && says "Your text is in"
rm -f "$DIR"/choreo-edit-*
[ -z "$(ls "$DIR" | grep choreo-edit-)" ] || { echo "FAILED: an editor's file was left"; failures=$((failures + 1)); }

# ---- wait, watch, events, describe ----

check "wait for a condition" c wait project/shop && only "project/shop condition met"
check "wait for a jsonpath" c wait project shop --for 'jsonpath={.spec.displayName}=Fine'
check "wait for any value" c wait project shop --for 'jsonpath={.status.conditions[?(@.type=="Ready")].reason}'
code 3 "wait in vain" c wait project shop --for condition=Ready=False --timeout 300ms &&
    says "timed out waiting: Ready is True: all is well"
code 3 "wait for what is not there" c wait project none --timeout 300ms && says "it is not there"
code 2 "wait for nonsense" c wait project shop --for sunshine && says "must be condition="
code 2 "wait for no path" c wait project shop --for 'jsonpath={.a}b'
check "wait for the deletion of none" c wait project none --for delete && says "project/none deleted"
(sleep 1; c apply -f - <<<'{apiVersion: v1, kind: ConfigMap, metadata: {name: late}}' >/dev/null) &
check "wait for creation" c wait cm late --for create --timeout 10s && only "cm/late created"
wait $!
c get cm -w --timeout 1s >"$DIR/watched" 2>&1 &
watcher=$!
"$bin" watch cm -o json >"$DIR/events" 2>&1 &
teller=$!
sleep 1
check "a change to see" c annotate cm late seen=yes
sleep 1
kill $watcher $teller
wait $watcher $teller 2>/dev/null
[ "$(grep -c ^late "$DIR/watched")" = 2 ] || { echo "FAILED: get -w"; cat "$DIR/watched"; failures=$((failures + 1)); }
grep -q '"type":"MODIFIED"' "$DIR/events" || { echo "FAILED: watch -o json"; cat "$DIR/events"; failures=$((failures + 1)); }
check "describe" c describe project shop &&
    says "Name:         shop" "Labels:       app.kubernetes.io/name=shop" "Conditions:" "all is well" "Events:" "  <none>"
uid=$(c get project shop -o 'jsonpath={.metadata.uid}')
check "an owned object and an event" c apply -f - <<YAML
apiVersion: v1
kind: ConfigMap
metadata:
  name: owned
  ownerReferences: [{apiVersion: choreo.dev/v1, kind: Project, name: shop, uid: $uid}]
---
apiVersion: v1
kind: Event
metadata: {name: shop.1, namespace: default}
involvedObject: {apiVersion: choreo.dev/v1, kind: Project, name: shop, namespace: default, uid: $uid}
reason: Painted
message: it is green now
type: Normal
firstTimestamp: "2026-01-02T03:04:05Z"
lastTimestamp: "2026-01-02T03:04:05Z"
count: 3
YAML
check "control characters" c annotate project shop "evil=$(printf '\033[31m')"
check "not by a template either" terminal "$bin" get project shop -o "'jsonpath={.metadata.annotations.evil}'" && only "?[31m"
check "but programs get them" c get project shop -o 'jsonpath={.metadata.annotations.evil}' && only $'\033[31m'
check "are shown as such" c describe project shop && says "evil=?[31m" && hides $'\033'
check "describe tells both" c describe proj/shop && says "Owns:" "ConfigMap   owned" "Painted" "it is green now"
check "describe of a Secret" c apply -f - <<<'{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {k: hush}}'
check "tells no secret" c describe secret s && says "characters of base64" && hides "aHVzaA"
check "events" c events && says "LAST SEEN" "Project/shop" "(x3)"
check "events --for" c events --for project/shop && says Painted
check "events --for another" c events --for cm/late && says "No events"
timeout 2 "$bin" events --for project/shop --watch >"$DIR/told"
grep -q Painted "$DIR/told" || { echo "FAILED: events --watch"; cat "$DIR/told"; failures=$((failures + 1)); }
code 2 "events --for nothing" c events --for project

# ---- kinds ----

check "api-resources" c api-resources && says "components" "comp" "choreo.dev/v1" "true"
check "api-resources -o wide" c api-resources -o wide && says "get,list,watch"
check "without a server" c --config /nonexistent api-resources -o wide --offline && says "get,list,watch"
check "explain" c explain comp.spec.endpoints.port && says "KIND:     Component" "FIELD:    spec.endpoints.port <integer>" "at least: 1"
check "explain offline is the same" c --config /nonexistent explain comp.spec.endpoints --offline && offline=$out
check "as online" c explain comp.spec.endpoints && only "$offline"
check "explain --recursive" c explain component --recursive && says "targetPort	<integer>"
code 1 "explain of no field" c explain component.spec.nope && says 'no field "nope"'
code 1 "explain of no kind" c explain gizmo
c schema >"$DIR/all.json"
code 0 "schema" python3 - "$DIR/all.json" <<'PY'
import json, sys
all = json.load(open(sys.argv[1]))
asked = {"apiVersion": {"const": "choreo.dev/v1"}, "kind": {"const": "Component"}}
chosen = [a for a in all["allOf"] if a["if"]["properties"] == asked]
assert len(chosen) == 1, chosen
name = chosen[0]["then"]["$ref"].split("/")[-1]
assert "spec" in all["definitions"][name]["properties"]
def refs(x):
    if isinstance(x, dict):
        for k, v in x.items():
            if k == "$ref":
                yield v
            else:
                yield from refs(v)
    elif isinstance(x, list):
        for v in x:
            yield from refs(v)
missing = {r for r in refs(all) if r.split("/")[-1] not in all["definitions"]}
assert not missing, missing
PY
check "schema of one" c schema component --offline && says '"$schema"'

# ---- cel ----

cel() { c --config /nonexistent cel eval "$@"; }
check "an expression" cel '1 + 2' && only 3
check "its value is JSON" cel '{"b": [1.5, 2.0, b"hi", null], "a": duration("90s"), "t": type(1)}' &&
    only '{
  "b": [
    1.5,
    2,
    "aGk=",
    null
  ],
  "a": "90s",
  "t": "int"
}'
check "or YAML" cel '{"a": [1]}' -o yaml && only 'a:
- 1'
check "what JSON has no number for" cel '[1.0 / 0.0, 18446744073709551615u]' &&
    only '[
  "Infinity",
  "18446744073709551615"
]'
check "nothing is null" cel 'optional.none()' && only null
check "and leaves lists" cel '[oc_omit(), ?optional.none(), 1]' && only '[
  1
]'
printf 'name: web\nparameters: {replicas: 3}\n' >"$DIR/vars.yaml"
check "variables of a file" cel 'name + string(parameters.replicas)' --vars "$DIR/vars.yaml" && only '"web3"'
check "or of standard input" cel 'a.b[1]' --vars - <<<'{"a": {"b": [1, 2]}}' && only 2
check "functions of templates" cel 'oc_dns_label("My App", "dev")' && says '"my-app-dev-'
check "functions of rules" cel 'cidr("10.0.0.0/8").containsIP("10.1.2.3")' && only true
check "named zones" cel 'timestamp("2026-07-01T12:00:00Z").getHours("Europe/Berlin")' && only 14
code 1 "a wrong type" cel "1 + 'x'" &&
    only "choreo cel eval: column 3: found no matching overload for '_+_' applied to '(int, string)'"
code 1 "an error of evaluation" cel '[1][2]' && only "choreo cel eval: column 5: no such key or index: 2"
code 1 "of several lines" cel '1 +
  nothing' && only "choreo cel eval: line 2, column 3: undeclared reference to 'nothing'"
code 1 "what needs a component" cel 'c.toVolumes()' --vars - <<<'{"c": {}}' && says "no such overload: toVolumes(map)"
code 1 "what has no JSON" cel 'ip("::1")' && says "a net.IP cannot be stored"
code 1 "variables that are none" cel 1 --vars - <<<'[1]' && says "-: an object is wanted"
code 1 "a file that is not there" cel 1 --vars "$DIR/none.yaml" && says "none.yaml"
code 1 "no expression" cel && says "one expression is wanted"
check "on a terminal a caret shows the place" script -qec "$bin cel eval '\"ä\" + b'; echo \$?" /dev/null &&
    says '  "ä" + b' '        ^' "column 7: undeclared reference to 'b'" 1
code 2 "no command of cel" c cel && says "eval "

# ---- kubeconfig ----

check "kubeconfig" c kubeconfig && says "server: https://127.0.0.1:1" "token: admin-token"
printf 'apiVersion: v1\nkind: Config\ncurrent-context: old\ncontexts: [{name: old, context: {}}]\n' >"$DIR/kc"
check "kubeconfig --merge" c kubeconfig --context viewer --merge="$DIR/kc" --name mine && says "Written to $DIR/kc."
mode_is_600 "$DIR/kc"
if command -v kubectl >/dev/null; then
    check "kubectl takes it" timeout 20 kubectl --kubeconfig "$DIR/kc" --context mine get project shop && says shop
    check "the old one is there" kubectl --kubeconfig "$DIR/kc" config current-context && only old
fi
check "and becomes the current one" c kubeconfig --context viewer --merge="$DIR/kc" --name mine --use
grep -q '^current-context: mine' "$DIR/kc" || { echo "FAILED: --use"; failures=$((failures + 1)); }

# ---- completion ----

complete() { c __complete -- "$@" | cut -f1 | grep -v '^:' | tr '\n' ' '; }
check "commands" complete ge && only "get "
check "kinds" complete get configm && only "configmaps "
check "names" complete get cm s && only "settings "
check "names behind a slash" complete describe project/s && only "project/shop "
check "options" complete get cm --no && only "--no-headers "
check "forms" complete get cm -o js && only "json jsonpath= "
check "joined values" complete delete cm x --cascade=f && only "--cascade=foreground "
check "contexts" complete context use v && only "viewer "
check "namespaces" complete get cm -n def && only "default "
check "fields" complete explain comp.spec.endpoints.tar && only "comp.spec.endpoints.targetPort "
check "files" c __complete -- apply -f "" && only ":files"
CHOREO_CONFIG=/nonexistent check "without a server kinds" complete get compon && only "componenttypes components components.openchoreo.dev componenttypes.openchoreo.dev componentreleases "
check "bash" bash -c "source <('$bin' completion bash); PATH=$CHOREO_BIN:\$PATH
    COMP_LINE='choreo get cm s' COMP_POINT=15 COMP_WORDS=(choreo get cm s) COMP_CWORD=3
    _choreo; echo \"\${COMPREPLY[*]}\"
    COMP_LINE='choreo patch cm settings --type=m' COMP_WORDS=(choreo patch cm settings --type = m) COMP_CWORD=6
    _choreo; echo \"\${COMPREPLY[*]}\"
    compopt() { echo \"compopt \$*\"; }
    COMP_LINE='choreo explain comp.sp' COMP_WORDS=(choreo explain comp.sp) COMP_CWORD=2
    _choreo; echo \"\${COMPREPLY[*]}\"" && only "settings
merge
compopt -o nospace
comp.spec"
typed=$(cd "$(dirname "$0")" && pwd)/typed.py
typed() { (cd "$DIR" && PATH=$CHOREO_BIN:$PATH python3 "$typed" "$@"); }
for shell in zsh fish; do
    if command -v "$shell" >/dev/null; then
        check "$shell: a command" typed "$shell" "choreo ge" "choreo get "
        check "$shell: a name" typed "$shell" "choreo get cm s" "choreo get cm settings "
        check "$shell: a joined value" typed "$shell" "choreo delete cm x --cascade=f" "--cascade=foreground "
        check "$shell: more to come" typed "$shell" "choreo explain comp.spec.endpoints.tar" "endpoints.targetPort"
        check "$shell: a choice" typed "$shell" "choreo get cm -o js$(printf '\t')" "json" "jsonpath="
        check "$shell: a file" typed "$shell" "choreo apply -f shop." "choreo apply -f shop.yaml"
    else
        echo "skipped: $shell is not installed"
    fi
done
code 2 "no such shell" c completion csh

# ---- releases ----

code 1 "the history of nothing" c history nope && says 'components.choreo.dev "nope" not found'
code 1 "nor is it rolled back" c rollback nope -e qa && says 'components.choreo.dev "nope" not found'

check "a component of no release yet" c apply -f - <<<'{apiVersion: choreo.dev/v1, kind: Component, metadata: {name: cart}, spec: {type: worker}}'
for dry in "" --dry-run; do
    code 1 "a release that is not there" c promote cart --to qa --release cart-nope $dry &&
        says 'there is no Release "cart-nope" of component "cart" (choreo get releases -n default)'
done
check "a file may name what the next one makes" c apply -f - <<'YAML' &&
apiVersion: choreo.dev/v1
kind: ReleaseBinding
metadata: {name: cart-qa}
spec:
  owner: {projectName: default, componentName: cart}
  environment: qa
  releaseName: cart-nope
YAML
    says 'Warning: there is no Release "cart-nope" in namespace "default": what runs in "qa" stays until there is'
code 1 "rolled back to what is not there" c rollback cart -e qa --release cart-none &&
    says 'there is no Release "cart-none" of component "cart"'
check "their end" c delete releasebinding/cart-qa component/cart

# ---- whose fields ----

tuned() { printf '{apiVersion: v1, kind: ConfigMap, metadata: {name: tuned}, data: {a: "%s"}}\n' "$1"; }
check "applied" c apply -f - <<<"$(tuned 1)"
check "changed by hand" c patch cm tuned -p '{"data":{"a":"2"}}'
code 5 "is in nobody's way but theirs" c apply -f - <<<"$(tuned 3)" &&
    says 'conflict with "choreo-patch" using v1: .data.a' "--force-conflicts takes over what others own"
code 2 "as diff says" c diff -f - <<<"$(tuned 3)" && says '"choreo-patch"' --force-conflicts
check "who takes them over has them" c apply -f - --force-conflicts <<<"$(tuned 3)"
check "and changes them" c apply -f - <<<"$(tuned 4)" && only "configmap/tuned configured"
check "its end" c delete cm tuned

# ---- delete ----

check "--dry-run=none is for real" c label cm late really=yes --dry-run=none && only "configmap/late labeled"
check "delete --dry-run" c delete cm late --dry-run && only "cm/late deleted (dry run)"
check "delete" c delete cm late && only "cm/late deleted"
code 1 "delete again" c delete cm late && says "not found"
check "delete --ignore-not-found" c delete cm late --ignore-not-found && only ""
check "a finalizer" c patch cm owned -p '{"metadata":{"finalizers":["example.com/hold"]}}'
code 3 "delete --wait" c delete cm owned --wait --timeout 500ms && says "cm/owned is being deleted" "it is still there"
(sleep 1; c patch cm owned -p '{"metadata":{"finalizers":null}}' >/dev/null) &
check "delete --wait, freed" c delete cm/owned --wait --timeout 20s --cascade=orphan
wait $!
code 2 "delete --cascade" c delete cm x --cascade=sideways && says "must be background, foreground or orphan"
code 2 "delete of what" c delete cm && says "which object?"
code 2 "names and labels" c delete cm x -l a=b
check "delete -l" c delete cm -l no=such && says "No object matches."
code 4 "delete by a viewer" c --context viewer delete -f "$DIR/shop.yaml"
check "delete -f" c delete -f "$DIR/shop.yaml" && says "Project/shop deleted" "ConfigMap/settings deleted"

# ---- JSONPath, as kubectl has it ----

if command -v kubectl >/dev/null; then
    for name in a b c; do
        c apply -f - >/dev/null <<YAML
apiVersion: choreo.dev/v1
kind: Component
metadata: {name: $name, labels: {team: t-$name, app.kubernetes.io/name: $name}}
spec:
  type: service
  image: nginx:$name
  endpoints: [{name: api, port: 80}, {name: admin, port: 81}]
YAML
    done
    while IFS= read -r path; do
        ours=$(c get components -o "jsonpath=$path" 2>/dev/null; echo "code $?")
        theirs=$(timeout 20 kubectl get components -o "jsonpath=$path" 2>/dev/null; echo "code $?")
        if [ "${ours/code 2/code 1}" != "$theirs" ]; then
            echo "FAILED: jsonpath $path: kubectl says"
            echo "$theirs"
            echo "and choreo"
            echo "$ours"
            failures=$((failures + 1))
        fi
    done <<'PATHS'
{.items[*].metadata.name}
{.items[0].metadata.name}
{.items[-1:].metadata.name}
{.items[0:2].spec.image}
{.items[::2].metadata.name}
{.items[0,2].metadata.name}
{.items[*]['metadata.name','spec.image']}
{range .items[*]}{.metadata.name}{"\t"}{.spec.image}{"\n"}{end}
{range .items[*]}{range .spec.endpoints[*]}{.name}:{.port} {end}{"\n"}{end}done
{.items[?(@.metadata.name=="b")].spec.image}
{.items[?(@.metadata.name!="b")].metadata.name}
{.items[*].spec.endpoints[?(@.port>80)].name}
{.items[?(@.spec.nothing)].metadata.name}
{.items[*].metadata.labels.app\.kubernetes\.io/name}
{.items[*].metadata.labels['app\.kubernetes\.io/name']}
{.items[*].metadata.labels}
{.items[0].spec.endpoints}
{..port}
{.items[9].metadata.name}
{.items[*].nothing}
{.kind}
{$.kind}-{@.kind}
text only
{.items[0].spec.endpoints[0].port}
{.items[?(@.spec.type==true)].kind}
{end}
{.kind
{"quoted \"text\""}
PATHS
fi

finish
