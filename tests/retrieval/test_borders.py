"""Where the engine and the indexes change their way: nothing left, nearly nothing left, no direction, no memory."""

import os
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sparse
import torch

from core.config import Edit, InputError
from core.readout import ReadoutArrays
from core.retrieval import (
    FlatIndex,
    InvertedLists,
    IvfIndex,
    LiveEngine,
    LiveGallery,
    PartIndex,
    Ranking,
    StoredIndex,
    nearest,
    place,
    products,
    remembered,
    same_ranking,
)
from core.retrieval.lacking import LackingIndex
from core.retrieval.on_device import Device, device_for
from core.retrieval.remembered import answers_of, arrays_of
from core.retrieval.switched import Column
from tests.retrieval.test_live import D_IN, MATERIALS, D, brute, engine, make

# ------------------------------------------------------------------------------------------ what an edit changes


def test_a_neuron_of_no_strength_changes_no_row():
    m = MATERIALS["pooled", 0]
    live = engine(m)
    edit = Edit((1, 3), strengths=(1.0, 0.0))
    rows = np.flatnonzero(m.codes.toarray()[:, 1])
    np.testing.assert_array_equal(live.edited(edit).rows, rows)
    assert not len(live.edited(Edit((1, 3), strength=0.0)).rows)
    everybody = live.edited(Edit((1, 3), gamma=0.5, strengths=(0.0, 1.0)))
    assert len(everybody.rows) == live.n and everybody.neurons.tolist() == [3]
    other = engine(m).edited(Edit((1,), strength=0.0, form="blend", alpha=0.5))
    assert len(other.rows) == live.n and not len(other.neurons)


@pytest.mark.parametrize("blend", [False, True])
@pytest.mark.parametrize("size", [1.0, 100.0])
@pytest.mark.parametrize(("strength", "gamma", "left"), [(1.0, 0.0, 0.0), (0.95, 0.0, 0.05), (0.98, 0.01, 0.0298)])
def test_a_row_of_which_little_is_left_is_measured_anew(blend, size, strength, gamma, left):
    """float32: the difference of squared lengths near each other would be noise."""
    rng, W = np.random.default_rng(0), np.eye(6, dtype=np.float32)
    x = np.abs(rng.normal(size=(8, 6))).astype(np.float32)
    x[0] = [1.0, 0, 0, 0, 0, 1e-3]
    x *= np.float32(size)
    codes = sparse.csc_matrix(x * (np.arange(6) < (6 if blend else 5)))
    live = LiveEngine(LiveGallery(x, codes, W, np.zeros(6, dtype=np.float32)))
    form = {"form": "blend", "alpha": 1.0} if blend else {}
    found = live.edited(Edit((0,), strength, gamma * size, **form))
    expected = np.hypot(left, 1e-3) * size
    assert found.lengths[list(found.rows).index(0)] == pytest.approx(expected, rel=3e-4)


def test_a_residual_that_no_longer_varies_is_lost_though_it_has_an_offset():
    """x' = offset for every row without variance: there is nothing of the row in it. The border is NOTHING of it."""
    readout = ReadoutArrays(np.ones(3), np.array([1.0, 2.0, 0.5]), 1e-5, np.eye(3))
    for size, left, lost in ((1.0, 0.0, True), (1000.0, 0.03, True), (1000.0, 0.3, False)):
        w = np.array([[1.0, -1.0, 0.0]])
        x = np.array([[5.0, 5.0, 5.0]]) + np.array([[size + left]]) * w + np.zeros((4, 3))
        codes = sparse.csc_matrix(np.array([[size], [0.0], [0.0], [0.0]]))
        live = LiveEngine(LiveGallery(x, codes, w, np.zeros(3), readout(x), readout))
        if lost:
            with pytest.raises(InputError, match=r"leaves nothing of some items \(1 of 4\)"):
                live.edited(Edit((0,)))
        else:
            assert live.edited(Edit((0,))).rows.tolist() == [0]


def test_cosines_where_the_offset_has_a_zero():
    """One column of the projection is empty: nothing is added there, and something elsewhere."""
    m = make("residual", seed=5)
    projection = m.readout.projection.copy()
    projection[:, 2] = 0.0
    readout = ReadoutArrays(m.readout.ln_weight, m.readout.ln_bias, 1e-5, projection)
    W, b = m.sae.W_dec.numpy(), m.sae.b_dec.numpy()
    live = LiveEngine(LiveGallery(m.x, m.codes, W, b, readout(m.x), readout))
    assert live.gallery.geometry.offset[2] == 0 and live.gallery.geometry.offset.any()
    for edit in (Edit((1, 2)), Edit((1, 2), gamma=0.4), Edit((1,), form="blend", alpha=0.3)):
        found, z = live.edited(edit), m.codes.toarray()
        new = z.copy()
        new[:, list(edit.neurons)] = edit.gamma
        x = m.x - (z - new) @ W if edit.form != "blend" else edit.alpha * (new @ W + b) + (1 - edit.alpha) * m.x
        before, after = readout(m.x), readout(x)
        cosine = (before * after).sum(axis=1) / np.linalg.norm(before, axis=1) / np.linalg.norm(after, axis=1)
        np.testing.assert_allclose(found.cosines, cosine[found.rows], atol=1e-12)


