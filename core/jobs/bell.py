"""The bell that wakes a worker when there is work: a queue of SQLite, PostgreSQL or Redis. The only user of huey.

Nothing depends on it: what rings carries no work, and whoever missed it looks into the table a moment later.
"""

import logging
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from core.config import own_folder

log = logging.getLogger("unskew")

NAME = "unskew-jobs"
RINGS = b"job"
LOOK = 0.2
"""Seconds between two looks at a queue that cannot wake anybody."""


class Bell:
    """Rung when a job begins to wait; heard by one worker each.

    Parameters
    ----------
    address : of the job store: path of its SQLite file, postgresql://..., redis://...
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._opened: Any = None

    def ring(self, priority: int = 0) -> None:
        """Wake a worker. What goes wrong here costs a moment, never a job."""
        try:
            self._queue().enqueue(RINGS, priority)
        except Exception as error:
            self.close()
            log.info("the bell of the job store could not be rung: %s", type(error).__name__)

    def wait(self, seconds: float) -> bool:
        """Wait until it rings, at most so long; whether it rang."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                if self._queue().dequeue() is not None:
                    return True
            except Exception as error:
                self.close()
                log.info("the bell of the job store could not be heard: %s", type(error).__name__)
                time.sleep(min(1.0, left))
                continue
            time.sleep(min(LOOK, left))
        return False

    def close(self) -> None:
        if self._opened is not None:
            with suppress(Exception):
                self._opened.close()
            self._opened = None

    def _queue(self) -> Any:
        if self._opened is None:
            self._opened = self._open()
        return self._opened

    def _open(self) -> Any:
        if self._address.startswith(("redis://", "rediss://")):
            from huey import PriorityRedisHuey

            return PriorityRedisHuey(NAME, url=self._address).storage
        if self._address.startswith("postgres"):
            from huey import PostgresHuey

            kind, _, rest = self._address.partition("://")
            return PostgresHuey(NAME, dsn=f"{kind.partition('+')[0]}://{rest}").storage
        from huey import SqliteHuey

        path = Path(self._address) if "://" not in self._address else own_folder() / "jobs.sqlite"
        return SqliteHuey(NAME, filename=str(path.with_suffix(".queue.sqlite")), fsync=False).storage
