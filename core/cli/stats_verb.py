"""`stats`: the audit's own inference on bare arrays."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from core.cli.app import app
from core.cli.output import Json, emit
from core.config import InputError

SCHEMA = 2


@app.command("stats")
def stats(
    name: Annotated[str, typer.Argument(help="lean, paired, auc, accuracy-gap, leakage or impact.")],
    source: Annotated[Path, typer.Option("--in", help="Arrays by name, .npz; a leading axis repeats.")],
    as_json: Json = False,
) -> None:
    """Estimates with their intervals, and p, of bare arrays: what an audit would say of them."""
    from core.ranking.bare_arrays import infer
    from core.store import read_named_arrays

    arrays = read_named_arrays(source)
    try:
        found = infer(name, arrays)
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    emit({"schema": SCHEMA, "name": name, **found}, as_json, lambda: _lines(found))


def _lines(found: dict[str, Any], head: str = "") -> Iterator[str]:
    for key, value in found.items():
        if key == "results":
            for i, one in enumerate(value, 1):
                yield from _lines(one, f"{i}: ")
        else:
            yield f"{head}{key}: {value}"
