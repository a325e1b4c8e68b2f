"""Leaders killed for real, one after the other, while writers write and an informer watches (lib.py).

usage: kill.test.py [ROUNDS]   (default 20; CHOREO_BIN names the folder of choreod)
"""
import os
import random
import signal
import subprocess
import sys
import time

import lib

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 20


def kill_leaders(cluster, threads):
    """In each round the leader of one shard gets SIGKILL and is started again."""
    for turn in range(ROUNDS):
        lib.check_threads(threads)
        shard = turn % lib.SHARDS
        victim = None
        while victim is None:
            victim = cluster.leader(shard)
        os.kill(cluster.nodes[victim]["pid"], signal.SIGKILL)
        time.sleep(random.uniform(0.3, 1.5))
        subprocess.run([os.path.join(lib.BIN, "choreod"), "dev", "restart", victim, "--dir",
                        cluster.directory], check=True, stdout=subprocess.DEVNULL)
        cluster.read()
        end = time.monotonic() + 30
        while not all(cluster.ready(name) for name in cluster.nodes):
            if time.monotonic() > end:
                raise SystemExit(f"round {turn}: {victim} did not become ready again")
            time.sleep(0.05)
        print(f"round {turn + 1}: killed {victim}, leader of shard {shard}", file=sys.stderr)
    return ROUNDS


if __name__ == "__main__":
    lib.run(kill_leaders)
