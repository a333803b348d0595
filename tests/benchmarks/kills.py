"""Every part of a team server and its database killed at random moments, fifty times each: what is lost."""

import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.team.killing import PARTS, House, house, rest
from tests.team.postgres import Server, why_not

PAUSE = 6.0
"""Longest time between two kills: some fall into the start of a process, some into its work."""
WORKERS = 4
"""Each worker that ends often waits half a minute until it is started again: of several one is always there."""


def run(runs: int = 50, seed: int = 0, part: str | None = None) -> dict[str, Any]:
    """What was told to be kept and is lost, after so many kills; how much was kept meanwhile, and where the time went.

    Parameters
    ----------
    runs : kills of each part.
    part : the only one that is killed: app, worker, serve, postgresql; None: all of them in turn.
    """
    if why := why_not():
        return {"skipped": why}
    parts = PARTS if part is None else (part,)
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="unskew-kills")))
        for name in ("postgres", "team"):
            (work / name).mkdir()
        work.chmod(0o755)  # the database runs as a user of its own
        database = Server(work / "postgres")
        database.start()
        stack.callback(database.kill)
        began = time.monotonic()
        made = stack.enter_context(house(work / "team", database, seed, audits=5, workers=WORKERS))
        while not made.asked:  # from then on there is work that could be lost
            time.sleep(0.2)
        seconds = {"start": time.monotonic() - began, "kills": dict.fromkeys(parts, 0.0)}
        for number in range(runs):
            for one in parts:
                took = _killed(made, one)
                seconds["kills"][one] += took
                _say(f"{one} {number + 1} of {runs}: {took:.1f} s; {_standing(made)}")
        began = time.monotonic()
        rest(made)
        lost = made.lost()
        seconds["ending what was asked"] = time.monotonic() - began
        kept = {"labels": len(made.labelled), "record": len(made.recorded), "jobs": len(made.asked)}
        restarts = {name: n for name, n in made.server.metrics().items() if name.startswith("unskew_restarts")}
    return {
        "kills": dict.fromkeys(parts, runs),
        "kept": kept,
        "lost": lost,
        "restarts_since_last_start": restarts,
        "seconds": seconds,
    }


def _killed(made: House, part: str) -> float:
    """Seconds that a kill took, with the waiting for the part and for what is started by hand."""
    began = time.monotonic()
    made.kill(part, PAUSE)
    return time.monotonic() - began


def _standing(made: House) -> str:
    return f"{len(made.labelled):,} labels, {len(made.recorded):,} lines, {len(made.asked):,} jobs"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
