"""A real cluster for tests end to end, with writers and an informer that hold it to its word.

What must hold, whatever happens to single nodes meanwhile:
  * every acknowledged write is there, as it was acknowledged: none lost;
  * each value of each counter came exactly once: none applied twice;
  * the informer, which resumes from the last version it saw and never lists again, has got every
    change of every object, in order of version.
"""
import http.client
import json
import os
import random
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time

BIN = os.environ.get("CHOREO_BIN", "build/dev/bin")
SHARDS = 4
NAMESPACES = ["acme", "birch", "cedar", "delta", "ember", "fjord"]
REQUEST_S = 10


class Cluster:
    """`choreod dev`, and plain HTTPS to its nodes."""

    def __init__(self, directory):
        self.directory = directory
        port = random.randrange(15000, 32000)
        self.process = subprocess.Popen(
            [os.path.join(BIN, "choreod"), "dev", "--dir", directory, "--nodes", "3", "--shards",
             str(SHARDS), "--planes", "", "--base-port", str(port)], stdout=subprocess.PIPE)
        line = self.process.stdout.readline()
        if line.strip() != b"ready":
            raise SystemExit(f"choreod dev did not come up: {line!r}")
        self.read()
        self.tls = ssl.create_default_context(cafile=self.dev["ca"])

    def read(self):
        with open(os.path.join(self.directory, "dev.json"), encoding="utf-8") as file:
            self.dev = json.load(file)
        self.nodes = {n["name"]: n for n in self.dev["nodes"]}

    def connect(self, name, timeout=REQUEST_S):
        host, port = self.nodes[name]["api"].removeprefix("https://").split(":")
        return http.client.HTTPSConnection(host, int(port), timeout=timeout, context=self.tls)

    def request(self, connection, method, path, body=None):
        headers = {"Authorization": "Bearer " + self.dev["token"],
                   "Content-Type": "application/json", "Accept": "application/json"}
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read() or b"{}")

    def anywhere(self, method, path, body=None, deadline_s=30):
        """Asks one node after the other until one gives an answer that is no 5xx."""
        end = time.monotonic() + deadline_s
        names = list(self.nodes)
        while True:
            name = random.choice(names)
            try:
                connection = self.connect(name)
                status, answer = self.request(connection, method, path, body)
                connection.close()
                if status < 500 and status != 429:
                    return status, answer
            except (OSError, http.client.HTTPException, ValueError) as error:
                answer = error
            if time.monotonic() > end:
                raise SystemExit(f"no node answers {method} {path}: {answer}")
            time.sleep(0.02)

    def leader(self, shard, but=None):
        """Who says of itself that it leads the shard; `but` is not asked."""
        for name in [n for n in self.nodes if n != but]:
            try:
                connection = self.connect(name, 2)
                status, answer = self.request(connection, "GET", "/cluster/v1/status")
                connection.close()
            except (OSError, http.client.HTTPException, ValueError):
                continue
            if status != 200:
                raise SystemExit(f"/cluster/v1/status: {status} {answer}")
            if answer["shards"][shard]["role"] == "leader":
                return name
        return None

    def ready(self, name):
        try:
            connection = self.connect(name, 2)
            connection.request("GET", "/readyz")
            response = connection.getresponse()
            response.read()
            connection.close()
            return response.status == 200
        except (OSError, http.client.HTTPException):
            return False

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=30)


