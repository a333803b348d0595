"""An SAE of another project as a folder of ours, with what a person knows about the embeddings that it reads."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.config import ATTACHES, SIDES, UNKNOWN, Fingerprint, InputError, one_of
from core.saes.checkpoint import SAEFile, load_foreign, save_sae
from core.store import atomic_folder, refuse_existing

NORMALISED = {"yes": True, "no": False}


def bring_sae(
    source: Path, out: Path, form: str = "auto", arch: str | None = None, told: Mapping[str, Any] | None = None
) -> SAEFile:
    """Write the SAE at `source` into the new folder `out`, whole or not at all.

    Parameters
    ----------
    form, arch : see `core.saes.checkpoint.load_foreign`.
    told : model, side, attach and normalised ("yes", "no") of the embeddings that it reads; None is not known.

    Raises
    ------
    InputError : nothing is at `source`, it is of no known form, or `out` exists.
    """
    if not source.exists():
        raise InputError(f"{source} does not exist; give the file or folder of an SAE")
    refuse_existing(out)
    found, known = load_foreign(source, form, arch), dict(told or {})
    fingerprint = told_fingerprint(known, found.sae.config.d_in)
    said = {name: value for name, value in known.items() if value is not None}
    with atomic_folder(out) as partial:
        return save_sae(partial, found.sae, found.name, fingerprint, {**found.training, "imported": said})


def told_fingerprint(told: Mapping[str, Any], d: int) -> Fingerprint | None:
    """What a person told about the embeddings; None where side or attach point is missing: then nothing compares."""
    if told.get("side") is None or told.get("attach") is None:
        return None
    place = one_of(told["side"], SIDES, "side"), one_of(told["attach"], ATTACHES, "attach point")
    treated = None if told.get("normalised") is None else NORMALISED[told["normalised"]]
    return Fingerprint(told.get("model") or UNKNOWN, UNKNOWN, *place, d, normalised=treated)
