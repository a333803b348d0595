"""An SAE's folder, read without torch: config.json says what it is and was made for; its numbers lie beside it."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import safetensors.numpy

from core.config import ASSETS, Attach, Fingerprint, InputError, Side, digest_of
from core.saes.config import SAEConfig

SCHEMA = 1
CONFIG, WEIGHTS = "config.json", "weights.safetensors"


class Numbers(Protocol):
    """An SAE, in torch or in NumPy, as whoever computes with its numbers alone sees it."""

    @property
    def config(self) -> SAEConfig: ...

    def arrays(self) -> dict[str, np.ndarray]: ...


class MadeFor:
    """What an SAE with a name says of the embeddings that it reads."""

    sae: Numbers
    name: str
    fingerprint: Fingerprint | None

    @property
    def side(self) -> Side | None:
        """The tower it belongs to; None where the file does not say."""
        return self.fingerprint.side if self.fingerprint else None

    @property
    def attach(self) -> Attach | None:
        """The attach point it belongs to; None where the file does not say."""
        return self.fingerprint.attach if self.fingerprint else None

    def require(self, fingerprint: Fingerprint, holder: str = "the gallery") -> list[str]:
        """Names of what could not be compared with embeddings of `fingerprint`, for a warning.

        InputError naming both sides where the SAE was made for other embeddings.
        """
        mine = f"the SAE {self.name!r}"
        if self.fingerprint is not None:
            return self.fingerprint.require_match(fingerprint, mine, holder)
        if self.sae.config.d_in != fingerprint.d:
            raise InputError(
                f"{mine} reads embeddings with {self.sae.config.d_in} columns, but {holder} holds "
                f"{fingerprint.describe()}; choose an SAE and embeddings of the same model and attach point"
            )
        return [f.name for f in fields(Fingerprint) if f.name != "d"]


def is_ours(folder: Path) -> bool:
    """Whether a folder holds an SAE as this project writes it."""
    return (folder / CONFIG).is_file() and (folder / WEIGHTS).is_file()


def shipped_folder(name: str | Path) -> Path | None:
    """The folder of the SAE that comes with the project under this name; None where there is none."""
    folder = ASSETS / "saes" / name
    return folder if len(Path(name).parts) == 1 and folder.is_dir() else None


def shipped_saes() -> list[str]:
    """Names of the SAEs that come with the project."""
    return sorted(path.parent.name for path in (ASSETS / "saes").glob(f"*/{CONFIG}"))


def read_weights(folder: Path) -> dict[str, np.ndarray]:
    """Every number of the SAE in a folder by name; InputError naming the file where it cannot be read."""
    try:
        return safetensors.numpy.load_file(folder / WEIGHTS)
    except Exception as error:  # safetensors raises its own error type, which is not exported for numpy
        lost = isinstance(error, FileNotFoundError)
        why = "is not there" if lost else "is damaged, cut or of another kind"
        raise InputError(f"{folder / WEIGHTS} {why}; copy the SAE again") from error


def fingerprint_of(document: Mapping[str, Any]) -> Fingerprint | None:
    """What config.json says that the SAE was trained on; None where it does not say."""
    stored = document.get("fingerprint")
    return Fingerprint.from_json(stored) if stored else None


def identity(weights: str, config: SAEConfig) -> str:
    """The digest of an SAE: of its weights' digest, its architecture and its settings."""
    return digest_of({"schema": SCHEMA, "weights": weights, "config": config.to_json()})
