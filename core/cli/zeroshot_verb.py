"""`zeroshot`: accuracy of a zero-shot classification by group, before and after an edit."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.cli import editing
from core.cli.app import app
from core.cli.editing import EditOptions, edited_scene
from core.cli.output import Json, emit, estimate_text, progress_bar
from core.config import HALVES, InputError, one_of
from core.gallery import parse_where

if TYPE_CHECKING:
    from core.gallery import Gallery

SHOWN = ("accuracy", "gap", "demographic_parity_difference", "equalized_odds_difference")


@app.command("zeroshot")
def zeroshot(
    gallery: editing.GalleryName,
    attribute: Annotated[str, typer.Option("--attribute", help="Attribute whose groups are compared.")],
    classes: Annotated[str, typer.Option("--classes", help="Class prompts: JSON file or shipped name.")],
    classify: Annotated[str | None, typer.Option("--classify", help="Attribute of --classes that is guessed.")] = None,
    sae: editing.SaeNames = None,
    off: editing.Off = None,
    strength: editing.Strength = 1.0,
    gamma: editing.Gamma = 0.0,
    form: editing.Form = "error-preserving",
    alpha: editing.Alpha = 0.6,
    method: editing.Method = None,
    half: Annotated[str, typer.Option("--half", help="all, probe or evaluation.")] = "all",
    where: editing.Where = None,
    model: editing.Model = None,
    pretrained: editing.Pretrained = None,
    seed: editing.Seed = 0,
    as_json: Json = False,
) -> None:
    """Accuracy, per (class, group) cell, worst group, gap, parity and odds differences, before and after an edit."""
    from core import ranking
    from core.gallery import open_gallery
    from core.ranking.classification import classification
    from core.scene import text_model
    from core.zeroshot import PromptSet

    half = one_of(half, HALVES, "--half")
    source, prompts = open_gallery(gallery), PromptSet.load(classes)
    target = classified_attribute(source, prompts, attribute, classify)
    scene, edits = edited_scene(source, sae, EditOptions(off or (), strength, gamma, form, alpha, method))
    request = ranking.RankRequest(
        attribute=attribute,
        query=f"classes of {target}",
        half=half,
        where=parse_where(where or []),
        edits=edits,
        method=method or "neuron-edit",
        seed=seed,
    )
    ranking.checked(scene, request, ranked=False)
    texts = [text for group in prompts.prompts(target).values() for text in group]
    scene = replace(scene, model=text_model(source, texts, model, pretrained))
    with progress_bar() as progress:
        found = classification(scene, request, prompts, target, progress)
    document = found.to_json()
    emit(document, as_json, lambda: _lines(document))


def classified_attribute(gallery: "Gallery", prompts: Any, attribute: str, asked: str | None) -> str:
    """The attribute that is guessed: the one asked for, the only one of the file, or the compared one itself."""
    shared = [name for name in prompts.attributes if name in gallery.attributes]
    if asked is None and len(shared) > 1 and attribute not in shared:
        raise InputError(f"{prompts.name} has classes of {', '.join(shared)}; say with --classify which are guessed")
    chosen = asked or (shared[0] if len(shared) == 1 else attribute)
    if chosen not in shared:
        raise InputError(
            f"{prompts.name} and gallery {gallery.name} share no attribute {chosen!r}; "
            f"they share {', '.join(shared) or 'none'}"
        )
    return chosen


def _lines(document: dict[str, Any]) -> Iterator[str]:
    yield f"{document['classified']} guessed among {', '.join(document['classes'])}; groups of {document['attribute']}"
    yield from (f"note: {note}" for note in document["notes"])
    for arm in ("before", "after", "difference"):
        if arm in document:
            found = document[arm]
            if "reason" in found:
                yield f"{arm}: not computed: {found['reason']}"
                continue
            yield f"{arm}:"
            yield from (f"  {name.replace('_', ' ')}: {estimate_text(found[name])}" for name in SHOWN)
            worst = found["worst_group"]
            yield f"  {' '.join(['worst group', worst.get('group') or '']).strip()}: {estimate_text(worst)}"
            yield from (f"  {cell}: {estimate_text(estimate)}" for cell, estimate in found["by_group"].items())
