"""Target distributions: the shares that would count as no bias."""

from collections.abc import Mapping, Sequence

import numpy as np

from core.config import InputError

Target = str | Mapping[str, float]
""""uniform", "gallery", or a table group -> share."""

TARGETS = ("uniform", "gallery")


def target_distribution(target: Target, groups: Sequence[str], counts: Sequence[int]) -> np.ndarray:
    """Target share of each group, (G,) float64, in the order of `groups`; sums to 1.

    uniform: 1/G each. gallery: the groups' shares among the searched rows with a known group. A table names every
    group with a share above 0; the shares sum to 1 (to 1e-6, and are then divided by their sum).

    Parameters
    ----------
    groups : the groups that the searched rows hold.
    counts : number of searched rows of each group.

    Raises
    ------
    InputError : unknown kind; a group missing from the table, unknown to the gallery or with a share that is not
        above 0; shares that do not sum to 1; no rows with a known group.
    """
    if len(groups) == 0 or sum(counts) == 0:
        raise InputError("no searched row has a known group; choose another attribute or other rows")
    if isinstance(target, Mapping):
        return _custom(target, groups)
    if target == "uniform":
        return np.full(len(groups), 1.0 / len(groups))
    if target == "gallery":
        return np.asarray(counts, dtype=np.float64) / float(sum(counts))
    raise InputError(f"target was {target!r}; expected uniform, gallery or a table of group and share")


def _custom(table: Mapping[str, float], groups: Sequence[str]) -> np.ndarray:
    """Shares of a table after all checks."""
    missing = [g for g in groups if g not in table]
    # a group that the searched rows do not hold may stand there with share 0: nothing is asked of it
    foreign = [g for g in table if g not in groups and table[g] != 0]
    known = ", ".join(groups)
    if missing:
        raise InputError(f"the target table lacks {', '.join(missing)}; give a share for each of {known}")
    if foreign:
        raise InputError(f"the target table gives a share to {', '.join(foreign)}, but the searched rows hold {known}")
    shares = np.array([_number(g, table[g]) for g in groups])
    if (shares <= 0).any() or not np.isfinite(shares).all():
        group = groups[int(np.argmin(np.where(np.isfinite(shares), shares, -np.inf)))]
        raise InputError(f"the target share of {group} was {table[group]}; expected a number above 0")
    if abs(shares.sum() - 1.0) > 1e-6:
        raise InputError(f"the target shares sum to {shares.sum():g}; expected 1")
    return shares / shares.sum()


def _number(group: str, value: object) -> float:
    """The share as a float; InputError naming the group where it is none."""
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise InputError(f"the target share of {group} was {value!r}; expected a number") from None
