# openchoreo.sh: for tests that bring OpenChoreo's own manifests; sourced behind lib.sh. They are read
# where OPENCHOREO_DIR says that a checkout of it lies, else the test is skipped.
#
# Leaves: $samples, the folder of OpenChoreo's samples; $DIR as start_dev() does; $plane, a file with
# the plane that the samples name, on the cluster default/default, not applied yet.
samples=${OPENCHOREO_DIR:-}/samples
if [ ! -f "$samples/getting-started/all.yaml" ]; then
    echo "skipped: OPENCHOREO_DIR names no checkout of OpenChoreo"
    exit 77
fi
start_dev default/default
k() { timeout 40 "${KUBECTL:-kubectl}" "$@"; }

plane=$DIR/openchoreo-plane.yaml
cat >"$plane" <<'YAML'
apiVersion: openchoreo.dev/v1alpha1
kind: ClusterDataPlane
metadata: {name: default}
spec:
  planeID: default
  clusterAgent: {clientCA: {value: x}}
  gateway:
    ingress:
      external:
        name: gateway-default
        namespace: openchoreo-data-plane
        http: {host: openchoreoapis.localhost, port: 19080, listenerName: http}
  secretStoreRef: {name: default}
YAML
