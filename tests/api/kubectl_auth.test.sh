#!/usr/bin/env bash
# Who one is and what one may, with kubectl: its typed calls send Kubernetes' protobuf.
set -u
. "$(dirname "$0")/lib.sh"
kubectl=${KUBECTL:-kubectl}
needs "$kubectl"
start
k() { timeout 20 "$kubectl" "$@"; }
viewer() { timeout 20 "$kubectl" --kubeconfig "$DIR/viewer.kubeconfig" "$@"; }
# has "auth" whoami: does this kubectl have the subcommand? 1.20 has not all.
has() { "$kubectl" "$1" --help | grep -qw -- "^  $2"; }

check "an administrator may everything" k auth can-i delete components && says yes
check "and all of it" k auth can-i '*' '*' && says yes
check "a viewer may look" viewer auth can-i list components -A && says yes
refuse "a viewer may not write" viewer auth can-i create components && says no
refuse "a viewer may not read secrets" viewer auth can-i get secrets && says no
refuse "nor everything" viewer auth can-i get '*' && says no
refuse "a subresource" viewer auth can-i update components --subresource status && says no
check "a path" viewer auth can-i get /metrics && says yes
refuse "a path that is not for viewers" viewer auth can-i get /cluster/v1/members && says no
check "all that an administrator may" k auth can-i --list && says '*.*' '[*]'
check "all that a viewer may" viewer auth can-i --list -n default &&
    says components.choreo.dev '[get list watch]' selfsubjectaccessreviews.authorization.k8s.io '[create]' '[/livez/*]'
hides "secrets " # of the core group
if has auth whoami; then
    check "whoami" k auth whoami && says Username admin system:masters
    check "whoami as a viewer" viewer auth whoami -o yaml && says "username: viewer" "- choreo:viewers"
fi
check "as another" k auth can-i create components --as ann --as-group system:masters && says yes
refuse "as another, who may not" k auth can-i create components --as ann && says no
check "as a viewer" k get projects --as ann --as-group choreo:viewers
refuse "what that one may not" k create configmap x --as ann --as-group choreo:viewers &&
    says 'configmaps is forbidden: User "ann" cannot create resource "configmaps"'
refuse "not everyone may" viewer get projects --as admin --as-group system:masters &&
    says Forbidden 'users "admin" is forbidden: User "viewer" cannot impersonate resource "users"'
if has auth whoami; then
    check "whoami as another" k auth whoami --as ann --as-group g1 --as-group g2 && says ann g1 g2 system:authenticated
    hides system:masters
fi

# Service accounts and their tokens.
check "create sa" k create sa robot && says "serviceaccount/robot created"
check "get sa" k get sa robot -o wide && says robot SECRETS
if has create token; then # not in 1.20
    check "create token" k create token robot --duration 10m --audience test
    token=$out
    as_robot() { timeout 20 "$kubectl" --token "$token" --kubeconfig "$DIR/robot.kubeconfig" "$@"; }
    sed '/token:/d; s/user: test/user: nobody/' "$DIR/kubeconfig" >"$DIR/robot.kubeconfig"
    check "the token is the account's" as_robot auth whoami &&
        says system:serviceaccount:default:robot system:serviceaccounts:default UID
    refuse "it has no rights of its own" as_robot get projects &&
        says Forbidden 'User "system:serviceaccount:default:robot" cannot list resource "projects"'
    refuse "too short a token" k create token robot --duration 1m && says "spec.expirationSeconds" "10 minutes"
    refuse "a token of nobody" k create token nobody && says 'serviceaccounts "nobody" not found'
    check "can-i as the account" k auth can-i get projects --as system:serviceaccount:default:robot \
        --as-group system:masters && says yes
    check "delete sa" k delete sa robot
    refuse "without the account the token is worth nothing" as_robot auth whoami && says 'must be logged in' 'has been deleted'
    k create sa robot >/dev/null
    refuse "nor when another of the name is made" as_robot auth whoami && says 'must be logged in' 'has been deleted'
fi

# Roles and bindings: kept, for the day that they count.
check "create role" k create role reader --verb get,list --resource configmaps,secrets &&
    says "role.rbac.authorization.k8s.io/reader created"
check "create rolebinding" k create rolebinding readers --role reader --user ann --group g \
    --serviceaccount default:robot && says created
check "create clusterrole" k create clusterrole system:look --verb get --resource components.choreo.dev && says created
check "of paths" k create clusterrole paths --verb get --non-resource-url '/metrics/*' && says created
check "create clusterrolebinding" k create clusterrolebinding system:looks --clusterrole system:look --group g &&
    says created
check "get roles" k get roles,rolebindings,clusterroles,clusterrolebindings && says Role/reader ClusterRole/system:look
check "describe role" k describe role reader && says configmaps secrets '[get list]'
check "describe binding" k describe rolebinding readers && says "User" ann ServiceAccount robot reader
refuse "the role of a binding stays" k patch rolebinding readers --type merge -p '{"roleRef":{"name":"other"}}' &&
    says "cannot change roleRef"
refuse "a rule without a resource" k create -f - <<'YAML' && says 'rules[0].resources: Required value'
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: bad}
rules: [{apiGroups: [""], verbs: [get]}]
YAML
refuse "they decide nothing yet" k auth can-i get configmaps --as ann && says no
check "explain role" k explain role.rules && says verbs nonResourceURLs

check "reviews are discovered" k api-resources --verbs create && says tokenreviews selfsubjectreviews
check "and not listed with what can be" k api-resources --verbs list && hides tokenreviews
check "explain" k explain selfsubjectaccessreview.spec.resourceAttributes && says verb subresource
refuse "they cannot be read" k get tokenreviews && says "MethodNotAllowed"
finish
