"""Runs the tests that reach a fault, each fault in a process of its own.

Most faults are planted in a fork of a process that has imported everything and collected all tests: the code of the
functions is exchanged there. A fault in what a module does when it is imported needs it to be imported with the fault,
in a fork of a process that has only loaded the libraries.
"""

import gc
import inspect
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from itertools import accumulate, zip_longest
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pytest

from tests.benchmarks._planting import Fault, with_fault
from tests.benchmarks._reaching import WORKERS, Reached, file_of, tested, tests_of

OUTSIDE = os.dup(2)
"""Standard error, where tests are silent."""
PATIENCE = 15.0
"""Seconds of the processor beyond thrice what a test takes without a fault: then the fault is found."""
NEEDS_IMPORT = 77
"""Exit code of a process in which a fault could not be planted, as it is in what a module does when imported."""
BUDGET = 25.0
"""Seconds of tests that a fault is given, quick ones first; what would be found later counts as not found."""
QUICK = 0.3
"""Seconds up to which a test is run before the slow ones, whatever its file."""


class Planter(MetaPathFinder):
    """Imports one module with a fault in it."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if fullname != self.fault.module:
            return None
        file = str(file_of(fullname))
        return spec_from_file_location(fullname, file, loader=Faulty(fullname, file, self.fault.place))


class Faulty(SourceFileLoader):
    def __init__(self, fullname: str, path: str, place: tuple[int, int]) -> None:
        super().__init__(fullname, path)
        self.place = place

    def get_code(self, fullname: str) -> CodeType:
        return compile(with_fault(Path(self.path).read_text(), self.place), self.path, "exec")


class Chosen:
    """Runs only some tests, in an order of their own; one that does not end ends the process."""

    def __init__(self, tests: list[str], seconds: dict[str, float]) -> None:
        self.place = {test: place for place, test in enumerate(tests)}
        self.seconds = seconds

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted((item for item in items if item.nodeid in self.place), key=lambda i: self.place[i.nodeid])

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        limit(PATIENCE + 3 * self.seconds[nodeid])


class Collected:
    """Plants every fault in a fork of the process that collected the tests, and runs those that reach it."""

    def __init__(self, faults: list[Fault], reached: Reached, out: Path) -> None:
        self.faults, self.reached, self.out = faults, reached, out

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = {item.nodeid: item for item in session.items}
        functions: dict[str, list[FunctionType]] = {}
        for thing in gc.get_objects():
            if type(thing) is FunctionType:
                functions.setdefault(thing.__code__.co_filename, []).append(thing)
        gc.freeze()

        def child(fault: Fault) -> int:
            if not exchanged(fault, functions.get(str(file_of(fault.module)), [])):
                return NEEDS_IMPORT
            tests = choose(fault, self.reached)
            for test, after in zip_longest(tests, tests[1:]):
                limit(PATIENCE + 3 * self.reached.seconds[test])
                following = items[after] if after else None
                session.config.hook.pytest_runtest_protocol(item=items[test], nextitem=following)
                if session.testsfailed:
                    return 1
            return 0

        ended = in_processes(self.faults, child)
        self.out.write_text(json.dumps([[list(fault.place), fault.module, code] for fault, code in ended]))
        return True


def exchanged(fault: Fault, functions: list[FunctionType]) -> bool:
    """Plant a fault in functions that are there already; False where it is in what the module does when imported."""
    if fault.module not in sys.modules:
        sys.meta_path.insert(0, Planter(fault))
        return True
    path = file_of(fault.module)
    source = path.read_text()
    old, new = ({} for _ in range(2))
    for tree, into in ((source, old), (with_fault(source, fault.place), new)):
        for code in codes(compile(tree, str(path), "exec")):
            into.setdefault((code.co_qualname, code.co_firstlineno), []).append(code)
    changed = {key for key, found in old.items() if [bare(code) for code in found] != [bare(c) for c in new[key]]}
    if any(len(old[key]) > 1 or not old[key][0].co_flags & inspect.CO_OPTIMIZED for key in changed):
        return False
    try:
        for function in functions:
            if (key := (function.__code__.co_qualname, function.__code__.co_firstlineno)) in changed:
                function.__code__ = new[key][0]
    except ValueError:
        return False
    return True


def codes(code: CodeType) -> Iterator[CodeType]:
    """The code of a module, and of every class and function in it, however deep."""
    yield code
    for inner in code.co_consts:
        if isinstance(inner, CodeType) and not inlined(inner):
            yield from codes(inner)


def inlined(code: CodeType) -> bool:
    return code.co_name in ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")


def bare(code: CodeType) -> tuple[object, ...]:
    """What code does by itself: functions in a module or class are others' code, those in a function are its own."""
    own = bool(code.co_flags & inspect.CO_OPTIMIZED)
    inner = [
        (bare(const) if own or inlined(const) else None) if isinstance(const, CodeType) else (type(const), repr(const))
        for const in code.co_consts
    ]
    return code.co_code, code.co_names, code.co_varnames, inner


