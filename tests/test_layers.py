"""The house stands: imports run downwards, streamlit stays in the views, heavy libraries have one door, thin pages."""

import ast
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FLOORS = [
    {"config", "rooms"},
    {"access"},
    {"reading", "writing"},
    {"databases", "heavy", "registry", "store", "readout", "cluster", "verdicts", "memo", "units", "tables", "threads"},
    {"datasets", "backbones", "saes", "metrics", "prompts", "statistics", "retrieval", "projection", "figures"}
    | {"portable", "stores", "engines"},
    {"gallery", "labelling"},
    {"team"},
    {"training"},
    {"neurons"},
    {"interventions"},
    {"zeroshot"},
    {"avatars", "scene"},
    {"ranking"},
    {"edits"},
    {"home"},
    {"notebook"},
    {"lvlm"},
    {"audit"},
    {"benchmark", "studies"},
    {"report"},
    {"verify"},
    {"jobs"},
    {"ui", "cli"},
]
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
ONE_MODULE = {
    "cryptography": "core/report/signing.py",
    "fairlearn": "core/zeroshot/parity.py",
    "huey": "core/jobs/bell.py",
    "matplotlib": "core/figures.py",
    "open_clip": "core/backbones/open_clip_models.py",
    "prometheus_client": "core/team/metrics.py",
    "ray": "core/cluster.py",
    "umap": "core/projection/places.py",
}
UI_BELOW_THE_PAGES = ("session", "parts")
"""Rooms of core/ui that every page's room may use, from below; session remembers, parts draw what is remembered."""
FEW_DOORS = {
    "faiss": ("core/retrieval/nearest.py", "core/stores/faiss_index.py"),
    "sqlalchemy": (
        "core/databases.py",
        "core/labelling/log.py",
        "core/jobs/asking.py",
        "core/jobs/opening.py",
        "core/jobs/rows.py",
        "core/jobs/store.py",
        "core/team/backup.py",
        "core/team/record.py",
    ),
    "transformers": ("core/backbones/hugging_face.py", "core/lvlm/library.py"),
}
"""Models of pictures and texts side by side, and models that answer, share nothing but the library; searching here and
reading an index that people have do neither. What several processes write is opened in one place and has its tables
in its own."""
PAGE_LINES = 120


def sources() -> list[Path]:
    return [ROOT / "app.py", *sorted((ROOT / "pages").rglob("*.py")), *sorted((ROOT / "core").rglob("*.py"))]


@cache
def imported(path: Path) -> tuple[frozenset[str], frozenset[str]]:
    """Dotted names that a file imports, at any depth, and what they are imported from."""
    names: set[str] = set()
    rooms: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; name the room"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
            rooms.add(str(node.module))
    return frozenset(names), frozenset(rooms)


def imports(path: Path) -> frozenset[str]:
    """Every dotted name of a file's imports."""
    names, rooms = imported(path)
    return names | rooms


def room(path: Path) -> str | None:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[1] if parts[0] == "core" and len(parts) > 1 and not parts[1].startswith("__") else None


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", sources(), ids=named)
def test_imports_run_downwards(path: Path) -> None:
    here = room(path)
    if here is None:
        return
    assert here in FLOOR, f"core/{here} has no floor: give it one in FLOORS"
    for name in imports(path):
        parts = name.split(".")
        if parts[0] in {"pages", "app", "tests"}:
            pytest.fail(f"{named(path)} imports {name}: core never looks up to the pages")
        if parts[0] == "core" and len(parts) > 1 and parts[1] in FLOOR and parts[1] != here:
            assert FLOOR[parts[1]] < FLOOR[here], f"{named(path)} imports {name}, which is not below it"


@pytest.mark.parametrize("path", sorted((ROOT / "core" / "ui").rglob("*.py")), ids=named)
def test_the_pages_rooms_know_what_is_below_them_and_not_one_another(path: Path) -> None:
    *_, here = path.relative_to(ROOT / "core").parent.parts
    known = {room.name for room in (ROOT / "core" / "ui").iterdir() if (room / "__init__.py").is_file()}
    order = [*UI_BELOW_THE_PAGES, here]
    below = set() if here == "ui" else set(order[: order.index(here)])
    for name in imports(path):
        parts = name.split(".")
        if parts[:2] == ["core", "ui"] and len(parts) > 2 and parts[2] != here:
            assert parts[2] in known, f"{named(path)} imports {name}: every module of core/ui stands in a room"
            assert parts[2] in below, f"{named(path)} imports {name}, which is not below core/ui/{here}"


