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


def kill(cluster, victim):
    """SIGKILL; a little later it is started again."""
    pid = cluster.nodes[victim]["pid"]
    os.kill(pid, signal.SIGKILL)
    time.sleep(random.uniform(0.3, 1.5))
    lib.wait_until(f"{victim} is gone", lambda: not lib.is_there(pid))
    subprocess.run([os.path.join(lib.BIN, "choreod"), "dev", "restart", victim, "--dir",
                    cluster.directory], check=True, stdout=subprocess.DEVNULL)
    cluster.read()
    lib.wait_until(f"{victim} is ready again",
                   lambda: all(cluster.ready(name) for name in cluster.nodes))


def kill_leaders(cluster, threads):
    """In each round the leader of one shard."""
    informer = threads[0]
    for turn in range(ROUNDS):
        lib.check_threads(threads)
        shard = turn % lib.SHARDS
        victim = None
        while victim is None:
            victim = cluster.leader(shard)
        kill(cluster, victim)
        print(f"round {turn + 1}: killed {victim}, leader of shard {shard}", file=sys.stderr)
    # Leaders may all have been others than the node that the informer watches.
    resumed = informer.resumed
    while informer.resumed == resumed:
        print(f"killing {informer.at}, which is watched", file=sys.stderr)
        kill(cluster, informer.at)
    return ROUNDS


if __name__ == "__main__":
    lib.run(kill_leaders)
