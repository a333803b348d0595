"""`attribute`: the neurons that make a query score a group higher, and the smallest edit that ends it."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any

import typer

from core.cli import editing
from core.cli.app import app
from core.cli.editing import target_of
from core.cli.output import Json, emit, estimate_text, progress_bar
from core.config import HALVES, InputError, one_of
from core.gallery import parse_where
from core.verdicts import list_line


@app.command("attribute")
def attribute(
    gallery: editing.GalleryName,
    sae: Annotated[str, typer.Option("--sae", help="SAE of the gallery's side.")],
    query: Annotated[str, typer.Option("--query", help="The prompt.")],
    attribute: Annotated[str, typer.Option("--attribute", help="Attribute column.")],
    k: Annotated[int, typer.Option("--k", help="How many are retrieved.")] = 100,
    target: editing.Target = "gallery",
    top: Annotated[int, typer.Option("--top", help="Neurons that are listed.")] = 20,
    target_skew: Annotated[
        float | None, typer.Option("--target-skew", help="Finds the smallest edit under it.")
    ] = None,
    size: Annotated[int, typer.Option("--size", help="Most neurons of that edit.")] = 16,
    half: Annotated[
        str, typer.Option("--half", help="all, probe or evaluation: the rows that are explained.")
    ] = "probe",
    where: editing.Where = None,
    model: editing.Model = None,
    pretrained: editing.Pretrained = None,
    seed: editing.Seed = 0,
    as_json: Json = False,
) -> None:
    """Signed contributions of neurons to the score gap, the rest, and with --target-skew the smallest edit.

    The edit is searched on the probe half and measured on the evaluation half.
    """
    from core import edits, ranking
    from core.gallery import open_gallery
    from core.scene import Scene, load_saes, text_model

    half = one_of(half, HALVES, "--half")
    for name, value in (("--top", top), ("--size", size)):
        if value < 1:
            raise InputError(f"{name} was {value}; expected a whole number of at least 1")
    if target_skew is not None and not target_skew >= 0:
        raise InputError(f"--target-skew was {target_skew}; expected a number of at least 0")
    source = open_gallery(gallery)
    scene = Scene(source, load_saes(source, [sae]))
    request = ranking.RankRequest(
        query=query,
        k=k,
        attribute=attribute,
        target=target_of(target, attribute),
        half=half,
        where=parse_where(where or []),
        seed=seed,
    )
    evaluated = replace(request, half="evaluation")
    ranking.checked(scene.at(request.half), request)
    if target_skew is not None:
        ranking.checked(scene, evaluated)
    scene = replace(scene, model=text_model(source, [query], model, pretrained))
    document = edits.why(scene.at(request.half), request, top).to_json()
    if target_skew is not None:
        with progress_bar() as progress:
            found = edits.find_smallest(scene, evaluated, target_skew, size, progress=progress)
            document["smallest"] = {**found.to_json(), "edit": found.point.edit.to_json()}
            if found.point.edit.neurons:
                confirmed = edits.confirm(scene, evaluated, found.point.edit, progress=progress)
                document["smallest"]["evaluation"] = confirmed.to_json()
    emit(document, as_json, lambda: _lines(document))


def _lines(document: dict[str, Any]) -> Iterator[str]:
    yield f"{document['query']!r}, {document['half']} half, n = {document['n']:,}: {list_line(document)}"
    yield f"MaxSkew@{document['k']} {document['max_skew']:.3f}, target {document['target']}"
    yield f"score gap of {document['group']} against all others: {estimate_text(document['gap'], 5)}"
    for one in document["neurons"]:
        closed = "leaves nothing of some item" if (c := one["closed_when_off"]) is None else f"closes {c:.1%}"
        shared = f"{share:.1%} of the gap; off alone it {closed}" if (share := one["share_of_gap"]) is not None else ""
        yield f"  neuron {one['neuron']}: {estimate_text(one['contribution'], 5)}, {shared or 'no gap to share'}"
    yield f"no neuron explains: {estimate_text(document['rest'], 5)}"
    if "smallest" in document:
        yield from _edit_lines(document["smallest"])


def _edit_lines(found: dict[str, Any]) -> Iterator[str]:
    point = found["path"][found["chosen"]]
    reached = "reaches" if found["reached"] else "does not reach"
    yield (
        f"smallest edit: {point['neurons']} neurons, {reached} {found['target_skew']:g} on the probe half "
        f"(expected {point['expected']:.3f}) at cosine {point['cosine']:.4f}"
    )
    if "evaluation" in found:
        result, rivals = found["evaluation"]["result"], found["evaluation"]["rivals"]
        yield f"evaluation half, before: {estimate_text(result['before']['max_skew'])}"
        yield (
            f"evaluation half, after: {estimate_text(result['after']['max_skew'])}, "
            f"cosine {result['difference']['cosine']['mean']:.4f}"
        )
        drawn = found["evaluation"]["controls"]["random"]
        yield f"  random neurons: {drawn['mean']:.3f} ({drawn['lo']:.3f} to {drawn['hi']:.3f}, {drawn['n']} draws)"
        for name, rival in rivals.items():
            said = estimate_text(rival["max_skew"]) + f", cosine {rival['cosine']:.4f}" if "max_skew" in rival else None
            yield f"  {name}: {said or rival['reason']}"