def test_scores_that_were_given_belong_to_their_query_alone():
    live, query = engine(MATERIALS["pooled", 0]), np.ones(D)
    first, second = (np.random.default_rng(seed).random(live.n) for seed in (1, 2))
    for base in (first, second, None, first):
        expected = live.scores(query) if base is None else base
        np.testing.assert_array_equal(live.scores(query, None, base), expected)
        np.testing.assert_array_equal(live.search(query, live.n, None, base).rows, np.argsort(-expected, kind="stable"))


def test_blends_between_and_at_their_ends():
    m, query = MATERIALS["residual", 0], np.ones(D)
    live = engine(m)
    for alpha in (1.0, 0.25, 0.75, 0.5, 1.0):
        edit = Edit((2, 5), 0.4, form="blend", alpha=alpha)
        np.testing.assert_allclose(live.scores(query, edit), brute(m, query, edit), atol=1e-12)
    assert m.x.shape[1] == D_IN


def test_a_residual_that_the_projection_does_not_see_is_lost():
    """It still varies, but its embedding is the offset alone."""
    readout = ReadoutArrays(np.ones(3), np.array([1.0, 2.0, 0.5]), 1e-5, np.array([[1.0], [-1.0], [0.0]]))
    w = np.array([[1.0, -1.0, 0.0]])
    x = np.array([[2.0, -2.0, 3.0], [1.0, 0.0, 3.0]])
    codes = sparse.csc_matrix(np.array([[2.0], [0.0]]))
    live = LiveEngine(LiveGallery(x, codes, w, np.zeros(3), readout(x), readout))
    with pytest.raises(InputError, match=r"leaves nothing of some items \(1 of 2\)"):
        live.edited(Edit((0,)))


def test_a_changed_row_that_ties_with_the_last_unchanged_one_stands_by_its_number():
    x = np.array([[3.0, 4.0, 12.0], [3.0, 4.0, 0.0], [0.0, 1.0, 0.0]])
    codes = sparse.csc_matrix(np.array([[1.0], [0.0], [0.0]]))
    live, query = LiveEngine(LiveGallery(x, codes, np.array([[0.0, 0.0, 12.0]]), np.zeros(3))), np.array([1.0, 0, 0])
    assert live.search(query, 1).rows.tolist() == [1]
    assert live.search(query, 1, Edit((0,))).rows.tolist() == [0]
    assert live.search(query, 2, Edit((0,))).rows.tolist() == [0, 1]


def test_ties_at_the_last_place_alone_take_the_lowest_row():
    rows = np.repeat(np.eye(4, dtype=np.float32), 16, axis=0)
    found = FlatIndex(rows).search(np.array([0.0, 1.0, 0.0, 0.0]), 17)
    assert found.rows.tolist() == [*range(16, 32), 0]
    found = FlatIndex(rows[::-1].copy()).search(np.array([0.0, 1.0, 0.0, 0.0]), 18)
    assert found.rows.tolist() == [*range(32, 48), 0, 1]


def test_a_part_that_ends_before_the_lists_do():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 4)).astype(np.float32)
    inverted = InvertedLists.of(x[:3] / np.linalg.norm(x[:3], axis=1, keepdims=True), rng.integers(0, 3, 40))
    listed, part = x[inverted.members], np.arange(2, 20, 2)
    index = IvfIndex(listed, np.linalg.norm(listed, axis=1), inverted, 3, part)
    exact = StoredIndex(x[part])
    query = rng.normal(size=4)
    assert index.looked_at(query) == 9
    assert index.search(query, 5).rows.tolist() == exact.search(query, 5).rows.tolist()


def test_progress_is_counted():
    said: list[int] = []
    nearest.k_means(np.eye(8, dtype=np.float32), 3, 0, lambda done, of, what: said.append(done))
    assert said == list(range(1, nearest.ROUNDS + 1))
    said.clear()
    parts = [slice(i, i + 2) for i in range(0, 10, 2)]
    products.each(parts, lambda at: None, lambda done, of, what: said.append(done), "rows", 1)
    assert said == [2, 4, 6, 8, 10]
    assert products.blocks(3, 10**9) == [slice(0, 1), slice(1, 2), slice(2, 3)]
    assert products.blocks(3, 0, 8, 16) == [slice(0, 2), slice(2, 3)], "rows without columns take no memory"
    assert products.blocks(5, 4, 8, 64) == [slice(0, 2), slice(2, 4), slice(4, 5)]


