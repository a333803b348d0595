"""The team server as processes: the app, its workers, and who watches over them; started, kept going, stopped."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from urllib.parse import urlparse

from core.access import CONFIG_VARIABLE
from core.config import HOME_VARIABLE, ROOT, InputError, own_folder
from core.labelling import LabelLog
from core.team import record
from core.team.configuration import places
from core.team.metrics import Endpoint, Standing, memory_of
from core.team.settings import COOKIE_SECRET, LOCAL, SHORTEST_SECRET, Configuration
from core.team.tied import command

APP_STOPS, WORKERS_STOP = 15.0, 30.0
"""Seconds that the app and the workers have to end by themselves: a worker puts its job back within seconds."""
LOOKED_EVERY = 0.25
WAITS = (0.5, 1.0, 2.0, 5.0, 15.0, 30.0)
"""Seconds before a part that ended is started again; longer each time, from the beginning after STEADY seconds."""
STEADY = 60.0
ASKED_SECONDS = 3.0
PRIVATE = "unskew-serve-"
"""Beginning of the name of the folder that holds the secrets file; the number of the process follows."""


def alone() -> None:
    """Become the app as `streamlit run app.py` starts it, on this machine alone; does not return."""
    os.chdir(ROOT)
    arguments = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.address", "localhost"]
    os.execv(sys.executable, arguments)


def environment(configuration: Configuration) -> dict[str, str]:
    """The variables with which the app and the workers start."""
    variables = {**os.environ, CONFIG_VARIABLE: str(configuration.path.absolute()), **places(configuration)}
    if configuration.offline:
        variables |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    # a connection is from where it comes: whom a proxy says that it speaks for must not take the proxy's place
    variables["FORWARDED_ALLOW_IPS"] = ""
    # what signs the cookies: of one server a new one each start, of replicas the one that all share
    secret = os.environ.get(COOKIE_SECRET, "")
    variables["STREAMLIT_SERVER_COOKIE_SECRET"] = secret if len(secret) >= SHORTEST_SECRET else secrets.token_hex(32)
    return variables


def options(configuration: Configuration, secrets_file: Path) -> list[str]:
    """The app's own options: where it listens, what it is called, whose pages may talk to it."""
    public = urlparse(configuration.public_url or f"http://localhost:{configuration.port}")
    name = public.hostname or "localhost"
    given = {
        "server.headless": "true",
        "server.address": configuration.address,
        "server.port": str(configuration.port),
        "server.fileWatcherType": "none",
        "server.enableXsrfProtection": "true",
        "server.enableCORS": "true",
        "server.enableAgentApi": "false",
        "browser.serverAddress": name,
        "browser.gatherUsageStats": "false",
        "secrets.files": str(secrets_file),
    }
    if port := public.port or {"https": 443, "http": 80}.get(public.scheme):
        given["browser.serverPort"] = str(port)
    listed = [part for key, value in given.items() for part in (f"--{key}", value)]
    listed += ["--server.corsAllowedOrigins", f"{public.scheme}://{public.netloc}"]
    # whoever makes a browser take his name for this machine's is refused
    for host in dict.fromkeys((name, *(one.strip("[]") for one in LOCAL))):
        listed += ["--server.allowedHosts", host]
    return listed


@contextmanager
def private_file(text: str) -> Iterator[Path]:
    """A file that only this user reads, gone at the end; what servers that were killed left behind goes too."""
    for left in Path(tempfile.gettempdir()).glob(f"{PRIVATE}*"):
        number = left.name.removeprefix(PRIVATE).split("-")[0]
        if number.isdigit() and not Path(f"/proc/{number}").exists() and left.stat().st_uid == os.getuid():
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{PRIVATE}{os.getpid()}-"))
    try:
        file = folder / "secrets.toml"
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
            out.write(text)
        yield file
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def migrate(configuration: Configuration) -> None:
    """Make what the label log and the record need where it is not there; InputError where one cannot be used."""
    own_folder().mkdir(parents=True, exist_ok=True)
    LabelLog(configuration.labels or None).close()
    record.Record(configuration.record or None).close()


def folders_of(configuration: Configuration) -> dict[str, Path]:
    """What a monitor calls a folder -> the folder: the own one and every root."""
    named = {f"{kind} {name}": path for kind, roots in configuration.roots.items() for name, path in roots.items()}
    return {"own": configuration.home or own_folder(), **named}


