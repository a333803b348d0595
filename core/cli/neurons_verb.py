"""`neurons`: which neurons a group fires consistently, which of them no other group does, what one answers to."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.cli.app import app
from core.cli.output import Json, emit, estimate_text, progress_bar
from core.config import HALVES, InputError, one_of
from core.gallery import parse_where

if TYPE_CHECKING:
    from core.gallery import Gallery


@app.command("neurons")
def neurons(
    gallery: Annotated[str | None, typer.Option("--gallery", help="Gallery folder or shipped name.")] = None,
    sae: Annotated[str | None, typer.Option("--sae", help="SAE folder or shipped name.")] = None,
    attribute: Annotated[str | None, typer.Option("--attribute", help="Attribute column.")] = None,
    codes: Annotated[Path | None, typer.Option("--codes", help="Arrays acts (n, F) and labels (n,), .npz.")] = None,
    tau: Annotated[float, typer.Option("--tau", help="Share of a group's rows that must fire.")] = 0.9,
    rule: Annotated[str | None, typer.Option("--rule", help="at-least, or published: int(tau n) rows.")] = None,
    neuron: Annotated[int | None, typer.Option("--neuron", help="One neuron, with --answers.")] = None,
    answers: Annotated[bool, typer.Option("--answers", help="What --neuron answers to, of all attributes.")] = False,
    top: Annotated[int, typer.Option("--top", help="Associations that are listed.")] = 12,
    half: Annotated[str, typer.Option("--half", help="all, probe or evaluation.")] = "probe",
    where: Annotated[list[str] | None, typer.Option("--where", help="COLUMN=VALUE, repeatable.")] = None,
    as_json: Json = False,
) -> None:
    """Effective and specific neurons of each group (consistency and specificity).

    A gallery's neurons fire on at least the share tau of a group; bare arrays follow the rule as published.
    """
    from core.neurons import RULES

    if not 0 <= tau <= 1:
        raise InputError(f"--tau was {tau}; expected a share from 0 to 1")
    if rule is not None:
        one_of(rule, RULES, "--rule")
    if answers != (neuron is not None):
        raise InputError("--answers and --neuron N go together: give both, or neither")
    if top < 1:
        raise InputError(f"--top was {top}; expected a whole number of at least 1")
    if codes is not None and answers:
        raise InputError("--answers needs the attributes of a gallery; give --gallery and --sae instead of --codes")
    if codes is not None and (gallery or sae or attribute):
        raise InputError("--codes brings its own codes and labels; leave out --gallery, --sae and --attribute")
    if codes is not None:
        document = _of_arrays(codes, tau, rule or "published")
    elif gallery and sae and neuron is not None:
        one_of(half, HALVES, "--half")
        found = _answers(gallery, sae, neuron, top, half, parse_where(where or []))
        emit(found, as_json, lambda: _answer_lines(found))
        return
    elif gallery and sae and attribute:
        one_of(half, HALVES, "--half")
        document = _of_gallery(gallery, sae, attribute, tau, rule or "at-least", half, parse_where(where or []))
    else:
        missing = "--gallery and --sae" if answers else "--gallery, --sae and --attribute"
        raise InputError(f"give {missing}, or --codes C.npz with arrays acts and labels")
    emit(document, as_json, lambda: _lines(document))


def _of_gallery(
    name: str, sae: str, attribute: str, tau: float, rule: Any, half: Any, where: dict[str, str]
) -> dict[str, Any]:
    """Many parameters: the verb's options."""
    from core.neurons import best_neurons, codes_of, social_neurons
    from core.saes.checkpoint import load_sae
    from core.scene import open_scene

    scene, sae_file = open_scene(name), load_sae(sae)
    searched, gallery = scene.gallery, scene.at(half).gallery
    attach = sae_file.attach or "pooled"
    warnings = sae_file.require(gallery.fingerprint(attach))
    rows, labels = gallery.rows(half, where), gallery.labels(attribute)
    with progress_bar() as progress:
        codes = codes_of(gallery, sae_file, progress)
        found = social_neurons(codes.csr[rows], labels[rows], tau, rule)
        best = best_neurons(codes, labels, rows)
        confirmed = _confirmed(best, searched, sae_file, attribute, where, progress) if half == "probe" else {}
    return {
        "schema": 1,
        **found.to_json(),
        "best": {
            group: {"neuron": one.neuron, "auc": one.auc.to_json(), "confirmed": confirmed.get(group)}
            for group, one in best.items()
        },
        "attribute": attribute,
        "gallery": gallery.name,
        "tau": tau,
        "half": half,
        "where": where,
        "n": len(rows),
        "unsure": warnings,
        "digests": {"gallery": gallery.digest, "sae": sae_file.digest},
    }


