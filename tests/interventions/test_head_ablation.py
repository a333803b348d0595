"""Head ablation: shares that add up, the heads that hold the difference, and rows that these no longer tell apart."""

from dataclasses import replace

import numpy as np
import pytest

from core.interventions import INTERVENTIONS, Evidence, Material, References
from core.interventions.base import HeadSample
from core.interventions.head_ablation import group_differences, head_shares, holding_most
from tests.interventions.test_contract import GivenHeads

METHOD = INTERVENTIONS.get("head-ablation")()
N, LAYERS, HEADS, D = 400, 3, 2, 10
LABELS = np.random.default_rng(0).choice(3, N, p=[0.5, 0.3, 0.2])


def parts(seed: int = 1) -> np.ndarray:
    """Head (2, 1) alone tells three groups apart."""
    rng = np.random.default_rng(seed)
    found = rng.normal(size=(N, LAYERS, HEADS, D)).astype(np.float32) * 0.3
    found[:, 2, 1] += 2 * np.eye(3, D)[LABELS]
    return found


def evidence(found: np.ndarray, rest: np.ndarray) -> Evidence:
    rows = found.sum(axis=(1, 2)) + rest
    return Evidence("group", ("a", "b", "c"), references=References(rows, LABELS), heads=HeadSample(found, LABELS))


def test_shares_of_all_parts_add_up_to_one() -> None:
    found, rest = parts(), np.random.default_rng(2).normal(size=(N, D)) + np.eye(3, D)[LABELS]
    whole = group_differences(found.sum(axis=(1, 2)) + rest, LABELS)
    shares = head_shares(HeadSample(found, LABELS), whole)
    of_rest = (group_differences(rest, LABELS) * whole).sum() / (whole * whole).sum()
    assert shares.sum() + of_rest == pytest.approx(1.0) and shares.argmax() == 5
    assert not head_shares(HeadSample(found, LABELS), np.zeros((3, D))).any(), "no difference, no share"


def test_the_fewest_heads_that_hold_most() -> None:
    shares = np.array([[0.1, 0.5], [-0.4, 0.3]])
    assert holding_most(shares, 0.8) == ((0, 1), (1, 1)) and holding_most(shares, 0.9) == ((0, 1), (1, 1), (0, 0))
    assert holding_most(shares, 0.8 / 0.9) == ((0, 1), (1, 1)), "exactly reached is reached"
    assert holding_most(-np.abs(shares)) == () and holding_most(np.ones((2, 2)), 0.5) == ((0, 0), (0, 1))


def test_the_head_that_tells_groups_apart_says_the_same_of_everybody() -> None:
    found, rest = parts(), np.random.default_rng(3).normal(size=(N, D)).astype(np.float32)
    given = evidence(found, rest)
    fitted = METHOD.fit(given)
    assert fitted.heads == ((2, 1),)
    rows = given.references.pooled
    material = Material("image", rows, heads=GivenHeads(found))
    after = METHOD(material, fitted=fitted)
    expected = rows - (found[:, 2, 1] - found[:, 2, 1].mean(axis=0))
    np.testing.assert_allclose(after, expected, atol=1e-6)
    np.testing.assert_allclose(after.mean(axis=0), rows.mean(axis=0), atol=1e-6, err_msg="nobody moves on average")
    before, left = (np.linalg.norm(group_differences(x, LABELS)) for x in (rows, after))
    assert left < 0.2 * before
    assert METHOD.remarks(material, fitted) == ("Head ablation silences heads 2.1 (layer.head, counted from 0)",)


def test_where_groups_do_not_differ_nothing_moves() -> None:
    found = np.zeros((N, LAYERS, HEADS, D), np.float32)
    fitted = METHOD.fit(evidence(found, np.ones((N, D), np.float32)))
    rows = np.random.default_rng(4).normal(size=(5, D)).astype(np.float32)
    assert fitted.heads == ()
    np.testing.assert_array_equal(METHOD(Material("image", rows), fitted=fitted), rows)


def test_a_row_of_which_nothing_is_left_is_zero() -> None:
    fitted = METHOD.fit(evidence(parts(), np.zeros((N, D), np.float32)))
    row = fitted.mean.astype(np.float32)[None]
    alone = np.zeros((1, LAYERS, HEADS, D), np.float32)
    alone[:, 2, 1] = 2 * row
    assert not METHOD(Material("image", row, heads=GivenHeads(alone)), fitted=replace(fitted)).any()
