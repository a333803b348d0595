"""Options of plain types without pydantic, whose import takes as long as NumPy's own."""

from collections.abc import Callable
from typing import Any, get_args, get_origin

import typer

PLAIN: dict[Any, Callable[[str], Any]] = {str: str, int: int, float: float}


class _Light:
    """Passes on what is already of its type, or absent, and reads plain texts; the rest is left to typer.

    So are texts that are no number, for typer's own words.
    """

    def __init__(self, parameter: Any, kind: Any, each: bool) -> None:
        self._parameter, self._kind, self._each = parameter, kind, each

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        if value is None:
            return () if self._each else None
        values = list(value) if self._each and isinstance(value, list | tuple) else [value]
        if all(type(one) is self._kind for one in values):
            return values if self._each else value
        try:
            return self._read(values)
        except (ValueError, TypeError, KeyError):
            self._parameter._runtime_param = None
            return self._parameter.get_runtime_param().coerce(value, param=param, ctx=ctx)

    def _read(self, values: list[Any]) -> Any:
        """Numbers of plain digits; Python's own reading also takes "1_000" and digits of other scripts."""
        if not all(isinstance(one, str) and one.isascii() and "_" not in one for one in values):
            raise ValueError
        read = [PLAIN[self._kind](one) for one in values]
        return read if self._each else read[0]


def without_pydantic(command: Any) -> Any:
    """The command, whose options of plain types without bounds are read by themselves; all others stay as they are.

    Typer asks a parameter for what turns its texts when the texts are there, and keeps that in `_runtime_param`. In
    versions that have no such place, nothing is changed.
    """
    for one in getattr(command, "commands", {}).values():
        without_pydantic(one)
    for parameter in command.get_params(typer.Context(command)):
        described = getattr(parameter, "type_descriptor", None)
        if described is None or getattr(parameter, "_runtime_param", parameter) is not None:
            continue
        each = get_origin(described.annotation) is list
        kind = get_args(described.annotation)[0] if each else described.annotation
        bounds = [getattr(described.parameter_info, name, None) for name in ("min", "max", "parser", "path_type")]
        if bounds == [None] * len(bounds):
            parameter._runtime_param = _Light(parameter, kind, each)
    return command
