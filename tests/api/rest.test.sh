#!/usr/bin/env bash
# What clients other than kubectl rely on: status codes, headers, watches, paging, limits.
set -u
. "$(dirname "$0")/lib.sh"
needs curl
start
api() { curl -sS --max-time 15 --cacert "$DIR/ca.crt" -H 'authorization: Bearer admin-token' "$@"; }
anonymous() { curl -sS --max-time 15 --cacert "$DIR/ca.crt" "$@"; }
cm=$URL/api/v1/namespaces/default/configmaps

check "livez" anonymous "$URL/livez" && says ok
check "version" anonymous "$URL/version" && says gitVersion
check "anonymous" anonymous -w '%{http_code}' "$URL/api/v1/namespaces" && says 401
check "bad token" curl -sS --cacert "$DIR/ca.crt" -H 'authorization: Bearer no' -w '%{http_code}' \
    "$URL/livez" && says 401
for version in --http1.1 --http2; do
    check "GET $version" api $version -i "$URL/api/v1/namespaces/default" &&
        says 200 '"kind":"Namespace"' 'application/json'
    check "404 $version" api $version -i "$cm/none" && says 404 '"reason":"NotFound"'
    check "HEAD $version" api $version -I "$URL/api/v1/namespaces/default" && says 200 content-length
done
check "aggregated discovery" api -i -H \
    'accept: application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList' "$URL/apis" &&
    says 'g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList' '"freshness":"Current"' choreo.dev
check "not acceptable" api -i -H 'accept: text/html' "$cm" && says 406
check "no such path" api -i "$URL/nothing/here" && says 404 '"kind":"Status"'
check "no such method" api -i -X PUT "$cm" && says 405

for i in $(seq -w 1 25); do
    api -o "$DIR/discard" -H 'content-type: application/json' \
        -d "{\"metadata\":{\"name\":\"c$i\",\"labels\":{\"n\":\"$i\"}}}" "$cm"
done
check "a page" api "$cm?limit=10" && says '"c10"' '"remainingItemCount":15' '"continue":"' && hides '"c11"'
token=$(sed 's/.*"continue":"\([^"]*\)".*/\1/' <<<"$out")
version=$(sed 's/.*"resourceVersion":"\([0-9]*\)","continue".*/\1/' <<<"$out")
api -o "$DIR/discard" -X DELETE "$cm/c15"
check "the next page, of the same snapshot" api "$cm?limit=10&continue=$token" && says '"c11"' '"c15"' '"c20"'
check "a made-up token" api -i "$cm?limit=10&continue=x$token" && says 400
check "a token of another list" api -i "$cm?limit=10&labelSelector=n&continue=$token" && says 400
check "all of one version" api "$cm?resourceVersion=$version&resourceVersionMatch=Exact" && says '"c15"'
check "the present" api "$cm" && hides '"c15"'
check "match without version" api -i "$cm?resourceVersionMatch=Exact" && says 422
check "bad version" api -i "$cm?resourceVersion=abc" && says 400

check "POST a wrong type" api -i -H 'content-type: text/plain' -d x "$cm" && says 415
check "POST rubbish" api -i -H 'content-type: application/json' -d '{"a":' "$cm" && says 400
check "POST YAML" api -i -H 'content-type: application/yaml' -d 'metadata: {name: yam}' "$cm" && says 201
check "stale PUT" api -i -X PUT -H 'content-type: application/json' \
    -d '{"metadata":{"name":"yam","resourceVersion":"1"}}' "$cm/yam" && says 409 Conflict
head -c 1700000 /dev/zero | tr '\0' ' ' >"$DIR/big"
check "too large a body" api -i --data-binary @"$DIR/big" -H 'content-type: application/json' "$cm" &&
    says 413 RequestEntityTooLarge
check "too large a body, HTTP/1.1" api --http1.1 -i --data-binary @"$DIR/big" "$cm" && says 413
check "strict" api -i -H 'content-type: application/json' -d '{"metadata":{"name":"s"},"dta":{}}' \
    "$cm?fieldValidation=Strict" && says 400 'unknown field'
check "warn" api -i -H 'content-type: application/json' -d '{"metadata":{"name":"s"},"dta":{}}' \
    "$cm" && says 201 'warning: 299' 'unknown field'
check "apply without manager" api -i -X PATCH -H 'content-type: application/apply-patch+yaml' \
    -d '{}' "$cm/yam" && says 422 fieldManager

check "watch from the start" api --max-time 2 "$cm?watch=1&timeoutSeconds=1&fieldSelector=metadata.name=yam" &&
    says '"type":"ADDED"' '"yam"'
check "watch from a future version" api -i "$cm?watch=1&resourceVersion=999999999999999999" &&
    says 504 ResourceVersionTooLarge
check "streaming list" api "$cm?watch=1&timeoutSeconds=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true" &&
    says ADDED BOOKMARK 'initial-events-end'
check "bookmark before the end" api "$cm?watch=1&timeoutSeconds=3&allowWatchBookmarks=true&resourceVersion=$version" &&
    says DELETED BOOKMARK
curl -sS --http1.1 -N --max-time 3 -D "$DIR/head" -o "$DIR/discard" --cacert "$DIR/ca.crt" \
    -H 'authorization: Bearer admin-token' "$URL/api/v1/namespaces/none/configmaps?watch=1&resourceVersion=0" 2>/dev/null &
sleep 1
what="a quiet watch's head comes at once"
out=$(cat "$DIR/head")
says "200 OK" "transfer-encoding: chunked"
wait $!
check "deletecollection" api -i -X DELETE "$cm?labelSelector=n" && says 200 Success
check "collection deleted" api "$cm" && hides '"c01"' && says '"yam"'
check "openapi v3" api "$URL/openapi/v3" && says paths
check "readyz" anonymous "$URL/readyz?verbose" && says "[+]memory ok" "readyz check passed"

# What is no TLS ends alone, with a line in the log.
port=${URL##*:}
exec 3<>"/dev/tcp/127.0.0.1/$port" && printf 'GET / HTTP/1.0\r\n\r\n' >&3
timeout 5 cat <&3 >"$DIR/discard"
exec 3>&-
what="a broken handshake"
for _ in $(seq 100); do # the line comes after the end of the connection
    out=$(grep http.handshake "$DIR/server.log") && break
    sleep 0.1
done
says "failed=1"
check "others do not notice" anonymous "$URL/livez" && says ok
finish
