"""How much `make bench` measures: a quick table, or with BENCH_FULL=1 (`make bench FULL=1`) all of it.

BENCH_ROUNDS sets how often each step is timed, BENCH_THREADS the threads of a process (1: figures of one core).
"""

import os

FULL = os.environ.get("BENCH_FULL", "") not in ("", "0")
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3" if FULL else "1"))
THREADS = int(os.environ.get("BENCH_THREADS", "1"))
SLACK = 0.0 if FULL else 0.05  # share of a mark that one round on a busy machine may miss it by
