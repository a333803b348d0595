"""`mutants`: what share of small faults, planted one at a time in a room of core, the tests of the room find.

A fault is one change of one expression: a comparison, an operator, a constant, a smallest for a largest, a dropped
`abs`, two neighbours exchanged. It is made in the syntax tree when the module is imported, in a process of its own
that is forked after the libraries are loaded; no file is touched. A first run without a fault notes which tests reach
which lines. A fault is then given to the tests that reach its line, those of the module's own file first and quick
ones before slow ones, and the first failure, or no end in sight, finds it.

Left alone: what only says how finely something is simulated (draws, seeds, grids, tolerances), names, words and types.
A fault that changes nothing that can be observed is *equivalent*. These are listed in `mutants_equivalent.txt` with the
reason, and are not counted. `python -m tests.benchmarks mutants --room statistics --number 200 --seed 1`
"""

import ast
import copy
import importlib
import json
import os
import random
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
from hypothesis import Phase, settings

ROOT = Path(__file__).resolve().parents[2]
EQUIVALENT = Path(__file__).with_name("mutants_equivalent.txt")
TESTS = {"verify": ("verify", "report/test_verify.py")}
"""Tests of a room other than those of the folder of its name."""
WORKERS = len(os.sched_getaffinity(0))
PATIENCE = 20.0
"""Seconds beyond thrice what the tests take without a fault: then the fault is found."""
FINENESS = re.compile(
    r"DRAWS|SEED|GRID|LEVEL|CELLS|STEPS|PROPOSALS|SLACK|EQUAL|NEWTON|CONTRASTS|STEEPEST|^(draws|seed|level)$"
)
"""Names of constants and parameters that say how finely something is computed."""
NO_FAULT = {"annotation", "returns", "decorator_list", "format_spec", "type_params"}
FINE_KEYWORDS = {
    "axis",
    "strict",
    "dtype",
    "maxsize",
    "xtol",
    "rtol",
    "atol",
    "seed",
    "draws",
    "decimals",
    "repr",
    "method",
}
TINY = 1e-4
"""Constants below are tolerances."""

