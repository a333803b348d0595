"""Which neurons a search finds: along a prompt, on an item or an upload, by label, for two attributes at once."""

from typing import TYPE_CHECKING

from core.config import InputError
from core.labelling import Standing
from core.ui.session import cache, label_log, probing
from core.ui.session.state import AppState

if TYPE_CHECKING:
    from core.ui.session.uploads import Upload

MOST = 8
Found = list[tuple[int, float]]
"""(neuron, value), best first."""


def along_prompt(state: AppState, probe: probing.Probe, text: str, most: int = MOST) -> Found:
    """Living neurons whose decoder direction is nearest to a prompt's embedding, with the cosine.

    InputError where the SAE's space has no text side: only pooled embeddings share their space with texts.
    """
    from core.neurons import neurons_towards

    if (probe.sae.attach or "pooled") != "pooled":
        raise InputError(
            f"the SAE {probe.sae.name} works on residuals, a space that texts do not share; search by a picture or by "
            "attribute, or choose an SAE of the pooled embeddings"
        )
    vector = probe.gallery.prompt_embedding(text)
    if vector is None:
        model = cache.current_backbone(state)
        theirs = probe.gallery.fingerprint("pooled")
        if theirs.weights not in ("unknown", model.weights_digest):
            raise InputError(f"the prompt cannot be read by the gallery's model {theirs.model}: choose it as the model")
        vector = model.text_embedding(text)
    W = probe.sae.sae.W_dec.detach().cpu().numpy()
    alive = set(probing.living(probe).tolist())
    return [(j, cosine) for j, cosine in neurons_towards(W, vector, len(W)) if j in alive][:most]


def on_item(probe: probing.Probe, item: str, most: int = MOST) -> tuple[int, Found]:
    """Row of a gallery item by its id, and its most active neurons."""
    from core.neurons import active_neurons

    ids = cache.result("item-ids", probe.parts[0], lambda: {i: row for row, i in enumerate(probe.gallery.table["id"])})
    if item not in ids:
        raise InputError(f"the gallery {probe.gallery.name} has no item {item!r}; ids stand under every picture's name")
    return ids[item], active_neurons(probe.codes.csr[ids[item]], most)


def on_upload(probe: probing.Probe, upload: "Upload", most: int = MOST) -> Found:
    """The most active neurons of an upload; computed each time: uploads are never kept."""
    from core.ui.session.uploads import strongest_neurons

    return strongest_neurons(upload, probe.sae, most)


def on_caption(state: AppState, probe: probing.Probe, text: str, most: int = MOST) -> Found:
    """The most active neurons of a caption that was typed, by the text SAE."""
    from core.neurons import active_neurons, encode_rows

    attach = probe.sae.attach or "pooled"
    model = cache.current_backbone(state)
    probe.sae.require(model.fingerprint("text", attach), "the model")
    row = model.encode_texts([text], attaches=(attach,))[attach]
    return active_neurons(encode_rows(row, probe.sae.sae), most)


def labelled(probe: probing.Probe) -> dict[str, list[Standing]]:
    """What is said -> the neurons of which it is said, on this gallery; disputed ones under "disputed"."""
    by: dict[str, list[Standing]] = {}
    for standing in label_log.live(probe.sae.digest).on(probe.gallery.digest).values():
        if standing.labels or standing.decision:
            by.setdefault(standing.said or "disputed", []).append(standing)
    return dict(sorted(by.items()))


def overlaps(probe: probing.Probe, first: str, second: str, tau: float) -> list[tuple[int, str, str]]:
    """Neurons that are specific for a group of both attributes."""
    from core.neurons import shared_neurons

    return shared_neurons(probing.social(probe, first, tau), probing.social(probe, second, tau))
