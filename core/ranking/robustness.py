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

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from core.config import Attach, InputError, Progress
from core.gallery import Gallery
from core.gallery.perturbed import AS_IT_IS, PERTURBATIONS, Perturbation, perturbed, why_no_pictures
from core.interventions import INTERVENTIONS
from core.ranking.bench import Bench
from core.ranking.evidence import Fitter, SAEs, sae_of
from core.ranking.material import Items, embed_texts, select_part
from core.ranking.request import RankRequest
from core.ranking.results import Part
from core.ranking.steps import intervene
from core.ranking.texts import same_model, why_not_embedded
from core.statistics import ALPHA, Effect, Lean, effect_of, exchange_of, lean_of
from core.verdicts import LEAN_CHANGE_WORDS, LEAN_WORDS, lean_verdict

if TYPE_CHECKING:
    from core.backbones.base import Backbone

Kind = Literal["paraphrase", "k", "picture"]
KINDS: dict[Kind, str] = {"paraphrase": "paraphrases", "k": "list lengths", "picture": "pictures"}
FACTORS = ((1, 4), (1, 2), (2, 1), (4, 1))
"""Multiples of k, as numerator and denominator."""
SHOWN = 4
"""Variants without a turned direction that a sentence names; turned ones are all named."""

UNCHANGED = "With the unchanged small pictures, which changed ones are compared with"
SHORTER = (
    "a list shorter than the prompt's own shows no lean beyond chance somewhere: fewer rows show less, so that this is "
    "no evidence against the finding; a turned direction would be"
)


@dataclass(frozen=True, eq=False)
class Variant:
    """The same question with one thing changed, answered."""

    kind: Kind | Literal["original"]
    name: str
    """The paraphrase, "k = 25" or the change of the pictures."""
    k: int
    lean: Lean
    after: Lean | None = None
    """The lean after the edit, where there is one."""
    effect: Effect | None = None

    @property
    def verdict(self) -> str:
        return lean_verdict(self.lean.beyond_chance)

    def direction(self, group: int) -> int:
        """1 where the prompt prefers the group beyond chance, -1 where it prefers others, 0 where it cannot be told."""
        one = self.lean.groups[group]
        if not self.lean.beyond_chance or one.p_adjusted is None or one.p_adjusted > ALPHA:
            return 0
        return 1 if one.departure > 0 else -1 if one.departure < 0 else 0


