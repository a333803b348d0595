"""`rank`: who a query retrieves, before and after an edit."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from core.cli.app import app
from core.cli.output import Json, emit, estimate_text
from core.config import FORMS, HALVES, Edit, InputError, one_of
from core.gallery import Gallery, open_gallery, parse_where
from core.store import read_array

METRICS = ("max_skew", "min_skew", "ndkl", "kl")


@app.command("rank")
def rank(
    gallery: Annotated[str, typer.Option("--gallery", help="Gallery folder or shipped name.")],
    attribute: Annotated[str, typer.Option("--attribute", help="Attribute column.")],
    query: Annotated[str | None, typer.Option("--query", help="The prompt.")] = None,
    query_embedding: Annotated[Path | None, typer.Option("--query-embedding", help="(d,) array, .npy.")] = None,
    k: Annotated[int, typer.Option("--k", help="How many are retrieved.")] = 100,
    target: Annotated[str, typer.Option("--target", help="uniform, gallery, or a JSON file group: share.")] = "uniform",
    sae: Annotated[list[str] | None, typer.Option("--sae", help="SAE of a side; once a side.")] = None,
    off: Annotated[list[str] | None, typer.Option("--off", help="Neurons of that SAE, as 3,17.")] = None,
    strength: Annotated[float, typer.Option("--strength", help="0 changes nothing, 1 switches fully.")] = 1.0,
    gamma: Annotated[float, typer.Option("--gamma", help="Value of a fully switched neuron.")] = 0.0,
    form: Annotated[str, typer.Option("--form", help="error-preserving or blend.")] = "error-preserving",
    alpha: Annotated[float, typer.Option("--alpha", help="Share of the reconstruction (blend).")] = 0.6,
    method: Annotated[str | None, typer.Option("--method", help="Registered intervention.")] = None,
    half: Annotated[str, typer.Option("--half", help="all, probe or evaluation.")] = "all",
    where: Annotated[list[str] | None, typer.Option("--where", help="COLUMN=VALUE, repeatable.")] = None,
    model: Annotated[str | None, typer.Option("--model", help="Text encoder; the gallery's own by default.")] = None,
    pretrained: Annotated[str | None, typer.Option("--pretrained")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of null bands and intervals.")] = 0,
    as_json: Json = False,
) -> None:
    """Ids, scores, shares and metrics of the top k, before and (with an edit) after."""
    from core import audit
    from core.interventions import INTERVENTIONS
    from core.saes.checkpoint import load_sae

    one_of(half, HALVES, "--half")
    one_of(form, FORMS, "--form")
    if (query is None) == (query_embedding is None):
        raise InputError("give either --query TEXT or --query-embedding Q.npy")
    source = open_gallery(gallery)
    saes, edits = {}, {}
    for sae_file, neurons in zip(
        [load_sae(name) for name in sae or []], _neuron_sets(off or [], len(sae or [])), strict=True
    ):
        side = sae_file.side or source.side
        if side in saes:
            raise InputError(f"two SAEs of the {side} side were given; give one a side")
        saes[side] = sae_file
        edits[side] = Edit(neurons, strength=strength, gamma=gamma, form=form, alpha=alpha)
    if method is not None:
        found = INTERVENTIONS.get(method)
        if found.changes == "edit" and not edits:
            edits[source.side] = Edit(strength=strength, gamma=gamma, form=form, alpha=alpha)
        elif found.needs.sae:
            side = "text" if found.changes == "query" else source.side
            saes.setdefault(side, load_sae(f"default-{side}"))
    request = audit.RankRequest(
        query=query,
        query_embedding=None if query_embedding is None else _vector(query_embedding),
        k=k,
        attribute=attribute,
        target=_target(target),
        half=half,
        where=parse_where(where or []),
        edits=edits,
        method=method or "neuron-edit",
        seed=seed,
    )
    backbone = _backbone(source, query, model, pretrained)
    document = audit.rank(source, request, backbone, saes).to_json()
    emit(document, as_json, lambda: _lines(document))


def _neuron_sets(off: list[str], saes: int) -> list[tuple[int, ...]]:
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


def _target(text: str) -> Any:
    if text in ("uniform", "gallery"):
        return text
    try:
        return {str(group): float(share) for group, share in json.loads(Path(text).read_text()).items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise InputError(
            f"--target was {text!r} ({error}); expected uniform, gallery or a JSON file of group: share"
        ) from None


def _vector(path: Path) -> np.ndarray:
    vector = read_array(path, "one query embedding (d,), .npy")
    if vector.size != max(vector.shape, default=0):
        raise InputError(f"{path} has shape {vector.shape}; expected one query embedding (d,)")
    return vector.astype(np.float32).reshape(-1)


def _backbone(gallery: Gallery, query: str | None, model: str | None, pretrained: str | None) -> Any:
    """The text encoder for `query`; None where the gallery knows the prompt's embedding."""
    if query is None or (model is None and gallery.prompt_embedding(query) is not None):
        return None
    if model is None and gallery.prompts:
        return None
    from core.backbones.open_clip_models import load_backbone

    return load_backbone(model or gallery.fingerprint("pooled").model, pretrained)


def _lines(document: dict[str, Any]) -> Iterator[str]:
    yield f"k = {document['k']}, target {document['target']}"
    yield from (f"note: {note}" for note in document["notes"])
    for arm in ("before", "after"):
        if arm in document:
            yield f"{arm}:"
            yield from (f"  {group}: {estimate_text(share)}" for group, share in document[arm]["shares"].items())
            yield from (f"  {name}: {estimate_text(document[arm][name])}" for name in METRICS)
            yield "  first: " + ", ".join(map(str, document[arm]["ids"][:10]))
