"""Step 4: the arms of a comparison, and the items and queries of each."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sparse

from core.config import Edit, InputError, Progress, Side, digest_of
from core.interventions import INTERVENTIONS, Intervention, Material, matched_random_edits
from core.interventions.base import NO_EDIT
from core.interventions.reconstruction import reconstruction
from core.ranking.edited_rows import EditedRows, large_items
from core.ranking.fitting import Fitter
from core.ranking.heads import PictureHeads
from core.ranking.items import Items, baseline_items, edited_items, engine_part, is_large, item_material, part_codes
from core.ranking.live_items import engine_for, live_items
from core.ranking.queries import Queries
from core.ranking.request import RankRequest
from core.ranking.rows import Part, part_of
from core.ranking.shards import Shards
from core.scene import Scene

Edits = Mapping[Side, Edit]

ORIGINAL, EDITED, RECONSTRUCTION, PROJECTION = "original", "edited", "reconstruction only", "mean-difference projection"
PROJECTION_METHOD = "mean-difference"
RANDOM_DRAWS = 20
"""Sets of random neurons beside an edit."""
LIVE: dict[str, Callable[[Edit], Edit]] = {"neuron-edit": lambda edit: edit, "reconstruction-only": reconstruction}
"""Methods that the live engine answers, and the edit of neurons that each of them is."""


@dataclass(frozen=True, eq=False)
class Arm:
    """One way in which the same question is asked."""

    name: str
    method: str
    edits: Edits

    def of(self, request: RankRequest) -> RankRequest:
        """The question as this arm asks it."""
        return replace(request, method=self.method, edits=self.edits)


def both_arms(request: RankRequest) -> tuple[Arm, ...]:
    """The original and, where the request intervenes, what it asks for."""
    original = Arm(ORIGINAL, "identity", {})
    return (original, Arm(EDITED, request.method, request.edits)) if request.intervenes else (original,)


def all_arms(
    scene: Scene,
    request: RankRequest,
    queries: Callable[[], Queries],
    draws: int = RANDOM_DRAWS,
    exclude: Mapping[Side, Collection[int]] | None = None,
) -> list[Arm]:
    """`both_arms` and the controls of the second.

    Where neurons are switched, the SAE's reconstruction alone and `draws` sets of random neurons of the same number
    and firing rate; always, where it can be fitted, the projection that removes the difference of the groups' means.

    Parameters
    ----------
    queries : gives those on which firing rates are counted where queries are edited; else it is the searched items.
    exclude : neurons that are not drawn besides the switched ones, by side.

    Raises
    ------
    InputError : too few other live neurons are there.
    """
    arms = list(both_arms(request))
    if len(arms) == 1:
        return arms
    switched = {side: edit for side, edit in request.edits.items() if edit.neurons}
    if switched:
        codes = {side: _codes(scene, request, queries, side) for side in switched}
        part = part_of(scene, request).digest
        random = {
            side: _random(scene, side, part, codes[side], edit, draws, request.seed, (exclude or {}).get(side, ()))
            for side, edit in switched.items()
        }
        arms.append(Arm(RECONSTRUCTION, "reconstruction-only", request.edits))
        arms += [
            Arm(f"random {i + 1}", request.method, {**request.edits, **{side: random[side][i] for side in random}})
            for i in range(draws)
        ]
    if request.method != PROJECTION_METHOD and Fitter(scene, request).missing(PROJECTION_METHOD) is None:
        arms.append(Arm(PROJECTION, PROJECTION_METHOD, {}))
    return arms


def _random(
    scene: Scene,
    side: Side,
    part: str,
    codes: sparse.spmatrix,
    edit: Edit,
    draws: int,
    seed: int,
    exclude: Collection[int],
) -> list[Edit]:
    """`matched_random_edits`, remembered for the searched items, whose codes are the same for every prompt.

    Many parameters: those of a draw, and what it is remembered by.
    """
    if side != scene.gallery.side:
        return matched_random_edits(codes, edit, draws, seed, exclude)
    key = ("random neurons", part, scene.saes[side].digest, edit.digest, draws, seed, tuple(sorted(exclude)))
    return scene.bench.remember(key, lambda: matched_random_edits(codes, edit, draws, seed, exclude))


def _codes(scene: Scene, request: RankRequest, queries: Callable[[], Queries], side: Side) -> sparse.spmatrix:
    """Codes on which firing rates are counted: of the searched items, or of the queries where those are edited."""
    if side == scene.gallery.side:
        return part_codes(scene, part_of(scene, request))
    return queries().material.require_codes()


def intervene(
    scene: Scene,
    part: Part,
    request: RankRequest,
    queries: Queries,
    progress: Progress | None = None,
    shards: Shards | None = None,
) -> tuple[Items, np.ndarray]:
    """Items to search and the query vectors (n, d) under the request's method; "identity" is the baseline.

    The edit of the gallery's own side changes the items, a text edit of an image gallery changes the queries; methods
    without neurons change what they say they change, whatever the edits.
    """
    items = arm_items(scene, part, request, progress, shards)
    return items, queries.vectors(request.method, request.edits.get("text") if scene.gallery.side == "image" else None)


def arm_items(
    scene: Scene,
    part: Part,
    request: RankRequest,
    progress: Progress | None = None,
    shards: Shards | None = None,
) -> Items:
    """The searched items under the request's method, remembered.

    With `shards` they stay where these are; InputError for a method that changes the items by more than an edit.
    """
    gallery, method = scene.gallery, request.method
    if gallery.side == "text" and "image" in request.edits:
        raise InputError(f"gallery {gallery.name} holds captions, which an image SAE cannot edit; use a text SAE")
    baseline = baseline_items(scene, part) if shards is None else shards.items(None, part.digest)
    kind, edit = INTERVENTIONS.get(method), request.edits.get(gallery.side)
    if method == "identity" or not moves_items(kind, edit, request):
        return baseline
    fitter, edit = Fitter(scene, request), edit or NO_EDIT
    sae_file = scene.sae() if kind.needs.sae else None
    made_of = [part.digest, sae_file.digest if sae_file else None, method, edit.digest, fitter.digest(method)]
    digest = digest_of(made_of)
    if shards is not None:
        if method not in LIVE:
            raise InputError(f"{method} changes all items together, which --ray cannot spread; leave --ray out")
        return shards.items(LIVE[method](edit), digest)

    def with_heads(material: Material, of: Part) -> Material:
        return (
            replace(material, heads=PictureHeads(scene, gallery, of.rows, progress)) if kind.needs.heads else material
        )

    def make() -> Items:
        if method in LIVE:
            engine, material = engine_for(scene, part)
            return live_items(engine, material, baseline, LIVE[method](edit), digest, progress)
        if is_large(gallery):
            wide = engine_part(gallery, part)
            material = with_heads(item_material(scene, wide, sae_file), wide)
            rows = None if wide is part else part.rows
            edited = EditedRows(material, rows, method, edit, fitter(method))
            return large_items(edited, baseline.index, digest, progress)
        material = with_heads(item_material(scene, part, sae_file), part)
        return edited_items(material, baseline, method, edit, digest, fitter(method))

    return scene.bench.remember(("items", digest), make)


def moves_items(method: type[Intervention], edit: Edit | None, request: RankRequest) -> bool:
    """Whether a method changes the items: those of an edit do where there is one of the items' side, or none at all."""
    if method.changes == "edit":
        return edit is not None or (not request.edits and not method.needs.edit)
    return method.changes in ("items", "both")
