"""The model of a report of answers asked again: neurons chosen anew, every arm, every picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.config import InputError, Progress
from core.reading import through_json
from core.report import read_report
from core.verify.digests import Places
from core.verify.texts import AGAIN, REPORTED

if TYPE_CHECKING:
    from core.lvlm.model import Lvlm

NEAR = 1e-3
"""Largest difference of a probability that another machine or another batch explains."""
TURNED = 0.005
"""Largest share of the ability set's answers that turn where two are nearly as likely."""
AGREE = ("model", "probe", "sae", "protocol", "reader", "edit", "arms", "titles", "notes", "evidence")
"""Parts of the document that an audit makes beside numbers."""


@dataclass(frozen=True)
class Asked:
    """Where the answers stand that the numbers rest on."""

    rest: str = REPORTED
    """AGAIN: the model gave them here; REPORTED: taken from the report as they are."""
    why: str = ""
    """Why the model was not asked again."""
    lines: tuple[str, ...] = ()


def ask_again(folder: Path, places: Places, model: str | None, allowed: bool, progress: Progress | None) -> Asked:
    """Every answer of a report asked for again, and a line for each part that comes out otherwise.

    Parameters
    ----------
    model : name of the model, where a person gave one; else the shipped one is tried. Nothing is ever downloaded for
        a name that only the report says.
    allowed : False: the report's answers are taken as they are.
    """
    document, arrays = read_report(folder)
    if not allowed:
        return Asked(why="it was asked not to")
    found = _model(document["model"], model)
    if isinstance(found, str):
        return Asked(why=found)
    from core.lvlm.audit import run_lvlm
    from core.lvlm.spec import LvlmSpec
    from core.report.answers_document import answers_document
    from core.report.document import ReportOptions

    try:
        spec = LvlmSpec.from_json(document["spec"])
        sae = str(places.saes[document["sae"]["digest"]]) if document["sae"] is not None else spec.sae
        spec = replace(spec, gallery=str(places.galleries[document["gallery"]["digest"]]), sae=sae)
        result = run_lvlm(spec, found, progress=progress)
        options = document["options"]
        own, again = answers_document(result, ReportOptions(options["auditor"], False, options["removed"]))
    except (InputError, ImportError) as error:
        return Asked(why=f"it cannot be asked here ({' '.join(str(error).split())})")
    return Asked(AGAIN, lines=tuple(_differences(document, through_json(own), arrays, again)))


def _model(said: Mapping[str, Any], given: str | None) -> Lvlm | str:
    """The model, or why it is not at hand. A model that a person named is loaded or refused."""
    try:
        from core.lvlm.model import DEFAULT
        from core.lvlm.models import load_lvlm
    except ImportError as error:
        if given is not None:
            raise InputError(f"the model {given} cannot be loaded here ({error}); leave --model out") from None
        return f"models cannot be loaded here ({error})"
    if given is None and said["name"] != DEFAULT:
        return f"the model {said['name']} is not here; name it with --model to ask it again"
    try:
        found = load_lvlm(given or DEFAULT)
    except (InputError, ImportError) as error:
        if given is not None:
            raise
        return f"the model {DEFAULT} cannot be loaded here ({error})"
    if found.weights != said["weights"]:
        return f"the model {found.name} here has other weights ({found.weights[:16]}) than the report's"
    return found


def _differences(
    said: Mapping[str, Any],
    own: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    again: Mapping[str, np.ndarray],
) -> Iterator[str]:
    for part in AGREE:
        if said.get(part) != own.get(part):
            yield f"{part}: {_unlike(said.get(part), own.get(part))}"
    arms = list(own["evidence"]["arms"])
    for name in sorted(arrays.keys() | again.keys()):
        if name not in arrays or name not in again:
            yield f"evidence.npz: {'lacks' if name not in arrays else 'holds'} {name!r}, asked again it is otherwise"
            continue
        a, b = arrays[name], again[name]
        if a.shape != b.shape:
            yield f"evidence.npz: {name} has shape {a.shape}, asked again {b.shape}"
        elif name.startswith("prob_"):
            off = np.abs(np.nan_to_num(a, nan=-1.0) - np.nan_to_num(b, nan=-1.0)).max(axis=(1, 2))
            if (off > NEAR).any():
                arm, picture = arms[int(name.removeprefix("prob_"))], int(np.argmax(off))
                yield (
                    f"answers | {arm} | {said['items'][picture]}: is not what the model answers "
                    f"(off by {off[picture]:.2g}; {int((off > NEAR).sum())} pictures in all)"
                )
        elif name.startswith("ability_"):
            if a.size and float((a != b).mean()) > TURNED:
                arm = arms[int(name.removeprefix("ability_"))]
                yield f"ability | {arm}: {int((a != b).sum())} of {a.size} answers are not the model's"
        elif not np.array_equal(a, b):
            yield f"evidence.npz: {name} is not what the spec gives"


def _unlike(said: Any, own: Any) -> str:
    """Where two parts of a document differ first, in short."""
    if isinstance(said, Mapping) and isinstance(own, Mapping):
        for key in dict.fromkeys([*said, *own]):
            if said.get(key) != own.get(key):
                return f"{key}: {_unlike(said.get(key), own.get(key))}"
    shown = [f"{one!r}"[:80] for one in (said, own)]
    return f"says {shown[0]}, asked again {shown[1]}"
