"""CLIP-clip: what it keeps, how that is compared, and recorded values."""

from dataclasses import replace

import numpy as np
import pytest

from core.interventions import INTERVENTIONS, Evidence, Material, References
from core.interventions.clip_clip import BINS, _bins, mutual_information
from core.units import unit
from tests.interventions.test_contract import evidence, rows
from tests.recorded import oracle

DATA = oracle("clip_clip")
METHOD = INTERVENTIONS.get("clip-clip")()


def close(a: np.ndarray, b: np.ndarray, atol: float) -> None:
    np.testing.assert_allclose(a, b, rtol=0, atol=atol)


def test_as_recorded():
    found = METHOD.on_arrays({**DATA, "n": DATA["keep0_n"]})
    close(found["mi"], DATA["mi"], 1e-12)
    np.testing.assert_array_equal(found["order"], DATA["order"])
    close(found["similarity"], DATA["keep0_similarity"], 1e-6)
    whole = METHOD.on_arrays({**DATA, "n": np.array(20)})["similarity"]
    close(whole, unit(DATA["text_features"]) @ unit(DATA["image_features"]).T, 1e-6)


def test_information_as_recorded():
    first, x = int(DATA["occ_n"]), DATA["image_features"]
    close(mutual_information(x, DATA["one_member_gender"]), DATA["one_member_mi"], 1e-12)
    close(mutual_information(x[:first], DATA["occ_label"]), DATA["occ_mi"], 1e-12)
    close(mutual_information(x.astype(np.float64), DATA["gender"]), DATA["mi_float64_input"], 1e-12)
    close(mutual_information(x, np.ones(len(x))), 0.0, 1e-12)
    close(mutual_information(x[:2], np.array([1, 2])), DATA["two_rows_mi"], 1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_bins_are_numpys(seed):
    rng = np.random.default_rng(seed)
    values = rng.integers(-20, 44, (200, 3)) * rng.choice([1.0, 0.1, 1 / 3])
    values[:, 2] = 7.0
    for j, place in enumerate(_bins(values).T):
        expected, _ = np.histogram(values[:, j], BINS)
        np.testing.assert_array_equal(np.bincount(place, minlength=BINS), expected)


def test_scores_are_the_sums_over_what_is_kept():
    """Neither side's length plays a part: unit rows after the method have the products of the cut unit rows before."""
    fitted, text, image = METHOD.fit(evidence()), rows(3, 1), rows(8, 2)
    assert fitted.kept == 19, "of 24 columns as many as 400 of 512"
    q, x = (METHOD(Material(side, r), fitted=fitted) for side, r in (("text", text), ("image", image)))
    kept = fitted.order[: fitted.kept]
    close(unit(q) @ unit(x).T, unit(text)[:, kept] @ unit(image)[:, kept].T, 1e-6)
    for rows_after, before in ((q, text), (x, image)):
        close(np.linalg.norm(rows_after, axis=1), np.linalg.norm(before, axis=1), 1e-5)
        np.testing.assert_array_equal(rows_after[:, kept], before[:, kept])


def test_captions_are_cut_alone():
    fitted = METHOD.fit(replace(evidence(), side="text"))
    found = METHOD(Material("text", rows(4, 1)), fitted=fitted)
    np.testing.assert_array_equal(found[:, fitted.order[fitted.kept :]], 0.0)


def test_the_telling_columns_go():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 400)
    x = rng.normal(size=(400, 24)).astype(np.float32)
    x[:, [3, 8, 11]] += 3.0 * labels[:, None]
    fitted = METHOD.fit(Evidence(references=References(x, labels)))
    assert {3, 8, 11} <= set(fitted.order[fitted.kept :]) and set(fitted.order[-3:]) == {3, 8, 11}


@pytest.mark.parametrize("seed", range(3))
def test_a_value_at_an_edge_is_in_the_bin_that_begins_there(seed: int) -> None:
    """Every edge as a value: the quotient alone would put some of them one bin too low, and some too high."""
    low, high = np.sort(np.random.default_rng(seed).normal(size=2))
    edges = np.linspace(low, high, BINS + 1)
    beside = np.nextafter(edges, -np.inf)[1:]
    expected = [np.minimum(np.searchsorted(edges, v, side="right") - 1, BINS - 1) for v in (edges, beside)]
    np.testing.assert_array_equal(_bins(np.concatenate([edges, beside])[:, None])[:, 0], np.concatenate(expected))
