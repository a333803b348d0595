"""Why a query leans: the neurons that make it, what each of them really does, and the smallest edit that ends it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from core.config import NOTHING, Edit, InputError, Progress
from core.edits.choosing import EditChoice, by_rule, query_vectors
from core.edits.probe_set import ProbeSet, explained_set, probe_set
from core.edits.smallest import SmallestEdit, smallest_edit
from core.neurons import Attribution
from core.ranking.arms import PROJECTION, PROJECTION_METHOD, RANDOM_DRAWS
from core.ranking.controls import ControlsResult, controls
from core.ranking.cost import CostResult, utility_cost
from core.ranking.measures import lean_json
from core.ranking.request import RankRequest
from core.ranking.results import SCHEMA, RankResult
from core.ranking.rows import part_of
from core.ranking.steps import rank
from core.scene import Scene
from core.statistics import Estimate, Lean


@dataclass(frozen=True)
class NeuronPull:
    """One neuron's part in a score gap, as the sum has it and as a new ranking without it shows it."""

    neuron: int
    contribution: Estimate
    """Its part of the score gap; positive pulls towards the group."""
    share: float | None
    """contribution / score gap: what switching it off would close, to first order; None where there is no gap to share,
    none of more than NOTHING as a difference of mean cosines."""
    closed: float | None
    """What switching it off alone does close, of the score gap of cosines, exactly; None where there is no gap, or
    where it leaves nothing of some item, so that there is no ranking without it."""
    skew: float | None
    """MaxSkew@k of the same rows with it off, ranked again."""

    def to_json(self) -> dict[str, Any]:
        return {
            "neuron": self.neuron,
            "contribution": self.contribution.to_json(),
            "share_of_gap": self.share,
            "closed_when_off": self.closed,
            "max_skew_when_off": self.skew,
        }


@dataclass(frozen=True, eq=False)
class WhyResult:
    """The score gap of one query, mean score of a group minus that of all other known rows, split over neurons."""

    request: RankRequest
    group: str
    """The group that the top k over-represents most; the score gap is against all other known rows."""
    first_order: bool
    """True at the residual attach point: each row's own scale is held, which switching changes as well."""
    attribution: Attribution
    pulls: tuple[NeuronPull, ...]
    """By falling size of the contribution."""
    lean: Lean
    """Of the top k of these rows."""
    skew: float
    """MaxSkew@k of the rows as they are."""
    k: int
    n: int
    group_counts: Mapping[str, int]
    digests: Mapping[str, str]
    leans: bool = True
    """Whether there is a gap to share: more than NOTHING as a difference of mean cosines."""

    def share_of(self, part: float) -> float | None:
        """A part of the gap of mean scores as a share of it; None where there is no gap."""
        return part / self.attribution.gap if self.leans else None

    def to_json(self) -> dict[str, Any]:
        found = self.attribution
        return {
            "schema": SCHEMA,
            **self.request.to_json(),
            "k": self.k,
            "n": self.n,
            "group_counts": dict(self.group_counts),
            "group": self.group,
            "against": "all other known rows",
            "first_order": self.first_order,
            **lean_json(tuple(self.group_counts), self.lean),
            "max_skew": self.skew,
            "gap": found.gap_estimate.to_json(),
            "explained": float(found.contributions.sum()),
            "rest": found.rest_estimate.to_json(),
            "neurons": [pull.to_json() for pull in self.pulls],
            "digests": dict(self.digests),
        }


def why(scene: Scene, request: RankRequest, top: int = 20) -> WhyResult:
    """Split the score gap of the request's query over neurons, on the request's own rows.

    Parameters
    ----------
    top : neurons that are listed, the largest contributions of either sign.
    """
    rows = explained_set(scene, request)
    query = query_vectors(scene, request, _asked(request))[0]
    group = rows.leading_group(query)
    found = rows.attribution(query, group)
    order = found.order()[:top]
    listed = [int(j) for j in order if found.contributions[j] != 0]
    part = rows.part
    return WhyResult(
        request=request,
        group=part.groups[group],
        first_order=rows.readout is not None,
        attribution=found,
        pulls=tuple(_pull(rows, found, query, group, j) for j in listed),
        lean=rows.lean(rows.engine.scores(query)),
        skew=rows.max_skew(rows.engine.scores(query)),
        k=rows.k,
        n=part.n,
        group_counts=dict(zip(part.groups, part.counts, strict=True)),
        digests={"gallery": scene.gallery.digest, "sae": scene.sae().digest},
        leans=abs(_gap(rows.engine.scores(query), *_sides(part.labels, group))) > NOTHING,
    )