COMPARISONS: dict[type, tuple[type, ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
OPERATORS: dict[type, type] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
PAIRS = (
    ("min", "max"),
    ("argmin", "argmax"),
    ("minimum", "maximum"),
    ("any", "all"),
    ("floor", "ceil"),
    ("union1d", "intersect1d"),
    ("zeros", "ones"),
    ("zeros_like", "ones_like"),
)
OTHER = {a: b for pair in PAIRS for a, b in (pair, pair[::-1])}
DROPPED = {"abs", "clip", "sqrt", "round", "sorted", "sort", "log"}
"""Calls that a fault leaves out."""
EITHER_WAY = {"array_equal", "allclose", "isclose", "hypot", "setxor1d", "intersect1d", *OTHER}
"""Calls whose first two arguments may change places."""

Slot = tuple[ast.AST, str, int | None, ast.AST]


@dataclass(frozen=True)
class Fault:
    """One change of one expression of one module."""

    module: str
    """Dotted name."""
    line: int
    where: str
    """Function that holds it; empty at the top of a module."""
    change: str
    place: tuple[int, int]
    """Number of the slot in the tree, and of the change there."""

    @property
    def key(self) -> str:
        return f"{self.module.removeprefix('core.')} {self.where or '-'}: {self.change}"


@dataclass
class Reached:
    """What a run without a fault notes."""

    seconds: dict[str, float] = field(default_factory=dict)
    lines: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    """Test -> module -> lines."""
    at_import: dict[str, list[int]] = field(default_factory=dict)
    libraries: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def run(
    room: str = "statistics", number: int | None = None, seed: int = 0, module: str | None = None
) -> dict[str, Any]:
    """Plant `number` faults (all without it) in a room, or in one module of it, and list those that no test finds."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    begun = time.perf_counter()
    modules = {path: name for path, name in sources(room).items() if module in (None, name.rpartition(".")[2])}
    if not modules:
        raise SystemExit(f"core/{room} has no module {module}")
    known = equivalent()
    faults = [fault for path, name in modules.items() for fault in planted(path, name)]
    if number is not None and number < len(faults):
        faults = sorted(random.Random(seed).sample(faults, number), key=lambda f: (f.module, f.place))
    reached = without_fault(room)
    if reached.failed:
        raise SystemExit(f"tests fail without a fault: {', '.join(reached.failed[:5])}")
    for library in reached.libraries:
        with suppress(Exception):
            importlib.import_module(library)
    survivors = survive([fault for fault in faults if fault.key not in known], reached)
    table = {}
    for name in modules.values():
        own = [fault for fault in faults if fault.module == name]
        left = [fault for fault in survivors if fault.module == name]
        same = sum(fault.key in known for fault in own)
        counted = len(own) - same
        table[name.removeprefix("core.")] = {
            "mutants": len(own),
            "equivalent": same,
            "killed": counted - len(left),
            "share": round((counted - len(left)) / counted, 3) if counted else None,
            "survivors": [f"{fault.line}: {fault.key.partition(' ')[2]}" for fault in left],
        }
    total = sum(row["mutants"] - row["equivalent"] for row in table.values())
    return {
        "room": room,
        "seed": seed,
        "mutants": len(faults),
        "equivalent": len(faults) - total,
        "killed": total - len(survivors),
        "share": round((total - len(survivors)) / total, 3) if total else None,
        "seconds": round(time.perf_counter() - begun),
        "modules": table,
    }


def sources(room: str) -> dict[Path, str]:
    """Files of a room and their dotted names."""
    folder = ROOT / "core" / room
    paths = sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]
    return {path: ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths if path.stem != "__init__"}


def tests_of(room: str) -> list[str]:
    places = [ROOT / "tests" / name for name in TESTS.get(room, (room, f"test_{room}.py"))]
    return [str(place) for place in places if place.exists()]


def equivalent() -> dict[str, str]:
    """Key of each listed fault that changes nothing, and why."""
    lines = EQUIVALENT.read_text().splitlines() if EQUIVALENT.exists() else []
    return dict(line.rsplit(" | ", 1) for line in lines if " | " in line)


# -- faults -----------------------------------------------------------------------------------------------------------


def planted(path: Path, name: str) -> Iterator[Fault]:
    """Every fault of a file."""
    for number, (slot, where) in enumerate(slots(ast.parse(path.read_text()))):
        for variant, new in enumerate(changes(slot)):
            parent, _, _, old = slot
            if ast.dump(new) == ast.dump(old):
                continue
            change = f"{ast.unparse(old)} -> {ast.unparse(new)}"
            if isinstance(parent, ast.expr | ast.keyword):
                change += f" in {ast.unparse(parent)}"
            yield Fault(name, old.lineno, where, change, (number, variant))  # type: ignore[attr-defined]


def with_fault(source: str, place: tuple[int, int]) -> ast.Module:
    """The tree of a source with one change in it."""
    tree = ast.parse(source)
    slot = next(slot for number, (slot, _) in enumerate(slots(tree)) if number == place[0])
    parent, name, index, _ = slot
    new = list(changes(slot))[place[1]]
    if index is None:
        setattr(parent, name, new)
    else:
        getattr(parent, name)[index] = new
    return ast.fix_missing_locations(tree)


def slots(parent: ast.AST, where: str = "") -> Iterator[tuple[Slot, str]]:
    """Every expression of a tree, where it hangs and the function that holds it."""
    for name, value in ast.iter_fields(parent):
        if name in NO_FAULT:
            continue
        children = value if isinstance(value, list) else [value]
        for index, child in enumerate(children):
            if not isinstance(child, ast.AST) or left_alone(parent, name, child):
                continue
            inside = where
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                inside = f"{where}.{child.name}".strip(".")
            if isinstance(child, ast.expr | ast.AugAssign):
                yield (parent, name, index if isinstance(value, list) else None, child), where
            if name == "defaults" or name == "kw_defaults":
                continue
            yield from slots(child, inside)


def left_alone(parent: ast.AST, name: str, child: ast.AST) -> bool:
    """Words, types, and how finely something is computed."""
    if isinstance(child, ast.Assign | ast.AnnAssign):
        targets = child.targets if isinstance(child, ast.Assign) else [child.target]
        targets = [one for target in targets for one in (target.elts if isinstance(target, ast.Tuple) else [target])]
        return any(isinstance(target, ast.Name) and FINENESS.search(target.id) for target in targets)
    if isinstance(child, ast.keyword):
        return child.arg in FINE_KEYWORDS
    if isinstance(parent, ast.arguments) and name == "defaults":
        names = [arg.arg for arg in (*parent.posonlyargs, *parent.args)][-len(parent.defaults) :]
        return bool(FINENESS.search(names[parent.defaults.index(child)]))  # type: ignore[arg-type]
    if isinstance(parent, ast.Call) and called(parent) == "round":
        return child in parent.args[1:]
    if isinstance(child, ast.Raise | ast.Import | ast.ImportFrom | ast.JoinedStr | ast.Assert):
        return True
    return isinstance(parent, ast.Subscript) and name == "value" and isinstance(child, ast.Name)


def changes(slot: Slot) -> Iterator[ast.AST]:
    """What may stand in the place of an expression."""
    parent, name, _, node = slot
    if isinstance(node, ast.Compare):
        for at, op in enumerate(node.ops):
            for other in COMPARISONS.get(type(op), ()):
                yield altered(node, lambda new, at=at, other=other: new.ops.__setitem__(at, other()))
    elif isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in OPERATORS and not wordy(node):
        yield altered(node, lambda new: setattr(new, "op", OPERATORS[type(new.op)]()))
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub) and is_number(node.left, 1):
            yield node.right
    elif isinstance(node, ast.BoolOp):
        other_op = ast.Or if isinstance(node.op, ast.And) else ast.And
        yield altered(node, lambda new: setattr(new, "op", other_op()))
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.Constant) and not isinstance(parent, ast.UnaryOp):
        yield from (ast.copy_location(ast.Constant(value), node) for value in constants(node.value, parent, name))
    elif isinstance(node, ast.Call):
        yield from calls(node)
    elif isinstance(node, ast.IfExp):
        yield altered(node, lambda new: (setattr(new, "body", node.orelse), setattr(new, "orelse", node.body)))
    elif isinstance(node, ast.Tuple) and name == "value" and isinstance(parent, ast.Return):
        for at in range(len(node.elts) - 1):
            yield altered(node, lambda new, at=at: exchange(new.elts, at))
    if name == "test" and isinstance(parent, ast.If) and not isinstance(node, ast.Compare | ast.UnaryOp | ast.BoolOp):
        yield ast.copy_location(ast.UnaryOp(ast.Not(), copy.deepcopy(node)), node)


def calls(node: ast.Call) -> Iterator[ast.AST]:
    function = called(node)
    if function in OTHER:
        name = "attr" if isinstance(node.func, ast.Attribute) else "id"
        yield altered(node, lambda new: setattr(new.func, name, OTHER[function]))
    if function in DROPPED and node.args and not isinstance(node.args[0], ast.Starred):
        yield node.args[0]
    for at in range(len(node.args) - 1):
        if (
            isinstance(node.args[at], ast.Name)
            and isinstance(node.args[at + 1], ast.Name)
            and function not in EITHER_WAY
        ):
            yield altered(node, lambda new, at=at: exchange(new.args, at))


def constants(value: object, parent: ast.AST, name: str) -> Iterator[object]:
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield value + 1
        if value > 0:
            yield value - 1
    elif isinstance(value, float) and value == 0:
        yield 0.5
    elif isinstance(value, float) and abs(value) >= TINY and value < 1e5:
        yield value * 2
        yield value * 10 if value < 0.1 else value / 2


def called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def altered(node: Any, change: Callable[[Any], Any]) -> Any:
    new = copy.deepcopy(node)
    change(new)
    return new


def exchange(items: list[Any], at: int) -> None:
    items[at], items[at + 1] = items[at + 1], items[at]


def is_number(node: ast.AST, value: float) -> bool:
    return isinstance(node, ast.Constant) and not isinstance(node.value, bool) and node.value == value


def wordy(node: ast.AST) -> bool:
    """Whether words, lists or tables are put together, not numbers."""
    sides = [node.left, node.right] if isinstance(node, ast.BinOp) else [getattr(node, "value", None)]
    return any(isinstance(side, ast.Dict | ast.List | ast.Tuple | ast.JoinedStr) for side in sides) or any(
        isinstance(side, ast.Constant) and isinstance(side.value, str) for side in sides
    )


# -- processes --------------------------------------------------------------------------------------------------------


class Planter(MetaPathFinder):
    """Imports one module with a fault in it."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if fullname != self.fault.module:
            return None
        file = str(ROOT.joinpath(*fullname.split(".")).with_suffix(".py"))
        return spec_from_file_location(fullname, file, loader=Faulty(fullname, file, self.fault.place))


class Faulty(SourceFileLoader):
    def __init__(self, fullname: str, path: str, place: tuple[int, int]) -> None:
        super().__init__(fullname, path)
        self.place = place

    def get_code(self, fullname: str) -> CodeType:
        return compile(with_fault(Path(self.path).read_text(), self.place), self.path, "exec")


class Chosen:
    """Runs only some tests, in an order of their own."""

    def __init__(self, tests: list[str]) -> None:
        self.place = {test: place for place, test in enumerate(tests)}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted((item for item in items if item.nodeid in self.place), key=lambda i: self.place[i.nodeid])


class Notes:
    """Notes which lines of the room each test reaches, and how long it takes."""

    def __init__(self, modules: dict[Path, str]) -> None:
        self.modules = {str(path): name for path, name in modules.items()}
        self.found = Reached()
        self.hit: dict[str, set[int]] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        # what one test left in a cache must not hide from the next one that it needs it
        for name, module in list(sys.modules.items()):
            if name.startswith("core."):
                for value in list(vars(module).values()):
                    if hasattr(value, "cache_clear"):
                        value.cache_clear()
        self.hit = {}
        begun = time.perf_counter()
        sys.settrace(self._enter)
        try:
            return (yield)
        finally:
            sys.settrace(None)
            self.found.seconds[item.nodeid] = time.perf_counter() - begun
            self.found.lines[item.nodeid] = {name: sorted(lines) for name, lines in self.hit.items()}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.found.failed.append(report.nodeid)

    def _enter(self, frame: Any, event: str, argument: Any) -> Any:
        name = self.modules.get(frame.f_code.co_filename)
        if name is None:
            return None
        lines = self.hit.setdefault(name, set())

        def step(frame: Any, event: str, argument: Any) -> Any:
            lines.add(frame.f_lineno)
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
    options = ["-q", "-x", "--no-header", "--tb=no", "-p", "no:cacheprovider", "-W", "ignore", "--capture=sys"]
    return int(pytest.main([*options, *arguments], plugins=[plugin]))


def without_fault(room: str) -> Reached:
    """Lines and seconds of every test of a room."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "reached.json"
        child = os.fork()
        if child == 0:
            notes = Notes(sources(room))
            tested(tests_of(room), notes)
            notes.found.libraries = [name for name in sys.modules if not name.startswith(("core", "tests", "test_"))]
            out.write_text(json.dumps(vars(notes.found)))
            os._exit(0)
        os.waitpid(child, 0)
        if not out.exists():
            raise SystemExit("the tests could not be run without a fault")
        return Reached(**json.loads(out.read_text()))


def choose(fault: Fault, reached: Reached) -> list[str]:
    """Tests that reach the line of a fault; where none does (it is read when the module is imported), all of them."""
    own = f"test_{fault.module.rpartition('.')[2]}"
    lines = {test: hit.get(fault.module, ()) for test, hit in reached.lines.items()}
    tests = [test for test, hit in lines.items() if fault.line in hit] or list(lines)
    return sorted(tests, key=lambda test: (own not in test, reached.seconds[test]))


def survive(faults: list[Fault], reached: Reached) -> list[Fault]:
    """Faults that no test finds."""
    left, running, survivors = list(faults), {}, []
    done, said = 0, time.monotonic()
    while left or running:
        while left and len(running) < WORKERS:
            fault = left.pop(0)
            tests = choose(fault, reached)
            limit = time.monotonic() + PATIENCE + 3 * sum(reached.seconds[test] for test in tests)
            running[start(fault, tests)] = fault, limit
        for child, (fault, limit) in list(running.items()):
            ended, status = os.waitpid(child, os.WNOHANG)
            late = time.monotonic() > limit
            if not ended and not late:
                continue
            if not ended:
                os.killpg(child, signal.SIGKILL)
                os.waitpid(child, 0)
            del running[child]
            done += 1
            if ended and os.waitstatus_to_exitcode(status) in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
                survivors.append(fault)
                print(f"survives {fault.line}: {fault.key}", file=sys.stderr, flush=True)
        if time.monotonic() - said > 20:
            said = time.monotonic()
            print(f"{done} of {len(faults)}, {len(survivors)} survive", file=sys.stderr, flush=True)
        time.sleep(0.01)
    return sorted(survivors, key=lambda fault: (fault.module, fault.place))


def start(fault: Fault, tests: list[str]) -> int:
    """A process that runs the tests with the fault; its exit code is pytest's."""
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        code = 1
        try:
            sys.meta_path.insert(0, Planter(fault))
            files = list(dict.fromkeys(test.partition("::")[0] for test in tests))
            code = tested(files, Chosen(tests)) if tests else 0
        finally:
            os._exit(code)
    with suppress(OSError):
        os.setpgid(child, child)
    return child
