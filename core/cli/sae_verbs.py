"""`sae encode`, and the group of verbs about SAEs."""

from pathlib import Path
from typing import Annotated, Any

import typer

from core.cli.app import app
from core.cli.clusters import Ray, Workers, chosen_cluster
from core.cli.output import Json, emit, progress_bar
from core.config import InputError

verbs = typer.Typer(help="Sparse autoencoders: train, judge, encode, import, export.", no_args_is_help=True)
app.add_typer(verbs, name="sae")


@verbs.command("encode")
def encode(
    folder: Annotated[str, typer.Argument(help="SAE folder or shipped name.")],
    source: Annotated[Path | None, typer.Option("--in", help="(n, d) array of raw embeddings, .npy.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Receives z (n, d_sae) and x_hat (n, d), .npz.")] = None,
    gallery: Annotated[str | None, typer.Option("--gallery", help="Write the codes into this gallery.")] = None,
    ray: Ray = None,
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Encode an array, or a gallery's embeddings into its sparse codes."""
    from core.saes.checkpoint import load_sae

    sae_file = load_sae(folder)
    if (gallery is None) == (source is None) or (source is None) != (out is None):
        raise InputError("give either --in X.npy with --out Z.npz, or --gallery DIR")
    if source is not None:
        assert out is not None
        if ray is not None or workers is not None:
            raise InputError("an array is encoded here; --ray and --workers go with --gallery DIR")
        emit(_encode_array(sae_file, source, out), as_json, lambda: iter([f"saved to {out}"]))
        return
    from core.gallery import open_gallery
    from core.neurons import encode_gallery

    target = open_gallery(str(gallery))
    with chosen_cluster(ray, workers) as cluster, progress_bar() as progress:
        codes = encode_gallery(target, sae_file, progress=progress, cluster=cluster)
    rows, neurons = codes.csr.shape
    result = {"schema": 1, "n": rows, "d_sae": neurons, "l0": codes.csr.nnz / rows}
    result["digests"] = {"gallery": target.digest, "sae": sae_file.digest}
    emit(result, as_json, lambda: iter([f"{rows:,} rows encoded, l0 {result['l0']:.1f}"]))


def _encode_array(sae_file: Any, source: Path, out: Path) -> dict[str, Any]:
    """Write z and x_hat of the array in `source` to `out`."""
    import numpy as np
    import torch

    from core.store import atomic_file, read_array

    x = read_array(source, "an (n, d) array of numbers, .npy")
    d_in = sae_file.sae.config.d_in
    if x.ndim < 2 or x.shape[-1] != d_in:
        raise InputError(f"{source} has shape {x.shape}; {sae_file.name!r} expects (n, {d_in})")
    if not np.isfinite(x).all():
        raise InputError(f"{source} holds NaN or infinite values; expected finite embeddings")
    with torch.inference_mode():
        z = sae_file.sae.encode(torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32)))
        x_hat = sae_file.sae.decode(z)
    with atomic_file(out) as partial, open(partial, "wb") as stream:
        np.savez_compressed(stream, z=z.numpy(), x_hat=x_hat.numpy())
    return {"schema": 1, "n": len(x), "d_sae": z.shape[-1], "out": str(out), "digests": {"sae": sae_file.digest}}