def _pull(rows: ProbeSet, found: Attribution, query: np.ndarray, group: int, neuron: int) -> NeuronPull:
    first, rest = _sides(rows.part.labels, group)
    gap = _gap(rows.engine.scores(query), first, rest)
    share = float(found.contributions[neuron] / found.gap) if abs(gap) > NOTHING else None
    try:
        after = rows.engine.scores(query, Edit((neuron,)))
    except InputError:
        return NeuronPull(neuron, found.estimate(neuron), share, None, None)
    closed = 1.0 - _gap(after, first, rest) / gap if abs(gap) > NOTHING else None
    return NeuronPull(neuron, found.estimate(neuron), share, closed, rows.max_skew(after))


def _sides(labels: np.ndarray, group: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the group, and those of any other known group."""
    return labels == group, (labels >= 0) & (labels != group)


def _gap(scores: np.ndarray, first: np.ndarray, rest: np.ndarray) -> float:
    """Difference of mean cosines."""
    return float(scores[first].mean(dtype=np.float64) - scores[rest].mean(dtype=np.float64))


# -------------------------------------------------------------------------------------------- the smallest edit


def find_smallest(
    scene: Scene,
    request: RankRequest,
    target_skew: float,
    size: int = 16,
    queries: Sequence[str] | None = None,
    explicit: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> SmallestEdit:
    """The path of `smallest_edit` for the request's query, or for several prompts at once, on the probe half alone.

    Parameters
    ----------
    queries : prompts that one edit should serve; None: the request's own query.
    explicit : query -> group that it names; an edit for many queries should leave these alone.

    Many parameters: the question, the two bounds of the search, and what it must serve and spare.
    """
    explicit = explicit or {}
    found = probe_set(scene, request)
    vectors = query_vectors(scene, request, list(queries) if queries else _asked(request))
    named = query_vectors(scene, request, list(explicit)) if explicit else ()
    missing = sorted(set(explicit.values()) - set(found.part.groups))
    if missing:
        raise InputError(
            f"explicit queries name {', '.join(missing)}; the probe rows hold {', '.join(found.part.groups)}"
        )
    places = [found.part.groups.index(group) for group in explicit.values()]
    return smallest_edit(found, vectors, target_skew, size, list(zip(named, places, strict=True)), progress)


@dataclass(frozen=True, eq=False)
class Confirmed:
    """What an edit that was found on the probe half does on the evaluation half, beside its rivals."""

    result: RankResult
    controls: ControlsResult
    """The same number of random neurons, the reconstruction alone."""
    cost: CostResult
    """Queries that name a group, before and after; only a global edit reaches them."""
    rivals: Mapping[str, RankResult | str]
    """The published rule and the mean-difference projection; or why there is no result."""

    def to_json(self) -> dict[str, Any]:
        rivals = {
            name: {"max_skew": arm.after.metrics["max_skew"].to_json(), "cosine": arm.difference.cosine.estimate}
            if isinstance(arm, RankResult) and arm.after is not None and arm.difference is not None
            else {"estimate": None, "reason": arm}
            for name, arm in self.rivals.items()
        }
        return {
            "half": self.result.request.half,
            "result": self.result.to_json(),
            "controls": self.controls.to_json(),
            "explicit": {query: cost.to_json() for query, cost in self.cost.explicit.items()},
            "rivals": rivals,
        }


def confirm(
    scene: Scene,
    request: RankRequest,
    edit: Edit,
    explicit: Mapping[str, str] | None = None,
    draws: int = RANDOM_DRAWS,
    progress: Progress | None = None,
) -> Confirmed:
    """The edit on the evaluation half: the ranking, random neurons, the published rule and the mean difference."""
    side = scene.gallery.side
    evaluated = replace(request, half="evaluation", edits={side: edit}, method="neuron-edit")
    part_of(scene, evaluated)  # says first whether there is an evaluation half

    def rival(asked: RankRequest | Callable[[], RankRequest]) -> RankResult | str:
        try:
            found = rank(scene, asked() if callable(asked) else asked)
            return found if found.reason is None else found.reason
        except InputError as error:
            return str(error)

    def ruled() -> RankRequest:
        rule = EditChoice("rule", rule="published")
        neurons, _ = by_rule(probe_set(scene, request), rule)
        return replace(evaluated, edits={side: rule.edit(neurons)})

    return Confirmed(
        rank(scene, evaluated),
        controls(scene, evaluated, draws=draws, progress=progress),
        utility_cost(scene, evaluated, explicit=explicit or {}),
        {
            "published rule, tau 0.5": rival(ruled),
            PROJECTION: rival(replace(evaluated, edits={}, method=PROJECTION_METHOD)),
        },
    )


def _asked(request: RankRequest) -> Sequence[str] | np.ndarray:
    if request.query_embedding is not None:
        return np.asarray(request.query_embedding)[None]
    return [str(request.query)]
