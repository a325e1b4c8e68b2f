"""The Kubernetes door, as Debian's python3-kubernetes sees it: the generated clients, the dynamic
client, which finds its way by discovery, watches, custom kinds, and errors."""
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

try:
    import kubernetes
    from kubernetes import client, config, dynamic, watch
    from kubernetes.client.rest import ApiException
except ImportError as error:
    print(f"skipped: {error} (Debian's python3-kubernetes)")
    sys.exit(77)

SERVER = os.path.join(os.environ["CHOREO_BUILD"], "tests", "api-server")
NAMESPACE = "default"


def eventually(what, seconds, look):
    until = time.time() + seconds
    while time.time() < until:
        found = look()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"{what} within {seconds} s")


def refused(status, reason, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except ApiException as error:
        assert error.status == status, error
        assert f'"reason":"{reason}"' in error.body, error.body
        return
    raise AssertionError(f"not refused with {status}")


def typed_objects():
    core = client.CoreV1Api()
    meta = client.V1ObjectMeta(name="py", labels={"app": "py"})
    made = core.create_namespaced_config_map(
        NAMESPACE, client.V1ConfigMap(metadata=meta, data={"a": "1"}))
    assert made.metadata.uid and made.metadata.creation_timestamp.tzinfo is not None
    refused(409, "AlreadyExists", core.create_namespaced_config_map, NAMESPACE,
            client.V1ConfigMap(metadata=meta))
    patched = core.patch_namespaced_config_map("py", NAMESPACE, {"data": {"b": "2"}})
    assert patched.data == {"a": "1", "b": "2"}
    stale = client.V1ConfigMap(metadata=client.V1ObjectMeta(
        name="py", resource_version=made.metadata.resource_version), data={"c": "3"})
    refused(409, "Conflict", core.replace_namespaced_config_map, "py", NAMESPACE, stale)
    names = [c.metadata.name for c in core.list_namespaced_config_map(
        NAMESPACE, label_selector="app in (py)").items]
    assert names == ["py"], names
    page = core.list_config_map_for_all_namespaces(limit=1)
    assert len(page.items) == 1
    core.create_namespaced_secret(NAMESPACE, client.V1Secret(
        metadata=client.V1ObjectMeta(generate_name="py-"), string_data={"k": "v"}))
    secret = core.list_namespaced_secret(NAMESPACE).items[0]
    assert secret.metadata.name.startswith("py-") and secret.data == {"k": "dg=="}
    refused(404, "NotFound", core.read_namespaced_config_map, "nope", NAMESPACE)
    refused(422, "Invalid", core.create_namespaced_config_map, NAMESPACE,
            client.V1ConfigMap(metadata=client.V1ObjectMeta(name="Not_A_Name")))


def watched():
    core = client.CoreV1Api()
    seen = []
    version = core.list_namespaced_config_map(NAMESPACE).metadata.resource_version
    w = watch.Watch()

    def follow():
        for event in w.stream(core.list_namespaced_config_map, NAMESPACE, resource_version=version,
                              timeout_seconds=20):
            seen.append((event["type"], event["object"].metadata.name))
            if event["type"] == "DELETED":
                w.stop()

    thread = threading.Thread(target=follow)
    thread.start()
    core.create_namespaced_config_map(
        NAMESPACE, client.V1ConfigMap(metadata=client.V1ObjectMeta(name="seen")))
    core.patch_namespaced_config_map("seen", NAMESPACE, {"data": {"x": "y"}})
    core.delete_namespaced_config_map("seen", NAMESPACE, propagation_policy="Background")
    thread.join(20)
    assert seen == [("ADDED", "seen"), ("MODIFIED", "seen"), ("DELETED", "seen")], seen


def custom_kinds():
    group, plural = "py.example.com", "gadgets"
    schema = client.V1JSONSchemaProps(type="object", properties={
        "spec": client.V1JSONSchemaProps(type="object", properties={
            "size": client.V1JSONSchemaProps(type="integer", maximum=9)})})
    version = client.V1CustomResourceDefinitionVersion(
        name="v1", served=True, storage=True,
        schema=client.V1CustomResourceValidation(open_apiv3_schema=schema))
    definition = client.V1CustomResourceDefinition(
        api_version="apiextensions.k8s.io/v1", kind="CustomResourceDefinition",
        metadata=client.V1ObjectMeta(name=f"{plural}.{group}"),
        spec=client.V1CustomResourceDefinitionSpec(
            group=group, scope="Namespaced", versions=[version],
            names=client.V1CustomResourceDefinitionNames(plural=plural, kind="Gadget")))
    extensions = client.ApiextensionsV1Api()
    extensions.create_custom_resource_definition(definition)
    eventually("it is established", 5, lambda: any(
        c.type == "Established" and c.status == "True" for c in
        extensions.read_custom_resource_definition(f"{plural}.{group}").status.conditions or []))
    custom = client.CustomObjectsApi()
    gadget = {"apiVersion": f"{group}/v1", "kind": "Gadget", "metadata": {"name": "g"},
              "spec": {"size": 3}}
    custom.create_namespaced_custom_object(group, "v1", NAMESPACE, plural, gadget)
    refused(422, "Invalid", custom.patch_namespaced_custom_object, group, "v1", NAMESPACE, plural,
            "g", {"spec": {"size": 10}})
    found = custom.list_namespaced_custom_object(group, "v1", NAMESPACE, plural)
    assert [g["spec"]["size"] for g in found["items"]] == [3]


def by_discovery():
    found = dynamic.DynamicClient(client.ApiClient())
    projects = found.resources.get(api_version="choreo.dev/v1", kind="Project")
    made = projects.create(namespace=NAMESPACE, body={
        "apiVersion": "choreo.dev/v1", "kind": "Project", "metadata": {"name": "py"}, "spec": {}})
    assert made.metadata.generation == 1
    patched = projects.patch(name="py", namespace=NAMESPACE, content_type="application/merge-patch+json",
                             body={"spec": {"displayName": "From Python"}})
    assert patched.spec.displayName == "From Python" and patched.metadata.generation == 2
    gadgets = found.resources.get(api_version="py.example.com/v1", kind="Gadget")
    assert gadgets.get(name="g", namespace=NAMESPACE).spec.size == 3
    assert [p.metadata.name for p in projects.get(namespace=NAMESPACE).items] == ["py"]


def who_may():
    review = client.V1SelfSubjectAccessReview(spec=client.V1SelfSubjectAccessReviewSpec(
        resource_attributes=client.V1ResourceAttributes(verb="delete", resource="secrets")))
    answer = client.AuthorizationV1Api().create_self_subject_access_review(review)
    assert answer.status.allowed is True


def main():
    work = tempfile.mkdtemp(prefix="choreod-python-")
    os.environ["HOME"] = work  # the dynamic client's cache
    with open(os.path.join(work, "log"), "wb") as log:
        server = subprocess.Popen([SERVER, work], stderr=log)
    try:
        eventually("the server starts", 10, lambda: os.path.exists(os.path.join(work, "url")) and
                   os.path.getsize(os.path.join(work, "url")))
        config.load_kube_config(os.path.join(work, "kubeconfig"))
        for part in (typed_objects, watched, custom_kinds, by_discovery, who_may):
            part()
            print(f"ok {part.__name__}")
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0
        shutil.rmtree(work)
    print(f"5 passed, 0 failed (kubernetes {kubernetes.__version__})")


main()
