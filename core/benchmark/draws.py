"""A cell of a random method: the mean over draws, with their spread."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from core.benchmark.base import Cell
from core.statistics import Estimate

SEEDS = 3
"""Draws of a random method that are measured."""


def over_seeds(cells: Sequence[Cell], skew: str) -> Cell:
    """One cell of equal cells but for the seed; the first of them where one was refused.

    Every number is the mean over draws. Its interval reaches from the lowest lower to the highest upper end, so that it
    holds what each draw alone would say. A note lists one column's number of every draw.

    Parameters
    ----------
    skew : key of the column that the note lists.
    """
    first = cells[0]
    if any(cell.refused for cell in cells):
        return next(cell for cell in cells if cell.refused)
    values = {key: _mean([cell.values[key] for cell in cells]) for key in first.values}
    by_prompt = {text: float(np.mean([cell.by_prompt[text] for cell in cells])) for text in first.by_prompt}
    told = [cell.values[skew].estimate for cell in cells if skew in cell.values]
    listed = ", ".join("none" if value is None else f"{value:.3f}" for value in told)
    note = f"the method draws at random: means over {len(cells)} seeds, whose {skew} is {listed}"
    return replace(first, values=values, by_prompt=by_prompt, notes=(*first.notes, note))


def _mean(estimates: Sequence[Estimate]) -> Estimate:
    missing = [one for one in estimates if one.estimate is None]
    if missing:
        return missing[0]
    lows, highs = ([getattr(one, end) for one in estimates] for end in ("lo", "hi"))
    return replace(
        estimates[0],
        estimate=float(np.mean([one.estimate for one in estimates])),
        lo=None if None in lows else min(lows),
        hi=None if None in highs else max(highs),
        null_side=None,
        null=None,
    )
