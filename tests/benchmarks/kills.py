"""Every part of a team server and its database killed at random moments, fifty times each: what is lost."""

import tempfile
import time
from pathlib import Path
from typing import Any

from tests.team.killing import PARTS, house, rest
from tests.team.postgres import Server, why_not


def run(runs: int = 50, seed: int = 0) -> dict[str, Any]:
    """What was told to be kept and is lost, after so many kills of each part; how much was kept meanwhile."""
    if why := why_not():
        return {"skipped": why}
    with tempfile.TemporaryDirectory(prefix="unskew-kills") as work:
        (Path(work) / "postgres").mkdir()
        (Path(work) / "team").mkdir()
        Path(work).chmod(0o755)  # the database runs as a user of its own
        database = Server(Path(work) / "postgres")
        database.start()
        began = time.monotonic()
        try:
            with house(Path(work) / "team", database, seed, audits=5) as made:
                kills = dict.fromkeys(PARTS, 0)
                for part in [part for _ in range(runs) for part in PARTS]:
                    made.kill(part)
                    kills[part] += 1
                rest(made)
                lost = made.lost()
                kept = {"labels": len(made.labelled), "record": len(made.recorded), "jobs": len(made.asked)}
                restarts = {name: n for name, n in made.server.metrics().items() if name.startswith("unskew_restarts")}
        finally:
            database.kill()
    seconds = time.monotonic() - began
    return {"kills": kills, "kept": kept, "lost": lost, "restarts_since_last_start": restarts, "seconds": seconds}
