"""`sae import`, `sae export`: SAEs of other projects in and out."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from core.cli.output import Json, emit
from core.cli.sae_verbs import verbs
from core.config import ATTACHES, SIDES, Fingerprint, InputError, one_of


@verbs.command("import")
def import_sae(
    source: Annotated[Path, typer.Argument(help="File or folder of another project, recognised by its contents.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the new SAE.")],
    form: Annotated[str, typer.Option("--format", help="auto, or the name of a format.")] = "auto",
    arch: Annotated[str | None, typer.Option("--arch", help="For a bare ae.pt: topk or batch-topk.")] = None,
    model: Annotated[str | None, typer.Option("--model-name", help="Model whose embeddings it reads.")] = None,
    side: Annotated[str | None, typer.Option("--side", help="image or text.")] = None,
    attach: Annotated[str | None, typer.Option("--attach", help="pooled or residual.")] = None,
    normalised: Annotated[str | None, typer.Option("--normalised", help="yes or no: rows of length 1.")] = None,
    as_json: Json = False,
) -> None:
    """Turn an SAE of another project into a folder of ours."""
    from core.saes.bringing import bring_sae, told_fingerprint

    for value, allowed, option in (
        (side, SIDES, "--side"),
        (attach, ATTACHES, "--attach"),
        (normalised, ("yes", "no"), "--normalised"),
        (arch, ("topk", "batch-topk", "relu"), "--arch"),
    ):
        if value is not None:
            one_of(value, allowed, option)
    if not source.exists():
        raise InputError(f"{source} does not exist; give the file or folder of an SAE")
    if out.exists():
        raise InputError(f"--out {out} exists already; choose another folder")
    given = {"model": model, "side": side, "attach": attach, "normalised": normalised}
    made = bring_sae(source, out, form, arch, given)
    fingerprint = told_fingerprint(given, made.sae.config.d_in)
    for name in made.training.get("unread", []):
        print(
            f"warning: the setting {name!r} beside the weights is not known here; see that it changes no code",
            file=sys.stderr,
        )
    unknown = [name for name, value in given.items() if value is None]
    for line in _warnings(unknown, fingerprint):
        print(f"warning: {line}", file=sys.stderr)
    config = made.sae.config
    result = {
        "schema": 1,
        "format": made.training["format"],
        "arch": config.arch,
        "d_in": config.d_in,
        "d_sae": config.d_sae,
        "k": config.k,
        "unknown": unknown,
        "out": str(out),
        "digests": {"sae": made.digest},
    }
    emit(result, as_json, lambda: _import_lines(result))


@verbs.command("export")
def export(
    folder: Annotated[str, typer.Argument(help="SAE folder or shipped name.")],
    form: Annotated[str, typer.Option("--format", help="dictionary-learning, sem, msae or saelens.")],
    out: Annotated[Path, typer.Option("--out", help="New folder; ending in .pt or .pth: the weights file alone.")],
    as_json: Json = False,
) -> None:
    """Write an SAE in the format of another project."""
    from core.saes.checkpoint import load_sae
    from core.saes.exchange import export_sae

    file = load_sae(folder)
    written = export_sae(file.sae, form, out)
    files = [str(path) for path in written]
    result = {
        "schema": 1,
        "format": form,
        "files": files,
        "out": str(out),
        "digests": {"sae": file.digest},
    }
    emit(result, as_json, lambda: iter([f"saved {', '.join(files)}"]))


def _warnings(unknown: list[str], fingerprint: Fingerprint | None) -> Iterator[str]:
    """What cannot be checked when the SAE is used, in words."""
    if unknown:
        yield f"unknown: {', '.join(unknown)}; whether embeddings fit this SAE cannot be checked in that"
    if fingerprint is None:
        yield "only the number of columns will be compared; give --side and --attach to have more compared"


def _import_lines(result: dict[str, Any]) -> Iterator[str]:
    yield f"{result['format']}: {result['arch']}, {result['d_in']} columns, {result['d_sae']:,} neurons"
    yield f"saved to {result['out']}, digest {result['digests']['sae'][:16]}"
