"""The gRPC door, as Debian's python3-grpcio sees it: stubs made by protoc from the same files."""
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile

try:
    import grpc
    import google.protobuf  # noqa: F401
except ImportError as error:
    print(f"skipped: {error} (Debian's python3-grpcio and python3-protobuf)")
    sys.exit(77)

BIN = os.environ["CHOREO_BIN"]
SOURCE = os.environ["CHOREO_SOURCE"]


def main():
    work = tempfile.mkdtemp(prefix="choreod-python-")
    proto = os.path.join(SOURCE, "proto")
    subprocess.run(
        ["protoc", f"-I{proto}", "-I/usr/include", f"--python_out={work}", "choreo/v1/services.proto"],
        check=True)
    sys.path.insert(0, work)
    from choreo.v1 import services_pb2 as pb  # pylint: disable=import-outside-toplevel

    port = random.randrange(15000, 32000)
    directory = os.path.join(work, "cluster")
    cluster = subprocess.Popen(
        [os.path.join(BIN, "choreod"), "dev", "--dir", directory, "--nodes", "1", "--shards", "1",
         "--planes", "", "--base-port", str(port)], stdout=subprocess.PIPE)
    try:
        line = cluster.stdout.readline()
        assert line.strip() == b"ready", line
        with open(os.path.join(directory, "dev.json"), encoding="utf-8") as file:
            dev = json.load(file)
        with open(dev["ca"], "rb") as file:
            channel = grpc.secure_channel(dev["nodes"][0]["api"].removeprefix("https://"),
                                          grpc.ssl_channel_credentials(file.read()))
        check(channel, dev, pb)
        channel.close()
    finally:
        cluster.send_signal(signal.SIGTERM)
        assert cluster.wait(30) == 0
        shutil.rmtree(work)
    print("1 passed, 0 failed")


def check(channel, dev, pb):
    metadata = [("authorization", "Bearer " + dev["token"])]

    def call(method, request, response):
        stub = channel.unary_unary(f"/choreo.v1.ResourceService/{method}",
                                   request_serializer=type(request).SerializeToString,
                                   response_deserializer=response.FromString)
        return stub(request, timeout=10, metadata=metadata)

    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "py"}, "data": {"a": "1"}}
    write = pb.WriteRequest(object=pb.Object(json=json.dumps(manifest).encode()), form=pb.FORM_JSON)
    created = call("Create", write, pb.ObjectResponse)
    assert created.resource_version > 0 and created.created
    ref = pb.Ref(resource="configmaps", name="py")
    read = call("Get", pb.GetRequest(ref=ref, form=pb.FORM_JSON), pb.ObjectResponse)
    assert json.loads(read.object.json)["data"] == {"a": "1"}
    packed = channel.unary_unary("/choreo.v1.ResourceService/Get",
                                 request_serializer=pb.GetRequest.SerializeToString,
                                 response_deserializer=pb.ObjectResponse.FromString)
    again = packed(pb.GetRequest(ref=ref, form=pb.FORM_JSON), timeout=10, metadata=metadata,
                   compression=grpc.Compression.Gzip)
    assert again == read
    try:
        packed(pb.GetRequest(ref=ref), timeout=10, metadata=metadata, compression=grpc.Compression.Deflate)
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.UNIMPLEMENTED, error
    else:
        raise AssertionError("deflate was taken")
    kinds = call("Kinds", pb.KindsRequest(), pb.KindsResponse)
    assert "Component" in [k.kind for k in kinds.kinds]

    watch = channel.unary_stream("/choreo.v1.ResourceService/Watch",
                                 request_serializer=pb.WatchRequest.SerializeToString,
                                 response_deserializer=pb.WatchEvent.FromString)
    events = watch(pb.WatchRequest(ref=pb.Ref(resource="configmaps", namespace="default")),
                   timeout=20, metadata=metadata)
    types = []
    for event in events:
        types.append(event.type)
        if event.type == pb.WatchEvent.SYNCED:
            call("Delete", pb.DeleteRequest(ref=ref), pb.DeleteResponse)
        if event.type == pb.WatchEvent.DELETED:
            break
    events.cancel()
    assert types[0] == pb.WatchEvent.ADDED and types[-1] == pb.WatchEvent.DELETED, types

    try:
        for event in watch(pb.WatchRequest(ref=pb.Ref(resource="configmaps")), timeout=0.5, metadata=metadata):
            types.append(event.type)
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error
    else:
        raise AssertionError("a watch ended by itself")

    try:
        call("Get", pb.GetRequest(ref=ref), pb.ObjectResponse)
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.NOT_FOUND, error
    else:
        raise AssertionError("a deleted object was found")


if __name__ == "__main__":
    main()
