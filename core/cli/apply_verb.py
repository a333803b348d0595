"""`apply`: a debiasing method on bare arrays, without gallery, model or SAE folder."""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from core.cli.app import app
from core.config import InputError
from core.store import BROKEN_ARRAY, atomic_file


@app.command("apply")
def apply(
    method: Annotated[str, typer.Argument(help="Registered intervention, for example sem-bi.")],
    source: Annotated[Path, typer.Option("--in", help="Arrays by name, .npz.")],
    out: Annotated[Path, typer.Option("--out", help="Where the result goes, .npz.")],
) -> None:
    """The method's result for the arrays of --in, as arrays of --out."""
    from core.interventions import INTERVENTIONS

    chosen = INTERVENTIONS.get(method)()
    arrays = _read(source) if chosen.array_names else {}
    try:
        found = chosen.on_arrays(arrays)
    except InputError as error:
        raise InputError(f"{source}: {error}" if arrays else str(error)) from None
    try:
        with atomic_file(out) as partial, open(partial, "wb") as file:
            np.savez(file, **found)
    except OSError as error:
        raise InputError(f"--out {out} cannot be written ({error.strerror}); choose another path") from None


def _read(path: Path) -> dict[str, np.ndarray]:
    """Every array of an .npz file; InputError naming the file where it is something else."""
    expected = "an .npz file of named arrays"
    try:
        with np.load(path, allow_pickle=False) as loaded:
            if not hasattr(loaded, "files"):
                raise ValueError("it holds one array without a name")
            return {name: loaded[name] for name in loaded.files}
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; expected {expected}") from None
    except (AttributeError, TypeError):
        raise InputError(f"{path} holds one array without a name; expected {expected}") from None
    except BROKEN_ARRAY as error:
        reason = " ".join(str(getattr(error, "strerror", None) or error).split())
        raise InputError(f"{path} cannot be read ({reason}); expected {expected}") from None
