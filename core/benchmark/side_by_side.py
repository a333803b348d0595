"""Models side by side: the same items embedded by several models, asked the same prompts."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from core import access
from core.config import Half, InputError, Progress
from core.figures import Picture, Series, draw_svg
from core.gallery import Gallery
from core.metrics.targets import Target
from core.ranking.changes import list_change
from core.ranking.items import baseline_items
from core.ranking.measures import ListNumbers, list_numbers
from core.ranking.request import RankRequest
from core.ranking.rows import Part, part_of
from core.scene import Scene, query_embedding, text_embeddings, text_model
from core.statistics import (
    ALPHA,
    Estimate,
    MeanLean,
    depth_for,
    holm,
    list_draws,
    mean_effect,
    mean_lean,
)
from core.store import plain
from core.verdicts import clustered
from core.zeroshot import class_embeddings, classify_items, evaluate

SAME_ITEMS = "the models are compared on the same items and prompts: differences are paired over both"
AS_PEOPLE = "rows are taken as different people"


@dataclass(frozen=True)
class ModelsRequest:
    """What all models are asked."""

    attribute: str
    queries: tuple[str, ...]
    k: int = 100
    target: Target = "gallery"
    half: Half = "evaluation"
    where: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0

    def to_json(self) -> dict[str, Any]:
        return plain(asdict(self))

    def asked(self, query: str) -> RankRequest:
        return RankRequest(
            self.attribute, query, k=self.k, target=self.target, half=self.half, where=self.where, seed=self.seed
        )


@dataclass(frozen=True, eq=False)
class Asked:
    """One model's lists, as places among the searched rows of the first."""

    name: str
    gallery: Gallery
    rankings: np.ndarray
    """(prompts, depth), best first."""
    ability: Mapping[str, Any]


def compare_models(
    galleries: Sequence[Gallery], request: ModelsRequest, progress: Progress | None = None
) -> dict[str, Any]:
    """The document of `models`: every model's leans and abilities, and which differences are beyond chance.

    Of every pair of models and prompt the items that one retrieves and the other does not are compared (as before and
    after an edit); over the prompts, the mean lean. p are adjusted by Holm's method, over the pairs for the means and
    over pairs and prompts for the prompts.

    Raises
    ------
    InputError : fewer than two galleries, other items, or a prompt that a model cannot embed.
    """
    access.require("benchmark")
    if len(galleries) < 2:
        raise InputError("models are compared side by side: give --gallery at least twice, the same items each time")
    first = galleries[0]
    scene = Scene(first)
    half = scene.half(request.half)
    request = replace(request, half=half)
    part = part_of(scene, request.asked(request.queries[0]))
    if request.k > part.n:
        raise InputError(f"k was {request.k}; {part.n} rows are searched: choose a smaller k")
    names = _names(galleries)
    asked = []
    for done, (name, gallery) in enumerate(zip(names, galleries, strict=True)):
        if progress:
            progress(done, len(galleries), f"models: {name}")
        asked.append(_ask(name, gallery, first, part, request))
    if progress:
        progress(len(galleries), len(galleries), "models")
    return plain(_document(asked, part, request))


def other_items(first: Gallery, gallery: Gallery) -> str | None:
    """Why two galleries cannot stand side by side, in words; None where the second has every item of the first."""
    known = set(gallery.item_ids(np.arange(gallery.n)))
    return _lacking(gallery, first, [one for one in first.item_ids(np.arange(first.n)) if one not in known])


def _lacking(gallery: Gallery, first: Gallery, missing: Sequence[str]) -> str | None:
    if not missing:
        return None
    return (
        f"gallery {gallery.name} lacks {len(missing):,} of the items of {first.name} (the first is {missing[0]!r}); "
        "models are compared on the same items: embed the same ones"
    )


def common_prompts(galleries: Sequence[Gallery]) -> tuple[str, ...] | None:
    """Prompts that all galleries know which came with embeddings of prompts, in the order of the first of these.

    None where none did: then every prompt can be asked, by the galleries' own text encoders.
    """
    known = [gallery.prompts for gallery in galleries if gallery.prompts]
    if not known:
        return None
    return tuple(prompt for prompt in known[0] if all(prompt in others for others in known[1:]))


