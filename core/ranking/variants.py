"""A finding asked again with one thing changed, and whether it is still the same finding."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from core.statistics import ALPHA, Effect, Lean
from core.verdicts import LEAN_CHANGE_WORDS, LEAN_WORDS, lean_verdict

Kind = Literal["paraphrase", "k", "picture"]
KINDS: dict[Kind, str] = {"paraphrase": "paraphrases", "k": "list lengths", "picture": "pictures"}
SHOWN = 4
"""Variants without a turned direction that a sentence names; turned ones are all named."""

UNCHANGED = "With the unchanged small pictures, which changed ones are compared with"


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
        moved = effect.shares[self.group].estimate
        return 0 if not moved else 1 if moved > 0 else -1

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
