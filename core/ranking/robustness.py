"""Would the finding be another one had the prompt been worded otherwise, the list been longer, the picture cropped?

One finding is the lean of one prompt at one k. Every variant changes one thing alone and asks the same question again:

paraphrase : another wording of the prompt, the same k and pictures
k : a list of k/4, k/2, 2k and 4k rows
picture : every picture of the gallery slightly changed and embedded anew. Galleries keep small pictures, which differ
    from those that were embedded first; so changed small pictures are compared with unchanged small pictures.

A finding holds in a variant where the verdict is the same and, beyond chance, the direction too. A shorter list can
fail to show what a longer one shows: "no lean beyond chance" there is no evidence against the finding, a turned
direction is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from core.config import Attach, InputError, Progress
from core.gallery import Gallery
from core.gallery.perturbed import AS_IT_IS, PERTURBATIONS, ImageModel, Perturbation, perturbed, why_no_pictures
from core.interventions import INTERVENTIONS
from core.ranking.arms import both_arms, intervene
from core.ranking.fitting import Fitter
from core.ranking.items import Items
from core.ranking.measures import lean_of_top
from core.ranking.queries import embed_texts
from core.ranking.request import RankRequest
from core.ranking.rows import Part, part_of
from core.ranking.variants import PromptRobustness, Robustness, Variant
from core.scene import Scene
from core.scene.texts import same_model, why_not_embedded
from core.statistics import effect_of, exchange_of

FACTORS = ((1, 4), (1, 2), (2, 1), (4, 1))
"""Multiples of k, as numerator and denominator."""
SHORTER = (
    "a list shorter than the prompt's own shows no lean beyond chance somewhere: fewer rows show less, so that this is "
    "no evidence against the finding; a turned direction would be"
)


@dataclass(frozen=True, eq=False)
class _Lists:
    """Every list that one gallery gives for some texts: searched places, best first, by arm and text."""

    part: Part
    rows: dict[tuple[int, str], np.ndarray]
    edited: bool
    seed: int = 0

    def variant(self, kind: Any, name: str, text: str, k: int, tests: int) -> Variant:
        tops = [self.rows[arm, text][:k] for arm in range(1 + self.edited)]
        before, *edited = (lean_of_top(self.part, top, tests, self.seed) for top in tops)
        if not edited:
            return Variant(kind, name, k, before)
        exchange, after = exchange_of(tops[0], tops[1], self.part.labels, len(self.part.groups)), edited[0]
        effect = effect_of(before, after, exchange, self.part.target.tolist(), tests)
        return Variant(kind, name, k, before, after, effect)


@dataclass(frozen=True, eq=False)
class _Question:
    """What every list is asked with."""

    scene: Scene
    request: RankRequest
    notes: list[str] = field(default_factory=list)

    def lists(self, texts: Sequence[str], depth: int, gallery: Gallery | None = None) -> _Lists:
        """The first `depth` searched places of every text before, and with an edit after it.

        Parameters
        ----------
        gallery : the same items, otherwise embedded; None: the scene's own.
        """
        scene = self.scene if gallery is None else self.scene.of(gallery)
        queries = embed_texts(scene, self.request, texts)
        self.notes.extend(queries.notes)
        arms, part = both_arms(self.request), part_of(scene, self.request)
        rows: dict[tuple[int, str], np.ndarray] = {}
        for number, arm in enumerate(arms):
            items, vectors = intervene(scene, part, arm.of(self.request), queries)
            rows |= {(number, text): _searched(items, v, depth) for text, v in zip(texts, vectors, strict=True)}
        return _Lists(part, rows, len(arms) > 1, self.request.seed)


def _searched(items: Items, vector: np.ndarray, depth: int) -> np.ndarray:
    return items.index.search(vector, min(depth, items.index.n)).rows


def robustness(
    scene: Scene,
    request: RankRequest,
    prompts: Sequence[str],
    pictures: Mapping[str, Perturbation] = PERTURBATIONS,
    progress: Progress | None = None,
) -> Robustness:
    """The findings of some prompts over paraphrases, list lengths and changes of the pictures.

    Equal galleries, requests and prompts give equal results; changed pictures are embedded once and kept by digest.
    Without a model, paraphrases are those that the gallery knows, and no picture changes.

    Parameters
    ----------
    request : attribute, k, rows and edit; its query is a stand-in.
    pictures : changes of the pictures by name; {}: none.

    Raises
    ------
    InputError : a prompt cannot be embedded, or k exceeds the searched rows.
    """
    asked, part = _Question(scene, request), part_of(scene, request)
    if request.k > part.n:
        raise InputError(f"k was {request.k}; expected 1 to {part.n}, the number of searched rows: choose a smaller k")
    prompts = list(dict.fromkeys(prompts))
    lengths, too_long = lengths_around(request.k, part.n)
    wordings: dict[str, list[str]] = {}
    dropped: dict[str, list[str]] = {}
    for prompt in prompts:
        wordings[prompt], dropped[prompt] = _wordings(scene, request, prompt)
    found: dict[str, _Lists] = {}
    for done, prompt in enumerate(prompts):
        if progress:
            progress(done, len(prompts), f"paraphrases and list lengths: {prompt}")
        found[prompt] = asked.lists(wordings[prompt], max([request.k, *lengths]))
    if progress:
        progress(len(prompts), len(prompts), "paraphrases and list lengths")
    changed, reason, cosine = _changed(asked, prompts, pictures, progress)
    tests, k = len(prompts), request.k
    results = []
    for prompt in prompts:
        own = found[prompt]
        variants = [own.variant("paraphrase", text, text, k, tests) for text in wordings[prompt][1:]]
        variants += [own.variant("k", f"k = {length}", prompt, length, tests) for length in lengths]
        plain = None
        for name, lists in changed.items():
            variant = lists.variant("picture", name, prompt, k, tests)
            if name == AS_IT_IS:
                plain = variant
            else:
                variants.append(variant)
        original = own.variant("original", prompt, prompt, k, tests)
        results.append(
            PromptRobustness(prompt, part.groups, original, tuple(variants), plain, (*dropped[prompt], *too_long))
        )
    notes = [*dict.fromkeys(asked.notes), *too_long]
    if any(_shows_less(one, v) for one in results for v in one.of_kind("k")):
        notes.append(SHORTER)
    notes += _summed(dropped)
    if reason is not None:
        notes.append(f"pictures are left out: {reason}")
    if cosine is not None:
        notes.append(
            "changed pictures are the small pictures that the gallery keeps; they are compared with the small pictures "
            f"as they are, embedded the same way (mean cosine to the gallery's own embeddings {cosine:.4f})"
        )
    return Robustness(tuple(results), tuple(notes), cosine)


def _shows_less(one: PromptRobustness, variant: Variant) -> bool:
    """Whether a shorter list shows no lean where the prompt's own one does."""
    shorter, silent = variant.k < one.original.k, not variant.lean.beyond_chance
    return shorter and silent and bool(one.original.lean.beyond_chance)