def _names(galleries: Sequence[Gallery]) -> list[str]:
    """The models' names, with their gallery's where two are called alike."""
    models = [gallery.fingerprint("pooled").model for gallery in galleries]
    names = [
        model if models.count(model) == 1 else f"{model} ({gallery.name})"
        for model, gallery in zip(models, galleries, strict=True)
    ]
    return [name if names.count(name) == 1 else f"{name} {i + 1}" for i, name in enumerate(names)]


def _ask(name: str, gallery: Gallery, first: Gallery, part: Part, request: ModelsRequest) -> Asked:
    ids = first.item_ids(part.rows)
    row_of = {one: row for row, one in enumerate(gallery.item_ids(np.arange(gallery.n)))}
    if other := _lacking(gallery, first, [one for one in ids if one not in row_of]):
        raise InputError(other)
    rows = np.array([row_of[one] for one in ids])
    order = np.argsort(rows)
    scene = Scene(gallery, model=text_model(gallery, request.queries))
    own = replace(part, rows=rows[order], digest=f"{part.digest} {gallery.digest}")
    index = baseline_items(scene, own).index
    depth = min(depth_for(request.k), part.n)
    found = [order[index.search(query_embedding(scene, query), depth).rows] for query in request.queries]
    return Asked(name, gallery, np.stack(found), _abilities(scene, own, request, first, part))


def _abilities(scene: Scene, own: Part, request: ModelsRequest, first: Gallery, part: Part) -> dict[str, Any]:
    """Zero-shot accuracy of the other attributes: what a model knows besides."""
    prompts = scene.class_prompts
    if prompts is None:
        return {"reason": "no class prompts ship for these attributes"}
    texts = {a: [text for of in prompts.prompts(a).values() for text in of] for a in prompts.attributes}
    found: dict[str, Any] = {}
    for attribute in texts:
        if attribute not in first.attributes or attribute in first.components(request.attribute):
            continue
        try:
            able = replace(scene, model=text_model(scene.gallery, texts[attribute]))

            def embed(given: Sequence[str], able: Scene = able) -> np.ndarray:
                return text_embeddings(able, list(given), ("pooled",))[0]["pooled"]

            guessed = classify_items(baseline_items(scene, own).index, class_embeddings(embed, prompts, attribute))
            labels = scene.gallery.labels(attribute)[own.rows]
            classes = list(prompts.groups(attribute))
            found[attribute] = evaluate(guessed, labels, classes, attribute).accuracy.to_json()
        except InputError as error:
            found[attribute] = {"estimate": None, "reason": str(error)}
    return found


def _document(asked: Sequence[Asked], part: Part, request: ModelsRequest) -> dict[str, Any]:
    k, seed, prompts = request.k, request.seed, request.queries
    rankings = np.stack([one.rankings for one in asked])
    tops = rankings[:, :, :k]
    pairs = list(combinations(range(len(asked)), 2))
    shares = list_draws(rankings, part.labels, k, len(part.groups), seed=seed).shares
    leans = [
        mean_lean(tops[i], part.labels, shares[:, i], part.counts, len(pairs), seed, 1.0) for i in range(len(asked))
    ]
    numbers = [[list_numbers(part.labels[top], part, seed, top=top) for top in of] for of in tops]
    return {
        "schema": 1,
        "attribute": request.attribute,
        "prompts": list(prompts),
        "k": k,
        "n": part.n,
        "half": request.half,
        "where": dict(request.where),
        "target": request.target if isinstance(request.target, str) else dict(request.target),
        "seed": seed,
        "group_counts": dict(zip(part.groups, part.counts, strict=True)),
        "digests": {one.name: one.gallery.digest for one in asked},
        "models": [
            {
                "name": one.name,
                "gallery": one.gallery.name,
                "fingerprint": one.gallery.fingerprint("pooled").to_json(),
                "mean": _mean(part, leans[i]),
                "prompts": {prompt: _list(numbers[i][j]) for j, prompt in enumerate(prompts)},
                "ability": dict(one.ability),
            }
            for i, one in enumerate(asked)
        ],
        "differences": _differences(asked, part, request, rankings, shares, leans, numbers),
        "notes": [SAME_ITEMS, AS_PEOPLE if part.clusters is None else clustered(str(asked[0].gallery.together))],
    }


