"""Small faults of a module: where they can be planted, what they change, and the syntax tree with one in it.

A fault is one change of one expression: a comparison, an operator, a constant, a smallest for a largest, a dropped
`abs`, two neighbours exchanged. Left alone: what only says how finely something is simulated or how much is worked on
at a time (draws, seeds, grids, tolerances, blocks), names, words and types.
"""

import ast
import copy
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FINENESS = re.compile(
    r"DRAWS|SEED|GRID|LEVEL|CELLS|STEPS|PROPOSALS|SLACK|EQUAL|NEWTON|CONTRASTS|STEEPEST|BLOCK|TREES|_BYTES|ROUNDING"
    r"|LEADERS|THREADS|WITNESSES|KEEPS|PRICES|ROUNDS|^(draws|seed|level)$"
)
"""Names of constants and parameters that say how finely something is computed."""
NO_FAULT = {"annotation", "returns", "decorator_list", "format_spec", "type_params"}
FINE_KEYWORDS = {
    "axis",
    "copy",
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
    around: tuple[int, int] = (0, 0)
    """First and last line of the function that holds it."""

    @property
    def key(self) -> str:
        return f"{self.module.removeprefix('core.')} {self.where or '-'}: {self.change}"


def planted(path: Path, name: str) -> Iterator[Fault]:
    """Every fault of a file."""
    tree = ast.parse(path.read_text())
    spans = dict(functions(tree))
    for number, (slot, where) in enumerate(slots(tree)):
        for variant, new in enumerate(changes(slot)):
            parent, _, _, old = slot
            if ast.dump(new) == ast.dump(old):
                continue
            change = f"{ast.unparse(old)} -> {ast.unparse(new)}"
            if isinstance(parent, ast.expr | ast.keyword):
                change += f" in {ast.unparse(parent)}"
            yield Fault(name, old.lineno, where, change, (number, variant), spans.get(where, (0, 0)))  # type: ignore[attr-defined]


def functions(parent: ast.AST, where: str = "") -> Iterator[tuple[str, tuple[int, int]]]:
    """Name and lines of every function of a tree."""
    for child in ast.iter_child_nodes(parent):
        named = isinstance(child, ast.FunctionDef | ast.ClassDef)
        inside = f"{where}.{child.name}".strip(".") if named else where  # type: ignore[attr-defined]
        if isinstance(child, ast.FunctionDef):
            yield inside, (child.lineno, child.end_lineno or child.lineno)
        yield from functions(child, inside)


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
    if isinstance(parent, ast.Call) and called(parent) == "default_rng":
        return True
    if wording(child) or (isinstance(child, ast.Name) and child.id == "TYPE_CHECKING"):
        return True
    if isinstance(child, ast.Raise | ast.Import | ast.ImportFrom | ast.JoinedStr | ast.Assert):
        return True
    return isinstance(parent, ast.Subscript) and name == "value" and isinstance(child, ast.Name)


def wording(node: ast.AST) -> bool:
    """Whether words are put together: joined, or said where there are none."""
    if isinstance(node, ast.BoolOp):
        return any(isinstance(value, ast.Constant) and isinstance(value.value, str) for value in node.values)
    return isinstance(node, ast.Call) and called(node) == "join"


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
