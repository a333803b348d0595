"""A PostgreSQL of one's own on a free port, which is started, killed and started again."""

import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from tests.ports import free_port

USER = "postgres"
STARTED_SECONDS = 60


def program(name: str) -> str | None:
    """Path of one of PostgreSQL's programs: on the way, or where Debian keeps them."""
    found = shutil.which(name)
    kept = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return found or (str(kept[-1]) if kept else None)


def why_not() -> str | None:
    """Why no PostgreSQL can be started here; None where one can."""
    if program("initdb") is None or program("postgres") is None:
        return "PostgreSQL is not installed: apt-get install postgresql"
    try:
        pwd.getpwnam(USER)
    except KeyError:
        return f"there is no user {USER!r}, whom PostgreSQL runs as where the tests are root"
    return None


class Server:
    """One cluster in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self._running: subprocess.Popen | None = None
        self._owned = os.getuid() == 0
        if self._owned:
            shutil.chown(folder, USER, USER)
        os.chmod(folder, 0o700)
        self._run(
            [
                str(program("initdb")),
                "-D",
                str(folder / "data"),
                "-A",
                "trust",
                "-U",
                "postgres",
                "-E",
                "UTF8",
                "--no-sync",
            ]
        )

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [str(program("postgres")), "-D", str(self.folder / "data"), "-p", str(self.port)]
        # what a killed process has written is the system's, which lives: to wait for the disk changes nothing here, and
        # after a kill PostgreSQL would first wait for every file of every test's database
        command += ["-c", "fsync=off"]
        command += ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={self.folder}"]
        self._running = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", **self._user()
        )
        end = time.monotonic() + STARTED_SECONDS
        while not self._answers():
            if time.monotonic() > end or self._running.poll() is not None:
                raise RuntimeError("PostgreSQL did not start")
            time.sleep(0.1)

    def kill(self) -> None:
        """End it without warning, its children too."""
        if self._running is not None:
            self._running.send_signal(signal.SIGKILL)
            self._running.wait()
            self._running = None

    def database(self, name: str) -> str:
        """Address of a new database of this name."""
        import psycopg

        with psycopg.connect(self._address("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{name}"

    def _address(self, name: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"

    def _answers(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self._address("postgres"), connect_timeout=2).close()
        except psycopg.Error:
            return False
        return True

    def _user(self) -> dict:
        return {"user": USER, "group": USER, "extra_groups": []} if self._owned else {}

    def _run(self, command: Sequence[str]) -> None:
        done = subprocess.run(command, check=False, capture_output=True, text=True, cwd="/", **self._user())
        if done.returncode:
            raise RuntimeError(done.stderr)
