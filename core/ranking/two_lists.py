"""Two rankings side by side: of two prompts, by two methods, or with two edits, compared over the same items."""

import numpy as np

from core.config import InputError
from core.ranking.changes import ListChange, list_change
from core.ranking.results import ArmResult, RankResult


def shown(ranked: RankResult) -> ArmResult:
    """The list that a ranking ends with: after its edit or method, else as the model gives it."""
    return ranked.after if ranked.after is not None else ranked.before


def two_lists(first: RankResult, second: RankResult) -> ListChange:
    """The second ranking's list minus the first one's, paired: rows that both retrieve cancel out.

    Shares are those of the exchange of rows, as between before and after: a rows of the first list are not in the
    second, which has a' others instead; p is that of the table {first only, second only} x group. 0: both lists hold
    as many of a group.

    Raises
    ------
    InputError : the rankings are not of the same searched rows, attribute, target and k.
    """
    for name, one, other in (
        ("k", first.request.k, second.request.k),
        ("attribute", first.request.attribute, second.request.attribute),
        ("searched rows", first.part.digest, second.part.digest),
        ("target", first.part.target.tolist(), second.part.target.tolist()),
    ):
        if one != other:
            raise InputError(f"two lists are compared over the same items: {name} was {one} and {other}")
    lists = shown(first), shown(second)
    request = first.request
    return list_change(
        lists[0].numbers,
        lists[1].numbers,
        (lists[0].deep, lists[1].deep),
        first.part,
        request.k,
        seed=request.seed,
        draws=request.null_draws,
        same=np.array_equal(lists[0].rows, lists[1].rows),
    )
