"""The house in numbers: long files, long parameter lists, import circles, and the trip of one query.

The trip is what really runs: `rank` of one prompt on the default gallery with a switched neuron, twice, the second one
looked at. Listed are the functions of core that are given the question or what has been made of it (request, queries,
items, lists), in the order in which they are entered; what these do by themselves (a method without such a thing among
its parameters) is no stop, nor is what remembers results. A stay is an unbroken run of stops in one module, a return is
a stay in a module that had been left.
"""

import ast
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LONG_FILE, MANY = 400, 6
"""Lines of a file, and parameters of a function, above which it is listed."""


def run() -> dict[str, Any]:
    """Every number, with what is behind it."""
    files = {path.relative_to(ROOT).as_posix(): path.read_text() for path in sorted((ROOT / "core").rglob("*.py"))}
    functions = [one for name, text in files.items() for one in _functions(name, text)]
    many = sorted((one for one in functions if one[1] > MANY), key=lambda one: (-one[1], one[0]))
    return {
        "files": len(files),
        "longest_files": {name: n for name, text in files.items() if (n := len(text.splitlines())) > LONG_FILE},
        "functions": len(functions),
        "median_function_lines": statistics.median(lines for _, _, lines in functions),
        "longest_parameter_list": max((one[1] for one in functions), default=0),
        "more_than_six_parameters": {name: count for name, count, _ in many},
        "import_circles": _circles(),
        "trip": trip(),
    }


def _functions(name: str, text: str) -> Iterator[tuple[str, int, int]]:
    """Name, parameters (self and cls aside) and lines of every function, command line verbs aside."""
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or _is_verb(node):
            continue
        given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        count = len([one for one in given if one.arg not in ("self", "cls")])
        yield f"{name}:{node.name}", count, (node.end_lineno or node.lineno) - node.lineno + 1


def _is_verb(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether typer makes the function's parameters options."""
    return any("command" in ast.unparse(one) for one in node.decorator_list)


def _circles() -> list[list[str]]:
    from tests.test_layers import circles, module_graph

    return [sorted(one) for one in circles(module_graph())]


def trip() -> dict[str, Any]:
    """Stays, rooms and returns of one query, and the functions in order."""
    from core.config import Edit
    from core.ranking import ArmResult, RankRequest, RankResult, rank
    from core.ranking.items import Items
    from core.ranking.queries import Queries
    from core.retrieval import Ranking
    from core.scene import open_scene

    request = RankRequest("gender", "a photo of a doctor", k=50, edits={"image": Edit((0,))})
    rank(open_scene("default", ["default-image"], [str(request.query)]), request)
    scene = open_scene("default", ["default-image"], [str(request.query)])
    carried = (RankRequest, Queries, Items, Ranking, ArmResult, RankResult)
    entered: list[tuple[str, str]] = []

    def watch(frame: FrameType, event: str, _: Any) -> None:
        module = frame.f_globals.get("__name__", "")
        if event != "call" or not module.startswith("core.") or module == "core.memo":
            return
        code = frame.f_code
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        given = [frame.f_locals.get(name) for name in names if name != "self"]
        if any(isinstance(one, carried) for one in given) and not code.co_name.startswith(("<", "__")):
            entered.append((module, code.co_name))

    sys.setprofile(watch)
    try:
        rank(scene, request)
    finally:
        sys.setprofile(None)
    stays: list[tuple[str, list[str]]] = []
    for module, name in entered:
        if not stays or stays[-1][0] != module:
            stays.append((module, []))
        if name not in stays[-1][1]:
            stays[-1][1].append(name)
    rooms = list(dict.fromkeys(module for module, _ in stays))
    return {
        "rooms": len(rooms),
        "returns": len(stays) - len(rooms),
        "folders": len({module.split(".")[1] for module in rooms}),
        "stays": [f"{module}: {', '.join(names)}" for module, names in stays],
    }