class Writer(threading.Thread):
    """Counts up in one object, through any node. A write whose outcome it does not know it looks up
    before it goes on."""

    def __init__(self, cluster, number):
        super().__init__(daemon=True)
        self.cluster = cluster
        self.ns = NAMESPACES[number % len(NAMESPACES)]
        self.name = f"counter-{number}"
        self.number = number
        self.value = 0  # the last acknowledged or looked-up value
        self.acknowledged = 0
        self.looked_up = 0
        self.gaps = []
        self.stopping = False
        self.error = None

    def body(self, value, version):
        meta = {"name": self.name, "namespace": self.ns}
        if version:
            meta["resourceVersion"] = version
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta,
                "data": {"value": str(value)}}

    def run(self):
        try:
            self.count()
        except BaseException as error:  # pylint: disable=broad-except
            self.error = error

    def look_up(self, path):
        """What is there now: (version, value), (None, 0) if nothing is."""
        self.looked_up += 1
        status, answer = self.cluster.anywhere("GET", path)
        if status == 404:
            return None, 0
        if status != 200:
            raise AssertionError(f"GET {path}: {status} {answer}")
        return answer["metadata"]["resourceVersion"], int(answer["data"]["value"])

    def count(self):
        collection = f"/api/v1/namespaces/{self.ns}/configmaps"
        path = f"{collection}/{self.name}"
        names = list(self.cluster.nodes)
        connection = None
        turn = self.number
        version = None
        last = time.monotonic()
        while not self.stopping:
            wanted = self.value + 1
            known = False
            try:
                if connection is None:
                    connection = self.cluster.connect(names[turn % len(names)])
                method, where = ("PUT", path) if version else ("POST", collection)
                status, answer = self.cluster.request(connection, method, where,
                                                      self.body(wanted, version))
                if status in (200, 201):
                    version = answer["metadata"]["resourceVersion"]
                    known = True
                elif status < 500 and status not in (409, 429):
                    raise AssertionError(f"{method} {where}: {status} {answer}")
            except (OSError, http.client.HTTPException, ValueError):
                pass
            if known:
                self.value = wanted
                self.acknowledged += 1
                now = time.monotonic()
                self.gaps.append(now - last)
                last = now
                time.sleep(0.002)
                continue
            if connection is not None:
                connection.close()
                connection = None
            turn += 1
            version, value = self.look_up(path)
            if value not in (wanted - 1, wanted):
                raise AssertionError(f"{path}: {value} is there, {wanted - 1} was acknowledged")
            self.value = value


class Informer(threading.Thread):
    """Lists once, then watches all namespaces, first at the node `at`, and resumes where it was on
    whatever node answers. A node that says nothing for QUIET_S is given up."""

    QUIET_S = 3

    def __init__(self, cluster, at=None):
        super().__init__(daemon=True)
        self.cluster = cluster
        self.at = at or random.choice(list(cluster.nodes))  # the node that is asked
        self.events = []  # (version, type, ns/name, value)
        self.resumed = 0
        self.stopping = False
        self.error = None
        status, answer = cluster.anywhere("GET", "/api/v1/configmaps")
        if status != 200:
            raise SystemExit(f"list: {status} {answer}")
        self.version = int(answer["metadata"]["resourceVersion"])

    def run(self):
        while not self.stopping:
            try:
                self.watch(self.at)
            except (OSError, http.client.HTTPException, ValueError):
                time.sleep(0.02)
            except BaseException as error:  # pylint: disable=broad-except
                self.error = error
                return
            self.at = random.choice(list(self.cluster.nodes))
            self.resumed += 1

    def watch(self, node):
        connection = self.cluster.connect(node, self.QUIET_S)
        connection.request(
            "GET", "/api/v1/configmaps?watch=1&allowWatchBookmarks=true"
            f"&timeoutSeconds=600&resourceVersion={self.version}",
            headers={"Authorization": "Bearer " + self.cluster.dev["token"]})
        response = connection.getresponse()
        if response.status != 200:
            response.read()
            connection.close()
            if response.status < 500 and response.status != 429:
                raise AssertionError(f"watch: {response.status}")
            time.sleep(0.05)
            return
        while not self.stopping:
            line = response.readline()
            if not line:
                break
            self.take(json.loads(line))
        connection.close()

    def take(self, event):
        if event["type"] == "ERROR":
            if event["object"].get("code") == 410:
                raise AssertionError(f"the history is gone: {event}")
            raise ValueError(f"the stream ended: {event}")
        thing = event["object"]
        version = int(thing["metadata"]["resourceVersion"])
        if event["type"] != "BOOKMARK":
            if version <= self.version:
                raise AssertionError(f"version {version} came after {self.version}")
            key = thing["metadata"]["namespace"] + "/" + thing["metadata"]["name"]
            self.events.append((version, event["type"], key, thing["data"]["value"]))
        self.version = max(self.version, version)


def wait_until(what, holds, limit_s=60):
    end = time.monotonic() + limit_s
    while not holds():
        if time.monotonic() > end:
            raise SystemExit(f"not within {limit_s} s: {what}")
        time.sleep(0.05)


