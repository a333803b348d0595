"""Whole answers as recorded: that no digit and no word of them moves by a slip.

That they are right is what the other tests say, by hand, by defining properties and by second implementations; what
these do not look at (a default, a field nobody else reads, the order of an answer) is held here. A module that records
writes its answers anew when it is run, `python -m tests.statistics.test_recorded`, after a change that is meant.
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

DIGITS = 9
"""Significant digits that are kept."""
TOLD = 16
"""Arrays up to this size are told as they are."""
DIGEST = re.compile(r"\b[0-9a-f]{16,}\b")


class Recording:
    """Answers by name, and the file that they are compared with.

    Parameters
    ----------
    near : how far a number may be off that is near 0: what rounding leaves of sums, elsewhere of other processors.
    """

    def __init__(self, path: Path, near: float = 1e-8) -> None:
        self.path, self.near = path, near
        self.made: dict[str, Callable[[], Any]] = {}

    def case(self, function: Callable[..., Any], arguments: Iterable[tuple] = ((),)) -> None:
        """A function and what it is recorded for."""
        for i, given in enumerate(arguments):
            self.made[f"{function.__name__} {i}"] = lambda given=given: function(*given)

    def check(self, name: str) -> None:
        """Numbers to five digits, everything else exactly."""
        found, expected = flat(self.made[name]()), json.loads(self.path.read_text())[name]
        for i, (one, other) in enumerate(zip(found, expected, strict=False)):
            same = one == other if isinstance(other, str) else one == pytest.approx(other, rel=1e-5, abs=self.near)
            assert same, f"{name}, place {i} is {one}, recorded was {other}"
        assert len(found) == len(expected)

    def write(self) -> None:
        texts = (f" {json.dumps(name)}: {json.dumps(flat(made()))}" for name, made in self.made.items())
        self.path.write_text("{\n" + ",\n".join(texts) + "\n}\n")


def told(array: Any) -> list[Any]:
    """An array in a few numbers, of which every one changes with each of its own: sums along waves, and both ends."""
    array = np.asarray(array.todense() if hasattr(array, "todense") else array)
    values = array.astype(np.float64).ravel()
    if len(values) <= TOLD:
        return [array.shape, values]
    place = np.arange(len(values))
    waves = [float(values @ np.sin(1.7 * step * (place + 1))) / math.sqrt(len(values)) for step in (1, 2, 3)]
    return [array.shape, waves, values.min(), values.max(), int(np.round(values, 6).argmax())]


def flat(value: Any) -> list[Any]:
    """Numbers and words one after another; what is no number is named, digests are not told apart."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, Mapping):
        return [" ".join(map(str, value)), *flat(list(value.values()))]
    if isinstance(value, list | tuple):
        return [one for part in value for one in flat(part)]
    if isinstance(value, str | bool) or value is None:
        return [DIGEST.sub("digest", str(value))]
    value = float(value)
    return [float(f"{value:.{DIGITS}g}") if math.isfinite(value) else str(value)]
