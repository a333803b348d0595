"""What the machine decided in an audit, before any statistics: which rows each arm retrieves for each prompt."""

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from core.audit.recorded_texts import RecordingTexts
from core.audit.sources import Sources, request_for
from core.audit.spec import AuditSpec
from core.config import Attach, InputError, NothingLeft, Progress, Side, digest_of
from core.edits.choosing import EditChoice, choose_edits
from core.interventions import INTERVENTIONS
from core.ranking.arms import EDITED, RANDOM_DRAWS, Arm, Edits, all_arms, both_arms, intervene
from core.ranking.lists import ties_at
from core.ranking.queries import Queries, embed_texts
from core.ranking.request import RankRequest
from core.ranking.rows import part_of
from core.reading import parse_json, read_named_arrays
from core.statistics import depth_for
from core.store import atomic_file, write_arrays

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
    """Rows with exactly the k-th score where they lie on both sides of k; see `core.ranking.lists.ties_at`."""
    absent: tuple[tuple[str, str], ...] = ()
    """Arms without a ranking, each with the reason: their method leaves nothing of the prompt."""

    def of(self, arm: str) -> np.ndarray:
        """The ranking of one arm (depth,)."""
        return self.rows[self.arms.index(arm)]

    def cosine_of(self, arm: str) -> float:
        """The mean cosine of one arm; 1 where it has no ranking."""
        return self.cosine[self.arms.index(arm)] if arm in self.arms else 1.0


def edits_of(spec: AuditSpec, sources: Sources) -> tuple[dict[str, list[Edits]], list[str]]:
    """The edit of every attribute and prompt, found on the probe half, and warnings about them.

    The edit of an intersection is that of its attributes together.
    """
    scene = sources.scene
    notes: list[str] = []
    chosen: dict[str, list[Edits]] = {}
    if spec.edit is None or (spec.methods and INTERVENTIONS.get(spec.method).changes != "edit"):
        return {a: [{}] * len(spec.all_prompts) for a in spec.attributes}, []
    choice = EditChoice.from_json(spec.edit)
    side: Side = next(iter(scene.saes))
    for attribute in spec.attributes:
        if choice.select in ("neurons", "label_set"):
            neurons = choice.neurons if choice.select == "neurons" else _labelled(choice, sources)
            chosen[attribute] = [{side: choice.edit(neurons)}] * len(spec.all_prompts)
            continue
        found = []
        for name in scene.gallery.components(attribute):
            request = replace(request_for(spec, attribute, spec.prompts[0]), attribute=name, target=_plain(spec))
            prompts = list(spec.all_prompts)
            edits = choose_edits(scene, choice, request, prompts)
            notes += edits.notes
            found.append(edits)
        chosen[attribute] = [
            {scene.gallery.side: choice.edit([j for edit in together for j in edit.neurons])}
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


def arms_of(spec: AuditSpec, sources: Sources, request: RankRequest, controlled: bool) -> Sequence[Arm]:
    """Every arm of one prompt: the original, the edit and, where asked for, its controls."""
    if not controlled:
        return both_arms(request)
    return all_arms(sources.scene, request, lambda: embed_texts(sources.scene, request, spec.prompts))


def ranked(spec: AuditSpec, sources: Sources, attribute: str, prompt: str, edits: Edits, controlled: bool) -> Ranked:
    """The rankings of every arm for one prompt."""
    scene, request = sources.scene, request_for(spec, attribute, prompt, edits)
    part = part_of(scene, request)
    depth = min(depth_for(spec.k), part.n)
    names, rows, changed, cosines, ties, absent = [], [], [], [], [], []
    embedded: dict[tuple[str, ...], Queries] = {}
    for arm in arms_of(spec, sources, request, controlled):
        asked = arm.of(request)
        # what is embedded depends on the method and on which sides are edited, not on which neurons are switched
        kind = (arm.method, *arm.edits)
        if kind not in embedded:
            embedded[kind] = embed_texts(scene, asked, [prompt])
        queries = embedded[kind].asked_by(asked)
        try:
            items, vectors = intervene(scene, part, asked, queries)
        except NothingLeft as error:
            absent.append((arm.name, str(error)))
            continue
        names.append(arm.name)
        found = items.index.search(vectors[0], depth)
        rows.append(found.rows)
        ties.append(ties_at(found.scores, spec.k))
        changed.append(len(items.changed))
        cosines.append(_moments(items.cosines, part.n))
    means, spreads = zip(*cosines, strict=True)
    return Ranked(tuple(names), np.stack(rows), tuple(changed), means, spreads, tuple(ties), tuple(absent))


def costed_prompt(
    spec: AuditSpec, attribute: str, edits: Sequence[Edits], ranked: Mapping[tuple[str, str], Ranked]
) -> str:
    """The prompt whose edit stands for all where costs are told.

    Where each prompt has its own edit, the one that moves the gallery most: no other costs more rows.
    """
    if len({tuple(edit.digest for edit in one.values()) for one in edits[: len(spec.prompts)]}) == 1:
        return spec.prompts[0]
    return min(spec.prompts, key=lambda prompt: ranked[attribute, prompt].cosine_of(EDITED))


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
    progress: Progress | None = None,
    controls: bool = True,
) -> dict[tuple[str, str], Ranked]:
    """The rankings of every (attribute, prompt); what is found in `folder` from an interrupted run is not made again.

    Pre-registered prompts are ranked by the `controls` of the edit too, where these are asked for.

    A stored ranking is named by the digest of all that it depends on, so that another spec never takes it up. With it
    lie the texts that were embedded for it: what is taken up is written down as if it had been embedded here, so that
    the evidence is the same whether an audit was interrupted or not. One that cannot be read is made again.

    Many parameters: what is asked, what answers it, and where and how it is kept.
    """
    plan = [(a, i, prompt) for a in spec.attributes for i, prompt in enumerate(spec.all_prompts)]
    found: dict[tuple[str, str], Ranked] = {}
    scene = sources.scene
    used = {side: sae.digest for side, sae in scene.saes.items()}
    probe = {} if scene.has_own_probe else {"probe": scene.probe.digest}
    for done, (attribute, i, prompt) in enumerate(plan):
        if progress:
            progress(done, len(plan), f"rankings: {attribute}, {prompt}")
        edit, controlled = edits[attribute][i], controls and prompt in spec.prompts
        asked = digest_of(request_for(spec, attribute, prompt, edit).to_json() | probe)
        weights = scene.model.weights_digest if scene.model else ""
        made_of = [scene.gallery.digest, used, weights, asked, controlled, RANDOM_DRAWS, list(spec.prompts)]
        key = digest_of([*made_of, STORED])
        path = None if folder is None else folder / f"ranked-{key[:16]}.npz"
        if path is not None and path.is_file():
            with suppress(InputError):
                found[attribute, prompt] = _load(path, sources.texts)
                continue
        before = sources.texts.recorded() if isinstance(sources.texts, RecordingTexts) else {}
        found[attribute, prompt] = ranked(spec, sources, attribute, prompt, edit, controlled)
        if path is not None:
            _save(path, found[attribute, prompt], sources.texts, before)
    if progress:
        progress(len(plan), len(plan), "rankings")
    return found


