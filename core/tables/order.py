"""The order in which people read groups, numbers inside names as numbers (3-9 before 10-19), and how many they read."""

import re
from typing import Any

import numpy as np

from core.config import InputError

MOST_GROUPS = 1000
"""Different values beyond which no column is groups that anybody could look at."""
NUMBER = re.compile(r"(^-?[0-9]+(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]+)?)")
LOWEST = re.compile(r"(below|under|less than|up to|younger than|<=?|≤)\s*[0-9]", re.IGNORECASE)
"""How a name begins that means everything before a number."""


def natural(name: str) -> tuple[bool, list[str | float], str]:
    """Key for `sorted`: "below 3", "3-9", "10-19", "more than 70"; names without digits by their letters."""
    pieces = NUMBER.split(name)
    return (
        not LOWEST.match(name),
        # texts stand at even places and numbers at odd ones, so that like is compared with like
        [float(piece) if place % 2 else piece for place, piece in enumerate(pieces)],
        name,
    )


def require_few_groups(attribute: str, n: int) -> None:
    """InputError where an attribute or intersection has more than MOST_GROUPS groups."""
    if n > MOST_GROUPS:
        raise InputError(
            f"{attribute} has {n:,} different groups, more than the {MOST_GROUPS:,} that anybody could look at; choose "
            "another attribute, or make fewer groups of it"
        )


def numbered(values: Any) -> tuple[list[str], np.ndarray]:
    """Names of the groups in their natural order, and the number of each value's group (n,), int64; -1 for None, NaN.

    Parameters
    ----------
    values : labels (n,), an array or a column of a table.
    """
    import pandas as pd  # a gallery opens without it

    codes, found = pd.factorize(values)
    names = [str(name) for name in found]
    order = sorted(range(len(names)), key=lambda place: natural(names[place]))
    place = np.full(len(names) + 1, -1, dtype=np.int64)  # the last entry stays -1: unknown
    place[order] = np.arange(len(names))
    return [names[one] for one in order], place[codes]