def choose(fault: Fault, reached: Reached) -> list[str]:
    """Tests that reach the line of a fault, else those that reach its function; all where it is in none, but in what
    the module does when it is imported.

    Quick ones first, of these those of the module's own file; slow ones file by file: what they share is made once. As
    many as fit into BUDGET, and at least one.
    """
    own = f"_{fault.module.rpartition('.')[2]}"
    lines = {test: hit.get(fault.module, ()) for test, hit in reached.lines.items()}
    first, last = fault.around
    near = [test for test, hit in lines.items() if not last or any(first < line <= last for line in hit)]
    tests = [test for test in near if fault.line in lines[test]] or near

    def place(test: str) -> tuple[bool, bool, float, str, float]:
        seconds, file = reached.seconds[test], test.partition("::")[0]
        slow = seconds > QUICK
        return slow, not Path(file).stem.endswith(own), 0.0 if slow else seconds, file, seconds

    tests = sorted(tests, key=place)
    spent = accumulate(reached.seconds[test] for test in tests)
    return [test for i, (test, until) in enumerate(zip(tests, spent, strict=True)) if i == 0 or until <= BUDGET]


def survive(room: str, faults: list[Fault], reached: Reached) -> list[Fault]:
    """Faults that no test finds."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "ended.json"
        child = os.fork()
        if child == 0:
            tested([*map(str, tests_of(room))], Collected(faults, reached, out))
            os._exit(0)
        os.waitpid(child, 0)
        if not out.exists():
            raise SystemExit("the tests could not be collected")
        codes_of = {(module, tuple(place)): code for place, module, code in json.loads(out.read_text())}
    ended = [(fault, codes_of[fault.module, fault.place]) for fault in faults]
    left = [fault for fault, code in ended if code == NEEDS_IMPORT]
    ended += in_processes(left, lambda fault: imported_with(fault, reached))
    survivors = [fault for fault, code in ended if code in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)]
    return sorted(survivors, key=lambda fault: (fault.module, fault.place))


def imported_with(fault: Fault, reached: Reached) -> int:
    """pytest's exit code where the module is imported with the fault."""
    sys.meta_path.insert(0, Planter(fault))
    limit(4 * PATIENCE)
    tests = choose(fault, reached)
    files = list(dict.fromkeys(test.partition("::")[0] for test in tests))
    return tested(files, Chosen(tests, reached.seconds)) if tests else 0


def in_processes(faults: list[Fault], work: Callable[[Fault], int]) -> list[tuple[Fault, int]]:
    """What `work` returns for each fault in a process of its own; -1 where that was ended or failed."""
    left, running, ended = list(faults), {}, []
    survive, said = 0, time.monotonic()
    while left or running:
        while left and len(running) < WORKERS:
            fault, room = left.pop(0), tempfile.mkdtemp()
            running[start(fault, work, room)] = fault, room
        for child, (fault, room) in list(running.items()):
            found, status = os.waitpid(child, os.WNOHANG)
            if not found:
                continue
            # what a test started may live on where its process was ended
            with suppress(OSError):
                os.killpg(child, signal.SIGKILL)
            shutil.rmtree(room, ignore_errors=True)
            del running[child]
            code = os.waitstatus_to_exitcode(status)
            ended.append((fault, code))
            if code in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
                survive += 1
                say(f"survives {fault.line}: {fault.key}")
        if time.monotonic() - said > 20:
            said = time.monotonic()
            say(f"{len(ended)} of {len(faults)}, {survive} survive")
        time.sleep(0.005)
    return ended


def start(fault: Fault, work: Callable[[Fault], int], room: str) -> int:
    """A process that works on a fault, with a folder of its own for what tests write."""
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        os.environ["PYTEST_DEBUG_TEMPROOT"] = room
        code = 1
        try:
            code = work(fault)
        finally:
            os._exit(code)
    with suppress(OSError):
        os.setpgid(child, child)
    return child


def limit(seconds: float) -> None:
    """End this process after so many seconds of the processor, or where it waits for ever."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, 20 * seconds)


def say(text: str) -> None:
    os.write(OUTSIDE, f"{text}\n".encode())
