"""The live engine gives what editing every row and searching again gives, whatever is switched."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sparse
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.config import Edit, InputError
from core.interventions import INTERVENTIONS, Material
from core.readout import ReadoutArrays
from core.retrieval import LiveEngine, LiveGallery, Ranking, best_rows, same_ranking, search
from core.units import unit_rows

N, D_IN, D, F, K = 150, 14, 10, 30, 40
ATTACHES = ("pooled", "residual")


class HandSAE:
    """The two arrays that an intervention reads of an SAE."""

    def __init__(self, W: np.ndarray, b: np.ndarray) -> None:
        self.W_dec, self.b_dec = torch.from_numpy(W), torch.from_numpy(b)

    def arrays(self) -> dict[str, np.ndarray]:
        return {"W_dec": self.W_dec.numpy(), "b_dec": self.b_dec.numpy()}


def make(attach: str, dtype: type = np.float64, seed: int = 0, store: type | None = None) -> Material:
    rng = np.random.default_rng(seed)
    d_in = D_IN if attach == "residual" else D
    x = (rng.normal(size=(N, d_in)) + 1.5).astype(store or dtype)
    dense = np.where(rng.random((N, F)) < 0.15, rng.exponential(size=(N, F)), 0.0)
    dense[:, 4] = 0.0  # a dead neuron
    dense[0] = 0.0  # a row on which nothing fires
    readout = ReadoutArrays(rng.random(D_IN) + 0.5, rng.normal(size=D_IN), 1e-5, rng.normal(size=(D_IN, D)))
    pooled = readout(x) if attach == "residual" else x
    W = rng.normal(size=(F, d_in)) / np.sqrt(d_in)
    sae = HandSAE(W.astype(dtype), (rng.normal(size=d_in) + 1.0).astype(dtype))
    codes = sparse.csc_matrix(dense.astype(dtype))
    return Material("image", pooled, attach, x, codes, sae, readout if attach == "residual" else None)


def engine(m: Material) -> LiveEngine:
    pooled = m.pooled if m.attach == "residual" else None
    return LiveEngine(LiveGallery(m.x, m.codes, m.sae.W_dec.numpy(), m.sae.b_dec.numpy(), pooled, m.readout))


def brute(m: Material, query: np.ndarray, edit: Edit) -> np.ndarray:
    """Cosine of every re-encoded row with the query, in float64 whatever the embeddings are stored in."""
    exact = replace(
        m,
        pooled=m.pooled.astype(np.float64),
        at_sae=m.x.astype(np.float64),
        codes=m.codes.astype(np.float64),
        sae=HandSAE(*(part.numpy().astype(np.float64) for part in (m.sae.W_dec, m.sae.b_dec))),
    )
    x = INTERVENTIONS.get("neuron-edit")()(exact, edit)
    return x @ (query / np.linalg.norm(query)) / np.linalg.norm(x, axis=1)


def shaken(m: Material) -> Material:
    """Pooled embeddings that are not quite the readout of the residuals, as those of a lower precision."""
    return replace(m, pooled=m.pooled * (1.0 + 1e-4 * np.random.default_rng(7).normal(size=m.pooled.shape)))


MATERIALS = {(attach, seed): make(attach, seed=seed) for attach in ATTACHES for seed in (0, 1)}
MATERIALS["residual", 2] = shaken(make("residual", seed=2))
STORED = {
    (attach, store): make(attach, np.float32, 3, store) for attach in ATTACHES for store in (np.float32, np.float16)
}
ENGINES = {key: engine(m) for key, m in (MATERIALS | STORED).items()}
ANY = list(MATERIALS | STORED)


def built(own: list[tuple[float, float]] | None, **common) -> Edit:
    """An edit whose neurons have strengths and gammas of their own, where they are given."""
    neurons = sorted(set(common.pop("neurons")))
    if own is None:
        return Edit(tuple(neurons), **common)
    strengths, gammas = zip(*own[: len(neurons)], strict=True) if neurons else ((), ())
    return Edit(tuple(neurons), strengths=strengths, gammas=gammas, **common)


edits = st.builds(
    built,
    own=st.one_of(st.none(), st.lists(st.tuples(st.floats(0, 1), st.floats(-1, 1)), min_size=9, max_size=9)),
    neurons=st.lists(st.integers(0, F - 1), max_size=9),
    strength=st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 1)),
    gamma=st.one_of(st.just(0.0), st.floats(-1.5, 1.5)),
    form=st.sampled_from(["error-preserving", "blend"]),
    alpha=st.one_of(st.sampled_from([0.0, 0.6, 1.0]), st.floats(0, 1)),
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(ANY), edits, st.integers(0, 5))
def test_equals_editing_every_row_in_float64(key, edit, number):
    """200 random (attach point, storage, form, strengths, gammas, set, query) combinations; scores to 1e-12, to
    rounding where embeddings are stored in less than float64; hence the same ranking."""
    m, live = (MATERIALS | STORED)[key], ENGINES[key]
    query = np.random.default_rng(number).normal(size=D)
    exact = brute(m, query, edit)
    np.testing.assert_allclose(live.scores(query, edit), exact, atol=1e-12 if key in MATERIALS else 2e-6)
    order = np.argsort(-exact, kind="stable")[:K]
    found = live.search(query, K, edit)
    assert same_ranking(found, Ranking(order, exact[order].astype(np.float32)), 1e-6 if key in MATERIALS else 2e-6)


@pytest.mark.parametrize("attach", ATTACHES)
@pytest.mark.parametrize("store", [np.float32, np.float16])
def test_the_same_ids_as_a_new_flat_index_in_float32(attach, store):
    m = make(attach, np.float32, seed=3, store=store)
    live, rng = engine(m), np.random.default_rng(0)
    for number in range(20):
        size, form = int(rng.integers(0, 6)), ("error-preserving", "blend")[number % 2]
        edit = Edit(tuple(rng.integers(0, F, size)), float(rng.random()), float(rng.choice([0.0, 0.7])), form)
        query = rng.normal(size=D)
        flat = search(unit_rows(INTERVENTIONS.get("neuron-edit")()(m, edit)), query, K)
        assert same_ranking(live.search(query, K, edit), flat, 1e-6), edit


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(MATERIALS)), edits, st.integers(0, 5), st.integers(1, N), st.booleans())
def test_search_is_the_first_of_all_scores(key, edit, number, k, given_base):
    """Looking at changed rows and leaders alone finds what sorting every score finds, ties included."""
    live = ENGINES[key]
    query = np.random.default_rng(number).normal(size=D)
    # few different scores: many rows tie at the k-th place
    base = np.round(live.scores(query), 1) if given_base else None
    scores = live.scores(query, edit, base)
    found = live.search(query, k, edit, base)
    np.testing.assert_array_equal(found.rows, np.argsort(-scores, kind="stable")[:k])
    np.testing.assert_array_equal(found.scores, scores[found.rows].astype(np.float32))


@pytest.mark.parametrize("neuron", range(8))
def test_leaders_that_all_change_make_room_for_more(monkeypatch, neuron):
    monkeypatch.setattr("core.retrieval.live_query.LEADERS", 1)
    m = MATERIALS["pooled", 0]
    live, edit, query = engine(m), Edit((neuron,)), -m.sae.W_dec.numpy()[neuron]
    everyone = np.argsort(-live.scores(query, edit), kind="stable")
    for k in (1, 2, 30, N):
        np.testing.assert_array_equal(live.search(query, k, edit).rows, everyone[:k])


def test_given_lengths_are_used():
    m = MATERIALS["pooled", 0]
    given = LiveEngine(
        LiveGallery(m.x, m.codes, m.sae.W_dec.numpy(), m.sae.b_dec.numpy(), lengths=np.linalg.norm(m.x, axis=1))
    )
    query, edit = np.ones(D), Edit((1, 3), 0.7)
    np.testing.assert_allclose(given.scores(query, edit), brute(m, query, edit), atol=1e-12)


@pytest.mark.parametrize("key", sorted(MATERIALS))
def test_cosines_before_and_after(key):
    m, live = MATERIALS[key], ENGINES[key]
    for edit in (
        Edit((1, 3, 7)),
        Edit((2, 5), 0.4, 0.8),
        Edit((2, 9), form="blend", alpha=0.3),
        Edit((6,), gamma=-0.5),
    ):
        new, found = INTERVENTIONS.get("neuron-edit")()(m, edit), live.edited(edit)
        lengths = np.linalg.norm(new, axis=1) * np.linalg.norm(m.pooled, axis=1)
        cosines = np.einsum("ij,ij->i", new, m.pooled) / lengths
        np.testing.assert_allclose(found.cosines, cosines[found.rows], atol=1e-12)
        untouched = np.setdiff1d(np.arange(N), found.rows)
        np.testing.assert_array_equal(new[untouched], m.pooled[untouched])


@pytest.mark.parametrize("attach", ATTACHES)
def test_only_rows_with_an_active_switched_neuron_change(attach):
    m = make(attach)
    live, query = engine(m), np.ones(D)
    active = np.flatnonzero((m.codes[:, [1, 3]] != 0).toarray().any(axis=1))
    np.testing.assert_array_equal(live.edited(Edit((1, 3))).rows, active)
    base = np.random.default_rng(0).random(N)
    after = live.scores(query, Edit((1, 3)), base)
    untouched = np.setdiff1d(np.arange(N), active)
    np.testing.assert_array_equal(after[untouched], base[untouched])
    np.testing.assert_array_equal(live.scores(query, Edit((4,))), live.scores(query))  # a dead neuron
    for nothing in (Edit(), Edit((1,), strength=0.0), Edit((1,), form="blend", alpha=0.0)):
        np.testing.assert_array_equal(live.scores(query, nothing), live.scores(query))


@pytest.mark.parametrize("attach", ATTACHES)
def test_several_queries_and_the_order_of_questions(attach):
    m, rng = make(attach), np.random.default_rng(0)
    queries, asked = rng.normal(size=(3, D)), [Edit((1, 2)), Edit((2,), form="blend"), Edit((1, 2))]
    warm = engine(m)
    for edit in asked:
        together = warm.scores(queries, edit)
        for query, scores in zip(queries[::-1], together[::-1], strict=True):
            np.testing.assert_array_equal(engine(m).scores(query, edit), scores)


@pytest.mark.parametrize("key", [("pooled", 0), ("residual", 0), ("residual", 2)])
@pytest.mark.parametrize("form", ["error-preserving", "blend"])
def test_threads_change_no_bit_and_the_first_edit_is_followed(monkeypatch, key, form):
    monkeypatch.setattr("core.retrieval.products.BLOCK_BYTES", 1 << 10)  # many blocks
    m, edit, query = MATERIALS[key], Edit((1, 3, 8), form=form), np.ones(D)
    found, told = [], []
    for count in ("1", "3"):
        monkeypatch.setattr("core.retrieval.products.threads", lambda count=count: int(count))
        live = engine(m)
        live.edited(edit, lambda done, total, what: told.append((done, total, what)))
        found.append((live.scores(query, edit), live.edited(edit).cosines))
    for alone, together in zip(*found, strict=True):
        np.testing.assert_array_equal(alone, together)
    assert all(0 < done <= total == N for done, total, _ in told)
    passes = (key[0] == "residual") + (form == "blend")
    assert len({what for _, _, what in told}) == passes and sum(done == N for done, _, _ in told) == 2 * passes


def test_stored_embeddings_say_what_the_readout_would(monkeypatch):
    """Where they do, no row goes through the product; where one does not, its block does."""
    pushed = []
    linear = ReadoutArrays.linear
    monkeypatch.setattr(ReadoutArrays, "linear", lambda self, x: pushed.append(len(x)) or linear(self, x))
    for key, product in ((("residual", 0), False), (("residual", 2), True)):
        pushed.clear()
        stored = engine(MATERIALS[key]).gallery.sums.stored()
        assert stored.agree is not product and (N in pushed) is product


def test_a_row_of_which_nearly_nothing_is_left():
    """float32: ||x'||^2 as a difference of numbers near 1 would be noise, here it is 1e-6."""
    rng, W = np.random.default_rng(0), np.eye(6, dtype=np.float32)
    x = np.abs(rng.normal(size=(8, 6))).astype(np.float32)
    x[0] = [1.0, 0, 0, 0, 0, 1e-3]
    live = LiveEngine(
        LiveGallery(x, sparse.csc_matrix(np.maximum(x, 0) * (np.arange(6) < 5)), W, np.zeros(6, dtype=np.float32))
    )
    np.testing.assert_allclose(live.edited(Edit((0,))).lengths[0], 1e-3, rtol=1e-3)
    for left in (9e-5, 0.0):
        x[0, 5] = left
        codes = sparse.csc_matrix(x * (np.arange(6) < 5))
        with pytest.raises(InputError, match=r"leaves nothing of some items \(1 of 8\)"):
            LiveEngine(LiveGallery(x, codes, W, np.zeros(6, dtype=np.float32))).edited(Edit((0,)))


def test_best_rows_breaks_ties_by_row():
    scores = np.array([0.5, 0.9, 0.5, 0.5, 0.1])
    np.testing.assert_array_equal(best_rows(scores, 3), [1, 0, 2])
    np.testing.assert_array_equal(best_rows(scores, 5), [1, 0, 2, 3, 4])


def test_refused():
    live = engine(make("pooled"))
    with pytest.raises(InputError, match="neuron 30 was given; this SAE has neurons 0 to 29"):
        live.scores(np.ones(D), Edit((30,)))
    with pytest.raises(InputError, match="k was 0"):
        live.search(np.ones(D), 0)
    with pytest.raises(InputError, match="has 3 numbers"):
        live.scores(np.ones(3))
    with pytest.raises(InputError, match="the readout"):
        m = make("residual")
        LiveEngine(LiveGallery(m.x, m.codes, m.sae.W_dec.numpy(), m.sae.b_dec.numpy(), None, m.readout))
