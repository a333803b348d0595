"""A gallery that is searched as it is stored gives what one gives that is copied into an index."""

import subprocess
import sys

import numpy as np
import pytest

from core import ranking
from core.config import Edit
from core.ranking import RankRequest
from core.ranking.arms import EDITED, ORIGINAL, arm_items, both_arms
from core.ranking.edited_rows import EditedRows
from core.ranking.leakage import residual_leakage
from core.ranking.rows import part_of
from core.retrieval import PartIndex, Ranking, StoredIndex, same_ranking
from core.scene import Scene
from tests.tiny import IMAGES, QUERY, TinyBackbone, busy_neurons, sae_file


def request(attach: str, half: str, **choices) -> tuple[RankRequest, dict]:
    saes = {"image": sae_file("image", attach)}
    edits = {"image": Edit(busy_neurons(IMAGES, saes["image"]), **choices.pop("edit", {}))}
    choices = {"edits": edits, "k": 40, "null_draws": 100, "half": half, **choices}
    return RankRequest("gender", QUERY, **choices), saes


def same(a: ranking.ArmResult, b: ranking.ArmResult) -> bool:
    return (
        a.metrics == b.metrics
        and a.shares == b.shares
        and same_ranking(Ranking(a.rows, a.scores), Ranking(b.rows, b.scores), 1e-6)
    )


@pytest.fixture
def stored(monkeypatch):
    """Makes every gallery a large one."""
    return lambda: monkeypatch.setattr("core.ranking.items.INDEX_BYTES", 0)


@pytest.mark.parametrize("half", ["all", "evaluation"])
@pytest.mark.parametrize("attach", ["pooled", "residual"])
@pytest.mark.parametrize("edit", [{}, {"strength": 0.4, "gamma": 0.3}, {"form": "blend", "alpha": 0.5}])
def test_neuron_edits(stored, attach, half, edit):
    asked, saes = request(attach, half, edit=edit)
    small = ranking.rank(Scene(IMAGES, saes, TinyBackbone()), asked)
    stored()
    large = ranking.rank(Scene(IMAGES, saes, TinyBackbone()), asked)
    assert same(large.before, small.before) and same(large.after, small.after)
    assert large.difference.rows_changed == small.difference.rows_changed > 0
    assert large.difference.cosine.estimate == pytest.approx(small.difference.cosine.estimate, abs=1e-6)
    assert large.difference.rank_changes == small.difference.rank_changes


@pytest.mark.parametrize("half", ["all", "evaluation"])
@pytest.mark.parametrize("method", ["mean-difference", "sp-topk", "reconstruction-only"])
def test_methods_that_move_every_item(stored, monkeypatch, half, method):
    edits = {"edits": {}} if method != "reconstruction-only" else {}
    asked, saes = request("pooled", half, method=method, **edits)
    small = ranking.rank(Scene(IMAGES, saes, TinyBackbone()), asked)
    stored()
    monkeypatch.setattr("core.retrieval.products.COMPUTED_BYTES", 64 * 4 * IMAGES.embeddings().shape[1])
    read, told = [], []
    pair = EditedRows.pair
    monkeypatch.setattr(EditedRows, "pair", lambda self, at: read.append(found := pair(self, at)) or found)
    large = ranking.rank(Scene(IMAGES, saes, TinyBackbone()), asked, progress=lambda *one: told.append(one))
    assert all(len(edited) <= 64 < IMAGES.n // 2 for _, edited in read), "more than a block was worked out at once"
    assert bool(read) == (method != "reconstruction-only") and told[-1][0] == told[-1][1]
    assert same(large.before, small.before) and same(large.after, small.after)
    assert large.difference.rows_changed == small.difference.rows_changed > 0
    assert large.difference.cosine.estimate == pytest.approx(small.difference.cosine.estimate, abs=1e-6)


@pytest.mark.parametrize("half", ["all", "evaluation"])
@pytest.mark.parametrize("attach", ["pooled", "residual"])
def test_what_reads_the_edited_rows_themselves(stored, attach, half):
    asked, saes = request(attach, half)
    found = []
    for large in (False, True):
        if large:
            stored()
        scene = Scene(IMAGES, saes)
        part = part_of(scene, asked)
        items = {arm.name: arm_items(scene, part, arm.of(asked)) for arm in both_arms(asked)}
        assert isinstance(items[ORIGINAL].index, (StoredIndex, PartIndex)) == large
        found.append((items[EDITED].index.unit, residual_leakage(IMAGES, part, items, "gender")))
    np.testing.assert_allclose(found[0][0], found[1][0], atol=1e-6)
    for arm in ("before", "after"):
        a, b = (getattr(leak, arm).estimate for _, leak in found)
        assert a == pytest.approx(b, abs=1e-3)


def test_ranking_loads_neither_torch_nor_an_index():
    """Both take longer to load than a million rows take to be ranked."""
    heavy = "{'torch', 'faiss', 'umap', 'open_clip'}"
    code = f"import sys, core.audit.run, core.edits, core.ranking; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
