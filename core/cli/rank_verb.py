"""`rank`: who a query retrieves, before and after an edit."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.cli import editing
from core.cli.app import app
from core.cli.clusters import Ray, Workers, chosen_cluster
from core.cli.editing import EditOptions, edited_scene, target_of
from core.cli.output import Json, emit, estimate_text, progress_bar
from core.config import HALVES, InputError, one_of
from core.gallery import parse_where
from core.verdicts import effect_line, lean_line, smallest, target_name

if TYPE_CHECKING:
    import numpy as np


@app.command("rank")
def rank(
    gallery: editing.GalleryName,
    attribute: Annotated[str, typer.Option("--attribute", help="Attribute column.")],
    query: Annotated[str | None, typer.Option("--query", help="The prompt.")] = None,
    query_embedding: Annotated[Path | None, typer.Option("--query-embedding", help="(d,) array, .npy.")] = None,
    k: Annotated[int, typer.Option("--k", help="How many are retrieved.")] = 100,
    target: editing.Target = "gallery",
    sae: editing.SaeNames = None,
    off: editing.Off = None,
    strength: editing.Strength = 1.0,
    gamma: editing.Gamma = 0.0,
    form: editing.Form = "error-preserving",
    alpha: editing.Alpha = 0.6,
    method: editing.Method = None,
    half: Annotated[str, typer.Option("--half", help="all, probe or evaluation.")] = "all",
    where: editing.Where = None,
    relevant: Annotated[
        list[str] | None,
        typer.Option("--relevant", help="COLUMN=VALUE, or text=WORD of captions: precision and recall by group."),
    ] = None,
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
    from core.gallery import open_gallery, open_ivf
    from core.scene import text_model

    half = one_of(half, HALVES, "--half")
    one_of(index, ("flat", "ivf"), "--index")
    if probes is not None and index == "flat":
        raise InputError("--probes was given, but the exact index looks at every item; add --index ivf")
    if (query is None) == (query_embedding is None):
        raise InputError("give either --query TEXT or --query-embedding Q.npy")
    source = open_gallery(gallery)
    named = parse_where(relevant or [])
    if named:
        ranking.relevant_rows(source, named)  # refused before anything is embedded
    scene, edits = edited_scene(source, sae, EditOptions(off or (), strength, gamma, form, alpha, method))
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
    if index == "ivf" and (ray is not None or workers is not None):
        raise InputError("an IVF index is searched here; leave out --ray and --workers, or give --index flat")
    ranking.checked(scene, request)
    if query is not None:
        scene = replace(scene, model=text_model(source, [query], model, pretrained))
    if index == "ivf":
        found = ranking.approximate_rank(scene, request, open_ivf(source), probes)
    else:
        with chosen_cluster(ray, workers) as cluster, progress_bar() as progress:
            found = ranking.rank(scene, request, progress, cluster)
    document = found.to_json()
    if named:
        document["performance"] = ranking.performance(source, found, named).to_json()
    emit(document, as_json, lambda: _lines(document))


def _vector(path: Path) -> "np.ndarray":
    from core.store import read_array

    vector = read_array(path, "one query embedding (d,), .npy")
    if vector.size != max(vector.shape, default=0):
        raise InputError(f"{path} has shape {vector.shape}; expected one query embedding (d,)")
    return vector.astype("float32").reshape(-1)


def _lines(document: dict[str, Any]) -> Iterator[str]:
    from core.metrics import headline_metrics

    yield f"k = {document['k']}, {document['n']} rows searched, target: {target_name(document['target'])}"
    yield from (f"note: {note}" for note in document["notes"])
    for arm in ("before", "after"):
        if "reason" in document.get(arm, {}):
            yield f"{arm}: not computed: {document[arm]['reason']}"
        elif arm in document:
            yield f"{arm}:"
            yield from (f"  {line}" for line in list_lines(document[arm], headline_metrics()))
            yield "  first: " + ", ".join(map(str, document[arm]["ids"][:10]))
    if "effect" in document.get("difference", {}):
        yield from _changes(document)
    yield from _scene_lines(document.get("scenes"))
    if "performance" in document:
        yield from _performance(document["performance"])


def list_lines(found: dict[str, Any], metrics: Iterable[str]) -> Iterator[str]:
    """One retrieved list: its lean in a sentence, a line a group, its metrics."""
    said = lean_line(found["lean"], found["leading_group"], found["lean_beyond_chance"], found.get("lean_reason", ""))
    yield said + (
        f" {p_text(found['lean_p'])}{smallest(found['lean_p'], found['lean_p_smallest'])}." if found["lean_p"] else ""
    )
    for group, lean in found["lean"].items():
        away = found["distance"][group]
        yield (
            f"{group}: {lean['retrieved']} retrieved of {lean['searched']} searched, "
            f"share {estimate_text(lean['share'])}, ratio {estimate_text(lean['ratio'], n=False)}, "
            f"adjusted {p_text(lean['p_adjusted'])}"
        )
        if away["difference"]["estimate"] is not None:
            yield (
                f"{' ' * len(group)}  from the target {away['target']:.3f}: {away['difference']['estimate']:+.3f} = "
                f"{away['composition']:+.3f} gallery {away['model']:+.3f} model"
            )
    yield from (f"{name}: {estimate_text(found[name])}" for name in metrics)


def _changes(document: dict[str, Any]) -> Iterator[str]:
    effect = document["difference"]["effect"]
    group = effect.get("group")
    before, after = (document[arm]["shares"][group]["estimate"] if group else None for arm in ("before", "after"))
    own_target = document["target"] != "gallery"
    yield "difference:"
    yield f"  {effect_line(effect, before, after, own_target)}" + (f" {p_text(effect['p'])}." if "p" in effect else "")
    for name, change in document["difference"]["shares"].items():
        yield f"  {name}: {estimate_text(change)}"


def _performance(found: dict[str, Any]) -> Iterator[str]:
    """Precision and recall by group."""
    named = ", ".join(f"{column}={value}" for column, value in found["relevant"].items())
    yield f"performance by group, relevant: {named} ({found['n']} searched rows; intervals: {found['intervals']})"
    yield from (f"  note: {note}" for note in found["notes"])
    for measure in ("precision", "recall"):
        yield f"  {measure}:"
        for group in ("overall", *found["group_counts"]):
            parts = [
                f"{arm} {estimate_text(found[arm][measure]['by_group'].get(group, found[arm][measure]['overall']))}"
                for arm in ("before", "after")
                if arm in found
            ]
            if "difference" in found:
                moved = found["difference"][measure]
                moved = moved["by_group"].get(group, moved["overall"])
                parts.append(f"change {estimate_text(moved, n=False)}, {p_text(moved['p'])}")
            yield f"    {group}: {'; '.join(parts)}"
        for arm in (arm for arm in ("before", "after") if arm in found):
            gap = found[arm][measure]["gap"]
            if gap["estimate"] is not None:
                yield (
                    f"    gap {arm}, {gap['high']} over {gap['low']}: {estimate_text(gap, n=False)}, "
                    f"corrected for picking {gap['corrected']:.3f}, {p_text(gap['p'])}"
                )


def p_text(p: float | None) -> str:
    """ "p = 0.020"."""
    return "no p" if p is None else f"p = {p:.2g}" if p >= 1e-4 else "p < 0.0001"


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
