"""What each peer's script does: serve its tasks to run.py, a line of JSON for each.

A task is a function ``task(data, **settings)`` that prepares and returns ``run``; the calls of
``run`` are timed. ``run`` may return a dict of further measurements.
"""

import json
import os
import sys
import time
import traceback
from importlib.metadata import version

import numpy as np


def serve(tasks, packages):
    """Answer requests until standard input closes."""
    # What libraries print must not mix with the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    prepared = {}
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = _measure(tasks, prepared, **request)
        except Exception:
            answer = {"error": traceback.format_exc()}
        answer["versions"] = {name: version(name) for name in packages}
        answers.write(json.dumps(answer) + "\n")


def _measure(tasks, prepared, task, data, settings, warm_up, at_least_seconds):
    """Call the task, and again until the time is spent; the first calls after the warm-up."""
    begun = time.perf_counter()
    if task not in prepared:
        with np.load(data) as arrays:
            prepared[task] = tasks[task](dict(arrays), **settings)
        prepare_seconds = time.perf_counter() - begun
        for _ in range(warm_up):
            prepared[task]()
    else:
        prepare_seconds = 0.0
    seconds, begun = [], time.perf_counter()
    while not seconds or time.perf_counter() - begun < at_least_seconds:
        start = time.perf_counter()
        found = prepared[task]()
        seconds.append(time.perf_counter() - start)
    return {"seconds": float(np.median(seconds)), "prepare_seconds": prepare_seconds} | (
        found or {}
    )


def threads():
    """The thread count that all peers share."""
    return int(os.environ["OMP_NUM_THREADS"])


def resident_mb():
    """Memory of this process, in MB (Linux)."""
    import gc

    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