@dataclass(frozen=True, eq=False)
class PromptRobustness:
    """One prompt's finding and all its variants."""

    prompt: str
    groups: tuple[str, ...]
    original: Variant
    variants: tuple[Variant, ...]
    as_it_is: Variant | None = None
    """With the kept pictures unchanged: what changed pictures are compared with."""
    left_out: tuple[str, ...] = ()
    """Variants that could not be asked, each with its reason."""

    @property
    def group(self) -> int:
        """The group whose ratio is followed: the leading one, else the one that departs most upwards."""
        lean = self.original.lean
        large = [g for g, one in enumerate(lean.groups) if not one.small] or list(range(len(lean.groups)))
        return lean.leading if lean.leading is not None else max(large, key=lambda g: lean.groups[g].departure)

    @property
    def group_name(self) -> str:
        return self.groups[self.group]

    def reference(self, variant: Variant) -> Variant:
        """What a variant is compared with."""
        return self.as_it_is if variant.kind == "picture" and self.as_it_is is not None else self.original

    def holds(self, variant: Variant) -> bool:
        """Whether the variant has the verdict and the direction of what it is compared with."""
        other = self.reference(variant)
        return variant.verdict == other.verdict and variant.direction(self.group) == other.direction(self.group)

    def flips(self, variant: Variant) -> bool:
        """Whether the variant leans the other way, both beyond chance."""
        return variant.direction(self.group) * self.reference(variant).direction(self.group) < 0

    def change_holds(self, variant: Variant) -> bool | None:
        """Whether the edit moves the list in the same direction; None without an edit."""
        other = self.reference(variant)
        if variant.effect is None or other.effect is None:
            return None
        return variant.effect.lean_direction == other.effect.lean_direction

    def change_flips(self, variant: Variant) -> bool:
        """Whether the edit moves the followed group's share the other way, both beyond chance."""
        return self._moved(variant) * self._moved(self.reference(variant)) < 0

    def _moved(self, variant: Variant) -> int:
        """1 where the edit raises the followed group's share beyond chance, -1 where it lowers it, else 0."""
        effect = variant.effect
        if effect is None or max(effect.p, effect.p_group[self.group]) > ALPHA:
            return 0
        return 1 if (effect.shares[self.group].estimate or 0.0) > 0 else -1

    def of_kind(self, kind: Kind) -> list[Variant]:
        return [variant for variant in self.variants if variant.kind == kind]

    @property
    def disagree(self) -> dict[str, list[str]]:
        """Wordings that prefer the followed group, and others, beyond chance; {} unless there are both."""
        worded = [self.original, *self.of_kind("paraphrase")]
        sides = {side: [v.name for v in worded if v.direction(self.group) == side] for side in (1, -1)}
        return {"for": sides[1], "against": sides[-1]} if sides[1] and sides[-1] else {}

    @property
    def ratio_range(self) -> tuple[float, float] | None:
        """Smallest and largest ratio of the followed group, the original's too."""
        ratios = [v.lean.groups[self.group].ratio.estimate for v in (self.original, *self.variants)]
        known = [ratio for ratio in ratios if ratio is not None]
        return (min(known), max(known)) if known else None

    def counted(self) -> dict[str, tuple[int, int]]:
        """Variants in which the finding holds, and all of them, by kind and together ("all")."""
        found = {kind: self.of_kind(kind) for kind in KINDS} | {"all": list(self.variants)}
        return {kind: (sum(map(self.holds, variants)), len(variants)) for kind, variants in found.items() if variants}

    def sentences(self) -> Iterator[str]:
        """What a person has to know, in a few sentences."""
        towards = self.original.direction(self.group)
        said = f"leans towards {self.group_name} beyond chance" if towards > 0 else LEAN_WORDS[self.original.verdict]
        counts = self.counted()
        if not counts:
            yield f"“{self.prompt}” ({said}): no variant could be asked."
            return
        shown = [(title, counts[kind]) for kind, title in KINDS.items() if kind in counts]
        by_kind = ", ".join(f"{title} {same} of {whole}" for title, (same, whole) in shown)
        held, n = counts["all"]
        yield f"“{self.prompt}” ({said}): the finding holds in {held} of {n} variants ({by_kind})."
        if self.ratio_range is not None:
            least, most = self.ratio_range
            yield f"The ratio of {self.group_name} goes from {least:.2f} to {most:.2f}."
        lost = [v.name for v in self.variants if not self.holds(v) and not self.flips(v)]
        if lost:
            more = f" and {len(lost) - SHOWN} others" if len(lost) > SHOWN else ""
            yield f"It is not found, nor its opposite, with: {'; '.join(lost[:SHOWN])}{more}."
        turned = [v.name for v in self.variants if self.flips(v)]
        if turned:
            yield f"The direction turns with: {'; '.join(turned)}."
        plain = self.as_it_is
        if plain is not None and (
            plain.verdict != self.original.verdict or plain.direction(self.group) != self.original.direction(self.group)
        ):
            yield f"{UNCHANGED}, the finding is another one already: {LEAN_WORDS[plain.verdict]}."
        if self.disagree:
            sides = self.disagree
            yield (
                f"Its wordings disagree: {self.group_name} is preferred by {'; '.join(sides['for'])}, "
                f"others by {'; '.join(sides['against'])}."
            )
        yield from self._edit_sentences()

    def _edit_sentences(self) -> Iterator[str]:
        moved = [v for v in self.variants if v.effect is not None]
        if not moved or self.original.effect is None:
            return
        same = sum(bool(self.change_holds(v)) for v in moved)
        others = Counter(v.effect.lean_direction for v in moved if v.effect is not None and not self.change_holds(v))
        what = LEAN_CHANGE_WORDS[self.original.effect.lean_direction]
        told = ", ".join(f"{LEAN_CHANGE_WORDS[name]} ({n})" for name, n in others.most_common())
        told = f"; in the others: {told}" if told else ""
        yield f"The edit ({what}) does the same in {same} of {len(moved)} variants{told}."
        plain = self.as_it_is.effect if self.as_it_is is not None else None
        if plain is not None and plain.lean_direction != self.original.effect.lean_direction:
            yield f"{UNCHANGED}, it does something else already: {LEAN_CHANGE_WORDS[plain.lean_direction]}."
        turned = [v.name for v in moved if self.change_flips(v)]
        if turned:
            yield f"It moves {self.group_name} the other way with: {'; '.join(turned)}."

    def to_json(self) -> dict[str, Any]:
        ends = self.ratio_range
        return {
            "prompt": self.prompt,
            "group": self.group_name,
            "verdict": self.original.verdict,
            "holds": {kind: {"count": held, "n": n} for kind, (held, n) in self.counted().items()},
            "ratio_range": None if ends is None else list(ends),
            "flips": [v.name for v in self.variants if self.flips(v)],
            "wordings_disagree": self.disagree or None,
            "change_flips": [v.name for v in self.variants if self.change_flips(v)],
            "left_out": list(self.left_out),
            "words": " ".join(self.sentences()),
        }