def require_port(address: str, port: int, what: str) -> None:
    """InputError where somebody else listens there, or this user may not."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind((address, port))
    except OSError as error:
        raise InputError(f"{what} cannot listen on {address} port {port} ({error.strerror}); choose another") from None


@dataclass
class Part:
    """A process that is started again when it ends.

    Parameters
    ----------
    name : "app", "worker 1".
    command : what it is started with.
    """

    name: str
    command: Sequence[str]
    process: subprocess.Popen | None = None
    started: float = 0.0
    due: float = 0.0
    """When it is started again, by the clock of `time.monotonic`."""
    ended: int = 0
    """How often in a row it ended before it was steady."""
    restarts: int = -1

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self, variables: Mapping[str, str]) -> None:
        # a session of its own: Ctrl-C in a terminal reaches the watcher alone, which ends the parts in order
        self.process = subprocess.Popen(
            self.command, cwd=ROOT, env=dict(variables), stdin=subprocess.DEVNULL, start_new_session=True
        )
        self.started = time.monotonic()
        self.restarts += 1

    def look(self, variables: Mapping[str, str], now: float) -> str | None:
        """Start it again where it ended, after a while; what happened, in words."""
        if self.running:
            if now - self.started > STEADY:
                self.ended = 0
            return None
        if self.process is not None:
            code, self.process = self.process.returncode, None
            wait = WAITS[min(self.ended, len(WAITS) - 1)]
            self.ended, self.due = self.ended + 1, now + wait
            how = f"by signal {-code}" if code < 0 else f"with code {code}"
            return f"{self.name} ended {how}; it is started again in {wait:g} s"
        if now >= self.due:
            self.start(variables)
        return None

    def ask_to_end(self) -> None:
        if self.running and self.process is not None:
            with suppress(ProcessLookupError):
                self.process.terminate()

    def end(self, until: float) -> bool:
        """Wait for it until a time, then end it; whether it ended by itself."""
        if self.process is None:
            return True
        try:
            self.process.wait(max(until - time.monotonic(), 0.0))
            return True
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return False


@dataclass
class Watch:
    """The app and its workers, kept going until `stop` is asked for.

    Parameters
    ----------
    jobs : says how many jobs there are by state; raises where the store cannot say.
    say : where a line for the operator goes.
    """

    configuration: Configuration
    parts: list[Part]
    variables: Mapping[str, str]
    jobs: Callable[[], Mapping[str, int]]
    say: Callable[[str], None]
    stopping: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Start everything, and start again what ends, until `stop`; then end everything in order."""
        for part in self.parts:
            part.start(self.variables)
        try:
            while not self.stopping.wait(LOOKED_EVERY):
                for part in self.parts:
                    if happened := part.look(self.variables, time.monotonic()):
                        self.say(happened)
        finally:
            self._end()

    def stop(self, signal_number: int = 0, frame: FrameType | None = None) -> None:
        """Ask for the end; a signal's handler."""
        self.stopping.set()

    def standing(self) -> Standing:
        """How everything is now."""
        sessions = None if self.stopping.is_set() else self._sessions()
        up = {part.name: part.running for part in self.parts}
        up["app"] = up.get("app", False) and sessions is not None
        try:
            jobs: Mapping[str, int] | None = dict(self.jobs())
        except Exception:  # whatever a store's own library raises, the monitor is told that it does not answer
            jobs = None
        memory = {p.name: memory_of(p.process.pid) for p in self.parts if p.process is not None}
        memory["watch"] = memory_of(os.getpid())
        restarts = {part.name: max(part.restarts, 0) for part in self.parts}
        return Standing(up, sessions, jobs, memory, restarts, self.stopping.is_set())

    def _sessions(self) -> int | None:
        """Open browser sessions, as the app itself counts them; None where it does not answer."""
        address = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.configuration.address, self.configuration.address)
        url = f"http://{address}:{self.configuration.port}/_stcore/metrics"
        try:
            with urllib.request.urlopen(f"{url}?families=active_sessions", timeout=ASKED_SECONDS) as answer:
                lines = answer.read(1 << 16).decode("utf-8", "replace").splitlines()
        except (OSError, ValueError):
            return None
        counted = [line.split()[-1] for line in lines if line.startswith("active_sessions")]
        return sum(int(float(number)) for number in counted)

    def _end(self) -> None:
        """The app first, so that nobody asks for more; then the workers, which put back what they have in hand."""
        for names, seconds in (("app", APP_STOPS), ("worker", WORKERS_STOP)):
            ending = [part for part in self.parts if part.name.startswith(names)]
            for part in ending:
                part.ask_to_end()
            until = time.monotonic() + seconds
            for part in ending:
                if not part.end(until):
                    self.say(f"{part.name} did not end within {seconds:g} s and was ended")


def serve(
    configuration: Configuration,
    secrets_text: str,
    jobs: Callable[[], Mapping[str, int]],
    say: Callable[[str], None],
) -> None:
    """Run the team server until it is asked to end.

    Parameters
    ----------
    secrets_text : what Streamlit's secrets file holds while the server runs.
    jobs : number of jobs by state.
    say : where a line for the operator goes.

    Raises
    ------
    InputError : a port is taken, or a database cannot be used.
    """
    variables = environment(configuration)
    os.environ.update({name: variables[name] for name in (CONFIG_VARIABLE, HOME_VARIABLE) if name in variables})
    require_port(configuration.address, configuration.port, "the app")
    require_port(configuration.metrics_address, configuration.metrics_port, "health and metrics")
    migrate(configuration)
    with private_file(secrets_text) as file:
        app = Part("app", command("core.ui.server.run", *options(configuration, file)))
        workers = [Part(f"worker {i + 1}", command("core.jobs")) for i in range(configuration.workers)]
        watch = Watch(configuration, [app, *workers], variables, jobs, say)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, watch.stop)
        endpoint = Endpoint(
            configuration.metrics_address, configuration.metrics_port, watch.standing, folders_of(configuration)
        )
        record.Record(configuration.record or None).add("", record.SERVED, "team server")
        where = configuration.public_url or f"http://{configuration.address}:{configuration.port}"
        say(f"serving {where} ({configuration.mode}), {configuration.workers} workers; health and metrics on "
            f"{configuration.metrics_address} port {endpoint.port}")  # fmt: skip
        try:
            watch.run()
        finally:
            endpoint.close()
            with suppress(InputError):  # the record's database may have ended first
                record.Record(configuration.record or None).add("", record.STOPPED, "team server")
    say("stopped")
