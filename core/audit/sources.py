"""Everything that an audit spec names, opened."""

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from core.audit.recorded_texts import RecordedTexts, RecordingTexts
from core.audit.spec import AuditSpec
from core.edits.choosing import EditChoice
from core.gallery import Gallery, open_gallery
from core.interventions import INTERVENTIONS
from core.ranking.arms import Edits
from core.ranking.request import RankRequest
from core.ranking.rows import checked
from core.saes.frozen import FrozenFile
from core.scene import Scene, text_model

if TYPE_CHECKING:
    from core.backbones.base import Backbone
    from core.labelling import LabelSet
    from core.saes.checkpoint import SAEFile


@dataclass(frozen=True, eq=False)
class Sources:
    """What an audit reads: a scene whose evaluation half is measured, and what its spec names besides."""

    scene: Scene
    """Its model writes down what it embeds, or reads what another wrote down."""
    labelled: "LabelSet | None" = None
    """The set of labelled neurons that the spec's edit names by its hash, all of it."""

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
    gallery, sae = open_gallery(spec.gallery), None
    if spec.sae is not None:
        from core.saes.checkpoint import load_sae

        sae = load_sae(spec.sae)
    scene = Scene(gallery, _by_side(gallery, sae))
    check(spec, scene)
    if sae is not None and gallery.side in scene.saes:
        for source in {id(g): g for g in (gallery, scene.probe)}.values():
            _store_codes(source, sae)
    encoder = backbone or text_model(gallery, spec.all_prompts, spec.model)
    texts = RecordingTexts(encoder) if encoder is not None else None
    return Sources(replace(scene, model=texts), _label_set(spec, sae))


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
    INTERVENTIONS.get(spec.method)
    choice = EditChoice.from_json(spec.edit) if spec.edit is not None else EditChoice()
    named = {next(iter(scene.saes)): choice.edit(choice.neurons)} if choice.neurons else {}
    for attribute in spec.attributes:
        checked(scene, request_for(spec, attribute, spec.prompts[0], named))


def _by_side(gallery: Gallery, sae: "SAEFile | FrozenFile | None") -> dict:
    return {} if sae is None else {sae.side or gallery.side: sae}


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
    sae: "SAEFile | FrozenFile | None",
    texts: RecordingTexts | RecordedTexts | None,
    labelled: "LabelSet | None" = None,
) -> Sources:
    """Sources from opened parts."""
    other = None if probe is gallery else probe
    return Sources(Scene(gallery, _by_side(gallery, sae), texts, other), labelled)