def is_there(pid):
    try:
        os.kill(pid, 0)
        return True
    except ProcessLookupError:
        return False


def check_threads(threads):
    for thread in threads:
        if thread.error is not None:
            raise SystemExit(f"{thread.__class__.__name__}: {thread.error!r}")


def counters(cluster):
    """What is stored: "ns/name" -> value."""
    status, answer = cluster.anywhere("GET", "/api/v1/configmaps")
    assert status == 200, answer
    return {i["metadata"]["namespace"] + "/" + i["metadata"]["name"]: int(i["data"]["value"])
            for i in answer["items"] if i["metadata"]["name"].startswith("counter-")}


def changes(informer):
    """What the informer saw: "ns/name" -> [value, ...]."""
    seen = {}
    for _, _, key, value in list(informer.events):
        seen.setdefault(key, []).append(int(value))
    return seen


def settle(cluster, informer):
    """Waits until the informer has seen what is stored. A write that was given up by its client may
    still be carried out a little later, which is why "stored" is looked at again each time."""
    end = time.monotonic() + 30
    while True:
        check_threads([informer])
        stored = counters(cluster)
        seen = changes(informer)
        if all(seen.get(key, [0])[-1] == value for key, value in stored.items()):
            return stored, seen
        if time.monotonic() > end:
            return stored, seen
        time.sleep(0.1)


def check(cluster, writers, informer, writes_least):
    """All that must hold; also that enough happened for it to mean something."""
    stored, seen = settle(cluster, informer)
    for w in writers:
        key = f"{w.ns}/{w.name}"
        value = stored.get(key, 0)
        assert w.value <= value <= w.value + 1, f"{key}: {value} stored, {w.value} acknowledged"
        assert w.acknowledged >= writes_least, f"{key}: only {w.acknowledged} writes"
        expected = list(range(1, value + 1))
        got = seen.get(key, [])
        assert got == expected, (f"{key}: the informer saw {len(got)} of {len(expected)} changes; "
                                 f"first difference at {first_difference(got, expected)}")
    versions = [event[0] for event in informer.events]
    assert versions == sorted(set(versions)), "the informer's versions are not in order"
    assert informer.resumed > 0, "the informer never had to resume: nothing was tested"


def first_difference(got, expected):
    for at, (a, b) in enumerate(zip(got, expected)):
        if a != b:
            return at, got[max(0, at - 2):at + 3], expected[max(0, at - 2):at + 3]
    return min(len(got), len(expected)), got[-3:], expected[-3:]


def run(disturb, prepare=None, watch_at=None):
    """Starts a cluster, writers and an informer, calls disturb(cluster, threads), and checks.
    prepare(directory) comes before the cluster."""
    work = tempfile.mkdtemp(prefix="choreod-e2e-")
    if prepare is not None:
        prepare(os.path.join(work, "cluster"))
    cluster = Cluster(os.path.join(work, "cluster"))
    passed = False
    try:
        for ns in NAMESPACES:
            status, answer = cluster.anywhere("POST", "/api/v1/namespaces", {
                "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ns}})
            assert status in (200, 201, 409), answer
        informer = Informer(cluster, watch_at)
        writers = [Writer(cluster, n) for n in range(len(NAMESPACES))]
        threads = [informer] + writers
        for thread in threads:
            thread.start()
        writes_least = disturb(cluster, threads)
        for w in writers:
            w.stopping = True
        for w in writers:
            w.join(60)
        check_threads(threads)
        check(cluster, writers, informer, writes_least)
        informer.stopping = True
        gaps = sorted(gap for w in writers for gap in w.gaps if gap > 0.1)
        print(f"{sum(w.acknowledged for w in writers)} writes acknowledged, "
              f"{sum(w.looked_up for w in writers)} looked up; {len(informer.events)} events over "
              f"{informer.resumed + 1} watches; longest wait for a write "
              f"{gaps[-1] if gaps else 0:.2f} s, median of those over 0.1 s "
              f"{gaps[len(gaps) // 2] if gaps else 0:.2f} s")
        passed = True
    finally:
        cluster.stop()
        if passed:
            shutil.rmtree(work, ignore_errors=True)
        else:
            print(f"kept for a look: {work}", file=sys.stderr)
