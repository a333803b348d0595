"""What questions about a gallery ask of its model: texts in, embeddings out."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from core.config import Attach, Fingerprint, Side
from core.readout import ReadoutArrays


class TextSide(Protocol):
    """The text side of a backbone, or a record of what one gave."""

    @property
    def name(self) -> str: ...

    @property
    def weights_digest(self) -> str: ...

    @property
    def known_words(self) -> list[str] | None: ...

    def encode_texts(self, texts: Sequence[str], attaches: Sequence[Attach] = ...) -> dict[Any, np.ndarray]: ...

    def fingerprint(self, side: Side, attach: Attach, normalised: bool = ...) -> Fingerprint: ...

    def readout(self, side: Side) -> ReadoutArrays | None: ...

    def unknown_words(self, text: str) -> list[str]: ...

    def truncated(self, text: str) -> bool: ...