def dotted(path: Path) -> str:
    """Name of a module; a room's own is that of its folder."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def circles(graph: Mapping[str, set[str]]) -> set[frozenset[str]]:
    """The groups of nodes that reach one another, however long the way."""
    reached = {node: set(nodes) for node, nodes in graph.items()}
    changed = True
    while changed:
        changed = False
        for nodes in reached.values():
            more = set().union(*(reached[node] for node in nodes)) - nodes
            nodes |= more
            changed |= bool(more)
    return {frozenset(one for one in reached[node] if node in reached[one]) for node in graph if node in reached[node]}


def test_circles_are_found() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set(), "e": {"f", "a"}, "f": {"e"}, "g": {"e", "c"}}
    assert circles(graph) == {frozenset("bc"), frozenset("ef")}


def module_graph() -> dict[str, set[str]]:
    """Modules of core that each of them imports, at any depth, for types too."""
    modules = {dotted(path): path for path in sources() if path.is_relative_to(ROOT / "core")}
    graph = {}
    for module, path in modules.items():
        names = {name if name in modules else name.rpartition(".")[0] for name in imported(path)[0]}
        graph[module] = (names & modules.keys()) - {module}
    return graph


def test_no_modules_import_one_another() -> None:
    """Two modules that need each other are one, or lack a third below both."""
    assert circles(module_graph()) == set()


@pytest.mark.parametrize("path", sources(), ids=named)
def test_streamlit_stays_in_the_views(path: Path) -> None:
    if room(path) in {None, "ui"} and path.name != "__main__.py":
        return
    assert not any(name.split(".")[0] == "streamlit" for name in imports(path))


@pytest.mark.parametrize("path", sources(), ids=named)
def test_heavy_libraries_live_in_one_module(path: Path) -> None:
    for name in imports(path):
        owner = ONE_MODULE.get(name.split(".")[0])
        assert owner in {None, named(path)}, f"{named(path)} imports {name}; only {owner} may"
        doors = FEW_DOORS.get(name.split(".")[0])
        assert doors is None or named(path) in doors, f"{named(path)} imports {name}; only {' and '.join(doors)} may"


@pytest.mark.parametrize("path", sorted((ROOT / "core" / "verify").rglob("*.py")), ids=named)
def test_the_second_author_copies_from_nobody(path: Path) -> None:
    """verify has a wrong formula to find: it takes none from where numbers are computed."""
    for name in imports(path):
        start = ".".join(name.split(".")[:2])
        assert start not in {"core.metrics", "core.statistics"}, f"{named(path)} imports {name}"
        assert start != "core.zeroshot" and not name.startswith(("core.audit.numbers", "core.audit.findings")), name
        # embeddings after a method come from the method; one module fetches them
        assert start != "core.ranking" or named(path) == "core/verify/carried.py", f"{named(path)} imports {name}"
        if path.parent.name == "own" and start.startswith("core"):
            alone = name == "core.config" or name.startswith(("core.config.", "core.verify.own"))
            assert alone, f"{named(path)} imports {name}: the second author stands alone"


@pytest.mark.parametrize("path", sorted((ROOT / "pages").glob("*.py")), ids=named)
def test_pages_are_thin(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= PAGE_LINES
    assert not imports(path) & {"numpy", "pandas", "torch", "scipy"}
    assert "session_state" not in text


MANY = 6


def test_many_parameters_have_a_reason() -> None:
    """What always travels together is one object (core.scene); a function that still takes many says why."""
    silent = []
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(), str(path))):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            is_verb = any("command" in ast.unparse(one) for one in node.decorator_list)
            given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            many = len([one for one in given if one.arg not in ("self", "cls")]) > MANY
            if many and not is_verb and "Many parameters: " not in (ast.get_docstring(node) or ""):
                silent.append(f"{named(path)}: {node.name}")
    assert not silent