def lengths_around(k: int, n: int) -> tuple[list[int], list[str]]:
    """k/4, k/2, 2k and 4k without repeats, and what was left out because it reaches all n searched rows."""
    asked = sorted({max(1, k * up // down) for up, down in FACTORS} - {k})
    beyond = [length for length in asked if length >= n]
    said = f"k = {', '.join(map(str, beyond))} left out: only {n} rows are searched" if beyond else ""
    return [length for length in asked if length < n], [said] if said else []


def _wordings(scene: Scene, request: RankRequest, prompt: str) -> tuple[list[str], list[str]]:
    """The prompt and those of its paraphrases that can be asked, and why the others cannot."""
    kept, dropped = [prompt], []
    for text in Fitter(scene, request).book.paraphrases.of(prompt)[1:]:
        why = why_not_embedded(scene, [text], ("pooled",))
        model = scene.model if _refusal(scene) is None else None
        strange = model.unknown_words(text) if why is None and model is not None else []
        if why is not None:
            dropped.append(f"paraphrase {text!r}: {why}")
        elif strange:
            dropped.append(f"paraphrase {text!r}: the model does not know {', '.join(strange)}")
        else:
            kept.append(text)
    return kept, dropped


def _summed(dropped: Mapping[str, list[str]]) -> list[str]:
    """One line for all paraphrases that were left out, with the first reason."""
    every = [line for lines in dropped.values() for line in lines]
    return [f"{len(every)} paraphrases are left out, the first: {every[0]}"] if every else []


def _changed(
    asked: _Question, prompts: list[str], pictures: Mapping[str, Perturbation], progress: Progress | None
) -> tuple[dict[str, _Lists], str | None, float | None]:
    """Lists of every change of the pictures, unchanged ones first; or why there are none; and `picture_cosine`."""
    if not pictures:
        return {}, None, None
    scene, gallery, model = asked.scene, asked.scene.gallery, asked.scene.model
    reason = why_no_pictures(gallery) or _refusal(scene)
    if reason is not None or not isinstance(model, ImageModel):
        return {}, reason or f"the model {scene.model} embeds no pictures", None
    attaches = _attaches(scene, asked.request)
    lists, cosine = {}, None
    try:
        for name, change in ((AS_IT_IS, None), *pictures.items()):
            seen = perturbed(gallery, model, name, change, attaches, progress)
            if change is None:
                cosine = float(np.einsum("ij,ij->i", seen.unit(), gallery.unit()).mean(dtype=np.float64))
            lists[name] = asked.lists(prompts, asked.request.k, seen)
    except InputError as error:
        return {}, str(error), None
    return lists, None, cosine


def _refusal(scene: Scene) -> str | None:
    """Why the model at hand cannot embed what the gallery's own model would; None where it is that model."""
    gallery = scene.gallery
    if scene.model is None:
        name = gallery.fingerprint("pooled").model
        return f"the model that embedded gallery {gallery.name} ({name}) is not loaded, so no picture can be embedded"
    try:
        same_model(gallery, scene.model)
    except InputError as error:
        return str(error)
    return None


def _attaches(scene: Scene, request: RankRequest) -> tuple[Attach, ...]:
    """Where the changed pictures have to be embedded: pooled, and where the edit's SAE works."""
    if not request.intervenes or not INTERVENTIONS.get(request.method).needs.sae:
        return ("pooled",)
    side = scene.gallery.side
    return ("pooled", "residual") if side in scene.saes and scene.sae().attach == "residual" else ("pooled",)
