"""Closed form: what defines it, and its recorded values."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.config import InputError
from core.interventions import INTERVENTIONS, Material
from core.interventions.closed_form import attribute_space, kept_share, losses, weighed
from core.units import unit
from tests.interventions.test_contract import D, evidence, rows
from tests.recorded import case_of, oracle

METHOD = INTERVENTIONS.get("closed-form")()
DATA = oracle("closed_form_vlm")


def close(a: np.ndarray, b: np.ndarray, atol: float) -> None:
    np.testing.assert_allclose(a, b, rtol=0, atol=atol)


@pytest.mark.parametrize("case", ["few", "many"])
def test_as_recorded(case):
    data = case_of(DATA, case)
    found = METHOD.on_arrays(data)
    for name in ("text_out", "image_out", "projector_parallel"):
        close(found[name], data[name], 1e-6)
        assert found[name].dtype == np.float32
    assert found["rank"] == data["rank"]
    close(
        attribute_space(data["prototype_shared"][::-1]) @ attribute_space(data["prototype_shared"][::-1]).T,
        data["projector_parallel_other_reference"],
        1e-6,
    )


@pytest.mark.parametrize("case", ["collinear", "duplicate", "coplanar", "all_same", "near_cut"])
def test_prototypes_that_depend_on_each_other_as_recorded(case):
    data = case_of(DATA, case)
    found = METHOD.on_arrays({"prototypes": data["prototypes"], "text_emb": DATA["degenerate_text_emb"]})
    close(found["text_out"], data["text_out"], 2e-4 if case == "near_cut" else 1e-6)
    assert found["rank"] == data["rank"] and "image_out" not in found


def test_borders_as_recorded():
    close(weighed(unit(DATA["axis_query"]), np.eye(24)[:, :3])[0], DATA["axis_out"], 1e-5)
    p, o = (DATA[f"curve_norm_{side}"].astype(np.float64) for side in ("parallel", "orthogonal"))
    close(kept_share(p, o) * p, DATA["curve_alpha"], 1e-6)
    inside = unit(DATA["rotated_parallel_query"])
    found, moved = weighed(inside, DATA["rotated_basis"].astype(np.float64))
    np.testing.assert_array_equal(found, inside)
    assert not moved.any(), "a row inside the space has no rest to be turned towards"


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 4), st.floats(0.0, 3.0))
def test_share_kept_and_share_of_the_loss_are_equal(seed, r, lean):
    """What defines it: of all shares that may be kept, the one at which neither side is worse off than the other."""
    rng = np.random.default_rng(seed)
    A = np.linalg.qr(rng.normal(size=(D, r)))[0]
    e = unit(rng.normal(size=(20, D)) + lean * rng.normal(size=(20, r)) @ A.T)
    found, moved = weighed(e, A)
    assert moved.all()
    close(np.linalg.norm(found, axis=1), 1, 1e-12)
    p, q = (np.linalg.norm(x @ A, axis=1) for x in (e, found))
    o = np.sqrt(1 - p**2)
    loss = ((e - found) ** 2).sum(axis=1) / 2
    close(q / p, loss / (p**2 / (1 + o)), 1e-9)
    assert ((q / p > (3 - np.sqrt(5)) / 2 - 1e-12) & (q / p <= 0.5 + 1e-12)).all()
    measured, bound = losses(e, A)
    close(measured, loss, 1e-12)
    close(bound, (1 - o) / 2, 1e-12)
    assert (measured <= bound).all()


def test_the_bound_stands_beside_what_is_measured():
    basis, m = METHOD.fit(evidence()), Material("image", rows(9, 7))
    after = METHOD(m, fitted=basis)
    cosine = (unit(m.pooled) * unit(after)).sum(axis=1)
    (line,) = METHOD.remarks(m, basis)
    assert f"{(1 - cosine).mean():.4f} and {(1 - cosine).max():.4f}" in line
    assert f"{losses(unit(m.pooled), basis)[1].max():.4f} at most" in line
    assert METHOD.remarks(Material("image", rows(0, 7)), basis) == ()
    close(np.linalg.norm(after, axis=1), np.linalg.norm(m.pooled, axis=1), 1e-4)


def test_rows_without_a_group_part_keep_their_bits():
    basis, m = METHOD.fit(evidence()), rows(5, 3)
    outside = m - (m @ basis) @ basis.T
    outside[2] = 0
    kept = Material("text", outside.astype(np.float32))
    np.testing.assert_array_equal(METHOD(kept, fitted=basis), kept.pooled)


def test_something_must_be_changed():
    with pytest.raises(InputError, match="'text_emb', 'image_emb' or both; neither was given"):
        METHOD.on_arrays({"prototypes": rows(2, 1)})
