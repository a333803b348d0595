"""Rooms whose names are loaded when somebody asks for them: a door that is passed by costs nothing."""

import ast
import importlib
import sys
from collections.abc import Callable
from typing import Any


def on_demand(room: str) -> Callable[[str], Any]:
    """What a package's `__getattr__` is (PEP 562) where its names are imported under `if TYPE_CHECKING:` alone.

    The names stand once, as imports that readers, type checkers and the tests of layers understand; at run time the
    module behind a name is imported when the name is first used, and the name is then as if it had been imported.

    A name must not be that of a module of the room: importing that module would put the module in its place.

    Parameters
    ----------
    room : dotted name of the package (its `__name__`).
    """
    sources: dict[str, tuple[str, str]] = {}

    def load(name: str) -> Any:
        if not sources:
            sources.update(_behind(room))
        if name not in sources:
            raise AttributeError(f"module {room!r} has no attribute {name!r}")
        module, own = sources[name]
        value = getattr(importlib.import_module(module), own)
        setattr(sys.modules[room], name, value)
        return value

    return load


def _behind(room: str) -> dict[str, tuple[str, str]]:
    """(module, name there) of every name that the package imports under `if TYPE_CHECKING:`."""
    loader = getattr(sys.modules[room].__spec__, "loader", None)
    source = loader.get_source(room) if loader is not None else None
    return {
        alias.asname or alias.name: (str(node.module), alias.name)
        for block in ast.parse(source or "").body
        if isinstance(block, ast.If) and isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING"
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
