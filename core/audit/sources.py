"""Everything that an audit spec names, opened; and attributes crossed with each other."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from core.audit.material import SAEs
from core.audit.recorded_texts import RecordedTexts, RecordingTexts
from core.audit.spec import AuditSpec
from core.config import ASSETS, UNKNOWN, InputError
from core.gallery import Gallery, open_gallery
from core.zeroshot import PromptSet

if TYPE_CHECKING:
    from core.backbones.base import Backbone
    from core.saes.checkpoint import SAEFile

CROSS = " x "


@dataclass(frozen=True, eq=False)
class Sources:
    """What an audit reads."""

    gallery: "CrossedGallery"
    """Searched; its evaluation half is measured."""
    probe: "CrossedGallery"
    """Neurons are found on its probe half: the same gallery or the partner that it names."""
    saes: SAEs = field(default_factory=dict)
    texts: RecordingTexts | RecordedTexts | None = None
    """None: only the gallery's known prompts have embeddings."""
    prompts: PromptSet | None = None
    """Class prompts for what an edit costs."""


def open_sources(spec: AuditSpec, backbone: "Backbone | None" = None) -> Sources:
    """The spec's galleries, SAE and text encoder; `backbone` where the encoder is loaded already.

    InputError where something is not there or does not fit together.
    """
    from core.saes.checkpoint import load_sae

    gallery = open_gallery(spec.gallery)
    sae = load_sae(spec.sae) if spec.sae is not None else None
    if sae is not None and (sae.side or gallery.side) == gallery.side:
        for one in {id(g): g for g in (gallery, probe_of(gallery))}.values():
            _store_codes(one, sae)
    if backbone is None and _needs_encoder(spec, gallery):
        from core.backbones.open_clip_models import load_backbone

        backbone = load_backbone(spec.model or gallery.fingerprint("pooled").model)
    return sources_of(gallery, probe_of(gallery), sae, RecordingTexts(backbone) if backbone is not None else None)


def _store_codes(gallery: Gallery, sae: "SAEFile") -> None:
    """Codes beside the embeddings, so that a second reader uses the same ones; a folder that is read-only has none."""
    from core.neurons import codes_of

    with suppress(PermissionError):
        codes_of(gallery, sae)


def sources_of(
    gallery: Gallery, probe: Gallery, sae: "SAEFile | None", texts: RecordingTexts | RecordedTexts | None
) -> Sources:
    """Sources from opened parts."""
    saes: dict[Any, Any] = {}
    if sae is not None:
        saes = {sae.side or gallery.side: sae}
    return Sources(CrossedGallery(gallery), CrossedGallery(probe), saes, texts, class_prompts(gallery))


def probe_of(gallery: Gallery, find: Callable[[str], Gallery] = open_gallery) -> Gallery:
    """The gallery that holds the probe half: a gallery that is wholly the evaluation set names its partner."""
    partner = gallery.manifest.get("probe_gallery")
    if partner is None or gallery.manifest["split"].get("whole") != "evaluation":
        return gallery
    return find(partner)


def _needs_encoder(spec: AuditSpec, gallery: Gallery) -> bool:
    """Known prompts need none; a model that is asked for by name is always loaded."""
    known = all(gallery.prompt_embedding(text) is not None for text in spec.all_prompts)
    return spec.model is not None or not (known or gallery.prompts)


def class_prompts(gallery: Gallery) -> PromptSet | None:
    """The shipped class prompts whose groups are most of the gallery's own; None where none name any of them."""

    def shared(prompts: PromptSet) -> int:
        known = (a for a in prompts.attributes if a in gallery.attributes)
        return sum(len(set(prompts.attributes[a]) & set(gallery.groups(a))) for a in known)

    sets = [PromptSet.load(path) for path in sorted((ASSETS / "prompts").glob("*-attributes.json"))]
    best = max(sets, key=shared, default=None)
    return best if best is not None and shared(best) else None


class CrossedGallery:
    """A gallery in which "gender x race" is an attribute: its groups are the combinations that occur.

    An item whose group is unknown in one of the attributes is unknown in their combination.
    """

    def __init__(self, gallery: Gallery) -> None:
        self.plain = gallery

    def __getattr__(self, name: str) -> Any:
        return getattr(self.plain, name)

    def groups(self, attribute: str) -> list[str]:
        """The known groups of an attribute or of a combination, sorted."""
        return self._numbered(attribute)[0]

    def group_numbers(self, attribute: str) -> np.ndarray:
        """Each item's place in `groups(attribute)`, int32 (n,); -1 unknown."""
        return self._numbered(attribute)[1]

    def labels(self, attribute: str) -> np.ndarray:
        """The group of every item (n,), dtype object; None unknown."""
        groups, numbers = self._numbered(attribute)
        return np.array([*groups, None], dtype=object)[numbers]

    def group_counts(self, attribute: str, rows: np.ndarray | None = None) -> dict[str, int]:
        """Items of each group, then of "unknown"."""
        groups, numbers = self._numbered(attribute)
        counts = np.bincount((numbers if rows is None else numbers[rows]) + 1, minlength=len(groups) + 1)
        return {**dict(zip(groups, counts[1:].tolist(), strict=True)), UNKNOWN: int(counts[0])}

    def _numbered(self, attribute: str) -> tuple[list[str], np.ndarray]:
        parts = attribute.split(CROSS)
        if len(parts) == 1 or attribute in self.plain.attributes:
            return self.plain.groups(attribute), self.plain.group_numbers(attribute)
        if len(set(parts)) < len(parts):
            raise InputError(f"the intersection {attribute!r} names an attribute twice")
        return crossed([(self.plain.groups(a), self.plain.group_numbers(a)) for a in parts])


def crossed(columns: Sequence[tuple[list[str], np.ndarray]]) -> tuple[list[str], np.ndarray]:
    """Combinations of groups that occur, sorted by name, and each item's place among them; -1 unknown."""
    names, code = [""], np.zeros(len(columns[0][1]), dtype=np.int64)
    for groups, numbers in columns:
        names = [f"{a}{CROSS}{b}" if a else b for a in names for b in groups]
        code = np.where((code >= 0) & (numbers >= 0), code * len(groups) + numbers, -1)
    present = sorted(np.unique(code[code >= 0]).tolist(), key=lambda c: names[c])
    place = np.full(len(names) + 1, -1, dtype=np.int32)
    place[present] = np.arange(len(present))
    return [names[c] for c in present], place[code]


def components(attribute: str, known: Sequence[str]) -> list[str]:
    """The attribute itself, or those that an intersection crosses."""
    return [attribute] if attribute in known else attribute.split(CROSS)


def check_attributes(attributes: Sequence[str], gallery: Gallery) -> None:
    """InputError that lists the gallery's attributes where one is not there."""
    for attribute in attributes:
        for name in components(attribute, gallery.attributes):
            if name not in gallery.attributes:
                known = ", ".join(gallery.attributes) or "none"
                raise InputError(f"gallery {gallery.name} has no attribute {name!r}; known: {known}")