@dataclass(frozen=True, eq=False)
class Robustness:
    """All prompts, and what must be said beside them."""

    prompts: tuple[PromptRobustness, ...]
    notes: tuple[str, ...]
    picture_cosine: float | None = None
    """Mean cosine of the kept pictures' embeddings and the gallery's own; None where no picture was embedded."""


@dataclass(frozen=True, eq=False)
class _Lists:
    """Every list that one gallery gives for some texts: searched places, best first, by arm and text."""

    part: Part
    rows: dict[tuple[int, str], np.ndarray]
    edited: bool

    def variant(self, kind: Any, name: str, text: str, k: int, tests: int) -> Variant:
        tops = [self.rows[arm, text][:k] for arm in range(1 + self.edited)]
        before, *edited = (lean_of(self.part.counts, _counts(self.part, top), tests) for top in tops)
        if not edited:
            return Variant(kind, name, k, before)
        exchange, after = exchange_of(tops[0], tops[1], self.part.labels, len(self.part.groups)), edited[0]
        effect = effect_of(before, after, exchange, self.part.target.tolist(), tests)
        return Variant(kind, name, k, before, after, effect)


def _counts(part: Part, top: np.ndarray) -> list[int]:
    own = part.labels[top]
    return np.bincount(own[own >= 0], minlength=len(part.groups)).tolist()


@dataclass(frozen=True, eq=False)
class _Asked:
    """What every list is asked with."""

    request: RankRequest
    backbone: "Backbone | None"
    saes: SAEs
    bench: Bench
    notes: list[str] = field(default_factory=list)

    def lists(self, gallery: Gallery, texts: Sequence[str], depth: int) -> _Lists:
        """The first `depth` searched places of every text before, and with an edit after it."""
        given, part = (self.saes, self.bench), select_part(gallery, self.request, self.bench)
        queries = embed_texts(list(texts), gallery, self.request, self.backbone, *given)
        self.notes.extend(queries.notes)
        methods = ("identity", self.request.method) if self.request.intervenes else ("identity",)
        rows: dict[tuple[int, str], np.ndarray] = {}
        for arm, method in enumerate(methods):
            items, vectors = intervene(gallery, part, queries, self.request, method, *given)
            rows |= {(arm, text): _searched(items, v, depth) for text, v in zip(texts, vectors, strict=True)}
        return _Lists(part, rows, len(methods) > 1)


def _searched(items: Items, vector: np.ndarray, depth: int) -> np.ndarray:
    return items.index.search(vector, min(depth, items.index.n)).rows


