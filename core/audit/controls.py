"""Beside every effect: the original, the SAE by itself, and random neurons of the same number and firing rate."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import t as student

from core.audit.bench import Bench
from core.audit.material import Queries, SAEs, embed_query, embed_texts, item_material, sae_of, select_part
from core.audit.ranking import intervene, metric_estimate
from core.audit.request import RankRequest
from core.audit.results import SCHEMA, Part
from core.config import Edit, InputError, Side
from core.gallery import Gallery
from core.interventions import matched_random_edits
from core.metrics import RANKING_METRICS
from core.statistics import Estimate

if TYPE_CHECKING:
    from core.backbones.base import Backbone

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, eq=False)
class ControlArm:
    """One arm of the comparison over all prompts."""

    name: str
    max_skew: Estimate
    """Mean MaxSkew over the prompts; with one prompt its own interval and null band, else a t interval over prompts."""
    by_prompt: tuple[float, ...]
    cosine: float
    """Mean cosine of the items before and after."""
    rows_changed: int
    edits: Mapping[Side, Edit]

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "max_skew": self.max_skew.to_json(),
            "by_prompt": list(self.by_prompt),
            "cosine": self.cosine,
            "rows_changed": self.rows_changed,
            "edits": {side: edit.to_json() for side, edit in self.edits.items()},
        }


@dataclass(frozen=True, eq=False)
class ControlsResult:
    """Whether the chosen neurons do more than any neurons, and more than the SAE by itself."""

    request: RankRequest
    prompts: tuple[str, ...]
    original: ControlArm
    reconstruction_only: ControlArm
    chosen: ControlArm
    random: tuple[ControlArm, ...]
    """One arm a draw of matched random neurons."""

    @property
    def band(self) -> tuple[float, float]:
        """Smallest and largest mean MaxSkew among the random draws."""
        values = [arm.max_skew.estimate for arm in self.random]
        return min(values), max(values)

    @property
    def p_value(self) -> float:
        """(1 + draws that lower MaxSkew as far as the chosen neurons do) / (1 + draws)."""
        as_low = sum(arm.max_skew.estimate <= self.chosen.max_skew.estimate for arm in self.random)
        return (1 + as_low) / (1 + len(self.random))

    def to_json(self) -> dict[str, Any]:
        lo, hi = self.band
        mean = float(np.mean([arm.max_skew.estimate for arm in self.random]))
        return {
            "schema": SCHEMA,
            **self.request.to_json(),
            "prompts": list(self.prompts),
            "original": self.original.to_json(),
            "reconstruction_only": self.reconstruction_only.to_json(),
            "chosen": self.chosen.to_json(),
            "random": {
                "draws": [arm.to_json() for arm in self.random],
                "mean": mean,
                "lo": lo,
                "hi": hi,
                "n": len(self.random),
                "p": self.p_value,
            },
        }


def controls(
    gallery: Gallery,
    request: RankRequest,
    backbone: "Backbone | None" = None,
    saes: SAEs | None = None,
    prompts: Sequence[str] | None = None,
    draws: int = 20,
    exclude: Mapping[Side, Collection[int]] | None = None,
    bench: Bench | None = None,
    progress: Progress | None = None,
) -> ControlsResult:
    """Mean MaxSkew@k of the original, the SAE's reconstruction, the chosen neurons and matched random neurons.

    Parameters
    ----------
    prompts : the queries to average over; None: the request's own.
    draws : random sets of neurons, matched in number and firing rate on the searched items (for edited queries: on
        the prompts).
    exclude : neurons that are not drawn besides the chosen ones, by side.

    Raises
    ------
    InputError : the request switches no neuron, or too few other live neurons are there.
    """
    if not any(edit.neurons for edit in request.edits.values()):
        raise InputError("controls compare switched neurons with random ones; choose at least one neuron first")
    bench, saes = bench or Bench(), saes or {}
    part = select_part(gallery, request, bench)
    if prompts:
        queries = embed_texts(prompts, gallery, request, backbone, saes, bench)
    else:
        queries = embed_query(gallery, request, backbone, saes, bench)
    randoms = _random_edits(gallery, part, queries, request, saes, draws, exclude or {}, bench)
    plan = [("original", "identity", request.edits), ("reconstruction only", "reconstruction-only", request.edits)]
    plan.append(("chosen neurons", request.method, request.edits))
    plan += [(f"random neurons {i}", request.method, edits) for i, edits in enumerate(randoms, 1)]
    arms = []
    for done, (name, method, edits) in enumerate(plan):
        if progress:
            progress(done, len(plan), name)
        arms.append(_arm(gallery, part, queries, replace(request, edits=edits), method, saes, bench, name))
    for arm in arms:
        if arm.max_skew.estimate is None:
            raise InputError(f"{arm.name} cannot be compared: {arm.max_skew.reason}; choose a larger k or other rows")
    if progress:
        progress(len(plan), len(plan), "controls")
    named = tuple(prompts) if prompts else (request.query or "query embedding",)
    return ControlsResult(request, named, *arms[:3], random=tuple(arms[3:]))


def _arm(
    gallery: Gallery,
    part: Part,
    queries: Queries,
    request: RankRequest,
    method: str,
    saes: SAEs,
    bench: Bench,
    name: str,
) -> ControlArm:
    """One method on all prompts."""
    items, vectors = intervene(gallery, part, queries, request, method, saes, bench)
    ranked = np.stack([part.labels[items.index.search(vector, request.k).rows] for vector in vectors])
    values = RANKING_METRICS.get("max_skew")()(ranked, part.target)
    if len(ranked) == 1:
        mean = metric_estimate("max_skew", ranked[0], part.target, part.counts, request.seed, request.null_draws)
    else:
        mean = _mean(values)
    return ControlArm(name, mean, tuple(map(float, values)), items.mean_cosine, len(items.changed), request.edits)


def _mean(values: np.ndarray) -> Estimate:
    """Mean over prompts with Student's interval; missing where a prompt has no value."""
    if not np.isfinite(values).all():
        return Estimate.missing("a prompt retrieves no row with a known group")
    n = len(values)
    half = float(student.ppf(0.975, n - 1) * values.std(ddof=1) / np.sqrt(n))
    mean = float(values.mean())
    return Estimate(mean, mean - half, mean + half, n)


def _random_edits(
    gallery: Gallery,
    part: Part,
    queries: Queries,
    request: RankRequest,
    saes: SAEs,
    draws: int,
    exclude: Mapping[Side, Collection[int]],
    bench: Bench,
) -> list[dict[Side, Edit]]:
    """Random partners of every side's edit, drawn together."""
    by_side = {}
    for side, edit in request.edits.items():
        if side == gallery.side:
            codes = item_material(gallery, part, sae_of(side, saes), bench).require_codes()
        else:
            codes = queries.material.require_codes()
        by_side[side] = matched_random_edits(codes, edit, draws, request.seed, exclude.get(side, ()))
    return [{side: edits[i] for side, edits in by_side.items()} for i in range(draws)]