def _list(found: ListNumbers) -> dict[str, Any]:
    said = found.to_json()
    return {key: said[key] for key in ("lean", "lean_p", "leading_group", "lean_beyond_chance")}


def _mean(part: Part, lean: MeanLean) -> dict[str, Any]:
    return {
        "points": dict(zip(part.groups, (one.to_json() for one in lean.points), strict=True)),
        "p": lean.p,
        "leading_group": None if lean.leading is None else part.groups[lean.leading],
        "lean_beyond_chance": lean.beyond_chance,
    }


def _differences(
    asked: Sequence[Asked],
    part: Part,
    request: ModelsRequest,
    rankings: np.ndarray,
    shares: np.ndarray,
    leans: Sequence[MeanLean],
    numbers: Sequence[Sequence[ListNumbers]],
) -> list[dict[str, Any]]:
    """Every pair of models, the second minus the first.

    Many parameters: what was worked out of the lists already.
    """
    k, seed = request.k, request.seed
    target = part.target.tolist()
    pairs = list(combinations(range(len(asked)), 2))
    found: list[dict[str, Any]] = []
    for a, b in pairs:
        both = (rankings[a, :, :k], rankings[b, :, :k])
        moved = shares[:, b] - shares[:, a]
        effect = mean_effect(leans[a], leans[b], both, part.labels, moved, target, len(pairs), seed)
        by_prompt = {}
        for j, prompt in enumerate(request.queries):
            lists = (rankings[a, j], rankings[b, j])
            same = bool(np.array_equal(lists[0][:k], lists[1][:k]))
            change = list_change(numbers[a][j], numbers[b][j], lists, part, k, seed=seed, same=same).to_json()
            said = change["effect"]
            by_prompt[prompt] = {"changes": change["shares"], "p": said.get("p"), "reason": said.get("reason")}
        changes: dict[str, Estimate] = {} if effect is None else dict(zip(part.groups, effect.changes, strict=True))
        found.append(
            {
                "first": asked[a].name,
                "second": asked[b].name,
                "mean": {
                    "changes": {group: one.to_json() for group, one in changes.items()},
                    "p": None if effect is None else effect.p,
                },
                "prompts": by_prompt,
            }
        )
    _adjust([one["mean"] for one in found])
    _adjust([said for one in found for said in one["prompts"].values()])
    return found


def _adjust(tests: Sequence[dict[str, Any]]) -> None:
    """Add what Holm's method makes of each p, over all that have one."""
    known = [one for one in tests if one["p"] is not None]
    adjusted = holm([one["p"] for one in known]) if known else np.zeros(0)
    for one in tests:
        one["p_adjusted"], one["beyond_chance"] = None, False
    for one, p in zip(known, adjusted, strict=True):
        one["p_adjusted"], one["beyond_chance"] = float(p), bool(p <= ALPHA)


def told_group(document: Mapping[str, Any]) -> str:
    """The group with the largest mean lean of all models."""
    sizes: dict[str, float] = {}
    for model in document["models"]:
        for group, said in model["mean"]["points"].items():
            size = sizes.setdefault(group, 0.0)
            if said["estimate"] is not None:
                sizes[group] = max(size, abs(said["estimate"]))
    return max(sizes, key=sizes.__getitem__)


def picture(document: Mapping[str, Any], group: str | None = None) -> Picture:
    """Prompts by models: points of a group in each cell; None: of the group that `told_group` names."""
    group = group or told_group(document)
    series = tuple(
        Series(
            model["name"],
            list(document["prompts"]),
            [found["lean"][group]["points"]["estimate"] for found in model["prompts"].values()],
        )
        for model in document["models"]
    )
    return Picture(
        f"Lean towards {group}, share of the list above its share of the rows", "cells", "prompt", "model", series
    )


def write_picture(document: Mapping[str, Any], path: Path) -> None:
    draw_svg(picture(document), path)
