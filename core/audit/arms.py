"""What the machine decided in an audit, before any statistics: which rows each arm retrieves for each prompt."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from core.audit.sources import Sources
from core.audit.spec import AuditSpec
from core.config import Edit, InputError, NothingLeft, Progress, Side, digest_of
from core.edits.choosing import EditChoice, choose_edits
from core.interventions import matched_random_edits
from core.ranking.bench import Bench
from core.ranking.evidence import Fitter
from core.ranking.material import embed_texts, part_codes, sae_of, select_part
from core.ranking.request import RankRequest
from core.ranking.results import Part
from core.ranking.steps import intervene, ties_at
from core.statistics import depth_for
from core.store import atomic_file, read_arrays

Edits = Mapping[Side, Edit]

ORIGINAL, CHOSEN, RECONSTRUCTION, PROJECTION = "original", "edited", "reconstruction only", "mean-difference projection"
PROJECTION_METHOD = "mean-difference"
RANDOM_DRAWS = 20
STORED = ("arms", "rows", "rows_changed", "cosine", "spread", "ties")
"""Arrays of a stored ranking."""


@dataclass(frozen=True, eq=False)
class Ranked:
    """The rankings of one attribute and prompt, one row an arm."""

    arms: tuple[str, ...]
    rows: np.ndarray
    """Places in the searched rows, int64 (arms, depth), best first; deeper than k, so that resamples reach them."""
    rows_changed: tuple[int, ...]
    """Searched rows whose embedding the arm changes."""
    cosine: tuple[float, ...]
    """Mean cosine of the searched rows before and after."""
    spread: tuple[float, ...]
    """Standard deviation of that cosine over the searched rows."""
    ties: tuple[int, ...]
    """Rows with exactly the k-th score where they lie on both sides of k; see `core.ranking.steps.ties_at`."""
    absent: tuple[tuple[str, str], ...] = ()
    """Arms without a ranking, each with the reason: their method leaves nothing of the prompt."""

    def of(self, arm: str) -> np.ndarray:
        """The ranking of one arm (depth,)."""
        return self.rows[self.arms.index(arm)]


def request_for(
    spec: AuditSpec, attribute: str, prompt: str, edits: Edits | None = None, sources: Sources | None = None
) -> RankRequest:
    """One prompt as the one door for rankings takes it; the evaluation half is measured.

    Parameters
    ----------
    sources : where methods find labelled items; needed wherever something is retrieved.
    """
    apart = sources is not None and sources.probe is not sources.gallery
    return RankRequest(
        attribute=attribute,
        query=prompt,
        k=spec.k,
        target=spec.target_of(attribute),
        half="evaluation",
        where=spec.where,
        edits=edits or {},
        method=spec.method,
        probe=sources.probe if sources is not None and apart else None,
        seed=spec.seed,
    )


def edits_of(spec: AuditSpec, sources: Sources, bench: Bench) -> tuple[dict[str, list[Edits]], list[str]]:
    """The edit of every attribute and prompt, found on the probe half, and warnings about them.

    The edit of an intersection is that of its attributes together.
    """
    gallery, notes = sources.gallery, []
    if spec.edit is None:
        return {a: [{}] * len(spec.all_prompts) for a in spec.attributes}, []
    choice, chosen = EditChoice.from_json(spec.edit), {}
    side: Side = next(iter(sources.saes))
    for attribute in spec.attributes:
        if choice.select in ("neurons", "label_set"):
            neurons = choice.neurons if choice.select == "neurons" else _labelled(choice, sources)
            chosen[attribute] = [{side: choice.edit(neurons)}] * len(spec.all_prompts)
            continue
        found = []
        for name in gallery.components(attribute):
            request = replace(request_for(spec, attribute, spec.prompts[0]), attribute=name, target=_plain(spec))
            prompts = list(spec.all_prompts)
            edits = choose_edits(gallery, sources.probe, choice, request, prompts, sources.texts, sources.saes, bench)
            notes += edits.notes
            found.append(edits)
        chosen[attribute] = [
            {gallery.side: choice.edit([j for edit in together for j in edit.neurons])}
            for together in zip(*found, strict=True)
        ]
    return chosen, list(dict.fromkeys(notes))


def _labelled(choice: EditChoice, sources: Sources) -> tuple[int, ...]:
    """Neurons of the labelled set that the edit names; InputError where the set at hand is another one."""
    made = sources.labelled
    if made is None or not made.digest.startswith(str(choice.label_set)):
        raise InputError(f"the set of labelled neurons {choice.label_set!r} is not at hand; name the neurons instead")
    return made.neurons


def _plain(spec: AuditSpec) -> Any:
    """Neurons are found against a target that every attribute has; a custom table belongs to the audited ones."""
    return spec.target if isinstance(spec.target, str) else "gallery"


def arms_of(
    spec: AuditSpec, sources: Sources, part: Part, request: RankRequest, controlled: bool, bench: Bench
) -> list[tuple[str, str, Edits]]:
    """Name, method and edits of every arm of one prompt: the original, the edit and, where asked for, its controls."""
    arms: list[tuple[str, str, Edits]] = [(ORIGINAL, "identity", {})]
    if not request.intervenes:
        return arms
    arms.append((CHOSEN, request.method, request.edits))
    if not controlled:
        return arms
    for side, edit in request.edits.items():
        if edit.neurons:
            drawn = matched_random_edits(
                _codes(spec, sources, part, request, side, bench), edit, RANDOM_DRAWS, spec.seed
            )
            arms.append((RECONSTRUCTION, "reconstruction-only", request.edits))
            arms += [(f"random {i}", request.method, {side: random}) for i, random in enumerate(drawn, 1)]
    fitter = Fitter(sources.gallery, request, sources.texts, sources.saes, bench)
    if request.method != PROJECTION_METHOD and fitter.missing(PROJECTION_METHOD) is None:
        arms.append((PROJECTION, PROJECTION_METHOD, {}))
    return arms


def _codes(spec: AuditSpec, sources: Sources, part: Part, request: RankRequest, side: Side, bench: Bench) -> Any:
    """Codes on which firing rates are counted: of the searched items, or of the prompts where those are edited."""
    if side == sources.gallery.side:
        return part_codes(sources.gallery, part, sae_of(side, sources.saes), bench)
    queries = embed_texts(list(spec.prompts), sources.gallery, request, sources.texts, sources.saes, bench)
    return queries.material.require_codes()


def ranked(
    spec: AuditSpec, sources: Sources, attribute: str, prompt: str, edits: Edits, controlled: bool, bench: Bench
) -> Ranked:
    """The rankings of every arm for one prompt."""
    request = request_for(spec, attribute, prompt, edits, sources)
    part = select_part(sources.gallery, request, bench)
    depth = min(depth_for(spec.k), part.n)
    names, rows, changed, cosines, ties, absent = [], [], [], [], [], []
    for name, method, arm_edits in arms_of(spec, sources, part, request, controlled, bench):
        asked = replace(request, edits=arm_edits, method=method)
        queries = embed_texts([prompt], sources.gallery, asked, sources.texts, sources.saes, bench)
        try:
            items, vectors = intervene(sources.gallery, part, queries, asked, method, sources.saes, bench)
        except NothingLeft as error:
            absent.append((name, str(error)))
            continue
        names.append(name)
        found = items.index.search(vectors[0], depth)
        rows.append(found.rows)
        ties.append(ties_at(found.scores, spec.k))
        changed.append(len(items.changed))
        cosines.append(_moments(items.cosines, part.n))
    return Ranked(tuple(names), np.stack(rows), tuple(changed), *zip(*cosines, strict=True), tuple(ties), tuple(absent))


def _moments(cosines: np.ndarray, n: int) -> tuple[float, float]:
    """Mean and standard deviation over all n rows of a cosine that is 1 where nothing changed."""
    lost = 1.0 - cosines.astype(np.float64)
    mean = float(lost.sum() / n)
    return 1.0 - mean, math.sqrt(max(float(np.square(lost).sum()) / n - mean * mean, 0.0))


# ------------------------------------------------------------------------------------------------ on disk


def gather(
    spec: AuditSpec,
    sources: Sources,
    edits: Mapping[str, Sequence[Edits]],
    folder: Path | None,
    bench: Bench,
    progress: Progress | None = None,
) -> dict[tuple[str, str], Ranked]:
    """The rankings of every (attribute, prompt); what is found in `folder` from an interrupted run is not made again.

    A stored ranking is named by the digest of all that it depends on, so that another spec never takes it up.
    """
    plan = [(a, i, prompt) for a in spec.attributes for i, prompt in enumerate(spec.all_prompts)]
    found: dict[tuple[str, str], Ranked] = {}
    used = {side: sae.digest for side, sae in sources.saes.items()}
    for done, (attribute, i, prompt) in enumerate(plan):
        if progress:
            progress(done, len(plan), f"rankings: {attribute}, {prompt}")
        edit, controlled = edits[attribute][i], prompt in spec.prompts
        asked = request_for(spec, attribute, prompt, edit, sources)
        weights = sources.texts.weights_digest if sources.texts else ""
        made_of = [sources.gallery.digest, used, weights, asked.digest, controlled, RANDOM_DRAWS, list(spec.prompts)]
        key = digest_of([*made_of, STORED])
        path = None if folder is None else folder / f"ranked-{key[:16]}.npz"
        if path is not None and path.is_file():
            found[attribute, prompt] = _load(path)
            continue
        found[attribute, prompt] = ranked(spec, sources, attribute, prompt, edit, controlled, bench)
        if path is not None:
            _save(path, found[attribute, prompt])
    if progress:
        progress(len(plan), len(plan), "rankings")
    return found


def _save(path: Path, one: Ranked) -> None:
    with atomic_file(path, sync=False) as partial, open(partial, "wb") as file:
        np.savez(
            file,
            arms=np.array(one.arms),
            rows=one.rows.astype(np.int32),
            rows_changed=np.array(one.rows_changed),
            cosine=np.array(one.cosine),
            spread=np.array(one.spread),
            ties=np.array(one.ties),
            absent=np.array(one.absent, dtype=np.str_).reshape(-1, 2),
        )


def _load(path: Path) -> Ranked:
    names = (*STORED, "absent")
    arms, rows, *rest, absent = read_arrays(path, names, "the rankings of an interrupted audit; remove it")
    numbers = (tuple(part.tolist()) for part in rest)
    return Ranked(tuple(arms.tolist()), rows.astype(np.int64), *numbers, tuple(map(tuple, absent.tolist())))