def robustness(
    gallery: Gallery,
    request: RankRequest,
    prompts: Sequence[str],
    backbone: "Backbone | None" = None,
    saes: SAEs | None = None,
    bench: Bench | None = None,
    pictures: Mapping[str, Perturbation] = PERTURBATIONS,
    progress: Progress | None = None,
) -> Robustness:
    """The findings of some prompts over paraphrases, list lengths and changes of the pictures.

    Equal galleries, requests and prompts give equal results; changed pictures are embedded once and kept by digest.

    Parameters
    ----------
    request : attribute, k, rows and edit; its query is a stand-in.
    backbone : the gallery's model; without it, paraphrases are those that the gallery knows, and no picture changes.
    pictures : changes of the pictures by name; {}: none.

    Raises
    ------
    InputError : a prompt cannot be embedded, or k exceeds the searched rows.
    """
    asked = _Asked(request, backbone, saes or {}, bench or Bench())
    part = select_part(gallery, request, asked.bench)
    if request.k > part.n:
        raise InputError(f"k was {request.k}; expected 1 to {part.n}, the number of searched rows: choose a smaller k")
    prompts = list(dict.fromkeys(prompts))
    lengths, too_long = lengths_around(request.k, part.n)
    said: dict[str, list[str]] = {}
    dropped: dict[str, list[str]] = {}
    for prompt in prompts:
        said[prompt], dropped[prompt] = _wordings(asked, gallery, prompt)
    found: dict[str, _Lists] = {}
    for done, prompt in enumerate(prompts):
        if progress:
            progress(done, len(prompts), f"paraphrases and list lengths: {prompt}")
        found[prompt] = asked.lists(gallery, said[prompt], max([request.k, *lengths]))
    if progress:
        progress(len(prompts), len(prompts), "paraphrases and list lengths")
    changed, reason, cosine = _changed(asked, gallery, prompts, pictures, progress)
    tests, k = len(prompts), request.k
    results = []
    for prompt in prompts:
        own = found[prompt]
        variants = [own.variant("paraphrase", text, text, k, tests) for text in said[prompt][1:]]
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


def _wordings(asked: _Asked, gallery: Gallery, prompt: str) -> tuple[list[str], list[str]]:
    """The prompt and those of its paraphrases that can be asked, and why the others cannot."""
    fitter = Fitter(gallery, asked.request, asked.backbone, asked.saes, asked.bench)
    kept, dropped = [prompt], []
    for text in fitter.book.paraphrases.of(prompt)[1:]:
        why = why_not_embedded([text], ("pooled",), gallery, asked.backbone)
        model = asked.backbone if _refusal(asked, gallery) is None else None
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
    asked: _Asked, gallery: Gallery, prompts: list[str], pictures: Mapping[str, Perturbation], progress: Progress | None
) -> tuple[dict[str, _Lists], str | None, float | None]:
    """Lists of every change of the pictures, unchanged ones first; or why there are none; and `picture_cosine`."""
    if not pictures:
        return {}, None, None
    model, reason = asked.backbone, why_no_pictures(gallery) or _refusal(asked, gallery)
    if reason is not None or model is None:
        return {}, reason, None
    attaches = _attaches(asked, gallery)
    found, cosine = {}, None
    try:
        for name, change in ((AS_IT_IS, None), *pictures.items()):
            seen = perturbed(gallery, model, name, change, attaches, progress)
            if change is None:
                cosine = float(np.einsum("ij,ij->i", seen.unit(), gallery.unit()).mean(dtype=np.float64))
            found[name] = asked.lists(seen, prompts, asked.request.k)
    except InputError as error:
        return {}, str(error), None
    return found, None, cosine


def _refusal(asked: _Asked, gallery: Gallery) -> str | None:
    """Why the model at hand cannot embed what the gallery's own model would; None where it is that model."""
    if asked.backbone is None:
        name = gallery.fingerprint("pooled").model
        return f"the model that embedded gallery {gallery.name} ({name}) is not loaded, so no picture can be embedded"
    try:
        same_model(gallery, asked.backbone)
    except InputError as error:
        return str(error)
    return None


def _attaches(asked: _Asked, gallery: Gallery) -> tuple[Attach, ...]:
    """Where the changed pictures have to be embedded: pooled, and where the edit's SAE works."""
    request = asked.request
    if not request.intervenes or not INTERVENTIONS.get(request.method).needs.sae or gallery.side not in asked.saes:
        return ("pooled",)
    return ("pooled", "residual") if sae_of(gallery.side, asked.saes).attach == "residual" else ("pooled",)
