"""One frozen object for what is looked at; its rules (whose probe half, which half, which class prompts) are here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from core.config import ASSETS, Half, InputError, Side
from core.gallery import Gallery, open_gallery
from core.saes.frozen import FrozenFile
from core.scene.bench import Bench
from core.zeroshot import PromptSet

if TYPE_CHECKING:
    from core.backbones.text_side import TextSide
    from core.saes.checkpoint import SAEFile

SAEs = Mapping[Side, "SAEFile | FrozenFile"]


@dataclass(frozen=True, eq=False)
class Scene:
    """A gallery and all that questions about it are answered with. What is asked stands elsewhere.

    Rules that depend on the gallery alone are written here and nowhere else.
    """

    gallery: Gallery
    """Whose items are searched."""
    saes: SAEs = field(default_factory=dict)
    """The SAE of each side that is edited or explained."""
    model: "TextSide | None" = None
    """Embeds texts; None: only the gallery's known prompts have embeddings."""
    other_probe: Gallery | None = None
    """Whose probe rows find neurons and fit methods, where they are not those that the rule of `probe` names."""
    bench: Bench = field(default_factory=Bench)
    """Remembers what repeats between questions; answers are the same with and without."""

    @cached_property
    def probe(self) -> Gallery:
        """Whose probe rows find neurons and fit methods: the gallery's own, or those of the partner that it names.

        A gallery that is wholly an evaluation set has no probe rows; it names a partner that is wholly a probe set.
        """
        return self.other_probe or probe_of(self.gallery)

    @property
    def has_own_probe(self) -> bool:
        """Whether the probe rows are rows of the searched gallery."""
        return self.probe is self.gallery

    def probe_rows(self, where: Mapping[str, str] | None = None) -> np.ndarray:
        """Rows of `probe`, restricted to a part; InputError where it is of another model or has no such rows."""
        return self.at("probe").gallery.rows("probe", where or {})

    def half(self, half: Half) -> Half:
        """The half as this gallery has it: a gallery that is wholly one half is measured whole."""
        return "all" if is_whole(self.gallery) else half

    def at(self, half: Half) -> "Scene":
        """The scene whose gallery holds a half: the probe gallery for the probe half of one that has a partner.

        InputError where that was embedded by another model.
        """
        if half != "probe" or self.has_own_probe:
            return self
        mine, theirs = (g.fingerprint("pooled") for g in (self.gallery, self.probe))
        mine.require_match(theirs, f"gallery {self.gallery.name!r}", f"the probe set {self.probe.name!r}")
        return self.of(self.probe)

    def of(self, gallery: Gallery) -> "Scene":
        """The same SAEs, model and memory with another gallery."""
        return replace(self, gallery=gallery, other_probe=None if gallery is self.probe else self.other_probe)

    @cached_property
    def class_prompts(self) -> PromptSet | None:
        """The shipped class prompts whose groups are most of the gallery's own; None where none name any of them."""

        def shared(prompts: PromptSet) -> int:
            known = (a for a in prompts.attributes if a in self.gallery.attributes)
            return sum(len(set(prompts.attributes[a]) & set(self.gallery.groups(a))) for a in known)

        sets = [PromptSet.load(path) for path in sorted((ASSETS / "prompts").glob("*-attributes.json"))]
        best = max(sets, key=shared, default=None)
        return best if best is not None and shared(best) else None

    def sae(self, side: Side | None = None) -> "SAEFile | FrozenFile":
        """The SAE of a side (the gallery's own if None); InputError where there is none or it is of the other side."""
        side = side or self.gallery.side
        if side not in self.saes:
            raise InputError(f"no {side} SAE was given; choose one")
        sae_file = self.saes[side]
        if sae_file.side not in (None, side):
            raise InputError(
                f"the SAE {sae_file.name!r} belongs to the {sae_file.side} side; choose one of the {side} side"
            )
        return sae_file


def probe_of(gallery: Gallery, find: Callable[[str], Gallery] = open_gallery) -> Gallery:
    """The gallery that holds the probe half: one that is wholly the evaluation set names its partner.

    Parameters
    ----------
    find : opens the partner by its name or place.
    """
    partner = gallery.manifest.get("probe_gallery")
    if partner is None or gallery.manifest["split"].get("whole") != "evaluation":
        return gallery
    return find(partner)


def is_whole(gallery: Gallery) -> bool:
    """Whether a gallery is wholly one half."""
    return gallery.manifest["split"].get("whole") is not None
