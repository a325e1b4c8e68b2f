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
PAUSE_S = 3


def pause_leaders(cluster, threads):
    for turn in range(ROUNDS):
        lib.check_threads(threads)
        shard = turn % lib.SHARDS
        victim = None
        while victim is None:
            victim = cluster.leader(shard)
        pid = cluster.nodes[victim]["pid"]
        os.kill(pid, signal.SIGSTOP)
        try:
            end = time.monotonic() + PAUSE_S
            other = None
            while time.monotonic() < end:
                other = other or cluster.leader(shard, but=victim)
                time.sleep(0.1)
            if other is None:
                raise SystemExit(f"round {turn}: nobody took shard {shard} over from {victim}")
        finally:
            os.kill(pid, signal.SIGCONT)
        time.sleep(1)
        print(f"round {turn + 1}: paused {victim}, {other} took shard {shard}", file=sys.stderr)
    return ROUNDS


if __name__ == "__main__":
    lib.run(pause_leaders)
