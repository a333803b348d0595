"""Rooms that load their names on demand: every name is there, and none hides behind a module."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from tests.slow import SECONDS

ROOT = Path(__file__).resolve().parent.parent
ROOMS = sorted(
    ".".join(path.relative_to(ROOT).parent.parts)
    for path in (ROOT / "core").rglob("__init__.py")
    if "on_demand(__name__)" in path.read_text()
)


def test_there_are_such_rooms() -> None:
    assert {"core.gallery", "core.tables", "core.retrieval"} <= set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_every_name_is_there_and_is_what_its_module_calls_so(room: str) -> None:
    package = importlib.import_module(room)
    tree = ast.parse(Path(str(package.__file__)).read_text())
    named = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith(f"{room}.")
        for alias in node.names
    }
    assert set(package.__all__) == set(named)
    for name, module in named.items():
        assert getattr(package, name) is getattr(importlib.import_module(str(module)), name)


@pytest.mark.parametrize("room", ROOMS)
def test_no_name_is_that_of_a_module(room: str) -> None:
    """Else importing the module would put it in the name's place."""
    package = importlib.import_module(room)
    folder = Path(str(package.__file__)).parent
    assert not set(package.__all__) & ({path.stem for path in folder.glob("*.py")} | {p.name for p in folder.iterdir()})


@pytest.mark.parametrize("room", ROOMS)
def test_the_door_itself_imports_nothing(room: str) -> None:
    code = f"import sys, {room}; print([name for name in sys.modules if name.startswith('{room}.')])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_what_is_not_there_is_said_as_of_any_module() -> None:
    with pytest.raises(ImportError, match="cannot import name 'nothing'"):
        exec("from core.gallery import nothing")
    with pytest.raises(AttributeError, match=r"module 'core.gallery' has no attribute 'nothing'"):
        importlib.import_module("core.gallery").nothing  # noqa: B018


def test_every_file_that_is_called_slow_is_there() -> None:
    assert [name for name in SECONDS if not (Path(__file__).parent / f"{name}.py").is_file()] == []