def test_long_passes_tell_whoever_follows():
    """From sixteen parts on, and nobody else where the pass is told whom to tell."""
    said: list[tuple[int, int, str]] = []

    def follow(done: int, of: int, what: str) -> None:
        said.append((done, of, what))

    with products.followed(follow):
        products.each([slice(i, i + 1) for i in range(15)], lambda at: None, at_once=1)
        assert said == [], "a short pass is not worth it"
        products.each([slice(i, i + 1) for i in range(16)], lambda at: None, at_once=1)
        assert said == [(done, 16, "reading the gallery") for done in range(1, 17)]
        said.clear()
        products.each([slice(i, i + 1) for i in range(16)], lambda at: None, lambda *told: None, "own", at_once=1)
        assert said == []
    products.each([slice(i, i + 1) for i in range(16)], lambda at: None, at_once=1)
    assert said == []


def test_centres_are_the_means_of_what_lies_around_them():
    """Two heaps of three rows each, far apart: wherever it begins, k-means ends at their means."""
    heaps = np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 3.0], [90.0, 90.0], [91.0, 90.0], [92.0, 93.0]], dtype=np.float32)
    for seed in range(5):
        centres = nearest.k_means(heaps, 2, seed)
        np.testing.assert_allclose(centres[np.argsort(centres[:, 0])], [[1.0, 1.0], [91.0, 91.0]], atol=1e-5)
        near = nearest.Centres(centres).nearest(heaps)
        assert len(set(near[:3])) == len(set(near[3:])) == 1 and near[0] != near[3]


def test_short_rows_have_a_direction():
    assert StoredIndex(np.array([[0.1, 0.0], [0.0, 0.2]])).search(np.array([0.0, 1.0]), 1).rows.tolist() == [1]


# ------------------------------------------------------------------------------------------ memory


def test_how_much_is_remembered(monkeypatch):
    monkeypatch.setattr(remembered, "SCORES_BYTES", 4000)
    monkeypatch.setattr(remembered, "LIVE_BYTES", 24_000)
    assert [arrays_of(n) for n in (1, 10, 100, 400, 10_000)] == [64, 64, 10, 2, 2]
    assert [answers_of(n) for n in (1, 10, 100, 250, 10_000)] == [64, 64, 10, 4, 4]


def test_memory_that_is_said(tmp_path):
    x = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    assert FlatIndex(unit).nbytes == unit.nbytes
    stored = StoredIndex(x)
    np.save(tmp_path / "x.npy", x)
    mapped = StoredIndex(np.load(tmp_path / "x.npy", mmap_mode="r"))
    assert stored.nbytes - mapped.nbytes == x.nbytes
    assert mapped.nbytes == 4 * 20 + remembered.SCORES_BYTES
    part = PartIndex(stored, np.arange(5))
    assert part.nbytes == 5 * 8 + remembered.SCORES_BYTES
    assert LackingIndex(FlatIndex(unit), np.array([3])).nbytes == unit.nbytes + 8
    live = engine(MATERIALS["pooled", 0])
    assert live.nbytes == 40 * MATERIALS["pooled", 0].codes.nnz + 64 * live.n


def test_scores_of_a_flat_index_are_remembered_and_cannot_be_written():
    x = np.eye(5, 3, dtype=np.float32) + 1
    index, query = FlatIndex(x / np.linalg.norm(x, axis=1, keepdims=True)), np.array([1.0, 2.0, 3.0])
    assert index.scores(query) is index.scores(query * 3)
    with pytest.raises(ValueError, match="read-only"):
        index.scores(query)[0] = 1.0
    with pytest.raises(InputError, match=r"shape \(0, 3\)"):
        FlatIndex(np.zeros((0, 3)))


def test_rows_without_a_direction_come_last():
    x = np.array([[1.0, 0.0], [0.0, 0.0], [0.6, 0.8], [0.0, 0.0], [-1.0, 0.0]], dtype=np.float32)
    index, query = LackingIndex(FlatIndex(x), np.array([1, 3])), np.array([1.0, 0.1])
    scores = x @ (query / np.linalg.norm(query))
    expected = np.where([0, 1, 0, 1, 0], -np.inf, scores).astype(np.float32)
    np.testing.assert_allclose(index.scores(query), expected, atol=1e-6)
    for k in (1, 2, 3, 4, 5):
        found = index.search(query, k)
        assert found.rows.tolist() == [0, 2, 4, 1, 3][:k]
        np.testing.assert_allclose(found.scores, expected[found.rows], atol=1e-6)
    np.testing.assert_array_equal(index.unit, x)
    np.testing.assert_array_equal(index.unit_at(np.array([2])), x[[2]])
    with pytest.raises(InputError, match="k was 6"):
        index.search(query, 6)


