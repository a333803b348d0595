"""`heads`: the attention heads of the picture model that make a query score a group higher."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from core.cli import editing
from core.cli.app import app
from core.cli.output import Json, emit, estimate_text, progress_bar
from core.config import InputError
from core.gallery import parse_where


@app.command("heads")
def heads(
    gallery: editing.GalleryName,
    query: Annotated[str, typer.Option("--query", help="The prompt.")],
    attribute: Annotated[str, typer.Option("--attribute", help="Attribute column.")],
    top: Annotated[int, typer.Option("--top", help="Heads that are listed as text.")] = 20,
    where: editing.Where = None,
    model: editing.Model = None,
    pretrained: editing.Pretrained = None,
    as_json: Json = False,
) -> None:
    """Each head's part of the score gap of a group, on the probe half, and those that head-ablation silences.

    For galleries that keep pictures and were embedded by a vision transformer that pools one token.
    """
    from core.edits.heads import which_heads
    from core.gallery import open_gallery
    from core.ranking import RankRequest
    from core.scene import Scene
    from core.scene.encoders import gallery_model

    if top < 1:
        raise InputError(f"--top was {top}; expected a whole number of at least 1")
    source = open_gallery(gallery)
    scene = Scene(source, model=gallery_model(source, model, pretrained))
    request = RankRequest(query=query, attribute=attribute, where=parse_where(where or []))
    with progress_bar() as progress:
        document = which_heads(scene, request, progress).to_json()
    emit(document, as_json, lambda: _lines(document, top))


def _lines(document: dict[str, Any], top: int) -> Iterator[str]:
    yield f"{document['query']!r} is nearer to {document['group']}, {document['half']} half, n = {document['n']:,}"
    yield f"gap of mean scores: {estimate_text(document['gap'], 5)}"
    for one in document["heads"][:top]:
        share = "no gap to share" if one["share_of_gap"] is None else f"{one['share_of_gap']:.1%} of the gap"
        silenced = "; head-ablation silences it" if one["silenced"] else ""
        yield f"  layer {one['layer']}, head {one['head']}: {estimate_text(one['contribution'], 5)}, {share}{silenced}"
    yield f"no head explains (MLPs, direct path): {estimate_text(document['rest'], 5)}"
