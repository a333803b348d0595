"""Workers killed at random moments of builds, imports, trainings and audits: nothing lost, results as in peace."""

import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from core.config import HOME_VARIABLE
from tests.jobs import rounds

PAUSE = 12.0
"""Longest time between two kills: some fall into the start of a process, some into its work."""


def run(runs: int = 50, seed: int = 0) -> dict[str, Any]:
    """How many jobs end with the very bytes of those that nobody disturbed, after so many kills."""
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        os.environ[HOME_VARIABLE] = str(folder / "home")
        from core.jobs.store import JobStore

        rounds.world(folder / "world", captions=1100)
        store, workers = JobStore(), rounds.Workers(2, seed, rounds.AT_ONCE)
        try:
            return _killed(store, workers, folder, runs)
        finally:
            workers.stop()
            store.close()


def _killed(store: Any, workers: rounds.Workers, folder: Path, runs: int) -> dict[str, Any]:
    right = _asked(store, folder, "peace")
    began = time.monotonic()
    rounds.done(store, right.values(), workers)
    peace, failed, tries, jobs, number = time.monotonic() - began, [], [], 0, 0
    while workers.kills < runs:
        number += 1
        asked = _asked(store, folder, f"round-{number}")
        rounds.done(store, asked.values(), workers, kills=runs - workers.kills, pause=PAUSE)
        jobs += len(asked)
        tries += [store.get(job).attempt for job in asked.values()]
        failed += [why for kind, job in asked.items() if (why := rounds.wrong(store, job, right[kind]))]
    return {
        "kills": workers.kills,
        "jobs": jobs,
        "equal": jobs - len(failed),
        "failed": failed,
        "tries_mean": statistics.fmean(tries),
        "tries_most": max(tries),
        "seconds_in_peace": peace,
        "counts": store.counts(),
    }


def _asked(store: Any, folder: Path, name: str) -> dict[str, str]:
    orders = rounds.orders(folder / "world", folder / name)
    return {kind: store.submit(kind, order, rounds.WHO) for kind, order in orders.items()}
