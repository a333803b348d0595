"""Everything that an audit spec names, opened."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from core.audit.recorded_texts import RecordedTexts, RecordingTexts
from core.audit.spec import AuditSpec
from core.config import InputError, Side
from core.edits.choosing import EditChoice
from core.gallery import Gallery, open_gallery
from core.interventions import INTERVENTIONS
from core.ranking.arms import Edits
from core.ranking.request import RankRequest
from core.ranking.rows import checked
from core.scene import SAEs, Scene, load_saes, text_model
from core.scene.opening import shipped_saes_for

if TYPE_CHECKING:
    from core.backbones.base import Backbone
    from core.labelling import LabelSet
    from core.saes.checkpoint import SAEFile
    from core.saes.frozen import FrozenFile


@dataclass(frozen=True, eq=False)
class Sources:
    """What an audit reads: a scene whose evaluation half is measured, and what its spec names besides."""

    scene: Scene
    """Its model writes down what it embeds, or reads what another wrote down."""
    labelled: "LabelSet | None" = None
    """The set of labelled neurons that the spec's edit names by its hash, all of it."""
    given: Mapping[Side, str] = field(default_factory=dict)
    """By which name or place the SAE of each side was asked for."""

    @property
    def gallery(self) -> Gallery:
        return self.scene.gallery

    @property
    def texts(self) -> RecordingTexts | RecordedTexts | None:
        """The record of texts; None where only the gallery's known prompts have embeddings."""
        model = self.scene.model
        assert model is None or isinstance(model, RecordingTexts | RecordedTexts), "an audit's texts are written down"
        return model


def open_sources(spec: AuditSpec, backbone: "Backbone | None" = None) -> Sources:
    """The spec's galleries, SAE and text encoder; `backbone` where the encoder is loaded already.

    InputError where something is not there or does not fit together.
    """
    gallery = open_gallery(spec.gallery)
    named = load_saes(gallery, spec.saes)
    given = dict(zip(named, spec.saes, strict=True))
    saes = {**named, **_shipped(gallery, spec, named)}
    given |= {side: sae.name for side, sae in saes.items() if side not in given}
    scene = Scene(gallery, saes)
    check(spec, scene)
    if gallery.side in saes:
        for source in {id(g): g for g in (gallery, scene.probe)}.values():
            _store_codes(source, saes[gallery.side])
    encoder = backbone or text_model(gallery, spec.all_prompts, spec.model)
    texts = RecordingTexts(encoder) if encoder is not None else None
    return Sources(replace(scene, model=texts), _label_set(spec, next(iter(named.values()), None)), given)


def _shipped(gallery: Gallery, spec: AuditSpec, named: SAEs) -> SAEs:
    """Shipped SAEs for methods that need one of a side of which the spec names none, where they fit the gallery."""
    kinds = [INTERVENTIONS.get(name) for name in dict.fromkeys((spec.method, *spec.methods))]
    using = [kind for kind in kinds if kind.needs.sae and not kind.needs.edit]
    sides: list[Side] = ["text" if kind.changes == "query" else gallery.side for kind in using]
    return {side: sae for side, sae in shipped_saes_for(gallery, sides).items() if side not in named}


def request_for(spec: AuditSpec, attribute: str, prompt: str, edits: Edits | None = None) -> RankRequest:
    """One prompt as the one door for rankings takes it; the evaluation half is measured."""
    return RankRequest(
        attribute=attribute,
        query=prompt,
        k=spec.k,
        target=spec.target_of(attribute),
        half="evaluation",
        where=spec.where,
        edits=edits or {},
        method=spec.method,
        seed=spec.seed,
    )


def check(spec: AuditSpec, scene: Scene) -> None:
    """InputError for what can be known not to fit before anything is embedded."""
    for name in dict.fromkeys((spec.method, *spec.methods)):
        kind = INTERVENTIONS.get(name)
        if spec.methods and kind.needs.edit and spec.edit is None:
            raise InputError(f"methods names {name}, which needs chosen neurons; give sae and edit")
    choice = EditChoice.from_json(spec.edit) if spec.edit is not None else EditChoice()
    named = {next(iter(scene.saes)): choice.edit(choice.neurons)} if choice.neurons else {}
    for attribute in spec.attributes:
        checked(scene, request_for(spec, attribute, spec.prompts[0], named))


def _label_set(spec: AuditSpec, sae: "SAEFile | None") -> "LabelSet | None":
    """The labelled set that the spec's edit names, from this machine's log; its database is opened for nothing else."""
    digest = (spec.edit or {}).get("label_set")
    if digest is None or sae is None:
        return None
    from core.labelling import label_set

    return label_set(str(digest), sae.digest)


def _store_codes(gallery: Gallery, sae: "SAEFile | FrozenFile") -> None:
    """Codes beside the embeddings, so that a second reader uses the same ones; a folder that is read-only has none."""
    from core.neurons import codes_of

    with suppress(PermissionError):
        codes_of(gallery, sae)


def sources_of(
    gallery: Gallery,
    probe: Gallery,
    saes: SAEs,
    texts: RecordingTexts | RecordedTexts | None,
    labelled: "LabelSet | None" = None,
) -> Sources:
    """Sources from opened parts."""
    other = None if probe is gallery else probe
    return Sources(Scene(gallery, saes, texts, other), labelled)
