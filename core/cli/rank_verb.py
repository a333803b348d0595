"""`rank`: who a query retrieves, before and after an edit."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from core.cli import editing
from core.cli.app import app
from core.cli.clusters import Ray, Workers, chosen_cluster
from core.cli.editing import chosen_edits, target_of, text_model
from core.cli.output import Json, emit, estimate_text, progress_bar
from core.config import HALVES, InputError, one_of
from core.gallery import open_gallery, open_ivf, parse_where
from core.store import read_array

METRICS = ("max_skew", "min_skew", "ndkl", "kl")


@app.command("rank")
def rank(
    gallery: editing.GalleryName,
    attribute: Annotated[str, typer.Option("--attribute", help="Attribute column.")],
    query: Annotated[str | None, typer.Option("--query", help="The prompt.")] = None,
    query_embedding: Annotated[Path | None, typer.Option("--query-embedding", help="(d,) array, .npy.")] = None,
    k: Annotated[int, typer.Option("--k", help="How many are retrieved.")] = 100,
    target: editing.Target = "uniform",
    sae: editing.SaeNames = None,
    off: editing.Off = None,
    strength: editing.Strength = 1.0,
    gamma: editing.Gamma = 0.0,
    form: editing.Form = "error-preserving",
    alpha: editing.Alpha = 0.6,
    method: editing.Method = None,
    half: Annotated[str, typer.Option("--half", help="all, probe or evaluation.")] = "all",
    where: editing.Where = None,
    model: editing.Model = None,
    pretrained: editing.Pretrained = None,
    seed: editing.Seed = 0,
    index: Annotated[
        str, typer.Option("--index", help="flat: exact; ivf: some lists alone, with its recall.")
    ] = "flat",
    probes: Annotated[
        int | None, typer.Option("--probes", help="Lists to look at (ivf); by recall .95 if absent.")
    ] = None,
    ray: Ray = None,
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Ids, scores, shares and metrics of the top k, before and (with an edit) after."""
    from core import ranking

    one_of(half, HALVES, "--half")
    one_of(index, ("flat", "ivf"), "--index")
    if probes is not None and index == "flat":
        raise InputError("--probes was given, but the exact index looks at every item; add --index ivf")
    if (query is None) == (query_embedding is None):
        raise InputError("give either --query TEXT or --query-embedding Q.npy")
    source = open_gallery(gallery)
    saes, edits = chosen_edits(source, sae, off, strength, gamma, form, alpha, method)
    request = ranking.RankRequest(
        query=query,
        query_embedding=None if query_embedding is None else _vector(query_embedding),
        k=k,
        attribute=attribute,
        target=target_of(target, attribute),
        half=half,
        where=parse_where(where or []),
        edits=edits,
        method=method or "neuron-edit",
        seed=seed,
    )
    backbone = None if query is None else text_model(source, [query], model, pretrained)
    if index == "ivf":
        if ray is not None or workers is not None:
            raise InputError("an IVF index is searched here; leave out --ray and --workers, or give --index flat")
        document = ranking.approximate_rank(source, request, open_ivf(source), probes, backbone).to_json()
        return emit(document, as_json, lambda: _lines(document))
    with chosen_cluster(ray, workers) as cluster, progress_bar() as progress:
        document = ranking.rank(source, request, backbone, saes, progress=progress, cluster=cluster).to_json()
    emit(document, as_json, lambda: _lines(document))


def _vector(path: Path) -> np.ndarray:
    vector = read_array(path, "one query embedding (d,), .npy")
    if vector.size != max(vector.shape, default=0):
        raise InputError(f"{path} has shape {vector.shape}; expected one query embedding (d,)")
    return vector.astype(np.float32).reshape(-1)


def _lines(document: dict[str, Any]) -> Iterator[str]:
    yield f"k = {document['k']}, target {document['target']}"
    yield from (f"note: {note}" for note in document["notes"])
    for arm in ("before", "after"):
        if arm in document:
            yield f"{arm}:"
            yield from (f"  {group}: {estimate_text(share)}" for group, share in document[arm]["shares"].items())
            yield from (f"  {name}: {estimate_text(document[arm][name])}" for name in METRICS)
            yield "  first: " + ", ".join(map(str, document[arm]["ids"][:10]))
    yield from _scene_lines(document.get("scenes"))


def _scene_lines(scenes: dict[str, Any] | None) -> Iterator[str]:
    """Two groups compared inside scenes, in words."""
    if scenes is None:
        return
    if "reason" in scenes:
        yield f"inside scenes (by {scenes['column']}): not computed: {scenes['reason']}"
        return
    first, second = scenes["groups"]
    yield f"inside {scenes['n_scenes']} scenes (by {scenes['column']}), {first} minus {second}:"
    for arm in ("before", "after", "change"):
        if arm in scenes:
            own = scenes[arm]
            yield f"  {arm}: score gap {estimate_text(own['score_gap'], 4)}, p = {own['p']:.3g}"
            yield f"    places {estimate_text(own['rank_gap'], 1)}; ahead in {estimate_text(own['ahead'])}"
