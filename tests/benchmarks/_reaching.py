"""Which lines of a room each of its tests reaches, and how long it takes: noted in runs without a fault."""

import hashlib
import json
import os
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
from hypothesis import Phase, settings

ROOT = Path(__file__).resolve().parents[2]
TESTS = {
    "verify": ("verify", "report/test_verify.py", "lvlm/test_numbers.py", "lvlm/test_lvlm_verbs.py"),
    "ranking": ("ranking", "gallery/test_gallery_ivf.py"),
}
"""Tests of a room other than those of the folder of its name."""
WORKERS = len(os.sched_getaffinity(0))


@dataclass
class Reached:
    """What a run without a fault notes."""

    seconds: dict[str, float] = field(default_factory=dict)
    """Of the processor: what else the machine does makes no test slow."""
    lines: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    """Test -> module -> lines."""
    shared: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    """File of tests -> module -> lines that those of its fixtures reach which several tests share."""
    sharing: dict[str, float] = field(default_factory=dict)
    """File of tests -> seconds that these fixtures take; not part of the tests' seconds."""
    libraries: list[str] = field(default_factory=list)


def sources(room: str) -> dict[Path, str]:
    """Files of a room and their dotted names."""
    folder = ROOT / "core" / room
    paths = sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]
    return {path: ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths if path.stem != "__init__"}


def file_of(module: str) -> Path:
    return ROOT.joinpath(*module.split(".")).with_suffix(".py")


def tests_of(room: str) -> list[Path]:
    places = [ROOT / "tests" / name for name in TESTS.get(room, (room, f"test_{room}.py"))]
    return [place for place in places if place.exists()]


class Notes:
    """Notes which lines of the room each test reaches, and how long it takes."""

    def __init__(self, modules: dict[Path, str]) -> None:
        self.modules = {str(path): name for path, name in modules.items()}
        self.found = Reached()
        self.hit: dict[str, set[int]] = {}
        self.of_fixture: dict[str, dict[str, set[int]]] = {}
        self.known: dict[CodeType, set[int]] = {}
        self.making, self.file = 0.0, ""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        # what one test left in a cache must not hide from the next one that it needs it
        for name, module in list(sys.modules.items()):
            if name.startswith(("core.", "tests.", "test_")):
                for value in list(vars(module).values()):
                    if hasattr(value, "cache_clear"):
                        value.cache_clear()
        self.hit, self.making, self.file = {}, 0.0, item.nodeid.partition("::")[0]
        begun = time.process_time()
        threading.settrace(self._enter)
        sys.settrace(self._enter)
        try:
            return (yield)
        finally:
            sys.settrace(None)
            for name in item.fixturenames:
                self._add(self.of_fixture.get(name, {}))
            self.found.seconds[item.nodeid] = time.process_time() - begun - self.making
            self.found.sharing[self.file] = self.found.sharing.get(self.file, 0.0) + self.making
            self.found.lines[item.nodeid] = {name: sorted(lines) for name, lines in self.hit.items()}

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any, request: Any) -> Any:
        # what a fixture of several tests reaches counts for all of them
        before, self.hit = self.hit, {}
        begun, inside = time.process_time(), self.making
        try:
            return (yield)
        finally:
            if fixturedef.scope != "function":
                own = self.of_fixture.setdefault(fixturedef.argname, {})
                shared = self.found.shared.setdefault(self.file, {})
                for name, lines in self.hit.items():
                    own.setdefault(name, set()).update(lines)
                    shared[name] = sorted({*shared.get(name, ()), *lines})
                self.making = inside + time.process_time() - begun
            reached, self.hit = self.hit, before
            self._add(reached)

    def _add(self, hit: dict[str, set[int]]) -> None:
        for name, lines in hit.items():
            self.hit.setdefault(name, set()).update(lines)

    def _enter(self, frame: Any, event: str, argument: Any) -> Any:
        code = frame.f_code
        name = self.modules.get(code.co_filename)
        if name is None:
            return None
        if code not in self.known:
            self.known[code] = {line for _, _, line in code.co_lines() if line is not None}
        hit = self.hit.setdefault(name, set())
        hit.add(code.co_firstlineno)
        if self.known[code] <= hit:
            return None

        def step(frame: Any, event: str, argument: Any) -> Any:
            hit.add(frame.f_lineno)
            return step

        return step


def tested(arguments: list[str], plugin: object) -> int:
    """pytest in this process, silent."""
    quiet = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(quiet, stream)
    os.chdir(ROOT)
    # a failure is enough: nothing is made smaller and nothing is kept for the next run
    settings.register_profile(
        "mutants", deadline=None, database=None, derandomize=True, phases=(Phase.explicit, Phase.generate)
    )
    settings.load_profile("mutants")
    options = [
        "-q",
        "-x",
        "--no-header",
        "--tb=no",
        "-n",
        "0",
        "-p",
        "no:cacheprovider",
        "-W",
        "ignore",
        "--capture=sys",
    ]
    return int(pytest.main([*options, *arguments], plugins=[plugin]))


def without_fault(room: str) -> Reached:
    """Lines and seconds of every test of a room; kept in the folder of temporary files until the room or a test
    changes."""
    files = [path for place in tests_of(room) for path in ([place] if place.is_file() else place.rglob("test_*.py"))]
    helpers = [path for path in (ROOT / "tests").rglob("*.py") if not path.name.startswith("test_")]
    shared = [*sources(room), *(path for path in helpers if "benchmarks" not in path.parts)]
    kept = Path(tempfile.gettempdir()) / "unskew-mutants"
    kept.mkdir(exist_ok=True)
    noted: dict[Path, Path] = {}
    for file in sorted(files):
        state = hashlib.sha256(b"".join(path.read_bytes() for path in [file, *sorted(shared)])).hexdigest()
        noted[file] = kept / f"{room}-{file.stem}-{state[:16]}.json"
    left, running = [file for file, out in noted.items() if not out.exists()], set()
    while left or running:
        while left and len(running) < WORKERS:
            running.add(_note(room, left[0], noted[left.pop(0)]))
        running.discard(os.wait()[0])
    found = Reached()
    for file, out in noted.items():
        if not out.exists():
            raise SystemExit(f"{file}: tests fail without a fault")
        one = json.loads(out.read_text())
        found.seconds |= one["seconds"]
        found.lines |= one["lines"]
        found.shared |= one["shared"]
        found.sharing |= one["sharing"]
        found.libraries = list({*found.libraries, *one["libraries"]})
    return found


def _note(room: str, file: Path, out: Path) -> int:
    """A process that runs a file of tests and writes what they reach, if they pass."""
    child = os.fork()
    if child == 0:
        notes = Notes(sources(room))
        code = tested([str(file)], notes)
        notes.found.libraries = [name for name in sys.modules if not name.startswith(("core", "tests", "test_"))]
        if code == pytest.ExitCode.OK:
            out.write_text(json.dumps(vars(notes.found)))
        os._exit(0)
    return child
