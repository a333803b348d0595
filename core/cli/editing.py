"""Options that every verb with an edit shares, and the edit that they describe."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.config import FORMS, Edit, InputError, Side, one_of

if TYPE_CHECKING:
    from core.gallery import Gallery
    from core.scene import Scene

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


@dataclass(frozen=True)
class EditOptions:
    """What the options of an edit say."""

    off: Sequence[str] = ()
    strength: float = 1.0
    gamma: float = 0.0
    form: str = "error-preserving"
    alpha: float = 0.6
    method: str | None = None

    def edit(self, neurons: Sequence[int] = ()) -> Edit:
        """These neurons in the manner that was asked for; InputError for a manner that there is not."""
        return Edit(tuple(neurons), self.strength, self.gamma, one_of(self.form, FORMS, "--form"), self.alpha)


def edited_scene(
    gallery: "Gallery", sae: Sequence[str] | None, options: EditOptions
) -> tuple["Scene", dict[Side, Edit]]:
    """The gallery with the SAEs that were named, and the edit of each side.

    An edit without neurons belongs to the gallery's side. A method that needs an SAE and was given none takes the
    shipped one where it fits.

    InputError for two SAEs of one side, neurons without an SAE, and an unknown method (before anything is loaded).
    """
    from core.interventions import INTERVENTIONS
    from core.scene import Scene, load_saes
    from core.scene.opening import shipped_saes_for

    options.edit()
    method = INTERVENTIONS.get(options.method) if options.method is not None else None
    saes: dict[Side, Any] = dict(load_saes(gallery, sae or ()))
    edits = {
        side: options.edit(neurons) for side, neurons in zip(saes, neuron_sets(options.off, len(saes)), strict=True)
    }
    if method is not None and method.changes == "edit":
        edits = edits or {gallery.side: options.edit()}
    elif method is not None and method.needs.sae:
        side: Side = "text" if method.changes == "query" else gallery.side
        saes = dict(shipped_saes_for(gallery, [side])) | saes
    return Scene(gallery, saes), edits


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
