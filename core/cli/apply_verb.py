"""`apply`: a debiasing method on bare arrays, without gallery, model or SAE folder."""

from pathlib import Path
from typing import Annotated

import typer

from core.cli.app import app
from core.config import InputError, about


@app.command("apply")
def apply(
    method: Annotated[str, typer.Argument(help="Registered intervention, for example sem-bi.")],
    source: Annotated[Path, typer.Option("--in", help="Arrays by name, .npz.")],
    out: Annotated[Path, typer.Option("--out", help="Where the result goes, .npz.")],
) -> None:
    """The method's result for the arrays of --in, as arrays of --out."""
    from core.interventions import INTERVENTIONS
    from core.lvlm.clamping import CLAMP, sae_clamp
    from core.store import atomic_file, read_named_arrays, write_arrays

    chosen = None if method == CLAMP else INTERVENTIONS.get(method)()
    reads = chosen is None or bool(chosen.array_names)
    arrays = read_named_arrays(source) if reads else {}
    with about(*([source] if reads else [])):
        found = sae_clamp(arrays) if chosen is None else chosen.on_arrays(arrays)
    try:
        with atomic_file(out) as partial, open(partial, "wb") as file:
            write_arrays(file, found)
    except OSError as error:
        raise InputError(f"--out {out} cannot be written ({error.strerror}); choose another path") from None
