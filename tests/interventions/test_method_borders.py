"""Where methods turn, by hand: as many free neurons as asked for, nobody kept, ties, tolerances, the first step."""

import numpy as np
import pytest
import scipy.sparse as sparse
import torch

from core.config import Edit, InputError
from core.interventions import INTERVENTIONS, Material, matched_random_edits, zsdebias_network
from core.interventions.clip_clip import Clip
from core.interventions.inlp import _accuracy
from core.interventions.leace import eraser
from core.interventions.roboshot import _directions, _paired
from core.interventions.sfid import MOST_COLUMNS, OF_COLUMNS
from core.interventions.zsdebias_network import PARTS, _fresh, train


@pytest.mark.parametrize(("side", "holds"), [("image", 2), ("text", 3)])
def test_the_length_of_what_is_cut_stands_where_the_other_side_has_none(side: str, holds: int) -> None:
    rows = np.array([[1.0, 2.0, 2.0, 6.0, 9.0]], dtype=np.float32)
    cut = INTERVENTIONS.get("clip-clip")()(Material(side, rows), fitted=Clip(np.arange(5), 2, paired=True))
    expected = np.array([[1.0, 2.0, 0.0, 0.0, 0.0]])
    expected[0, holds] = 11.0
    np.testing.assert_allclose(cut, expected, rtol=1e-6)


def test_as_many_free_neurons_as_were_chosen_are_enough() -> None:
    codes = sparse.csc_matrix(np.ones((5, 4)))
    (drawn,) = matched_random_edits(codes, Edit((0, 1)), draws=1)
    assert set(drawn.neurons) == {2, 3}
    with pytest.raises(InputError, match="3 random neurons were asked for, but only 1 other live"):
        matched_random_edits(codes, Edit((0, 1, 2)), draws=1)


@pytest.mark.parametrize(("groups", "rows"), [(2, 1), (3, 3)])
def test_readers_of_which_none_is_kept_have_no_weights(groups: int, rows: int) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 4)), np.arange(30) % groups
    arrays = {"Xtrain": x, "ytrain": y, "Xdev": x, "ydev": y, "n_iterations": np.array(2)}
    arrays |= {"autoregressive": np.array(1), "min_accuracy": np.array(1.5)}
    found = INTERVENTIONS.get("inlp")().on_arrays(arrays | {"settings_C_tol_maxiter": np.array([1.0, 1e-4, 50])})
    assert found["W"].shape == (0, rows, 4) and found["n_kept"] == 0
    np.testing.assert_array_equal(found["P"], np.eye(4))


def test_a_row_on_the_border_is_of_the_first_group_as_sklearn_says() -> None:
    """0 is not above 0."""
    W, x = np.array([[1.0, -1.0]]), np.array([[1.0, 1.0], [2.0, 1.0]])
    assert _accuracy(x, np.array([5, 7]), W, np.zeros(1), np.array([5, 7])) == 1.0


def test_the_tolerance_is_of_whitened_singular_values() -> None:
    """One column: what is left of it after whitening is |cov(x, z)| / sd(x), with n - 1."""
    x, z = np.array([[0.0], [1.0], [2.0], [5.0], [4.0], [3.5]]), np.array([[0], [0], [0], [1], [1], [1]])
    value = abs(np.cov(x[:, 0], z[:, 0])[0, 1]) / np.std(x[:, 0], ddof=1)
    assert pytest.approx(np.zeros((1, 1)), abs=1e-12) == eraser(x, z, value * (1 - 1e-6), "plain").P
    assert pytest.approx(np.ones((1, 1))) == eraser(x, z, value * (1 + 1e-6), "plain").P


@pytest.mark.parametrize(("share", "rank"), [(0.0055, 2), (0.0045, 1)])
def test_a_direction_is_at_least_a_two_hundredth_of_the_largest(share: float, rank: int) -> None:
    assert _directions(np.diag([1.0, share])).shape == (2, rank)


def test_lists_of_different_lengths_are_compared_by_their_means() -> None:
    a, b = np.array([[1.0, 0.0], [3.0, 0.0], [2.0, 3.0]]), np.array([[0.0, 1.0], [1.0, 3.0]])
    found = _paired(a, b)
    assert found.shape == (1, 2)
    np.testing.assert_allclose(found, [[1.5, -1.0]])
    np.testing.assert_allclose(_paired(a[:2], b), [[1.0, -1.0], [2.0, -3.0]])


def test_sfid_replaces_the_published_share_of_columns() -> None:
    """Fifty of 512, as in the published runs."""
    assert (MOST_COLUMNS, OF_COLUMNS) == (50, 512)


def pictures() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(20, 6)).astype(np.float32), rng.normal(size=(12, 6)).astype(np.float32)


def test_a_first_step_is_as_long_as_the_rate() -> None:
    """Adam's first step is the rate for every weight, whatever its gradient: ten times the published one."""
    rows, texts = pictures()
    draws = torch.Generator().manual_seed(0)
    fresh = [dict(_fresh(6, out, draws)) for out in (12, 6)]
    network = train(rows, texts, epochs=1)
    for side, begun in zip((network.encoder, network.decoder), fresh, strict=True):
        steps = np.concatenate([np.abs(side[part] - begun[part].detach().numpy()).ravel() for part in PARTS])
        assert np.median(steps) == pytest.approx(1e-3, rel=0.02) and steps.max() < 1.1e-3


def test_only_what_is_learned_from_is_dropped_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of twenty rows are held out: nothing of them is."""
    drawn, plain = [], torch.rand

    def rand(*shape, **options):
        drawn.append(tuple(shape[0]) if isinstance(shape[0], (tuple, list, torch.Size)) else shape)
        return plain(*shape, **options)

    monkeypatch.setattr(torch, "rand", rand)
    train(*pictures(), epochs=1)
    batches = [shape for shape in drawn if shape in ((18, 6), (2, 6))]
    assert (18, 6) in batches and (2, 6) not in batches
    assert zsdebias_network.HELD_OUT == 0.1
