"""Options that every verb with an edit shares, and the edit that they describe."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.config import FORMS, Edit, InputError, Side, one_of
from core.gallery import Gallery

if TYPE_CHECKING:
    from core.backbones.base import Backbone
    from core.saes.checkpoint import SAEFile

GalleryName = Annotated[str, typer.Option("--gallery", help="Gallery folder or shipped name.")]
Target = Annotated[str, typer.Option("--target", help="uniform, gallery, or a file of group and share.")]
SaeNames = Annotated[list[str] | None, typer.Option("--sae", help="SAE of a side; once a side.")]
Off = Annotated[list[str] | None, typer.Option("--off", help="Neurons of that SAE, as 3,17.")]
Strength = Annotated[float, typer.Option("--strength", help="0 changes nothing, 1 switches fully.")]
Gamma = Annotated[float, typer.Option("--gamma", help="Value of a fully switched neuron.")]
Form = Annotated[str, typer.Option("--form", help="error-preserving or blend.")]
Alpha = Annotated[float, typer.Option("--alpha", help="Share of the reconstruction (blend).")]
Method = Annotated[str | None, typer.Option("--method", help="Registered intervention.")]
Where = Annotated[list[str] | None, typer.Option("--where", help="COLUMN=VALUE, repeatable.")]
Model = Annotated[str | None, typer.Option("--model", help="Text encoder; the gallery's own by default.")]
Pretrained = Annotated[str | None, typer.Option("--pretrained", help="open_clip weights tag.")]
Seed = Annotated[int, typer.Option("--seed", help="Of null bands and intervals.")]


def chosen_edits(
    gallery: Gallery,
    sae: Sequence[str] | None,
    off: Sequence[str] | None,
    strength: float,
    gamma: float,
    form: str,
    alpha: float,
    method: str | None,
) -> tuple[dict[Side, "SAEFile"], dict[Side, Edit]]:
    """The SAEs that were named, by side, and the edit of each.

    An edit without neurons belongs to the gallery's side. A method that needs an SAE and was given none takes the
    shipped one where it fits.

    InputError for two SAEs of one side, neurons without an SAE, and an unknown method (before anything is loaded).
    """
    from core.interventions import INTERVENTIONS

    one_of(form, FORMS, "--form")
    saes, edits = load_saes(gallery, sae), {}
    for side, neurons in zip(saes, neuron_sets(off or (), len(saes)), strict=True):
        edits[side] = Edit(neurons, strength=strength, gamma=gamma, form=form, alpha=alpha)
    if method is not None:
        found = INTERVENTIONS.get(method)
        if found.changes == "edit":
            edits = edits or {gallery.side: Edit(strength=strength, gamma=gamma, form=form, alpha=alpha)}
        elif found.needs.sae:
            side: Side = "text" if found.changes == "query" else gallery.side
            saes |= {} if side in saes else shipped_sae(gallery, side)
    return saes, edits


def shipped_sae(gallery: Gallery, side: Side) -> dict[Side, "SAEFile"]:
    """The SAE that ships for a side, where the gallery holds embeddings of the shipped model; else none."""
    from core.saes.checkpoint import load_sae, shipped_saes

    name = f"default-{side}"
    if name not in shipped_saes():
        return {}
    file = load_sae(name)
    same = file.fingerprint is not None and file.fingerprint.weights == gallery.fingerprint("pooled").weights
    return {side: file} if same else {}


def load_saes(gallery: Gallery, names: Sequence[str] | None) -> dict[Side, "SAEFile"]:
    """SAEs by side, in the order given; one that does not say its side is taken as the gallery's."""
    from core.saes.checkpoint import load_sae

    saes: dict[Side, SAEFile] = {}
    for sae_file in map(load_sae, names or ()):
        side = sae_file.side or gallery.side
        if side in saes:
            raise InputError(f"two SAEs of the {side} side were given; give one a side")
        saes[side] = sae_file
    return saes


def neuron_sets(off: Sequence[str], saes: int) -> list[tuple[int, ...]]:
    """One set of neurons for each SAE given, in order; SAEs without --off switch nothing."""
    if len(off) > saes:
        raise InputError(f"{len(off)} --off for {saes} --sae; every --off belongs to the --sae before it")
    sets: list[tuple[int, ...]] = []
    for text in off:
        try:
            sets.append(tuple(int(part) for part in text.split(",") if part.strip()))
        except ValueError:
            raise InputError(f"--off was {text!r}; expected neuron numbers with commas, as 3,17") from None
    return sets + [()] * (saes - len(sets))


def target_of(text: str, attribute: str | None = None) -> Any:
    """uniform, gallery, or the shares that a file (JSON or CSV) gives each group of the attribute."""
    if text in ("uniform", "gallery"):
        return text
    from core.datasets.target_tables import read_target

    try:
        return read_target(Path(text), attribute)
    except InputError as error:
        raise InputError(f"--target was {text!r}; expected uniform, gallery or a file of shares: {error}") from None


def text_model(gallery: Gallery, texts: Sequence[str], model: str | None, pretrained: str | None) -> "Backbone | None":
    """The encoder of texts; None where the gallery knows their embeddings, or any embeddings of prompts at all."""
    known = model is None and all(gallery.prompt_embedding(text) is not None for text in texts)
    if known or (model is None and gallery.prompts):
        return None
    from core.ranking.texts import gallery_model

    return gallery_model(gallery, model, pretrained)
