"""Whatever is killed and when: what was told to be kept is there, once, and everything goes on."""

import time
from pathlib import Path

from tests.team.killing import PARTS, house, rest
from tests.team.postgres import Server


def test_no_label_job_or_audit_is_lost(database_server: Server, tmp_path: Path) -> None:
    """Few moments here; `python -m tests.benchmarks kills` draws fifty of each."""
    with house(tmp_path, database_server, seed=1) as made:
        for part in PARTS:
            made.kill(part)
        # jobs are asked for some seconds apart, and kills may all be over before the second
        end = time.monotonic() + 60.0
        while len(made.asked) < 2 and time.monotonic() < end:
            time.sleep(0.2)
        rest(made)
        found = made.lost()
        assert found == {part: [] for part in found}, f"{found}\n{made.server.log.read_text()[-2000:]}"
        assert made.labelled and made.recorded and len(made.asked) >= 2
