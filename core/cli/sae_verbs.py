"""`sae train`, `sae encode`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from core.cli.app import app
from core.cli.output import Json, emit, progress_bar
from core.config import ATTACHES, HALVES, SIDES, InputError, SAEConfig, TrainingConfig, one_of, suggested_training
from core.gallery import open_gallery
from core.store import atomic_file, read_array

verbs = typer.Typer(help="Sparse autoencoders: train one, encode with one.", no_args_is_help=True)
app.add_typer(verbs, name="sae")


@verbs.command("train")
def train(
    gallery: Annotated[str, typer.Option("--gallery", help="Gallery folder or shipped name.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the new SAE.")],
    side: Annotated[str | None, typer.Option("--side", help="image or text; the gallery's own by default.")] = None,
    attach: Annotated[str, typer.Option("--attach", help="pooled or residual.")] = "pooled",
    arch: Annotated[str, typer.Option("--arch", help="Architecture.")] = "matryoshka-batch-topk",
    d_sae: Annotated[int | None, typer.Option("--d-sae", help="Neurons; by the gallery's size.")] = None,
    k: Annotated[int | None, typer.Option("--k", help="Active neurons a row.")] = None,
    steps: Annotated[int | None, typer.Option("--steps")] = None,
    batch: Annotated[int | None, typer.Option("--batch")] = None,
    lr: Annotated[float | None, typer.Option("--lr", help="Peak learning rate.")] = None,
    seed: Annotated[int, typer.Option("--seed")] = 0,
    half: Annotated[str, typer.Option("--half", help="all, probe or evaluation rows to train on.")] = "all",
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted training.")] = False,
    device: Annotated[str | None, typer.Option("--device")] = None,
    as_json: Json = False,
) -> None:
    """Train an SAE on a gallery's embeddings."""
    from core.backbones.base import default_device
    from core.training import train_on_gallery

    one_of(attach, ATTACHES, "--attach")
    one_of(half, HALVES, "--half")
    source = open_gallery(gallery)
    if side is not None:
        one_of(side, SIDES, "--side")
        if side != source.side:
            raise InputError(f"--side was {side}, but {source.name} holds {source.kind}; leave --side out")
    d_in = source.embeddings(attach).shape[1]
    plan = suggested_training(source.n, d_in)
    given = {"d_sae": d_sae, "k": k, "steps": steps, "batch": batch}
    plan |= {name: value for name, value in given.items() if value is not None}
    config = SAEConfig(arch=arch, d_in=d_in, d_sae=plan["d_sae"], k=plan["k"])
    training = TrainingConfig(steps=plan["steps"], batch=plan["batch"], lr=lr, seed=seed)
    with progress_bar() as progress:
        made = train_on_gallery(
            source, attach, half, config, training, out, progress, resume, device=device or default_device()
        )
    result = {
        "schema": 1,
        **{key: made.quality.get(key) for key in ("fvu", "l0", "dead_fraction")},
        "steps": training.steps,
        "samples_per_second": made.training.get("samples_per_second"),
        "out": str(out),
        "digests": {"gallery": source.digest, "sae": made.digest},
    }
    emit(result, as_json, lambda: _quality_lines(result))


def _quality_lines(result: dict[str, Any]) -> Iterator[str]:
    fvu = "undefined (all rows are equal)" if result["fvu"] is None else f"{result['fvu']:.4f}"
    yield f"fvu {fvu} (0 is perfect, 1 no better than the mean), l0 {result['l0']:.1f} neurons a row"
    yield f"dead {result['dead_fraction']:.0%} of the neurons, {result['steps']:,} steps"
    yield f"saved to {result['out']}, digest {result['digests']['sae'][:16]}"


@verbs.command("encode")
def encode(
    folder: Annotated[str, typer.Argument(help="SAE folder or shipped name.")],
    source: Annotated[Path | None, typer.Option("--in", help="(n, d) array of raw embeddings, .npy.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Receives z (n, d_sae) and x_hat (n, d), .npz.")] = None,
    gallery: Annotated[str | None, typer.Option("--gallery", help="Write the codes into this gallery.")] = None,
    as_json: Json = False,
) -> None:
    """Encode an array, or a gallery's embeddings into its sparse codes."""
    from core.saes.checkpoint import load_sae

    sae_file = load_sae(folder)
    if (gallery is None) == (source is None) or (source is None) != (out is None):
        raise InputError("give either --in X.npy with --out Z.npz, or --gallery DIR")
    if source is not None:
        assert out is not None
        emit(_encode_array(sae_file, source, out), as_json, lambda: iter([f"saved to {out}"]))
        return
    from core.neurons import encode_gallery

    target = open_gallery(str(gallery))
    with progress_bar() as progress:
        codes = encode_gallery(target, sae_file, progress=progress)
    rows, neurons = codes.csr.shape
    result = {"schema": 1, "n": rows, "d_sae": neurons, "l0": codes.csr.nnz / rows}
    result["digests"] = {"gallery": target.digest, "sae": sae_file.digest}
    emit(result, as_json, lambda: iter([f"{rows:,} rows encoded, l0 {result['l0']:.1f}"]))


def _encode_array(sae_file: Any, source: Path, out: Path) -> dict[str, Any]:
    """Write z and x_hat of the array in `source` to `out`."""
    import torch

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
