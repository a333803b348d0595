"""Where methods turn, by hand: as many free neurons as asked for, nobody kept, ties, tolerances, the first step."""

import numpy as np
import pytest
import scipy.sparse as sparse
import torch

from core.config import Edit, InputError
from core.interventions import INTERVENTIONS, Material, matched_random_edits, zsdebias_network
from core.interventions.clip_clip import Clip
from core.interventions.closed_form import losses
from core.interventions.inlp import _accuracy, nullspaces
from core.interventions.leace import eraser
from core.interventions.roboshot import _directions, _paired
from core.interventions.sfid import MOST_COLUMNS, OF_COLUMNS
from core.interventions.subspaces import row_space
from core.interventions.zsdebias_network import PARTS, _fresh, train


@pytest.mark.parametrize(("side", "holds"), [("image", 2), ("text", 3)])
def test_the_length_of_what_is_cut_stands_where_the_other_side_has_none(side: str, holds: int) -> None:
    rows = np.array([[1.0, 2.0, 2.0, 6.0, 9.0]], dtype=np.float32)
    cut = INTERVENTIONS.get("clip-clip")()(Material(side, rows), fitted=Clip(np.arange(5), 2, paired=True))
    expected = np.array([[1.0, 2.0, 0.0, 0.0, 0.0]])
    expected[0, holds] = 11.0
    np.testing.assert_allclose(cut, expected, rtol=1e-6)


def test_two_columns_are_enough_to_keep_lengths_and_one_is_not() -> None:
    rows, method = np.array([[1.0, 2.0, 3.0, 4.0]], dtype=np.float32), INTERVENTIONS.get("clip-clip")()
    for kept, expected in ((2, [1.0, 2.0, 5.0, 0.0]), (3, [1.0, 2.0, 3.0, 0.0])):
        fitted = Clip(np.arange(4), kept, paired=True)
        (piece,) = method.pieces(fitted, "image")
        assert method(Material("image", rows), fitted=fitted).tolist() == [expected]
        np.testing.assert_allclose(piece(rows), [expected], rtol=1e-6)


def test_what_bendsem_lacks_is_what_sem_lacks() -> None:
    with pytest.raises(InputError, match="this method needs an SAE"):
        INTERVENTIONS.get("bendsem")()(Material("text", np.ones((1, 3), dtype=np.float32)))


def test_a_reader_that_names_the_largest_group_alone_deletes_nothing() -> None:
    """Weak differences and 3 of 4 rows in one group: the reader is right on 3 / 4, as whoever does not look."""
    x = 0.01 * np.random.default_rng(0).normal(size=(40, 3))
    assert list(nullspaces(x, (np.arange(40) % 4 == 0).astype(int), 3)) == []


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


@pytest.mark.parametrize(("correlation", "erased"), [(0.012, True), (0.008, False)])
def test_a_correlation_of_a_hundredth_is_none(correlation: float, erased: bool) -> None:
    """One column, half of the rows in the group, by the plain covariance: the whitened value is r sd(z)."""
    z = np.repeat([0.0, 1.0], 200)
    noise = np.tile([-1.0, 1.0], 200)
    lean = 2 * correlation / np.sqrt(1 - 4 * correlation**2)  # r sd(z) = correlation, sd(z) = 1/2 but for n - 1
    x = (noise + lean * (2 * z - 1))[:, None]
    assert abs(np.corrcoef(x[:, 0], z)[0, 1]) / 2 == pytest.approx(correlation)
    found = eraser(x, z[:, None], covariance="plain")
    assert len(found.read) == int(erased)
    np.testing.assert_allclose(found.P, [[0.0 if erased else 1.0]], atol=1e-9)


def test_two_rows_are_enough_to_be_told_apart_and_one_is_not() -> None:
    two, y = np.array([[0.0, 1.0], [2.0, 1.0]]), np.array([0, 1])
    arrays = {"Xtrain": two, "ytrain": y, "Xdev": two, "ydev": y, "n_iterations": np.array(1)}
    arrays |= {"autoregressive": np.array(1), "min_accuracy": np.array(0.5)}
    arrays |= {"settings_C_tol_maxiter": np.array([1.0, 1e-6, 100])}
    np.testing.assert_allclose(INTERVENTIONS.get("inlp")().on_arrays(arrays)["P"], np.diag([0.0, 1.0]), atol=1e-6)
    given = {"x": two, "z": y[:, None], "svd_tol": np.array(0.01)}
    assert INTERVENTIONS.get("leace")().on_arrays(given)["P"].shape == (2, 2)
    for method, lone in (("inlp", arrays | {"Xtrain": two[:1], "ytrain": y[:1]}), ("leace", given | {"x": two[:1]})):
        with pytest.raises(InputError, match="at least 2 rows"):
            INTERVENTIONS.get(method)().on_arrays(lone)


@pytest.mark.parametrize("length", [0.01, 1.0, 100.0])
def test_one_row_of_any_length_spans_its_direction(length: float) -> None:
    np.testing.assert_allclose(row_space(length * np.array([[0.6, 0.8]])), [[0.6], [0.8]])


def test_rows_that_stay_lose_nothing_and_may_lose_nothing() -> None:
    """In the span of the groups' differences, outside it, and between: p = .6, o = .8, half of 1 - o is .1."""
    A = np.eye(3)[:, :1]
    measured, bound = losses(np.array([[1.0, 0.0, 0.0], [0.0, 0.6, 0.8], [0.6, 0.8, 0.0]]), A)
    np.testing.assert_allclose(bound, [0.0, 0.0, 0.1])
    assert measured[:2].tolist() == [0.0, 0.0] and 0 < measured[2] <= 0.1


def test_what_a_training_draws_stands_in_the_code_of_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """z = mean + eps e^(logvar / 2), halves of one encoder; every batch with its own rows and their nearest prompts."""
    rows, texts = pictures()
    drawn, seen, plain, real = [], [], torch.randn, zsdebias_network.terms

    def randn(*shape, **options):
        drawn.append(plain(*shape, **options))
        return drawn[-1]

    def terms(x, code, ensemble, *more):
        seen.append((x, code, ensemble))
        return real(x, code, ensemble, *more)

    monkeypatch.setattr(torch, "randn", randn)
    monkeypatch.setattr(zsdebias_network, "terms", terms)
    train(rows, texts, epochs=1)
    assert [len(x) for x, _, _ in seen] == [18, 2], "a batch of all that is kept, then what is held out"
    unit_rows, unit_texts = zsdebias_network.unit(rows), zsdebias_network.unit(texts)
    for eps, (x, code, ensemble) in zip(drawn, seen, strict=True):
        assert code.mean.shape == code.logvar.shape == x.shape == (len(x), 6)
        torch.testing.assert_close(code.z, code.mean + eps * torch.exp(code.logvar / 2))
        expected = zsdebias_network.ensembles(x.double().numpy(), unit_texts)
        np.testing.assert_allclose(ensemble.numpy(), expected, atol=1e-6)
    together = np.concatenate([x.numpy() for x, _, _ in seen])
    np.testing.assert_allclose(np.sort(together, axis=0), np.sort(unit_rows, axis=0), atol=1e-6)
