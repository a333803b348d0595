"""A team server of the tests' own, started by its verb as an operator starts it."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from core.config import ROOT
from tests.ports import free_port

STARTED_SECONDS = 120
STOPPED_SECONDS = 60
SECRET = "0123456789abcdef0123456789abcdef-of-the-tests"
SHARED = """
[access]
mode = "open"
everyone = ["operator"]
[labels]
address = "{address}"
[record]
address = "{address}"
[jobs]
address = "{address}"
workers = {workers}
"""
"""An open server whose labels, record and jobs are in one PostgreSQL, for `format`."""


class TeamServer:
    """`python -m core serve --config FILE` with a file of this text.

    Parameters
    ----------
    text : the configuration without its section [server].
    server : further lines of that section.
    """

    def __init__(
        self, folder: Path, text: str, server: str = "", variables: Mapping[str, str] | None = None, port: int = 0
    ) -> None:
        self.folder, self.port, self.metrics_port = folder, port or free_port(), free_port()
        self.file = folder / "team.toml"
        (folder / "home").mkdir(exist_ok=True)
        self.text, self.server = text, server
        self.write()
        secrets = dict.fromkeys(("UNSKEW_OIDC_SECRET", "UNSKEW_COOKIE_SECRET", "UNSKEW_PROXY_SECRET"), SECRET)
        self.variables = {**os.environ, "OMP_NUM_THREADS": "1", **secrets, **(variables or {})}
        self.variables.pop("UNSKEW_HOME", None)
        self.log = folder / "serve.log"
        self.process: subprocess.Popen | None = None

    def write(self) -> None:
        """Write the file from what it is to say."""
        head = f'[server]\nport = {self.port}\nmetrics_port = {self.metrics_port}\nhome = "home"\n{self.server}\n'
        self.file.write_text(head + self.text)

    def name_outside(self, address: str) -> None:
        """What people type, who come through a proxy."""
        self.server += f'\npublic_url = "{address}"\n'
        self.write()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> "TeamServer":
        """Start it and wait until it is healthy."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "core", "serve", "--config", str(self.file)],
                cwd=ROOT,
                env=self.variables,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        self.await_health()
        return self

    def await_health(self, seconds: float = STARTED_SECONDS) -> None:
        end = time.monotonic() + seconds
        healthy = False
        while not healthy:
            healthy = self.health()[0] == 200
            code = None if self.process is None else self.process.poll()
            if code is not None or time.monotonic() > end:
                raise RuntimeError(f"the team server is not healthy (ended: {code}):\n{self.log.read_text()[-3000:]}")
            time.sleep(0 if healthy else 0.3)

    def health(self) -> tuple[int, Mapping[str, object]]:
        """Status and document of /health; 0 where nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/health", timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())
        except OSError:
            return 0, {}

    def metrics(self) -> dict[str, float]:
        """Every number of /metrics by its name and labels."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=10) as answer:
            lines = [line for line in answer.read().decode().splitlines() if not line.startswith("#")]
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}

    def parts(self) -> dict[str, int]:
        """Every process that the server has started -> its number, by what stands on its command line."""
        assert self.process is not None
        found = {}
        for line in Path("/proc").glob("[0-9]*/stat"):
            try:
                content = line.read_text().rpartition(")")[2].split()
                command = (line.parent / "cmdline").read_bytes().decode().split("\0")
            except OSError:
                continue
            if int(content[1]) == self.process.pid and content[0] != "Z":
                module = command[command.index("core.team.tied") + 2] if "core.team.tied" in command else command[0]
                found[f"{module} {line.parent.name}"] = int(line.parent.name)
        return found

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def stop(self) -> int:
        """End it as systemd does; its exit code."""
        if self.process is None or self.process.poll() is not None:
            return 0 if self.process is None else self.process.returncode
        self.process.terminate()
        try:
            return self.process.wait(timeout=STOPPED_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