# ------------------------------------------------------------------------------------------ threads and devices


@pytest.mark.parametrize(
    ("cores", "asked", "threads"),
    [(8, "", 8), (8, "3", 3), (2, "3", 2), (64, "", 16), (64, "40", 16), (8, "many", 8), (8, "0", 1), (1, "1", 1)],
)
def test_as_many_threads_as_there_are_cores_or_fewer(monkeypatch, cores, asked, threads):
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(cores)) if pid == 0 else {}, raising=False)
    assert products.threads() == threads
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert products.threads() == threads
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert products.threads() == 1


def test_a_gpu_needs_room_for_the_embeddings_twice_over(monkeypatch):
    x, other = np.zeros(10), np.zeros(6)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for free, arrays, used in ((161, (x,), True), (160, (x,), False), (161, (x, x), True), (257, (x, other), True)):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda free=free: (free, 0))
        assert (device_for(*arrays) is not None) is used
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (256, 0))
    assert device_for(x, other) is None
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device_for(x) is None


@pytest.mark.parametrize("block", [1, 200])
def test_a_device_keeps_precision_and_adds_in_blocks(monkeypatch, block):
    place, rng = Device("cpu"), np.random.default_rng(0)
    monkeypatch.setattr("core.retrieval.on_device.BLOCK_BYTES", block)
    for dtype, atol in ((np.float16, 2e-2), (np.float32, 1e-5), (np.float64, 1e-12)):
        x, vectors = rng.normal(size=(50, 6)).astype(dtype), rng.normal(size=(2, 6))
        rows = place.rows(x)
        np.testing.assert_array_equal(place.get(rows), x)
        exact = vectors @ x.astype(np.float64).T
        np.testing.assert_allclose(place.get(place.times(rows, vectors)), exact, atol=atol)
        some = place.put(np.array([7, 3, 49]))
        np.testing.assert_allclose(place.get(place.times(rows, vectors, some)), exact[:, [7, 3, 49]], atol=atol)
    found, scores = place.best_rows(place.put(np.array([0.5, 0.9, 0.5, 0.1, 0.5])), 3)
    assert found.tolist() == [1, 0, 2] and scores.tolist() == [0.9, 0.5, 0.5]


def test_codes_of_rows_on_a_device():
    here, z = Device("cpu"), np.array([[0.0, 2.0], [0.0, 0.0], [1.5, 0.5], [0.0, 0.0]])
    columns = []
    for own in z.T:
        rows = np.flatnonzero(own)
        columns.append(Column(here.put(rows), here.put(own[rows]), here.put(own[rows][None])))
    np.testing.assert_array_equal(here.switched(columns, 4).codes_of(np.arange(4)), z)


def test_only_stored_rows_go_to_a_gpu(monkeypatch, tmp_path):
    monkeypatch.setattr(place, "GPU_DRIVER", tmp_path)
    monkeypatch.setattr("core.retrieval.on_device.device_for", lambda *arrays: Device("cpu"))
    computed = SimpleNamespace(shape=(2, 3))
    assert isinstance(place.place_for(np.zeros((2, 3))), Device)
    assert not isinstance(place.place_for(np.zeros((2, 3)), computed), Device)
    monkeypatch.setattr(place, "GPU_DRIVER", tmp_path / "none")
    assert not isinstance(place.place_for(np.zeros((2, 3))), Device)


def test_rankings_of_no_row_and_of_one():
    def one(row: int, score: float) -> Ranking:
        return Ranking(np.array([row]), np.array([score], dtype=np.float32))

    assert same_ranking(Ranking(np.zeros(0, int), np.zeros(0)), Ranking(np.zeros(0, int), np.zeros(0)))
    assert same_ranking(one(3, 0.5), one(3, 0.5)) and not same_ranking(one(3, 0.5), one(3, 0.7))


class Computed:
    """Rows that are worked out when they are read."""

    def __init__(self, x: np.ndarray) -> None:
        self.x, self.shape, self.dtype = x, x.shape, x.dtype

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, at: slice | np.ndarray) -> np.ndarray:
        return self.x[at]


@pytest.mark.parametrize("block", [1, 100, 1 << 20])
def test_products_of_rows_that_are_worked_out(monkeypatch, block):
    monkeypatch.setattr(products, "COMPUTED_BYTES", block)
    rng = np.random.default_rng(0)
    x, vectors = rng.normal(size=(30, 5)), rng.normal(size=(2, 5))
    np.testing.assert_allclose(products.times(Computed(x), vectors), vectors @ x.T)
    np.testing.assert_allclose(products.times(Computed(x), vectors, np.array([4, 29])), vectors @ x[[4, 29]].T)
    np.testing.assert_allclose(products.squared_lengths(Computed(x)), (x * x).sum(axis=1))
