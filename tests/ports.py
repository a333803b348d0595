"""Ports for servers of the tests, none given twice."""

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

RANGE = range(20_000, 32_000)
"""Below the ports that a system gives to connections by itself: none of these is taken while a server starts."""


def free_port() -> int:
    """A port where nobody listens; no test of any process gets it again while this process lives."""
    locks = Path(tempfile.gettempdir()) / "unskew-test-ports"
    locks.mkdir(exist_ok=True)
    for port in random.SystemRandom().sample(RANGE, len(RANGE)):
        lock = os.open(locks / str(port), os.O_CREAT | os.O_RDWR, 0o666)  # its lock ends with this process
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket() as tried:
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                tried.bind(("127.0.0.1", port))
        except OSError:
            os.close(lock)
            continue
        return port
    raise RuntimeError(f"every port from {RANGE.start} to {RANGE.stop - 1} is taken")
