"""The engine with its sums made by torch gives what it gives in memory; on a GPU where there is one."""

import numpy as np
import pytest
import scipy.sparse as sparse
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.config import Edit, InputError
from core.interventions import Material
from core.retrieval import LiveEngine, LiveGallery, Ranking, same_ranking
from core.retrieval.host import Host
from core.retrieval.on_device import Device, device_for
from core.retrieval.place import place_for
from tests.retrieval.test_live import ANY, ENGINES, MATERIALS, STORED, D, N, brute, edits

PLACES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")),
]


def engine(m: Material, device: str) -> LiveEngine:
    pooled = m.pooled if m.attach == "residual" else None
    arrays = m.sae.arrays()
    return LiveEngine(LiveGallery(m.x, m.codes, arrays["W_dec"], arrays["b_dec"], pooled, m.readout, on=Device(device)))


@pytest.fixture(scope="module", params=PLACES)
def engines(request) -> dict:
    return {key: engine(m, request.param) for key, m in (MATERIALS | STORED).items()}


@settings(max_examples=100, deadline=None)
@given(key=st.sampled_from(ANY), edit=edits, number=st.integers(0, 5), k=st.integers(1, N), given_base=st.booleans())
def test_equals_editing_every_row_in_float64(engines, key, edit, number, k, given_base):
    m, live, here = (MATERIALS | STORED)[key], engines[key], ENGINES[key]
    query = np.random.default_rng(number).normal(size=D)
    base = here.scores(query) if given_base else None
    exact, tolerance = brute(m, query, edit), 1e-12 if key in MATERIALS else 2e-6
    scores = live.scores(query, edit, base)
    assert isinstance(scores, np.ndarray) and scores.dtype == here.scores(query, edit).dtype
    np.testing.assert_allclose(scores, exact, atol=tolerance)
    found = live.search(query, k, edit, base)
    order = np.argsort(-exact, kind="stable")[:k]
    assert same_ranking(found, Ranking(order, exact[order].astype(np.float32)), 2e-6)
    np.testing.assert_array_equal(found.rows, np.argsort(-scores, kind="stable")[:k])  # equal scores by rising row


@settings(max_examples=40, deadline=None)
@given(key=st.sampled_from(ANY), edit=edits)
def test_cosines_and_changed_rows(engines, key, edit):
    live, here, get = engines[key].edited(edit), ENGINES[key].edited(edit), engines[key].on.get
    np.testing.assert_array_equal(get(live.rows), here.rows)
    np.testing.assert_allclose(get(live.cosines), here.cosines, atol=1e-12 if key in MATERIALS else 2e-6)
    np.testing.assert_array_equal(live.changes(np.arange(N)), here.changes(np.arange(N)))


def test_ties_and_several_queries(engines):
    live, queries = engines["pooled", 0], np.random.default_rng(0).normal(size=(3, D))
    together = live.scores(queries, Edit((1, 2)))
    for query, scores in zip(queries, together, strict=True):
        np.testing.assert_allclose(live.scores(query, Edit((1, 2))), scores, atol=1e-14)
    base = np.round(live.scores(queries[0]), 1)
    found = live.search(queries[0], 30, None, base)
    np.testing.assert_array_equal(found.rows, np.argsort(-base, kind="stable")[:30])


def test_a_row_of_which_nothing_is_left_is_said(engines):
    x = np.eye(6)[:4]
    live = LiveEngine(LiveGallery(x, sparse.csc_matrix(x), np.eye(6), np.zeros(6), on=engines["pooled", 0].on))
    with pytest.raises(InputError, match="leaves nothing of some items"):
        live.edited(Edit((0,)))


def test_a_gpu_is_used_where_it_has_room():
    assert (device_for(np.zeros(4)) is not None) == torch.cuda.is_available()
    assert isinstance(place_for(np.zeros(4)), Device if torch.cuda.is_available() else Host)
