"""What the server tells a monitor on a port of its own: /health, and /metrics as Prometheus' text."""

import json
import shutil
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from core.reading import parse_json

SOCKET_SECONDS = 10.0
"""How long a monitor may take to ask: whoever only holds the connection open loses it."""


@dataclass(frozen=True)
class Standing:
    """How the server is at a moment.

    Parameters
    ----------
    parts : part ("app", "worker 1") -> whether it runs and answers.
    sessions : open browser sessions; None where the app does not say.
    jobs : state -> number of jobs; None where the job store does not say.
    memory : part -> bytes of memory that it holds.
    restarts : part -> how often it was started again.
    stopping : whether nobody new is let in because the server ends.
    """

    parts: Mapping[str, bool]
    sessions: int | None
    jobs: Mapping[str, int] | None
    memory: Mapping[str, int]
    restarts: Mapping[str, int]
    stopping: bool = False

    @property
    def healthy(self) -> bool:
        """Whether somebody who comes in now is served."""
        return not self.stopping and self.jobs is not None and all(self.parts.values())

    def to_json(self) -> dict[str, object]:
        """What /health says."""
        parts = {part: "up" if up else "down" for part, up in self.parts.items()}
        store = "up" if self.jobs is not None else "down"
        return {"healthy": self.healthy, "stopping": self.stopping, **parts, "job store": store}


class _Collector:
    """The numbers at the moment when they are asked for."""

    def __init__(self, standing: Callable[[], Standing], folders: Mapping[str, Path]) -> None:
        self._standing, self._folders = standing, folders

    def describe(self) -> list[Metric]:
        return []  # what is collected is made when it is asked for, not at registration

    def collect(self) -> Iterator[Metric]:
        now = self._standing()
        yield _gauge("unskew_up", "Whether a part of the server runs and answers", "part", now.parts)
        yield _gauge("unskew_restarts", "How often a part ended and was started again", "part", now.restarts)
        yield _gauge("unskew_memory_bytes", "Memory that a part holds", "part", now.memory)
        if now.sessions is not None:
            yield GaugeMetricFamily("unskew_sessions", "Open browser sessions", value=now.sessions)
        if now.jobs is not None:
            yield _gauge("unskew_jobs", "Jobs by state", "state", now.jobs)
        disks = {name: disk_of(path) for name, path in self._folders.items()}
        yield _gauge(
            "unskew_disk_free_bytes",
            "Free bytes on the disk of a folder",
            "folder",
            {n: d[0] for n, d in disks.items()},
        )
        yield _gauge("unskew_disk_bytes", "Size of the disk of a folder", "folder", {n: d[1] for n, d in disks.items()})


def disk_of(path: Path) -> tuple[int, int]:
    """(free, all) bytes of the disk on which a folder lies or would lie; zeros where nobody can say."""
    try:
        there = next(one for one in (path, *path.parents) if one.exists())
        usage = shutil.disk_usage(there)
    except (OSError, StopIteration):
        return 0, 0
    return usage.free, usage.total


def asked_health(address: str, port: int) -> dict[str, Any]:
    """What /health says on this machine, part by part; empty where nobody answers."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(address, f"[{address}]" if ":" in address else address)
    try:
        with urllib.request.urlopen(f"http://{host}:{port}/health", timeout=SOCKET_SECONDS) as answer:
            content = answer.read(1 << 16)
    except urllib.error.HTTPError as error:
        with error:
            content = error.read(1 << 16)
    except OSError:
        return {}
    said = parse_json(content, "what /health says")
    return said if isinstance(said, dict) else {}


def memory_of(process: int) -> int:
    """Bytes of memory that a process holds; 0 where the system does not say or the process is gone."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
        return next((int(line.split()[1]) << 10 for line in lines if line.startswith("VmRSS:")), 0)
    except (OSError, ValueError):
        return 0


class Endpoint:
    """The port, answered by a thread until `close`.

    OSError : somebody else has the port.
    """

    def __init__(self, address: str, port: int, standing: Callable[[], Standing], folders: Mapping[str, Path]) -> None:
        registry = CollectorRegistry()
        registry.register(_Collector(standing, folders))

        class Handler(BaseHTTPRequestHandler):
            timeout = SOCKET_SECONDS
            server_version, sys_version = "unskew", ""

            def do_HEAD(self) -> None:
                self.do_GET()  # `_answer` leaves the content out

            def do_GET(self) -> None:
                if self.path == "/metrics":
                    self._answer(200, CONTENT_TYPE_LATEST, generate_latest(registry))
                elif self.path == "/health":
                    now = standing()
                    text = json.dumps(now.to_json())
                    self._answer(200 if now.healthy else 503, "application/json", text.encode())
                else:
                    self._answer(404, "text/plain", b"/health or /metrics\n")

            def _answer(self, status: int, kind: str, content: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:
                """A monitor that asks every few seconds is no news."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

        self._server = Server((address, port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _gauge(name: str, what: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, what, labels=[label])
    for key, value in values.items():
        family.add_metric([key], float(value))
    return family
