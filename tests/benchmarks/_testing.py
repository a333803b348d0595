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
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from itertools import accumulate, zip_longest
from pathlib import Path
from types import CodeType, FunctionType, SimpleNamespace
from typing import Any

import pytest
from _pytest.runner import call_and_report

from core.config import HOME_VARIABLE
from tests.benchmarks._planting import Fault, with_fault
from tests.benchmarks._reaching import WORKERS, Reached, file_of, tested, tests_of

OUTSIDE = os.dup(2)
"""Standard error, where tests are silent."""
PATIENCE = 10.0
"""Seconds of the processor beyond thrice what a test takes without a fault: then the fault is found."""
SURVIVED = (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
NEEDS_IMPORT = 77
"""Exit code of a process in which a fault could not be planted, as it is in what a module does when imported."""
BROKEN = 78
"""Exit code of a process that failed by itself, not by a test."""
BUDGET = 10.0
"""Seconds of the processor that a fault is given, quick tests first; what would be found later counts as not found."""


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
    """Plants every fault in a fork of the process that collected the tests, and runs those that reach it.

    File by file, first that of the fault's module and then the quick ones: what the tests of a file share is made once,
    before the fault is planted, where it does not reach the fault's function.
    """

    def __init__(self, faults: list[Fault], reached: Reached, out: Path) -> None:
        self.faults, self.reached, self.out = faults, reached, out
        self.tests = {fault: choose(fault, reached) for fault in faults}
        self.ended = {fault: int(pytest.ExitCode.NO_TESTS_COLLECTED) for fault in faults}
        self.spent = dict.fromkeys(faults, 0.0)
        self.functions: dict[str, list[FunctionType]] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.items = {item.nodeid: item for item in session.items}
        self.keep_functions()
        taken: dict[str, float] = dict.fromkeys((test.partition("::")[0] for test in self.items), 0.0)
        for test in self.items:
            taken[test.partition("::")[0]] += self.reached.seconds[test]
        for own in (True, False):
            for file in sorted(taken, key=lambda file: taken[file]):
                for warm in (True, False):
                    faults = [fault for fault in self.faults if self.wanted(fault, file, own, warm)]
                    if faults:
                        self.of_file(file, faults, warm)
        self.out.write_text(json.dumps([[list(fault.place), fault.module, code] for fault, code in self.ended.items()]))
        return True

    def wanted(self, fault: Fault, file: str, own: bool, warm: bool) -> bool:
        first, last = fault.around
        shared = self.reached.shared.get(file, {}).get(fault.module, [])
        return (
            self.ended[fault] in SURVIVED
            and self.spent[fault] < BUDGET
            and file in self.tests[fault]
            and own_file(fault, file) == own
            and warm == (last > 0 and not any(first <= line <= last for line in shared))
        )

    def keep_functions(self) -> None:
        """Note where the functions are whose code is to be exchanged."""
        for thing in gc.get_objects():
            if type(thing) is FunctionType:
                self.functions.setdefault(thing.__code__.co_filename, []).append(thing)
        gc.freeze()

    def of_file(self, file: str, faults: list[Fault], warm: bool) -> None:
        """Give faults to the tests of one file, in a process that may make what they share."""
        written = self.out.with_suffix(".file")
        child = os.fork()
        if child == 0:
            try:
                ended = self.served(file, faults, warm)
                written.write_text(json.dumps([(faults.index(fault), *rest) for fault, *rest in ended]))
            except BaseException:
                say(f"{file}: {traceback.format_exc()}")
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        if not written.exists():
            raise SystemExit(f"{file} could not be run")
        for number, code, seconds in json.loads(written.read_text()):
            self.ended[faults[number]] = code
            self.spent[faults[number]] += seconds
        written.unlink()

    def served(self, file: str, faults: list[Fault], warm: bool) -> list[tuple[Fault, int, float]]:
        tests = list(dict.fromkeys(test for fault in faults for test in self.tests[fault][file]))
        if warm:
            self.share([self.items[test] for test in tests])
        ended = in_processes(faults, lambda fault: self.child(fault, file))
        # what one process left behind must not be what the next one stumbled over
        unharmed = in_processes(faults[:1], lambda _: self.run(tests, file, BUDGET / 5))
        if unharmed[0][1] != pytest.ExitCode.OK:
            raise SystemExit("its tests fail without a fault")
        return ended

    def share(self, items: list[pytest.Item]) -> None:
        """Make what several tests share: each kind of it is made by one test, which is then not run."""
        kinds = {tuple(sorted(item.fixturenames)): item for item in items}  # type: ignore[attr-defined]
        for item in kinds.values():
            above = SimpleNamespace(listchain=lambda item=item: item.listchain()[:-1])
            item._initrequest()  # type: ignore[attr-defined]
            for when, after in (("setup", {}), ("teardown", {"nextitem": above})):
                if call_and_report(item, when, log=False, **after).failed:  # type: ignore[arg-type]
                    raise SystemExit(f"{item.nodeid}: {when} fails without a fault")
            item._request = item.funcargs = None  # type: ignore[attr-defined]
        self.keep_functions()

    def child(self, fault: Fault, file: str) -> int:
        if not exchanged(fault, self.functions.get(str(file_of(fault.module)), [])):
            return NEEDS_IMPORT
        return self.run(self.tests[fault][file], file, BUDGET - self.spent[fault])

    def run(self, tests: list[str], file: str, budget: float) -> int:
        if HOME_VARIABLE in os.environ:
            os.environ[HOME_VARIABLE] = shutil.copytree(
                os.environ[HOME_VARIABLE], f"{os.environ['PYTEST_DEBUG_TEMPROOT']}/home"
            )
        for test, after in zip_longest(tests, tests[1:]):
            if test != tests[0] and time.process_time() > budget:
                break
            item, following = self.items[test], self.items[after] if after else None
            limit(PATIENCE + 3 * (self.reached.seconds[test] + self.reached.sharing.get(file, 0.0)))
            item.session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if item.session.testsfailed:
                return 1
        return 0


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
    # a function that the fault drops changes the one that made it
    both = [key for key in old if key in new]
    changed = {key for key in both if [bare(code) for code in old[key]] != [bare(code) for code in new[key]]}
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


def choose(fault: Fault, reached: Reached) -> dict[str, list[str]]:
    """Tests that reach the line of a fault, else those that reach its function; all where it is in none, but in what
    the module does when it is imported. By their file, quick ones first.
    """
    lines = {test: hit.get(fault.module, ()) for test, hit in reached.lines.items()}
    first, last = fault.around
    near = [test for test, hit in lines.items() if not last or any(first < line <= last for line in hit)]
    # a module's own lines are run by whoever happens to import it first, and what they make is used by all
    tests = [test for test in near if last and fault.line in lines[test]] or near
    files: dict[str, list[str]] = {}
    for test in sorted(tests, key=lambda test: reached.seconds[test]):
        files.setdefault(test.partition("::")[0], []).append(test)
    return files


def own_file(fault: Fault, file: str) -> bool:
    """Whether a file of tests is that of the fault's module."""
    return Path(file).stem.endswith(f"_{fault.module.rpartition('.')[2]}")


def tried(room: str, faults: list[Fault], reached: Reached) -> dict[Fault, int]:
    """How each fault ended: in SURVIVED, 1 where a test failed, below 0 where a test came to no end or crashed."""
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
    ended = {fault: codes_of[fault.module, fault.place] for fault in faults}
    left = [fault for fault, code in ended.items() if code == NEEDS_IMPORT]
    return ended | {fault: code for fault, code, _ in in_processes(left, lambda fault: imported_with(fault, reached))}


def imported_with(fault: Fault, reached: Reached) -> int:
    """pytest's exit code where the module is imported with the fault."""
    sys.meta_path.insert(0, Planter(fault))
    limit(60 + PATIENCE)
    files = choose(fault, reached)
    tests = sorted((test for of_file in files.values() for test in of_file), key=lambda test: reached.seconds[test])
    until = dict(zip(tests, accumulate(reached.seconds[test] for test in tests), strict=True))
    tests = [test for test in tests if test == tests[0] or until[test] <= BUDGET]
    return tested(list(files), Chosen(tests, reached.seconds)) if tests else 0


def in_processes(faults: list[Fault], work: Callable[[Fault], int]) -> list[tuple[Fault, int, float]]:
    """What `work` returns for each fault in a process of its own, below 0 where that was ended, and its seconds."""
    left, running, ended = list(faults), {}, []
    survive, said = 0, time.monotonic()
    while left or running:
        while left and len(running) < WORKERS:
            fault, room = left.pop(0), tempfile.mkdtemp()
            running[start(fault, work, room)] = fault, room
        for child, (fault, room) in list(running.items()):
            found, status, used = os.wait4(child, os.WNOHANG)
            if not found:
                continue
            # what a test started may live on where its process was ended
            with suppress(OSError):
                os.killpg(child, signal.SIGKILL)
            shutil.rmtree(room, ignore_errors=True)
            del running[child]
            code = os.waitstatus_to_exitcode(status)
            if code == BROKEN:
                raise SystemExit(f"the fault could not be tried: {fault.key}")
            ended.append((fault, code, used.ru_utime + used.ru_stime))
            survive += code in SURVIVED
        if time.monotonic() - said > 20:
            said = time.monotonic()
            say(f"{len(ended)} of {len(faults)}, {survive} left")
        time.sleep(0.005)
    return ended


def start(fault: Fault, work: Callable[[Fault], int], room: str) -> int:
    """A process that works on a fault, with a folder of its own for what tests write."""
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        os.environ["PYTEST_DEBUG_TEMPROOT"] = room
        code = BROKEN
        try:
            code = work(fault)
        except BaseException:
            say(traceback.format_exc())
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