def _answers(name: str, sae: str, neuron: int, top: int, half: Any, where: dict[str, str]) -> dict[str, Any]:
    from core.neurons import answers_to, codes_of
    from core.saes.checkpoint import load_sae
    from core.scene import open_scene

    gallery, sae_file = open_scene(name).at(half).gallery, load_sae(sae)
    warnings = sae_file.require(gallery.fingerprint(sae_file.attach or "pooled"))
    rows = gallery.rows(half, where)
    with progress_bar() as progress:
        codes = codes_of(gallery, sae_file, progress)
    return {
        "schema": 1,
        "neuron": neuron,
        **answers_to(gallery, codes, neuron, rows, top).to_json(),
        "gallery": gallery.name,
        "half": half,
        "where": where,
        "n": len(rows),
        "unsure": warnings,
        "digests": {"gallery": gallery.digest, "sae": sae_file.digest},
    }


def _confirmed(
    best: dict[str, Any], searched: "Gallery", sae_file: Any, attribute: str, where: dict[str, str], progress: Any
) -> dict[str, Any]:
    """AUC of the neurons chosen on the probe half, on the evaluation half; empty where the gallery has none."""
    from core.neurons import codes_of, separation

    try:
        rows = searched.rows("evaluation", where)
    except InputError:
        return {}
    codes, labels = codes_of(searched, sae_file, progress), searched.labels(attribute)
    return {group: separation(codes, labels, rows, one.neuron, group).to_json() for group, one in best.items()}


def _of_arrays(path: Path, tau: float, rule: Any) -> dict[str, Any]:
    import numpy as np
    import pandas as pd

    from core.neurons import social_neurons
    from core.store import read_arrays
    from core.tables import clean_labels, label_notes, mark_note

    acts, labels = read_arrays(path, ("acts", "labels"), "an .npz with arrays acts (n, F) and labels (n,)")
    if acts.ndim != 2 or labels.shape != acts.shape[:1]:
        raise InputError(f"{path}: acts {acts.shape} and labels {labels.shape}; expected (n, F) and (n,)")
    if acts.dtype.kind not in "fiub":
        raise InputError(f"{path}: acts hold {acts.dtype}; expected real numbers")
    said = pd.Series(labels)
    cleaned, used = clean_labels(said.where(said.isna(), said.astype(str)))
    names = np.array([None if label != label else label for label in cleaned.astype(object)], dtype=object)
    found = social_neurons(acts, names, tau, rule)
    notes = [mark_note("labels", used, len(names))] if used else []
    notes += label_notes("labels", cleaned, join=False)
    document = {"schema": 1, **found.to_json(), "tau": tau, "half": "all", "n": len(labels)}
    return document | ({"notes": notes} if notes else {})


def _lines(document: dict[str, Any]) -> Iterator[str]:
    yield f"tau = {document['tau']:g}, {document['half']} half, {document['n']:,} rows"
    yield from document.get("notes", [])
    for group, found in document["groups"].items():
        specific = ", ".join(map(str, found["specific"][:12])) or "none: no neuron is this group's alone at this tau"
        yield f"{group} (n = {found['n']:,}): {len(found['effective'])} effective; specific: {specific}"
        yield from (f"  {_lift_text(lift, group)}" for lift in found["lift"][:12])
    for group, one in document.get("best", {}).items():
        held = f"; on the evaluation half {estimate_text(one['confirmed'])}" if one["confirmed"] else ""
        yield f"{group}: neuron {one['neuron']} tells it apart best, AUC {estimate_text(one['auc'])}{held}"


def _lift_text(lift: dict[str, Any], group: str) -> str:
    """How much more often a neuron fires on its group than on the next one."""
    gap = estimate_text(lift["difference"])
    unsure = f"; unsure, it may fire as often on {lift['other_group']}" if lift["verdict"] == "unsure" else ""
    return (
        f"neuron {lift['neuron']} fires on {lift['rate']:.3f} of {group} and {lift['other_rate']:.3f} of "
        f"{lift['other_group']}, difference {gap}{unsure}"
    )


def _answer_lines(document: dict[str, Any]) -> Iterator[str]:
    where = f"{document['half']} half, {document['n']:,} rows of {document['gallery']}"
    yield f"neuron {document['neuron']}, {where}; {document['tests']} associations tested"
    for one in document["answers"]:
        chance = "" if one["p_adjusted"] <= 0.05 else ", not told from chance"
        yield (
            f"{one['attribute']} {one['group']}: AUC {estimate_text(one['auc'])}, fires on {one['rate']:.3f} of "
            f"{one['n']:,} and on {one['other_rate']:.3f} of the others{chance}"
        )
    if document["overlap"]:
        yield document["overlap"]
    yield from (f"left out: {line}" for line in document["left_out"])
