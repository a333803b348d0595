"""Halves are balanced in every combination, rare ones are spread, and only ids, labels and seed decide."""

import numpy as np
import pandas as pd
import pytest

from core.gallery import split_halves


def items(n: int, seed: int = 0) -> pd.DataFrame:
    """Unequal groups, many combinations, gaps."""
    rng = np.random.default_rng(seed)
    columns = {
        "gender": rng.choice(["F", "M"], n, p=[0.3, 0.7]),
        "race": rng.choice(list("ABCDEFG"), n, p=[0.4, 0.3, 0.1, 0.1, 0.05, 0.03, 0.02]),
        "age": rng.choice([f"{a}0s" for a in range(9)], n),
    }
    frame = pd.DataFrame({"id": [f"i{i}" for i in range(n)], **columns}, dtype="str")
    return frame.mask(pd.DataFrame(rng.random(frame.shape) < [0, 0.02, 0.1, 0], columns=frame.columns))


def imbalance(frame: pd.DataFrame, by: list[str], probe: np.ndarray) -> int:
    signed = pd.Series(np.where(probe, 1, -1))
    return int(signed.groupby([frame[name].fillna("?") for name in by]).sum().abs().max())


@pytest.mark.parametrize("seed", range(5))
def test_every_combination_differs_by_at_most_one(seed: int) -> None:
    frame = items(2000, seed)
    probe = split_halves(frame, ["gender", "race", "age"], seed) == "probe"
    assert imbalance(frame, ["gender", "race", "age"], probe) <= 1
    assert abs(int(probe.sum()) - 1000) <= 2
    for name in ("gender", "race", "age"):  # about 110 odd combinations, dealt at random: 10 or more apart
        assert imbalance(frame, [name], probe) <= 6, name


def test_combinations_of_one_item_are_spread() -> None:
    frame = pd.DataFrame({"id": [f"i{i}" for i in range(100)], "a": [f"v{i}" for i in range(100)], "b": ["x"] * 100})
    halves = split_halves(frame, ["a", "b"], 0)
    assert (halves == "probe").sum() == 50


def test_the_order_of_the_rows_plays_no_part() -> None:
    frame = items(500)
    halves = pd.Series(split_halves(frame, ["gender", "race"], 3), index=frame["id"])
    mixed = frame.sample(frac=1, random_state=1)
    again = pd.Series(split_halves(mixed, ["gender", "race"], 3), index=mixed["id"])
    assert (again[halves.index] == halves).all()


def test_the_seed_decides_and_repeats() -> None:
    frame = items(500)
    first, second, other = (split_halves(frame, ["gender"], seed) for seed in (0, 0, 1))
    assert (first == second).all()
    assert 0.35 < (first == other).mean() < 0.65, "another seed is another split, not its mirror"


def test_without_attributes_and_for_a_single_item() -> None:
    frame = items(11)
    assert sorted(np.unique(split_halves(frame, [], 0), return_counts=True)[1].tolist()) == [5, 6]
    assert split_halves(frame[:1], ["gender"], 0).tolist()[0] in ("probe", "evaluation")