def _save(path: Path, one: Ranked, texts: Any, before: Mapping[Attach, int]) -> None:
    embedded = texts.since(before) if isinstance(texts, RecordingTexts) else {}
    arrays = {
        "arms": np.array(one.arms),
        "rows": one.rows.astype(np.int32),
        "rows_changed": np.array(one.rows_changed),
        "cosine": np.array(one.cosine),
        "spread": np.array(one.spread),
        "ties": np.array(one.ties),
        "absent": np.array(one.absent, dtype=np.str_).reshape(-1, 2),
        "texts": np.array(json.dumps({attach: list(rows) for attach, rows in embedded.items()})),
    }
    arrays |= {f"text_{attach}": np.stack(list(rows.values())) for attach, rows in embedded.items()}
    with atomic_file(path, sync=False) as partial, open(partial, "wb") as file:
        write_arrays(file, arrays)


def _load(path: Path, texts: Any) -> Ranked:
    stored = read_named_arrays(path, "the rankings of an interrupted audit")
    if missing := [name for name in (*STORED, "absent", "texts") if name not in stored]:
        raise InputError(f"{path} lacks {missing[0]!r}; expected the rankings of an interrupted audit")
    if isinstance(texts, RecordingTexts):
        embedded = parse_json(str(stored["texts"]), str(path))
        texts.take({attach: dict(zip(of, stored[f"text_{attach}"], strict=True)) for attach, of in embedded.items()})
    arms, rows, rows_changed, cosine, spread, ties, absent = (stored[name] for name in (*STORED, "absent"))
    return Ranked(
        arms=tuple(arms.tolist()),
        rows=rows.astype(np.int64),
        rows_changed=tuple(rows_changed.tolist()),
        cosine=tuple(cosine.tolist()),
        spread=tuple(spread.tolist()),
        ties=tuple(ties.tolist()),
        absent=tuple((arm, reason) for arm, reason in absent.tolist()),
    )
