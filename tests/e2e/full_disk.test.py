"""A disk that is full: one node's data directory is a small tmpfs that is filled under writers (lib.py).

That node must end with one clear line and an exit code; the others go on; no acknowledged write is
lost; with room again the node starts, catches up, and holds what the others hold.

Mounts in a namespace of its own, which only root may make.
"""
import os
import shutil
import subprocess
import sys
import time

import lib

VICTIM = "node-3"
DISK_MIB = 96
END_S = 60
mounted = None


def enter_namespace():
    """Goes on as a process whose mounts are nobody else's."""
    if os.environ.get("CHOREO_OWN_MOUNTS"):
        return
    test = subprocess.run(["unshare", "-m", "true"], stderr=subprocess.PIPE, check=False)
    if test.returncode != 0:
        print("skipped: no mount namespace can be made here:", test.stderr.decode().strip())
        sys.exit(77)
    os.environ["CHOREO_OWN_MOUNTS"] = "1"
    os.execvp("unshare", ["unshare", "-m", sys.executable] + sys.argv)


def small_disk(directory):
    global mounted  # pylint: disable=global-statement
    mounted = os.path.join(directory, "nodes", VICTIM)
    os.makedirs(mounted, mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m,mode=0700", "tmpfs", mounted],
                   check=True)


def fill():
    """Takes what is left, and what comes free."""
    with open(os.path.join(mounted, "filler"), "ab", buffering=0) as file:
        size = 1 << 20
        while size >= 4096:
            try:
                file.write(b"x" * size)
            except OSError:
                size //= 2


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def log_of(cluster):
    with open(os.path.join(cluster.directory, "log", VICTIM + ".log"), encoding="utf-8") as file:
        return file.read()


def local_list(cluster, name):
    """What a node's own databases hold."""
    connection = cluster.connect(name)
    status, answer = cluster.request(connection, "GET", "/api/v1/configmaps?resourceVersion=0")
    connection.close()
    if status != 200:
        return None
    return {(i["metadata"]["namespace"], i["metadata"]["name"]):
            (i["metadata"]["uid"], i["metadata"]["resourceVersion"], i["data"])
            for i in answer["items"]}


def fill_the_disk(cluster, threads):
    writers = threads[1:]
    time.sleep(2)
    before = len(log_of(cluster).splitlines())
    pid = cluster.nodes[VICTIM]["pid"]
    end = time.monotonic() + END_S
    while alive(pid):
        if time.monotonic() > end:
            raise SystemExit(f"{VICTIM} goes on with a full disk; its log ends: {log_of(cluster)[-2000:]}")
        fill()
        time.sleep(0.1)
    lines = log_of(cluster).splitlines()[before:]
    errors = [line for line in lines if " error " in line]
    assert len(errors) == 1 and "node.fatal" in errors[0], (len(errors), errors[:3])
    assert "No space left" in errors[0] or "disk is full" in errors[0], errors
    print(errors[0], file=sys.stderr)

    lib.check_threads(threads)
    counts = [w.acknowledged for w in writers]
    lib.wait_until("every writer goes on without it",
                   lambda: all(w.acknowledged > n + 20 for w, n in zip(writers, counts)))

    os.unlink(os.path.join(mounted, "filler"))
    subprocess.run([os.path.join(lib.BIN, "choreod"), "dev", "restart", VICTIM, "--dir",
                    cluster.directory], check=True, stdout=subprocess.DEVNULL)
    cluster.read()
    lib.wait_until(f"{VICTIM} is ready again", lambda: cluster.ready(VICTIM))
    for w in writers:
        w.stopping = True
    for w in writers:
        w.join(60)

    def same():
        lists = [local_list(cluster, name) for name in cluster.nodes]
        return lists[0] and all(there == lists[0] for there in lists)

    lib.wait_until("every node holds the same", same)
    return 20


if __name__ == "__main__":
    enter_namespace()
    try:
        lib.run(fill_the_disk, prepare=small_disk, watch_at=VICTIM)
    finally:
        if mounted:
            subprocess.run(["umount", "-l", mounted], check=False)
            shutil.rmtree(os.path.dirname(os.path.dirname(mounted)), ignore_errors=True)
