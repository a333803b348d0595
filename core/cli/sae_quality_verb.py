"""`sae quality`: how good SAEs are on a gallery, side by side."""

import math
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from core.cli.output import Json, emit, estimate_text, progress_bar
from core.cli.sae_verbs import verbs
from core.config import HALVES, one_of
from core.verdicts import NOT_COMPUTED


@verbs.command("quality")
def quality(
    folders: Annotated[list[str], typer.Argument(help="SAE folders or shipped names; several are compared.")],
    gallery: Annotated[str, typer.Option("--gallery", help="Gallery folder or shipped name.")],
    half: Annotated[str, typer.Option("--half", help="all, probe or evaluation rows.")] = "all",
    reference: Annotated[
        str | None, typer.Option("--reference", help="Gallery of the same items, embedded by another model.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Reconstruction, sparsity, firing rates, monosemanticity, similarity gaps, and a verdict in words."""
    from core.gallery import open_gallery
    from core.neurons.sae_quality import quality_report
    from core.saes.checkpoint import load_sae

    half = one_of(half, HALVES, "--half")
    source = open_gallery(gallery)
    against = None if reference is None else open_gallery(reference)
    files = [load_sae(folder) for folder in folders]
    with progress_bar() as progress:
        found = [quality_report(source, file, half, against, progress).to_json() for file in files]
    document = {
        "schema": 1,
        "gallery": source.name,
        "half": half,
        "n": found[0]["n"],
        "saes": found,
        "digests": {"gallery": source.digest},
    }
    emit(document, as_json, lambda: _lines(document))


def _lines(document: dict[str, Any]) -> Iterator[str]:
    yield f"{document['gallery']}, {document['half']} rows, n = {document['n']:,}"
    for one in document["saes"]:
        ms = one["monosemanticity"]
        fvu = NOT_COMPUTED if one["fvu"] is None else f"{one['fvu']:.4f}"
        yield f"{one['sae']}: {one['arch']}, {one['d_sae']:,} neurons, k = {one['k']}"
        yield f"  fvu {fvu}, l0 {one['l0']:.1f}, dead {one['dead_fraction']:.1%}"
        if math.isnan(ms["median"]):
            yield f"  monosemanticity: {NOT_COMPUTED}: no neuron tells two items from the others"
        else:
            yield (
                f"  monosemanticity: median {ms['median']:.3f} over {ms['n']:,} neurons, random pairs "
                f"{ms['random_pairs']:.3f} ({ms['reference']})"
            )
        for gap in one["similarity_gap"]:
            before, after = (estimate_text(gap[space]["gap"]) for space in ("before", "after"))
            yield f"  pairs that share {gap['attribute']} ({gap['shared_pairs']:,}): closer by {before}; codes {after}"
        for line in one["verdict"]:
            yield f"  {line}"
