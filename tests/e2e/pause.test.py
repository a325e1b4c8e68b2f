"""Leaders that hang instead of dying: stopped for seconds, then woken, while writers write (lib.py).

A stopped process keeps its connections open and believes, when it wakes up, that it still leads.

usage: pause.test.py [ROUNDS]   (default 4)
"""
import os
import signal
import sys
import time

import lib

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 4
PAUSE_S = lib.Informer.QUIET_S + 0.5


def pause(cluster, victim, until=lambda: True):
    """Stops a node for PAUSE_S, and until until() holds."""
    pid = cluster.nodes[victim]["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(PAUSE_S)
        lib.wait_until(f"what {victim}'s pause must bring", until)
    finally:
        os.kill(pid, signal.SIGCONT)
    time.sleep(1)


def pause_leaders(cluster, threads):
    informer = threads[0]
    for turn in range(ROUNDS):
        lib.check_threads(threads)
        shard = turn % lib.SHARDS
        victim = None
        while victim is None:
            victim = cluster.leader(shard)
        pause(cluster, victim, lambda: cluster.leader(shard, but=victim) is not None)
        print(f"round {turn + 1}: paused {victim}, leader of shard {shard}", file=sys.stderr)
    # Leaders may all have been others than the node that the informer watches.
    resumed = informer.resumed
    while informer.resumed == resumed:
        print(f"pausing {informer.at}, which is watched", file=sys.stderr)
        pause(cluster, informer.at)
    return ROUNDS


if __name__ == "__main__":
    lib.run(pause_leaders)
