"""Everything that an audit spec names, opened."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from core.audit.recorded_texts import RecordedTexts, RecordingTexts
from core.audit.spec import AuditSpec
from core.config import ASSETS
from core.gallery import Gallery, open_gallery
from core.ranking.material import SAEs
from core.zeroshot import PromptSet

if TYPE_CHECKING:
    from core.backbones.base import Backbone
    from core.labelling import LabelSet
    from core.saes.checkpoint import SAEFile


@dataclass(frozen=True, eq=False)
class Sources:
    """What an audit reads."""

    gallery: Gallery
    """Searched; its evaluation half is measured."""
    probe: Gallery
    """Neurons are found on its probe half: the same gallery or the partner that it names."""
    saes: SAEs = field(default_factory=dict)
    texts: RecordingTexts | RecordedTexts | None = None
    """None: only the gallery's known prompts have embeddings."""
    prompts: PromptSet | None = None
    """Class prompts for what an edit costs."""
    labelled: "LabelSet | None" = None
    """The set of labelled neurons that the spec's edit names by its hash, all of it."""


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
        from core.ranking.texts import gallery_model

        backbone = gallery_model(gallery, spec.model)
    texts = RecordingTexts(backbone) if backbone is not None else None
    return sources_of(gallery, probe_of(gallery), sae, texts, _label_set(spec, sae))


def _label_set(spec: AuditSpec, sae: "SAEFile | None") -> "LabelSet | None":
    """The labelled set that the spec's edit names, from this machine's log; its database is opened for nothing else."""
    digest = (spec.edit or {}).get("label_set")
    if digest is None or sae is None:
        return None
    from core.labelling import label_set

    return label_set(str(digest), sae.digest)


def _store_codes(gallery: Gallery, sae: "SAEFile") -> None:
    """Codes beside the embeddings, so that a second reader uses the same ones; a folder that is read-only has none."""
    from core.neurons import codes_of

    with suppress(PermissionError):
        codes_of(gallery, sae)


def sources_of(
    gallery: Gallery,
    probe: Gallery,
    sae: "SAEFile | None",
    texts: RecordingTexts | RecordedTexts | None,
    labelled: "LabelSet | None" = None,
) -> Sources:
    """Sources from opened parts."""
    saes: dict[Any, Any] = {}
    if sae is not None:
        saes = {sae.side or gallery.side: sae}
    return Sources(gallery, probe, saes, texts, class_prompts(gallery), labelled)


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
