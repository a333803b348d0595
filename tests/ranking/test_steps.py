"""From a request to a result: what there is without an edit, with one, and where nothing is left of the query."""

from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sparse

from core.config import Edit
from core.interventions import Material
from core.prompts import OPEN, shipped_book
from core.ranking import RankRequest, rank, steps
from core.ranking.arms import arm_items
from core.ranking.fitting import Fitter
from core.ranking.items import Items, edited_items
from core.ranking.live_items import LiveIndex
from core.ranking.queries import embed_texts
from core.ranking.rows import Part, part_of
from core.retrieval import FlatIndex
from core.scene import Scene
from core.units import unit_rows
from tests.tiny import IMAGES, QUERY, READOUT, TinyBackbone, busy_neurons, dense_codes, sae_file

FILE = sae_file("image", "pooled")
SCENE = Scene(IMAGES, {"image": FILE}, TinyBackbone())
EDIT = Edit(busy_neurons(IMAGES, FILE, 2))


def test_a_ranking_with_an_edit_has_both_lists_and_what_changed() -> None:
    asked = {"attribute": "gender", "query": QUERY, "k": 10, "null_draws": 2}
    plain = rank(SCENE, RankRequest(**asked))
    assert plain.after is None and plain.difference is None and plain.reason is None
    found = rank(SCENE, RankRequest(**asked, edits={"image": EDIT}))
    assert found.after is not None and found.difference is not None
    assert found.before.rows.tolist() == plain.before.rows.tolist()
    fires = (dense_codes(IMAGES.embeddings(), FILE)[:, list(EDIT.neurons)] > 0).any(axis=1)
    assert found.difference.rows_changed == fires.sum()


def test_a_cluster_is_given_the_scene_and_the_part(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[object, ...]] = []

    def spread(*what: object) -> nullcontext[None]:
        given.append(what)
        return nullcontext()

    monkeypatch.setattr(steps, "spread", spread)
    rank(SCENE, RankRequest("gender", QUERY, k=10, null_draws=2), cluster="workers")  # type: ignore[arg-type]
    ((cluster, scene, part),) = given
    assert cluster == "workers" and scene is SCENE and isinstance(part, Part)


def test_what_a_method_has_to_say_stands_among_the_notes() -> None:
    """Of the query and of the items, where it changes both; nothing where it is not asked."""
    asked = RankRequest("gender", QUERY, k=10, null_draws=2, method="closed-form", prompts=shipped_book(OPEN))
    said = [note for note in rank(SCENE, asked).notes if note.startswith("Closed form: ")]
    assert len(said) == 2 and "of a search text" in said[0] and "of a picture" in said[1]
    assert not any("Closed form" in note for note in rank(SCENE, RankRequest("gender", QUERY, k=10)).notes)


@pytest.mark.parametrize("copied", [True, False])
def test_edited_unit_rows_are_kept_where_those_before_are(copied: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gallery that is searched as it is stored has no copy of its rows in memory, edited or not."""
    if not copied:
        monkeypatch.setattr("core.ranking.items.INDEX_BYTES", 0)
    scene, request = Scene(IMAGES, {"image": FILE}), RankRequest("gender", QUERY, edits={"image": EDIT})
    index = arm_items(scene, part_of(scene, request), request).index
    assert isinstance(index, LiveIndex)
    assert (index.unit is index.unit) is copied
    np.testing.assert_allclose(np.linalg.norm(index.unit, axis=1), 1.0, atol=1e-5)


def test_rows_after_a_method_by_hand() -> None:
    """The second column is deleted: (3, 4) keeps a cosine of .6, nothing is left of (0, 1), (1, 0) stays."""
    rows = np.array([[3.0, 4.0], [0.0, 1.0], [1.0, 0.0]], dtype=np.float32)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    baseline = Items(FlatIndex(unit), np.zeros(0, np.int64), np.zeros(0), "before")
    found = edited_items(Material("image", rows), baseline, "difference-projection", Edit(), "after", np.eye(2)[:, 1:])
    assert (found.changed.tolist(), found.lost.tolist(), found.digest) == ([0, 1], [1], "after")
    np.testing.assert_allclose(found.cosines, [0.6, 0.0], atol=1e-6)
    np.testing.assert_allclose(found.index.scores(np.array([1.0, 0.0])), [1.0, -np.inf, 1.0])
    still = edited_items(Material("image", rows), baseline, "difference-projection", Edit(), "after", np.eye(2)[:, 2:])
    assert still.index is baseline.index and still.digest == "before" and not len(still.changed)


@pytest.mark.parametrize("method", ["difference-projection", "neuron-edit"])
def test_rows_go_through_a_method_by_blocks(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one block gives, ten give, with what is lost and what stays in several of them."""
    rng, W = np.random.default_rng(0), np.eye(8, dtype=np.float32)[:3]
    codes = np.where(rng.random((50, 3)) < 0.4, rng.random((50, 3)), 0.0).astype(np.float32)
    rows = codes @ W + rng.random((50, 1)).astype(np.float32) * np.eye(8, dtype=np.float32)[7]
    rows[[3, 41]] = W[1]
    rows[[4, 40]] = W[0]
    codes[[3, 41]], codes[[4, 40]] = [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]
    sae = SimpleNamespace(arrays=lambda: {"W_dec": W, "b_dec": np.zeros(8, np.float32)})
    material = Material("image", rows, codes=sparse.csc_matrix(codes), sae=sae, at_sae=rows)
    baseline = Items(FlatIndex(unit_rows(rows)), np.zeros(0, np.int64), np.zeros(0), "before")
    V, found = np.eye(8, dtype=np.float32)[:, 1:2], []
    for size in (1 << 26, 8 * 4 * 5):
        monkeypatch.setattr("core.ranking.items.EDITED_BYTES", size)
        found.append(edited_items(material, baseline, method, Edit((1,)), "after", V))
    once, often = found
    np.testing.assert_array_equal(once.changed, often.changed)
    np.testing.assert_array_equal(once.lost, often.lost)
    assert {3, 41} == set(once.lost) and not {4, 40} & set(once.changed)
    np.testing.assert_allclose(once.cosines, often.cosines, atol=1e-7)
    np.testing.assert_allclose(once.index.unit, often.index.unit, atol=1e-7)


def test_queries_come_with_what_their_method_reads() -> None:
    book = shipped_book(OPEN)
    bend = RankRequest("gender", QUERY, method="bendvlm", prompts=book)
    found = embed_texts(SCENE, bend, [QUERY])
    said = Fitter(SCENE, bend).companions("augmented", QUERY)
    assert len(said) == 2 and found.material.augmented is not None
    np.testing.assert_allclose(found.material.augmented[0], TinyBackbone().encode_texts(said)["pooled"], rtol=1e-6)
    sem = RankRequest("gender", QUERY, method="sem-i", prompts=book)
    for attach in ("pooled", "residual"):
        scene = Scene(IMAGES, {"text": sae_file("text", attach)}, TinyBackbone())
        material = embed_texts(scene, sem, [QUERY]).material
        wordings = Fitter(scene, sem).companions("paraphrases", QUERY)
        own = TinyBackbone().encode_texts(wordings, (attach,))[attach]
        np.testing.assert_allclose(material.paraphrases[0], own, rtol=1e-6)
        assert sparse.issparse(material.codes)
        assert material.readout is (READOUT if attach == "residual" else None), "at the pooled one nothing follows"
