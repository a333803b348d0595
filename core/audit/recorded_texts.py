"""Text embeddings of an audit, written down as they are used, so that a second reader needs no text encoder."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from core.config import Attach, Fingerprint, InputError, Side
from core.readout import ARRAYS, ReadoutArrays

if TYPE_CHECKING:
    from core.backbones.base import Backbone

KEPT: tuple[tuple[Side, Attach], ...] = (("text", "pooled"), ("text", "residual"), ("image", "pooled"))


class RecordingTexts:
    """A backbone's text side that remembers every embedding it gave: a text has one embedding in the whole audit."""

    def __init__(self, backbone: "Backbone") -> None:
        self._backbone = backbone
        self.name, self.weights_digest = backbone.name, backbone.weights_digest
        self._rows: dict[Attach, dict[str, np.ndarray]] = {}

    def encode_texts(self, texts: Sequence[str], attaches: Sequence[Attach] = ("pooled",)) -> dict[Attach, np.ndarray]:
        """Embeddings (n, dims) of each attach point, each text encoded once."""
        new = [t for t in dict.fromkeys(texts) if any(t not in self._rows.get(a, {}) for a in attaches)]
        if new:
            encoded = self._backbone.encode_texts(new, tuple(attaches))
            for attach in attaches:
                kept = self._rows.setdefault(attach, {})
                for text, row in zip(new, encoded[attach], strict=True):
                    kept.setdefault(text, row)
        return {a: np.stack([self._rows[a][t] for t in texts]) for a in attaches}

    def recorded(self) -> dict[Attach, int]:
        """How many texts are written down at each attach point."""
        return {attach: len(rows) for attach, rows in self._rows.items()}

    def since(self, before: Mapping[Attach, int]) -> dict[Attach, dict[str, np.ndarray]]:
        """Texts with their embeddings that were written down after `recorded` gave `before`, in their order."""
        found = {attach: dict(list(rows.items())[before.get(attach, 0) :]) for attach, rows in self._rows.items()}
        return {attach: rows for attach, rows in found.items() if rows}

    def take(self, rows: Mapping[Attach, Mapping[str, np.ndarray]]) -> None:
        """Write down what `since` gave in an earlier run, as if it had been embedded now."""
        for attach, embedded in rows.items():
            kept = self._rows.setdefault(attach, {})
            for text, row in embedded.items():
                kept.setdefault(text, row)

    def fingerprint(self, side: Side, attach: Attach, normalised: bool = False) -> Fingerprint:
        return self._backbone.fingerprint(side, attach, normalised)

    def readout(self, side: Side) -> ReadoutArrays | None:
        return self._backbone.readout(side)

    def unknown_words(self, text: str) -> list[str]:
        return self._backbone.unknown_words(text)

    @property
    def known_words(self) -> list[str] | None:
        return self._backbone.known_words

    def truncated(self, text: str) -> bool:
        return self._backbone.truncated(text)

    def record(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """What `RecordedTexts` needs: a JSON document and arrays."""
        arrays = {f"text_{attach}": np.stack(list(rows.values())) for attach, rows in self._rows.items()}
        if "residual" in self._rows and (readout := self.readout("text")) is not None:
            arrays |= {f"text_readout_{name}": np.asarray(getattr(readout, name)) for name in ARRAYS}
        texts = list(dict.fromkeys(t for rows in self._rows.values() for t in rows))
        document = {
            "model": self.name,
            "weights": self.weights_digest,
            "texts": {attach: list(rows) for attach, rows in self._rows.items()},
            "fingerprints": [fingerprint.to_json() for fingerprint in self._fingerprints()],
            "unknown_words": {t: words for t in texts if (words := self.unknown_words(t))},
            "known_words": self.known_words,
            "truncated": [t for t in texts if self.truncated(t)],
        }
        return document, arrays

    def _fingerprints(self) -> list[Fingerprint]:
        found = []
        for side, attach in KEPT:
            try:
                found.append(self.fingerprint(side, attach))
            except InputError:  # the model has no such attach point
                continue
        return found


class RecordedTexts:
    """What `RecordingTexts` wrote down, in place of the model."""

    def __init__(self, document: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        self.name, self.weights_digest = document["model"], document["weights"]
        self._document, self._arrays = document, arrays
        self._rows = {
            attach: dict(zip(texts, arrays[f"text_{attach}"], strict=True))
            for attach, texts in document["texts"].items()
        }

    def encode_texts(self, texts: Sequence[str], attaches: Sequence[Attach] = ("pooled",)) -> dict[Attach, np.ndarray]:
        try:
            return {a: np.stack([self._rows[a][t] for t in texts]) for a in attaches}
        except KeyError as error:
            raise InputError(f"the report holds no embedding of {error}; audit again") from None

    def fingerprint(self, side: Side, attach: Attach, normalised: bool = False) -> Fingerprint:
        for stored in map(Fingerprint.from_json, self._document["fingerprints"]):
            if (stored.side, stored.attach) == (side, attach):
                return stored
        raise InputError(f"the report holds no fingerprint of the {side} side at {attach}; audit again")

    def readout(self, side: Side) -> ReadoutArrays | None:
        names = {name: f"text_readout_{name}" for name in ARRAYS}
        if side != "text" or not set(names.values()) <= self._arrays.keys():
            return None
        kept = {name: self._arrays[key] for name, key in names.items()}
        return ReadoutArrays(kept["ln_weight"], kept["ln_bias"], float(kept["eps"]), kept["projection"])

    def record(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """What it was made from."""
        return dict(self._document), {name: a for name, a in self._arrays.items() if name.startswith("text_")}

    def unknown_words(self, text: str) -> list[str]:
        return list(self._document["unknown_words"].get(text, []))

    @property
    def known_words(self) -> list[str] | None:
        return self._document.get("known_words")

    def truncated(self, text: str) -> bool:
        return text in self._document["truncated"]
